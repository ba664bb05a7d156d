"use strict";
// The pane of one unit: what it wants to see, what makes it answer, what feeds it and what it feeds.

function histogram(unit) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const most = Math.max(...unit.histogram), count = unit.histogram.length;
  svg.setAttribute("viewBox", `0 0 ${count} 1`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `How many photographs it answers how strongly to, from ${number(unit.from)} to ${number(unit.highest)}`);
  unit.histogram.forEach((value, place) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = most ? Math.sqrt(value / most) : 0;
    for (const [name, what] of Object.entries({ x: place + 0.05, y: 1 - height, width: 0.9, height })) bar.setAttribute(name, what);
    svg.append(bar);
  });
  return svg;
}

// Lists the units that feed one, or that it feeds, each a picture and a link where the atlas has it.
function neighbors(title, rows) {
  const section = element("section"), list = element("ul", undefined, "neighbors");
  rows.forEach(([address, strength, label]) => {
    const [layer, channel] = find(address), item = element("li");
    const card = layer ? element("a") : element("span"), picture = element("div");
    if (layer) {
      card.href = hashOf(address);
      if (hasPicture(layer.units[channel])) showFeature(picture, layer, channel);
    }
    if (layer) card.append(picture);
    card.append(label || address);
    item.append(card, element("b", ` ${signed(strength)}`, strength > 0 ? "excites" : "inhibits"));
    list.append(item);
  });
  section.append(element("h3", title), list);
  return section;
}

function drawUnit(layer, channel) {
  const unit = layer.units[channel], panel = byId("unit");
  const feature = element("div", undefined, "feature");
  feature.setAttribute("role", "img");
  feature.setAttribute("aria-label", `What ${layer.name}:${channel} wants to see`);
  if (hasPicture(unit)) showFeature(feature, layer, channel);
  panel.replaceChildren(element("h2", `${layer.name}:${channel}`), element("p", words(unit)), ...(hasPicture(unit) ? [feature] : []));
  if (unit.others?.length) panel.append(otherPictures(layer, channel));
  if (unit.filter) panel.append(ownFilter(unit.filter));
  if (unit.tuning) panel.append(tuningPlate(layer, unit.tuning));
  if (unit.histogram) drawMeasured(panel, layer, channel);
  if (unit.fedBy.length) panel.append(neighbors("What feeds it: the strongest weights in", unit.fedBy));
  if (unit.feeds.length) panel.append(neighbors("What it feeds: the strongest weights out", unit.feeds));
}

// Shows what a unit wants to see from other seeds, the strongest first.
function otherPictures(layer, channel) {
  const section = element("section"), list = element("ul", undefined, "neighbors");
  layer.units[channel].others.forEach((other, place) => {
    const item = element("li"), picture = element("div");
    if (hasPicture(other)) showFeature(picture, layer, channel, place + 1);
    item.append(picture, other.broken ? "NaN" : other.asleep ? "not activated" : `activation ${number(other.reached)}`);
    list.append(item);
  });
  section.append(element("h3", "The same from other beginnings, the strongest first"), list);
  return section;
}

// Shows the filter of a unit that reads the picture itself; gray is zero.
function ownFilter(rows) {
  const section = element("section"), canvas = element("canvas", undefined, "filter");
  const most = Math.max(...rows.flat(2).map(Math.abs)) || 1, context = canvas.getContext("2d");
  Object.assign(canvas, { width: rows[0].length, height: rows.length });
  const pixels = context.createImageData(canvas.width, canvas.height);
  rows.flat().forEach((color, place) => pixels.data.set([...color.map((value) => 127.5 + (127.5 * value) / most), 255], 4 * place));
  context.putImageData(pixels, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Its filter, in color");
  section.append(element("h3", "Its filter: gray is zero"), canvas);
  return section;
}

// Shows how a unit's answer changes with what is drawn: a curve for each property, and the best of each kind below.
function tuningPlate(layer, tuning) {
  const section = element("section"), list = element("ul", undefined, "tuning");
  const [orientation, period] = tuning.grating, axes = ATLAS.axes;
  const panels = [
    ["orientation", `Stripes of ${axes.period[period]} px, by angle`, "0° lie flat, 90° stand", "grating"],
    ["period", `Stripes at ${axes.orientation[orientation]}°, by width`, "pixels from stripe to stripe", null],
    ["hue", "Plain colors", "0° red, 120° green, 240° blue", "hue"],
    ["radius", "Disks, by size", "radius in pixels", "disk"],
    ["curvature", "Lines, by bend", "0 straight, else 1 / radius", "arc"],
  ];
  const values = [0, tuning.gray, ...panels.flatMap(([key]) => tuning[key].flat())];
  const range = [Math.min(...values), Math.max(...values)];
  panels.forEach(([key, title, axis, family]) => {
    const item = element("li");
    item.append(element("b", title), curve(tuning[key], range, tuning.gray, title));
    item.append(element("span", `${number(axes[key][0])} to ${number(axes[key].at(-1))}: ${axis}`, "muted"));
    if (key === "radius") item.append(contrasts());
    const answers = tuning[key].flat();
    if (Math.max(...answers) === Math.min(...answers)) item.append(element("span", "It answers the same to all of these.", "muted"));
    else if (family) item.append(bestStimulus(layer, tuning.tiles[family]));
    list.append(item);
  });
  section.append(element("h3", "What drawn lines and colors make it answer"), element("p", `It answers ${tuning.words}`),
    list, element("p", `All curves from ${number(range[0])} to ${number(range[1])}; dashed: its answer to plain gray. Framed: what the neuron sees, in the drawing of each kind that it answers most to.`, "muted"));
  return section;
}

// Names the four curves of disks in their colors.
function contrasts() {
  const legend = element("span", undefined, "legend");
  ATLAS.axes.contrast.forEach((name, which) => legend.append(element("span", name, `curve${which}`)));
  return legend;
}

function bestStimulus(layer, tile) {
  const picture = element("div");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", "What it answers most to of these");
  show(picture, layer.stimuli, [tile, layer.stimulusCount], ATLAS.tile, ATLAS.tile);
  return picture;
}

function svgElement(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, what] of Object.entries(attributes)) made.setAttribute(name, what);
  return made;
}

// Draws curves over even distances, within a range (lowest, highest), with a dashed line.
function curve(rows, [low, high], dashed, title) {
  const svg = svgElement("svg", { viewBox: "0 0 100 50", preserveAspectRatio: "none", role: "img", "aria-label": title });
  const up = (value) => 48 - (46 * (value - low)) / (high - low || 1);
  svg.append(svgElement("path", { d: `M0 ${up(dashed)}H100`, class: "dashed" }));
  rows.forEach((row, which) => {
    const points = row.map((value, place) => `${(100 * place) / (row.length - 1)},${up(value)}`);
    svg.append(svgElement("polyline", { points: points.join(" "), class: `curve${which}` }));
  });
  return svg;
}

// Lists the classes whose scores a unit changes most, as bars from the left, or from the middle where some are lowered.
function classEffects(effects) {
  const section = element("section"), list = element("ul", undefined, "effects");
  const most = Math.max(...effects.map(([, change]) => Math.abs(change)));
  const zero = effects.some(([, change]) => change < 0) ? 50 : 0; // percent from the left
  effects.forEach(([label, change]) => {
    const item = element("li"), bar = element("span", undefined, change > 0 ? "raises" : "lowers");
    const length = ((100 - zero) * Math.abs(change)) / most;
    bar.style.width = `${length}%`;
    bar.style.marginLeft = `${change > 0 ? zero : zero - length}%`;
    item.append(element("span", `${label} `), element("b", signed(change)), bar);
    list.append(item);
  });
  section.append(element("h3", "What it does to the classes"), element("p", effects.length
    ? "What it adds to the scores of the classes that it changes most, on its strongest photograph: the scores less those where it answers 0."
    : "On its strongest photograph it changes the score of no class."), list);
  return section;
}

// Adds what photographs make a unit answer.
function drawMeasured(panel, layer, channel) {
  const unit = layer.units[channel];
  const kinds = ["strongest", "2nd", "3rd", "4th", "5th", "about 90 %", "about 50 %", "just above zero"];
  const list = element("ul", undefined, "examples");
  unit.examples.forEach((one, place) => {
    if (!one) return;
    const item = element("li"), picture = element("div");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `${one[0]}, ${one[1]}`);
    show(picture, layer.strips, [channel, layer.units.length], kinds.length * ATLAS.crop, ATLAS.crop, place, kinds.length);
    item.append(picture, element("b", kinds[place]), ` ${number(one[1])} ${one[2]}`);
    list.append(item);
  });
  if (ATLAS.classes) panel.append(element("h3", "Its name"), element("p", unit.name || "No name: it tells no class from the others, beyond chance, on photographs held back."));
  panel.append(element("h3", "Photographs it answers to, cropped to what it sees"),
    list.children.length ? list : element("p", "None makes it answer above zero.", "muted"),
    element("p", `White in a crop lies beyond the photograph's edge. It answers above zero to ${percent(unit.fires)} of ${ATLAS.photographs} photographs. Their maxima, from ${number(unit.from)} to ${number(unit.highest)} (heights are square roots):`),
    histogram(unit));
  if (unit.effects) panel.append(classEffects(unit.effects));
  const alike = element("p", "Answers alike: ");
  unit.alike.forEach(([address, r], place) => {
    const link = element("a", address);
    link.href = hashOf(address);
    alike.append(place ? ", " : "", link, ` (r = ${r})`);
  });
  panel.append(alike);
}

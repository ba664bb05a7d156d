"use strict";
// A page without a server: the table of units is in data.js, the pictures are tiles of sheets.
const SHEET = 4096;
const byId = (id) => document.getElementById(id);
const element = (tag, text, className) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const number = (value) => Number(value.toPrecision(3)).toString();
const percent = (share) => `${number(100 * share)} %`;

// Shows tile `index` of `count` on sheets of (width, height) tiles in an element, whatever that's size.
function show(target, sheets, [index, count], width, height, column = 0, columns = 1) {
  const across = Math.floor(SHEET / width), down = Math.floor(SHEET / height);
  const sheet = Math.floor(index / (across * down)), place = index % (across * down);
  const first = sheet * across * down;
  const rows = Math.min(down, Math.ceil((count - first) / across));
  const x = (place % across) * columns + column, y = Math.floor(place / across);
  const wide = across * columns;
  target.style.backgroundImage = `url("${sheets[sheet]}")`;
  target.style.backgroundSize = `${100 * wide}% ${100 * rows}%`;
  target.style.backgroundPosition = `${wide > 1 ? (100 * x) / (wide - 1) : 0}% ${rows > 1 ? (100 * y) / (rows - 1) : 0}%`;
}

let current = 0, mapped = false;

// Shows what a unit of a layer wants to see: its strongest picture, or another seed's.
const showFeature = (target, layer, channel, rank = 0) =>
  show(target, layer.sheets[rank], [channel, layer.units.length], ATLAS.size, ATLAS.size);

// Returns the layer and the channel that an address names; a layer's name may have colons itself.
function find(address) {
  const split = address.lastIndexOf(":"), channel = Number(address.slice(split + 1));
  const layer = ATLAS.layers.find((one) => one.name === address.slice(0, split));
  return split >= 0 && layer?.units[channel] ? [layer, channel] : [];
}

// A unit that could not be activated has no picture of what it wants: a gray one would tell nothing.
const hasPicture = (unit) => unit.made && !unit.broken && !unit.asleep;

function words(unit) {
  if (!unit.made) return "not made yet";
  if (unit.broken) return "it answers in no numbers (NaN): no picture can be made";
  if (unit.asleep) return "this unit could not be activated";
  const ratio = unit.mean > 0 ? `, ${number(unit.reached / unit.mean)} × the strongest of ${ATLAS.photographs} photographs` : "";
  return `activation ${number(unit.reached)}${ratio}`;
}

function drawLayer(index) {
  current = index;
  byId("layers").value = String(index);
  const layer = ATLAS.layers[index], grid = byId("grid");
  grid.replaceChildren(...layer.units.map((unit, channel) => {
    const tile = element("button");
    tile.type = "button";
    tile.append(element("span", String(channel)));
    tile.setAttribute("aria-label", `${layer.name}:${channel}, ${words(unit)}`);
    tile.title = words(unit);
    tile.setAttribute("aria-pressed", "false");
    if (hasPicture(unit)) showFeature(tile, layer, channel);
    else tile.append(unit.broken ? "NaN" : unit.made ? "not activated" : "not made");
    tile.addEventListener("click", () => { location.hash = encodeURIComponent(`${layer.name}:${channel}`); });
    return tile;
  }));
  layOut(layer, grid);
}

// Puts a layer's tiles in the cells of its map, those that never change in rows below; or one after the other.
function layOut(layer, grid) {
  const map = mapped ? layer.map : null;
  byId("likeness").hidden = !layer.map;
  byId("likeness").setAttribute("aria-pressed", String(Boolean(map)));
  byId("map-words").textContent = map ? mapWords(map) : "";
  grid.style.gridTemplateColumns = map ? `repeat(${map.side}, minmax(0, 1fr))` : "";
  grid.classList.toggle("map", Boolean(map));
  let below = 0;
  [...grid.children].forEach((tile, channel) => {
    const cell = !map ? 0 : map.cells[channel] >= 0 ? map.cells[channel] : map.side * (map.side + 1) + below++;
    tile.style.gridColumn = map ? String((cell % map.side) + 1) : "";
    tile.style.gridRow = map ? String(Math.floor(cell / map.side) + 1) : "";
  });
}

function mapWords(map) {
  const silent = map.cells.filter((cell) => cell < 0).length;
  return (map.trustworthiness === null ? "Too few units for a map: in their order. "
    : `Units that answer to the same photographs lie side by side (t-SNE; trustworthiness ${map.trustworthiness} of 1). `)
    + (silent ? `Below: ${silent} that answer the same to every photograph.` : "");
}

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
      card.href = `#${encodeURIComponent(address)}`;
      if (hasPicture(layer.units[channel])) showFeature(picture, layer, channel);
    }
    if (layer) card.append(picture);
    card.append(label || address);
    item.append(card, element("b", ` ${strength > 0 ? "+" : "−"}${number(Math.abs(strength))}`, strength > 0 ? "excites" : "inhibits"));
    list.append(item);
  });
  section.append(element("h3", title), list);
  return section;
}

function drawUnit(channel) {
  const layer = ATLAS.layers[current], unit = layer.units[channel], panel = byId("unit");
  document.querySelectorAll("#grid button").forEach((tile, place) => tile.setAttribute("aria-pressed", String(place === channel)));
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
    item.append(element("span", `${label} `), element("b", `${change > 0 ? "+" : "−"}${number(Math.abs(change))}`), bar);
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
    link.href = `#${encodeURIComponent(address)}`;
    alike.append(place ? ", " : "", link, ` (r = ${r})`);
  });
  panel.append(alike);
}

function go() {
  const address = decodeURIComponent(location.hash.slice(1)), split = address.lastIndexOf(":");
  const name = split < 0 ? address : address.slice(0, split), index = ATLAS.layers.findIndex((layer) => layer.name === name);
  if (index < 0) return drawLayer(current);
  if (index !== current || !byId("grid").children.length) drawLayer(index);
  const channel = Number(address.slice(split + 1));
  if (split >= 0 && ATLAS.layers[index].units[channel]) drawUnit(channel);
}

document.title = byId("title").textContent = `Atlas of ${ATLAS.network}`;
byId("about").textContent = `${ATLAS.layers.reduce((sum, layer) => sum + layer.units.length, 0)} units; ${ATLAS.settings}`
  + (ATLAS.photographs ? `; ${ATLAS.photographs} photographs` : "") + `. Made by convscope ${ATLAS.version}.`;
byId("layers").append(...ATLAS.layers.map((layer, index) => new Option(`${layer.name} (${layer.units.length})`, String(index))));
byId("layers").addEventListener("change", (event) => { location.hash = encodeURIComponent(ATLAS.layers[Number(event.target.value)].name); });
byId("likeness").addEventListener("click", () => { mapped = !mapped; layOut(ATLAS.layers[current], byId("grid")); });
addEventListener("hashchange", go);
go();

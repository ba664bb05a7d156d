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

// Shows tile `index` of sheets of (width, height) tiles in an element, whatever that's size.
function show(target, sheets, index, width, height, column, columns) {
  const across = Math.floor(SHEET / width), down = Math.floor(SHEET / height);
  const sheet = Math.floor(index / (across * down)), place = index % (across * down);
  const first = sheet * across * down;
  const rows = Math.min(down, Math.ceil((ATLAS.layers[current].units.length - first) / across));
  const x = (place % across) * columns + column, y = Math.floor(place / across);
  const wide = across * columns;
  target.style.backgroundImage = `url("${sheets[sheet]}")`;
  target.style.backgroundSize = `${100 * wide}% ${100 * rows}%`;
  target.style.backgroundPosition = `${wide > 1 ? (100 * x) / (wide - 1) : 0}% ${rows > 1 ? (100 * y) / (rows - 1) : 0}%`;
}

let current = 0;

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
    if (!unit.made || unit.broken) tile.append(unit.made ? "NaN" : "not made");
    else show(tile, layer.sheets, channel, ATLAS.size, ATLAS.size, 0, 1);
    if (unit.asleep) tile.className = "asleep";
    tile.addEventListener("click", () => { location.hash = encodeURIComponent(`${layer.name}:${channel}`); });
    return tile;
  }));
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

function drawUnit(channel) {
  const layer = ATLAS.layers[current], unit = layer.units[channel], panel = byId("unit");
  document.querySelectorAll("#grid button").forEach((tile, place) => tile.setAttribute("aria-pressed", String(place === channel)));
  const feature = element("div", undefined, "feature");
  feature.setAttribute("role", "img");
  feature.setAttribute("aria-label", `What ${layer.name}:${channel} wants to see`);
  if (unit.made && !unit.broken) show(feature, layer.sheets, channel, ATLAS.size, ATLAS.size, 0, 1);
  panel.replaceChildren(element("h2", `${layer.name}:${channel}`), element("p", words(unit)), feature);
  if (!unit.histogram) return;
  const kinds = ["strongest", "2nd", "3rd", "4th", "5th", "about 90 %", "about 50 %", "just above zero"];
  const list = element("ul", undefined, "examples");
  unit.examples.forEach((one, place) => {
    if (!one) return;
    const item = element("li"), picture = element("div");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `${one[0]}, ${one[1]}`);
    show(picture, layer.strips, channel, kinds.length * ATLAS.crop, ATLAS.crop, place, kinds.length);
    item.append(picture, element("b", kinds[place]), ` ${number(one[1])} ${one[2]}`);
    list.append(item);
  });
  panel.append(element("h3", "Photographs it answers to, cropped to what it sees"),
    list.children.length ? list : element("p", "None makes it answer above zero.", "muted"),
    element("p", `It answers above zero to ${percent(unit.fires)} of ${ATLAS.photographs} photographs. Their maxima, from ${number(unit.from)} to ${number(unit.highest)} (heights are square roots):`),
    histogram(unit));
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
addEventListener("hashchange", go);
go();

"use strict";
// What the atlas's scripts share: elements, numbers, and pictures as tiles of sheets. Classic scripts, since browsers load no modules from a disk.
const SHEET = 4096;
const byId = (id) => document.getElementById(id);
const element = (tag, text, className) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const number = (value) => Number(value.toPrecision(3)).toString();
const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${number(Math.abs(value))}`;
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

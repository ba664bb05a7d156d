// All channels of a layer as one sheet: each a tile, the cursor a box, its colors made here from the numbers sent.

import { choices } from "./address.js";
import { defined } from "./definitions.js";
import { element, empty, fill, number } from "./elements.js";
import { cameraOn } from "./live.js";
import { ordered } from "./order.js";
import { table } from "./palette.js";
import { onSeen, recall, seen, want } from "./sees.js";
import { layerFacts, listen, set, state } from "./store.js";

/** The orders of channels, in words. */
export const SORTS = { index: "number", strength: "photographs", picture: "this picture" };
const SEES = 64;
const canvas = element("canvas", { role: "img", "aria-label": "The channels, being asked for" }), faint = element("canvas"), cursor = element("div.cursor"), tip = element("div.tip", { hidden: true });
const sheet = element("div.sheet", {}, canvas, cursor, tip);
const scroll = element("div.scroll", { tabIndex: 0, role: "group", "aria-label": "All channels: the arrow keys move the cursor" }, sheet);
const title = defined(element("h2", {}, "Channels"), "channel"), tools = element("div.tools"), note = element("p.caption");
let layout = { of: "", columns: 1, rows: 1, width: 1, height: 1, scale: 1, gap: 1, order: [], places: [], first: 0, end: 1 }, rest = 0;

/** Build the pane. */
export function mountGrid(parent) {
  fill(parent, title, tools, scroll, note);
  for (const [label, key] of [["Sort", "sort"], ["Scale", "scale"], ["Colors", "palette"]]) {
    const select = element("select", { "aria-label": label, onchange: () => set({ [key]: select.value }) }, ...choices(key).map((name) => element("option", { value: name }, SORTS[name] || name)));
    tools.append(element("label", {}, `${label} `, select));
    listen((changed) => changed.has(key) && (select.value = state[key]));
  }
  const sees = element("button", { "aria-pressed": "false", title: "s: what each channel wants to see, in place of its answer", onclick: () => set({ sees: !state.sees }) }, "What they want to see");
  tools.append(sees);
  listen((changed) => {
    if (changed.has("sees")) sees.setAttribute("aria-pressed", String(state.sees));
    if (!state.sees && changed.has("sees")) want([], "grid");
    if (changed.size === 1 && changed.has("grid") && isLaidOut()) paintTiles();
    else if (["grid", "sort", "strengths", "scale", "palette", "gamma", "zoom", "sees"].some((key) => changed.has(key))) draw();
    else if (changed.has("channel")) moveCursor();
    if (state.picture && ["layer", "picture", "units", "retry"].some((key) => changed.has(key)) && !changed.has("grid")) scroll.classList.add("stale");
  });
  onSeen((unit, error) => {
    if (error) note.textContent = error;
    const at = unit.lastIndexOf(":");
    if (state.sees && unit.slice(0, at) === state.layer) drawSeen(Number(unit.slice(at + 1)));
  });
  canvas.addEventListener("pointermove", (event) => hover(channelAt(event)));
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  canvas.addEventListener("click", (event) => {
    const channel = channelAt(event);
    if (channel !== null) set({ channel, position: null });
  });
  scroll.addEventListener("scroll", scrolled);
  canvas.addEventListener("dblclick", () => set({ view: "unit" }));
  new ResizeObserver(() => state.grid && draw()).observe(parent);
}

/** Return the channels in the order they are shown, or will be once the layer's answer is there. */
export function channelOrder() {
  if (state.grid?.layer === state.layer && layout.order.length) return layout.order;
  const order = ordered(state.layer, layerFacts()?.channels || 0);
  return order.length ? order : [0];
}

/** Whether a further frame's answer takes the place of the one before: all but the tiles stays as it is. */
function isLaidOut() {
  return cameraOn() && state.sort !== "picture" && layout.of === shapeOf(state.grid) && !scroll.classList.contains("stale");
}

/** What the layout and its words depend on, of a grid. */
function shapeOf({ layer, channels, tileRows, tileColumns, nonfinite }) {
  return [layer, channels, tileRows, tileColumns, nonfinite].join(" ");
}

/** Return how many tiles stand side by side. */
export function gridColumns() {
  return layout.columns;
}

function draw() {
  const grid = state.grid;
  if (!grid) {
    Object.assign(sheet.style, { width: "", height: "" });
    return fill(sheet, empty("No picture yet: drop or paste one on the page, or press c for the camera."));
  }
  if (!canvas.isConnected) fill(sheet, canvas, cursor, tip);
  scroll.classList.remove("stale");
  const order = ordered(grid.layer, grid.channels);
  const [width, height] = state.sees ? [SEES, SEES] : [grid.tileColumns, grid.tileRows];
  const wanted = tileSide(grid.channels) * state.zoom, scale = state.sees ? state.zoom : Math.max(1, Math.round(wanted / Math.max(width, height, wanted / 20)));
  const gap = Math.max(1, Math.round(3 / scale)), columns = Math.max(1, Math.min(grid.channels, Math.floor((scroll.clientWidth - 14) / ((width + gap) * scale))));
  const places = new Array(grid.channels), rows = Math.ceil(grid.channels / columns);
  order.forEach((channel, place) => (places[channel] = place));
  layout = { of: shapeOf(grid), columns, rows, width, height, scale, gap, order, places, first: 0, end: rows };
  Object.assign(sheet.style, { width: `${(columns * (width + gap) - gap) * scale}px`, height: `${(rows * (height + gap) - gap) * scale}px` });
  paint();
  words();
  moveCursor();
  if (state.sees) wantVisible();
}

/** How large a tile is on the screen, about: a few channels have room. */
function tileSide(channels) {
  return channels > 200 ? 40 : channels > 64 ? 56 : channels > 16 ? 80 : 120;
}

/** Return the first row that is in view, and the row after the last. */
function inView() {
  const { rows, height, gap, scale } = layout, row = (height + gap) * scale;
  return [Math.min(rows - 1, Math.floor(scroll.scrollTop / row)), Math.min(rows, Math.ceil((scroll.scrollTop + scroll.clientHeight) / row) + 1)];
}

/** Paint what is in view, and a screen above and below: of thousands of channels the whole sheet is more than a canvas holds. */
function paint() {
  const { columns, rows, width, height, scale, gap } = layout, [top, bottom] = inView(), screen = bottom - top;
  Object.assign(layout, { first: Math.max(0, top - screen), end: Math.min(rows, bottom + screen) });
  Object.assign(canvas, { width: columns * (width + gap) - gap, height: (layout.end - layout.first) * (height + gap) - gap });
  Object.assign(canvas.style, { width: `${canvas.width * scale}px`, height: `${canvas.height * scale}px`, top: `${layout.first * (height + gap) * scale}px` });
  paintTiles();
}

function scrolled() {
  if (!state.grid) return;
  const [top, bottom] = inView();
  if (top < layout.first || bottom > layout.end) paint();
  clearTimeout(rest);
  if (state.sees) rest = setTimeout(wantVisible, 300);
}

/** Where a tile lies on the canvas; null for one that is not painted now. */
function corner(place) {
  const { columns, width, height, gap, first, end } = layout, row = Math.floor(place / columns);
  return row < first || row >= end ? null : [(place % columns) * (width + gap), (row - first) * (height + gap)];
}

function paintTiles() {
  const { order, columns, width, height, first, end } = layout, grid = state.grid, context = canvas.getContext("2d");
  const painted = order.slice(first * columns, end * columns);
  if (state.sees) {
    context.fillStyle = getComputedStyle(document.body).getPropertyValue("--shade");
    context.fillRect(0, 0, canvas.width, canvas.height);
    painted.forEach(drawSeen);
    return;
  }
  const image = context.createImageData(canvas.width, canvas.height), pixels = new Uint32Array(image.data.buffer);
  const size = width * height, shared = state.scale === "shared";
  const low = shared ? grid.low.reduce((a, b) => Math.min(a, b)) : 0, high = shared ? grid.high.reduce((a, b) => Math.max(a, b)) : 1;
  const colors = table(state.palette, state.gamma), levels = new Uint32Array(256), none = new Uint32Array(256).fill(colors[0]);
  for (const channel of painted) {
    for (let level = 0; shared && level < 256; level++) {
      const value = grid.low[channel] + (level / 255) * (grid.high[channel] - grid.low[channel]);
      levels[level] = colors[Math.round((255 * (value - low)) / (high - low || 1))];
    }
    const shades = shared ? levels : grid.high[channel] === grid.low[channel] ? none : colors;
    const [left, top] = corner(layout.places[channel]), from = channel * size;
    for (let row = 0; row < height; row++) {
      const to = (top + row) * canvas.width + left, source = from + row * width;
      for (let column = 0; column < width; column++) pixels[to + column] = shades[grid.tiles[source + column]];
    }
  }
  context.putImageData(image, 0, 0);
}

function drawSeen(channel) {
  const at = channel in layout.places ? corner(layout.places[channel]) : null;
  if (!at || !state.sees || !state.grid) return; // while another layer loads there is no answer to draw upon
  const context = canvas.getContext("2d"), { width, height } = layout, [left, top] = at, found = seen(`${state.layer}:${channel}`);
  if (!found) return paintFaintly(context, channel, left, top);
  context.globalAlpha = found.final ? 1 : 0.75;
  context.drawImage(found.image, left, top, width, height);
  context.globalAlpha = 1;
  if (found.final && !found.activated) {
    context.strokeStyle = "#c0392b";
    context.beginPath();
    context.moveTo(left, top);
    context.lineTo(left + width, top + height);
    context.moveTo(left + width, top);
    context.lineTo(left, top + height);
    context.stroke();
  }
}

/** Until a unit's picture is made, its answer stands there, faint. */
function paintFaintly(context, channel, left, top) {
  const { tileRows, tileColumns, tiles } = state.grid, size = tileRows * tileColumns;
  Object.assign(faint, { width: tileColumns, height: tileRows });
  const drawn = faint.getContext("2d"), image = drawn.createImageData(tileColumns, tileRows);
  const pixels = new Uint32Array(image.data.buffer), colors = table("gray");
  for (let i = 0; i < size; i++) pixels[i] = colors[tiles[channel * size + i]];
  drawn.putImageData(image, 0, 0);
  context.globalAlpha = 0.25;
  context.drawImage(faint, left, top, layout.width, layout.height);
  context.globalAlpha = 1;
}

/** Ask for what the units in view want to see; what was made before comes at once. */
function wantVisible() {
  if (state.grid?.layer !== state.layer) return; // the channels in view are another layer's still
  const { columns, order } = layout, [first, end] = inView(), units = order.slice(first * columns, end * columns).map((channel) => `${state.layer}:${channel}`);
  recall(units);
  want(units, "grid");
}

function words() {
  const grid = state.grid, facts = layerFacts();
  title.textContent = `${grid.layer}: ${grid.channels} channels of ${grid.rows} × ${grid.columns}`;
  const shared = state.scale === "shared" ? "one scale for all" : "each channel on its own scale";
  const bad = grid.nonfinite ? ` ${grid.nonfinite} numbers are NaN or infinite.` : "";
  note.textContent = state.sees
    ? "What each channel wants to see: a picture made to make it answer. A red cross: it could not be activated. They fill in as they are made; what is kept from before comes at once."
    : `What ${grid.layer} (${facts?.kind}) answers to the picture: ${shared}, dark is low.${bad}`;
  canvas.setAttribute("aria-label", `${title.textContent}. ${note.textContent}`);
}

function moveCursor() {
  const { columns, width, height, scale, gap, places } = layout, place = places[state.channel];
  if (place === undefined) return;
  const left = (place % columns) * (width + gap) * scale, top = Math.floor(place / columns) * (height + gap) * scale;
  Object.assign(cursor.style, { left: `${left - 2}px`, top: `${top - 2}px`, width: `${width * scale + 4}px`, height: `${height * scale + 4}px` });
  if (top < scroll.scrollTop || top + height * scale > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top - scroll.clientHeight / 2;
}

function channelAt(event) {
  const { columns, width, height, scale, gap, order, first } = layout;
  const column = Math.floor(event.offsetX / ((width + gap) * scale)), row = first + Math.floor(event.offsetY / ((height + gap) * scale));
  return order[row * columns + column] ?? null;
}

function hover(channel) {
  tip.hidden = channel === null;
  if (channel === null) return;
  const { columns, width, height, scale, gap, places } = layout, place = places[channel], grid = state.grid;
  const where = grid.rows * grid.columns > 1 ? ` at (${grid.peakRow[channel]},${grid.peakColumn[channel]})` : "";
  fill(tip, element("b", {}, `${grid.layer}:${channel}  max ${number(grid.high[channel])}${where}`), element("br"), `its highest answer to this picture${where ? ", at (row, column) of its map, from (0,0) at the top left" : ""}`);
  const left = (place % columns) * (width + gap) * scale;
  Object.assign(tip.style, { left: `${Math.min(left, Math.max(0, scroll.clientWidth - 300))}px`, top: `${Math.floor(place / columns) * (height + gap) * scale + height * scale + 4}px` });
}

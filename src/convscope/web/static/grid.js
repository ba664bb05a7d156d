// All channels of a layer as one sheet: each a tile, the cursor a box, its colors made here from the numbers sent.

import { choices } from "./address.js";
import { element, empty, fill, number } from "./elements.js";
import { table } from "./palette.js";
import { onSeen, seen, want } from "./sees.js";
import { layerFacts, listen, set, state } from "./store.js";

const SEES = 64;
const canvas = element("canvas", { role: "img" }), cursor = element("div.cursor"), tip = element("div.tip", { hidden: true });
const sheet = element("div.sheet", {}, canvas, cursor, tip);
const scroll = element("div.scroll", { tabIndex: 0, role: "group", "aria-label": "All channels: the arrow keys move the cursor" }, sheet);
const title = element("h2"), tools = element("div.tools"), note = element("p.caption");
let layout = { columns: 1, width: 1, height: 1, scale: 1, gap: 1, order: [] };

/** Build the pane. */
export function mountGrid(parent) {
  fill(parent, title, tools, scroll, note);
  for (const [label, key] of [["Sort", "sort"], ["Scale", "scale"], ["Colors", "palette"]]) {
    const select = element("select", { "aria-label": label, onchange: () => set({ [key]: select.value }) }, ...choices(key).map((name) => element("option", { value: name }, name)));
    tools.append(element("label", {}, `${label} `, select));
    listen((changed) => changed.has(key) && (select.value = state[key]));
  }
  const sees = element("button", { "aria-pressed": "false", title: "s: what each channel wants to see, in place of its answer", onclick: () => set({ sees: !state.sees }) }, "What they want to see");
  tools.append(sees);
  listen((changed) => {
    if (changed.has("sees")) sees.setAttribute("aria-pressed", String(state.sees));
    if (["grid", "sort", "scale", "palette", "gamma", "zoom", "sees"].some((key) => changed.has(key))) draw();
    else if (changed.has("channel")) moveCursor();
    if (changed.has("layer")) scroll.classList.add("stale");
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
  canvas.addEventListener("dblclick", () => set({ view: "unit" }));
  new ResizeObserver(() => state.grid && draw()).observe(parent);
}

/** Return the channels in the order they are shown. */
export function channelOrder() {
  return layout.order.length ? layout.order : [0];
}

/** Return how many tiles stand side by side. */
export function gridColumns() {
  return layout.columns;
}

function draw() {
  const grid = state.grid;
  if (!grid) return fill(sheet, empty("No picture yet: drop one on the page, or press c for the camera."));
  if (!canvas.isConnected) fill(sheet, canvas, cursor, tip);
  scroll.classList.remove("stale");
  const order = Array.from({ length: grid.channels }, (_, index) => index);
  if (state.sort === "strength") order.sort((a, b) => grid.high[b] - grid.high[a] || a - b);
  const [width, height] = state.sees ? [SEES, SEES] : [grid.tileColumns, grid.tileRows];
  const wanted = tileSide(grid.channels) * state.zoom, scale = state.sees ? state.zoom : Math.max(1, Math.round(wanted / Math.max(width, height, wanted / 20)));
  const gap = Math.max(1, Math.round(3 / scale)), columns = Math.max(1, Math.min(grid.channels, Math.floor((scroll.clientWidth - 14) / ((width + gap) * scale))));
  layout = { columns, width, height, scale, gap, order };
  canvas.width = columns * (width + gap) - gap;
  canvas.height = Math.ceil(grid.channels / columns) * (height + gap) - gap;
  canvas.style.width = `${canvas.width * scale}px`;
  paintTiles();
  words();
  moveCursor();
  if (state.sees) wantVisible();
}

/** How large a tile is on the screen, about: a few channels have room. */
function tileSide(channels) {
  return channels > 200 ? 40 : channels > 64 ? 56 : channels > 16 ? 80 : 120;
}

function paintTiles() {
  const { order, columns, width, height, gap } = layout, grid = state.grid, context = canvas.getContext("2d");
  if (state.sees) {
    context.fillStyle = getComputedStyle(document.body).getPropertyValue("--shade");
    context.fillRect(0, 0, canvas.width, canvas.height);
    order.forEach((channel) => drawSeen(channel));
    return;
  }
  const image = context.createImageData(canvas.width, canvas.height), pixels = new Uint32Array(image.data.buffer);
  const size = width * height, shared = state.scale === "shared";
  const low = shared ? grid.low.reduce((a, b) => Math.min(a, b)) : 0, high = shared ? grid.high.reduce((a, b) => Math.max(a, b)) : 1;
  const colors = table(state.palette, state.gamma), levels = new Uint32Array(256);
  order.forEach((channel, place) => {
    for (let level = 0; level < 256; level++) {
      const value = grid.low[channel] + (level / 255) * (grid.high[channel] - grid.low[channel]);
      levels[level] = colors[shared ? Math.round((255 * (value - low)) / (high - low || 1)) : level];
    }
    if (!shared && grid.high[channel] === grid.low[channel]) levels.fill(colors[0]);
    const left = (place % columns) * (width + gap), top = Math.floor(place / columns) * (height + gap), from = channel * size;
    for (let row = 0; row < height; row++) {
      const to = (top + row) * canvas.width + left, source = from + row * width;
      for (let column = 0; column < width; column++) pixels[to + column] = levels[grid.tiles[source + column]];
    }
  });
  context.putImageData(image, 0, 0);
}

function drawSeen(channel) {
  const place = layout.order.indexOf(channel);
  if (place < 0 || !state.sees || !state.grid) return; // while another layer loads there is no answer to draw upon
  const context = canvas.getContext("2d"), { columns, width, height, gap } = layout, found = seen(`${state.layer}:${channel}`);
  const left = (place % columns) * (width + gap), top = Math.floor(place / columns) * (height + gap);
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
  const small = element("canvas", { width: tileColumns, height: tileRows }), drawn = small.getContext("2d"), image = drawn.createImageData(tileColumns, tileRows);
  const pixels = new Uint32Array(image.data.buffer), colors = table("gray");
  for (let i = 0; i < size; i++) pixels[i] = colors[tiles[channel * size + i]];
  drawn.putImageData(image, 0, 0);
  context.globalAlpha = 0.25;
  context.drawImage(small, left, top, layout.width, layout.height);
  context.globalAlpha = 1;
}

/** Ask for what the units in view want to see, the one under the cursor first. */
export function wantVisible() {
  const { columns, height, scale, gap, order } = layout, row = (height + gap) * scale;
  const first = Math.floor(scroll.scrollTop / row) * columns, count = (Math.ceil(scroll.clientHeight / row) + 1) * columns;
  want([state.channel, ...order.slice(first, first + count)].map((channel) => `${state.layer}:${channel}`));
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
  const { columns, width, height, scale, gap, order } = layout, place = order.indexOf(state.channel);
  if (place < 0) return;
  const left = (place % columns) * (width + gap) * scale, top = Math.floor(place / columns) * (height + gap) * scale;
  Object.assign(cursor.style, { left: `${left - 2}px`, top: `${top - 2}px`, width: `${width * scale + 4}px`, height: `${height * scale + 4}px` });
  if (top < scroll.scrollTop || top + height * scale > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top - scroll.clientHeight / 2;
}

function channelAt(event) {
  const { columns, width, height, scale, gap, order } = layout;
  const column = Math.floor(event.offsetX / ((width + gap) * scale)), row = Math.floor(event.offsetY / ((height + gap) * scale));
  return order[row * columns + column] ?? null;
}

function hover(channel) {
  tip.hidden = channel === null;
  if (channel === null) return;
  const { columns, width, height, scale, gap, order } = layout, place = order.indexOf(channel), grid = state.grid;
  tip.textContent = `${state.layer}:${channel}  max ${number(grid.high[channel])} at (${grid.peakRow[channel]},${grid.peakColumn[channel]})`;
  const left = (place % columns) * (width + gap) * scale;
  Object.assign(tip.style, { left: `${Math.min(left, Math.max(0, scroll.clientWidth - 220))}px`, top: `${Math.floor(place / columns) * (height + gap) * scale + height * scale + 4}px` });
}

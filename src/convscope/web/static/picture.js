// The picture as the network sees it: an overlay of the unit or of a backward view, what answers where, a brush.

import { frameOf, sendPicture, takeSample, whyUnseen } from "./api.js";
import { bar, element, empty, fill, number } from "./elements.js";
import { groupChoice, groupRows, paintGroups } from "./groups.js";
import { cameraOn, toggleCamera, video } from "./live.js";
import { table } from "./palette.js";
import { onSeen, seen, want } from "./sees.js";
import { layerFacts, listen, set, state, unitAddress } from "./store.js";

const image = element("img", { alt: "" }), overlay = element("canvas.overlay", { "aria-hidden": "true" }), drawing = element("canvas", { "aria-hidden": "true" }), painted = element("canvas");
const stack = element("div.stack", { role: "group", "aria-label": "The picture as the network sees it" });
const bars = element("div"), placeTitle = element("h3"), place = element("div"), tools = element("div.tools"), notes = element("p.caption");
/** What a part of the picture is covered with; gray is what `occlude` leaves of a colored one: its mean. */
const BRUSHES = { off: "Brush: off", occlude: "Occlude: the picture's mean color", gray: "Cover with gray", blur: "Cover with blur" };
let brush = "off", mean = "", map = null, here = [], rest = 0;
/** @type {string[]} the pictures before each stroke */
const before = [];

/** Build the pane. */
export function mountPicture(parent) {
  stack.append(image, video, overlay, drawing);
  fill(parent, element("h2", {}, "Picture"), tools, stack, notes, element("h3", {}, "What it says"), bars, placeTitle, groupChoice(strongestHere), place);
  mountTools();
  listen((changed) => {
    if (changed.has("picture")) show();
    if (changed.has("live")) for (const one of [image, video]) one.hidden = (one === video) !== cameraOn();
    if (["grid", "channel", "overlay", "position", "network", "grouped"].some((key) => changed.has(key))) paintOverlay();
    if (["position", "grid", "groups", "grouped", "error"].some((key) => changed.has(key))) strongestHere();
  });
  drawing.addEventListener("pointermove", pointed);
  drawing.addEventListener("pointerdown", pointed);
  drawing.addEventListener("pointerup", brushed);
  drawing.addEventListener("pointerleave", () => brush === "off" && set({ position: null }));
  image.onerror = unseen;
  onSeen((unit) => here.includes(unit) && strongestHere());
  for (const name of ["dragover", "drop"]) document.addEventListener(name, dropped);
}

/** Show a backward view's map over the picture; null shows the unit's own answer again. */
export function showMap(grid) {
  map = grid;
  paintOverlay();
}

/** Draw the bars of the classes. */
export function showClasses(says, stale = false) {
  bars.classList.toggle("stale", stale);
  if (!says) return;
  fill(bars, ...(says.length ? says.map((one) => bar(one.label, one.probability, `${(100 * one.probability).toFixed(1)} %`, `class ${one.index}: probability`)) : [empty("This network names no classes.")]));
}

/** Take a picture's bytes, or a sample's name. */
export async function takePicture(source) {
  try {
    const found = typeof source === "string" ? await takeSample(source) : await sendPicture(source);
    const name = source.name || found.name;
    set({ pictures: [...state.pictures.filter((one) => one.key !== found.key), { key: found.key, name, notes: found.notes }], picture: found.key, error: null });
  } catch (error) {
    set({ error: error.message });
  }
}

/** Go to the picture before or after. */
export function stepPicture(by) {
  const at = state.pictures.findIndex((one) => one.key === state.picture);
  const next = state.pictures[(at + by + state.pictures.length) % state.pictures.length];
  if (next) set({ picture: next.key });
}

function mountTools() {
  const file = element("input", { type: "file", accept: "image/*,video/*", multiple: true, hidden: true, "aria-label": "Choose pictures" });
  file.onchange = () => [...file.files].forEach(takeFile);
  const camera = element("button", { title: "c: the camera", "aria-pressed": "false", onclick: () => toggleCamera() }, "Camera");
  const brushes = element("select", { "aria-label": "Brush: cover a part of the picture", title: "What if this were not there?", onchange: () => setBrush(brushes.value) }, ...Object.entries(BRUSHES).map(([value, words]) => element("option", { value }, words)));
  const undo = element("button", { onclick: uncover, title: "The picture before the last stroke" }, "Undo");
  tools.append(element("button", { onclick: () => file.click() }, "Open…"), file, camera, brushes, undo);
  listen((changed) => changed.has("live") && camera.setAttribute("aria-pressed", String(cameraOn())));
}

function takeFile(file) {
  if (file.type.startsWith("video/")) toggleCamera(file);
  else takePicture(file);
}

function dropped(event) {
  event.preventDefault();
  if (event.type === "drop") [...event.dataTransfer.files].forEach(takeFile);
}

function show() {
  if (!state.picture) return;
  const found = state.pictures.find((one) => one.key === state.picture);
  mean = "";
  image.src = `api/seen/${encodeURIComponent(state.picture)}`;
  image.alt = `${found?.name || "the picture"}, as the network sees it`;
  notes.textContent = [found?.name, ...(found?.notes || [])].filter(Boolean).join(". ");
  const [height, width] = state.network.input?.size || [1, 1];
  stack.style.aspectRatio = `${width} / ${height}`;
  for (const canvas of [drawing, painted]) Object.assign(canvas, { width, height });
}

/** A link may name a picture that the server has not, or the network cannot take it: the first one is shown, and it is said. */
async function unseen() {
  const key = state.picture, { words, gone } = await whyUnseen(key);
  if (key !== state.picture) return;
  const others = state.pictures.filter((one) => one.key !== key);
  set(gone ? { error: words } : { pictures: others, picture: others[0]?.key ?? null, error: words });
}

function paintOverlay() {
  if (state.overlay && state.grouped && !map) {
    paintGroups(overlay);
    return drawPlace();
  }
  const grid = map || state.grid, channel = map ? 0 : state.channel, context = overlay.getContext("2d");
  if (!grid || !state.overlay || channel >= grid.channels) return void (overlay.width = 1);
  Object.assign(overlay, { width: grid.tileColumns, height: grid.tileRows });
  const made = context.createImageData(overlay.width, overlay.height), pixels = new Uint32Array(made.data.buffer);
  const signed = map && grid.low[0] < 0, limit = Math.max(Math.abs(grid.low[channel]), Math.abs(grid.high[channel])) || 1;
  const colors = table(signed ? "diverging" : "inferno"), from = channel * pixels.length;
  for (let i = 0; i < pixels.length; i++) {
    const value = grid.low[channel] + (grid.tiles[from + i] / 255) * (grid.high[channel] - grid.low[channel]);
    const share = signed ? Math.abs(value) / limit : Math.max(0, value) / limit;
    const color = colors[Math.round(signed ? 127.5 + (127.5 * value) / limit : 255 * share)];
    pixels[i] = (color & 0xffffff) | (Math.round(255 * Math.min(1, share * 1.4)) << 24);
  }
  context.putImageData(made, 0, 0);
  drawPlace();
}

function drawPlace() {
  const context = drawing.getContext("2d"), grid = state.grid;
  context.clearRect(0, 0, drawing.width, drawing.height);
  if (!grid || grid.rows * grid.columns === 1) return;
  const [row, column] = state.position || [grid.peakRow[state.channel], grid.peakColumn[state.channel]];
  const height = drawing.height / grid.rows, width = drawing.width / grid.columns;
  context.strokeStyle = state.position ? "#6fd3ff" : "#ffb454";
  context.lineWidth = Math.max(1, drawing.width / 160);
  context.strokeRect(column * width, row * height, width, height);
  const field = layerFacts()?.field;
  if (!field) return;
  const [top, left] = [row, column].map((at, axis) => field.start[axis] + at * field.stride[axis]);
  context.setLineDash([drawing.width / 40, drawing.width / 60]);
  context.strokeRect(left, top, field.size[1], field.size[0]);
  context.setLineDash([]);
}

function pointed(event) {
  const grid = state.grid, size = drawing.getBoundingClientRect();
  const x = (event.clientX - size.left) / size.width, y = (event.clientY - size.top) / size.height;
  if (brush !== "off") return event.buttons && image.naturalWidth && paintBrush(x, y); // while it loads there is nothing to cover
  if (grid && grid.rows * grid.columns > 1) {
    const position = [Math.floor(y * grid.rows), Math.floor(x * grid.columns)].map((at, axis) => Math.max(0, Math.min(at, (axis ? grid.columns : grid.rows) - 1)));
    if (String(position) !== String(state.position)) set({ position });
  }
}

function strongestHere() {
  const grid = state.grid;
  placeTitle.textContent = grid && state.position ? `At (${state.position.join(",")})` : state.groups ? "In the whole picture" : "At a place";
  here = [];
  if (state.groups) return fill(place, ...groupRows(paintOverlay));
  if (!grid || !state.position) return fill(place, empty("Point at the picture: which channels answer there."));
  const [row, column] = state.position, at = Math.min(Math.floor((row * grid.tileRows) / grid.rows), grid.tileRows - 1) * grid.tileColumns + Math.min(Math.floor((column * grid.tileColumns) / grid.columns), grid.tileColumns - 1);
  const size = grid.tileRows * grid.tileColumns, values = Array.from({ length: grid.channels }, (_, channel) => grid.low[channel] + (grid.tiles[channel * size + at] / 255) * (grid.high[channel] - grid.low[channel]));
  const best = values.map((_, channel) => channel).sort((a, b) => values[b] - values[a]).slice(0, 6);
  here = best.map((channel) => `${state.layer}:${channel}`);
  clearTimeout(rest);
  if (here.some((unit) => !seen(unit))) rest = setTimeout(() => state.position && want([...here, unitAddress()]), 400);
  const rows = best.map((channel) => {
    const made = bar(`${state.layer}:${channel}`, values[channel] / (values[best[0]] || 1), number(values[channel]), "what this channel answers at this place"), found = seen(`${state.layer}:${channel}`);
    if (found) made.querySelector(".label").prepend(element("img", { src: found.url, alt: "", width: 32, height: 32 }), " ");
    return made;
  });
  fill(place, ...rows);
}

function setBrush(kind) {
  brush = kind;
  drawing.style.cursor = kind === "off" ? "crosshair" : "cell";
}

function paintBrush(x, y) {
  for (const context of [drawing, painted].map((one) => one.getContext("2d"))) {
    context.fillStyle = brush === "blur" && context.canvas === drawing ? "rgba(255, 180, 84, .55)" : covering();
    context.beginPath();
    context.arc(x * drawing.width, y * drawing.height, drawing.width / 14, 0, 7);
    context.fill();
  }
}

/** The color that the brush covers with. */
function covering() {
  if (brush !== "occlude" || mean) return brush === "occlude" ? mean : "#808080";
  const one = element("canvas", { width: image.naturalWidth, height: image.naturalHeight }), context = one.getContext("2d");
  context.drawImage(image, 0, 0);
  const sums = [0, 0, 0], { data } = context.getImageData(0, 0, one.width, one.height);
  for (let i = 0; i < data.length; i++) if (i % 4 < 3) sums[i % 4] += data[i];
  return (mean = `rgb(${sums.map((sum) => Math.round((4 * sum) / data.length)).join(" ")})`);
}

/** Take the last stroke back. */
function uncover() {
  const covered = state.picture, picture = before.pop();
  if (picture) set({ picture, pictures: state.pictures.filter((one) => one.key !== covered) });
}

/** Send the picture anew with what was painted covered: in its whole frame, for the network cuts its crop out of that again. */
async function brushed() {
  if (brush === "off" || !state.picture || !image.naturalWidth) return;
  const key = state.picture, { width, height } = drawing, part = element("canvas", { width, height }), context = part.getContext("2d");
  context.drawImage(painted, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.filter = brush === "blur" ? `blur(${Math.round(width / 16)}px)` : "none";
  context.fillStyle = covering();
  if (brush === "blur") context.drawImage(image, 0, 0, width, height);
  else context.fillRect(0, 0, width, height);
  painted.width = width; // and so it is empty
  try {
    const frame = await frameOf(key), made = element("canvas", { width: frame.width, height: frame.height }), whole = made.getContext("2d");
    whole.drawImage(frame, 0, 0);
    whole.drawImage(part, Math.floor((frame.width - width) / 2), Math.floor((frame.height - height) / 2));
    before.push(key);
    const blob = await new Promise((done) => made.toBlob(done, "image/png"));
    await takePicture(new File([blob], `covered with ${brush === "occlude" ? "its mean color" : brush}`, { type: "image/png" }));
  } catch (error) {
    set({ error: error.message });
  }
}

/** Return the words of what lies over the picture. */
export function overlayWords() {
  return map ? map.caption || map.layer : state.grouped ? `${state.grouped.channels} groups of channels` : `${unitAddress()}'s answer`;
}

// The picture as the network sees it: an overlay of the unit or of a backward view, what answers where, a brush.

import { choices } from "./address.js";
import { sendPicture, takeSample, whyUnseen } from "./api.js";
import { brushOn, brushTools, cover, endStroke, paintAt } from "./brush.js";
import { DEFINITIONS, defined } from "./definitions.js";
import { bar, element, empty, fill, number } from "./elements.js";
import { groupChoice, groupRows, paintGroups } from "./groups.js";
import { cameraOn, frameName, shown, stepFrame, toggleCamera } from "./live.js";
import { table } from "./palette.js";
import { onSeen, seen, want } from "./sees.js";
import { layerFacts, listen, set, state, unitAddress } from "./store.js";

const image = element("img", { alt: "" }), overlay = element("canvas.overlay", { "aria-hidden": "true" }), drawing = element("canvas", { "aria-hidden": "true" });
const stack = element("div.stack", { role: "group", "aria-label": "The picture as the network sees it" });
const bars = element("div"), placeTitle = defined(element("h3", {}, "At a place"), "position"), place = element("div"), tools = element("div.tools"), over = element("div.tools"), notes = element("p.caption");
/** What lies over the picture, by its name in the choice: the unit's answer, nothing, or a backward view. */
const OVER = { answer: "the unit's answer", nothing: "nothing", saliency: "gradient", guided_backprop: "guided backpropagation", grad_cam: "Grad-CAM" };
let map = null, here = [], rest = 0, strongest = 0;

/** Build the pane. */
export function mountPicture(parent) {
  stack.append(image, shown, cover, overlay, drawing);
  fill(parent, element("h2", {}, "Picture"), tools, stack, notes, over, defined(element("h3", {}, "What it says"), "probability"), bars, element("div.heading", {}, placeTitle, groupChoice(strongestHere)), place);
  mountTools();
  mountOver();
  listen((changed) => {
    if (changed.has("picture")) show();
    if (changed.has("live")) for (const one of [image, shown]) one.hidden = (one === shown) !== cameraOn();
    if (["grid", "channel", "overlay", "position", "network", "grouped"].some((key) => changed.has(key))) paintOverlay();
    if (["position", "grid", "groups", "grouped", "error"].some((key) => changed.has(key))) strongestHere();
    if (changed.has("grid") && cameraOn()) notes.textContent = frameName();
  });
  drawing.addEventListener("pointermove", pointed);
  drawing.addEventListener("pointerdown", (event) => {
    if (brushOn()) drawing.setPointerCapture(event.pointerId);
    pointed(event);
  });
  drawing.addEventListener("pointerup", () => endStroke(takePicture));
  // The place stays while one goes from it to what answers there; a finger leaves with every tap.
  parent.addEventListener("pointerleave", (event) => !brushOn() && event.pointerType === "mouse" && set({ position: null }));
  image.onload = () => image.classList.remove("stale");
  image.onerror = unseen;
  onSeen((unit) => here.includes(unit) && showIcon(unit));
  for (const name of ["dragover", "drop"]) document.addEventListener(name, dropped);
  document.addEventListener("paste", pasted);
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
  strongest = says[0]?.index ?? 0;
  fill(bars, ...(says.length ? says.map((one) => bar(one.label, one.probability, `${(100 * one.probability).toFixed(1)} %`, `class ${one.index}. ${DEFINITIONS.probability}`)) : [empty("This network names no classes.")]));
}

/** The most probable class of the picture, a channel of what the network says last. */
export function strongestClass() {
  return strongest;
}

/** Take a picture's bytes, or a sample's name; tell whether it is one. */
export async function takePicture(source) {
  if (state.network.refuses) return set({ error: state.network.refuses }), false;
  try {
    const found = typeof source === "string" ? await takeSample(source) : await sendPicture(source);
    const name = source.name || found.name;
    set({ pictures: [...state.pictures.filter((one) => one.key !== found.key), { key: found.key, name, notes: found.notes }], picture: found.key, error: null });
    return true;
  } catch (error) {
    set({ error: error.message });
    return false;
  }
}

/** Go to the picture before or after. */
export function stepPicture(by) {
  if (stepFrame(by)) return;
  const at = state.pictures.findIndex((one) => one.key === state.picture);
  const next = state.pictures[(at + by + state.pictures.length) % state.pictures.length];
  if (next) set({ picture: next.key });
}

function mountTools() {
  const file = element("input", { type: "file", accept: "image/*,video/*", multiple: true, hidden: true, "aria-label": "Choose pictures" });
  file.onchange = () => ([...file.files].forEach(takeFile), (file.value = ""));
  const folder = element("input", { type: "file", webkitdirectory: true, hidden: true, "aria-label": "Choose a folder of pictures" });
  folder.onchange = () => (takeFolder([...folder.files]), (folder.value = ""));
  const camera = element("button", { title: "c: the camera", "aria-pressed": "false", onclick: () => toggleCamera() }, "Camera");
  const pictures = element("select", { "aria-label": "Which picture", title: "w, e: the picture before, the next", onchange: () => set({ picture: pictures.value }) });
  listen((changed) => {
    if (changed.has("live")) camera.setAttribute("aria-pressed", String(cameraOn()));
    if (!changed.has("pictures") && !changed.has("picture")) return;
    fill(pictures, ...state.pictures.map((one) => element("option", { value: one.key }, one.name || "a picture")));
    pictures.value = state.picture || "";
  });
  const open = element("button", { title: "Pictures, or a film", onclick: () => file.click() }, "Open…"), all = element("button", { title: "A folder's pictures, one after the other", onclick: () => folder.click() }, "Folder…");
  tools.append(pictures, open, file, all, folder, camera, ...brushTools());
}

/** The choice of what lies over the picture, and whose it is. */
function mountOver() {
  const choice = element("select", { "aria-label": "What lies over the picture", title: "b: backward views; v: the answer, or not", onchange: () => set({ overlay: choice.value !== "nothing", backward: choices("backward").includes(choice.value) ? choice.value : "off" }) }, ...Object.entries(OVER).map(([value, words]) => element("option", { value }, words)));
  const pin = element("button", { title: "d: backward views stay this unit's while others are looked at", "aria-pressed": "false", onclick: () => set({ pinned: state.pinned ? null : unitAddress() }) });
  over.append(element("label", {}, "Over it ", choice), pin);
  const show = () => {
    choice.value = !state.overlay ? "nothing" : state.backward === "off" ? "answer" : state.backward;
    pin.textContent = state.pinned ? `Unpin ${state.pinned}` : "Pin the unit";
    pin.setAttribute("aria-pressed", String(Boolean(state.pinned)));
    pin.hidden = state.backward === "off" && !state.pinned;
  };
  show();
  listen((changed) => ["overlay", "backward", "pinned"].some((key) => changed.has(key)) && show());
}

function takeFile(file) {
  if (file.type.startsWith("video/")) openInstead(file);
  else takePicture(file);
}

/** Show a film, or a folder's pictures, in place of the camera or what else is shown. */
function openInstead(what) {
  if (cameraOn()) toggleCamera();
  toggleCamera(what);
}

function takeFolder(files) {
  const pictures = files.filter((one) => one.type.startsWith("image/"));
  if (pictures.length) openInstead(pictures);
  else set({ error: "there are no pictures in this folder that a browser shows" });
}

async function dropped(event) {
  event.preventDefault();
  if (event.type !== "drop") return;
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()), files = [...event.dataTransfer.files];
  const folders = entries.filter((entry) => entry?.isDirectory);
  if (folders.length) return takeFolder((await Promise.all(folders.map(filesOf))).flat());
  files.forEach(takeFile);
}

/** Take what is pasted, where it is a picture or a film and not words for a field. */
function pasted(event) {
  const files = [...event.clipboardData.files];
  if (files.length) event.preventDefault();
  files.forEach(takeFile);
}

/** Return the files of a folder that was dropped: a browser gives a hundred at a time. */
async function filesOf(folder) {
  const reader = folder.createReader(), found = [];
  for (let some; (some = await new Promise((done) => reader.readEntries(done, () => done([])))).length; ) found.push(...some.filter((one) => one.isFile));
  return Promise.all(found.map((one) => new Promise((done, failed) => one.file(done, failed))));
}

function show() {
  if (!state.picture) return;
  const found = state.pictures.find((one) => one.key === state.picture);
  image.classList.add("stale");
  image.src = `api/seen/${encodeURIComponent(state.picture)}`;
  image.alt = `${found?.name || "the picture"}, as the network sees it`;
  notes.textContent = [found?.name, ...(found?.notes || [])].filter(Boolean).join(". ");
  const [height, width] = state.network.input?.size || [1, 1];
  stack.style.aspectRatio = `${width} / ${height}`;
  Object.assign(drawing, { width, height });
}

/** A link may name a picture that the server has not, or the network cannot take it: the first one is shown, and it is said. */
async function unseen() {
  image.classList.remove("stale");
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
  const from = channel * pixels.length, span = (grid.high[channel] - grid.low[channel]) / 255;
  const values = Float32Array.from(pixels, (_, i) => grid.low[channel] + grid.tiles[from + i] * span);
  const signed = map && grid.low[0] < 0, limit = map ? strong(values) : Math.max(Math.abs(grid.low[channel]), Math.abs(grid.high[channel])) || 1;
  const colors = table(signed ? "diverging" : "inferno");
  values.forEach((value, i) => {
    const share = Math.min(1, (signed ? Math.abs(value) : Math.max(0, value)) / limit);
    const color = colors[Math.round(signed ? 127.5 + 127.5 * share * Math.sign(value) : 255 * share)];
    pixels[i] = (color & 0xffffff) | (Math.round(255 * Math.min(1, share * 1.4)) << 24);
  });
  context.putImageData(made, 0, 0);
  drawPlace();
}

/** What the strongest hundredth of a map's pixels reaches: by a gradient's one strongest pixel all others would be unseen. */
function strong(values) {
  const sizes = values.map(Math.abs).sort();
  return sizes[Math.floor(0.99 * (sizes.length - 1))] || sizes.at(-1) || 1;
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
  if (brushOn()) return event.buttons && paintAt(x, y);
  if (grid && grid.rows * grid.columns > 1) {
    const position = [Math.floor(y * grid.rows), Math.floor(x * grid.columns)].map((at, axis) => Math.max(0, Math.min(at, (axis ? grid.columns : grid.rows) - 1)));
    if (String(position) !== String(state.position)) set({ position });
  }
}

function strongestHere() {
  const grid = state.grid;
  placeTitle.textContent = grid && state.position ? `At (${state.position.join(",")})` : state.groups ? "In the whole picture" : "At a place";
  here = [];
  place.classList.toggle("stale", Boolean(state.groups && state.grouped?.old));
  if (state.groups) return fill(place, ...groupRows(paintOverlay));
  clearTimeout(rest);
  if (!grid || !state.position) return want([], "place"), fill(place, empty("Point at the picture: which channels answer there."));
  const [row, column] = state.position, at = Math.min(Math.floor((row * grid.tileRows) / grid.rows), grid.tileRows - 1) * grid.tileColumns + Math.min(Math.floor((column * grid.tileColumns) / grid.columns), grid.tileColumns - 1);
  const size = grid.tileRows * grid.tileColumns, values = Array.from({ length: grid.channels }, (_, channel) => grid.low[channel] + (grid.tiles[channel * size + at] / 255) * (grid.high[channel] - grid.low[channel]));
  const best = values.map((_, channel) => channel).sort((a, b) => values[b] - values[a]).slice(0, 6);
  here = best.map((channel) => `${state.layer}:${channel}`);
  if (here.some((unit) => !seen(unit))) rest = setTimeout(() => state.position && want(here, "place"), 400);
  const most = Math.max(...best.map((channel) => Math.abs(values[channel]))) || 1;
  fill(place, element("div.units.places", {}, ...best.map((channel) => icon(channel, values[channel], values[channel] / most))));
  here.forEach(showIcon);
}

/** A channel that answers at the place: what it wants to see, once that is there, and how much it answers. */
function icon(channel, value, share) {
  const words = `${state.layer}:${channel}: ${number(value)} at this place`;
  return element("button", { title: `${words}. ${DEFINITIONS.answer}`, "aria-label": words, onclick: () => set({ channel }) }, element("span.unmade", { "aria-hidden": "true" }), bar(`:${channel}`, share, number(value)));
}

/** Show a unit's picture in its icon, which stays under the hand that presses it. */
function showIcon(unit) {
  const found = seen(unit);
  if (found && !state.groups) place.querySelectorAll("button")[here.indexOf(unit)]?.firstElementChild.replaceWith(element("img", { src: found.url, alt: "" }));
}

/** Return the words of what lies over the picture. */
export function overlayWords() {
  return map ? map.caption || map.layer : state.grouped ? `${state.grouped.channels} groups of channels` : `${unitAddress()}'s answer`;
}

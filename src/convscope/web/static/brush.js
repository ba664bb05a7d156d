// The brush: a part of the picture is covered, and what the network says follows while one paints.

import { frameOf } from "./api.js";
import { element } from "./elements.js";
import { frameSocket, showFrame } from "./live.js";
import { listen, set, state } from "./store.js";

/** What a part is covered with; gray is what `occlude` leaves of a colored one: its mean. */
const BRUSHES = { off: "Brush: off", occlude: "Occlude: the picture's mean color", gray: "Cover with gray", blur: "Cover with blur" };
const MOST_STROKES = 100; // that can be taken back
/** What covers the picture, to lie upon it. */
export const cover = element("canvas", { "aria-hidden": "true" });
const mask = element("canvas"), whole = element("canvas");
let brush = "off", last = null, asking = false, again = false;
/** @type {?ReturnType<typeof frameSocket>} */
let frames = null;
/** @type {?{key: string, image: ImageBitmap, mean: string}} the picture in the network's frame, and its mean color */
let frame = null;
/** @type {Array<{key: string, name: string}>} the pictures before each stroke */
const before = [];

/** Build the choice of brushes, and its undo. */
export function brushTools() {
  const brushes = element("select", { "aria-label": "Brush: cover a part of the picture", title: "What if this were not there?", onchange: () => choose(brushes.value) }, ...Object.entries(BRUSHES).map(([value, words]) => element("option", { value }, words)));
  const undo = element("button", { onclick: uncover, title: "The picture before the last stroke" }, "Undo");
  listen((changed) => {
    if (!["picture", "network"].some((key) => changed.has(key)) || !state.network) return;
    clear();
    showReady();
    if (brush !== "off") fetchFrame();
  });
  return [brushes, undo];
}

/** Whether one paints. */
export function brushOn() {
  return brush !== "off";
}

function choose(kind) {
  brush = kind;
  clear();
  showReady();
  if (kind !== "off") return void fetchFrame();
  frames?.close();
  frames = null;
}

/** The frame is fetched before one paints: the first stroke waits for nothing. */
async function fetchFrame() {
  const key = state.picture;
  if (!key || frame?.key === key) return;
  try {
    const image = await frameOf(key);
    if (key !== state.picture) return image.close();
    frame?.image.close();
    frame = { key, image, mean: meanOf(image) };
    showReady();
  } catch (error) {
    set({ error: error.message });
  }
}

/** The cursor over the picture tells whether one can paint. */
function showReady() {
  document.body.dataset.brush = brush === "off" ? "off" : frame?.key === state.picture ? "ready" : "waits";
}

function meanOf(image) {
  const { width, height } = cover, one = element("canvas", { width, height }), context = one.getContext("2d"), sums = [0, 0, 0];
  context.drawImage(image, -Math.floor((image.width - width) / 2), -Math.floor((image.height - height) / 2));
  const { data } = context.getImageData(0, 0, width, height);
  for (let i = 0; i < data.length; i++) if (i % 4 < 3) sums[i % 4] += data[i];
  return `rgb(${sums.map((sum) => Math.round((4 * sum) / data.length)).join(" ")})`;
}

function clear() {
  const [height, width] = state.network.input?.size || [1, 1];
  for (const canvas of [cover, mask]) Object.assign(canvas, { width, height });
  last = null;
}

/** Paint at a place, in shares of the picture; from where the stroke was before. */
export function paintAt(x, y) {
  if (frame?.key !== state.picture) return; // while it is fetched there is nothing to cover
  const context = mask.getContext("2d"), to = { x: x * mask.width, y: y * mask.height }, from = last || to;
  Object.assign(context, { lineWidth: mask.width / 7, lineCap: "round" });
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(to.x + 0.001, to.y); // a line of no length is a dot
  context.stroke();
  last = to;
  paintCover();
  look();
}

function paintCover() {
  const context = cover.getContext("2d"), { width, height } = cover;
  context.globalCompositeOperation = "copy";
  context.drawImage(mask, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.filter = brush === "blur" ? `blur(${Math.round(width / 16)}px)` : "none";
  context.fillStyle = brush === "occlude" ? frame.mean : "#808080";
  if (brush === "blur") context.drawImage(frame.image, -Math.floor((frame.image.width - width) / 2), -Math.floor((frame.image.height - height) / 2));
  else context.fillRect(0, 0, width, height);
  context.filter = "none";
}

/** Draw the picture with what is covered: in its whole frame, for the network cuts its crop out of that again. */
function covered() {
  const { image } = frame, context = whole.getContext("2d", { willReadFrequently: true });
  Object.assign(whole, { width: image.width, height: image.height });
  context.drawImage(image, 0, 0);
  context.drawImage(cover, Math.floor((image.width - cover.width) / 2), Math.floor((image.height - cover.height) / 2));
  return whole;
}

/** Ask what the network says now, one question after the other. */
async function look() {
  again = true;
  if (asking) return;
  asking = true;
  try {
    while (again && last) {
      again = false;
      const key = state.picture;
      frames ??= frameSocket();
      const grid = await frames.ask(covered());
      if (last && key === state.picture) showFrame(grid);
    }
  } catch (error) {
    frames = null;
    set({ error: error.message });
  } finally {
    asking = false;
  }
}

/** The stroke has ended: the covered picture is one as others are, with a link of its own. */
export async function endStroke(take) {
  if (!last) return;
  last = null;
  const old = state.pictures.find((one) => one.key === state.picture) || { key: state.picture, name: "the picture" };
  /** @type {Blob} */
  const pixels = await new Promise((done) => covered().toBlob(done, "image/png"));
  const file = new File([pixels], `covered with ${brush === "occlude" ? "its mean color" : brush}`, { type: "image/png" });
  if (!(await take(file))) return set({ retry: {} }); // what is shown is of a picture that there is not
  before.push(old);
  before.splice(0, before.length - MOST_STROKES);
  // Of one picture's covered versions the last is in the list.
  set({ pictures: state.pictures.filter((one) => one.key !== old.key || !one.name.startsWith("covered with ")) });
}

/** Take the last stroke back. */
function uncover() {
  const now = state.picture, picture = before.pop();
  if (!picture) return set({ notice: "nothing is covered" });
  const others = state.pictures.filter((one) => one.key !== now);
  set({ picture: picture.key, pictures: others.some((one) => one.key === picture.key) ? others : [...others, picture] });
}

// The camera, a film, or a folder of pictures: one frame at a time goes to the network, the next after its answer.

import { START_AGAIN, asGrid, awaitReturn, pause, socketAddress, unpack } from "./api.js";
import { element } from "./elements.js";
import { set, state, unitAddress } from "./store.js";

/** @typedef {{kind: string, width: () => number, height: () => number, image: () => CanvasImageSource, name: () => string, step: (by: number) => Promise<void>, answered: () => Promise<void>, stop: () => void}} Source */

/** What to do where the browser gives no camera, by its error's name. */
const WITHOUT_CAMERA = {
  NotAllowedError: "it is not allowed: allow it for this page in the browser, and press c again; a film can stand in (Open…)",
  NotFoundError: "the browser finds none: plug one in, and press c again; a film can stand in (Open…)",
  NotReadableError: "another program has it: close that, and press c again",
};
const A_PICTURE = 1000; // milliseconds that each picture of a folder stays, at least
/** What the network sees of the frame that was sent last. */
export const shown = element("canvas", { hidden: true, role: "img", "aria-label": "The frame as the network sees it" });
const READ = { willReadFrequently: true };
/** How frames are sent: as pixels on this machine, as a file over a network, which others share (`photograph_of`). */
const ENCODING = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname) ? "rgba" : "jpeg";
/** A frame that is answered and one that was just sent. */
const frames = [element("canvas"), element("canvas")];
/** @type {(grid: any) => void} */
let onFrame = () => {};
/** @type {?Source} */
let current = null;
let period = 0, before = 0, name = "";

/** Be told of each answer: its grid, with `says` and the `view` it is of. */
export function watchFrames(watch) {
  onFrame = watch;
}

/** Whether frames are being sent. */
export function cameraOn() {
  return state.live !== null;
}

/** How many frames' answers were painted in a second, lately. */
export function frameRate() {
  return period ? 1000 / period : 0;
}

/** Show the answer to a frame as all of them are shown. */
export function showFrame(grid) {
  onFrame(grid);
}

/** A socket that frames are sent over; `ask` for an answer before the next frame. */
export function frameSocket() {
  const socket = new WebSocket(socketAddress("live"));
  let done = (_) => {}, failed = (_) => {};
  /** @type {?Error} */
  let gone = null;
  const opened = new Promise((open, refused) => {
    socket.onopen = open;
    socket.onclose = () => {
      gone = new Error(`the server has gone: ${START_AGAIN}`);
      refused(gone);
      failed(gone);
    };
  });
  opened.catch(() => {}); // who asks is told
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => done(unpack(event.data));
  return {
    /** Send a frame (a canvas) with what is shown now; an answer that is an error is thrown. */
    ask: async (frame) => {
      const { width, height } = frame, data = await encoded(frame);
      if (socket.readyState !== WebSocket.OPEN) await opened;
      if (gone) throw gone;
      const answer = new Promise((resolve, reject) => ((done = resolve), (failed = reject))), view = state.backward === "off" ? null : state.backward;
      socket.send(JSON.stringify({ layer: state.layer, unit: state.pinned || unitAddress(), view, units: state.units, width, height, encoding: ENCODING }));
      socket.send(data);
      const message = await answer;
      if (message.header.error) throw new Error(message.header.error);
      return asGrid(message);
    },
    close: () => socket.close(),
  };
}

/** @returns {Promise<BufferSource | Blob>} a canvas as it is sent */
async function encoded(canvas) {
  if (ENCODING === "rgba") return canvas.getContext("2d", READ).getImageData(0, 0, canvas.width, canvas.height).data;
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
}

/** Open the camera, or what is given: a film's file, or pictures' files. Or close it. */
export async function toggleCamera(given = null) {
  if (cameraOn()) return close();
  if (state.network.refuses) return set({ error: state.network.refuses });
  try {
    current = await (given === null ? camera() : Array.isArray(given) ? folder(given) : film(given));
  } catch (error) {
    return set({ error: given === null ? `the camera cannot be used: ${WITHOUT_CAMERA[error.name] || error.message}` : `this cannot be shown: ${error.message}` });
  }
  set({ live: current.kind, frozen: false, error: null });
  run(current);
}

/** Close the camera. */
export function close() {
  current?.stop();
  current = null;
  set({ live: null });
}

/** Go to another picture of a folder that is shown; false where none is. */
export function stepFrame(by) {
  current?.step(by);
  return current?.kind === "folder";
}

/** The name of the frame that was sent last: the next picture of a folder may be there before its answer. */
export function frameName() {
  return name;
}

async function run(source) {
  const socket = frameSocket();
  let show = () => {}, turn = 0;
  period = before = 0;
  while (current === source) {
    if (state.frozen) {
      show();
      show = () => {};
      before = 0;
      await pause(100);
      continue;
    }
    const frame = draw(source, frames[(turn ^= 1)]), title = source.name(), asked = socket.ask(frame);
    show(); // the answer to the frame before is painted while the network works at this one
    show = () => {};
    try {
      const [grid] = await Promise.all([asked, new Promise(requestAnimationFrame)]);
      show = () => current === source && showAnswer(frame, title, grid);
    } catch (error) {
      set({ error: error.message });
      if (error.message.startsWith("the server has gone")) {
        awaitReturn();
        return current === source && close();
      }
      await pause(300);
    }
    await source.answered();
  }
  socket.close();
}

/** Show a frame as the network sees it, and its answer. */
function showAnswer(frame, title, grid) {
  const [height, width] = state.network.input.size, now = performance.now();
  if (before) period = period ? 0.8 * period + 0.2 * (now - before) : now - before;
  before = now;
  name = title;
  if (shown.width !== width || shown.height !== height) Object.assign(shown, { width, height });
  shown.getContext("2d").drawImage(frame, -Math.floor((frame.width - width) / 2), -Math.floor((frame.height - height) / 2));
  onFrame(grid);
}

/** Draw a source's picture as it is sent: cut to the shape of the network's frame, whose middle the network sees. */
function draw(source, frame) {
  const [height, width] = state.network.input.frame;
  if (frame.width !== width || frame.height !== height) Object.assign(frame, { width, height });
  const scale = Math.max(width / source.width(), height / source.height()) || 1, wide = source.width() * scale, high = source.height() * scale;
  frame.getContext("2d", READ).drawImage(source.image(), (width - wide) / 2, (height - high) / 2, wide, high);
  return frame;
}

async function camera() {
  if (!navigator.mediaDevices) throw new Error("a browser opens it for pages of this machine, or behind https, alone");
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  const source = await played("camera", { srcObject: stream }, "the camera", () => stream.getTracks().forEach((track) => track.stop()));
  for (const track of stream.getTracks()) track.onended = () => source === current && cameraGone();
  return source;
}

/** Say that the camera was unplugged, or taken away from the page: its last frame would stay, as if it went on. */
function cameraGone() {
  close();
  set({ error: "the camera has gone: plug it in, or allow it again, and press c" });
}

async function film(file) {
  const url = URL.createObjectURL(file);
  return played("film", { src: url }, file.name, () => URL.revokeObjectURL(url));
}

/** @returns {Promise<Source>} */
async function played(kind, from, title, end) {
  const video = element("video", { muted: true, playsInline: true, loop: true, ...from });
  const stop = () => {
    video.pause();
    video.removeAttribute("src");
    video.srcObject = null;
    end();
  };
  try {
    await video.play();
  } catch (error) {
    stop();
    throw error;
  }
  return { kind, width: () => video.videoWidth, height: () => video.videoHeight, image: () => video, name: () => title, step: async () => {}, answered: async () => {}, stop };
}

/** @returns {Promise<Source>} pictures one after the other, in the order of their names; each stays until it was answered */
async function folder(files) {
  const names = [...files].sort((a, b) => (a.webkitRelativePath || a.name).localeCompare(b.webkitRelativePath || b.name, undefined, { numeric: true }));
  let at = -1, image = null, since = 0, stopped = false;
  const advance = async (by) => {
    for (let tries = 0; tries < names.length && !stopped; tries++) {
      at = (at + by + names.length) % names.length;
      const next = await createImageBitmap(names[at]).catch(() => null); // what the browser does not read is left out
      if (!next) continue;
      image?.close();
      image = next;
      break;
    }
    since = performance.now();
    if (stopped) image?.close();
  };
  const answered = async () => void (performance.now() - since >= A_PICTURE && !state.frozen && (await advance(1)));
  await advance(1);
  if (!image) throw new Error("no picture in it that this browser reads");
  const stop = () => void (stopped = true);
  return { kind: "folder", width: () => image.width, height: () => image.height, image: () => image, name: () => names[at].name, step: advance, answered, stop };
}

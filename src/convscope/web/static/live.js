// The camera, or a film: one frame at a time goes to the network, the next after its answer.

import { asGrid, socketAddress, unpack } from "./api.js";
import { element } from "./elements.js";
import { set, state, unitAddress } from "./store.js";

/** Where the camera's picture is shown. */
export const video = element("video", { muted: true, playsInline: true, loop: true, hidden: true, "aria-label": "The camera" });
const canvas = element("canvas");
/** @type {(grid: any) => void} */
let onFrame = () => {};
let socket = null, sent = 0, rate = 0;

/** Be told of each answer: its grid, with `says` and the `view` it is of. */
export function watchFrames(watch) {
  onFrame = watch;
}

/** Whether frames are being sent. */
export function cameraOn() {
  return state.live !== null;
}

/** How many frames were answered in a second, lately. */
export function frameRate() {
  return rate;
}

/** Open the camera, or a film's file; or close it. */
export async function toggleCamera(file = null) {
  if (cameraOn()) return close();
  try {
    if (file) video.src = URL.createObjectURL(file);
    else video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    await video.play();
  } catch (error) {
    return set({ error: `the camera cannot be used: ${error.message}` });
  }
  const [height, width] = state.network.input.size;
  Object.assign(canvas, { width, height });
  socket = new WebSocket(socketAddress("live"));
  socket.binaryType = "arraybuffer";
  socket.onopen = sendFrame;
  socket.onmessage = (event) => answered(event.data);
  socket.onclose = () => cameraOn() && close();
  set({ live: file ? "film" : "camera", frozen: false, error: null });
}

/** Close the camera. */
export function close() {
  for (const track of /** @type {?MediaStream} */ (video.srcObject)?.getTracks() || []) track.stop();
  video.srcObject = null;
  video.removeAttribute("src");
  set({ live: null });
  socket?.close();
}

async function sendFrame() {
  if (!cameraOn() && socket?.readyState !== WebSocket.OPEN) return;
  if (state.frozen) return void setTimeout(sendFrame, 100);
  const context = canvas.getContext("2d"), side = Math.min(video.videoWidth, video.videoHeight) || 1;
  context.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
  const frame = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
  if (socket?.readyState !== WebSocket.OPEN) return;
  const view = state.backward === "off" ? null : state.backward;
  socket.send(JSON.stringify({ layer: state.layer, unit: state.pinned || unitAddress(), view, units: state.units }));
  sent = performance.now();
  socket.send(frame);
}

function answered(buffer) {
  const message = unpack(buffer);
  rate = 0.8 * rate + 0.2 * (1000 / Math.max(1, performance.now() - sent));
  if (message.header.error) set({ error: message.header.error });
  else onFrame(asGrid(message));
  requestAnimationFrame(sendFrame);
}

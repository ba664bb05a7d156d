// Long work on the server: started, watched and cancelled over one socket, opened anew when it breaks.

import { START_AGAIN, ask, awaitReturn, socketAddress, unpack } from "./api.js";

const running = new Map(), listeners = new Set();
let socket = null, count = 0, waiting = [];

function open() {
  ask("network").catch(() => {}); // another server's network is no longer this page's
  socket = new WebSocket(socketAddress("jobs"));
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    for (const order of waiting.splice(0)) socket.send(order);
  };
  socket.onmessage = (event) => {
    const { header, buffer, start } = unpack(event.data), watch = running.get(header.job);
    const ends = header.kind === "end" || header.kind === "error";
    if (ends) running.delete(header.job);
    watch?.(header, new Uint8Array(buffer, start), start);
    if (ends) tell();
  };
  socket.onclose = () => {
    socket = null;
    for (const [job, watch] of running) watch({ job, kind: "error", error: `the server has gone: ${START_AGAIN}` });
    if (running.size) awaitReturn();
    running.clear();
    tell();
  };
}

/** Be told when a job begins or ends. */
export function onJobs(listener) {
  listeners.add(listener);
}

function tell() {
  for (const listener of listeners) listener();
}

function send(order) {
  if (!socket) open();
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(order));
  else waiting.push(JSON.stringify(order));
}

/**
 * Start a job; `watch` gets each message's header and body, at last one of kind "end" or "error".
 * @returns {string} its name, for `cancel`
 */
export function start(kind, wanted, watch) {
  const id = `j${++count}`;
  running.set(id, watch);
  tell();
  send({ start: { id, kind, ...wanted } });
  return id;
}

/** Take no further step of a job. What it has made stays. */
export function cancel(id) {
  if (running.has(id)) send({ cancel: id });
}

/** End a dream or a style with the picture as it is: it comes as the last one. */
export function stop(id) {
  if (running.has(id)) send({ stop: id });
}

/** How many jobs run now. */
export function runningJobs() {
  return running.size;
}

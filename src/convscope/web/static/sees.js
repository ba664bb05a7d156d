// What units want to see: pictures that were made once stay, by unit, and a job makes those that are asked for.

import { cancel, start } from "./jobs.js";
import { state } from "./store.js";

/** @typedef {{url: string, image: HTMLImageElement, final: boolean, caption: string, activated: boolean, done: number, of: number}} Seen */

/** @type {Map<string, Seen>} */
const pictures = new Map();
const listeners = new Set();
let job = null, waiting = [];

/** Return a unit's picture as far as it is made. */
export function seen(unit) {
  return pictures.get(unit);
}

/** Be told when a unit's picture changes, by its address; with a second argument when making it went wrong. */
export function onSeen(listener) {
  listeners.add(listener);
}

/** Make the pictures of units that have none, the first ones first; what was asked for before and is not needed stops. */
export function want(units) {
  const missing = units.filter((unit) => !pictures.get(unit)?.final);
  if (state.network.readOnly || !missing.length) return;
  if (job) cancel(job);
  waiting = missing;
  next();
}

/** Stop making pictures. */
export function stop() {
  if (job) cancel(job);
  waiting = [];
}

/** Whether pictures are being made now. */
export function making() {
  return job !== null;
}

function next() {
  const batch = waiting.filter((unit) => !pictures.get(unit)?.final).slice(0, 4);
  waiting = waiting.filter((unit) => !batch.includes(unit));
  if (!batch.length) {
    job = null;
    return;
  }
  const mine = start("see", { addresses: batch }, (header, body) => {
    if (header.kind === "picture") keep(header, body);
    if (header.kind === "error") for (const listener of listeners) for (const unit of batch) listener(unit, header.error);
    if ((header.kind === "end" || header.kind === "error") && mine === job) {
      job = null;
      next();
    }
  });
  job = mine;
}

function keep(header, body) {
  const old = pictures.get(header.unit), url = URL.createObjectURL(new Blob([body], { type: header.final ? "image/png" : "image/jpeg" }));
  const image = new Image();
  image.onload = () => {
    if (old) URL.revokeObjectURL(old.url);
    pictures.set(header.unit, { url, image, final: header.final, caption: header.caption || "", activated: header.activated !== false, done: header.done, of: header.of });
    for (const listener of listeners) listener(header.unit);
  };
  image.src = url;
}

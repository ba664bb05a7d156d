// What units want to see: pictures that were made once stay, by unit and seed, and a job makes those that are asked for.

import { askBytes } from "./api.js";
import { cancel, start } from "./jobs.js";
import { state } from "./store.js";

/** @typedef {{url: string, image: HTMLImageElement, final: boolean, caption: string, activated: boolean, done: number, of: number}} Seen */

const MOST_KEPT = 1000; // pictures: those that were asked for longest ago go, and come again from the server's cache
/** @type {Map<string, Seen>} the last asked for at the end */
const pictures = new Map();
/** The units whose pictures are made: names alone, of however many. */
const finished = new Set();
/** @type {Map<string, string>} why the last try to make a unit's picture came to nothing */
const failures = new Map();
const listeners = new Set();
/** @type {Map<string, string[]>} what is still to be made, by who wants it: who stands first is served first */
const wishes = new Map(["unit", "place", "groups", "grid", "atlas"].map((who) => [who, []]));
const AT_ONCE = 4, RECALLED_AT_ONCE = 32;
/** @type {?{job: string, batch: string[]}} */
let making = null;
/** The units whose pictures of before were asked for, and those that are next. */
const recalled = new Set();
let toRecall = [], recalling = false;

/** Another picture of a unit: from another beginning, so that one sees what they have in common. Seed 0 is the unit itself. */
export function seeded(unit, seed) {
  return seed ? `${unit}\n${seed}` : unit;
}

/** Return a unit's picture, or a `seeded` one, as far as it is made. */
export function seen(unit) {
  return pictures.get(unit);
}

/** Whether a unit's picture is made, be it kept still or no longer. */
export function isMade(unit) {
  return finished.has(unit);
}

/** Return why a unit's picture could not be made; nothing where that was not so when it was last tried. */
export function failure(unit) {
  return failures.get(unit);
}

/** Be told when a unit's picture changes, by its address; with a second argument when making it went wrong. */
export function onSeen(listener) {
  listeners.add(listener);
}

/** Make the pictures of units that have none, the first ones first, in place of what the same pane (`who`) wanted before. */
export function want(units, who) {
  for (const unit of units) touch(unit);
  if (state.network.readOnly) return recall(units);
  wishes.set(who, units.filter((unit) => !pictures.get(unit)?.final));
  makeNext();
}

/** Stop making pictures. */
export function stop() {
  for (const who of wishes.keys()) wishes.set(who, []);
  if (making) cancel(making.job);
  making = null;
}

/** Show the pictures of units that were made before, perhaps by a page of yesterday. None is made. */
export function recall(units) {
  const unasked = units.filter((unit) => !unit.includes("\n") && !pictures.has(unit) && !recalled.has(unit));
  for (const unit of unasked) recalled.add(unit);
  toRecall.push(...unasked);
  if (!recalling) recallNext();
}

async function recallNext() {
  recalling = true;
  for (let batch; (batch = toRecall.splice(0, RECALLED_AT_ONCE)).length; ) {
    try {
      const { header, buffer, start: from } = await askBytes("kept", batch.map((unit) => ["unit", unit]));
      let at = from;
      for (const { bytes, ...picture } of header.pictures) keep(picture.unit, picture, new Uint8Array(buffer, at, bytes)), (at += bytes);
    } catch {
      for (const unit of [...batch, ...toRecall]) recalled.delete(unit); // whoever asks next is told why
      toRecall = [];
    }
  }
  recalling = false;
}

/** Go on with what is wanted first; what is being made for who comes later stops, keeps its state, and goes on after. */
function makeNext() {
  const list = [...wishes.values()].find((units) => units.length), seed = list?.[0].split("\n")[1];
  if (!list || making?.batch.includes(list[0])) return;
  if (making) cancel(making.job);
  const batch = list.filter((unit) => unit.split("\n")[1] === seed).slice(0, AT_ONCE);
  for (const unit of batch) failures.delete(unit);
  const options = seed ? { seed: Number(seed) } : {}, addresses = batch.map((unit) => unit.split("\n")[0]);
  const job = start("see", { addresses, options }, (header, body) => {
    if (header.kind === "picture") keep(seeded(header.unit, seed), header, body);
    if (header.kind === "error") {
      for (const unit of batch) failures.set(unit, header.error);
      for (const listener of listeners) for (const unit of batch) listener(unit, header.error);
    }
    if ((header.kind === "end" || header.kind === "error") && job === making?.job) {
      making = null;
      for (const [who, units] of wishes) wishes.set(who, units.filter((unit) => !batch.includes(unit)));
      makeNext();
    }
  });
  making = { job, batch };
}

/** Let a unit's picture be the last to go. */
function touch(unit) {
  const picture = pictures.get(unit);
  if (picture) pictures.delete(unit) && pictures.set(unit, picture);
}

function keep(unit, header, body) {
  const url = URL.createObjectURL(new Blob([body], { type: header.final ? "image/png" : "image/jpeg" }));
  const image = new Image();
  image.onerror = () => URL.revokeObjectURL(url);
  image.onload = () => {
    const old = pictures.get(unit);
    if (old?.final && !header.final) return URL.revokeObjectURL(url); // it was decoded later than what came after it
    if (old) URL.revokeObjectURL(old.url);
    pictures.delete(unit);
    pictures.set(unit, { url, image, final: header.final, caption: header.caption || "", activated: header.activated !== false, done: header.done, of: header.of });
    if (header.final) finished.add(unit);
    for (const [oldest, { url: last }] of pictures) {
      if (pictures.size <= MOST_KEPT) break;
      pictures.delete(oldest);
      recalled.delete(oldest);
      URL.revokeObjectURL(last);
    }
    for (const listener of listeners) listener(unit);
  };
  image.src = url;
}

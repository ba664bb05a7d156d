// Two pages side by side: two pictures, two units or two networks, with cursors that follow each other.
// The page that shows both listens to its two halves; a half is the whole page in a frame, opened with ?half.

import { IN_ADDRESS, toHash } from "./address.js";
import { element, fill } from "./elements.js";
import { layerFacts, listen, set, state } from "./store.js";

const LINKS = { picture: "the picture", unit: "the unit", place: "the place" };
const SIDES = ["left", "right"];
const frames = SIDES.map((side) => element("iframe", { title: `The ${side} page` }));
const told = [null, null];

/** Whether this page is one of two. */
export const half = new URLSearchParams(location.search).has("half");

/** Build the view of two. */
export function mountBeside(parent) {
  const boxes = Object.entries(LINKS).map(([name, words]) => {
    const box = element("input", { type: "checkbox", value: name, onchange: () => set({ linked: boxes.filter(([one]) => one.checked).map(([one]) => one.value).join(",") || "nothing" }) });
    return /** @type {[HTMLInputElement, HTMLElement]} */ ([box, element("label", {}, box, ` ${words} `)]);
  });
  const network = element("select", { "aria-label": "The network on the right", onchange: () => set({ other: network.value === "1", right: null }) }, element("option", { value: "0" }, state.network.name), ...(state.network.beside ? [element("option", { value: "1" }, state.network.beside)] : []));
  const choice = state.network.beside ? [element("label", {}, "On the right ", network)] : [];
  fill(parent, element("div.tools", {}, element("strong", {}, "Both sides share "), ...boxes.map(([, label]) => label), ...choice), element("div.halves", {}, ...frames));
  addEventListener("message", heard);
  listen((changed) => {
    if (!["view", "left", "right", "linked", "other"].some((key) => changed.has(key))) return;
    if (state.view !== "beside") return frames.forEach((frame, side) => (told[side] !== null && ((told[side] = null), frame.removeAttribute("src"))));
    if (state.left === null || state.right === null) return set(beginning());
    for (const [box] of boxes) box.checked = (state.linked || "").split(",").includes(box.value);
    network.value = state.other ? "1" : "0";
    SIDES.forEach(show);
  });
}

/** Two pictures where there are two, else two units; another network where there is one. */
function beginning() {
  const at = state.pictures.findIndex((one) => one.key === state.picture), next = state.pictures[(at + 1) % Math.max(1, state.pictures.length)];
  const left = state.left ?? toHash(alone(state)), other = Boolean(state.network.beside) && (state.other || state.left === null);
  if (other) return { left, right: `#/?${new URLSearchParams({ picture: state.picture || "" })}`, other, linked: "picture,place" };
  if (next && next.key !== state.picture) return { left, right: toHash(alone({ ...state, picture: next.key })), other, linked: "unit,place" };
  return { left, right: toHash(alone({ ...state, channel: state.channel + 1 })), other, linked: "picture,place" };
}

function alone(shown) {
  return { ...shown, view: "explore", left: null, right: null, linked: null, other: false };
}

function show(name, side) {
  if (told[side] === state[name]) return;
  told[side] = state[name];
  frames[side].src = `${side && state.other ? "other/" : "./"}?half${state[name]}`;
}

/** A half has moved: the address has it, and the other half what is shared. */
function heard(event) {
  const side = frames.findIndex((frame) => frame.contentWindow === event.source);
  if (side < 0 || event.origin !== location.origin || event.data?.kind !== "moved") return;
  const { hash, layer, channel, place, picture, followed } = event.data, links = (state.linked || "").split(",");
  told[side] = hash;
  set({ [SIDES[side]]: hash });
  if (followed) return;
  const shared = { kind: "follow", ...(links.includes("unit") && { layer, channel }), ...(links.includes("place") && { place }), ...(links.includes("picture") && { picture }) };
  frames[1 - side].contentWindow.postMessage(shared, location.origin);
}

/** Let this page be one of two: it says where it is, and follows. */
export function mountHalf() {
  document.documentElement.classList.toggle("half", half);
  if (!half) return;
  let followed = false;
  listen((changed) => {
    if (!IN_ADDRESS.some((key) => changed.has(key))) return;
    const picture = state.pictures.find((one) => one.key === state.picture) || { key: state.picture };
    parent.postMessage({ kind: "moved", hash: toHash(state), layer: state.layer, channel: state.channel, place: place(), picture, followed }, location.origin);
  });
  addEventListener("message", ({ source, origin, data }) => {
    if (source !== parent || origin !== location.origin || data?.kind !== "follow") return;
    followed = true;
    set(following(data));
    followed = false;
  });
}

/** The cursor's place in shares of the picture, the same for every layer and network. */
function place() {
  const facts = layerFacts();
  return state.position && facts ? [(state.position[0] + 0.5) / facts.rows, (state.position[1] + 0.5) / facts.columns] : null;
}

function following({ layer, channel, place: shares, picture }) {
  const changes = {}, facts = layerFacts(layer ?? state.layer);
  if (layer !== undefined) Object.assign(changes, facts ? { layer, channel: Math.min(channel, facts.channels - 1) } : { notice: `there is no ${layer} in this network` });
  const shown = facts || layerFacts();
  if (shares !== undefined) changes.position = shares && shown.rows * shown.columns > 1 ? [Math.floor(shares[0] * shown.rows), Math.floor(shares[1] * shown.columns)] : null;
  if (picture?.key) Object.assign(changes, { picture: picture.key, pictures: state.pictures.some((one) => one.key === picture.key) ? state.pictures : [...state.pictures, picture] });
  return changes;
}

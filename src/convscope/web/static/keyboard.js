// Every key, in one table: the help is drawn from it, and nothing else listens to keys.

import { choices } from "./address.js";
import { element, fill } from "./elements.js";
import { channelOrder, gridColumns } from "./grid.js";
import { stepLayer } from "./layers.js";
import { toggleCamera } from "./live.js";
import { stepPicture } from "./picture.js";
import { set, state, unitAddress } from "./store.js";
import { toggleTour } from "./tours.js";

function move(by) {
  const order = channelOrder(), at = order.indexOf(state.channel);
  set({ channel: order[Math.max(0, Math.min(order.length - 1, at + by))], position: null });
}

function cycle(key) {
  const values = choices(key);
  set({ [key]: values[(values.indexOf(state[key]) + 1) % values.length] });
}

/** Copy a text, and say so, or what to do where the browser does not allow it. */
export async function copyText(text, words, otherwise = "this browser lets no page copy: mark the text, and copy it") {
  try {
    await navigator.clipboard.writeText(text);
    set({ notice: words });
  } catch {
    set({ notice: otherwise });
  }
}

function copyLink() {
  return copyText(location.href, "the link is copied", "this browser lets no page copy: take the link from the address bar");
}

function focusSearch() {
  const search = /** @type {HTMLInputElement} */ (document.getElementById("search"));
  search.focus();
  search.select();
}

function helpDialog() {
  return /** @type {HTMLDialogElement} */ (document.getElementById("help"));
}

/** Show or hide the help. */
export function toggleHelp() {
  const help = helpDialog();
  if (help.open) return help.close();
  const rows = KEYS.map(([keys, words]) => element("div", {}, element("span", {}, ...keys.map((key) => element("kbd", {}, key === " " ? "space" : key))), element("span", {}, words)));
  fill(help, element("div.tools", {}, element("h2", {}, "Every key"), element("button", { onclick: () => help.close(), autofocus: true }, "Close")), element("div.keys", {}, ...rows));
  help.showModal();
}

/** Leave what is on top: the help, the search, another view. */
function leave() {
  /** @type {HTMLElement} */ (document.activeElement)?.blur?.();
  document.querySelector("#network[open]")?.removeAttribute("open");
  set({ view: "explore", error: null, tour: null });
}

/** @type {Array<[string[], string, (event: KeyboardEvent) => void]>} keys, what they do, and the function */
export const KEYS = [
  [["ArrowLeft"], "the channel before", () => move(-1)],
  [["ArrowRight"], "the next channel", () => move(1)],
  [["ArrowUp"], "a row up", () => move(-gridColumns())],
  [["ArrowDown"], "a row down", () => move(gridColumns())],
  [["Shift+ArrowUp"], "eight rows up", () => move(-8 * gridColumns())],
  [["Shift+ArrowDown"], "eight rows down", () => move(8 * gridColumns())],
  [["Shift+ArrowLeft"], "eight channels back", () => move(-8)],
  [["Shift+ArrowRight"], "eight channels on", () => move(8)],
  [["Home"], "the first channel shown", () => move(-1e9)],
  [["End"], "the last channel shown", () => move(1e9)],
  [["["], "the layer before", () => stepLayer(-1)],
  [["]"], "the next layer", () => stepLayer(1)],
  [["w"], "the picture before", () => stepPicture(-1)],
  [["e"], "the next picture", () => stepPicture(1)],
  [["c"], "camera on, or off", () => toggleCamera()],
  [[" "], "freeze the camera, or let it go on", () => set({ frozen: !state.frozen })],
  [["/"], "search for a layer or a unit", focusSearch],
  [["g"], "go to an address", focusSearch],
  [["Enter"], "this unit alone, large", () => set({ view: "unit" })],
  [["Escape"], "back to the grid", leave],
  [["s"], "what each channel wants to see, in place of its answer", () => cycle("sees")],
  [["m"], "more pictures of this unit, from other beginnings", () => cycle("seeds")],
  [["o"], "order: by number, by what photographs make them answer, by this picture", () => cycle("sort")],
  [["x"], "scale: each channel's own, or one for all", () => cycle("scale")],
  [["t"], "gamma: lighter, darker", () => cycle("gamma")],
  [["p"], "palette", () => cycle("palette")],
  [["z"], "zoom: once, or twice as large", () => cycle("zoom")],
  [["v"], "the unit's answer over the picture, or not", () => cycle("overlay")],
  [["n"], "the channels of places: one by one, or in 4, 6, 8 groups (NMF)", () => cycle("groups")],
  [["b"], "backward view: off, gradient, guided backpropagation, Grad-CAM", () => cycle("backward")],
  [["d"], "pin this unit as the backward view's, or let it go", () => set({ pinned: state.pinned === unitAddress() ? null : unitAddress() })],
  [["y"], "copy the link to what is shown", copyLink],
  [["1"], "view: explore", () => set({ view: "explore" })],
  [["2"], "view: one unit", () => set({ view: "unit" })],
  [["3"], "view: why", () => set({ view: "why" })],
  [["4"], "view: studio", () => set({ view: "studio" })],
  [["5"], "view: atlas", () => set({ view: "atlas" })],
  [["6"], "view: two side by side: pictures, units or networks", () => set({ view: "beside" })],
  [["u"], "tours: the lessons, step by step, or no more", toggleTour],
  [["r"], "ask again", () => set({ retry: {} })],
  [["?"], "this help", toggleHelp],
];

/** The keys that an element has for itself. */
function ownKeys(target) {
  if (target.matches("input[type=range]")) return ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
  return target.matches("button, a, summary, input") ? ["Enter", " "] : [];
}

/** A list that was opened by hand lets go of the keys once something is chosen: the next one is the page's. */
function letGoOfLists() {
  let byHand = false;
  document.addEventListener("pointerdown", () => (byHand = true), true);
  document.addEventListener("keydown", () => (byHand = false), true);
  document.addEventListener("change", ({ target }) => byHand && target instanceof HTMLSelectElement && target.blur());
}

/** Listen to the table's keys, but not while something is being typed. */
export function mountKeyboard() {
  const actions = new Map(KEYS.flatMap(([keys, , action]) => keys.map((key) => [key, action])));
  letGoOfLists();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (helpDialog().open) return event.key === "?" ? toggleHelp() : undefined;
    const target = /** @type {Element} */ (event.target), typing = target.matches("input:not([type=range]):not([type=checkbox]), select, textarea");
    if (typing && event.key !== "Escape") return;
    if (ownKeys(target).includes(event.key)) return;
    const action = actions.get(`${event.shiftKey && event.key.length > 1 ? "Shift+" : ""}${event.key}`);
    if (!action || !state.network) return;
    event.preventDefault();
    action(event);
  });
}

// Every key, in one table: the help is drawn from it, and nothing else listens to keys.

import { element, fill } from "./elements.js";
import { channelOrder, gridColumns } from "./grid.js";
import { stepLayer } from "./layers.js";
import { toggleCamera } from "./live.js";
import { PALETTES } from "./palette.js";
import { stepPicture } from "./picture.js";
import { set, state, unitAddress } from "./store.js";

const BACKWARD = ["off", "saliency", "guided_backprop", "grad_cam"], GAMMAS = [1, 0.6, 0.35, 1.8];

function move(by) {
  const order = channelOrder(), at = order.indexOf(state.channel);
  set({ channel: order[Math.max(0, Math.min(order.length - 1, at + by))], position: null });
}

function after(list, value) {
  return list[(list.indexOf(value) + 1) % list.length];
}

function focusSearch() {
  document.getElementById("search").focus();
  document.getElementById("search").select();
}

/** Show or hide the help. */
export function toggleHelp() {
  const help = document.getElementById("help");
  if (help.open) return help.close();
  const rows = KEYS.flatMap(([keys, words]) => [element("span", {}, ...keys.map((key) => element("kbd", {}, key === " " ? "space" : key))), element("span", {}, words)]);
  fill(help, element("h2", {}, "Every key"), element("div.keys", {}, ...rows), element("p", {}, element("button", { onclick: () => help.close(), autofocus: true }, "Close")));
  help.showModal();
}

/** Leave what is on top: the help, the search, another view. */
function leave() {
  document.activeElement?.blur?.();
  set({ view: "explore", error: null });
}

/** @type {Array<[string[], string, (event: KeyboardEvent) => void]>} keys, what they do, and the function */
export const KEYS = [
  [["ArrowLeft"], "the channel before", () => move(-1)],
  [["ArrowRight"], "the next channel", () => move(1)],
  [["ArrowUp"], "a row up", () => move(-gridColumns())],
  [["ArrowDown"], "a row down", () => move(gridColumns())],
  [["Shift+ArrowUp"], "eight rows up", () => move(-8 * gridColumns())],
  [["Shift+ArrowDown"], "eight rows down", () => move(8 * gridColumns())],
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
  [["s"], "what each channel wants to see, in place of its answer", () => set({ sees: !state.sees })],
  [["o"], "order: by number, or the strongest first", () => set({ sort: after(["index", "strength"], state.sort) })],
  [["x"], "scale: each channel's own, or one for all", () => set({ scale: after(["channel", "shared"], state.scale) })],
  [["t"], "gamma: lighter, darker", () => set({ gamma: after(GAMMAS, state.gamma) })],
  [["p"], "palette", () => set({ palette: after(PALETTES, state.palette) })],
  [["z"], "zoom: once, or twice as large", () => set({ zoom: after([1, 2], state.zoom) })],
  [["v"], "the unit's answer over the picture, or not", () => set({ overlay: !state.overlay })],
  [["b"], "backward view: off, gradient, guided backpropagation, Grad-CAM", () => set({ backward: after(BACKWARD, state.backward) })],
  [["d"], "pin this unit as the backward view's, or let it go", () => set({ pinned: state.pinned === unitAddress() ? null : unitAddress() })],
  [["y"], "copy the link to what is shown", () => navigator.clipboard?.writeText(location.href).then(() => set({ error: null }))],
  [["1"], "view: explore", () => set({ view: "explore" })],
  [["2"], "view: one unit", () => set({ view: "unit" })],
  [["3"], "view: why", () => set({ view: "why" })],
  [["4"], "view: studio", () => set({ view: "studio" })],
  [["5"], "view: atlas", () => set({ view: "atlas" })],
  [["r"], "ask again", () => set({ grid: null, retry: {} })],
  [["?"], "this help", toggleHelp],
];

/** Listen to the table's keys, but not while something is being typed. */
export function mountKeyboard() {
  const actions = new Map(KEYS.flatMap(([keys, , action]) => keys.map((key) => [key, action])));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.getElementById("help").open) return;
    const typing = event.target.matches("input:not([type=range]):not([type=checkbox]), select, textarea");
    if (typing && event.key !== "Escape") return;
    if (event.target.matches("button, a, summary, input") && ["Enter", " ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    const action = actions.get(`${event.shiftKey && event.key.length > 1 ? "Shift+" : ""}${event.key}`);
    if (!action || !state.network) return;
    event.preventDefault();
    action(event);
  });
}

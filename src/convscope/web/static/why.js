// Where the evidence lies, method beside method: each map on its own range, all in the same colors, over the picture.

import { defined } from "./definitions.js";
import { ONLY_SHOWS, element, empty, fill, number } from "./elements.js";
import { cancel, start } from "./jobs.js";
import { table } from "./palette.js";
import { listen, set, state, unitAddress } from "./store.js";

const FIRST = "saliency,grad_cam,occlusion,relevance";
const cards = element("div.cards"), progress = element("progress", { hidden: true, "aria-label": "Methods done" }), words = element("p.caption");
/** @type {Array<{canvas: HTMLCanvasElement, values: Float32Array, header: {rows: number, columns: number, signed: boolean}, limit: number}>} the maps that are shown */
let maps = [];
let job = null, share = 0.6;

/** Build the view. */
export function mountWhy(parent) {
  const field = element("input", { placeholder: state.network.classLayers.length ? "the class it says" : "this unit", "aria-label": "What to explain: a class, or an address", autocomplete: "off", onchange: () => set({ target: field.value.trim() || null }) });
  const sanity = element("input", { type: "checkbox", onchange: () => set({ sanity: sanity.checked }) });
  const boxes = state.network.methods.map((method) => element("input", { type: "checkbox", value: method.name, onchange: () => set({ methods: boxes.filter((box) => box.checked).map((box) => box.value).join(",") }) }));
  const labels = boxes.map((box, index) => element("label", { title: state.network.methods[index].sentence }, box, ` ${box.value.replaceAll("_", " ")} `));
  const show = () => {
    field.value = state.target || "";
    sanity.checked = state.sanity;
    for (const box of boxes) box.checked = chosen().includes(box.value);
  };
  const over = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: share, "aria-label": "How much of the map lies over the picture" });
  over.oninput = () => {
    share = Number(over.value);
    for (const canvas of cards.querySelectorAll("canvas")) canvas.style.opacity = String(share);
  };
  fill(
    parent,
    defined(element("h2", {}, "Why: where the evidence lies"), "evidence"),
    element("div.tools", {}, element("label", {}, "Explain ", field), element("button", { onclick: explain }, "Show"), element("button", { onclick: () => job && cancel(job) }, "Stop"), element("label", {}, "Map over picture ", over), element("label", { title: "Each map is made again without what the network has learned. A map that stays the same shows the picture, not the network." }, sanity, " Sanity: shuffle the weights")),
    element("details", {}, element("summary", {}, "Methods"), ...labels),
    progress,
    words,
    cards,
  );
  fill(cards, empty("Press Show: each method says in its own way which parts of the picture the answer depends on."));
  listen((changed) => {
    show();
    if (changed.has("scale") && maps.length) paintAll();
    if (state.view === "why" && ["view", "picture", "target", "methods", "sanity", "units"].some((key) => changed.has(key)) && state.picture) explain();
  });
}

/** The methods that are shown: those that were chosen, of those there are. */
function chosen() {
  const names = (state.methods ?? FIRST).split(",");
  return state.network.methods.map((method) => method.name).filter((name) => names.includes(name));
}

/** What is explained: what was asked for, else the class that the network says, else the unit under the cursor. */
function target() {
  return state.target || (state.network.classLayers.length ? null : unitAddress());
}

function explain() {
  const methods = chosen();
  if (!state.picture) return set({ error: "drop a picture first: evidence is a picture's" });
  if (state.network.readOnly) return fill(cards, empty(ONLY_SHOWS));
  if (job) cancel(job);
  if (!methods.length) return fill(cards, empty("Choose a method under Methods."));
  let fresh = false;
  const first = () => {
    if (fresh) return;
    fresh = true;
    cards.classList.remove("stale");
    fill(cards);
    maps = [];
  };
  if (maps.length) cards.classList.add("stale"); // the maps of before stay until there are others
  else fill(cards, empty("The first map is being made…"));
  Object.assign(progress, { hidden: false, max: methods.length, value: 0 });
  const mine = start("explain", { picture: state.picture, methods, target: target(), sanity: state.sanity, units: state.units }, (header, body) => {
    if (mine !== job) return; // asked anew meanwhile
    first();
    if (header.kind === "map") {
      progress.value = header.done;
      if (header.shuffled) cards.lastElementChild.querySelector(".shuffled").append(shuffledMap(header, body));
      else cards.append(card(header, body));
    } else {
      progress.hidden = true;
      job = null;
      if (header.error) cards.append(element("p.error", {}, header.error));
    }
  });
  job = mine;
}

function card(header, body) {
  const title = element("h2", {}, header.method.replaceAll("_", " "));
  if (header.error) return element("div.card", {}, title, element("p.error", {}, header.error));
  const about = element("details", {}, element("summary", {}, "What it is, and what it is worth"), element("p.caption", {}, header.caption));
  return element("div.card", {}, title, overPicture(header, body, header.caption), element("div.shuffled"), about);
}

function overPicture(header, body, words) {
  const canvas = element("canvas", { role: "img", "aria-label": `${header.method}: ${words}` });
  const values = new Float32Array(body.slice().buffer), sorted = Float32Array.from(values, Math.abs).sort();
  maps.push({ canvas, values, header, limit: sorted[Math.floor(0.995 * (sorted.length - 1))] || sorted.at(-1) || 1 });
  paintAll();
  canvas.style.opacity = String(share);
  const none = values.every((value) => value === 0) ? [element("p.caption", {}, "0 everywhere: by this method nothing in the picture changes it.")] : [];
  const stack = element("div.stack", {}, element("img", { src: `api/seen/${encodeURIComponent(state.picture)}`, alt: "" }), canvas);
  stack.style.aspectRatio = `${header.columns} / ${header.rows}`;
  return element("div", {}, stack, ...none);
}

/** The same map without what the last layers, or all, have learned. */
function shuffledMap(header, body) {
  const { layers, downTo, like, same } = header.shuffled;
  const words = `${layers} layers shuffled, down to ${downTo}: ${like.toFixed(2)} like the first${same ? ". It hardly changes: it shows the picture, not what the network knows" : ""}`;
  const caption = element("p.caption", { title: "Spearman's rank correlation with the first map, signs left out" }, words);
  return element("div", {}, overPicture(header, body, words), caption);
}

/** Paint the maps, each to its own largest value or all to the largest of all, and say which. */
function paintAll() {
  const shared = state.scale === "shared", most = maps.reduce((limit, map) => Math.max(limit, map.limit), 0);
  for (const map of maps) paint(map, shared ? most : map.limit);
  const scale = shared ? `All maps go to ${number(most)}, the largest value of all` : "Each map goes to its own largest value";
  words.textContent = `Red speaks for it, blue against it; for methods without a sign, bright is what it depends on. ${scale} (x).`;
}

function paint({ canvas, values, header: { rows, columns, signed } }, limit) {
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows), pixels = new Uint32Array(image.data.buffer);
  const colors = table(signed ? "diverging" : "inferno");
  values.forEach((value, i) => {
    const level = signed ? 127.5 + (127.5 * value) / limit : (255 * value) / limit;
    pixels[i] = colors[Math.max(0, Math.min(255, Math.round(level)))];
  });
  context.putImageData(image, 0, 0);
}

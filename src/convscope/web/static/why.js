// Where the evidence lies, method beside method: each map on its own range, all in the same colors, over the picture.

import { element, empty, fill } from "./elements.js";
import { cancel, start } from "./jobs.js";
import { table } from "./palette.js";
import { listen, set, state } from "./store.js";

const FIRST = ["saliency", "grad_cam", "occlusion", "relevance"];
const cards = element("div.cards"), progress = element("progress", { hidden: true, "aria-label": "Methods done" }), words = element("p.caption");
let job = null, share = 0.6;

/** Build the view. */
export function mountWhy(parent) {
  const target = element("input", { placeholder: "the class it says", "aria-label": "What to explain: a class, or an address", autocomplete: "off" });
  const boxes = state.network.methods.map((method) => {
    const box = element("input", { type: "checkbox", checked: FIRST.includes(method.name), value: method.name });
    return element("label", { title: method.sentence }, box, ` ${method.name.replaceAll("_", " ")} `);
  });
  const over = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: share, "aria-label": "How much of the map lies over the picture" });
  over.oninput = () => {
    share = Number(over.value);
    for (const canvas of cards.querySelectorAll("canvas")) canvas.style.opacity = share;
  };
  const run = () => explain(target.value.trim(), boxes.map((label) => label.firstChild).filter((box) => box.checked).map((box) => box.value));
  fill(
    parent,
    element("h2", {}, "Why: where the evidence lies"),
    element("div.tools", {}, element("label", {}, "Explain ", target), element("button", { onclick: run }, "Show"), element("button", { onclick: () => job && cancel(job) }, "Stop"), element("label", {}, "Map over picture ", over)),
    element("details", {}, element("summary", {}, "Methods"), ...boxes),
    progress,
    words,
    cards,
  );
  fill(cards, empty("Press Show: each method says in its own way which parts of the picture the answer depends on."));
  listen((changed) => {
    if (state.view === "why" && (changed.has("view") || changed.has("picture")) && state.picture) run();
  });
}

function explain(target, methods) {
  if (!state.picture) return set({ error: "drop a picture first: evidence is a picture's" });
  if (job) cancel(job);
  fill(cards);
  words.textContent = "Red speaks for it, blue against it; for methods without a sign, bright is what it depends on. Each map goes to its own largest value.";
  Object.assign(progress, { hidden: false, max: methods.length, value: 0 });
  job = start("explain", { picture: state.picture, methods, target: target || null, units: state.units }, (header, body, at) => {
    if (header.kind === "map") {
      progress.value = header.done;
      cards.append(card(header, body));
    } else {
      progress.hidden = true;
      job = null;
      if (header.error) cards.append(element("p.error", {}, header.error));
    }
  });
}

function card(header, body) {
  const title = element("h2", {}, header.method.replaceAll("_", " "));
  if (header.error) return element("div.card", {}, title, element("p.error", {}, header.error));
  const canvas = element("canvas", { role: "img", "aria-label": `${header.method}: ${header.caption}` });
  paint(canvas, new Float32Array(body.slice().buffer), header);
  canvas.style.opacity = share;
  const stack = element("div.stack", {}, element("img", { src: `api/seen/${encodeURIComponent(state.picture)}`, alt: "" }), canvas);
  stack.style.aspectRatio = `${header.columns} / ${header.rows}`;
  return element("div.card", {}, title, stack, element("p.caption", {}, header.caption));
}

function paint(canvas, values, { rows, columns, signed }) {
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows), pixels = new Uint32Array(image.data.buffer);
  const sorted = Float32Array.from(values, Math.abs).sort(), limit = sorted[Math.floor(0.995 * (sorted.length - 1))] || sorted.at(-1) || 1;
  const colors = table(signed ? "diverging" : "inferno");
  values.forEach((value, i) => {
    const level = signed ? 127.5 + (127.5 * value) / limit : (255 * value) / limit;
    pixels[i] = colors[Math.max(0, Math.min(255, Math.round(level)))];
  });
  context.putImageData(image, 0, 0);
}

// One number of a convolution, on paper: patch times kernel, summed, the bias, and what follows.

import { ask } from "./api.js";
import { defined } from "./definitions.js";
import { element, empty, number } from "./elements.js";
import { paintSigned } from "./palette.js";
import { layerFacts, state, unitAddress } from "./store.js";

const WIDEST = 5; // numbers side by side that are written out
/** The factors of a convolution and what they give, with the sign before each, in words. */
const FACTORS = { patch: ["", "what it reads"], kernel: ["×", "its kernel"], product: ["=", "their products"] };
let asked = 0, found = null, foundAt = "", failure = null;

/** Return the elements that show it for the unit and the place under the cursor; nothing for what is no convolution. */
export function arithmeticParts() {
  if (!hasPlaces()) return [];
  const [row, column] = place(), title = defined(element("h3", {}, `How it comes to its number at (${row},${column})`), "arithmetic");
  if (failure) return [title, empty(failure)];
  if (!found || foundAt !== subject()) return [title, empty("Being worked out…")];
  const terms = found.terms.map((term) => ({ ...term, product: term.patch.map((row, y) => row.map((value, x) => value * term.kernel[y][x])) }));
  const limit = (key) => Math.max(...terms.flatMap((term) => term[key].flat().map(Math.abs))) || 1, limits = Object.fromEntries(Object.keys(FACTORS).map((key) => [key, limit(key)]));
  const rows = terms.map((term) => element("div.term", {}, element("p.caption", {}, `${found.reads}:${term.channel}, sum of the products ${number(term.sum)}`), ...Object.entries(FACTORS).flatMap(([key, [sign, words]]) => [...(sign ? [element("span", { "aria-hidden": "true" }, sign)] : []), square(term[key], limits[key], words)])));
  const sums = [[`${found.others.count} further channels`, found.others.sum], ["bias", found.bias], ["sum", found.sum]];
  if (!found.others.count) sums.shift();
  const after = found.steps.length ? `after ${found.steps.join(", ")}` : "its answer";
  const totals = [...sums, [after, found.answers]].map(([label, value]) => element("tr", {}, element("th", { scope: "row" }, label), cell(number(value))));
  return [title, element("p.caption", {}, "What it reads × its kernel = the products, of the channels that count most; red is positive, blue negative."), ...rows, element("table.arithmetic", {}, element("tbody", {}, ...totals)), element("p.caption", {}, "Point at a place of the picture for another one.")];
}

/** Whether it is asked for, and not there yet. */
export function arithmeticWaits() {
  return hasPlaces() && foundAt !== subject() && !failure;
}

/** Ask for it, once the cursor rests; `done` is called when it is there. */
export function askArithmetic(done) {
  const mine = ++asked;
  failure = null;
  setTimeout(async () => {
    if (mine !== asked || !hasPlaces()) return;
    const unit = address();
    try {
      const answered = await ask("arithmetic", { unit, picture: state.picture });
      if (mine === asked) (found = answered), (foundAt = subject());
    } catch (error) {
      if (mine === asked) failure = error.message;
    }
    if (mine === asked) done();
  }, 200);
}

/** Whether it is a convolution whose answer is here: another layer's grid says nothing of this one's places. */
function hasPlaces() {
  const grid = state.grid;
  return Boolean(layerFacts()?.filters && state.picture && grid?.layer === state.layer && grid.rows * grid.columns > 1);
}

/** What is asked about: a number of a layer, and the picture. */
function subject() {
  return `${address()} ${state.picture}`;
}

function address() {
  return `${unitAddress()}@${place().join(",")}`;
}

function place() {
  const { peakRow, peakColumn } = state.grid;
  return state.position || [peakRow[state.channel] || 0, peakColumn[state.channel] || 0];
}

function cell(content) {
  return element("td", {}, content);
}

/** Numbers on their colors; of a window too wide for that the colors, and the numbers on hover. */
function square(rows, limit, words) {
  const title = rows.map((row) => row.map(number).join("  ")).join("\n");
  if (rows[0].length <= WIDEST) return element("table.square", { "aria-label": words, title: words }, element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((value) => shaded(value, limit))))));
  const canvas = element("canvas.pixels", { role: "img", "aria-label": `${words}: ${title}`, title });
  paintSigned(canvas, rows, limit);
  return canvas;
}

function shaded(value, limit) {
  const tiny = value !== 0 && Math.abs(value) < 0.001, words = tiny ? value.toExponential(0) : String(Number(value.toPrecision(2))).replace(/^(-?)0\./, "$1.");
  const made = element("td", {}, words);
  made.style.background = `color-mix(in srgb, ${value < 0 ? "var(--below)" : "var(--above)"} ${Math.round((100 * Math.abs(value)) / limit)}%, var(--shade))`;
  return made;
}

// One number of a convolution, on paper: patch times kernel, summed, the bias, and what follows.

import { ask } from "./api.js";
import { defined } from "./definitions.js";
import { element, empty, number } from "./elements.js";
import { paintSigned } from "./palette.js";
import { layerFacts, state, unitAddress } from "./store.js";

let asked = 0, found = null, foundAt = "", failure = null;

/** Return the elements that show it for the unit and the place under the cursor; nothing for what is no convolution. */
export function arithmeticParts() {
  if (!hasPlaces()) return [];
  const [row, column] = place(), title = defined(element("h3", {}, `How it comes to its number at (${row},${column})`), "arithmetic");
  if (failure) return [title, empty(failure)];
  if (!found || foundAt !== subject()) return [title, empty("Being worked out…")];
  const limit = (key) => Math.max(...found.terms.flatMap((term) => term[key].flat().map(Math.abs))) || 1;
  const rows = found.terms.map((term) => element("tr", {}, cell(`${found.reads}:${term.channel}`), cell(square(term.patch, limit("patch"), "what it reads")), cell("×"), cell(square(term.kernel, limit("kernel"), "its kernel")), cell("="), cell(number(term.sum))));
  const sums = [[`${found.others.count} further channels`, found.others.sum], ["bias", found.bias], ["sum", found.sum]];
  if (!found.others.count) sums.shift();
  const after = found.steps.length ? `after ${found.steps.join(", ")}` : "its answer";
  const totals = [...sums, [after, found.answers]].map(([label, value]) => element("tr", {}, element("td", { colSpan: 5 }, label), cell(number(value))));
  return [title, element("table.arithmetic", {}, element("tbody", {}, ...rows, ...totals)), element("p.caption", {}, "The channels that count most; red is positive, blue negative. Point at a place of the picture for another one.")];
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

function square(rows, limit, words) {
  const canvas = element("canvas.pixels", { role: "img", "aria-label": `${words}: ${rows.map((row) => row.map(number).join(" ")).join("; ")}`, title: rows.map((row) => row.map(number).join("  ")).join("\n") });
  paintSigned(canvas, rows, limit);
  canvas.style.width = canvas.style.height = "48px";
  return canvas;
}

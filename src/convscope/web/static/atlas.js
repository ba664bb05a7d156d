// All channels of a layer by what they want to see, large, with their names: to look through and to search.

import { choices } from "./address.js";
import { defined } from "./definitions.js";
import { ONLY_SHOWS, element, empty, fill } from "./elements.js";
import { SORTS } from "./grid.js";
import { ordered } from "./order.js";
import { isMade, onSeen, recall, seen, stop, want } from "./sees.js";
import { layerFacts, listen, set, state } from "./store.js";

const AT_ONCE = 240; // cells: thousands of them take seconds to lay out
const cells = element("div.units"), words = element("p.caption"), end = element("div.end");
let only = "all", sought = "";
/** @type {string[]} units that come as one scrolls */
let further = [];

/** Build the view. */
export function mountAtlas(parent) {
  const filter = element("select", { "aria-label": "Which units", onchange: () => ((only = filter.value), draw()) }, ...["all", "made", "could not be activated"].map((name) => element("option", { value: name }, name)));
  const sort = element("select", { "aria-label": "Order of the units", title: "o: by number, by what photographs make them answer, or by this picture", onchange: () => set({ sort: sort.value }) }, ...choices("sort").map((name) => element("option", { value: name }, SORTS[name])));
  const search = element("input", { type: "search", placeholder: "a number, or words of a caption", "aria-label": "Search the units of this layer", oninput: () => ((sought = search.value.trim().toLowerCase()), draw()) });
  fill(parent, defined(element("h2", {}, "Atlas: what the channels want to see"), "wanted"), element("div.tools", {}, element("label", {}, "Sort ", sort), element("label", {}, "Show ", filter), search, element("button", { onclick: () => want(units(), "atlas"), disabled: state.network.readOnly }, "Make all of this layer"), element("button", { onclick: stop }, "Stop")), words, cells, end);
  new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && addFurther(), { rootMargin: "600px" }).observe(end);
  listen((changed) => {
    sort.value = state.sort;
    const reordered = changed.has("sort") || changed.has("strengths") || (changed.has("grid") && state.sort === "picture");
    if (state.view === "atlas" && (changed.has("view") || changed.has("layer") || reordered)) draw();
  });
  onSeen((unit) => {
    const at = unit.lastIndexOf(":");
    if (state.view === "atlas" && unit.slice(0, at) === state.layer) redraw(unit);
  });
}

function units() {
  return ordered(state.layer, layerFacts()?.channels || 0).map((channel) => `${state.layer}:${channel}`);
}

function draw() {
  const shown = units().filter((unit) => (only === "all" || (isMade(unit) && (only === "made" || seen(unit)?.activated === false))) && isSought(unit));
  count();
  further = shown.slice(AT_ONCE);
  recall(units());
  fill(cells, ...(shown.length ? shown.slice(0, AT_ONCE).map(cell) : [empty(sought ? "No unit of this layer has that number, or these words in its picture's caption." : state.network.readOnly ? ONLY_SHOWS : "None of this kind yet: press “Make all of this layer”.")]));
}

function count() {
  const all = units();
  words.textContent = `${state.layer}: ${all.filter(isMade).length} of ${all.length} are made. A picture opens its unit.`;
}

function isSought(unit) {
  return /^\d+$/.test(sought) ? unit.endsWith(`:${sought}`) : !sought || (seen(unit)?.caption || "").toLowerCase().includes(sought);
}

function addFurther() {
  cells.append(...further.splice(0, AT_ONCE).map(cell));
  if (further.length) requestAnimationFrame(() => end.getBoundingClientRect().top < 2 * innerHeight && addFurther());
}

function redraw(unit) {
  const old = cells.querySelector(`[data-unit="${CSS.escape(unit)}"]`);
  if (old) old.replaceWith(cell(unit));
  count();
}

function cell(unit) {
  const picture = seen(unit), channel = Number(unit.slice(unit.lastIndexOf(":") + 1));
  const shown = picture ? element("img", { src: picture.url, alt: "" }) : element("span", { "aria-hidden": "true" }, "·");
  const title = picture?.caption || `${unit}: not made yet`;
  const made = element("button.atlas", { title, "aria-label": title, "data-unit": unit, onclick: () => set({ channel, view: "unit" }) }, shown, element("span", {}, `${channel}${picture?.final && !picture.activated ? " ✕" : ""}`));
  return made;
}

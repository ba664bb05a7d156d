// All channels of a layer by what they want to see, large, with their names: to look through and to search.

import { element, empty, fill } from "./elements.js";
import { onSeen, seen, stop, want } from "./sees.js";
import { layerFacts, listen, set, state } from "./store.js";

const AT_ONCE = 240; // cells: thousands of them take seconds to lay out
const cells = element("div.units"), words = element("p.caption"), end = element("div.end");
let only = "all";
/** @type {string[]} units that come as one scrolls */
let further = [];

/** Build the view. */
export function mountAtlas(parent) {
  const filter = element("select", { "aria-label": "Which units", onchange: () => ((only = filter.value), draw()) }, ...["all", "made", "could not be activated"].map((name) => element("option", { value: name }, name)));
  fill(parent, element("h2", {}, "Atlas: what the channels want to see"), element("div.tools", {}, element("label", {}, "Show ", filter), element("button", { onclick: () => want(units()) }, "Make all of this layer"), element("button", { onclick: stop }, "Stop")), words, cells, end);
  new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && addFurther(), { rootMargin: "600px" }).observe(end);
  listen((changed) => state.view === "atlas" && (changed.has("view") || changed.has("layer")) && draw());
  onSeen((unit) => {
    const at = unit.lastIndexOf(":");
    if (state.view === "atlas" && unit.slice(0, at) === state.layer) redraw(unit);
  });
}

function units() {
  return Array.from({ length: layerFacts()?.channels || 0 }, (_, channel) => `${state.layer}:${channel}`);
}

function draw() {
  const shown = units().filter((unit) => only === "all" || (only === "made" ? seen(unit)?.final : seen(unit)?.final && !seen(unit).activated));
  const made = units().filter((unit) => seen(unit)?.final).length;
  words.textContent = `${state.layer}: ${made} of ${units().length} are made. A picture opens its unit.`;
  further = shown.slice(AT_ONCE);
  fill(cells, ...(shown.length ? shown.slice(0, AT_ONCE).map(cell) : [empty("None of this kind yet: press “Make all of this layer”.")]));
}

function addFurther() {
  cells.append(...further.splice(0, AT_ONCE).map(cell));
  if (further.length) requestAnimationFrame(() => end.getBoundingClientRect().top < 2 * innerHeight && addFurther());
}

function redraw(unit) {
  const old = cells.querySelector(`[data-unit="${CSS.escape(unit)}"]`);
  if (old) old.replaceWith(cell(unit));
  const made = units().filter((one) => seen(one)?.final).length;
  words.textContent = `${state.layer}: ${made} of ${units().length} are made. A picture opens its unit.`;
}

function cell(unit) {
  const picture = seen(unit), channel = Number(unit.slice(unit.lastIndexOf(":") + 1));
  const shown = picture ? element("img", { src: picture.url, alt: "" }) : element("span", { "aria-hidden": "true" }, "·");
  const title = picture?.caption || `${unit}: not made yet`;
  const made = element("button.atlas", { title, "aria-label": title, "data-unit": unit, onclick: () => set({ channel, view: "unit" }) }, shown, element("span", {}, `${channel}${picture?.final && !picture.activated ? " ✕" : ""}`));
  return made;
}

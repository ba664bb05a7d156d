// One unit: what it wants to see, where it answers, what feeds it and what it feeds, what it does to the classes.

import { ask } from "./api.js";
import { arithmeticParts, arithmeticWaits, askArithmetic } from "./arithmetic.js";
import { DEFINITIONS, defined } from "./definitions.js";
import { ONLY_SHOWS, bar, element, empty, fill, number, signedBar } from "./elements.js";
import { paintSigned } from "./palette.js";
import { failure as whyUnmade, onSeen, recall, seeded, seen, want } from "./sees.js";
import { listen, set, state, unitAddress } from "./store.js";

const SEEDS = [1, 2, 3], LONGEST = 48; // letters of a unit's name in little room
let exampleShape = 1; // width over height of the examples that were shown last: the next ones are much the same
let asked = 0, facts = null, effects = null, failure = null, factsOf = "", effectsOf = "";

/** Build the pane beside the grid, or the large view. */
export function mountUnit(parent) {
  const title = defined(element("h2"), "unit"), boxes = Object.fromEntries(Object.keys(PARTS).map((name) => [name, element("div.part")]));
  const { failure: failed, wanted: picture, more: otherPictures, ...further } = boxes;
  fill(parent, title, failed, element("div.part", {}, picture, otherPictures), ...Object.values(further));
  // Only what changed is drawn anew: a slider stays under the hand that moves it.
  const draw = (names) => {
    title.textContent = unitAddress();
    for (const name of names) {
      // What is not known yet stays the former unit's, dimmed: a pane that blanks with each key is none to read.
      const stale = Boolean(WAITS[name]?.() && boxes[name].childElementCount);
      boxes[name].classList.toggle("stale", stale);
      if (!stale) fill(boxes[name], ...PARTS[name](unitAddress()));
    }
  };
  const told = Object.keys(PARTS).filter((name) => name !== "slider");
  listen((changed) => {
    if (["layer", "channel"].some((key) => changed.has(key))) draw(Object.keys(PARTS));
    else if (["units", "seeds"].some((key) => changed.has(key))) draw(told);
    else if (changed.has("picture")) draw(Object.keys(WAITS));
    if (["layer", "channel", "units"].some((key) => changed.has(key))) showSetting(boxes.slider, unitAddress());
    if (changed.has("seeds") && state.seeds) want([unitAddress(), ...others()], "unit");
  });
  onSeen((unit) => {
    if (unit === unitAddress()) draw(["wanted"]);
    else if (state.seeds && others().includes(unit)) draw(["more"]);
    else for (const name of ["fedBy", "feeds"]) if (seen(unit)?.final && factsOf === subject() && facts[name].some((one) => one.unit === unit)) draw([name]);
  });
  onFacts(() => draw(told));
}

const factListeners = new Set();

function onFacts(listener) {
  factListeners.add(listener);
}

/** Work out the number at another place. */
export function askPlace() {
  askArithmetic(tell);
}

/** Ask for everything about the unit under the cursor, once the cursor rests. */
export function askUnit() {
  const mine = ++asked, unit = unitAddress();
  failure = null;
  askArithmetic(tell);
  setTimeout(async () => {
    if (mine !== asked) return;
    want(state.seeds ? [unit, ...others()] : [unit], "unit");
    const query = state.picture ? { unit, picture: state.picture } : { unit };
    try {
      const found = await ask("unit", query);
      if (mine !== asked) return;
      facts = found;
      factsOf = subject();
      recall([...facts.fedBy, ...facts.feeds].map((one) => one.unit));
      if (!state.picture) (effects = []), (effectsOf = subject());
      tell();
      if (state.picture) {
        const changes = await ask("effects", { unit, picture: state.picture });
        if (mine !== asked) return;
        effects = changes;
        effectsOf = subject();
      }
    } catch (error) {
      if (mine !== asked) return;
      failure = error.message;
      if (factsOf === subject()) (effects = []), (effectsOf = subject());
    }
    tell();
  }, 180);
}

function tell() {
  for (const listener of factListeners) listener();
}

/** What is asked about: a unit, and the picture. */
function subject() {
  return `${unitAddress()} ${state.picture}`;
}

/** Whether what a part shows is still asked for. */
const WAITS = {
  answered: () => factsOf !== subject(),
  fedBy: () => factsOf !== subject(),
  feeds: () => factsOf !== subject(),
  changed: () => effectsOf !== subject(),
  arithmetic: () => arithmeticWaits(),
};

/** The parts of the pane in their order, each from a unit's address to its elements. */
const PARTS = {
  failure: () => (failure ? [element("p.error", {}, failure)] : []),
  wanted,
  more,
  answered,
  slider,
  fedBy: () => (factsOf === subject() && facts.filter ? ownFilter() : connections("Fed by", factsOf === subject() && facts.fedBy, "What feeds it cannot be told apart: channels are mixed before it.")),
  examples,
  feeds: () => connections("Feeds", factsOf === subject() && facts.feeds, "No filters read it by itself."),
  changed,
  arithmetic: arithmeticParts,
};

/** A part's heading, which says on hover what its numbers are. */
function heading(words, term) {
  return defined(element("h3", {}, words), term);
}

function wanted(unit) {
  const picture = seen(unit), words = whyUnmade(unit);
  if (!picture && words) return [heading("What it wants to see", "wanted"), element("p.error", {}, words)];
  if (!picture) return [heading("What it wants to see", "wanted"), ...(state.network.readOnly ? [empty(ONLY_SHOWS)] : [element("div.big", {}, element("div.unmade")), empty("Being made…")])];
  const share = picture.final ? "" : ` (${farOf(picture)})`;
  return [heading(`What it wants to see${share}`, "wanted"), element("div.big", {}, element("img", { src: picture.url, alt: `What ${unit} wants to see` })), element("p.caption", {}, picture.caption)];
}

/** How far a picture is; those of one job are made together, and their steps counted together. */
function farOf({ done, of }) {
  return `${Math.floor((100 * done) / of)} % made`;
}

function others() {
  return SEEDS.map((seed) => seeded(unitAddress(), seed));
}

/** Pictures of the same unit from other beginnings: what they have in common is the unit's. */
function more(unit) {
  if (state.network.readOnly || (!seen(unit)?.final && !state.seeds)) return [];
  const button = element("button", { "aria-pressed": String(state.seeds), title: "m: the same unit, from three other beginnings", onclick: () => set({ seeds: !state.seeds }) }, "More of it");
  if (!state.seeds) return [button];
  const pictures = others().map((name, index) => {
    const picture = seen(name), words = `${unit}, seed ${SEEDS[index]}`;
    const shown = picture ? element("img", { src: picture.url, alt: words, title: picture.caption }) : element("span.unmade", { title: `${words}: being made` });
    return element("div", {}, shown, element("p.caption", {}, `seed ${SEEDS[index]}${picture?.final ? "" : picture ? `, ${farOf(picture)}` : ""}`));
  });
  return [button, element("div.seeds", {}, ...pictures), element("p.caption", {}, "The same unit from other beginnings: what they have in common is what it looks for.")];
}

function answered() {
  if (factsOf !== subject()) return [];
  if (facts.highest === undefined) return [heading("Its answer", "answer"), empty(state.network.refuses || "No picture yet: press 1, and drop one on the page.")];
  const where = facts.position ? ` at (${facts.position.join(",")})` : "", box = facts.box ? ` That place sees rows ${inside(facts.box[0], facts.box[2], 0)}, columns ${inside(facts.box[1], facts.box[3], 1)} of the picture, the dashed box.` : "";
  const found = [heading("Its answer to this picture", "answer"), element("p.caption", { title: DEFINITIONS.position }, `highest ${number(facts.highest)}${where}, mean ${number(facts.mean)}, lowest ${number(facts.lowest)}.${box}`)];
  if (facts.photographs) {
    const { pictures, quantiles, highest } = facts.photographs, top = highest[highest.length - 1] || 1;
    found.push(heading(`Its highest answers to ${pictures.toLocaleString("en")} photographs`, "quantile"));
    found.push(...quantiles.map((share, index) => bar(share === 1 ? "the strongest" : share === 0 ? "the weakest" : `${Math.round(100 * share)} % stay below`, highest[index] / top, number(highest[index]), DEFINITIONS.quantile)));
  }
  return [...found, ...histogram()];
}

/** How many of the measured photographs the unit answers how strongly to. */
function histogram() {
  if (!facts.histogram) return [];
  const { counts, from, to, fires } = facts.histogram, most = Math.max(...counts), words = `How many photographs it answers how strongly to, from ${number(from)} to ${number(to)}; it answers above zero to ${Math.round(100 * fires)} %.`;
  const bars = counts.map((count) => {
    const made = element("span", { title: `${count} photographs` });
    made.style.height = `${100 * Math.sqrt(count / most)}%`;
    return made;
  });
  return [element("div.histogram", { role: "img", "aria-label": words }, ...bars), element("p.caption", {}, `${words} Heights are square roots.`)];
}

/** Return the first and last pixel that is seen of the picture; beyond its border there is nothing to see. */
function inside(first, end, axis) {
  return `${Math.max(0, first)} to ${Math.min(end, state.network.input.size[axis]) - 1}`;
}

function examples(unit) {
  const count = state.network.measured, title = heading("Real pictures it answers to", "examples");
  if (!count) return [title, empty("Start convscope explore with --photographs FOLDER to see them.")];
  const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const image = element("img", { alt: `The strongest of ${count} pictures for ${unit}, cropped to what it sees, and weaker ones below`, loading: "lazy" });
  const box = element("div.big", {}, image);
  image.style.aspectRatio = String(exampleShape); // its place is kept while it loads: nothing below jumps
  image.onload = () => (image.style.aspectRatio = String((exampleShape = image.naturalWidth / image.naturalHeight)));
  image.onerror = () => fill(box, empty("These pictures cannot be shown: press r to ask again."));
  image.src = `api/examples?${new URLSearchParams({ unit, theme })}`;
  return [title, box, element("p.caption", {}, `Of ${count.toLocaleString("en")}: the strongest, each cropped to what the unit sees, beside the whole picture; then weaker ones.`)];
}

/** What a unit answers is changed while the slider moves; one move of it is one step back in the history. */
function slider(unit) {
  const change = (to, more = {}) => {
    const { [unit]: _, ...others } = state.units;
    set({ units: to === null ? others : { ...others, [unit]: to }, ...more });
  };
  const range = element("input", { type: "range", min: 0, max: 2, step: 0.25, "aria-label": `How strongly ${unit} answers, 0 to 2 times` });
  range.oninput = () => change(Number(range.value) === 1 ? null : `*${range.value}`, { sliding: true });
  range.onchange = () => set({ sliding: false });
  const clamp = element("input", { type: "number", step: "any", placeholder: "its own", "aria-label": `What ${unit} answers everywhere, a number` });
  clamp.onchange = () => change(clamp.value === "" ? null : Number(clamp.value));
  return [heading("Intervene", "intervene"), element("label.factor"), range, element("label.clamp", {}, "or everywhere ", clamp), element("div.settings")];
}

/** Show what a unit is set to in the slider's part, whose elements stay under the hand that moves them. */
function showSetting(part, unit) {
  const setting = state.units[unit], factor = typeof setting === "string" ? Number(setting.slice(1)) : 1, names = Object.keys(state.units);
  part.querySelector(".factor").textContent = `Make it answer ${factor} × as much`;
  part.querySelector("[type=range]").value = String(factor);
  part.querySelector("[type=number]").value = typeof setting === "number" ? String(setting) : "";
  const all = names.map((name) => `${name} ${typeof state.units[name] === "number" ? "=" : "×"} ${String(state.units[name]).replace("*", "")}`);
  fill(part.querySelector(".settings"), ...(names.length ? [element("p.caption", {}, all.join(", ")), element("button", { onclick: () => set({ units: {} }) }, `Undo all (${names.length})`)] : []));
}

function connections(title, list, none) {
  if (!list) return [];
  if (!list.length) return [heading(title, "strength"), empty(none)];
  const limit = Math.max(...list.flatMap((one) => one.kernel.flat().map(Math.abs)));
  const buttons = list.map((one) => {
    const kernel = element("canvas", { "aria-hidden": "true" });
    paintSigned(kernel, one.kernel, limit);
    const picture = seen(one.unit);
    const label = `${one.unit}: ${one.strength > 0 ? "excites" : "inhibits"}, ${number(one.strength)}`;
    return element("button", { title: label, "aria-label": label, onclick: () => goTo(one.unit) }, ...(picture ? [element("img", { src: picture.url, alt: "" })] : []), kernel, unitName(one.unit));
  });
  return [heading(`${title} (red excites, blue inhibits)`, "strength"), element("div.units", {}, ...buttons)];
}

/** A unit's name in little room: it breaks behind the signs that part it, and of a very long one the beginning goes. */
function unitName(unit) {
  const parts = (unit.length > LONGEST ? `…${unit.slice(-LONGEST)}` : unit).split(/(?<=[/._-])/);
  return element("span.unit-name", {}, ...parts.flatMap((part) => [part, element("wbr")]));
}

function ownFilter() {
  const canvas = element("canvas.pixels", { role: "img", "aria-label": "Its filter, in color" }), rows = facts.filter, context = canvas.getContext("2d");
  Object.assign(canvas, { width: rows[0].length, height: rows.length });
  const limit = Math.max(...rows.flat(2).map(Math.abs)) || 1, image = context.createImageData(canvas.width, canvas.height);
  rows.flat().forEach((color, i) => color.concat([0, 0, 0]).slice(0, 3).forEach((value, c) => ((image.data[4 * i + c] = 127.5 + (127.5 * value) / limit), (image.data[4 * i + 3] = 255))));
  context.putImageData(image, 0, 0);
  canvas.style.width = "120px";
  return [heading("Its filter: gray is zero", "filter"), canvas];
}

function changed() {
  if (effectsOf !== subject()) return state.picture && facts ? [heading("What it does to the classes", "effect"), empty("Being measured…")] : [];
  if (!effects.length) return [];
  const limit = Math.max(...effects.map((one) => Math.abs(one.change))) || 1;
  return [heading("What it does to the classes' scores", "effect"), ...effects.map((one) => signedBar(`→ ${one.label}`, one.change / limit, one.change ? `${one.change > 0 ? "+" : "−"}${number(Math.abs(one.change))}` : "0", DEFINITIONS.effect)), element("p.caption", {}, "The score with it, less the score when it answers nothing: red it raises, blue it lowers.")];
}

/** Go to a unit by its address. */
export function goTo(unit) {
  const at = unit.lastIndexOf(":"), layer = state.network.layers.find((one) => one.name === unit.slice(0, at));
  if (layer) set({ layer: layer.name, channel: Number(unit.slice(at + 1)), position: null });
}

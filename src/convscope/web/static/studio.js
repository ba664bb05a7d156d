// Dreams and styles, made while one watches, a preview each half second. What is asked for meanwhile waits in line.

import { ONLY_SHOWS, element, empty, fill, imageOf } from "./elements.js";
import { formOf, showStyles } from "./form.js";
import { cancel, start, stop } from "./jobs.js";
import { listen, set, state } from "./store.js";

/**
 * @typedef {{kind: string, wanted: Object<string, any>, asked: string, label: string, status: "waits"|"runs"|"done"|"stopped"|"failed", job: ?string, began: number,
 *   done: number, of: number, words: string, preview: ?Node, picture: ?string, film: ?string, filmWords: string}} Run
 */

const KINDS = { dream: "Dream", style: "Style" };
const MOST_KEPT = 12; // runs: the oldest finished ones go
const shown = element("div"), line = element("div.line", { role: "list", "aria-label": "Pictures that are made, and that wait" });
/** @type {Run[]} */
let runs = [];
/** @type {?Run} */
let current = null;
/** @type {Object<string, any>} */
let options = {};
let filmed = false;

/** Build the view. */
export function mountStudio(parent) {
  const form = element("div.form"), tabs = element("div.tools");
  const draw = () => {
    options = {};
    fill(tabs, ...Object.entries(KINDS).map(([name, label]) => element("button", { "aria-pressed": String(name === state.kind), onclick: () => set({ kind: name }) }, label)));
    fill(form, ...formOf(state.kind, options));
  };
  const film = element("input", { type: "checkbox", onchange: () => (filmed = film.checked) });
  const run = element("button", { onclick: make, disabled: state.network.readOnly, title: "What is asked for while another is made waits in line" }, "Make");
  const end = element("button", { title: "The picture as it is stays; Make goes on from there", onclick: () => running() && stop(running().job) }, "Stop");
  fill(parent, element("h2", {}, "Studio"), element("div.columns", {}, element("div.card", {}, tabs, form, element("label", {}, film, " a film of the steps, too"), element("div.tools", {}, run, end), line), shown));
  draw();
  show(null);
  listen((changed) => changed.has("picture") && !current && show(null));
  listen((changed) => {
    if (changed.has("kind")) draw();
    else if (state.kind === "style" && (changed.has("pictures") || changed.has("picture"))) showStyles(options);
  });
}

function running() {
  return runs.find((run) => run.status === "runs");
}

function make() {
  if (!state.picture) return set({ error: "drop a picture first: it is what is changed" });
  if (state.kind === "style" && !options.style) return set({ error: "drop a painting on the choice of the style picture first: a style is another picture's" });
  const { layers, style, ...others } = options, name = state.pictures.find((one) => one.key === state.picture)?.name || "the picture";
  const wanted = { picture: state.picture, style, layers: layers || null, options: others, units: state.units, film: filmed };
  runs.push({ kind: state.kind, wanted, asked: JSON.stringify([state.kind, wanted]), label: `${KINDS[state.kind]} of ${name}, ${others.preset}${others.size ? `, ${others.size} px` : ""}`, status: "waits", job: null, began: 0, done: 0, of: 0, words: "", preview: null, picture: null, film: null, filmWords: "" });
  next();
}

/** Begin the run that has waited longest, where none is on. */
function next() {
  const run = running() ? null : runs.find((one) => one.status === "waits");
  if (run) {
    const stopped = runs.filter((one) => one.asked === run.asked && one !== run).at(-1)?.status === "stopped";
    Object.assign(run, { status: "runs", began: performance.now(), words: "The first step…" });
    run.job = start(run.kind, { ...run.wanted, resume: stopped }, (header, body) => watch(run, header, body));
    show(run);
  }
  const ended = runs.filter((one) => one.status !== "waits" && one.status !== "runs");
  ended.slice(0, Math.max(0, ended.length - MOST_KEPT)).forEach(forget);
  drawLine();
}

function forget(run) {
  if (run.status === "runs") cancel(run.job);
  for (const url of [run.picture, run.film]) if (url) URL.revokeObjectURL(url);
  runs = runs.filter((one) => one !== run);
  if (run === current) show(runs.at(-1) || null);
}

function watch(run, header, body) {
  if (header.kind === "picture") progressed(run, header, body);
  else if (header.kind === "film") Object.assign(run, { film: URL.createObjectURL(new Blob([body], { type: "image/webp" })), filmWords: header.words });
  else {
    if (run.status === "runs") run.status = header.error ? "failed" : run.picture ? (run.done < run.of ? "stopped" : "done") : "failed";
    if (header.error) set({ error: (run.words = header.error) });
    next();
  }
  if (run === current) show(run);
  drawLine();
}

function progressed(run, { done, of, final, caption }, body) {
  const left = ((performance.now() - run.began) / done) * (of - done);
  Object.assign(run, { done, of });
  if (!final) {
    run.preview = imageOf(body, "image/jpeg", "The picture as it is now");
    run.words = `step ${done} of ${of}, about ${Math.ceil(left / 1000)} s left`;
    return;
  }
  run.picture = URL.createObjectURL(new Blob([body], { type: "image/png" }));
  run.words = done < of ? `Stopped at step ${done} of ${of}: Make goes on from there. ${caption}` : caption;
}

/** Where a picture is as it came, uncropped: what a dream or a style begins with. */
function wholeOf(picture) {
  return `api/whole/${encodeURIComponent(picture)}`;
}

/** Show a run: its preview, or what it came to beside what it began with. */
function show(run) {
  current = run;
  if (!run) return fill(shown, empty(state.network.readOnly ? ONLY_SHOWS : "Choose a preset and press Make: the picture changes while you watch."), ...(state.picture ? [element("div.big", {}, element("img", { src: wholeOf(state.picture), alt: "The picture that is changed" }))] : []));
  const bar = element("progress", { "aria-label": "Steps done", hidden: run.status !== "runs" });
  if (run.of) Object.assign(bar, { max: run.of, value: run.done });
  fill(shown, bar, element("p.caption", {}, run.words), ...(run.picture ? compared(run) : [element("div.big", {}, ...(run.preview ? [run.preview] : []))]));
}

function compared(run) {
  const before = element("img.before", { src: wholeOf(run.wanted.picture), alt: "Before" });
  const wipe = element("div.wipe", {}, element("img", { src: run.picture, alt: run.words }), before);
  const range = element("input", { type: "range", min: 0, max: 100, value: 0, "aria-label": "Compare with the start" });
  range.oninput = () => wipe.style.setProperty("--at", `${range.value}%`);
  wipe.style.setProperty("--at", "0%");
  const save = element("p", {}, element("a", { href: run.picture, download: `${run.kind}.png` }, "Save the picture, with its recipe"));
  const picture = element("div", {}, wipe, element("label", {}, "Compare with the start ", range), save);
  const film = run.film ? [element("div", {}, element("div.wipe", {}, element("img", { src: run.film, alt: run.filmWords })), element("p.caption", {}, run.filmWords), element("p", {}, element("a", { href: run.film, download: `${run.kind}.webp` }, "Save the film, with its recipe")))] : [];
  const coming = run.wanted.film && !run.film && run.status === "runs" ? [element("p.caption", {}, "The film is being written…")] : [];
  return [element("div.pair", {}, picture, ...film), ...coming];
}

function drawLine() {
  const words = { waits: "waits", runs: "is being made", done: "done", stopped: "stopped", failed: "failed" };
  fill(line, ...runs.map((run) => {
    const leave = { waits: "Take out", runs: "Cancel" }[run.status] || "Forget";
    const remove = () => {
      forget(run);
      next();
    };
    return element("div.run", { role: "listitem" }, element("button.name", { "aria-pressed": String(run === current), onclick: () => (show(run), drawLine()) }, run.label), element("span.caption", {}, run.status === "runs" && run.of ? `step ${run.done} of ${run.of}` : words[run.status]), element("button", { onclick: remove, "aria-label": `${leave}: ${run.label}` }, leave));
  }));
}

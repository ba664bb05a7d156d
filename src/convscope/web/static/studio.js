// Dreams and styles, made while one watches: a form drawn from the options' own fields, a preview each half second.

import { element, empty, fill, imageOf } from "./elements.js";
import { start, stop } from "./jobs.js";
import { listen, set, state } from "./store.js";

const KINDS = { dream: "Dream", style: "Style" };
const canvas = element("div.big"), progress = element("progress", { hidden: true, "aria-label": "Steps done" }), words = element("p.caption"), wipeBox = element("div");
let job = null, options = {}, began = 0, asked = "", stopped = "";

/** Build the view. */
export function mountStudio(parent) {
  const form = element("div.form"), tabs = element("div.tools");
  const draw = () => {
    fill(tabs, ...Object.entries(KINDS).map(([name, label]) => element("button", { "aria-pressed": String(name === state.kind), onclick: () => set({ kind: name }) }, label)));
    fill(form, ...fields());
  };
  const run = element("button", { onclick: make }, "Make");
  const end = element("button", { title: "The picture as it is stays; Make goes on from there", onclick: () => job && stop(job) }, "Stop");
  fill(parent, element("h2", {}, "Studio"), element("div.columns", {}, element("div.card", {}, tabs, form, element("div.tools", {}, run, end)), element("div", {}, progress, words, canvas, wipeBox)));
  fill(canvas, empty("Choose a preset and press Make: the picture changes while you watch."));
  draw();
  listen((changed) => {
    if (!changed.has("kind") && !(changed.has("pictures") && state.kind === "style")) return;
    options = {};
    draw();
  });
}

function fields() {
  const presets = state.network.presets[state.kind];
  const preset = element("select", { "aria-label": "Preset", onchange: () => ((options.preset = preset.value), (hint.textContent = sentence())) }, ...presets.map((one) => element("option", { value: one.name }, one.name)));
  const sentence = () => presets.find((one) => one.name === preset.value)?.sentence || "", hint = element("p.caption", {}, sentence());
  const rows = [element("label", {}, "preset"), preset, element("span"), hint];
  if (state.kind === "dream") rows.push(...field({ name: "layers", kind: "text", default: null }, "the preset's"));
  else {
    const styles = element("select", { "aria-label": "Style picture", onchange: () => (options.style = styles.value) }, ...state.pictures.map((one) => element("option", { value: one.key }, one.name)));
    options.style = styles.value;
    rows.push(element("label", {}, "style picture"), styles);
  }
  return [...rows, ...state.network.forms[state.kind].flatMap((one) => field(one))];
}

function field(one, hint = one.default === null ? "the preset's" : String(one.default)) {
  const label = one.name.replaceAll("_", " "), id = `field-${one.name}`;
  const type = one.kind === "switch" ? "checkbox" : one.kind === "text" ? "text" : "number";
  const input = element("input", { id, type, placeholder: hint, step: one.kind === "whole" ? 1 : "any" });
  if (type === "checkbox") input.checked = Boolean(one.default);
  input.onchange = () => {
    const value = type === "checkbox" ? input.checked : type === "text" ? input.value : input.value === "" ? undefined : Number(input.value);
    if (value === undefined || value === "") delete options[one.name];
    else options[one.name] = value;
  };
  return [element("label", { for: id }, label), input];
}

function make() {
  if (!state.picture) return set({ error: "drop a picture first: it is what is changed" });
  if (job) return set({ error: "a picture is being made: stop it first" });
  const { layers, style, ...others } = options;
  const wanted = { picture: state.picture, style, layers: layers || null, options: others, units: state.units };
  began = performance.now();
  asked = JSON.stringify([state.kind, wanted]);
  Object.assign(progress, { hidden: false, value: 0 });
  progress.removeAttribute("value");
  words.textContent = "The first step…";
  fill(wipeBox);
  job = start(state.kind, { ...wanted, resume: asked === stopped }, watch);
}

function watch(header, body) {
  if (header.kind === "picture") {
    Object.assign(progress, { max: header.of, value: header.done });
    const left = ((performance.now() - began) / header.done) * (header.of - header.done);
    stopped = header.final && header.done < header.of ? asked : "";
    words.textContent = stopped ? `Stopped at step ${header.done} of ${header.of}: Make goes on from there. ${header.caption}` : header.final ? header.caption : `step ${header.done} of ${header.of}, about ${Math.ceil(left / 1000)} s left`;
    if (header.final) finished(header, body);
    else fill(canvas, imageOf(body, "image/jpeg", "The picture as it is now"));
  } else {
    job = null;
    progress.hidden = true;
    if (header.error) set({ error: header.error });
  }
}

function finished(header, body) {
  const blob = new Blob([body], { type: "image/png" }), url = URL.createObjectURL(blob);
  const before = element("img.before", { src: `api/seen/${encodeURIComponent(state.picture)}`, alt: "Before" });
  const wipe = element("div.wipe", {}, element("img", { src: url, alt: header.caption }), before);
  const range = element("input", { type: "range", min: 0, max: 100, value: 0, "aria-label": "Compare with the start" });
  range.oninput = () => wipe.style.setProperty("--at", `${range.value}%`);
  wipe.style.setProperty("--at", "0%");
  const save = element("a", { href: url, download: `${state.kind}.png` }, "Save the picture, with its recipe");
  fill(canvas);
  fill(wipeBox, wipe, element("label", {}, "Compare with the start ", range), element("p", {}, save));
}

// The form of a dream or a style, drawn from the options' own fields; what is left empty is the preset's.

import { sendPicture } from "./api.js";
import { element, fill } from "./elements.js";
import { set, state } from "./store.js";

/** @type {HTMLSelectElement} */
let styles = null;
/** @type {?string} */
let chosenStyle = null;

/**
 * Draw the form of a kind. What is chosen goes into `options`, by its field's name.
 * @param {string} kind
 * @param {Object<string, any>} options
 * @returns {Node[]}
 */
export function formOf(kind, options) {
  const presets = state.network.presets[kind], hint = element("p.caption"), own = [];
  const preset = element("select", { id: "field-preset", onchange: chosen }, ...presets.map((one) => element("option", { value: one.name }, one.name)));
  function chosen() {
    const { name, sentence, values } = presets.find((one) => one.name === preset.value);
    options.preset = name;
    hint.textContent = sentence;
    for (const show of own) show(values);
  }
  const rows = [element("label", { for: preset.id }, "preset"), preset, element("span"), hint];
  if (kind === "dream") rows.push(...textField("layers", options));
  else rows.push(...stylePicture(options));
  for (const one of state.network.forms[kind]) rows.push(...(one.kind === "switch" ? switchField(one, options) : numberField(one, options, own)));
  chosen();
  return rows;
}

function labeled(name, input) {
  input.id = `field-${name}`;
  return element("label", { for: input.id }, name.replaceAll("_", " "));
}

function textField(name, options) {
  const input = element("input", { type: "text", placeholder: "the preset's" });
  input.onchange = () => (options[name] = input.value || undefined);
  return [labeled(name, input), input];
}

function stylePicture(options) {
  chosenStyle = null;
  styles = element("select", { "aria-label": "Style picture", onchange: () => (options.style = chosenStyle = styles.value) });
  showStyles(options);
  styles.ondrop = (event) => {
    const file = event.dataTransfer.files[0];
    if (!file) return;
    event.preventDefault();
    event.stopPropagation(); // anywhere else a picture that is dropped is the one that is looked at
    takeStyle(file);
  };
  return [element("label", { for: (styles.id = "field-style") }, "style picture"), styles];
}

/** A picture that is dropped on the choice of styles is the style; what is painted stays. */
async function takeStyle(file) {
  try {
    const { key, name, notes } = await sendPicture(file);
    chosenStyle = key;
    set({ pictures: [...state.pictures.filter((one) => one.key !== key), { key, name: file.name || name, notes }], error: null });
  } catch (error) {
    set({ error: error.message });
  }
}

/** Show the pictures that there are to choose a style from: all but the one that is painted; what was chosen stays. */
export function showStyles(options) {
  const others = state.pictures.filter((one) => one.key !== state.picture), chosen = others.find((one) => one.key === chosenStyle) ?? others[0];
  fill(styles, ...others.map((one) => element("option", { value: one.key }, one.name)), ...(chosen ? [] : [element("option", { value: "" }, "drop a painting here")]));
  options.style = chosen?.key;
  styles.value = options.style ?? "";
}

function switchField(one, options) {
  const input = element("input", { type: "checkbox", checked: Boolean(one.default), onchange: () => (options[one.name] = input.checked) });
  return [labeled(one.name, input), input];
}

/** A number, and where there is a range a slider that moves with it; untouched both stand at the preset's. */
function numberField(one, options, own) {
  const input = element("input", { type: "number", step: one.kind === "whole" ? 1 : "any" });
  /** @type {HTMLElement[]} */
  const parts = [labeled(one.name, input)];
  let preset = one.default;
  input.onchange = () => (options[one.name] = input.value === "" ? undefined : Number(input.value));
  if (!one.range) parts.push(input);
  else {
    const [min, max, step] = one.range, slider = element("input", { type: "range", min, max, step, "aria-label": `${one.name.replaceAll("_", " ")}, slider` });
    slider.oninput = () => (options[one.name] = Number((input.value = slider.value)));
    input.addEventListener("input", () => (slider.value = input.value || preset));
    own.push((values) => (slider.value = input.value || values[one.name] || min));
    parts.push(element("div.slider", {}, slider, input));
  }
  own.push((values) => {
    preset = values[one.name] ?? one.default;
    input.placeholder = preset === null ? "the preset's" : String(preset);
  });
  return parts;
}

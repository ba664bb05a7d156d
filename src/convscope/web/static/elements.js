// The page's elements, made in one line each. Text is always text: a layer's name never becomes markup.

/**
 * @template {string} Name
 * @typedef {Name extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Name] : HTMLElement} ElementNamed
 */

/**
 * Make an element.
 * @template {string} Tag
 * @param {Tag} tag with classes, as "button.small"
 * @param {Object<string, any>} properties names that hold a "-" are attributes
 * @param {...(Node|string)} children
 * @returns {Tag extends `${infer Name}.${string}` ? ElementNamed<Name> : ElementNamed<Tag>}
 */
export function element(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split("."), made = document.createElement(name);
  made.classList.add(...classes);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return /** @type {any} */ (made);
}

/** Replace what an element holds. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children);
}

/** Return a number as people read it: three digits that count. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(3)));
}

/** Return a bar with its label and number; `share` is in 0..1 of its width. */
export function bar(label, share, text, title = "") {
  const fillBar = element("span.fill");
  fillBar.style.width = `${Math.max(0.5, Math.min(100, share * 100)).toFixed(1)}%`;
  return element("div.bar", { title }, element("span.track", {}, fillBar), element("span.label", {}, label), element("span.value", {}, text));
}

/** Return a bar that begins in the middle: to the right and red above zero, to the left and blue below; `share` in -1..1. */
export function signedBar(label, share, text, title = "") {
  const made = bar(label, Math.abs(share) / 2, text, title), filled = /** @type {HTMLElement} */ (made.querySelector(".fill"));
  filled.classList.add(share < 0 ? "below" : "above");
  made.classList.add("signed");
  return made;
}

/** Show a picture that came as bytes. */
export function imageOf(bytes, type, alt) {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const image = element("img", { src: url, alt });
  image.onload = () => URL.revokeObjectURL(url);
  return image;
}

/** What a page says that only shows, wherever something is made on others. */
export const ONLY_SHOWS = "This page only shows: nothing is made here.";

/** Say in an empty pane why it is empty and what to press. */
export function empty(words) {
  return element("p.empty", {}, words);
}

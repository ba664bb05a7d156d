// Another network: what to type to explore it, for the page itself opens no files. And what this one is.

import { element } from "./elements.js";
import { copyText } from "./keyboard.js";
import { state } from "./store.js";

/** Return a field for another network with the command that explores it, and the commands of those of lately. */
export function otherNetworks() {
  const field = element("input", { type: "text", placeholder: "a file, or an id: timm:resnet18", "aria-label": "Another network: a file's path, or an id", autocomplete: "off", spellcheck: false });
  const made = element("div");
  const show = () => made.replaceChildren(...(field.value.trim() ? [commandRow("", `convscope explore ${quoted(field.value.trim())}`)] : []));
  field.oninput = show;
  const lately = state.network.recent.map(({ name, command }) => commandRow(name, command));
  return element("div.others", {}, element("h3", {}, "Another network"), field, made, ...(lately.length ? [element("h3", {}, "Explored lately"), ...lately] : []), element("p.caption", {}, "Type the command where you type commands: this page opens no files by itself."));
}

function commandRow(name, command) {
  return element("div.recent", {}, element("span", {}, name), element("code", {}, command), element("button", { "aria-label": `Copy the command for ${name || "this network"}`, onclick: () => copyText(command, "the command is copied: type it where you type commands") }, "Copy"));
}

/** Return a text as a shell takes it for one word. */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** Build the menu at the network's name. */
export function mountNetworkMenu(parent) {
  const { layers, labels, input, device, version, notes } = state.network, [height, width] = input?.size || [];
  const facts = [`${layers.length} layers`, labels.length ? `${labels.length} classes` : "no names of classes", input ? `pictures of ${height} × ${width}, ${input.describe}` : "no picture fits its input", `runs on ${device}`, `convscope ${version}`];
  parent.append(element("p", {}, facts.join(" · ")), ...notes.map((note) => element("p.caption", {}, note)), otherNetworks());
}

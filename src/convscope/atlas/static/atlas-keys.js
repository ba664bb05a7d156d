"use strict";
// Every key, in one table: the help is drawn from it. They are those of `convscope explore` that need no network.

function move(by) {
  const shown = tiles().filter((tile) => !tile.hidden).map(channelOf);
  if (!shown.length) return;
  const at = shown.indexOf(unitShown), next = at < 0 ? 0 : Math.max(0, Math.min(shown.length - 1, at + by));
  goTo(`${currentLayer().name}:${shown[next]}`);
}

const columns = () => getComputedStyle(byId("grid")).gridTemplateColumns.split(" ").length;

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    byId("status").textContent = "the link is copied";
  } catch {
    byId("status").textContent = "this browser lets no page copy: take the link from the address bar";
  }
}

function toggleHelp() {
  const help = byId("help");
  if (help.open) return help.close();
  const list = element("div", undefined, "keys"), close = element("button", "Close");
  close.addEventListener("click", () => help.close());
  for (const [keys, what] of KEYS) {
    const names = element("span");
    names.append(...keys.map((key) => element("kbd", key)));
    list.append(names, element("span", what));
  }
  help.replaceChildren(element("h2", "Every key"), list, close);
  help.showModal();
}

function leave() {
  document.activeElement?.blur();
  endSearch();
  if (choices.only !== "all") choose({ only: "all" });
}

const KEYS = [
  [["ArrowLeft"], "the channel before", () => move(-1)],
  [["ArrowRight"], "the next channel", () => move(1)],
  [["ArrowUp"], "a row up", () => move(-columns())],
  [["ArrowDown"], "a row down", () => move(columns())],
  [["Shift+ArrowUp"], "eight rows up", () => move(-8 * columns())],
  [["Shift+ArrowDown"], "eight rows down", () => move(8 * columns())],
  [["Shift+ArrowLeft"], "eight channels back", () => move(-8)],
  [["Shift+ArrowRight"], "eight channels on", () => move(8)],
  [["Home"], "the first channel shown", () => move(-1e9)],
  [["End"], "the last channel shown", () => move(1e9)],
  [["["], "the layer before", () => goToLayer(layerIndex - 1)],
  [["]"], "the next layer", () => goToLayer(layerIndex + 1)],
  [["/", "g"], "search for a layer, a unit, a word", () => byId("search").select()],
  [["o"], "order: by number, or by what photographs make them answer", () => choose({ sort: choices.sort === "number" && ATLAS.photographs ? "photographs" : "number" })],
  [["y"], "copy the link to what is shown", copyLink],
  [["Escape"], "no search any more, and all units", leave],
  [["?"], "this help", toggleHelp],
];

const actions = new Map(KEYS.flatMap(([keys, , action]) => keys.map((key) => [key, action])));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (byId("help").open) return void (event.key === "?" && toggleHelp());
  const typing = event.target.matches("input, select") && event.key !== "Escape";
  const action = !typing && (actions.get(`${event.shiftKey ? "Shift+" : ""}${event.key}`) || (event.key.length === 1 && actions.get(event.key)));
  if (!action) return;
  event.preventDefault();
  action();
});
byId("help-button").addEventListener("click", toggleHelp);

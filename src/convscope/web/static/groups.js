// Channels that answer together: a picture's places in a few groups, each a color, with what its channels want to see.

import { choices } from "./address.js";
import { bar, element, empty, number } from "./elements.js";
import { onSeen, seen, want } from "./sees.js";
import { cameraOn } from "./live.js";
import { layerFacts, listen, set, state } from "./store.js";
import { goTo } from "./unit.js";

const COLORS = [[230, 57, 70], [60, 180, 75], [67, 99, 216], [255, 200, 25], [145, 60, 190], [66, 212, 244], [245, 130, 49], [240, 90, 200]];
const ICONS = 3; // channels of a group that are shown
let only = null, waiting = 0;

/** Return the choice of how many groups there are, drawn by `draw` when pictures of its channels come. */
export function groupChoice(draw) {
  const words = (count) => (count ? `in ${count} groups` : "one by one");
  const select = element("select", { "aria-label": "Channels of the places", title: "n: channels that answer at the same places together", onchange: () => set({ groups: Number(select.value) }) }, ...choices("groups").map((count) => element("option", { value: count }, words(count))));
  listen((changed) => {
    if (changed.has("groups")) select.value = String(state.groups);
    if (!changed.has("grouped")) return;
    only = null;
    clearTimeout(waiting);
    if (state.grouped) waiting = setTimeout(() => want(shownUnits(), "groups"), 600);
    else want([], "groups");
  });
  onSeen((unit) => state.grouped && shownUnits().includes(unit) && draw());
  return element("label", {}, "Channels ", select);
}

/** Whether the layer answers at places, by which its channels can be grouped. */
export function hasPlaces() {
  const { rows = 1, columns = 1 } = layerFacts() || {};
  return rows * columns > 1;
}

/** The channels that are shown, the first of each group first. */
function shownUnits() {
  const { layer, groups } = state.grouped;
  return Array.from({ length: ICONS }, (_, rank) => groups.map(({ channels }) => channels[rank])).flat().filter((channel) => channel !== undefined).map((channel) => `${layer}:${channel}`);
}

/** What a group answers at a place of the grid. */
function answerAt({ low, high, tiles, tileColumns, tileRows, rows, columns }, group, [row, column]) {
  const at = Math.floor((row * tileRows) / rows) * tileColumns + Math.floor((column * tileColumns) / columns);
  return low[group] + (tiles[group * tileRows * tileColumns + at] / 255) * (high[group] - low[group]);
}

/** Return the groups as rows: at the place that is pointed at the strongest first; `repaint` shows one of them alone. */
export function groupRows(repaint) {
  const grid = state.grouped?.layer === state.layer ? state.grouped : null;
  if (!hasPlaces()) return [empty("This layer has no places: its channels cannot be grouped by them.")];
  if (!grid) return [empty(cameraOn() ? "Close the camera to see a picture's groups." : state.error || "Being grouped…")];
  const answers = grid.groups.map((_, group) => (state.position ? answerAt(grid, group, state.position) : grid.high[group]));
  const most = Math.max(...answers) || 1, order = answers.map((_, group) => group).sort((a, b) => answers[b] - answers[a]);
  const alone = (group) => {
    only = group;
    repaint();
  };
  const rows = order.map((group) => {
    const swatch = element("span.swatch", { "aria-hidden": "true" });
    swatch.style.background = `rgb(${COLORS[group].join(",")})`;
    const strength = bar(`Group ${group + 1}`, answers[group] / most, number(answers[group]), state.position ? "how strongly it answers at this place" : "its strongest answer in this picture");
    strength.querySelector(".label").prepend(swatch, " ");
    const units = grid.groups[group].channels.slice(0, ICONS).map((channel, rank) => icon(`${grid.layer}:${channel}`, grid.groups[group].shares[rank]));
    return element("div.group", { onpointerenter: () => alone(group), onpointerleave: () => alone(null), onfocusin: () => alone(group), onfocusout: () => alone(null) }, strength, element("div.units", {}, ...units));
  });
  const words = `Non-negative factors of ${grid.layer}: ${Math.round(100 * grid.explained)} % of the answer's square. Point at a group to see it alone.`;
  return [...rows, element("p.caption", {}, words)];
}

function icon(unit, share) {
  const picture = seen(unit), title = `${unit}: ${number(share)} of the group`;
  return element("button", { title, "aria-label": title, onclick: () => goTo(unit) }, picture ? element("img", { src: picture.url, alt: "" }) : element("span.unmade", { "aria-hidden": "true" }), element("span", {}, unit.slice(unit.lastIndexOf(":") + 1)));
}

/** Paint each place in its groups' colors, or one group alone. */
export function paintGroups(canvas) {
  const grid = state.grouped, count = grid.tileRows * grid.tileColumns, context = canvas.getContext("2d");
  Object.assign(canvas, { width: grid.tileColumns, height: grid.tileRows });
  const made = context.createImageData(canvas.width, canvas.height), most = grid.high.reduce((a, b) => Math.max(a, b), 0) || 1;
  for (let at = 0; at < count; at++) {
    let sum = 0, strongest = 0;
    const mixed = [0, 0, 0];
    for (let group = 0; group < grid.channels; group++) {
      if (only !== null && only !== group) continue;
      const value = Math.max(0, grid.low[group] + (grid.tiles[group * count + at] / 255) * (grid.high[group] - grid.low[group])) ** 2;
      for (let i = 0; i < 3; i++) mixed[i] += value * COLORS[group][i];
      sum += value;
      strongest = Math.max(strongest, value);
    }
    made.data.set([...mixed.map((value) => value / (sum || 1)), 255 * Math.min(1, (1.4 * Math.sqrt(strongest)) / most)], 4 * at);
  }
  context.putImageData(made, 0, 0);
}

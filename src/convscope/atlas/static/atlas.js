"use strict";
// A page without a server: the table of units is in data.js. Its addresses and keys are those of `convscope explore`.

const SORTS = { number: "number", photographs: "photographs" };
const KINDS = {
  all: () => true,
  made: hasPicture,
  "could not be activated": (unit) => unit.made && Boolean(unit.asleep || unit.broken),
  named: (unit) => Boolean(unit.name),
};
let layerIndex = 0, drawn = -1, unitShown = null, sought = "", choices = { sort: "number", only: "all", map: false };

const currentLayer = () => ATLAS.layers[layerIndex];
const tiles = () => [...byId("grid").children];
const channelOf = (tile) => Number(tile.dataset.channel);

// Returns the part of the page's address after the #.
function hashOf(address) {
  const query = new URLSearchParams();
  if (choices.sort !== "number") query.set("sort", choices.sort);
  if (choices.only !== "all") query.set("only", choices.only);
  if (choices.map) query.set("map", "true");
  return `#/${address.replace(/[%?#\s]/g, encodeURIComponent)}${query.size ? `?${query}` : ""}`;
}

function goTo(address) {
  location.hash = hashOf(address);
}

// Shows a layer, with the unit of the same number where there is one chosen.
function goToLayer(index) {
  const layer = ATLAS.layers[index];
  if (layer) goTo(unitShown === null ? layer.name : `${layer.name}:${Math.min(unitShown, layer.units.length - 1)}`);
}

function choose(changes) {
  choices = { ...choices, ...changes };
  goTo(unitShown === null ? currentLayer().name : `${currentLayer().name}:${unitShown}`);
}

function drawLayer() {
  const layer = currentLayer();
  drawn = layerIndex;
  byId("layer").textContent = `${layer.name}: ${layer.units.length} channels`;
  byId("grid").replaceChildren(...layer.units.map((unit, channel) => tileOf(layer, unit, channel)));
  for (const [index, link] of [...byId("layers").children].entries()) {
    if (index === layerIndex) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  byId("layers").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

function tileOf(layer, unit, channel) {
  const tile = element("button");
  tile.type = "button";
  tile.dataset.channel = String(channel);
  tile.append(element("span", String(channel)));
  tile.setAttribute("aria-label", `${layer.name}:${channel}, ${words(unit)}`);
  tile.title = `${layer.name}:${channel}, ${words(unit)}${unit.name ? `: ${unit.name}` : ""}`;
  if (hasPicture(unit)) showFeature(tile, layer, channel);
  else tile.append(unit.broken ? "NaN" : unit.made ? "not activated" : "not made");
  tile.addEventListener("click", () => goTo(`${layer.name}:${channel}`));
  return tile;
}

// Puts the tiles in their order, or in the cells of the layer's map, those that never change in rows below.
function layOut() {
  const layer = currentLayer(), grid = byId("grid"), map = choices.map ? layer.map : null;
  const strongest = (channel) => layer.units[channel].highest ?? -Infinity;
  const order = tiles().sort((a, b) => (choices.sort === "photographs" && strongest(channelOf(b)) - strongest(channelOf(a))) || channelOf(a) - channelOf(b));
  byId("likeness").hidden = !layer.map;
  byId("likeness").setAttribute("aria-pressed", String(Boolean(map)));
  byId("map-words").textContent = map ? mapWords(map) : "";
  grid.style.gridTemplateColumns = map ? `repeat(${map.side}, minmax(0, 1fr))` : "";
  grid.classList.toggle("map", Boolean(map));
  let below = 0;
  for (const tile of order) {
    const channel = channelOf(tile), unit = layer.units[channel];
    const cell = !map ? 0 : map.cells[channel] >= 0 ? map.cells[channel] : map.side * (map.side + 1) + below++;
    tile.style.gridColumn = map ? String((cell % map.side) + 1) : "";
    tile.style.gridRow = map ? String(Math.floor(cell / map.side) + 1) : "";
    tile.hidden = !KINDS[choices.only](unit) || !isSought(unit, channel);
    tile.setAttribute("aria-pressed", String(channel === unitShown));
  }
  if (order.some((tile, place) => grid.children[place] !== tile)) grid.append(...order);
  byId("none").hidden = order.some((tile) => !tile.hidden);
  byId("sort").value = choices.sort;
  byId("only").value = choices.only;
}

// Whether a unit is of the number, or has the words, that are typed; an address is gone to instead.
function isSought(unit, channel) {
  if (!sought || addressed(sought)) return true;
  return /^\d+$/.test(sought) ? channel === Number(sought) : `${unit.name || ""} ${unit.tuning?.words || ""} ${words(unit)}`.toLowerCase().includes(sought.toLowerCase());
}

// Returns the address of a layer or a unit that a text names, else nothing.
function addressed(text) {
  return find(text)[0] || ATLAS.layers.some((layer) => layer.name === text) ? text : null;
}

function mapWords(map) {
  const silent = map.cells.filter((cell) => cell < 0).length;
  return (map.trustworthiness === null ? "Too few units for a map: in their order. "
    : `Units that answer to the same photographs lie side by side (t-SNE; trustworthiness ${map.trustworthiness} of 1). `)
    + (silent ? `Below: ${silent} that answer the same to every photograph.` : "");
}

// Reads the address: #/mixed4a:42?sort=photographs, and those without the stroke, which older links have.
function go() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?"), asked = new URLSearchParams(query || "");
  const address = decoded(path), [found, channel] = find(address);
  const index = ATLAS.layers.findIndex((layer) => layer === found || layer.name === address);
  const known = (names, name) => (name in names ? name : Object.keys(names)[0]);
  choices = { sort: known(SORTS, asked.get("sort")), only: known(KINDS, asked.get("only")), map: asked.get("map") === "true" };
  byId("status").textContent = address && index < 0 ? `there is no ${address} in this atlas: press / to search` : "";
  if (index >= 0) layerIndex = index;
  if (index >= 0) unitShown = found ? channel : null;
  if (drawn !== layerIndex) drawLayer();
  layOut();
  if (found && index >= 0) showUnit(found, channel);
}

function showUnit(layer, channel) {
  drawUnit(layer, channel);
  byId("unit").scrollTop = 0;
  tiles().find((tile) => channelOf(tile) === channel)?.scrollIntoView({ block: "nearest" });
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function mountTools() {
  byId("layers").append(...ATLAS.layers.map((layer, index) => {
    const link = element("a", layer.name);
    link.href = hashOf(layer.name);
    link.title = `${layer.units.length} channels, ${layer.units.filter(hasPicture).length} with a picture`;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      goToLayer(index);
    });
    return link;
  }));
  byId("addresses").append(...ATLAS.layers.map((layer) => new Option("", layer.name)));
  const measured = ATLAS.photographs > 0;
  byId("sort").append(...Object.keys(SORTS).filter((name) => measured || name === "number").map((name) => new Option(SORTS[name], name)));
  byId("only").append(...Object.keys(KINDS).filter((name) => ATLAS.classes || name !== "named").map((name) => new Option(name, name)));
  byId("sort").addEventListener("change", () => choose({ sort: byId("sort").value }));
  byId("only").addEventListener("change", () => choose({ only: byId("only").value }));
  byId("likeness").addEventListener("click", () => choose({ map: !choices.map }));
  byId("search").addEventListener("input", () => {
    sought = byId("search").value.trim();
    layOut();
  });
  byId("search").addEventListener("change", () => {
    const address = addressed(sought), first = tiles().find((tile) => !tile.hidden);
    if (address) endSearch();
    if (address) goTo(address);
    else if (sought && first) goTo(`${currentLayer().name}:${channelOf(first)}`);
    byId("search").blur();
  });
}

function endSearch() {
  sought = byId("search").value = "";
  layOut();
}

document.title = byId("title").textContent = `Atlas of ${ATLAS.network}`;
byId("about").textContent = `${ATLAS.layers.reduce((sum, layer) => sum + layer.units.length, 0)} units; ${ATLAS.settings}`
  + (ATLAS.photographs ? `; ${ATLAS.photographs} photographs` : "") + `. Made by convscope ${ATLAS.version}.`;
mountTools();
addEventListener("hashchange", go);
go();

// The page begins here: it asks what the network is, builds the panes, and keeps address, questions and panes in step.

import { IN_ADDRESS, fromHash, parseAddress, toHash } from "./address.js";
import { Refused, asGrid, ask, askBytes, onReturn } from "./api.js";
import { mountAtlas } from "./atlas.js";
import { half, mountBeside, mountHalf } from "./beside.js";
import { element, fill } from "./elements.js";
import { mountGrid } from "./grid.js";
import { hasPlaces } from "./groups.js";
import { onJobs, runningJobs } from "./jobs.js";
import { mountKeyboard, toggleHelp } from "./keyboard.js";
import { goToLayer, mountLayers } from "./layers.js";
import { cameraOn, frameRate, watchFrames } from "./live.js";
import { mountNetworkMenu, otherNetworks } from "./networks.js";
import { mountOrder } from "./order.js";
import { mountPicture, overlayWords, showClasses, showMap, takePicture } from "./picture.js";
import { layerFacts, listen, set, state, unitAddress } from "./store.js";
import { mountStudio } from "./studio.js";
import { mountTours, toggleTour } from "./tours.js";
import { askPlace, askUnit, mountUnit } from "./unit.js";
import { mountWhy } from "./why.js";

const VIEWS = { explore: "Explore", unit: "Unit", why: "Why", studio: "Studio", atlas: "Atlas", beside: "Beside" };
const SAMPLES = ["chelsea", "coffee", "astronaut"];
const at = (id) => document.getElementById(id);
let milliseconds = 0, moving = false, said = "";

async function begin() {
  onReturn(() => (state.network ? set({ retry: {} }) : location.reload()));
  try {
    const network = await ask("network");
    set({ network, pictures: network.refuses ? [] : network.pictures });
  } catch (error) {
    return showError(error);
  }
  document.title = `${state.network.name} · convscope`;
  at("name").textContent = state.network.name;
  mountNetworkMenu(at("network-menu"));
  mountOrder();
  mountLayers(at("layers"), at("layer-names"));
  mountPicture(at("picture-pane"));
  mountGrid(at("grid-pane"));
  mountUnit(at("unit-pane"));
  mountUnit(at("unit").appendChild(element("div.unit-columns"))); // as high as they are: what does not fit is scrolled to
  mountWhy(at("why"));
  mountStudio(at("studio"));
  mountAtlas(at("atlas"));
  if (half) mountHalf();
  else mountBeside(at("beside"));
  mountViews();
  mountSearch();
  mountStart();
  mountKeyboard();
  at("help-button").onclick = toggleHelp;
  at("tours-button").onclick = toggleTour;
  mountTours(at("tour"));
  listen(changed);
  onJobs(status);
  watchFrames((grid) => {
    showClasses(grid.says);
    if (grid.view) showMap(grid);
    else set({ grid });
    status();
  });
  const first = { layer: state.network.first, channel: 0, picture: state.pictures[0]?.key || null };
  arrive(first);
  changed(new Set(["layer", "channel", "picture", "view", "network", "error", "backward"]));
  addEventListener("popstate", () => {
    moving = true; // what one goes back to is not remembered anew
    arrive();
    moving = false;
  });
}

/** Show what the address asks for, of what it leaves open the `usual`; a channel that the layer has not is its last one, and said so. */
function arrive(usual = {}) {
  /** @type {Object<string, any>} */
  const { unknown, ...changes } = { error: null, ...fromHash(location.hash, isLayer) }, count = layerFacts(changes.layer)?.channels;
  if (count && changes.channel >= count) Object.assign(changes, { channel: count - 1, error: `${changes.layer} has the channels 0 to ${count - 1}, and no ${changes.channel}` });
  if (state.network.refuses) changes.picture = null;
  set({ ...usual, ...changes });
  if (unknown) goToNamed(unknown);
}

/** Go to what the server knows by a name: a class by its label; or say what is called nearly so. */
async function goToNamed(name) {
  try {
    const { layer, channel, position } = await ask("address", { name });
    set({ layer, channel: channel ?? 0, position: position?.length === 2 ? position : null, error: null });
  } catch (error) {
    set({ error: error.message });
  }
}

function isLayer(name) {
  return state.network.layers.some((layer) => layer.name === name);
}

function changed(what) {
  const has = (...keys) => keys.some((key) => what.has(key));
  if (has("layer", "channel", "picture", "view", "retry") && !has("error", "notice") && (state.error || state.notice)) {
    if (has("retry")) failed.clear();
    if (!failed.size) set({ error: null, notice: null });
  }
  if (has("view", "picture")) showView();
  if (has("picture", "units", "retry")) askClasses();
  if (has("picture", "layer", "units", "retry")) askGrid();
  if (["explore", "unit"].includes(state.view) && has("layer", "channel", "picture", "view", "retry")) askUnit();
  else if (has("position", "grid")) askPlace();
  if (has("picture", "layer", "units", "groups", "live", "retry")) askGroups();
  if (has("picture", "backward", "pinned", "retry") || (has("layer", "channel") && !state.pinned)) askMap();
  if (has(...IN_ADDRESS)) writeAddress(has("layer", "view", "picture", "tour") || (has("units") && (has("sliding") || !state.sliding)));
  status();
}

function writeAddress(remember) {
  const hash = toHash(state);
  if (hash === location.hash) return;
  history[remember && !moving ? "pushState" : "replaceState"](null, "", hash);
}

const latest = {}, failed = new Set();

/** Ask a question whose older answers are of no use any more: the latest wins. */
async function latestOf(name, question, use) {
  latest[name]?.abort();
  const controller = (latest[name] = new AbortController()), began = performance.now();
  try {
    const found = await question({ signal: controller.signal });
    if (latest[name] === controller) {
      milliseconds = performance.now() - began;
      use(found);
      if (failed.delete(name) && !failed.size) set({ error: null });
    }
  } catch (error) {
    if (error.name === "AbortError" || latest[name] !== controller) return;
    failed.add(name);
    set({ error: error.message });
  }
}

function asked() {
  return { picture: state.picture, units: JSON.stringify(state.units) };
}

function askClasses() {
  if (!state.picture || cameraOn()) return;
  showClasses(null, true);
  latestOf("says", (options) => ask("says", asked(), options), (says) => showClasses(says));
}

function askGrid() {
  if (!state.picture || cameraOn()) return;
  latestOf("grid", (options) => askBytes("grid", { ...asked(), layer: state.layer }, options), (message) => {
    const grid = asGrid(message);
    set({ grid, channel: Math.min(state.channel, grid.channels - 1) });
    status();
  });
}

function askGroups() {
  if (!state.groups || !hasPlaces() || !state.picture || cameraOn()) return set({ grouped: null });
  if (state.grouped) set({ grouped: { ...state.grouped, old: true } });
  latestOf("groups", (options) => askBytes("groups", { ...asked(), layer: state.layer, count: state.groups }, options), (message) => set({ grouped: asGrid(message) }));
}

function askMap() {
  if (state.backward === "off") return showMap(null);
  if (!state.picture || cameraOn()) return;
  const query = { picture: state.picture, unit: state.pinned || unitAddress(), view: state.backward };
  latestOf("map", (options) => askBytes("backward", query, options), (message) => {
    showMap(asGrid(message));
    status();
  });
}

function showView() {
  document.body.dataset.view = state.view;
  const none = !state.picture && !cameraOn() && !["atlas", "unit", "beside"].includes(state.view);
  at("start").hidden = !none;
  for (const name of Object.keys(VIEWS)) at(name).hidden = none || name !== state.view;
  for (const button of at("views").querySelectorAll("button")) {
    if (button.dataset.view === state.view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}

function mountViews() {
  fill(at("views"), ...Object.entries(VIEWS).map(([name, label], index) => element("button", { "data-view": name, title: `${index + 1}`, onclick: () => set({ view: name }) }, label)));
}

function mountSearch() {
  const search = /** @type {HTMLInputElement} */ (at("search"));
  search.addEventListener("change", () => {
    const text = search.value.trim(), found = parseAddress(text, isLayer), near = state.network.layers.find((layer) => layer.name.toLowerCase().includes(text.toLowerCase()));
    if (found) set({ ...found, view: state.view });
    else if (near && text) goToLayer(near.name);
    else if (text) goToNamed(text);
    search.value = "";
    search.blur();
  });
}

function mountStart() {
  const { refuses, name: network } = state.network;
  if (refuses) return fill(at("start"), element("div.drop", {}, element("h2", {}, `${network} takes no picture`), element("p", {}, refuses), element("p", {}, "What its units read and feed is here all the same: press 2 for one, [ and ] for the layers."), otherNetworks()));
  const file = element("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "Choose a picture" });
  file.onchange = () => file.files[0] && takePicture(file.files[0]);
  const samples = SAMPLES.map((name) => element("button", { onclick: () => takePicture(name) }, name));
  fill(at("start"), element("div.drop", {}, element("h2", {}, `What does ${state.network.name} see?`), element("p", {}, "Drop or paste a picture here, or take one of these. It stays on this machine."), file, element("div.samples", {}, element("button", { onclick: () => file.click() }, "Choose a picture…"), ...samples), ...state.network.notes.map((note) => element("p.caption", {}, note)), otherNetworks()));
}

function status() {
  const facts = layerFacts(), parts = [], say = (words, definition) => parts.push(element("span", { title: definition }, words));
  if (state.error) parts.push(element("span.error", {}, state.error));
  if (state.notice) parts.push(element("span.notice", {}, state.notice));
  if (cameraOn()) say(`${frameRate().toFixed(0)} pictures a second${state.frozen ? ", frozen" : ""}`, "frames that were sent and answered in a second, lately");
  else if (state.picture) say(`answered in ${Math.round(milliseconds)} ms`, "from the last question to its answer: the network's time, and the way there and back");
  if (facts) say(`${unitAddress()} · ${facts.kind}`, "the unit under the cursor, and what makes its layer");
  say(state.scale === "channel" ? "scale per channel" : "one scale for all", state.scale === "channel" ? "each tile goes from its channel's lowest answer to its highest" : "all tiles go from the layer's lowest answer to its highest");
  if (state.gamma !== 1) say(`gamma ${state.gamma}`, "shades are the answer's share of the scale, to this power");
  const over = state.overlay ? overlayWords() : "nothing";
  say(`over the picture: ${over.split(": ")[0]}`, `${over}. From nothing to its own highest value, of a backward view to what its strongest hundredth reaches; where it has a sign, red is positive and blue negative`);
  if (state.pinned) say(`pinned: ${state.pinned}`, "backward views are this unit's, whichever is under the cursor");
  const set_ = Object.keys(state.units).length;
  if (set_) say(`${set_} unit${set_ > 1 ? "s" : ""} changed`, "units that answer what you set them to");
  if (runningJobs()) say("a picture is being made", "what a unit wants to see, evidence, a dream or a style");
  say("seed 0", "of the random numbers that pictures of units begin with; m shows seeds 1 to 3");
  say(state.network.device, "where the network runs");
  const words = parts.map((part) => part.textContent).join("\n");
  if (words !== said) fill(at("status"), ...parts); // it is read aloud: not anew with each frame
  said = words;
}

function showError(error) {
  const words = error instanceof Refused ? error.message : `the page has a fault: ${error.message}`;
  fill(at("start"), element("div.drop", {}, element("h2", {}, "The network does not answer"), element("p.error", {}, words), element("button", { onclick: () => location.reload() }, "Try again")));
  at("start").hidden = false;
}

begin();

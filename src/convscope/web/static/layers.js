// The line of layers: those that tell the network's story, with the others of a stage on demand.

import { element, fill } from "./elements.js";
import { listen, set, state } from "./store.js";

const NEAR = 2; // layers to both sides of the one that is shown, whatever they are

/** Build the line, and the list that the search field completes from. */
export function mountLayers(parent, names) {
  const draw = () => {
    const { layers, stages } = state.network, main = new Set(stages), at = layers.findIndex((layer) => layer.name === state.layer), links = [];
    let last = null;
    for (const [index, layer] of layers.entries()) {
      const current = index === at;
      if (!main.has(layer.name) && Math.abs(index - at) > NEAR) continue;
      const size = `${layer.rows}×${layer.columns}`;
      if (last !== null && last !== size) links.push(element("span", { "aria-hidden": "true" }, "▸"));
      last = size;
      const link = element(`a${main.has(layer.name) ? "" : ".minor"}`, { href: "#", title: `${layer.kind}, ${layer.channels} channels of ${size}${layer.sees ? `, each place sees ${layer.sees} pixels` : ""}` }, layer.name);
      if (current) link.setAttribute("aria-current", "true");
      link.onclick = (event) => {
        event.preventDefault();
        goToLayer(layer.name);
      };
      links.push(link);
    }
    fill(parent, ...links);
    parent.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest", inline: "center" });
  };
  listen((changed) => (changed.has("layer") || changed.has("network")) && draw());
  listen((changed) => changed.has("network") && fill(names, ...state.network.layers.map((layer) => element("option", { value: layer.name }))));
}

/** Show another layer, with the cursor on the same channel where there is one. */
export function goToLayer(name) {
  const layer = state.network.layers.find((one) => one.name === name);
  if (layer) set({ layer: name, channel: Math.min(state.channel, Math.max(0, layer.channels - 1)), position: null });
}

/** Go to the layer before or after this one. */
export function stepLayer(by) {
  const shown = state.network.layers.filter((layer) => layer.channels > 0);
  const at = shown.findIndex((layer) => layer.name === state.layer);
  if (shown[at + by]) goToLayer(shown[at + by].name);
}

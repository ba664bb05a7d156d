// The order in which a layer's channels stand: by number, by what photographs make them answer, or by this picture.

import { ask } from "./api.js";
import { listen, set, state } from "./store.js";

/** @type {Object<string, ?number[]>} a layer's highest answers to measured photographs; null where nobody measured */
const strengths = {};

/** Return a layer's channels in the order that is chosen; by number where nothing is known to order them by. */
export function ordered(layer, count) {
  const order = Array.from({ length: count }, (_, index) => index);
  const by = state.sort === "strength" ? strengths[layer] : state.sort === "picture" && state.grid?.layer === layer ? state.grid.high : null;
  return by ? order.sort((a, b) => by[b] - by[a] || a - b) : order;
}

/** Ask for what a layer's channels are ordered by, when that is how they are; `state.strengths` changes when it is there. */
export function mountOrder() {
  listen(async (changed) => {
    const layer = state.layer;
    if (state.sort !== "strength" || !(changed.has("layer") || changed.has("sort")) || !layer) return;
    if (!(layer in strengths)) {
      strengths[layer] = null;
      try {
        strengths[layer] = (await ask("strongest", { layer })).highest;
      } catch (error) {
        delete strengths[layer];
        return set({ error: error.message });
      }
    }
    if (!strengths[layer]) set({ notice: `nobody measured what photographs make ${layer} answer: start convscope explore with --photographs FOLDER` });
    if (layer === state.layer) set({ strengths: layer });
  });
}

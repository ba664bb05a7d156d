// What the page shows now: one object, changed in one place, and those who want to know are told.

/** @typedef {{view: string, layer: string, channel: number, position: ?[number, number], picture: ?string}} State */

const listeners = new Set();

/** Everything that the page shows. Change it with `set`. */
export const state = {
  network: null,
  view: "explore",
  layer: "",
  channel: 0,
  position: null,
  picture: null,
  pictures: [],
  grid: null,
  sort: "index",
  strengths: null,
  sees: false,
  scale: "channel",
  palette: "gray",
  gamma: 1,
  zoom: 1,
  backward: "off",
  pinned: null,
  target: null,
  methods: null,
  sanity: false,
  groups: 0,
  grouped: null,
  seeds: false,
  left: null,
  right: null,
  linked: null,
  other: false,
  kind: "dream",
  tour: null,
  overlay: true,
  frozen: false,
  live: null,
  units: {},
  sliding: false,
  error: null,
  retry: null,
  notice: null,
};

/**
 * Change some of the state and tell everyone, once, what changed.
 * @param {Partial<typeof state>} changes
 */
export function set(changes) {
  const changed = Object.keys(changes).filter((key) => state[key] !== changes[key]);
  if (!changed.length) return;
  Object.assign(state, changes);
  for (const listener of listeners) listener(new Set(changed));
}

/**
 * Be told of changes.
 * @param {(changed: Set<string>) => void} listener
 */
export function listen(listener) {
  listeners.add(listener);
}

/** The facts of the layer that is shown. */
export function layerFacts(name = state.layer) {
  return state.network?.layers.find((layer) => layer.name === name);
}

/** The address of the unit under the cursor. */
export function unitAddress() {
  return `${state.layer}:${state.channel}`;
}

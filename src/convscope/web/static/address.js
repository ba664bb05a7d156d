// Every state of the page in the address bar: #/mixed4a:42@3,5?picture=…&view=why

/** What is kept besides unit, place, picture and what units are set to: its first value is the usual one, and unsaid. */
const CHOICES = {
  view: ["explore", "unit", "why", "studio", "atlas", "beside"],
  sees: [false, true],
  sort: ["index", "strength", "picture"],
  scale: ["channel", "shared"],
  palette: ["gray", "viridis", "inferno"],
  gamma: [1, 0.6, 0.35, 1.8],
  zoom: [1, 2],
  overlay: [true, false],
  backward: ["off", "saliency", "guided_backprop", "grad_cam"],
  groups: [0, 4, 6, 8],
  seeds: [false, true],
  sanity: [false, true],
  other: [false, true],
  kind: ["dream", "style"],
};
/** What is kept as it is written, and unsaid where there is none. */
const TEXTS = ["picture", "pinned", "target", "methods", "left", "right", "linked", "tour"];

/** The parts of the state that an address holds. */
export const IN_ADDRESS = ["layer", "channel", "position", "units", ...TEXTS, ...Object.keys(CHOICES)];

/** Return what one part of the state can be, the usual first. */
export function choices(key) {
  return CHOICES[key];
}

/**
 * Read an address (`mixed4a:42@3,5`); a layer's own name may hold colons.
 * @param {string} text
 * @param {(name: string) => boolean} isLayer
 */
export function parseAddress(text, isLayer) {
  if (isLayer(text)) return { layer: text, channel: 0, position: null };
  const found = /^(.*):(\d+)(?:@(\d+),(\d+))?$/.exec(text);
  if (!found || !isLayer(found[1])) return null;
  const position = found[3] === undefined ? null : [Number(found[3]), Number(found[4])];
  return { layer: found[1], channel: Number(found[2]), position };
}

/** Return the part of the page's address after the #. */
export function toHash(state) {
  const place = state.position ? `@${state.position.join(",")}` : "";
  const query = new URLSearchParams();
  for (const key of TEXTS) if (state[key]) query.set(key, state[key]);
  for (const [key, values] of Object.entries(CHOICES)) if (state[key] !== values[0]) query.set(key, String(state[key]));
  if (Object.keys(state.units).length) query.set("units", JSON.stringify(state.units));
  const address = `${state.layer}:${state.channel}${place}`.replace(/[%?#\s]/g, encodeURIComponent);
  return `#/${address}${query.size ? `?${query}` : ""}`;
}

/**
 * Return the changes to the state that an address asks for; `unknown` where it names what is no layer.
 * @returns {Object<string, any>}
 */
export function fromHash(hash, isLayer) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?"), asked = new URLSearchParams(query || ""), unit = decoded(path);
  /** @type {Object<string, any>} */
  const changes = { units: units(asked.get("units")), ...parseAddress(unit, isLayer) };
  if (unit && !changes.layer) changes.unknown = unit;
  for (const key of TEXTS) if (key !== "picture" || asked.get(key)) changes[key] = asked.get(key) || null;
  for (const [key, values] of Object.entries(CHOICES)) changes[key] = values.find((value) => String(value) === asked.get(key)) ?? values[0];
  return changes;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function units(text) {
  try {
    const found = JSON.parse(text || "{}");
    return found && typeof found === "object" && !Array.isArray(found) ? found : {};
  } catch {
    return {};
  }
}

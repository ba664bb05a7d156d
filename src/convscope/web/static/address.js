// Every state of the page in the address bar: #/mixed4a:42@3,5?picture=…&view=why

const VIEWS = ["explore", "unit", "why", "studio", "atlas"];

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
  if (state.picture) query.set("picture", state.picture);
  if (state.view !== "explore") query.set("view", state.view);
  if (state.sees) query.set("sees", "1");
  if (state.sort !== "index") query.set("sort", state.sort);
  if (Object.keys(state.units).length) query.set("units", JSON.stringify(state.units));
  const address = `${state.layer}:${state.channel}${place}`.replace(/[%?#\s]/g, encodeURIComponent);
  return `#/${address}${query.size ? `?${query}` : ""}`;
}

/** Return the changes to the state that an address asks for. */
export function fromHash(hash, isLayer) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const asked = new URLSearchParams(query || ""), changes = parseAddress(decodeURIComponent(path), isLayer) || {};
  if (asked.get("picture")) changes.picture = asked.get("picture");
  changes.view = VIEWS.includes(asked.get("view")) ? asked.get("view") : "explore";
  changes.sees = asked.get("sees") === "1";
  changes.sort = asked.get("sort") || "index";
  try {
    changes.units = JSON.parse(asked.get("units") || "{}");
  } catch {
    changes.units = {};
  }
  return changes;
}

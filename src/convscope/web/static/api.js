// Questions to the server: JSON, messages of bytes, and one socket for long jobs.

/** A question that the server did not answer as asked; the message is for people. `gone`: it does not answer at all. */
export class Refused extends Error {
  gone = false;
}

let run = null;

/** Load the page again where another server answers than the one it came from: its network may be another. */
function sameRun(response) {
  const now = response.headers.get("x-convscope-run");
  run ??= now;
  if (run === now) return true;
  location.reload();
  return false;
}

async function checked(response) {
  if (!sameRun(response)) throw new Refused("another server answers now: the page loads again");
  if (response.ok) return response;
  let words = `the server answered ${response.status}`;
  try {
    words = (await response.json()).error || words;
  } catch {
    // no sentence came with it
  }
  throw new Refused(words);
}

async function answered(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Refused("the server does not answer: start convscope explore again, then press r"), { gone: true });
  }
  return checked(response);
}

/** Ask for JSON. */
export async function ask(path, query = {}, options = {}) {
  return (await answered(`api/${path}?${new URLSearchParams(query)}`, options)).json();
}

/** Ask for a message of bytes. */
export async function askBytes(path, query = {}, options = {}) {
  return unpack(await (await answered(`api/${path}?${new URLSearchParams(query)}`, options)).arrayBuffer());
}

/** Return why the server does not show a picture, and whether that is because it does not answer at all. */
export async function whyUnseen(key) {
  try {
    await answered(`api/seen/${encodeURIComponent(key)}`, {});
    return { words: "this picture cannot be shown", gone: false };
  } catch (error) {
    return { words: error.message, gone: Boolean(error.gone) };
  }
}

/** Return a picture as the network resizes it, before its crop: the frame in whose middle is what it sees. */
export async function frameOf(key) {
  return createImageBitmap(await (await answered(`api/frame/${encodeURIComponent(key)}`, {})).blob());
}

/** Send a picture's bytes. */
export async function sendPicture(blob) {
  return (await answered("api/pictures", { method: "POST", body: blob })).json();
}

/** Take one of the samples. */
export async function takeSample(name) {
  return (await answered(`api/sample/${name}`, { method: "POST" })).json();
}

/**
 * Read a message: the header's length, the header, the body.
 * @param {ArrayBuffer} buffer
 */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { header, buffer, start: 4 + length };
}

/** Read a grid: a number a channel of each kind, then the tiles. */
export function asGrid({ header, buffer, start }) {
  const count = header.channels, at = (index) => start + 4 * count * index;
  return {
    ...header,
    low: new Float32Array(buffer, at(0), count),
    high: new Float32Array(buffer, at(1), count),
    mean: new Float32Array(buffer, at(2), count),
    peakRow: new Int32Array(buffer, at(3), count),
    peakColumn: new Int32Array(buffer, at(4), count),
    tiles: new Uint8Array(buffer, at(5)),
  };
}

/** Return the address of a socket of this server, behind whatever prefix the page has. */
export function socketAddress(path) {
  const url = new URL(`api/${path}`, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}

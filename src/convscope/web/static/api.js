// Questions to the server: JSON, messages of bytes, and one socket for long jobs.

/** A question that the server did not answer as asked; the message is for people. `gone`: it does not answer at all. */
export class Refused extends Error {
  gone = false;
}

/** What a server that does not answer is said to need; the page goes on by itself once it does. */
export const START_AGAIN = "start convscope explore again, and this page goes on";
const ASK_AGAIN = 1000, BUSY = [429, 503], MOST_TRIES = 5; // milliseconds; answers of a server that others ask too much
let run = null, away = false;
/** @type {() => void} */
let returned = () => {};

/** Be told when a server that did not answer does again. */
export function onReturn(listener) {
  returned = listener;
}

/** Ask a server that does not answer until it does. */
export async function awaitReturn() {
  if (away) return;
  away = true;
  let response = null;
  while (!response || BUSY.includes(response.status)) {
    await pause(ASK_AGAIN);
    response = await fetch("api/network").catch(() => null);
  }
  away = false;
  if (sameRun(response)) returned();
}

/** Wait for so many milliseconds. */
export function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

/** Load the page again where another server answers than the one it came from: its network may be another. */
function sameRun(response) {
  const now = response.headers.get("x-convscope-run");
  run ??= now;
  if (run === now || now === null) return true; // a refusal, or a server that is too busy, says nothing of it
  location.reload();
  return false;
}

async function checked(response) {
  if (!sameRun(response)) throw new Refused("another server answers now: the page loads again");
  if (response.ok) return response;
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  const words = isJson ? (await response.json()).error : (await response.text()).trim();
  throw new Refused(words || `the server answered ${response.status}`);
}

async function answered(path, options) {
  let response;
  try {
    response = await fetch(path, options);
    for (let tries = 1; BUSY.includes(response.status) && tries < MOST_TRIES; tries++) {
      await pause(ASK_AGAIN);
      response = await fetch(path, options);
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    awaitReturn();
    throw Object.assign(new Refused(`the server does not answer: ${START_AGAIN}`), { gone: true });
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

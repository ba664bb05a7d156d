// From a number in 0..255 to a color: tables of 256 RGBA values, made from a few stops.

const STOPS = {
  gray: [[0, 0, 0], [255, 255, 255]],
  viridis: [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]],
  inferno: [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]],
  diverging: [[5, 48, 97], [67, 147, 195], [209, 229, 240], [247, 247, 247], [253, 219, 199], [214, 96, 77], [103, 0, 31]],
};

/**
 * A table of 256 colors, as the 32-bit numbers of a canvas's pixels.
 * @param {string} name of STOPS
 * @param {number} gamma below 1 shows faint answers
 * @returns {Uint32Array}
 */
export function table(name, gamma = 1) {
  const stops = STOPS[name], found = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    const at = Math.pow(level / 255, gamma) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2), share = at - low;
    const [red, green, blue] = stops[low].map((value, i) => Math.round(value + share * (stops[low + 1][i] - value)));
    found[level] = (255 << 24) | (blue << 16) | (green << 8) | red;
  }
  return found;
}

/**
 * Paint numbers on a canvas of their own size.
 * @param {HTMLCanvasElement} canvas
 * @param {number[][]} rows of numbers
 * @param {number} limit the number that is darkest, to both sides of zero
 */
export function paintSigned(canvas, rows, limit) {
  const colors = table("diverging"), context = canvas.getContext("2d");
  canvas.width = rows[0].length;
  canvas.height = rows.length;
  const image = context.createImageData(canvas.width, canvas.height), pixels = new Uint32Array(image.data.buffer);
  let at = 0;
  for (const row of rows) {
    for (const value of row) pixels[at++] = colors[Math.max(0, Math.min(255, Math.round(127.5 + (127.5 * value) / (limit || 1))))];
  }
  context.putImageData(image, 0, 0);
}

// The five lessons as guided tours: each step a link to what it speaks of, in whatever network is shown.

import { fromHash, toHash } from "./address.js";
import { element, fill } from "./elements.js";
import { strongestClass } from "./picture.js";
import { layerFacts, listen, set, state } from "./store.js";

/** @typedef {"first" | "second" | "middle" | "deep" | "classes" | "answer"} Place a layer's, in whatever network: classes' scores, and what it says last */
/** @typedef {[title: string, words: string, place: Place, shown?: object]} Step `shown` is how the page shows it; `unit` is what the layer's first unit is set to (of the first layer its boldest filter is shown), `label` whose class is looked at, or the `strongest` one */

const CAT = /\b(cat|tabby)\b/i;

/** @type {Array<{title: string, language?: string, steps: Step[]}>} the lessons of docs/lessons, in their order */
export const TOURS = [
  {
    title: "ImageNet features and filters",
    steps: [
      ["A classification pass", "The network is given the picture. On the left is what it says: the most probable classes.", "first"],
      ["The layers and their shapes", "The line on top has the layers in their order; point at one for its channels and size. [ and ] step through them.", "middle"],
      ["The first layer's filters", "A unit of the first layer reads the picture itself, so that its filter can be looked at: under Its filter.", "first", { view: "unit" }],
      ["The first layer's answers", "Each tile is one channel's answer to the picture, all on one scale: edges and colors, where they are.", "first", { scale: "shared" }],
      ["The second layer: a filter is a row", "From here on a filter reads channels. Fed by has its kernels, each beside the channel that it reads.", "second", { view: "unit" }],
      ["Deeper", "The answers get coarse and rare: a channel answers to something, wherever in the picture it is.", "deep", { sort: "picture" }],
      ["The classes", "The last layer has a number a class, the strongest first, all on one scale.", "answer", { sort: "picture", scale: "shared", strongest: true }],
    ],
  },
  {
    title: "Using and visualising pre-trained models",
    steps: [
      ["Classify a photograph", "Drop one of your own on the page, or open it on the left.", "middle"],
      ["Examine blobs", "A layer's answer is a block of numbers: channels, rows, columns. Point at a tile for its largest one.", "second", { scale: "shared", palette: "viridis" }],
      ["Examine parameters", "One number on paper: the patch times the kernel, summed, the bias, what follows. Point at a place for another.", "second", { view: "unit" }],
      ["Change what it has learned", "The slider makes a unit answer nothing, or twice as much. What happens to the classes?", "deep", { unit: "*0" }],
      ["Another picture, another answer", "Beside shows two pictures with one cursor.", "middle", { view: "beside" }],
    ],
  },
  {
    title: "如何可视化 CNN 各层的输出",
    language: "zh",
    steps: [
      ["每一层的输出的结构", "上面一行是网络的各层；鼠标停在一层上，可以看到它的通道数和大小。", "first"],
      ["第一层的 filter", "第一层直接读图片，所以它的 filter 可以当作图片来看。", "first", { view: "unit" }],
      ["第一层的输出", "每一格是一个通道的输出，所有通道用同一个尺度。", "first", { scale: "shared" }],
      ["最后一个卷积层的输出", "越深的层，输出越粗略，也越稀疏。", "deep", { sort: "picture" }],
      ["概率", "最后一层：每个类别一个数，最大的在前面，所有类别用同一个尺度。", "answer", { sort: "picture", scale: "shared", strongest: true }],
    ],
  },
  {
    title: "Do filters dream of convolutional cats?",
    steps: [
      ["What a first layer wants to see", "A random picture is changed, step by step, until a channel answers as strongly as it can. First come edges and colors.", "first", { sees: true }],
      ["In the middle: textures", "The same for a layer in the middle. A red cross could not be activated.", "middle", { sees: true }],
      ["Deep: parts of things", "And for the last layer that still has places.", "deep", { sees: true }],
      ["How about a cat?", "A class is a unit too. This is what it wants to see; does it look like one?", "classes", { view: "unit", label: CAT }],
    ],
  },
  {
    title: "Visualizing and hallucinating representations",
    steps: [
      ["Predicting", "What the network is given is a small, cropped picture: the one on the left.", "first"],
      ["Visualizing filters", "The first layer's are pictures; the second's are pretty hard to read.", "first", { view: "unit" }],
      ["Visualizing the gradient", "Over the picture lies how much the unit's answer changes with each pixel. b shows other backward views.", "deep", { backward: "saliency" }],
      ["Where the evidence lies", "Several methods beside each other. The sanity switch shows which of them depend on what was learned.", "classes", { view: "why" }],
      ["Deep dreaming", "The picture is changed so that a layer answers more to it. Choose a preset, and press Make.", "deep", { view: "studio" }],
      ["Style net", "Two pictures: the content of one, the style of another. Drop a painting on the choice of the style picture, and press Make.", "deep", { view: "studio", kind: "style" }],
    ],
  },
];

/** The layers that the lessons speak of, in this network. */
function places() {
  const { layers, stages, classLayers } = state.network;
  const read = layers.filter((layer) => layer.filters), shown = stages.filter((name) => (layerFacts(name)?.rows || 0) > 1 && !isInput(name));
  return { first: read[0]?.name, second: read[1]?.name, middle: shown[Math.floor(shown.length / 2)], deep: shown.at(-1), classes: classLayers.at(-1), answer: classLayers[0] };
}

function isInput(name) {
  return state.network.layers[0]?.name === name;
}

/** The steps of a tour that this network has the layers for, each with its link. */
export function stepsOf(number) {
  const at = places(), tour = TOURS[number - 1];
  const steps = (tour?.steps || []).filter(([, , place]) => at[place]), usual = fromHash("", () => false);
  return steps.map(([title, words, place, { unit, label, strongest, ...shown } = {}], index) => {
    const layer = at[place], units = unit ? { [`${layer}:0`]: unit } : {};
    const named = label ? state.network.labels.findIndex((name) => label.test(name)) : -1, channel = strongest ? strongestClass() : place === "first" ? state.network.boldest : Math.max(0, named);
    return { title, words, link: toHash({ ...usual, position: null, layer, channel, picture: state.picture, units, ...shown, tour: `${number}.${index + 1}` }) };
  });
}

/** Begin the first tour, or end the one that is on. */
export function toggleTour() {
  if (state.tour) set({ tour: null });
  else location.hash = stepsOf(1)[0]?.link || location.hash;
}

/** Build the strip that a tour is told in. */
export function mountTours(parent) {
  listen((changed) => {
    if (!["tour", "picture", "network"].some((key) => changed.has(key))) return;
    const [number, index] = (state.tour || "").split(".").map(Number), steps = number ? stepsOf(number) : [], step = steps[index - 1];
    parent.hidden = !step;
    if (!step) return;
    const lessons = element("select", { "aria-label": "Lesson", onchange: () => (location.hash = stepsOf(Number(lessons.value))[0].link) }, ...TOURS.map((tour, at) => element("option", { value: at + 1, selected: at + 1 === number }, `${at + 1}. ${tour.title}`)));
    const to = (name, other) => (other ? element("a.button", { href: other.link }, name) : element("span.button", { "aria-hidden": "true" }, name));
    const told = element("p", { lang: TOURS[number - 1].language || "en" }, element("strong", {}, `${step.title}. `), step.words);
    fill(parent, lessons, to("Back", steps[index - 2]), element("span", {}, `${index} of ${steps.length}`), to("Next", steps[index]), element("button", { onclick: toggleTour }, "End the tour"), told);
  });
}

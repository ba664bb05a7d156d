// What the page's words mean, in a sentence each: said on hover wherever the word or its number stands.

/** @type {Object<string, string>} */
export const DEFINITIONS = {
  channel: "Channel: one filter's answer at every position of a layer, a small map. The channels of a layer are numbered from 0.",
  unit: "Unit: one channel of one layer, written layer:channel. As layer:channel@row,column it is one neuron: that channel at one position.",
  position: "Position (row, column): a place of a layer's maps, counted from 0 at the top left. Each stands for a part of the picture, the dashed box.",
  answer: "Answer, or activation: the number that the network computes there. It has no unit; 0 is no answer after a ReLU, and a larger one is more of what the channel looks for.",
  probability: "Probability of a class, as the network says it: its own confidence, in percent, not how often it is right.",
  wanted: "A picture made from noise, step by step, so that the unit answers as much as it can. The caption says how much it answers to it.",
  examples: "Real pictures of the folder that was measured, by how much they make the unit answer.",
  quantile: "Of the highest answer in each photograph: so many percent of the photographs stay below this number.",
  histogram: "How many of the photographs have their highest answer in each range, from the lowest to the highest.",
  strength: "Strength: the sum of the kernel's weights from the one unit to the other. Above 0 it excites, below 0 it inhibits. The small map is the kernel.",
  filter: "Filter: the weights that the unit multiplies the picture with, as a picture of its own. Gray is 0.",
  intervene: "What the unit answers is multiplied, or set, while all else is computed as before: what the network says follows.",
  effect: "A class' score, before it becomes a probability, with the unit as it is, less the score when it answers 0 everywhere.",
  arithmetic: "How one number of the unit comes about: what it reads times its weights, summed, plus the bias.",
  evidence: "Where the picture speaks for, or against, what is explained; each method defines it in its own way.",
};

/** Let an element say on hover what its word means; the style sheet shows that it does. */
export function defined(made, term) {
  made.title = DEFINITIONS[term];
  made.dataset.term = term;
  return made;
}

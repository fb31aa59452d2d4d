// Answers like the service of fusionser, from the model in this folder: audio never leaves the computer.
import { fileRates } from "./file_rate.js";
import { resampler } from "./resampling.js";
import { cut } from "./windows.js";

export const privacy = "Recordings do not leave this computer: the model runs in this browser.";
export const setKey = () => {};

const WINDOW = 3, HOP = 0.5, PART_SECONDS = 2;
const LEAST_SPEECH = 0.1; // share of a window
const MOST_UNLIKE = 0.99;
let described, worker, broken, count = 0;
const waiting = new Map();

export class Problem extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export async function model() {
  described = await (await fetch("page/model.json")).json();
  worker = new Worker("page/worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    const { resolve, reject } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) reject(new Problem(0, data.error));
    else resolve(data.answer);
  };
  worker.onerror = (event) => {
    broken = new Problem(0, `The model cannot run in this browser (${event.message || "its program cannot be loaded"}).`);
    for (const { reject } of waiting.values()) reject(broken);
    waiting.clear();
  };
  return described;
}

// The share of speech, the probability of each class, and how unlike the training recordings samples at any rate are.
export function answer(samples, rate) {
  return new Promise((resolve, reject) => {
    if (broken) return reject(broken);
    waiting.set(++count, { resolve, reject });
    worker.postMessage({ id: count, samples, rate, model: described.waveform, least: LEAST_SPEECH });
  });
}

// Windows are cut at the rate of the recording, as fusionser does, unless all is computed at one rate.
const windowRate = (own) => described.analysis_rate ?? own;

async function answered({ start, end, samples }, rate) {
  const { speech, probabilities: shares, place, unlikeness } = await answer(samples, rate);
  const window = { start, end, speech, error: null, unlike: null, unlikeness };
  if (!shares) return { ...window, emotion: "no speech", probabilities: null };
  if (unlikeness > MOST_UNLIKE) window.unlike = "unlike the recordings that the model was trained on";
  const named = Object.fromEntries(described.card.classes.map((name, place) => [name, shares[place]]));
  const flat = Object.fromEntries(Object.entries(named).map(([name, share]) => [`probability_${name}`, share]));
  return { ...window, emotion: described.card.classes[place], probabilities: named, ...flat };
}

function mono(audio) {
  const mean = new Float32Array(audio.length);
  for (let channel = 0; channel < audio.numberOfChannels; channel++)
    audio.getChannelData(channel).forEach((sample, place) => { mean[place] += sample / audio.numberOfChannels; });
  return mean;
}

// The answers over time; `heard` gets the seconds that are done and all seconds, and returns whether to go on.
export async function timeline(recording, heard) {
  const content = await recording.arrayBuffer();
  // The browser's own change of the rate gives other numbers, so it decodes at that of the file.
  const { decoded, recorded } = fileRates(content);
  const audio = await new OfflineAudioContext(1, 1, decoded).decodeAudioData(content).catch(() => {
    throw new Problem(422, "This is not readable as audio in this browser; convert it to WAV.");
  });
  const rate = windowRate(recorded), windows = [];
  for (const window of windowsOf(mono(audio), decoded, recorded, rate)) {
    windows.push(await answered(window, rate));
    if (!heard(window.end, audio.duration)) break;
  }
  return { seconds: audio.duration, windows, summary: summary(windows), of: "the windows with speech" };
}

// The windows of a recording, which is resampled part by part, so that the page stays responsive.
function* windowsOf(samples, decoded, recorded, rate) {
  const first = resampler(decoded, recorded), second = resampler(recorded, rate), cutter = cut(rate, WINDOW, HOP);
  for (let start = 0; start < samples.length; start += PART_SECONDS * decoded)
    yield* cutter.feed(second.feed(first.feed(samples.subarray(start, start + PART_SECONDS * decoded))));
  yield* cutter.feed(second.feed(first.finish()));
  yield* cutter.feed(second.finish());
  yield* cutter.finish();
}

// How much of the windows has each emotion, the most frequent first.
function summary(windows) {
  const heard = windows.filter((one) => one.probabilities);
  const found = new Map();
  for (const { emotion, probabilities } of heard) found.set(emotion, [...(found.get(emotion) || []), probabilities[emotion]]);
  return [...found]
    .map(([emotion, sure]) => ({ emotion, share: sure.length / heard.length, probability: sure.reduce((sum, one) => sum + one) / sure.length }))
    .sort((one, two) => two.share - one.share);
}

export function stream(own, told, ended) {
  const rate = windowRate(own), cutter = cut(rate, WINDOW, HOP), changing = resampler(own, rate);
  let last = Promise.resolve();
  const answer = (windows) => {
    for (const window of windows) last = last.then(async () => told([await answered(window, rate)]));
    last = last.catch((problem) => ended(problem.message));
  };
  return {
    send: (samples) => answer(cutter.feed(changing.feed(samples))),
    end: () => {
      answer([...cutter.feed(changing.finish()), ...cutter.finish()]);
      last.then(() => ended(""));
    },
  };
}

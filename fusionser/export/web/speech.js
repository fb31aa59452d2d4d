// Where there is speech, as fusionser finds it: frames whose level and periodicity are those of a voice.
import { autocorrelation, powerSpectrum } from "./fourier.js";
import { resample } from "./resampling.js";
import { percentile, share, sum } from "./statistics.js";

const RATE = 8000, FRAME = 320, HOP = 160, SIZE = 1024, FRAME_SECONDS = 0.02, SILENCE = 1e-4;
const LAGS = Math.floor(RATE / 60) + 2, SHORTEST_LAG = RATE / 500;
const LOWEST_BAND = 80, HIGHEST_BAND = 1200;
const PERIODIC = 0.55, OCTAVE_COST = 0.12, RANGE = 35, LOWEST_LEVEL = -80, STEADY = 3, STEADY_SEMITONES = 0.6;
const SHORTEST_VOICE = 3, NEIGHBOURHOOD = 10;

const WINDOW = Float64Array.from({ length: FRAME }, (_, place) => Math.fround(0.5 - 0.5 * Math.cos((2 * Math.PI * place) / (FRAME - 1))));
const ENERGY = sum(WINDOW.map((value) => value ** 2));
const ofWindow = (() => {
  const own = autocorrelation(powerSpectrum(WINDOW, SIZE));
  return own.map((value) => value / own[0]);
})();
const bin = (frequency) => (frequency * SIZE) / RATE;

function analysed(frame) {
  const power = powerSpectrum(frame, SIZE);
  const level = 10 * Math.log10((sum(power.subarray(Math.ceil(bin(LOWEST_BAND)))) * 2) / SIZE / ENERGY + 1e-12);
  const band = new Float64Array(power.length);
  for (let place = Math.ceil(bin(LOWEST_BAND)); place <= bin(HIGHEST_BAND); place++) band[place] = (power[place] * place) / bin(HIGHEST_BAND);
  const correlation = autocorrelation(band), at = (lag) => correlation[lag] / Math.max(correlation[0], 1e-20) / ofWindow[lag];
  let best = -1, lagOfBest = SHORTEST_LAG;
  for (let lag = SHORTEST_LAG; lag < LAGS - 1; lag++) {
    const here = at(lag), height = here - OCTAVE_COST * Math.log2(lag);
    if (here > at(lag - 1) && here >= at(lag + 1) && height > best) [best, lagOfBest] = [height, lag];
  }
  return { level, periodicity: best + OCTAVE_COST * Math.log2(lagOfBest), pitch: RATE / lagOfBest };
}

function isSteady(voiced, of) {
  const between = (values, low, high) => percentile(values, high) - percentile(values, low);
  const levels = voiced.map((one) => one.level), semitones = voiced.map((one) => 12 * Math.log2(one.pitch));
  return voiced.length / of > 0.7 && between(levels, 10, 90) < STEADY && between(semitones, 20, 80) < STEADY_SEMITONES;
}

// Mark what has enough neighbours of its kind in a row, and what is close to such.
function widened(voiced) {
  const marked = new Array(voiced.length).fill(false);
  for (let first = 0; first + SHORTEST_VOICE <= voiced.length; first++) {
    if (!voiced.slice(first, first + SHORTEST_VOICE).every(Boolean)) continue;
    marked.fill(true, Math.max(first - NEIGHBOURHOOD, 0), first + SHORTEST_VOICE + NEIGHBOURHOOD);
  }
  return marked;
}

function framed(samples, start) {
  const frame = new Float64Array(FRAME);
  for (let place = Math.max(0, -start); place < Math.min(FRAME, samples.length - start); place++) frame[place] = samples[start + place] * WINDOW[place];
  return frame;
}

// The share of a window in which there is speech.
export function speechShare(samples, rate) {
  const count = Math.max(Math.ceil(samples.length / rate / FRAME_SECONDS - 1e-9), 1);
  if (!samples.some((sample) => Math.abs(sample) >= SILENCE)) return 0;
  const heard = resample(samples, rate, RATE), before = (FRAME - HOP) / 2;
  const frames = Array.from({ length: count }, (_, frame) => analysed(framed(heard, frame * HOP - before)));
  const loud = percentile(frames.map((frame) => frame.level), 95);
  const isVoiced = (one) => one.periodicity >= PERIODIC && one.level >= loud - RANGE && one.level > LOWEST_LEVEL;
  const voiced = frames.filter(isVoiced);
  if (!voiced.length || isSteady(voiced, count)) return 0;
  return share(widened(frames.map(isVoiced)));
}

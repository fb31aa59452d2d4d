// Voicing of a clip at 16 kHz relative to its own level and noise, as the block "prosody" of fusionser finds it.
import { autocorrelation, frames, hann, powerSpectrum } from "./fourier.js";
import { mean, percentile, sum } from "./statistics.js";

const RATE = 16000, HOP = 160, LOWEST = 100, HIGHEST = 3700;
const BANDS = { size: 512, window: hann(400) }, PITCH = { size: 1024, window: hann(1024) };
const FLOOR = 10 ** -2, SHORTEST = 20, LOUD = 97;
const CANDIDATES = 4, VOICING = 0.45, SILENCE = 0.03, OCTAVE = 0.01, JUMP = 0.35, CHANGE = 0.14;
const MIN = 60, SHORTEST_LAG = Math.floor(RATE / 600), LAGS = Math.ceil(RATE / MIN) + 2;

export const bandSpectra = (samples) => frames(samples, BANDS.window, BANDS.size, HOP);

// The power of the frequencies that a telephone transmits too.
function used(spectra, size) {
  const count = Math.floor((HIGHEST * size) / RATE) + 1;
  const weights = Float64Array.from({ length: count }, (_, bin) => {
    const ratio = ((bin * RATE) / size / LOWEST) ** 8;
    return ratio / (ratio + 1);
  });
  return spectra.map((spectrum) => {
    const weighted = spectrum.slice(0, count);
    for (let bin = 0; bin < count; bin++) weighted[bin] *= weights[bin];
    return weighted;
  });
}

function withoutNoise(spectra, least) {
  const energy = spectra.map(sum);
  const count = Math.min(Math.max(3, Math.floor(0.1 * energy.length)), energy.length);
  const quietest = [...energy.keys()].sort((one, two) => energy[one] - energy[two]).slice(0, count);
  let noise = new Float64Array(spectra[0].length);
  for (const frame of quietest) for (let bin = 0; bin < noise.length; bin++) noise[bin] += spectra[frame][bin] / count;
  const largest = 0.1 * percentile(energy, LOUD), total = sum(noise);
  if (total > largest) noise = noise.map((power) => (power * largest) / total);
  return spectra.map((spectrum) => {
    const rest = new Float64Array(noise.length);
    for (let bin = 0; bin < rest.length; bin++) rest[bin] = Math.max(spectrum[bin] - 2 * noise[bin], least * noise[bin]);
    return rest;
  });
}

function activeFrames(spectra) {
  const energy = withoutNoise(used(spectra, BANDS.size), 0).map(sum);
  const top = percentile(energy, LOUD) || Math.max(...energy) || 1;
  const active = energy.map((value) => value > FLOOR * top);
  const first = active.indexOf(true), last = active.lastIndexOf(true);
  return first < 0 || last + 1 - first < SHORTEST ? { active, first: 0, end: active.length } : { active, first, end: last + 1 };
}

const ofWindow = (() => {
  const own = autocorrelation(powerSpectrum(PITCH.window, PITCH.size));
  return own.map((value) => value / own[0]);
})();

// The best peaks of a frame's autocorrelation: their frequency, height, and strength, which favours high frequencies.
function peaksOf(power) {
  const without = Float64Array.from(new Float32Array(power));
  without[0] = without[1] = 0;
  const correlation = autocorrelation(without), energy = correlation[0] > 0 ? correlation[0] : 1;
  for (let lag = SHORTEST_LAG - 1; lag < LAGS; lag++) correlation[lag] /= energy * ofWindow[lag];
  const found = [];
  for (let lag = SHORTEST_LAG; lag < LAGS - 1; lag++) {
    const before = correlation[lag - 1], here = correlation[lag], after = correlation[lag + 1];
    if (!(here > before && here >= after && here > 0)) continue;
    const shift = (0.5 * (before - after)) / (before - 2 * here + after), height = here - 0.25 * (before - after) * shift;
    const strength = height - OCTAVE * Math.log2((MIN * (lag + shift)) / RATE);
    found.push({ frequency: RATE / (lag + shift), height: Math.min(height, 1), strength });
  }
  return found.sort((one, two) => two.strength - one.strength).slice(0, CANDIDATES);
}

// The cheapest path through the candidates of all frames; the last candidate of each is "unvoiced", without a frequency.
function pathOf(candidates) {
  const cost = (one, two) => {
    if (!one.frequency || !two.frequency) return one.frequency || two.frequency ? CHANGE : 0;
    return JUMP * Math.abs(Math.log2(one.frequency) - Math.log2(two.frequency));
  };
  let scores = candidates[0].map((one) => one.strength);
  const back = candidates.slice(1).map((now, frame) => {
    const from = now.map((one) => {
      const reached = candidates[frame].map((before, place) => scores[place] - cost(before, one));
      return reached.indexOf(Math.max(...reached));
    });
    scores = now.map((one, place) => scores[from[place]] - cost(candidates[frame][from[place]], one) + one.strength);
    return from;
  });
  const path = [scores.indexOf(Math.max(...scores))];
  for (const from of back.reverse()) path.push(from[path[path.length - 1]]);
  return path.reverse();
}

// Whether each frame has a pitch, and the height of its highest peak.
function pitchOf(samples) {
  const spectra = used(frames(samples, PITCH.window, PITCH.size, HOP), PITCH.size);
  const least = 1e-14 * Math.max(...spectra.map((spectrum) => Math.max(...spectrum)));
  const cleaned = withoutNoise(spectra, 1e-3).map((spectrum) => {
    const power = new Float64Array(PITCH.size / 2 + 1).fill(least);
    for (let bin = 0; bin < spectrum.length; bin++) power[bin] += spectrum[bin];
    return power;
  });
  const loudness = cleaned.map((power) => Math.sqrt(sum(power))), loudest = Math.max(...loudness);
  const peaks = cleaned.map(peaksOf);
  const candidates = peaks.map((found, frame) => {
    const quiet = Math.max(0, 2 - loudness[frame] / loudest / (SILENCE / (1 + VOICING)));
    return [...found, { frequency: 0, strength: VOICING + quiet }];
  });
  const path = pathOf(candidates);
  return peaks.map((found, frame) => ({
    voiced: candidates[frame][path[frame]].frequency > 0,
    strength: Math.max(0, ...found.map((one) => one.height)),
  }));
}

// Share of voiced frames, and their mean ratio of harmonics to noise in decibels.
export function voicing(samples, spectra) {
  const { active, first, end } = activeFrames(spectra), pitch = pitchOf(samples);
  const strengths = [];
  for (let frame = first; frame < end; frame++) if (active[frame] && pitch[frame].voiced) strengths.push(pitch[frame].strength);
  const ratios = strengths.map((strength) => Math.min(Math.max(strength, 1e-3), 1 - 1e-3)).map((part) => 10 * Math.log10(part / (1 - part)));
  return { share: ratios.length / (end - first), harmonics: ratios.length ? mean(ratios) : 0 };
}

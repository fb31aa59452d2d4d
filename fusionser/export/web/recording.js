// What a clip tells of its recording: the columns of the block "recording" of fusionser.
import { decibels, deviation, mean, meanOf, percentile, share, sum } from "./statistics.js";
import { hann } from "./fourier.js";
import { resample } from "./resampling.js";
import { bandSpectra, voicing } from "./voice.js";

const RATE = 16000, SIZE = 512, HOP = 0.01;
const EDGES = [0, 80, 150, 250, 400, 630, 1000, 1500, 2100, 2900, 3700, 4800, 6200, 8000];
const LOWEST_LEVEL = -120, LOWEST_BAND = -70, LOUDEST = 95, QUIETEST = 10, SPEECH = 20, PAUSE = 35;
const EDGE_OF_BAND = 50, SMOOTHED = 5, ENDS = 2, RAREST = 1e-3, CLIPPED = 0.999;
const SYLLABLES = [2, 8], MODULATIONS = [0.5, 32];
const FULL_SCALE = (SIZE * sum(hann(400).map((value) => value ** 2))) / 2;

// The largest sample, and the shares of samples that are clipped, and that are zero.
function levelsOf(samples) {
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  const limit = Math.fround(CLIPPED * peak);
  let clipped = 0, zeros = 0;
  for (let place = 0; place < samples.length; place++) {
    const before = samples[place - 1], here = samples[place];
    if ((here > limit && before > limit) || (here < -limit && before < -limit)) clipped++;
    if (here === 0) zeros++;
  }
  return { peak, clipped: clipped / samples.length, zeros: zeros / samples.length };
}

function bandwidth(spectrum) {
  const reach = (SMOOTHED - 1) / 2;
  const smooth = spectrum.map((_, bin) => sum(spectrum.slice(Math.max(bin - reach, 0), bin + reach + 1)) / SMOOTHED);
  const levels = smooth.map((power) => decibels(power, 2 * LOWEST_LEVEL)), highest = Math.max(...levels);
  const strong = levels.findLastIndex((level) => level > highest - EDGE_OF_BAND);
  return highest > 2 * LOWEST_LEVEL ? (strong * RATE) / SIZE : 0;
}

const bandsOf = (spectrum) => EDGES.slice(1).map((high, band) => {
  const [first, end] = [EDGES[band], high].map((limit) => Math.ceil((limit * SIZE) / RATE));
  return sum(spectrum.slice(first, end));
});

function relativeBands(spectrum) {
  const bands = bandsOf(spectrum), whole = sum(bands) || 1;
  return bands.map((power) => decibels(power / whole, LOWEST_BAND));
}

function spreads(spectra) {
  const bands = spectra.map(bandsOf), whole = mean(bands.map(sum)) || 1;
  return EDGES.slice(1).map((_, band) => deviation(bands.map((frame) => decibels(frame[band] / whole, LOWEST_BAND))));
}

function flatness(spectrum) {
  const whole = mean(spectrum) || 1;
  return mean(spectrum.map((power) => decibels(power / whole, LOWEST_BAND)));
}

function fastLength(least) {
  for (let size = least; ; size++) {
    let rest = size;
    for (const factor of [2, 3, 5, 7, 11]) while (rest % factor === 0) rest /= factor;
    if (rest === 1) return size;
  }
}

// The share of the modulations of the level that have the rate of syllables.
function syllables(levels) {
  const least = Math.max(...levels) - PAUSE, limited = levels.map((level) => Math.max(level, least)), middle = mean(limited);
  const count = levels.length, size = Math.max(256, fastLength(count));
  const varied = limited.map((level, place) => (level - middle) * (0.5 - 0.5 * Math.cos((2 * Math.PI * (place + 1)) / (count + 1))));
  let part = 0, whole = 0;
  for (let bin = 0; bin <= size / 2; bin++) {
    const rate = bin / (size * HOP);
    if (!(rate >= MODULATIONS[0] && rate < MODULATIONS[1])) continue;
    let real = 0, imaginary = 0;
    varied.forEach((value, place) => {
      real += value * Math.cos((2 * Math.PI * bin * place) / size);
      imaginary += value * Math.sin((2 * Math.PI * bin * place) / size);
    });
    const power = real ** 2 + imaginary ** 2;
    whole += power;
    if (rate >= SYLLABLES[0] && rate < SYLLABLES[1]) part += power;
  }
  return whole > 1e-9 ? part / whole : 0;
}

export function describe(samples, rate) {
  const { peak, clipped, zeros } = levelsOf(samples), seconds = samples.length / rate;
  const heard = resample(samples, rate, RATE), spectra = bandSpectra(heard);
  const whole = spectra.length > 4 * ENDS ? spectra.slice(ENDS, -ENDS) : spectra;
  const power = whole.map((spectrum) => spectrum.map((value) => value / FULL_SCALE));
  const energy = power.map(sum), levels = energy.map((value) => decibels(value, LOWEST_LEVEL));
  const top = percentile(levels, LOUDEST), quiet = percentile(levels, QUIETEST);
  const isSpeech = (_, frame) => levels[frame] >= top - SPEECH, isNoise = (_, frame) => levels[frame] <= quiet;
  const speech = power.filter(isSpeech), meanSpeech = meanOf(speech), meanNoise = meanOf(power.filter(isNoise));
  const loud = decibels(mean(energy.filter(isSpeech)), LOWEST_LEVEL), low = decibels(mean(energy.filter(isNoise)), LOWEST_LEVEL);
  const voice = voicing(heard, spectra);
  return [
    loud, low, loud - low, decibels(peak ** 2, LOWEST_LEVEL) - loud, bandwidth(meanSpeech),
    ...relativeBands(meanSpeech), ...relativeBands(meanNoise), ...spreads(speech),
    Math.log10(clipped + RAREST), Math.log10(zeros + RAREST), share(levels.map((level) => level < top - PAUSE)),
    flatness(meanSpeech), flatness(meanNoise), voice.share, voice.harmonics, syllables(levels),
    deviation(levels.map((level) => Math.max(level, top - PAUSE))), Math.log10(seconds),
  ];
}

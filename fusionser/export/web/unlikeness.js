// How unlike the training recordings a clip is: the share of recordings of unseen speakers that are less unlike.
import { describe } from "./recording.js";
import { sum } from "./statistics.js";

const SILENCE = 1e-4, SHORTEST = 0.1;

export function unlikenessOf(samples, rate, known) {
  const range = samples.reduce(([low, high], sample) => [Math.min(low, sample), Math.max(high, sample)], [Infinity, -Infinity]);
  if ((range[1] - range[0]) / 2 < SILENCE || samples.length / rate <= SHORTEST) return null;
  return score(describe(samples, rate), known);
}

export function score(columns, { center, scale, location, precision, limit, distances }) {
  const about = columns.map((value, place) => limit * Math.tanh((value - center[place]) / scale[place] / limit) - location[place]);
  const square = sum(precision.map((row, place) => about[place] * sum(row.map((weight, other) => weight * about[other]))));
  const distance = Math.sqrt(Math.max(square, 0)), count = distances.length, furthest = distances[count - 1];
  if (distance > furthest) return 1 - furthest / distance / (count + 1);
  return distances.filter((other) => other < distance).length / (count + 1);
}

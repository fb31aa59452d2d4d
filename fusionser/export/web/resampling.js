// Change the sampling rate by a sinc in a Kaiser window, whose values are those of soxr's high quality: within 1e-7 of the
// largest for whole ratios, and within 1e-4 for others, for which soxr has two filters.
const CUTOFF = 0.95686, WHOLE = { beta: 13.0401, zeros: 97.2501 }, FRACTIONAL = { beta: 15.9608, zeros: 110.4527 };

function bessel(x) {
  let total = 1, term = 1;
  for (let order = 1; term > 1e-12 * total; order++) total += term *= (x / (2 * order)) ** 2;
  return total;
}

const divisor = (one, two) => (two ? divisor(two, one % two) : one);
const filters = new Map();

// One filter for each place between two input samples that an output sample can have.
function filtersOf(from, to) {
  const key = `${from} ${to}`;
  if (filters.has(key)) return filters.get(key);
  const { beta, zeros } = Math.max(from, to) % Math.min(from, to) ? FRACTIONAL : WHOLE;
  const scale = Math.min(1, to / from), cutoff = scale * CUTOFF, width = zeros / scale, half = Math.ceil(width);
  const phases = to / divisor(from, to);
  const made = Array.from({ length: phases }, (_, phase) => Float64Array.from({ length: 2 * half }, (_, tap) => {
    const distance = tap - half + 1 - phase / phases, inside = 1 - (distance / width) ** 2, angle = Math.PI * cutoff * distance;
    if (inside <= 0) return 0;
    return cutoff * (angle ? Math.sin(angle) / angle : 1) * (bessel(beta * Math.sqrt(inside)) / bessel(beta));
  }));
  filters.set(key, { made, half, phases });
  return filters.get(key);
}

// Resample samples that arrive piece by piece; the result does not depend on the pieces.
export function resampler(from, to) {
  if (from === to) return { feed: (piece) => piece, finish: () => new Float32Array(0) };
  const { made, half, phases } = filtersOf(from, to), step = from / divisor(from, to);
  let kept = new Float32Array(0), first = 0, heard = 0, output = 0;
  const changed = (count) => {
    const samples = new Float32Array(count - output);
    for (let place = 0; place < samples.length; place++, output++) {
      const start = Math.floor((output * step) / phases) - half + 1 - first, filter = made[(output * step) % phases];
      let total = 0;
      for (let tap = Math.max(0, -start); tap < Math.min(2 * half, kept.length - start); tap++) total += filter[tap] * kept[start + tap];
      samples[place] = total;
    }
    return samples;
  };
  return {
    feed(piece) {
      const begin = Math.min(Math.max(0, Math.floor((output * step) / phases) - half + 1 - first), kept.length);
      const joined = new Float32Array(kept.length - begin + piece.length);
      joined.set(kept.subarray(begin));
      joined.set(piece, kept.length - begin);
      [kept, first, heard] = [joined, first + begin, heard + piece.length];
      // An output sample needs half a filter of input behind it.
      return changed(Math.max(output, Math.floor(((heard - half - 1) * phases) / step)));
    },
    finish: () => changed(Math.max(output, Math.round((heard * to) / from))),
  };
}

export function resample(samples, from, to) {
  if (from === to) return samples;
  const made = resampler(from, to), before = made.feed(samples), rest = made.finish();
  const changed = new Float32Array(before.length + rest.length);
  changed.set(before);
  changed.set(rest, before.length);
  return changed;
}

// Change the sampling rate by a windowed sinc that passes nine tenths of the lower band, and 120 dB less beyond it.
const PASSED = 0.913, BETA = 12.3, ZEROS = 90;

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
  const scale = Math.min(1, to / from), cutoff = (scale * (1 + PASSED)) / 2, half = Math.ceil(ZEROS / scale);
  const phases = to / divisor(from, to);
  const made = Array.from({ length: phases }, (_, phase) => Float64Array.from({ length: 2 * half }, (_, tap) => {
    const distance = tap - half + 1 - phase / phases, inside = 1 - (distance / half) ** 2, angle = Math.PI * cutoff * distance;
    if (inside <= 0) return 0;
    return cutoff * (angle ? Math.sin(angle) / angle : 1) * (bessel(BETA * Math.sqrt(inside)) / bessel(BETA));
  }));
  filters.set(key, { made, half, phases });
  return filters.get(key);
}

export function resample(samples, from, to) {
  if (from === to) return samples;
  const { made, half, phases } = filtersOf(from, to), step = from / divisor(from, to);
  const changed = new Float32Array(Math.round((samples.length * to) / from));
  for (let output = 0; output < changed.length; output++) {
    const place = output * step, first = Math.floor(place / phases) - half + 1, filter = made[place % phases];
    let total = 0;
    for (let tap = Math.max(0, -first); tap < Math.min(2 * half, samples.length - first); tap++) total += filter[tap] * samples[first + tap];
    changed[output] = total;
  }
  return changed;
}

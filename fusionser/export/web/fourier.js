// Fourier transforms of real numbers whose count is a power of two.
const tables = new Map();

function table(size) {
  if (!tables.has(size)) {
    const reversed = new Uint32Array(size), cosines = new Float64Array(size / 2), sines = new Float64Array(size / 2);
    for (let place = 1; place < size; place++) reversed[place] = (reversed[place >> 1] >> 1) | (place & 1 ? size >> 1 : 0);
    for (let place = 0; place < size / 2; place++) {
      cosines[place] = Math.cos((2 * Math.PI * place) / size);
      sines[place] = -Math.sin((2 * Math.PI * place) / size);
    }
    tables.set(size, { reversed, cosines, sines });
  }
  return tables.get(size);
}

// Transform in place the complex numbers whose real and imaginary parts are given.
function transform(real, imaginary) {
  const size = real.length, { reversed, cosines, sines } = table(size);
  for (let place = 0; place < size; place++) {
    const other = reversed[place];
    if (other <= place) continue;
    const a = real[place], b = imaginary[place];
    real[place] = real[other];
    imaginary[place] = imaginary[other];
    real[other] = a;
    imaginary[other] = b;
  }
  for (let half = 1; half < size; half *= 2) {
    const step = size / (2 * half);
    for (let first = 0; first < size; first += 2 * half) {
      for (let place = 0; place < half; place++) {
        const one = first + place, two = one + half, cosine = cosines[place * step], sine = sines[place * step];
        const a = real[two] * cosine - imaginary[two] * sine, b = real[two] * sine + imaginary[two] * cosine;
        real[two] = real[one] - a;
        imaginary[two] = imaginary[one] - b;
        real[one] += a;
        imaginary[one] += b;
      }
    }
  }
}

// The power of the frequencies from 0 to half the rate, of samples that are followed by zeros up to a size.
export function powerSpectrum(samples, size) {
  const real = new Float64Array(size), imaginary = new Float64Array(size), power = new Float64Array(size / 2 + 1);
  real.set(samples);
  transform(real, imaginary);
  for (let bin = 0; bin < power.length; bin++) power[bin] = real[bin] * real[bin] + imaginary[bin] * imaginary[bin];
  return power;
}

// The autocorrelation, from lag 0 to half the size, of samples with the given power spectrum.
export function autocorrelation(power) {
  const size = 2 * (power.length - 1), real = new Float64Array(size), imaginary = new Float64Array(size);
  real.set(power);
  for (let bin = 1; bin < size / 2; bin++) real[size - bin] = power[bin];
  transform(real, imaginary);
  for (let lag = 0; lag < power.length; lag++) real[lag] /= size;
  return real.subarray(0, power.length);
}

// The power spectra of frames whose middles are a hop apart, the first at the first sample, with zeros beyond the ends.
export function frames(samples, window, size, hop) {
  const before = size / 2 - (size - window.length) / 2;
  return Array.from({ length: Math.floor(samples.length / hop) + 1 }, (_, frame) => {
    const start = frame * hop - before, shift = (size - window.length) / 2, part = new Float64Array(size);
    const end = Math.min(window.length, samples.length - start);
    for (let place = Math.max(0, -start); place < end; place++) part[shift + place] = Math.fround(samples[start + place] * window[place]);
    return powerSpectrum(part, size);
  });
}

// A Hann window of frames that overlap.
export const hann = (length) => Float64Array.from({ length }, (_, place) => Math.fround(0.5 - 0.5 * Math.cos((2 * Math.PI * place) / length)));

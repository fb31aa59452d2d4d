// The pictures: probabilities over time, waveform, and spectrogram, on one time axis.
const COLOURS = ["#d55e00", "#0072b2", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#8c6d31", "#6b4fa0", "#7f7f7f"];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2], [1, 2], [12, 4], [6, 2, 2, 2], [3, 5]];
const FRAME = 512;

export const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
export const colour = (place) => COLOURS[place % COLOURS.length];

function prepared(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  return { pen, width, height };
}

const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

// Seconds from the left to the right edge.
export const spanOf = (seconds) => Math.max(10, seconds);

function axis(pen, width, height, span) {
  pen.strokeStyle = styled("--line");
  pen.fillStyle = styled("--quiet");
  pen.font = "12px system-ui, sans-serif";
  pen.lineWidth = 1;
  const step = [1, 2, 5, 10, 30, 60, 300, 600].find((one) => (span / one) * 44 < width) || 1200;
  for (let at = step; at < span; at += step) {
    const x = (at / span) * width;
    pen.beginPath();
    pen.moveTo(x, 0);
    pen.lineTo(x, height);
    pen.stroke();
    pen.fillText(`${at} s`, x + 3, height - 4);
  }
}

// A short line in the colour and the dashes of a class.
export function drawSample(canvas, place) {
  const { pen, width, height } = prepared(canvas);
  pen.strokeStyle = colour(place);
  pen.lineWidth = 2.5;
  pen.setLineDash(DASHES[place % DASHES.length]);
  pen.beginPath();
  pen.moveTo(0, height / 2);
  pen.lineTo(width, height / 2);
  pen.stroke();
}

export function drawProbabilities(canvas, windows, classes, seconds, cursor) {
  const { pen, width, height } = prepared(canvas);
  const span = spanOf(seconds);
  axis(pen, width, height, span);
  const y = (share) => height - 18 - share * (height - 26);
  for (const share of [0, 0.5, 1]) {
    pen.fillStyle = styled("--quiet");
    pen.fillText(`${100 * share} %`, 3, share === 1 ? y(share) + 13 : y(share) - 3);
    pen.beginPath();
    pen.moveTo(0, y(share));
    pen.lineTo(width, y(share));
    pen.stroke();
  }
  classes.forEach((name, place) => {
    pen.strokeStyle = colour(place);
    pen.lineWidth = 2.2;
    pen.setLineDash(DASHES[place % DASHES.length]);
    pen.beginPath();
    let open = false;
    for (const one of windows) {
      if (!one.probabilities) {
        open = false;
        continue;
      }
      const x = ((one.start + one.end) / 2 / span) * width;
      if (open) pen.lineTo(x, y(one.probabilities[name]));
      else pen.moveTo(x, y(one.probabilities[name]));
      if (!open && windows.length === 1) pen.lineTo(x + 6, y(one.probabilities[name]));
      open = true;
    }
    pen.stroke();
  });
  pen.setLineDash([]);
  drawCursor(pen, width, height, span, cursor);
}

function drawCursor(pen, width, height, span, cursor) {
  if (cursor === null) return;
  pen.strokeStyle = styled("--accent");
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo((cursor / span) * width, 0);
  pen.lineTo((cursor / span) * width, height);
  pen.stroke();
}

export function drawWaveform(canvas, samples, rate, cursor) {
  const { pen, width, height } = prepared(canvas);
  const span = spanOf(samples.length / rate);
  const columns = Math.floor(width);
  const each = (span * rate) / columns;
  pen.fillStyle = styled("--accent");
  for (let column = 0; column < columns; column++) {
    let low = 1, high = -1;
    const last = Math.min(samples.length, Math.floor((column + 1) * each));
    const step = Math.max(1, Math.floor(each / 64));
    for (let place = Math.floor(column * each); place < last; place += step) {
      low = Math.min(low, samples[place]);
      high = Math.max(high, samples[place]);
    }
    if (high < low) break;
    const top = (height / 2) * (1 - Math.min(1, high * 1.5));
    pen.fillRect(column, top, 1, Math.max(1, (height / 2) * (1 - Math.max(-1, low * 1.5)) - top));
  }
  drawCursor(pen, width, height, span, cursor);
}

export function drawSpectrogram(canvas, samples, rate) {
  const { pen, width, height } = prepared(canvas);
  const span = spanOf(samples.length / rate);
  const columns = Math.min(600, Math.floor(width));
  const bins = Math.min(FRAME / 2, Math.floor((8000 / rate) * FRAME));
  const image = pen.createImageData(columns, bins);
  const night = dark();
  for (let column = 0; column < columns; column++) {
    const centre = Math.floor(((column + 0.5) / columns) * span * rate);
    if (centre > samples.length) break;
    const levels = spectrum(samples, centre - FRAME / 2);
    for (let bin = 0; bin < bins; bin++) {
      const shade = Math.min(1, Math.max(0, (levels[bin] + 75) / 70));
      const at = 4 * ((bins - 1 - bin) * columns + column);
      const [from, to] = night ? [[18, 23, 30], [200, 225, 255]] : [[255, 255, 255], [16, 34, 70]];
      image.data.set([...from.map((value, part) => value + (to[part] - value) * shade), 255], at);
    }
  }
  const buffer = document.createElement("canvas");
  buffer.width = columns;
  buffer.height = bins;
  buffer.getContext("2d").putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(buffer, 0, 0, width, height);
}

const HANN = Float32Array.from({ length: FRAME }, (_, place) => 0.5 - 0.5 * Math.cos((2 * Math.PI * place) / FRAME));

// Level of each frequency in dB, by a radix-2 transform.
function spectrum(samples, first) {
  const real = new Float32Array(FRAME), imaginary = new Float32Array(FRAME);
  for (let place = 0; place < FRAME; place++) {
    let reversed = 0;
    for (let bit = 1, left = place; bit < FRAME; bit <<= 1, left >>= 1) reversed = (reversed << 1) | (left & 1);
    const at = first + place;
    real[reversed] = at >= 0 && at < samples.length ? samples[at] * HANN[place] : 0;
  }
  for (let size = 2; size <= FRAME; size *= 2) {
    for (let start = 0; start < FRAME; start += size) {
      for (let place = 0; place < size / 2; place++) {
        const angle = (-2 * Math.PI * place) / size, cos = Math.cos(angle), sin = Math.sin(angle);
        const one = start + place, two = one + size / 2;
        const re = real[two] * cos - imaginary[two] * sin, im = real[two] * sin + imaginary[two] * cos;
        real[two] = real[one] - re;
        imaginary[two] = imaginary[one] - im;
        real[one] += re;
        imaginary[one] += im;
      }
    }
  }
  return Float32Array.from({ length: FRAME / 2 }, (_, bin) =>
    20 * Math.log10(Math.hypot(real[bin], imaginary[bin]) / (FRAME / 4) + 1e-9));
}

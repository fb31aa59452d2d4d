// Statistics of short series, as NumPy computes them.
export function sum(values) {
  let total = 0;
  for (let place = 0; place < values.length; place++) total += values[place];
  return total;
}

export const mean = (values) => sum(values) / values.length;
export const share = (marked) => sum(marked.map(Number)) / marked.length;
export const decibels = (value, least) => 10 * Math.log10(Math.max(value, 10 ** (least / 10)));

export function deviation(values) {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

export function percentile(values, wanted) {
  const ordered = Float64Array.from(values).sort(), place = (wanted / 100) * (ordered.length - 1), first = Math.floor(place);
  const next = ordered[Math.min(first + 1, ordered.length - 1)];
  return ordered[first] + (next - ordered[first]) * (place - first);
}

// The mean of several series of one length, value by value.
export function meanOf(series) {
  const total = new Float64Array(series[0].length);
  for (const one of series) for (let place = 0; place < total.length; place++) total[place] += one[place];
  return total.map((value) => value / series.length);
}

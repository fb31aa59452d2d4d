// Cut samples that arrive piece by piece into overlapping windows, as fusionser does.
export function cut(rate, length, hop) {
  const size = Math.round(length * rate), step = Math.round(hop * rate);
  let kept = new Float32Array(0), first = 0, heard = 0, end = 0;
  const window = (from, to) => ({ start: from / rate, end: to / rate, samples: kept.slice(from - first, to - first) });
  return {
    feed(piece) {
      const joined = new Float32Array(kept.length + piece.length);
      joined.set(kept);
      joined.set(piece, kept.length);
      kept = joined;
      heard += piece.length;
      const windows = [];
      while (first + size <= heard) {
        windows.push(window(first, first + size));
        end = first + size;
        kept = kept.slice(step);
        first += step;
      }
      return windows;
    },
    finish() {
      return heard > end && heard > first ? [window(first, heard)] : [];
    },
  };
}

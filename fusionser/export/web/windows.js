// Cut samples that arrive piece by piece into overlapping windows, as fusionser does.
export function cut(rate, length, hop) {
  const size = Math.round(length * rate), step = Math.round(hop * rate);
  let kept = new Float32Array(0), first = 0, heard = 0, end = 0;
  const window = (from, to, begin = first) => ({ start: from / rate, end: to / rate, samples: kept.slice(from - begin, to - begin) });
  return {
    feed(piece) {
      const joined = new Float32Array(kept.length + piece.length);
      joined.set(kept);
      joined.set(piece, kept.length);
      kept = joined;
      heard += piece.length;
      const windows = [], begin = first;
      while (first + size <= heard) {
        windows.push(window(first, first + size, begin));
        end = first + size;
        first += step;
      }
      kept = kept.slice(first - begin);
      return windows;
    },
    finish() {
      return heard > end && heard > first ? [window(first, heard)] : [];
    },
  };
}

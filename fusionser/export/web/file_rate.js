// The sampling rate of an audio file, from its header: a browser tells only the samples at a rate that it is asked for.
const OTHERWISE = 48000; // that of Opus and of WebM
const OPUS = [8000, 12000, 16000, 24000, 48000];
const MPEG = [[11025, 12000, 8000], null, [22050, 24000, 16000], [44100, 48000, 32000]];

const text = (bytes, place, word) => [...word].every((letter, index) => bytes[place + index] === letter.charCodeAt(0));
const find = (bytes, word, end) => {
  for (let place = 0; place < Math.min(end, bytes.length); place++) if (bytes[place] === word.charCodeAt(0) && text(bytes, place, word)) return place;
  return -1;
};

function ofMpeg(bytes) {
  const tagged = text(bytes, 0, "ID3");
  let place = tagged ? 10 + ((bytes[6] << 21) | (bytes[7] << 14) | (bytes[8] << 7) | bytes[9]) : 0;
  for (const end = Math.min(bytes.length - 4, place + 65536); place < end; place++) {
    if (bytes[place] !== 0xff || (bytes[place + 1] & 0xe0) !== 0xe0) continue;
    const rates = MPEG[(bytes[place + 1] >> 3) & 3], index = (bytes[place + 2] >> 2) & 3;
    if (rates && index < 3 && (bytes[place + 1] & 6) !== 0) return rates[index];
  }
  return OTHERWISE;
}

function ofWave(bytes, view) {
  for (let place = 12; place + 16 <= bytes.length; place += 8 + view.getUint32(place + 4, true) + (view.getUint32(place + 4, true) % 2))
    if (text(bytes, place, "fmt ")) return view.getUint32(place + 12, true);
  return OTHERWISE;
}

function ofOgg(bytes, view) {
  const place = ["\u0001vorbis", "OpusHead"].map((word) => find(bytes, word, 4096)).find((one) => one >= 0);
  const rate = place !== undefined && place + 16 <= bytes.length ? view.getUint32(place + 12, true) : OTHERWISE;
  // Opus is decoded at the rate of the original, if it has a mode for that.
  return text(bytes, place, "OpusHead") && !OPUS.includes(rate) ? OTHERWISE : rate;
}

function ofMp4(bytes, view) {
  const place = find(bytes, "mp4a", bytes.length);
  return place >= 0 && place + 30 <= bytes.length ? view.getUint16(place + 28) : OTHERWISE;
}

function stated(bytes, view) {
  if (text(bytes, 0, "RIFF") && text(bytes, 8, "WAVE")) return ofWave(bytes, view);
  if (text(bytes, 0, "fLaC") && bytes.length > 21) return (view.getUint32(17) >> 4) & 0xfffff;
  if (text(bytes, 0, "OggS")) return ofOgg(bytes, view);
  if (text(bytes, 4, "ftyp")) return ofMp4(bytes, view);
  return text(bytes, 0, "ID3") || bytes[0] === 0xff ? ofMpeg(bytes) : OTHERWISE;
}

// The rate that a browser decodes a file at without changing it, and that of the recording.
export function fileRates(content) {
  const bytes = new Uint8Array(content), rate = stated(bytes, new DataView(content));
  const recorded = rate >= 3000 && rate <= 384000 ? rate : OTHERWISE;
  return { decoded: find(bytes, "OpusHead", 4096) >= 0 ? OTHERWISE : recorded, recorded };
}

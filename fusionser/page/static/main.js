import { drawProbabilities, drawSample, drawSpectrogram, drawWaveform } from "./draw.js";
import * as service from "./service.js";

const $ = (id) => document.getElementById(id);
const MOST_SECONDS = 600;
const shown = { classes: [], windows: [], samples: new Float32Array(0), count: 0, rate: 16000, cursor: null };
let listening = null;
let turn = 0; // answers for a recording are dropped when another one was begun

const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
const seconds = () => Math.max(shown.count / shown.rate, ...shown.windows.slice(-1).map((one) => one.end), 0);
const samples = () => shown.samples.subarray(0, shown.count);

function tell(sentence) {
  $("problem").hidden = !sentence;
  $("problem").textContent = sentence;
}

function failed(problem) {
  if (problem.status === 401) {
    $("keyline").hidden = false;
    $("key").focus();
    $("model").textContent = "The model is shown to those who have the key.";
  }
  tell(problem.status === 401 && !$("key").value ? "Enter the key of this service." : problem.message);
}

function draw(whole = true) {
  if ($("over").hidden) return;
  drawProbabilities($("probabilities"), shown.windows, shown.classes, seconds(), shown.cursor);
  drawWaveform($("waveform"), samples(), shown.rate, shown.cursor);
  if (whole) drawSpectrogram($("spectrogram"), samples(), shown.rate);
}

function cell(row, text) {
  row.append(Object.assign(document.createElement("td"), { textContent: text }));
}

function showShares(shares, what = "Probability") {
  $("measure").textContent = shares ? what : "";
  if (shares) $("bars").hidden = false;
  for (const item of $("bars").children) {
    const share = shares && Object.hasOwn(shares, item.dataset.name) ? shares[item.dataset.name] : 0;
    item.querySelector("progress").value = share;
    item.lastElementChild.textContent = shares ? percent(share) : "";
  }
}

// The probability of the answer, which is not the highest in each answer of an SVM; "unsure" has that of the best class.
const sureOf = ({ probabilities, emotion }) => (probabilities ? probabilities[emotion] ?? Math.max(...Object.values(probabilities)) : null);

function showWindow(one) {
  const sure = sureOf(one);
  $("emotion").textContent = one.error ? "cannot be used" : one.emotion;
  const part = `from ${one.start.toFixed(1)} to ${one.end.toFixed(1)} s`;
  const certainty = sure === null ? "" : sure >= 0.8 ? "quite sure" : sure >= 0.5 ? "rather sure" : "not sure";
  $("sure").textContent = one.error || (sure === null ? part : `${certainty}, ${percent(sure)}, ${part}`);
  $("unlike").hidden = !one.unlike;
  $("unlike").textContent = one.unlike ? `Do not rely on this: the sound is ${one.unlike}.` : "";
  showShares(one.probabilities);
}

function addWindows(windows) {
  for (const one of windows) {
    shown.windows.push(one);
    const row = document.createElement("tr");
    cell(row, `${one.start.toFixed(1)} s`);
    cell(row, `${one.end.toFixed(1)} s`);
    cell(row, one.emotion || one.error);
    cell(row, one.probabilities ? percent(sureOf(one)) : "");
    $("rows").append(row);
  }
  if (windows.length) showWindow(windows[windows.length - 1]);
  const last = windows[windows.length - 1];
  if (last) $("probabilities").setAttribute("aria-label", `Probabilities over time; at the end ${$("emotion").textContent}, ${$("sure").textContent}`);
}

function clear(rate) {
  Object.assign(shown, { windows: [], samples: new Float32Array(60 * rate), count: 0, rate, cursor: null });
  // Nothing has been heard before, so the section was empty.
  $("over").hidden = false;
  legend();
  $("rows").replaceChildren();
  $("player").pause();
  $("player").hidden = true;
  URL.revokeObjectURL($("player").src);
  $("player").removeAttribute("src");
  $("unlike").hidden = true;
  $("sure").textContent = "";
  showShares(null);
  tell("");
}

function hear(piece) {
  if (shown.count + piece.length > shown.samples.length) {
    const more = new Float32Array(2 * shown.samples.length);
    more.set(samples());
    shown.samples = more;
  }
  shown.samples.set(piece, shown.count);
  shown.count += piece.length;
  let power = 0;
  for (const sample of piece) power += sample * sample;
  const level = Math.max(-60, 10 * Math.log10(power / piece.length + 1e-12));
  $("level").value = level;
  $("level").textContent = `${Math.round(level)} dB`;
}

const REASONS = {
  NotAllowedError: "The microphone is not allowed. Allow it in the browser's settings for this page, or open a recording.",
  NotFoundError: "There is no microphone. Connect one, or open a recording.",
  NotReadableError: "The microphone is used by another program. Close that program, or open a recording.",
};

async function openMicrophone() {
  if (!navigator.mediaDevices) throw new Error("This browser gives pages the microphone only over https or from this computer. Open a recording instead.");
  const wanted = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  return navigator.mediaDevices.getUserMedia({ audio: wanted }).catch((error) => {
    throw new Error(REASONS[error.name] || `The microphone cannot be opened (${error.message}).`);
  });
}

async function listen() {
  const media = await openMicrophone();
  const context = new AudioContext();
  await context.audioWorklet.addModule("page/capture.js");
  const own = ++turn;
  clear(context.sampleRate);
  const source = context.createMediaStreamSource(media);
  const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1 });
  const stop = () => {
    media.getTracks().forEach((track) => track.stop());
    source.disconnect();
    context.close();
    $("listen").textContent = "Listen";
    $("listen").setAttribute("aria-pressed", "false");
    $("level").value = -60;
    listening = null;
  };
  const stream = service.stream(context.sampleRate, (windows) => {
    if (own !== turn) return;
    addWindows(windows);
    draw();
  }, (sentence) => {
    if (own !== turn) return;
    if (listening) stop();
    if (sentence) tell(sentence);
    draw();
  });
  let pieces = 0;
  node.port.onmessage = ({ data }) => {
    if (!listening) return;
    hear(data);
    stream.send(data);
    if (pieces++ % 3 === 0) draw(pieces % 15 === 1);
    if (shown.count / shown.rate > MOST_SECONDS) listening.end();
  };
  source.connect(node);
  listening = { end: () => { stop(); stream.end(); } };
  $("emotion").textContent = "Listening …";
  $("sure").textContent = "The first answer comes after 3 s.";
  $("listen").textContent = "Stop";
  $("listen").setAttribute("aria-pressed", "true");
}

async function open(recording, name = recording.name) {
  const own = ++turn;
  if (listening) listening.end();
  clear(16000);
  draw();
  $("emotion").textContent = "Hearing the recording …";
  try {
    await hearAll(recording, name, () => own === turn);
  } catch (problem) {
    if (own !== turn) return;
    $("emotion").textContent = "No answer";
    throw problem;
  }
}

async function hearAll(recording, name, isLatest) {
  if (!recording.size) throw new Error("This file is empty. Open another recording.");
  const decoded = recording.arrayBuffer().then((content) => new OfflineAudioContext(1, 1, 16000).decodeAudioData(content)).catch(() => null);
  const heard = (seconds, of) => {
    if (isLatest()) $("sure").textContent = `${Math.floor(seconds)} of ${Math.ceil(of)} s`;
    return isLatest();
  };
  const [found, audio] = await Promise.all([service.timeline(recording, heard), decoded]);
  if (!isLatest()) return;
  if (audio) {
    Object.assign(shown, { samples: audio.getChannelData(0), count: audio.length });
    $("player").src = URL.createObjectURL(recording);
    $("player").hidden = false;
  }
  const windows = found.windows.map((one) => ({ ...one, probabilities: probabilitiesOf(one) }));
  addWindows(windows.map((one) => ({ ...one, unlike: unlikeOf(one) })));
  summarise(found, windows, name);
  draw();
}

function probabilitiesOf(one) {
  const pairs = shown.classes.map((name) => [name, one[`probability_${name}`]]);
  return pairs.every(([, share]) => typeof share === "number") ? Object.fromEntries(pairs) : null;
}

const unlikeOf = (one) => (one.unlikeness > 0.99 ? "unlike the recordings that the model was trained on" : null);

function summarise(found, windows, name) {
  const [most] = found.summary, of = found.of || "the speech";
  showShares(most ? Object.fromEntries(found.summary.map((one) => [one.emotion, one.share])) : null, `Share of ${of}`);
  const whole = `${name}, ${found.seconds.toFixed(1)} s`;
  $("emotion").textContent = most ? most.emotion : "no speech";
  $("sure").textContent = most ? `${whole}: ${percent(most.share)} of ${of}, with a mean probability of ${percent(most.probability)}. Play it to follow the answers.` : whole;
  const told = windows.filter((one) => typeof one.unlikeness === "number");
  const unlike = told.filter((one) => one.unlikeness > 0.99).length / told.length;
  $("unlike").hidden = !most || !unlike;
  $("unlike").textContent = unlike ? `${unlike >= 0.5 ? "Do not rely on this: " : ""}${percent(unlike)} of the windows with speech are unlike the recordings that the model was trained on.` : "";
}

function follow() {
  shown.cursor = $("player").currentTime;
  const heard = shown.windows.filter((one) => one.start <= shown.cursor).pop();
  if (heard && !$("player").paused) showWindow({ ...heard, unlike: unlikeOf(heard) });
  draw(false);
}

function bars(classes) {
  $("bars").replaceChildren(...classes.map((name) => {
    const item = document.createElement("li");
    item.dataset.name = name;
    const label = Object.assign(document.createElement("span"), { textContent: name });
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
    bar.setAttribute("aria-label", name);
    item.append(label, bar, document.createElement("span"));
    return item;
  }));
}

function legend() {
  // A canvas has no size while it is hidden.
  if ($("over").hidden) return;
  $("legend").replaceChildren(...shown.classes.map((name) => {
    const item = document.createElement("span");
    item.append(document.createElement("canvas"), name);
    return item;
  }));
  for (const [place, sample] of [...$("legend").querySelectorAll("canvas")].entries()) drawSample(sample, place);
}

function card(described) {
  $("card").replaceChildren(...described.about.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
  $("model").textContent = described.name;
  $("privacy").textContent = service.privacy;
}

async function start() {
  const described = await service.model();
  shown.classes = described.card.classes;
  $("keyline").hidden = true;
  tell("");
  bars(shown.classes);
  card(described);
  draw();
}

async function examples() {
  const names = await (await fetch("page/examples.json")).json();
  await started;
  const known = names.filter((name) => shown.classes.includes(name));
  $("example").append(...(known.length ? known : names).map((name) => new Option(`${name} (synthetic voice)`, name)));
}

const attempt = (action) => action().catch(failed);
$("listen").onclick = () => (listening ? listening.end() : attempt(listen));
$("file").onchange = () => { if ($("file").files[0]) attempt(() => open($("file").files[0])); $("file").value = ""; };
$("example").onchange = () => attempt(async () => {
  const { value } = $("example");
  if (value) await open(await (await fetch(`page/example-${value}.wav`)).blob(), `${value}, a synthetic voice`);
  $("example").value = "";
});
$("keyline").onsubmit = (event) => event.preventDefault();
$("key").onchange = () => { service.setKey($("key").value); attempt(start); };
$("player").ontimeupdate = follow;
addEventListener("resize", () => draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { legend(); draw(); });
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const [recording] = event.dataTransfer.files;
  if (recording) attempt(() => open(recording));
});
const started = attempt(start);
attempt(examples);

// Runs the model beside the page, so that the page stays responsive.
import * as ort from "./ort.wasm.min.js";
import { resample } from "./resampling.js";
import { speechShare } from "./speech.js";
import { unlikenessOf } from "./unlikeness.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
const near = (name) => new URL(name, import.meta.url).href;
ort.env.wasm.wasmPaths = { mjs: near("./ort-wasm-simd-threaded.js"), wasm: near("./ort-wasm-simd-threaded.wasm") };
const session = ort.InferenceSession.create(near("./model.onnx"), { executionProviders: ["wasm"] });
const training = fetch(near("./training.json")).then((found) => found.json());

// A model that uses a part of a clip gets it cut before the rate is changed, as in fusionser.
function prepared(samples, rate, { sampling_rate, seconds }) {
  const used = seconds === null ? samples : samples.subarray(0, Math.floor(seconds * rate));
  return resample(used, rate, sampling_rate);
}

async function answered({ samples, rate, model, least }) {
  if (!samples.every(Number.isFinite)) throw new Error("the recording has samples that are no numbers");
  const speech = speechShare(samples, rate), known = await training;
  if (speech < least) return { speech, probabilities: null, unlikeness: null };
  const input = prepared(samples, rate, model);
  const waveform = new ort.Tensor("float32", input, [1, input.length]);
  const { probabilities, answer } = await (await session).run({ waveform });
  return { speech, probabilities: Array.from(probabilities.data), place: Number(answer.data[0]), unlikeness: known && unlikenessOf(samples, rate, known) };
}

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, answer: await answered(data) });
  } catch (error) {
    postMessage({ id: data.id, error: `The model gives no answer (${error.message}).` });
  }
};

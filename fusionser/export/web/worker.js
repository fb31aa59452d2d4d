// Runs the model beside the page, so that the page stays responsive.
import * as ort from "./ort.wasm.min.mjs";
import { resample } from "./resampling.js";
import { speechShare } from "./speech.js";
import { unlikenessOf } from "./unlikeness.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
const session = ort.InferenceSession.create(new URL("./model.onnx", import.meta.url).href, { executionProviders: ["wasm"] });
const training = fetch(new URL("./training.json", import.meta.url)).then((found) => found.json());

// A model that uses a part of a clip gets it cut before the rate is changed, as in fusionser.
function prepared(samples, rate, { sampling_rate, seconds }) {
  const used = seconds === null ? samples : samples.subarray(0, Math.floor(seconds * rate));
  return resample(used, rate, sampling_rate);
}

async function answer({ samples, rate, model, least }) {
  const speech = speechShare(samples, rate), known = await training;
  if (speech < least) return { speech, probabilities: null, unlikeness: null };
  const input = prepared(samples, rate, model);
  const waveform = new ort.Tensor("float32", input, [1, input.length]);
  const { probabilities } = await (await session).run({ waveform });
  return { speech, probabilities: Array.from(probabilities.data), unlikeness: known && unlikenessOf(samples, rate, known) };
}

onmessage = async ({ data }) => {
  try {
    postMessage({ id: data.id, answer: await answer(data) });
  } catch (error) {
    postMessage({ id: data.id, error: `The model gives no answer (${error.message}).` });
  }
};

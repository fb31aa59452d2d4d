// Runs the model beside the page, so that the page stays responsive.
import * as ort from "./ort.wasm.min.mjs";
import { speechShare } from "./speech.js";
import { unlikenessOf } from "./unlikeness.js";

ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
const session = ort.InferenceSession.create(new URL("./model.onnx", import.meta.url).href, { executionProviders: ["wasm"] });
const training = fetch(new URL("./training.json", import.meta.url)).then((found) => found.json());

async function answer({ samples, rate, least }) {
  const speech = speechShare(samples, rate), known = await training;
  if (speech < least) return { speech, probabilities: null, unlikeness: null };
  const waveform = new ort.Tensor("float32", samples, [1, samples.length]);
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

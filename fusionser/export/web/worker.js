// Runs the model beside the page, so that the page stays responsive.
import * as ort from "./ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
const session = ort.InferenceSession.create(new URL("./model.onnx", import.meta.url).href, { executionProviders: ["wasm"] });

onmessage = async ({ data: { id, samples } }) => {
  try {
    const waveform = new ort.Tensor("float32", samples, [1, samples.length]);
    const { probabilities } = await (await session).run({ waveform });
    postMessage({ id, probabilities: Array.from(probabilities.data) });
  } catch (error) {
    postMessage({ id, error: `The model gives no answer (${error.message}).` });
  }
};

// What the page asks the service for.
export const privacy = "Recordings are sent to the server that shows this page, and are not kept there.";
let key = "";
export const setKey = (text) => { key = text; };

const headers = () => (key ? { "X-API-Key": key } : {});

export class Problem extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function answered(response) {
  const body = await response.json().catch(() => ({ error: `the service answered ${response.status}` }));
  if (!response.ok) throw new Problem(response.status, body.error || `the service answered ${response.status}`);
  return body;
}

const reach = (promise) => promise.catch(() => { throw new Problem(0, "The service cannot be reached. Is it still running?"); });

export const model = async () => answered(await reach(fetch("/model", { headers: headers() })));

export const timeline = async (recording) =>
  answered(await reach(fetch("/predict/timeline", { method: "POST", body: recording, headers: headers() })));

// A stream of samples; `told` gets windows, `ended` a sentence if it ended early.
export function stream(rate, told, ended) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/stream`);
  let finished = false, reason = "";
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(JSON.stringify({ format: "f32", sampling_rate: rate, ...(key ? { key } : {}) }));
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.error) reason = message.error;
    if (message.windows && message.windows.length) told(message.windows);
    finished ||= Boolean(message.finished);
  };
  socket.onclose = () => ended(finished ? "" : reason || "The service ended the stream.");
  return {
    send: (samples) => { if (socket.readyState === WebSocket.OPEN) socket.send(samples.buffer); },
    end: () => {
      if (socket.readyState === WebSocket.OPEN) socket.send('{"end": true}');
      else socket.close();
    },
  };
}

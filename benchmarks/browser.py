"""Time an ONNX file in Chromium, by ONNX Runtime Web on one thread, as the page of ``export --web`` runs it."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.export.web import runtime_files

ROUNDS = 5

PAGE = b"""<!DOCTYPE html><meta charset="utf-8"><title>timed</title><script type="module">
import * as ort from "./ort.wasm.min.mjs";
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("./", import.meta.url).href;
window.timed = async (clips, rounds) => {
  const session = await ort.InferenceSession.create("./model.onnx", { executionProviders: ["wasm"] });
  const spent = [], answers = [];
  for (let round = 0; round <= rounds; round++) {
    for (const clip of clips) {
      const waveform = new ort.Tensor("float32", Float32Array.from(clip), [1, clip.length]);
      const begun = performance.now();
      const { probabilities } = await session.run({ waveform });
      if (round) spent.push(performance.now() - begun); else answers.push(Array.from(probabilities.data));
    }
  }
  return { spent, answers };
};
window.ready = true;
</script>"""


@contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """Yield a page in Chromium that is served from a folder; None without Chromium or playwright."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        yield None
        return
    for name, content in {**runtime_files(), "index.html": PAGE}.items():
        (folder / name).write_bytes(content)
    handler = functools.partial(_Quiet, directory=str(folder))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as running,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = running.chromium.launch(executable_path=program, args=["--no-sandbox"]).new_page()
        opened.goto(f"http://127.0.0.1:{server.server_address[1]}")
        opened.wait_for_function("window.ready")
        yield opened
        opened.close()
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def timed(page: Any, model: Path, clips: list[npt.NDArray[np.float32]]) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the median milliseconds for a clip, and the probabilities of each, of a file in the page's folder."""
    call = f"window.timed({json.dumps([clip.tolist() for clip in clips])}, {ROUNDS})"
    shutil.copyfile(model, model.parent / "model.onnx")
    found = page.evaluate(call)
    return float(np.median(found["spent"])), np.array(found["answers"])

"""The files of the page at ``/``, and the examples that it offers."""

import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import soundfile
from fastapi import FastAPI, Response

from fusionser.corpora.demo import MANNERS, SAMPLING_RATE, STATEMENTS, synthesise

__all__ = ["add_page", "example"]

PAGE = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".wav": "audio/wav",
}
SENTENCES = 4


def example(emotion: str) -> bytes:
    """Return some sentences of a synthetic voice, as a WAV file.

    Parameters
    ----------
    emotion : str
        One of the demo corpus.

    Examples
    --------
    >>> example("sad")[:4]
    b'RIFF'
    """
    rng = np.random.default_rng(0)
    statements = [*STATEMENTS] * (SENTENCES // len(STATEMENTS))
    samples = np.concatenate([synthesise("f1", emotion, statement, rng) for statement in statements])
    content = io.BytesIO()
    soundfile.write(content, samples, SAMPLING_RATE, format="WAV", subtype="PCM_16")
    return content.getvalue()


def page_files() -> dict[str, bytes]:
    """Return the content of each file by its name."""
    files = {file.name: file.read_bytes() for file in sorted(PAGE.iterdir()) if file.suffix in KINDS}
    files |= {f"example-{emotion}.wav": example(emotion) for emotion in MANNERS}
    return {**files, "examples.json": json.dumps([*MANNERS]).encode()}


def add_page(app: FastAPI) -> None:
    """Add the page to a service.

    Parameters
    ----------
    app : FastAPI
    """
    files = page_files()

    def of(name: str) -> Callable[[], Awaitable[Response]]:
        async def answer() -> Response:
            return Response(files[name], media_type=KINDS[Path(name).suffix])

        return answer

    app.add_api_route("/", of("index.html"), include_in_schema=False)
    for name in files:
        app.add_api_route(f"/page/{name}", of(name), include_in_schema=False)

"""The files of the page, and the examples that it offers."""

import io
import json
from pathlib import Path

import numpy as np
import soundfile

from fusionser.corpora.demo import MANNERS, SAMPLING_RATE, STATEMENTS, synthesise
from fusionser.interrupts import held_interrupts

__all__ = ["content_type", "example", "page_files"]

STATIC = Path(__file__).parent / "static"
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
    with held_interrupts():
        soundfile.write(content, samples, SAMPLING_RATE, format="WAV", subtype="PCM_16")
    return content.getvalue()


def page_files() -> dict[str, bytes]:
    """Return the content of each file by its name: ``index.html``, and those that it looks for in ``page/``.

    Examples
    --------
    >>> sorted(page_files())[:3]
    ['capture.js', 'draw.js', 'example-angry.wav']
    """
    files = {file.name: file.read_bytes() for file in sorted(STATIC.iterdir()) if file.suffix in KINDS}
    files |= {f"example-{emotion}.wav": example(emotion) for emotion in MANNERS}
    return {**files, "examples.json": json.dumps([*MANNERS]).encode()}


def content_type(name: str) -> str:
    """Return the type of a file of the page for browsers.

    Examples
    --------
    >>> content_type("main.js")
    'text/javascript; charset=utf-8'
    """
    return KINDS[Path(name).suffix]

"""Players of misclassified recordings in a page."""

import io
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from fusionser.errors import AudioError
from fusionser.interrupts import held_interrupts
from fusionser.reader import read_row
from fusionser.reporting.jinja import environment
from fusionser.reporting.markdown import one_line

__all__ = ["heard_in", "most_misclassified", "players"]

LONGEST = 10.0
"""Seconds of a recording in a page."""

RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Sampling rates that MP3 has."""


def most_misclassified(predictions: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the wrong answers of highest probability, of as many pairs of emotions as possible.

    Parameters
    ----------
    predictions : DataFrame
        Test predictions of an evaluation, with ``truth`` and ``predicted``.
    count : int
        Most rows to return.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "truth": ["a", "a", "b", "a"], "predicted": ["b", "b", "a", "a"], "probability_a": [0.4, 0.1, 0.6, 1.0],
    ...     "probability_b": [0.6, 0.9, 0.4, 0.0],
    ... })
    >>> most_misclassified(table, 2).index.tolist()
    [1, 2]
    """
    wrong = predictions[predictions["truth"] != predictions["predicted"]]
    sure = [float(row.get(f"probability_{row['predicted']}", 0.0)) for row in wrong.to_dict("records")]
    ordered = wrong.assign(probability=sure).sort_values("probability", ascending=False, kind="stable")
    # The surest answer of each pair of emotions comes before the second of any.
    turn = ordered.groupby(["truth", "predicted"], sort=False).cumcount()
    return ordered.iloc[np.argsort(turn.to_numpy(), kind="stable")[:count]]


def players(predictions: pd.DataFrame, count: int) -> str:
    """Return a section of a page with misclassified recordings; empty if no audio is available.

    The page contains their sound, as MP3.

    Parameters
    ----------
    predictions : DataFrame
        As in `most_misclassified`, with the rows' ``file``, ``start`` and ``end``.
    count : int
        Most recordings.
    """
    heard = []
    for row in most_misclassified(predictions, count).to_dict("records"):
        try:
            samples, rate = read_row({str(name): value for name, value in row.items()})
        except (AudioError, OSError):
            # It was there when its features were computed.
            continue
        heard.append({**_described(row), "sound": _mp3(samples[: round(LONGEST * rate)], rate)})
    page = environment(autoescape=True, trim_blocks=True).get_template("misclassified.html.j2")
    return page.render(heard=heard) if heard else ""


def heard_in(page: Path) -> int:
    """Return how many recordings a page contains."""
    return page.read_text(encoding="utf-8").count("<audio ")


def _described(row: dict[Any, Any]) -> dict[str, str]:
    sure = row["probability"]
    return {
        "name": one_line(str(row["file"]).replace("\\", "/").rpartition("/")[2]),
        "speaker": one_line(str(row.get("speaker", ""))),
        "truth": one_line(str(row["truth"])),
        "predicted": one_line(str(row["predicted"])),
        "probability": f"{100 * sure:.0f} %" if sure else "",
    }


def _mp3(samples: np.ndarray[Any, Any], rate: int) -> str:
    """Return samples as an address that contains them."""
    written = io.BytesIO()
    # Browsers play WAV at any rate; MP3 is a tenth of its size.
    kind = "MP3" if rate in RATES else "WAV"
    with held_interrupts():
        soundfile.write(written, np.clip(samples, -1.0, 1.0), rate, format=kind)
    return f"data:audio/{'mpeg' if kind == 'MP3' else 'wav'};base64,{b64encode(written.getvalue()).decode()}"

"""How well saved models tell other recordings from those of new speakers: `python -m benchmarks.unlikeness`.

Each corpus is split into three folds by speaker. `Unlikeness` is fitted to two of them, and tells the clips of the
third from the clips of each other corpus, from noise, from generated music, and from near silence. The figures are the
area under the ROC curve, and the share of clips above 0.99, the limit of `fusionser predict --abstain`; means over the
folds.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from fusionser.corpora import list_rows
from fusionser.features.recording import Recording
from fusionser.likeness import Unlikeness
from fusionser.model import MOST_UNLIKE
from fusionser.splits import InnerFolds

FOLDERS = {"ravdess": "ravdess", "emodb": "emodb/wav", "crema-d": "crema_d", "tess": "tess"}
RATE = 16000
COUNT = 120

Waveform = npt.NDArray[np.float64]
Maker = Callable[[np.random.Generator, int, int], Waveform]


def pink(rng: np.random.Generator, size: int) -> Waveform:
    spectrum = np.fft.rfft(rng.normal(size=size)) / np.sqrt(np.maximum(np.fft.rfftfreq(size), 1 / size))
    return np.fft.irfft(spectrum, size)


def noise(rng: np.random.Generator, size: int, number: int) -> Waveform:
    return pink(rng, size) if number % 2 else rng.normal(size=size)


def near_silence(rng: np.random.Generator, size: int, number: int) -> Waveform:
    """Every fourth is digital silence; the others are faint white noise, pink noise and hum."""
    hum = np.sin(2 * np.pi * 50 * np.arange(size) / RATE)
    return [np.zeros(size), rng.normal(size=size), pink(rng, size), hum][number % 4]


def note(rng: np.random.Generator, frequency: float, size: int) -> Waveform:
    time = np.arange(size) / RATE
    partials = [number for number in range(1, 9) if number * frequency < RATE / 2]
    tones = [rng.uniform(0.3, 1.0) / n * np.sin(2 * np.pi * n * frequency * time) for n in partials]
    return np.sum(tones, axis=0) * np.exp(-time * rng.uniform(0.5, 3.0))


def chords(rng: np.random.Generator, size: int) -> Waveform:
    made, step = np.zeros(size), int(RATE * rng.uniform(0.4, 1.0))
    for start in range(0, size, step):
        root, length = 110 * 2 ** (rng.integers(0, 24) / 12), min(int(1.3 * step), size - start)
        for semitones in (0, 4, 7):
            made[start : start + length] += note(rng, root * 2 ** (semitones / 12), length)
    return made


def arpeggio(rng: np.random.Generator, size: int) -> Waveform:
    made, step = np.zeros(size), int(RATE * rng.uniform(0.12, 0.25))
    root = 110 * 2 ** (rng.integers(0, 24) / 12)
    for place, start in enumerate(range(0, size, step)):
        length = min(2 * step, size - start)
        made[start : start + length] += note(rng, root * 2 ** ((0, 4, 7, 12)[place % 4] / 12), length)
    return made


def drums(rng: np.random.Generator, size: int) -> Waveform:
    made, step = np.zeros(size), int(RATE * rng.uniform(0.15, 0.3))
    for place, start in enumerate(range(0, size, step)):
        time = np.arange(min(step, size - start)) / RATE
        kick = np.sin(2 * np.pi * 60 * time * (1 + np.exp(-30 * time))) * np.exp(-15 * time)
        snare = 0.4 * rng.normal(size=time.size) * np.exp(-25 * time)
        made[start : start + time.size] += snare if place % 2 else kick
    return made


def music(rng: np.random.Generator, size: int, number: int) -> Waveform:
    """Chords, arpeggios, drums, and all three together, in turn."""
    parts = [chords, arpeggio, drums]
    return parts[number % 4](rng, size) if number % 4 < 3 else np.sum([part(rng, size) for part in parts], axis=0)


GENERATED: dict[str, tuple[Maker, tuple[float, float]]] = {
    "noise": (noise, (-35.0, -3.0)),
    "music": (music, (-35.0, -3.0)),
    "near silence": (near_silence, (-85.0, -60.0)),
}
"""What is generated, and the range of its peak levels in decibels full scale."""


def generated(make: Maker, levels: tuple[float, float]) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Yield clips of 1.5 to 5 seconds."""
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        samples = make(rng, int(RATE * rng.uniform(1.5, 5.0)), number)
        level = 10 ** (rng.uniform(*levels) / 20)
        yield (level * samples / max(np.abs(samples).max(), 1e-9)).astype(np.float32), RATE


def described(X: Any, carried: pd.DataFrame | None = None) -> pd.DataFrame:
    block = Recording()
    values = pd.DataFrame(block.transform(X), columns=block.names())
    return values if carried is None else pd.concat([carried.reset_index(drop=True), values], axis=1)


def compare(own: str, tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return the figures of one training corpus."""
    table = tables[own]
    figures: list[dict[str, Any]] = []
    for train, test in InnerFolds(folds=3).split(table, np.zeros(len(table))):
        fitted = Unlikeness().fit(table.iloc[train])
        new = fitted.score_samples(table.iloc[test])
        figures.append({"own": own, "other": "new speakers", "above": (new > MOST_UNLIKE).mean()})
        for other, rows in tables.items():
            if other != own:
                far = fitted.score_samples(rows.drop(columns=["speaker", "source"], errors="ignore"))
                truth = np.repeat([0, 1], [len(new), len(far)])
                area = roc_auc_score(truth, np.concatenate([new, far]))
                figures.append({"own": own, "other": other, "area": area, "above": (far > MOST_UNLIKE).mean()})
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlikeness", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("FUSIONSER_DATA", "../shared/data"))
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    listed = {name: list_rows(Path(given.data) / folder, name).rows for name, folder in FOLDERS.items()}
    tables = {name: described(rows, rows[["speaker", "source"]]) for name, rows in listed.items()}
    tables |= {name: described(list(generated(*how))) for name, how in GENERATED.items()}
    figures = pd.DataFrame([figure for own in FOLDERS for figure in compare(own, tables)])
    means = figures.groupby(["own", "other"], sort=False).mean()
    for measure, text in (("area", "area under the ROC curve"), ("above", f"share above {MOST_UNLIKE}")):
        print(text)
        shown = figures.pivot_table(measure, "own", "other").reindex([*FOLDERS], columns=["new speakers", *tables])
        print(shown.round(3).to_string(na_rep="-"))
    if given.out is not None:
        records = means.reset_index().astype(object).where(lambda values: values.notna(), None).to_dict("records")
        given.out.write_text(json.dumps(records, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()

"""Rows a second of each kind of augmentation, and librosa's effects beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt

from benchmarks.measuring import Figure, Waveform, files, interleaved, waveform
from fusionser.augmentation.waveforms import augment, parse_augmentation
from fusionser.memory import reused_memory

CLIPS = 24
RATE = 22050
KINDS = ("noise(20)#1", "pitch(+1.50)#1", "stretch(1.100)#1", "lowpass(2500)#1", "speed(1.100)#1")
LIBROSA: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "pitch": lambda clip: librosa.effects.pitch_shift(clip, sr=RATE, n_steps=1.5),
    "stretch": lambda clip: librosa.effects.time_stretch(clip, rate=1.1),
}


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the sixth target."""
    clips = [waveform(name, RATE) for name in files(ravdess, CLIPS)]
    contestants = {
        **{text: _ours(text) for text in KINDS},
        **{f"librosa {kind}": change for kind, change in LIBROSA.items()},
    }
    # As in a run over many clips, whose batches keep their memory from clip to clip; librosa has it too.
    with reused_memory():
        spent = interleaved(contestants, dict.fromkeys(contestants, clips))
    rows = [Figure(what=name, value=round(1000 / value, 1), unit="rows a second") for name, value in spent.items()]
    ratios = [
        Figure(
            what=f"{kind}: librosa's time over ours",
            value=round(spent[f"librosa {kind}"] / next(spent[text] for text in KINDS if text.startswith(kind)), 2),
            unit="times",
            asked=2,
        )
        for kind in ("pitch", "stretch")
    ]
    return [*rows, *ratios, *(_difference(kind, clips) for kind in ("pitch", "stretch"))]


def _difference(kind: str, clips: list[Waveform]) -> Figure:
    """Return how far ours is from librosa's, sample by sample: equal quality is judged by the samples themselves."""
    own = _ours(next(text for text in KINDS if text.startswith(kind)))
    pairs = [(own(clip), LIBROSA[kind](clip.astype(np.float64))) for clip in clips]
    most = max(float(np.abs(one - other).max() / np.abs(other).max()) for one, other in pairs)
    what = f"{kind}: largest difference from librosa's in float64, as a share of the loudest sample"
    return Figure(what=what, value=float(f"{most:.1e}"), unit="")


def _ours(text: str) -> Callable[[Waveform], Waveform]:
    wanted = parse_augmentation(text)
    return lambda clip: augment(clip, RATE, wanted)

"""Rows a second of each kind of augmentation, and librosa's effects beside them."""

from collections.abc import Callable
from pathlib import Path

import librosa

from benchmarks.measuring import Figure, Waveform, files, interleaved, waveform
from fusionser.augment import augment, parse_augmentation

CLIPS = 24
RATE = 22050
KINDS = ("noise(20)#1", "pitch(+1.50)#1", "stretch(1.100)#1", "lowpass(2500)#1", "speed(1.100)#1")


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the sixth target."""
    clips = [waveform(name, RATE) for name in files(ravdess, CLIPS)]
    contestants = {
        **{text: _ours(text) for text in KINDS},
        "librosa pitch": lambda clip: librosa.effects.pitch_shift(clip, sr=RATE, n_steps=1.5),
        "librosa stretch": lambda clip: librosa.effects.time_stretch(clip, rate=1.1),
    }
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
    return [*rows, *ratios]


def _ours(text: str) -> Callable[[Waveform], Waveform]:
    wanted = parse_augmentation(text)
    return lambda clip: augment(clip, RATE, wanted)

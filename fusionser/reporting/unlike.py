"""Sentences on clips that a model should not be relied on for."""

from collections.abc import Callable, Mapping
from itertools import pairwise

from fusionser.features.recording import EDGES, share_of
from fusionser.likeness import Unlike

__all__ = ["improbable_text", "unlike_text"]

Written = tuple[str, str, Callable[[float], str]]
"""The name of a description, its unit, and how its number is written."""


def _whole(value: float) -> str:
    return str(round(value))


def _kilo(value: float) -> str:
    return f"{value / 1000:.1f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}"


def _small_percent(value: float) -> str:
    return f"{100 * share_of(value):.2f}"


def _seconds(value: float) -> str:
    return f"{10**value:.1f}"


BANDS = {f"from_{low}_hz": f"{low} to {high} Hz" for low, high in pairwise(EDGES)}

DESCRIPTIONS: Mapping[str, Written] = {
    "speech_level": ("level of speech", "dBFS", _whole),
    "noise_level": ("level of background noise", "dBFS", _whole),
    "signal_to_noise": ("signal-to-noise ratio", "dB", _whole),
    "peak_to_speech": ("peak above the level of speech", "dB", _whole),
    "bandwidth": ("bandwidth", "kHz", _kilo),
    **{
        f"speech_{name}": (f"level of speech at {band}, relative to all speech,", "dB", _whole)
        for name, band in BANDS.items()
    },
    **{
        f"noise_{name}": (f"level of background noise at {band}, relative to all background noise,", "dB", _whole)
        for name, band in BANDS.items()
    },
    **{f"spread_{name}": (f"variation of the level at {band}", "dB", _whole) for name, band in BANDS.items()},
    "log_clipped_share": ("share of clipped samples", "%", _small_percent),
    "log_zero_share": ("share of samples that are exactly zero", "%", _small_percent),
    "pause_share": ("share of pauses", "%", _percent),
    "speech_flatness": ("flatness of the spectrum of speech", "dB", _whole),
    "noise_flatness": ("flatness of the spectrum of background noise", "dB", _whole),
    "voiced_share": ("share of voiced frames", "%", _percent),
    "harmonics_to_noise": ("harmonics-to-noise ratio", "dB", _whole),
    "syllable_share": ("share of modulation at the rate of syllables", "%", _percent),
    "level_spread": ("variation of the level", "dB", _whole),
    "log_duration": ("duration", "s", _seconds),
}
"""What a column of the block `Recording` is called, and how its values are written."""


def unlike_text(unlike: Unlike) -> str:
    """Return in which way a clip is unlike the training recordings, as the end of a sentence.

    Examples
    --------
    >>> unlike_text(Unlike(name="bandwidth", direction="below", value=4000.0, lowest=7200.0, highest=7900.0))
    'unlike the training recordings: its bandwidth is 4.0 kHz, theirs 7.2 to 7.9 kHz'
    """
    name, unit, written = DESCRIPTIONS[unlike.name]
    value, lowest, highest = map(written, (unlike.value, unlike.lowest, unlike.highest))
    if unlike.direction == "within":
        return f"unlike the training recordings in a combination of properties; its {name} is {value} {unit}"
    theirs = lowest if lowest == highest else f"{lowest} to {highest}"
    return f"unlike the training recordings: its {name} is {value} {unit}, theirs {theirs} {unit}"


def improbable_text(emotion: str, probability: float) -> str:
    """Return why a model abstains because of the probability, as the end of a sentence.

    Examples
    --------
    >>> improbable_text("fear", 0.4306)
    'unsure, because the answer, fear, has a probability of 43 %'
    """
    # At most 49, because 0.499 is below one half.
    share = min(round(100 * probability), 49)
    return f"unsure, because the answer, {emotion}, has a probability of {share} %"

"""Sentences on clips that a model should not be relied on for."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from fusionser.features.recording import EDGES, share_of
from fusionser.likeness import Unlike

__all__ = ["improbable_text", "plain_unlike", "unlike_note", "unlike_text"]


class Description(NamedTuple):
    """What a column of the block `Recording` is called.

    Parameters
    ----------
    plain : str
        What differs, for people who know nothing of acoustics.
    name, unit : str
        What is measured, and its unit.
    written : callable
        How its number is written.
    """

    plain: str
    name: str
    unit: str
    written: Callable[[float], str]


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

LOUDNESS, NOISE, SOUND_OF_NOISE, SILENCE, SOUND, VARIATION = (
    "loudness of the speech",
    "level of the background noise",
    "sound of the background noise",
    "silent parts",
    "sound of the voice or the microphone",
    "how much the loudness varies",
)
TOGETHER = "several things together"
"""What differs where each description is as usual, and only their combination is not."""

DESCRIPTIONS: Mapping[str, Description] = {
    name: Description(*described)
    for name, described in {
        "speech_level": (LOUDNESS, "level of speech", "dBFS", _whole),
        "noise_level": (NOISE, "level of background noise", "dBFS", _whole),
        "signal_to_noise": (NOISE, "signal-to-noise ratio", "dB", _whole),
        "peak_to_speech": (VARIATION, "peak above the level of speech", "dB", _whole),
        "bandwidth": ("high sounds that are missing or added", "bandwidth", "kHz", _kilo),
        **{
            f"speech_{name}": (SOUND, f"level of speech at {band}, relative to all speech", "dB", _whole)
            for name, band in BANDS.items()
        },
        **{
            f"noise_{name}": (
                SOUND_OF_NOISE,
                f"level of background noise at {band}, relative to all background noise",
                "dB",
                _whole,
            )
            for name, band in BANDS.items()
        },
        **{
            f"spread_{name}": (VARIATION, f"variation of the level at {band}", "dB", _whole)
            for name, band in BANDS.items()
        },
        "log_clipped_share": ("distortion, because it is too loud", "share of clipped samples", "%", _small_percent),
        "log_zero_share": (SILENCE, "share of samples that are exactly zero", "%", _small_percent),
        "pause_share": ("pauses", "share of pauses", "%", _percent),
        "speech_flatness": (SOUND, "flatness of the spectrum of speech", "dB", _whole),
        "noise_flatness": (SOUND_OF_NOISE, "flatness of the spectrum of background noise", "dB", _whole),
        "voiced_share": ("how much of it is voice", "share of voiced frames", "%", _percent),
        "harmonics_to_noise": ("clearness of the voice", "harmonics-to-noise ratio", "dB", _whole),
        "syllable_share": ("rhythm of the speech", "share of modulation at the rate of syllables", "%", _percent),
        "level_spread": (VARIATION, "variation of the level", "dB", _whole),
        "log_duration": ("duration", "duration", "s", _seconds),
    }.items()
}
"""What each column of the block `Recording` is called."""

MOST_NAMED = 3
"""Things that differ which a note on many recordings names."""


def plain_unlike(unlike: Unlike) -> str:
    """Return what differs most from the training recordings, for people who know nothing of acoustics.

    Examples
    --------
    >>> plain_unlike(Unlike(name="noise_level", direction="above", value=-20.0, lowest=-70.0, highest=-40.0))
    'level of the background noise'
    """
    return TOGETHER if unlike.direction == "within" else DESCRIPTIONS[unlike.name].plain


def unlike_text(unlike: Unlike) -> str:
    """Return in which way a clip is unlike the training recordings, as the end of a sentence.

    Examples
    --------
    >>> unlike_text(Unlike(name="speech_level", direction="below", value=-62.0, lowest=-40.0, highest=-20.0))
    'unlike the training recordings: loudness of the speech (level of speech: -62 dBFS, theirs -40 to -20 dBFS)'
    """
    _, name, unit, written = DESCRIPTIONS[unlike.name]
    value, lowest, highest = map(written, (unlike.value, unlike.lowest, unlike.highest))
    theirs = lowest if lowest == highest else f"{lowest} to {highest}"
    compared = "" if unlike.direction == "within" else f", theirs {theirs} {unit}"
    measured = f"{name}: {value} {unit}{compared}"
    return f"unlike the training recordings: {plain_unlike(unlike)} ({measured})"


def unlike_note(reasons: Sequence[Unlike], usable: int) -> str:
    """Return what to know, and to do, where recordings are unlike those that a model was trained on.

    Parameters
    ----------
    reasons : sequence of Unlike
        One for each recording that is unlike them.
    usable : int
        All recordings that were answered.

    Examples
    --------
    >>> noisy = Unlike(name="noise_level", direction="above", value=-20.0, lowest=-70.0, highest=-40.0)
    >>> unlike_note([noisy, noisy], 3).partition(". The")[0]
    '2 of 3 recordings are unlike those that the model was trained on. What differs most: level of the background noise'
    """
    counts = Counter(map(plain_unlike, reasons)).most_common()
    differs = "; ".join(name if len(counts) == 1 else f"{name} ({count})" for name, count in counts[:MOST_NAMED])
    more = "; and more" if len(counts) > MOST_NAMED else ""
    noun, verb = "recording" if usable == 1 else "recordings", "is" if len(reasons) == 1 else "are"
    return (
        f"{len(reasons)} of {usable} {noun} {verb} unlike those that the model was trained on. What differs most: "
        f"{differs}{more}. The model was not tested on such recordings, so more answers than usual may be wrong. "
        "Listen to some of them, or train a model on recordings like yours ('fusionser fit')"
    )


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

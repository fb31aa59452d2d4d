"""Recording conditions, under which ``fusionser stress`` tests a saved model.

A condition is a change of the recording chain with fixed parameters. The speaker says the same in the same manner, so
the answer of a model should not change; a change of tempo or pitch is the exception, and small.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from fusionser.augmentation.recording_chain import (
    CODECS,
    Changed,
    add_noise,
    change_gain,
    change_rate,
    clip_share,
    encode,
    filter_lowpass,
    reverberate,
    shift_pitch,
    stretch,
    telephone,
)
from fusionser.registry import CONDITIONS
from fusionser.samples import Waveform

__all__ = ["CONDITIONS", "Condition", "Parameter"]

Parameter = bool | int | float | str
"""The value of a parameter of a condition."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A recording condition.

    Parameters
    ----------
    summary : str
        One-line description.
    change : callable
        Function of the samples (one channel), their rate in Hz, a seed, and `parameters` as keywords; it returns a
        `Changed` clip.
    parameters : mapping of str to bool, int, float or str
    codec : str, optional
        The key of `CODECS` that it needs.

    Examples
    --------
    >>> import numpy as np
    >>> CONDITIONS["telephone"].apply(np.zeros(16000, dtype=np.float32), 16000).sampling_rate
    8000
    """

    summary: str
    change: Callable[..., Changed]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    codec: str | None = None

    @property
    def available(self) -> bool:
        """Whether this libsndfile has the codec that it needs."""
        return self.codec is None or CODECS[self.codec].available

    def apply(self, samples: Waveform, sampling_rate: int, seed: int = 0) -> Changed:
        """Return a clip as it sounds under this condition.

        Parameters
        ----------
        samples : ndarray of shape (n_samples,), float32
            One channel, full scale -1 to 1.
        sampling_rate : int
            In Hz.
        seed : int, default=0
            Of noise and rooms.

        Raises
        ------
        AudioError
            If the clip cannot be changed.
        """
        return self.change(samples, sampling_rate, seed, **self.parameters)


def _gain(summary: str, decibels: float, *, clipped: bool = False) -> Condition:
    return Condition(summary=summary, change=change_gain, parameters={"decibels": decibels, "clipped": clipped})


def _clipping(percent: float) -> Condition:
    return Condition(
        summary=f"The loudest {percent:g} % of the samples are clipped, at the same level.",
        change=clip_share,
        parameters={"share": percent / 100},
    )


def _coded(name: str, codec: str, kbps: float) -> Condition:
    return Condition(
        summary=f"Encoded as {name} at {kbps:g} kbit/s, and decoded.",
        change=encode,
        parameters={"codec": codec, "kbps": kbps},
        codec=codec,
    )


def _noise(color: str, ratio: float) -> Condition:
    return Condition(
        summary=f"{color.capitalize()} noise {ratio:g} dB below the active speech.",
        change=add_noise,
        parameters={"color": color, "ratio": ratio},
    )


def _room(reverberation_time: float, direct_ratio: float) -> Condition:
    return Condition(
        summary=(
            f"A synthetic room with a reverberation time of {reverberation_time:g} s, the direct sound "
            f"{direct_ratio:+g} dB relative to the reverberation."
        ),
        change=reverberate,
        parameters={"reverberation_time": reverberation_time, "direct_ratio": direct_ratio},
    )


def _tempo(tempo: float) -> Condition:
    return Condition(
        summary=f"{tempo:g} times the tempo at the same pitch.", change=stretch, parameters={"tempo": tempo}
    )


def _pitch(semitones: float) -> Condition:
    return Condition(
        summary=f"The pitch {abs(semitones):g} semitone {'lower' if semitones < 0 else 'higher'}, at the same tempo.",
        change=shift_pitch,
        parameters={"semitones": semitones},
    )


GAIN_MINUS_12_DB = _gain("The level 12 dB lower.", -12.0)
GAIN_PLUS_12_DB = _gain("The level 12 dB higher, beyond full scale where needed.", 12.0)
GAIN_PLUS_12_DB_CLIPPED = _gain("The level 12 dB higher, clipped at full scale.", 12.0, clipped=True)
CLIPPING_1_PERCENT, CLIPPING_10_PERCENT = map(_clipping, (1.0, 10.0))
SAMPLING_RATE_8_KHZ = Condition(summary="Resampled to 8 kHz.", change=change_rate, parameters={"sampling_rate": 8000})
TELEPHONE = Condition(
    summary="A telephone: Butterworth filters of fourth order at 300 and 3400 Hz, 8 kHz, 8 bits by the mu-law (G.711).",
    change=telephone,
    parameters={"lowest": 300.0, "highest": 3400.0},
)
LOWPASS_4_KHZ = Condition(
    summary="Butterworth low-pass filter of fourth order at 4 kHz.",
    change=filter_lowpass,
    parameters={"cutoff": 4000.0},
)
MP3_64_KBPS = _coded("MP3", "mp3", 64.0)
OPUS_24_KBPS = _coded("Opus", "opus", 24.0)
WHITE_NOISE_20_DB, WHITE_NOISE_10_DB, WHITE_NOISE_5_DB = map(partial(_noise, "white"), (20.0, 10.0, 5.0))
PINK_NOISE_20_DB, PINK_NOISE_10_DB, PINK_NOISE_5_DB = map(partial(_noise, "pink"), (20.0, 10.0, 5.0))
ROOM_300_MS, ROOM_800_MS = _room(0.3, 3.0), _room(0.8, -3.0)
TEMPO_90_PERCENT, TEMPO_110_PERCENT = map(_tempo, (0.9, 1.1))
PITCH_MINUS_1_SEMITONE, PITCH_PLUS_1_SEMITONE = map(_pitch, (-1.0, 1.0))

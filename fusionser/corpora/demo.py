"""The demo corpus: synthetic voices, generated on this machine to try out the tools.

A source-filter model (Fant 1960): the harmonics of a gliding pitch, attenuated by a spectral tilt, pass through the
formants of a sequence of vowels. An emotion changes the pitch, its range, the energy, the rate and the tilt, each with
random variation. Scores on this corpus show that the tools work, and nothing about speech.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt
import soundfile

from fusionser.corpora.base import Corpus, Record
from fusionser.errors import CorpusError
from fusionser.files import write_whole

__all__ = ["Demo", "generate_demo", "synthesise"]

SAMPLING_RATE = 16000
NAME = re.compile(r"synthetic_([fm])(\d)_([a-z]+)_(s\d)_\d\d")

Waveform = npt.NDArray[np.float64]

FORMANTS = {"a": (750, 1200, 2600), "e": (480, 1900, 2550), "i": (300, 2250, 3000), "o": (480, 900, 2500)}
STATEMENTS = {"s1": "aeoia", "s2": "oiaeo"}


@dataclass(frozen=True)
class Manner:
    """Sound of an emotion: pitch and range in semitones, level in dB, rate as a factor, tilt in dB per octave."""

    pitch: float
    range: float
    level: float
    rate: float
    tilt: float
    takes: int


MANNERS = {
    "neutral": Manner(pitch=0.0, range=2.0, level=0.0, rate=1.0, tilt=-11.0, takes=5),
    "angry": Manner(pitch=3.5, range=5.0, level=8.0, rate=1.15, tilt=-7.0, takes=3),
    "happy": Manner(pitch=5.0, range=7.0, level=4.0, rate=1.1, tilt=-9.5, takes=3),
    "sad": Manner(pitch=-2.0, range=1.2, level=-7.0, rate=0.75, tilt=-15.0, takes=3),
    "fear": Manner(pitch=6.5, range=2.5, level=-1.0, rate=1.3, tilt=-11.0, takes=2),
}
MISSING = {("happy", "s2", 3), ("fear", "s2", 2)}
"""Takes that are left out, so that the classes are uneven within a statement too."""
SPEAKERS = {
    **{f"f{number}": 185.0 + 12.0 * number for number in range(1, 5)},
    **{f"m{number}": 92.0 + 9.0 * number for number in range(1, 5)},
}


class Demo(Corpus):
    """Synthetic voices, generated to try the tools: eight speakers, five emotions, 240 recordings."""

    name = "demo"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`."""
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        initial, number, emotion, statement = match.groups()
        gender = "female" if initial == "f" else "male"
        return self._record(path.stem, initial + number, emotion, gender=gender, statement=statement)

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus."""
        return {
            f"synthetic_{speaker}_{emotion}_{statement}_{take:02d}"
            for speaker in SPEAKERS
            for emotion, manner in MANNERS.items()
            for statement in STATEMENTS
            for take in range(1, manner.takes + 1)
            if (emotion, statement, take) not in MISSING
        }


def _resonate(samples: Waveform, formants: tuple[float, ...], stretch: float) -> Waveform:
    from scipy.signal import lfilter

    for number, formant in enumerate(formants):
        frequency, bandwidth = formant * stretch, 70.0 + 40.0 * number
        radius = np.exp(-np.pi * bandwidth / SAMPLING_RATE)
        turn = 2 * np.pi * frequency / SAMPLING_RATE
        poles = [1.0, -2 * radius * np.cos(turn), radius * radius]
        samples = lfilter([sum(poles)], poles, samples)
    return samples


def _voice(pitch: Waveform, tilt: float, rng: np.random.Generator) -> Waveform:
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLING_RATE
    highest = int(SAMPLING_RATE / 2 / pitch.max())
    voice = np.zeros_like(pitch)
    for harmonic in range(1, highest + 1):
        voice += 10 ** (tilt * np.log2(harmonic) / 20) * np.sin(harmonic * phase)
    return voice + 0.02 * rng.normal(size=pitch.size)


def synthesise(speaker: str, emotion: str, statement: str, rng: np.random.Generator) -> Waveform:
    """Make one utterance.

    Parameters
    ----------
    speaker : str
        ``f1`` to ``f4`` or ``m1`` to ``m4``.
    emotion : str
        ``neutral``, ``angry``, ``happy``, ``sad`` or ``fear``.
    statement : str
        ``s1`` or ``s2``, which selects the sequence of vowels.
    rng : numpy.random.Generator
        Draws the random variation.

    Returns
    -------
    ndarray of shape (n_samples,)
        At 16 kHz, full scale -1 to 1.
    """
    manner = MANNERS[emotion]
    pitch_shift = manner.pitch + rng.normal(0, 1.5)
    rate = manner.rate * np.exp(rng.normal(0, 0.1))
    tilt, level = manner.tilt + rng.normal(0, 1.5), manner.level + rng.normal(0, 2.0)
    vowels = STATEMENTS[statement]
    length = int(0.2 / rate * SAMPLING_RATE)
    times = np.arange(length * len(vowels)) / (length * len(vowels))
    contour = pitch_shift + manner.range * (np.sin(2 * np.pi * (times * 1.5 + rng.uniform())) - times)
    pitch = SPEAKERS[speaker] * 2 ** (contour / 12)
    source = _voice(pitch, tilt, rng)
    stretch = 1.15 if speaker.startswith("f") else 1.0
    fade = np.minimum(1.0, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.025 * SAMPLING_RATE))
    syllables = [
        _resonate(source[start : start + length], FORMANTS[vowel], stretch) * fade
        for vowel, start in zip(vowels, range(0, length * len(vowels), length), strict=True)
    ]
    speech = np.concatenate(syllables)
    speech *= 0.03 * 10 ** (level / 20) / np.sqrt(np.mean(speech**2))
    pause = np.zeros(int(0.15 * SAMPLING_RATE))
    clip = np.concatenate([pause, speech, pause])
    return np.clip(clip + rng.normal(0, 3e-4, clip.size), -0.99, 0.99)


def _check_own(folder: Path, names: Sequence[str]) -> None:
    """Raise `CorpusError` if a folder has files that are not of the demo corpus."""
    own = {f"{name}.wav" for name in names}
    other = next((file.name for file in sorted(folder.glob("[!.]*")) if file.name not in own), None)
    if other is not None:
        raise CorpusError(f"{folder}: holds '{other}', which is not of the demo corpus; choose a new or empty folder")


def generate_demo(folder: str | Path, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> int:
    """Write the demo corpus as 16-bit WAV files, leaving existing files unchanged.

    Parameters
    ----------
    folder : str or Path
        Created if missing.
    seed : int, default=0
        Seed of the random variation; the same seed gives the same recordings.
    progress : callable, optional
        Called with the number of recordings done and their total.

    Returns
    -------
    int
        Number of recordings in the corpus.

    Raises
    ------
    FusionserError
        If a file cannot be written, or the folder has other files.
    """
    names = sorted(Demo().expected())
    _check_own(Path(folder), names)
    for number, name in enumerate(names):
        path = Path(folder) / f"{name}.wav"
        if not path.exists():
            _, speaker, emotion, statement, _ = name.split("_")
            clip = synthesise(speaker, emotion, statement, np.random.default_rng([seed, number]))
            write_whole(path, partial(soundfile.write, data=clip, samplerate=SAMPLING_RATE, subtype="PCM_16"))
        if progress:
            progress(number + 1, len(names))
    return len(names)

"""Voices for tests of copies: each has a pitch, syllables and pauses of its own, drawn from its seed."""

import numpy as np
import soundfile
from scipy.signal import lfilter

RATE = 16000


def voice(seed, seconds=2.5, pitch=150.0):
    """A pulse train whose pitch wanders as that of a speaker, through two resonances for each syllable."""
    rng = np.random.default_rng(seed)
    size = int(RATE * seconds)
    knots = np.linspace(0, size, int(seconds * 6) + 2)
    wandering = np.interp(np.arange(size), knots, rng.normal(0, 2.5, knots.size))
    frequency = pitch * 2 ** (wandering / 12)
    phase = np.cumsum(frequency) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.003 * rng.normal(size=size)
    loudness = np.interp(np.arange(size), knots, rng.uniform(0.02, 1.0, knots.size) ** 2)
    sound = np.zeros(size)
    bounds = np.sort(rng.integers(0, size, int(seconds * 4)))
    for part in np.split(np.arange(size), bounds):
        if part.size:
            made = pulses[part]
            for centre in (rng.uniform(300, 900), rng.uniform(1000, 2600)):
                radius = np.exp(-np.pi * 120 / RATE)
                made = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2], made)
            sound[part] = made
    sound = sound * loudness
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def write_voice(path, samples, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path

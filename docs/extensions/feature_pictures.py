"""Pictures of features, drawn from synthetic voices when the site is built."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx.config import Config

from fusionser.corpora.demo import SAMPLING_RATE, synthesise
from fusionser.features.pitch import semitones, track_pitch
from fusionser.features.relative import LOUD_FRAMES
from fusionser.features.spectrum import FrameSettings, Spectrum

FOLDER = Path(__file__).parents[1] / "explanations" / "pictures"
EMOTIONS = ("neutral", "angry", "sad")
COLOURS = ("#4c6ef5", "#e8590c", "#2b8a3e")
FRAMES = FrameSettings(sampling_rate=SAMPLING_RATE, n_fft=1024, hop_length=256)

Measure = Callable[[Spectrum], npt.NDArray[Any]]


def voices() -> dict[str, npt.NDArray[np.float64]]:
    """Return the same statement by the same synthetic speaker in three emotions."""
    return {emotion: synthesise("f2", emotion, "s1", np.random.default_rng(0)) for emotion in EMOTIONS}


def seconds(count: int) -> npt.NDArray[np.float64]:
    """Return the times of frames."""
    return np.arange(count) * FRAMES.hop_length / SAMPLING_RATE


def lines(name: str, label: str, measure: Measure) -> None:
    """Draw a series over time, a line for each emotion."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    for (emotion, samples), colour in zip(voices().items(), COLOURS, strict=True):
        series = np.ravel(measure(Spectrum(samples.astype(np.float32), FRAMES)))
        axes.plot(seconds(series.size), series, color=colour, label=emotion)
    axes.set(xlabel="seconds", ylabel=label)
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    save(figure, name)


def maps(name: str, label: str, measure: Measure, first: int = 0) -> None:
    """Draw an array of rows, counted from `first`, over time, a picture for each emotion."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    for axes, (emotion, samples) in zip(figure.subplots(1, 3, sharey=True), voices().items(), strict=True):
        values = measure(Spectrum(samples.astype(np.float32), FRAMES))
        end = values.shape[1] * FRAMES.hop_length / SAMPLING_RATE
        axes.imshow(
            values, aspect="auto", origin="lower", extent=(0, end, first - 0.5, first + len(values) - 0.5), cmap="magma"
        )
        axes.set(title=emotion, xlabel="seconds")
    figure.axes[0].set_ylabel(label)
    save(figure, name)


def pitch(spectrum: Spectrum) -> npt.NDArray[Any]:
    """Return the pitch in semitones above 100 Hz; not a number where there is no voice."""
    track = track_pitch(spectrum.power, spectrum.rms, SAMPLING_RATE, FRAMES.hop_length)
    return np.where(track.voiced, semitones(np.maximum(track.frequency, 1.0)), np.nan)


def centroid(spectrum: Spectrum) -> npt.NDArray[Any]:
    """Return the spectral centroid; not a number in pauses."""
    level = np.ravel(spectrum.rms)
    return np.where(level > 0.05 * level.max(), np.ravel(spectrum.centroid), np.nan)


def relative_level(spectrum: Spectrum) -> npt.NDArray[Any]:
    """Return the level in decibels relative to the loud frames, those at the 97th percentile."""
    level = np.ravel(spectrum.rms)
    return np.maximum(20 * np.log10(np.maximum(level, 1e-9) / np.percentile(level, LOUD_FRAMES)), -60.0)


def save(figure: Figure, name: str) -> None:
    """Write a picture."""
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


def draw(app: Sphinx, config: Config) -> None:
    """Draw all pictures."""
    del app, config
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines("zero-crossing-rate", "share of samples", lambda spectrum: spectrum.zero_crossing_rate)
    lines("rms", "root mean square", lambda spectrum: spectrum.rms)
    lines("centroid", "Hz", centroid)
    lines("flux", "distance", lambda spectrum: spectrum.flux)
    lines("pitch", "semitones above 100 Hz", pitch)
    lines("relative-level", "decibels", relative_level)
    maps("mel", "mel band", lambda spectrum: spectrum.log_mel(64))
    maps("mfcc", "coefficient", lambda spectrum: spectrum.mfcc(20)[1:], first=1)
    maps("chroma", "pitch class", lambda spectrum: spectrum.chroma())
    maps("contrast", "octave band", lambda spectrum: spectrum.contrast())


def setup(app: Sphinx) -> dict[str, Any]:
    """Draw the pictures before pages are read."""
    app.connect("config-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Which part of a recording influenced the answer of a model most: occlusion (Zeiler and Fergus 2014)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.checks import check_range
from fusionser.errors import AudioError, SettingsError
from fusionser.features.percentiles import percentile
from fusionser.model import Predictor, load_model
from fusionser.plots.recording import HeardRecording, Recording, hear
from fusionser.plots.style import WIDTH, name_panel, set_time
from fusionser.reporting.answers import unlike_of
from fusionser.reporting.drawing import Axes, Figure
from fusionser.reporting.figures import COLORS
from fusionser.samples import Waveform
from fusionser.timeline.stream import check_model

__all__ = ["Occlusion", "draw_occlusion", "measure_occlusion", "occlusion_figure"]

LEAST_SAMPLES = 2
"""Samples of the shortest part that is replaced."""

SHORTEST_STRETCH, MOST_STRETCHES = 0.2, 30
"""Least seconds of a stretch, and most stretches side by side, unless another length is given."""

QUIET_FRAMES, LOUD_FRAMES = 10, 95
"""Percentiles over the frames that stand for the pauses and for the loud parts."""

LOUDEST_NOISE, LEAST_NOISE = 0.01, 1e-5
"""Most amplitude of the noise relative to the loud parts (-40 dB), and least amplitude (-100 dB)."""

FADE = 0.005
"""Seconds in which the noise fades in and out, since a click would be heard, too."""

BATCH = 8
"""Changed recordings that are predicted at once."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Occlusion:
    """How the probability of an answer changes when stretches of the recording are replaced by quiet noise.

    Parameters
    ----------
    answer : str
        The answer for the whole recording.
    probability : float
        Its probability, 0 to 1.
    stretch : float
        Length of a stretch in seconds; each one begins half a stretch after the one before it.
    edges : ndarray of shape (n_cells + 1,)
        Borders in seconds, half a stretch apart.
    change : ndarray of shape (n_cells,)
        Mean change of the probability over the stretches that cover a cell. Where it is negative, the cell spoke for
        the answer.
    unlike : str
        In which way the recording is unlike the training recordings of the model; empty if it is not.
    """

    answer: str
    probability: float
    stretch: float
    edges: npt.NDArray[np.float64]
    change: npt.NDArray[np.float64]
    unlike: str = ""

    def facts(self) -> dict[str, Any]:
        """Return the answer, and where its probability falls most, as JSON values."""
        most = int(self.change.argmin())
        return {
            "answer": self.answer,
            "probability": round(self.probability, 4),
            "stretch_seconds": round(self.stretch, 3),
            "largest_fall": round(max(-float(self.change[most]), 0.0), 4),
            "largest_fall_at": [round(float(edge), 3) for edge in self.edges[most : most + 2]],
            "unlike": self.unlike,
        }


def measure_occlusion(
    recording: Recording,
    model: Predictor | None = None,
    *,
    stretch: float | None = None,
    progress: Progress | None = None,
) -> Occlusion:
    """Measure which parts of a recording influenced the answer of a model.

    A stretch is replaced by white noise at the level of the pauses, at least 40 dB below the loud parts, and the model
    predicts the whole again. This tells what the model relies on, and not what the speaker does.

    Parameters
    ----------
    recording : HeardRecording, str, path, bytes, binary file, or pair (samples, rate)
        As of `hear`.
    model : Model or OnnxModel, optional
        By default the included one.
    stretch : float, optional
        Seconds that are replaced at once. By default 0.2, or a thirtieth of a recording of more than 6 s.
    progress : callable, optional
        Called with the number of predictions that are done, and of all.

    Returns
    -------
    Occlusion

    Raises
    ------
    AudioError
        If the model cannot answer for the recording.
    SettingsError
        If `stretch` is longer than the recording, or the model predicts numbers, or needs the speaker's gender.

    Examples
    --------
    >>> measure_occlusion("clip.wav").answer  # doctest: +SKIP
    'angry'
    """
    used = load_model() if model is None else model
    check_model(used)
    if used.needs_gender:
        raise SettingsError("the model has the speaker's gender as a feature, which is not known; fit it without")
    heard = recording if isinstance(recording, HeardRecording) else hear(recording)
    if heard.samples.size < LEAST_SAMPLES:
        raise AudioError(f"{heard.name}: too short to replace a part of it; expected {LEAST_SAMPLES} samples or more")
    if stretch is None:
        stretch = min(max(SHORTEST_STRETCH, heard.seconds / MOST_STRETCHES), heard.seconds)
    check_range("stretch", stretch, LEAST_SAMPLES / heard.sampling_rate, heard.seconds)
    answers: list[Any] = used.predict([(heard.samples, heard.sampling_rate)]).to_dict("records")
    first = answers[0]
    if first["error"]:
        raise AudioError(str(first["error"]).replace("waveform 0", heard.name))
    hop = stretch / 2
    count = max(int(np.ceil((heard.seconds - stretch) / hop - 1e-9)), 0) + 1
    found = _probabilities(used, heard, [place * hop for place in range(count)], stretch, first["emotion"], progress)
    change = _by_cell(found - first["probability"])
    edges = heard.start + np.minimum(np.arange(change.size + 1) * hop, heard.seconds)
    return Occlusion(
        answer=str(first["emotion"]),
        probability=float(first["probability"]),
        stretch=stretch,
        edges=edges,
        change=change,
        unlike=unlike_of(first) or "",
    )


def _probabilities(
    model: Predictor,
    heard: HeardRecording,
    starts: list[float],
    stretch: float,
    answer: str,
    progress: Progress | None,
) -> npt.NDArray[np.float64]:
    """Return the probability of the answer with each stretch replaced; NaN where nothing is left to predict."""
    changed, found = _covered(heard, starts, stretch), list[float]()
    while batch := list(islice(changed, BATCH)):
        rates = [(samples, heard.sampling_rate) for samples in batch]
        found += model.predict_proba(rates)[answer].tolist()
        if progress is not None:
            progress(len(found), len(starts))
    return np.asarray(found)


def _covered(heard: HeardRecording, starts: list[float], stretch: float) -> Iterator[Waveform]:
    """Yield the samples with one stretch after the other replaced by noise."""
    noise = np.random.default_rng(0).normal(size=heard.samples.size) * _noise_level(heard)
    times = np.arange(heard.samples.size) / heard.sampling_rate
    fade = min(FADE, stretch / 4)
    for start in starts:
        # 1 inside, 0 outside, and a ramp at both ends.
        share = np.clip(np.minimum(times - start, start + stretch - times) / fade, 0.0, 1.0)
        yield ((1.0 - share) * heard.samples + share * noise).astype(np.float32)


def _noise_level(heard: HeardRecording) -> float:
    levels = heard.spectrum.rms
    quiet, loud = percentile(levels, QUIET_FRAMES), percentile(levels, LOUD_FRAMES)
    return max(min(float(quiet), LOUDEST_NOISE * float(loud)), LEAST_NOISE)


def _by_cell(change: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean change over the stretches that cover each half of one, without those that were not predicted."""
    known = np.isfinite(change)
    sums = np.convolve(np.where(known, change, 0.0), [1.0, 1.0])
    counts = np.convolve(known.astype(float), [1.0, 1.0])
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), 0.0)


def occlusion_figure(occlusion: Occlusion) -> Figure:
    """Draw how the probability of the answer changes when stretches are replaced, over time.

    Parameters
    ----------
    occlusion : Occlusion
        As of `measure_occlusion`.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.add_subplot()
    draw_occlusion(axes, occlusion)
    set_time(axes, float(occlusion.edges[0]), float(occlusion.edges[-1]), labelled=True)
    return figure


def draw_occlusion(axes: Axes, occlusion: Occlusion) -> None:
    """Draw what `occlusion_figure` draws, without the axis of time."""
    points = 100 * occlusion.change
    signs = (
        (points < 0, COLORS[0], "", "falls: this stretch spoke for the answer"),
        (points > 0, COLORS[2], "////", "rises: this stretch spoke against it"),
    )
    widths = np.diff(occlusion.edges)
    for wanted, color, hatch, label in signs:
        axes.bar(
            occlusion.edges[:-1],
            np.where(wanted, points, 0.0),
            width=widths,
            align="edge",
            color=color if not hatch else "white",
            edgecolor=color,
            hatch=hatch,
            linewidth=0.6,
            label=label,
        )
    axes.axhline(0, color="black", linewidth=0.8)
    # Changes of less than a point are not made to look large.
    most = max(float(np.abs(points).max()), 1.0)
    # The legend has room above the bars.
    axes.set(ylim=(-1.15 * most, 1.7 * most), ylabel="change, points")
    axes.legend(loc="upper right", fontsize=8, ncols=2)
    unlike = ", unlike the training recordings" if occlusion.unlike else ""
    name_panel(
        axes,
        f"Answer '{occlusion.answer}' ({100 * occlusion.probability:.0f} %{unlike}): change of its probability when "
        f"{occlusion.stretch:.2g} s are quiet noise",
    )

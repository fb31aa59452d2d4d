"""The time line of a recording: answers for its windows, segments, and a summary."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fusionser.checks import channel_number, check_range
from fusionser.errors import AudioError, SettingsError
from fusionser.long_recordings import LONGEST_HOURS, LongRecording, open_long
from fusionser.model import Predictor, abstention
from fusionser.recordings import as_clips
from fusionser.samples import Waveform
from fusionser.timeline.segments import cells_of, segments_of, summary_of
from fusionser.timeline.speech import FRAME_SECONDS
from fusionser.timeline.stream import Answered, answer_windows, check_model, mono_piece
from fusionser.timeline.windows import Resampler, Window, WindowCutter, WindowSettings
from fusionser.waveform import check_own_rate, check_rate, split_pair

__all__ = ["Timeline", "predict_timeline"]

Progress = Callable[[int, int], None]
"""Called with the seconds that are done, and all seconds."""

PIECE_SECONDS = 10.0
"""Samples in memory are taken in pieces of this length."""


@dataclass(frozen=True, repr=False)
class Timeline:
    """What a model hears in a recording over time."""

    file: str
    """The recording."""

    seconds: float
    """Its duration."""

    classes: tuple[str, ...]
    """The emotions that the model knows."""

    settings: WindowSettings
    """Length and hop of the windows."""

    windows: pd.DataFrame
    """One row per window, as of `StreamPredictor.feed`."""

    segments: pd.DataFrame
    """``start``, ``end``, ``emotion``, ``probability``, and the probabilities of all classes, as of `segments_of`."""

    summary: pd.DataFrame
    """``emotion``, ``seconds``, ``share`` of the speech, ``segments``, ``probability``; the longest first."""

    probabilities: pd.DataFrame
    """The probabilities of all classes in steps of a hop, with ``start``, ``end`` and the share of ``speech``."""

    pitch: np.ndarray[Any, np.dtype[np.float64]]
    """Fundamental frequency in Hz every 20 ms; 0 where the voice is not periodic."""

    def __repr__(self) -> str:
        counts = f"{len(self.windows)} windows, {len(self.segments)} segments"
        return f"<Timeline of {self.file}: {self.seconds:.1f} s, {counts}>"


def predict_timeline(
    recording: Any,
    model: Predictor | None = None,
    *,
    windows: float = 3.0,
    hop: float = 0.5,
    sampling_rate: int | None = None,
    channel: int | str | None = None,
    end: float | None = None,
    abstain: bool = False,
    most_unlike: float | None = None,
    progress: Progress | None = None,
    listener: Callable[[int, Waveform], None] | None = None,
) -> Timeline:
    """Predict how the emotion changes over a recording, which may be hours long.

    The recording is decoded piece by piece, so the memory does not grow with its duration, but for one row per window.

    Parameters
    ----------
    recording : str, path, bytes, binary file, array, or pair (samples, rate)
        As for `Model.predict`.
    model : Model or OnnxModel, optional
        By default the included one.
    windows : float, default=3.0
        Length of a window in seconds. Close to that of the clips that the model was trained on is best.
    hop : float, default=0.5
        Distance from the beginning of one window to that of the next in seconds.
    sampling_rate : int, optional
        Rate of an array in Hz.
    channel : int or {"left", "right", "mean"}, optional
        The channel of a file to use, from 1. None is the mean of all.
    end : float, optional
        Where to stop, in seconds, such as the end of what is left of a file that was cut off.
    abstain, most_unlike
        As of `Model.predict`. Segments whose answer has a mean probability below 0.5 are then "unsure".
    progress : callable, optional
        Called with the seconds that are done, and all seconds.
    listener : callable, optional
        Called with the sampling rate and each piece of samples, in their order.

    Returns
    -------
    Timeline

    Raises
    ------
    AudioError
        If the recording cannot be decoded.
    SettingsError
        If `windows` or `hop` are out of range, or the model needs the speaker's gender.
    """
    used = _included() if model is None else model
    check_model(used)
    if used.needs_gender:
        raise SettingsError(
            "the model has the speaker's gender as a feature, which a recording with several speakers does not have; "
            "fit one with --gender none"
        )
    settings = WindowSettings(windows, hop)
    options = abstention(abstain, most_unlike)
    if end is not None:
        check_range("end", end, 0, 3600 * LONGEST_HOURS)
    with _opened(recording, sampling_rate, end, channel_number(channel)) as (name, source):
        pieces = _told(source, progress, listener)
        resampler = Resampler(source.sampling_rate, used.analysis_rate)
        cutter = WindowCutter(resampler.rate, settings)
        found = answer_windows(_cut(cutter, resampler, pieces), used, resampler.rate, name, **options)
        answered = list(_with_own_pitch(found, hop))
        seconds = cutter.received / resampler.rate
    if not answered:
        raise AudioError(f"{name}: holds no samples")
    return _timeline(name, seconds, used.card.classes, settings, answered, abstain)


def _timeline(
    name: str, seconds: float, classes: Any, settings: WindowSettings, answered: list[Answered], abstain: bool
) -> Timeline:
    cells = cells_of(answered, settings, seconds, classes)
    segments = segments_of(cells, abstain=abstain)
    edges = cells.edges()
    steps = pd.DataFrame(
        {
            "start": edges[:-1],
            "end": edges[1:],
            "speech": cells.speech,
            **{f"probability_{label}": cells.probabilities[:, place] for place, label in enumerate(classes)},
        }
    )
    windows = pd.DataFrame([one.answer for one in answered])
    pitch = _pitch(answered)
    return Timeline(name, seconds, tuple(classes), settings, windows, segments, summary_of(segments), steps, pitch)


def _with_own_pitch(windows: Iterator[Answered], hop: float) -> Iterator[Answered]:
    """Leave out the pitch that the next window has too, which would take most of the memory of long recordings."""
    count = round(hop / FRAME_SECONDS) + 2
    before = None
    for window in windows:
        if before is not None:
            yield before._replace(pitch=before.pitch[:count].copy())
        before = window
    if before is not None:
        yield before


def _pitch(answered: list[Answered]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the pitch of the whole recording: of each window what lies before the next one."""
    track = np.zeros(round(answered[-1].end / FRAME_SECONDS) + 1)
    for window in answered:
        first = round(window.start / FRAME_SECONDS)
        part = window.pitch[: len(track) - first]
        track[first : first + len(part)] = part
    return track


def _cut(cutter: WindowCutter, resampler: Resampler, pieces: Iterator[Waveform]) -> Iterator[Window]:
    for piece in pieces:
        yield from cutter.feed(resampler.feed(piece))
    yield from cutter.feed(resampler.finish())
    yield from cutter.finish()


def _told(source: LongRecording, progress: Progress | None, listener: Any) -> Iterator[Waveform]:
    """Yield the pieces of a recording, and tell those who listen."""
    done = 0
    for piece in source.pieces:
        if listener is not None:
            listener(source.sampling_rate, piece)
        yield piece
        done += piece.size
        if progress is not None:
            progress(min(round(done / source.sampling_rate), round(source.seconds)), round(source.seconds))


@contextmanager
def _opened(
    recording: Any, sampling_rate: int | None, end: float | None, channel: int | None
) -> Iterator[tuple[str, LongRecording]]:
    """Open a recording of any kind, and yield its name too."""
    # An array is one recording, also where its channels come first.
    with as_clips([recording] if isinstance(recording, np.ndarray) else recording) as clips:
        if not isinstance(clips.items, list) or len(clips.items) != 1:
            raise SettingsError("a time line is for one recording; got several, or a table")
        item = clips.items[0]
        if isinstance(item, str) or hasattr(item, "__fspath__"):
            try:
                with open_long(str(item), end, channel) as opened:
                    check_own_rate(str(item), opened.sampling_rate)
                    yield clips.shown(str(item)), opened
            except AudioError as error:
                raise AudioError(clips.shown(str(error))) from error
            return
        samples, rate = split_pair(item)
        yield "waveform", _in_memory(np.asarray(samples), check_rate(rate if rate is not None else sampling_rate))


def _in_memory(samples: np.ndarray[Any, Any], rate: int) -> LongRecording:
    # The whole array tells which axis is time; a piece of it may not.
    columns = samples.T if samples.ndim == 2 and samples.shape[0] < samples.shape[1] else samples
    size = round(PIECE_SECONDS * rate)
    pieces = (mono_piece(columns[first : first + size], rate, "waveform") for first in range(0, len(columns), size))
    return LongRecording(rate, len(columns) / rate, pieces)


def _included() -> Predictor:
    # ONNX files need no scikit-learn, which this import needs.
    from fusionser.model import load_model

    return load_model()

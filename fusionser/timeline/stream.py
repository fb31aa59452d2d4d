"""Predictions for samples that arrive piece by piece, window by window."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import AudioError, FusionserError, SettingsError
from fusionser.model import Predictor, abstention
from fusionser.names import NO_SPEECH
from fusionser.samples import Waveform, mix_down
from fusionser.timeline.speech import speech_frames
from fusionser.timeline.windows import Resampler, Window, WindowCutter, WindowSettings
from fusionser.waveform import MOST_CHANNELS, check_rate, samples_of

__all__ = ["NO_SPEECH", "Answered", "StreamPredictor", "answer_windows", "check_model", "mono_piece"]

LEAST_SPEECH = 0.1
"""Share of speech from which a window is predicted."""

BATCH = 16
"""Windows that are predicted at once."""


class Answered(NamedTuple):
    """A window with its answer."""

    start: float
    """Seconds from the beginning of the recording."""

    end: float

    answer: dict[str, Any]
    """A row as of `Model.predict`, with ``start``, ``end`` and ``speech``, the share of speech."""

    speech: npt.NDArray[np.bool_]
    """Whether there is speech, every 20 ms."""

    pitch: npt.NDArray[np.float64]
    """Fundamental frequency in Hz every 20 ms; 0 where the voice is not periodic."""


def answer_windows(
    windows: Iterable[Window], model: Predictor, sampling_rate: int, name: str, **options: Any
) -> Iterator[Answered]:
    """Predict windows, some at a time; those with too little speech are not predicted.

    Parameters
    ----------
    windows : iterable of Window
    model : Model or OnnxModel
    sampling_rate : int
        Rate of the samples in Hz.
    name : str
        Name of the recording.
    **options
        Of `Model.predict`: ``abstain``, ``most_unlike``.
    """
    remaining = iter(windows)
    while batch := list(islice(remaining, BATCH)):
        heard = [speech_frames(window.samples, sampling_rate) for window in batch]
        shares = [float(frames.speech.mean()) for frames in heard]
        spoken = [place for place, share in enumerate(shares) if share >= LEAST_SPEECH]
        answers = _predicted([batch[place] for place in spoken], model, sampling_rate, options)
        found = dict(zip(spoken, answers, strict=True))
        for place, (window, frames) in enumerate(zip(batch, heard, strict=True)):
            start, end = window.start / sampling_rate, window.end / sampling_rate
            place_of = {"file": name, "start": start, "end": end, "speech": shares[place]}
            answer = found.get(place) or {**_blank(model, options), "emotion": NO_SPEECH}
            yield Answered(start, end, {**place_of, **answer}, frames.speech, frames.pitch)


def check_model(model: Any) -> None:
    """Raise `SettingsError` if something is no model, such as the path of one."""
    if not isinstance(model, Predictor):
        raise SettingsError(f"model is a {type(model).__name__}; expected a Model, as of fusionser.load_model(path)")
    model.card.check_classes("emotions over time")


def _predicted(windows: Sequence[Window], model: Predictor, sampling_rate: int, options: Any) -> list[dict[str, Any]]:
    """Return the answers for windows, without the columns that say which recording it is."""
    if not windows:
        return []
    answers = model.predict([(window.samples, sampling_rate) for window in windows], **options)
    return [
        {str(name): value for name, value in record.items() if name != "file"} for record in answers.to_dict("records")
    ]


def _blank(model: Predictor, options: Any) -> dict[str, Any]:
    """Return an answer without values."""
    names = ["probability", *(f"probability_{name}" for name in model.card.classes)]
    blank: dict[str, Any] = {"emotion": "", **dict.fromkeys(names, float("nan"))}
    if model.unlikeness is not None:
        blank |= {"unlikeness": float("nan"), "unlike_because": ""}
    blank["error"] = ""
    return blank | ({"unsure_because": ""} if options.get("abstain") else {})


def mono_piece(samples: npt.NDArray[Any], sampling_rate: int, name: str) -> Waveform:
    """Return the mean over the channels of a piece, whose columns are channels however few samples it has.

    Raises
    ------
    AudioError
        If it has another shape, or its samples are not finite, or far beyond full scale.
    """
    if samples.size == 0:
        return np.zeros(0, dtype=np.float32)
    if samples.ndim > 2:
        raise AudioError(f"{name}: got {samples.ndim} dimensions; expected samples, or samples by channels")
    columns = samples[:, None] if samples.ndim == 1 else np.atleast_2d(samples)
    if columns.shape[1] > MOST_CHANNELS:
        raise AudioError(
            f"{name}: got an array of {columns.shape[0]} x {columns.shape[1]}; expected samples by channels, with "
            f"channels in columns, at most {MOST_CHANNELS}"
        )
    rows = [{"file": name, "waveform": column, "sampling_rate": sampling_rate} for column in columns.T]
    return mix_down(np.stack([samples_of(row)[0] for row in rows]))


class StreamPredictor:
    """Predict samples while they arrive, such as those of a microphone.

    The windows, and their answers, are those of `predict_timeline` for the same samples, however they are divided. A
    window is answered with the samples that complete it: at most `windows` after what it begins with was said, plus
    the time that the model needs.

    Parameters
    ----------
    model : Model or OnnxModel
    sampling_rate : int
        Rate of the samples in Hz.
    windows : float, default=3.0
        Length of a window in seconds.
    hop : float, default=0.5
        Distance from the beginning of one window to that of the next in seconds.
    abstain : bool, default=False
        As of `Model.predict`.
    most_unlike : float, optional
        As of `Model.predict`.

    Examples
    --------
    >>> import fusionser
    >>> predictor = StreamPredictor(fusionser.load_model(), sampling_rate=16000)
    >>> second = 0.1 * np.random.default_rng(0).normal(size=16000)
    >>> [len(predictor.feed(second)) for _ in range(4)]
    [0, 0, 1, 2]
    >>> len(predictor.feed(second[:4000]))
    0
    >>> predictor.finish()[["start", "end", "emotion"]].to_dict("records")
    [{'start': 1.5, 'end': 4.25, 'emotion': 'no speech'}]
    """

    def __init__(
        self,
        model: Predictor,
        sampling_rate: int,
        *,
        windows: float = 3.0,
        hop: float = 0.5,
        abstain: bool = False,
        most_unlike: float | None = None,
    ) -> None:
        check_model(model)
        if model.needs_gender:
            raise SettingsError("the model has the speaker's gender as a feature, which a stream does not state")
        self.model = model
        self.sampling_rate = check_rate(sampling_rate)
        self._resampler = Resampler(self.sampling_rate, model.analysis_rate)
        self._cutter = WindowCutter(self._resampler.rate, WindowSettings(windows, hop))
        self._options = abstention(abstain, most_unlike)
        self._finished = False

    def feed(self, samples: Any) -> pd.DataFrame:
        """Take more samples, and return the answers for the windows that they complete.

        Parameters
        ----------
        samples : array
            Integers or floats from -1 to 1, with channels in columns if there are several. None at all are allowed.

        Returns
        -------
        DataFrame
            One row per window, perhaps none: ``file`` ("stream"), ``start`` and ``end`` in seconds from the first
            sample, ``speech``, the share of the window with speech, and the columns of `Model.predict`. In a window
            with less than 10 % of speech, ``emotion`` is `NO_SPEECH`.

        Raises
        ------
        AudioError
            If the samples are not finite, or far beyond full scale.
        FusionserError
            After `finish`.
        """
        if self._finished:
            raise FusionserError("the stream was finished; make a new StreamPredictor")
        return self._answers(self._cutter.feed(self._resampler.feed(self._mono(samples))))

    def finish(self) -> pd.DataFrame:
        """Return the answer for what follows the last window, as `feed` does; the stream is then at its end."""
        if self._finished:
            return self._answers([])
        self._finished = True
        return self._answers([*self._cutter.feed(self._resampler.finish()), *self._cutter.finish()])

    def _mono(self, samples: Any) -> Waveform:
        if np.ma.is_masked(samples):
            raise AudioError("stream: some samples are masked; expected all of them")
        # A tensor comes to NumPy only from the CPU and without gradients.
        given = samples.detach().cpu() if hasattr(samples, "detach") else samples
        try:
            array = np.asarray(given)
        except ValueError as error:
            raise AudioError(
                f"stream: the samples are no array ({error}); expected samples, or samples by channels"
            ) from error
        return mono_piece(array, self.sampling_rate, "stream")

    def _answers(self, windows: Iterable[Window]) -> pd.DataFrame:
        answered = answer_windows(windows, self.model, self._cutter.sampling_rate, "stream", **self._options)
        blank = {"file": "", "start": 0.0, "end": 0.0, "speech": 0.0, **_blank(self.model, self._options)}
        table = pd.DataFrame([one.answer for one in answered], columns=list(blank))
        # Without rows, the types of the columns are the same as with some.
        return table.astype({name: np.float64 for name, value in blank.items() if isinstance(value, float)})

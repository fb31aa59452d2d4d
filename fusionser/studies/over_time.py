"""Emotions over time, judged: models of training speakers on joined clips of test speakers, whose borders are known."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import model_validator

from fusionser.checks import check_range
from fusionser.errors import SettingsError
from fusionser.evaluation.fold_jobs import FoldProgress
from fusionser.evaluation.metrics import Counts
from fusionser.evaluation.over_time import FRAME, frame_counts
from fusionser.facts import Record
from fusionser.files import write_text
from fusionser.jobs import evaluate_prepared, fit_prepared
from fusionser.names import INDUCTIVE
from fusionser.pipeline import Prepared, Resources
from fusionser.pipeline.resources import LOCAL
from fusionser.results import Result, read_stored
from fusionser.splits import Protocol
from fusionser.timeline import predict_timeline
from fusionser.timeline.joined import Joined, join_clips

__all__ = ["NEUTRAL", "Example", "OverTimeResult", "evaluate_over_time", "read_over_time"]

FORMAT: Literal[1] = 1

NEUTRAL = "neutral"
"""The class that is no emotion, for the emotion diarisation error rate."""

CLIP = ("file", "start", "end", "speaker", "source")
"""Columns that tell clips from one another."""

EXAMPLES = 4
"""Recordings that are kept to be drawn."""


class Segment(Record):
    """A stretch of a recording with one emotion, in seconds."""

    start: float
    end: float
    emotion: str


class Example(Record):
    """A joined recording: what is true, and what the model heard."""

    speaker: str
    seconds: float
    truth: tuple[Segment, ...]
    heard: tuple[Segment, ...]


class OverTimeResult(Record):
    """A stored judgement of time lines.

    ``clips`` is the result for the same clips one by one, under the same protocol. ``frames`` has, for each test
    speaker, how many frames of each emotion have which answer (`frame_counts`), and ``known_borders`` the same if each
    clip has the answer that it got as a recording of its own. ``windows`` and ``hop`` are in seconds, ``joined`` is the
    number of clips in a recording.
    """

    format: Literal[1] = FORMAT
    clips: Result
    windows: float
    hop: float
    joined: int
    recordings: int
    frames: dict[str, list[list[int]]]
    known_borders: dict[str, list[list[int]]]
    examples: tuple[Example, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        size = len(self.clips.classes) + 1
        for counts in (self.frames, self.known_borders):
            arrays = [np.asarray(one, dtype=np.int64) for one in counts.values()]
            if not arrays or any(one.shape != (size, size) or one.min() < 0 for one in arrays):
                raise ValueError("the counts of frames are not those of its classes")
            if not np.sum(arrays):
                raise ValueError("no frame was judged")
        named = {one.emotion for example in self.examples for one in (*example.truth, *example.heard)}
        if not 0 < len(self.examples) <= EXAMPLES or not named <= set(self.clips.classes):
            raise ValueError("its examples are not of its classes")
        return self

    @property
    def neutral(self) -> int | None:
        """The place of the class that is no emotion."""
        return self.clips.classes.index(NEUTRAL) if NEUTRAL in self.clips.classes else None

    @property
    def seconds(self) -> float:
        """How many seconds were judged."""
        return FRAME * float(np.sum([*map(np.asarray, self.frames.values())]))

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, atomically."""
        return write_text(path, self.model_dump_json(indent=2) + "\n")


def read_over_time(path: str | Path) -> OverTimeResult:
    """Read a judgement of time lines from its JSON file, as `read_stored` does."""
    return read_stored(OverTimeResult, path, "a judgement of time lines")


def evaluate_over_time(
    prepared: Prepared,
    split: Protocol,
    *,
    windows: float = 3.0,
    hop: float = 0.5,
    joined: int = 6,
    resources: Resources = LOCAL,
    progress: FoldProgress | None = None,
) -> OverTimeResult:
    """Judge the time lines of joined clips of the test speakers, by models that are fitted to the training speakers.

    Parameters
    ----------
    prepared : Prepared
    split : Protocol
        Keeps speakers apart.
    windows, hop : float
        As of `predict_timeline`.
    joined : int, default=6
        Clips of a recording.
    resources : Resources
    progress : callable, optional
        See `FoldProgress`.

    Raises
    ------
    SettingsError
        If speakers are unknown, or the protocol does not keep them apart.
    """
    check_range("joined", joined, 2, 100)
    _check_rows(prepared)
    _check_apart(prepared.table, split)
    result, evaluation = evaluate_prepared(prepared, split, resources=resources, progress=progress)
    found = _Found(result.classes, _answers(evaluation.predictions))
    folds = split.named_folds(prepared.table)
    for number, (name, train, test) in enumerate(folds):
        if progress:
            progress(number, len(folds), f"{name}, over time")
        model = fit_prepared(replace(prepared, table=prepared.table.iloc[train]), resources=resources)
        rows = prepared.table.iloc[test].reset_index(drop=True)
        for recording in join_clips(rows, clips=joined, seed=result.seed):
            timeline = predict_timeline(
                recording.samples, model, windows=windows, hop=hop, sampling_rate=recording.sampling_rate
            )
            found.add(recording, timeline.segments, rows)
    if progress:
        progress(len(folds), len(folds), "")
    return found.result(clips=result, windows=windows, hop=hop, joined=joined)


def _check_rows(prepared: Prepared) -> None:
    """Raise `SettingsError` if windows cannot be answered alone, or no speaker has clips to join."""
    if prepared.spec.setting != INDUCTIVE:
        raise SettingsError(
            f"the setting is {prepared.spec.setting} (--setting); a window is answered without other recordings of its "
            f"speaker, so only {INDUCTIVE} can be judged"
        )
    if prepared.table.groupby("speaker").size().max() < 2:
        raise SettingsError("every speaker has one clip, and recordings are joined from two or more of a speaker")


def _check_apart(rows: pd.DataFrame, split: Protocol) -> None:
    """Raise `SettingsError` if a speaker is on both sides, before models are fitted."""
    speakers = rows["speaker"].to_numpy(dtype=object)
    shared = any(set(speakers[train]) & set(speakers[test]) for _, train, test in split.named_folds(rows))
    if shared or (speakers == "").any():
        raise SettingsError(
            f"clips are joined by speaker, and the protocol {split.name} does not keep speakers apart, or they are "
            "unknown; choose one that does (--protocol speaker-kfold)"
        )


class _Found:
    """What was heard so far."""

    def __init__(self, classes: tuple[str, ...], answers: Mapping[tuple[Any, ...], str]) -> None:
        self.classes, self.answers = classes, answers
        self.frames: dict[str, Counts] = {}
        self.known: dict[str, Counts] = {}
        self.examples: list[Example] = []
        self.recordings = 0

    def add(self, recording: Joined, segments: pd.DataFrame, rows: pd.DataFrame) -> None:
        """Add a recording of these rows, and its segments."""
        known = [self.answers[tuple(rows[name][place] for name in CLIP)] for place in recording.clips]
        whole = pd.DataFrame(
            [(span.start, span.end, answer) for span, answer in zip(recording.spans, known, strict=True)],
            columns=["start", "end", "emotion"],
        )
        for counts, answered in ((self.frames, segments), (self.known, whole)):
            more = frame_counts(recording.spans, answered, self.classes)
            counts[recording.speaker] = counts.get(recording.speaker, 0) + more
        self.recordings += 1
        if len(self.examples) < EXAMPLES and recording.speaker not in {one.speaker for one in self.examples}:
            self.examples.append(_example(recording, segments))

    def result(self, **given: Any) -> OverTimeResult:
        """Return the result."""
        return OverTimeResult(
            **given,
            recordings=self.recordings,
            frames={name: counts.tolist() for name, counts in self.frames.items()},
            known_borders={name: counts.tolist() for name, counts in self.known.items()},
            examples=tuple(self.examples),
        )


def _example(recording: Joined, segments: pd.DataFrame) -> Example:
    return Example(
        speaker=recording.speaker,
        seconds=len(recording.samples) / recording.sampling_rate,
        truth=tuple(_segment(*span) for span in recording.spans),
        heard=tuple(_segment(*one) for one in segments[["start", "end", "emotion"]].itertuples(index=False)),
    )


def _segment(start: float, end: float, emotion: str) -> Segment:
    return Segment(start=round(start, 3), end=round(end, 3), emotion=emotion)


def _answers(predictions: pd.DataFrame) -> dict[tuple[Any, ...], str]:
    """Return the answer for each clip, by what tells it from other clips of its file."""
    columns = (predictions[name] for name in (*CLIP, "predicted"))
    return {tuple(key): str(answer) for *key, answer in zip(*columns, strict=True)}

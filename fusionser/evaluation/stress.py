"""How much the answers of a saved model depend on the recording chain: the same clips under several conditions."""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy.stats import binomtest

from fusionser.augmentation.conditions import Condition, Parameter
from fusionser.augmentation.recording_chain import Changed
from fusionser.cache import Cache, CacheChoice
from fusionser.errors import AudioError, FusionserError, SettingsError
from fusionser.evaluation.kept_answers import KeptAnswers, settings_of
from fusionser.evaluation.metrics import (
    DRAWS,
    FEWEST_SPEAKERS,
    confusion,
    expected_calibration_error,
    percentile_interval,
    speaker_intervals,
    unweighted_average_recall,
)
from fusionser.execution import current_executor, executor_of, run_jobs
from fusionser.facts import Count, QuarantineList, Record, Share, Stamp
from fusionser.features.extraction import Progress
from fusionser.features.inputs import object_column
from fusionser.files import write_text
from fusionser.model import Predictor
from fusionser.reader import read_row
from fusionser.registry import CONDITIONS, plugins_among
from fusionser.results import Provenance, provenance, public_quarantine, read_stored
from fusionser.rows import CHANNEL_COLUMN, COLUMNS

__all__ = ["CLEAN", "ConditionScores", "StressResult", "draw_clips", "read_stress", "score_answers", "stress_model"]

CLEAN = "clean"
"""Replaces the name of a condition for the clips as they are."""

FORMAT: Literal[1] = 1
BATCH = 4
"""Clips per task of a process."""

KEPT = ("file", "condition", "answer", "probability")
"""Columns of answers that are stored, beside those of the probabilities."""

ONE_ANSWER = 0.8
"""Share of clean clips with the same answer from which a reader is told of it: such a model changes few answers."""

Interval = tuple[Share, Share]
Change = Annotated[float, Field(ge=-1, le=1)]


class ConditionScores(Record):
    """The answers of a model under one condition, compared with those for the clean clips.

    ``changed`` is the share of answers that differ, ``probability_change`` the mean change of the probability of the
    clean answer, ``most_frequent`` the most frequent answer and ``most_frequent_share`` its share. ``uar`` and
    ``calibration_error`` come from the clips whose emotion is a class of the model, and are None without such clips.
    All are shares, 0 to 1; intervals are of 95 %. ``measured`` has means over the clips, such as the bit rate of a
    codec. ``clips`` are those that the model answers for.
    """

    name: str
    parameters: dict[str, Parameter]
    measured: dict[str, float]
    clips: Count
    changed: Share
    changed_interval: Interval | None
    probability_change: Change
    probability_change_interval: tuple[Change, Change] | None
    most_frequent: str
    most_frequent_share: Share
    uar: Share | None
    uar_interval: Interval | None
    calibration_error: Share | None


class StressResult(Record):
    """A stored test of a model under conditions.

    ``fitted_by`` is the command that fitted the model, empty if its card has no estimate.
    ``by_speaker`` is whether intervals come from resampling speakers; otherwise they come from resampling clips.
    ``labelled`` clips have an emotion that is a class of the model. ``quarantine`` lists the recordings that cannot be
    used, each with the condition, which is empty if the recording itself cannot be used.
    """

    format: Literal[1] = FORMAT
    features_name: str
    classifier: str
    fusion: str
    trained_on: str
    fitted_by: str = ""
    classes: tuple[str, ...] = Field(min_length=1)
    corpora: tuple[str, ...]
    clips: Count
    speakers: Count
    labelled: Count
    by_speaker: bool
    clean: ConditionScores
    conditions: list[ConditionScores] = Field(min_length=1)
    notes: tuple[Stamp, ...]
    quarantine: QuarantineList
    seed: int
    provenance: Provenance

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, atomically."""
        return write_text(path, self.model_dump_json(indent=2) + "\n")


def read_stress(path: str | Path) -> StressResult:
    """Read a stress test from its JSON file, as `read_stored` does."""
    return read_stored(StressResult, path, "a stress test")


def draw_clips(rows: pd.DataFrame, limit: int, seed: int = 0) -> pd.DataFrame:
    """Draw rows at random, with equal numbers of each emotion as far as possible, and of each speaker within it.

    Parameters
    ----------
    rows : DataFrame
        With ``emotion`` and ``speaker``.
    limit : int
        Number of rows to keep; all, if there are fewer.
    seed : int, default=0

    Returns
    -------
    DataFrame
        In the order of `rows`.

    Examples
    --------
    >>> rows = pd.DataFrame({"emotion": ["sad"] * 6 + ["calm"] * 2, "speaker": list("aaaabbaa")})
    >>> draw_clips(rows, 4)["emotion"].tolist(), draw_clips(rows, 4)["speaker"].tolist()
    (['sad', 'sad', 'calm', 'calm'], ['a', 'b', 'a', 'a'])
    """
    shuffled = rows[["emotion", "speaker"]].sample(frac=1.0, random_state=seed)
    # The first of each speaker, then the second of each, and so on; and the same over the emotions.
    turn = shuffled.groupby(["emotion", "speaker"], sort=False).cumcount()
    by_speaker = shuffled.loc[turn.sort_values(kind="stable").index]
    turn = by_speaker.groupby("emotion", sort=False).cumcount()
    kept = turn.sort_values(kind="stable").index[:limit]
    return rows.loc[sorted(kept)].reset_index(drop=True)


@dataclass(frozen=True)
class Answered:
    """The answers for one clip.

    Parameters
    ----------
    answers : DataFrame
        As `Model.predict` returns them, with a column ``condition``; those with an error are left out.
    measured : dict of str to dict of str to float
        What each condition measured.
    failures : list of dict
        ``file``, ``condition`` and ``reason`` of what cannot be used.
    """

    answers: pd.DataFrame
    measured: dict[str, Mapping[str, float]]
    failures: list[dict[str, str]]

    def stored(self) -> dict[str, Any]:
        """Return the answers without what the row says, as values of JSON."""
        kept = [name for name in self.answers if name in KEPT or str(name).startswith("probability_")]
        return {"answers": self.answers[kept].to_dict("records"), "measured": self.measured}

    @classmethod
    def of(
        cls, stored: Mapping[str, Any], row: Mapping[str, Any], classes: Sequence[str], conditions: Iterable[str]
    ) -> "Answered | None":
        """Return the answers for a row that `stored` returned; None if they are not those."""
        probabilities = [f"probability_{name}" for name in classes]
        try:
            answers = pd.DataFrame(stored["answers"])[[*KEPT, *probabilities]]
            numbers = answers[["probability", *probabilities]].to_numpy(dtype=np.float64)
            measured: dict[str, Mapping[str, float]] = {
                str(name): {str(key): float(value) for key, value in values.items()}
                for name, values in stored["measured"].items()
            }
        except (AttributeError, KeyError, TypeError, ValueError):
            return None
        whole = answers["condition"].tolist() == [CLEAN, *conditions] and np.isfinite(numbers).all()
        if not whole or not answers["answer"].isin(classes).all():
            return None
        return cls(answers.assign(**_described(row)), measured, [])


def _described(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: row[column] for column in ("clip", "speaker", "emotion")}


def _answer(row: Mapping[str, Any], model: Predictor, conditions: Mapping[str, Condition], seed: int) -> Answered:
    """Answer for one clip, decoded once, as it is and under each condition."""
    file = str(row["file"])
    failures: list[dict[str, str]] = []
    changed: dict[str, Changed] = {}
    try:
        samples, rate = read_row(row)
    except AudioError as error:
        return Answered(pd.DataFrame(), {}, [{"file": file, "condition": "", "reason": str(error)}])
    changed[CLEAN] = Changed(samples, rate)
    for name, condition in conditions.items():
        try:
            changed[name] = condition.apply(samples, rate, seed)
        except AudioError as error:
            failures.append({"file": file, "condition": name, "reason": str(error)})
    try:
        answers = model.predict(_rows_of(row, list(changed.values()))).rename(columns={"emotion": "answer"})
    except FusionserError as error:
        # Such as a sampling rate that waveforms cannot have.
        return Answered(pd.DataFrame(), {}, [{"file": file, "condition": "", "reason": f"{file}: {error}"}])
    answers["condition"] = list(changed)
    wrong = answers["error"] != ""
    if wrong.iloc[0]:
        return Answered(pd.DataFrame(), {}, [{"file": file, "condition": "", "reason": str(answers["error"].iloc[0])}])
    failures += [
        {"file": file, "condition": str(name), "reason": str(reason)}
        for name, reason in answers.loc[wrong, ["condition", "error"]].itertuples(index=False)
    ]
    measured = {name: change.measured for name, change in changed.items() if change.measured}
    return Answered(answers[~wrong].assign(**_described(row)), measured, failures)


def _rows_of(row: Mapping[str, Any], clips: Sequence[Changed]) -> pd.DataFrame:
    """Return a table of the changed clips, with the columns of the original row."""
    kept = {name: row[name] for name in COLUMNS if name not in ("start", "end", "augmentation")}
    table = pd.DataFrame([kept] * len(clips))
    table["waveform"] = object_column([clip.samples for clip in clips])
    table["sampling_rate"] = [clip.sampling_rate for clip in clips]
    return table


@lru_cache(maxsize=1)
def _model_of(content: bytes) -> Predictor:
    """Return a model that was sent to this process. It is kept, since each task brings it again."""
    model: Predictor = pickle.loads(content)  # noqa: S301 - sent by our own process, and models are read as untrusted
    return model


def _answer_batch(rows: Sequence[Mapping[str, Any]], model: Predictor | bytes, **given: Any) -> list[Answered]:
    used = _model_of(model) if isinstance(model, bytes) else model
    return [_answer(row, model=used, **given) for row in rows]


def _answer_all(
    rows: pd.DataFrame,
    n_jobs: int | None,
    progress: Progress | None,
    cache: CacheChoice,
    *,
    model: Predictor,
    conditions: Mapping[str, Condition],
    seed: int,
) -> list[Answered]:
    """Answer for all clips. What the cache has is taken from there, and the rest is stored there as it comes."""
    columns = [name for name in rows if name in (*COLUMNS, CHANNEL_COLUMN)]
    records: list[Any] = rows[columns].assign(clip=range(len(rows))).to_dict("records")
    # Packed once for all tasks, and read within them, where an error is that of the task.
    elsewhere = executor_of(n_jobs).workers > 1 or current_executor() is not None
    kept = None if Cache.of(cache) is None else KeptAnswers(cache, records, model, settings_of(model, conditions, seed))
    done: dict[int, Answered] = {} if kept is None else _recalled(kept, records, model, conditions)
    missing = [record for record in records if record["clip"] not in done]
    if progress and done:
        progress(len(done), len(records))
    batches = [missing[first : first + BATCH] for first in range(0, len(missing), BATCH)]
    used = pickle.dumps(model) if elsewhere else model
    job = partial(_answer_batch, model=used, conditions=conditions, seed=seed)
    for batch, answered in zip(batches, run_jobs(job, batches, n_jobs), strict=True):
        numbered = dict(zip([record["clip"] for record in batch], answered, strict=True))
        done |= numbered
        if kept is not None:
            kept.keep({number: one.stored() for number, one in numbered.items() if not one.failures})
        if progress:
            progress(len(done), len(records))
    return [done[record["clip"]] for record in records]


def _recalled(
    kept: KeptAnswers, records: Sequence[Mapping[str, Any]], model: Predictor, conditions: Mapping[str, Condition]
) -> dict[int, Answered]:
    """Return the answers that the cache has, by the number of the clip."""
    found = kept.recall()
    read = {
        record["clip"]: Answered.of(found[record["clip"]], record, model.card.classes, conditions)
        for record in records
        if record["clip"] in found
    }
    return {number: one for number, one in read.items() if one is not None}


def _usable(conditions: Sequence[str]) -> tuple[dict[str, Any], list[Stamp]]:
    """Return the conditions whose codec is there, by name, and notes about the others."""
    wanted = {name: CONDITIONS.named(name) for name in conditions or CONDITIONS}
    used = {name: condition for name, condition in wanted.items() if condition.available}
    if not used:
        raise SettingsError(f"this libsndfile has no codec for {', '.join(wanted)}; name other conditions")
    return used, [Stamp(kind="codec-missing", value=name) for name in wanted if name not in used]


def stress_model(
    model: Predictor,
    rows: pd.DataFrame,
    conditions: Sequence[str] = (),
    *,
    limit: int | None = None,
    seed: int = 0,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    notes: Sequence[Stamp] = (),
    quarantine: Sequence[Mapping[str, str]] = (),
    cache: CacheChoice = None,
) -> tuple[StressResult, pd.DataFrame]:
    """Test how much the answers of a model change under recording conditions.

    Parameters
    ----------
    model : Model or OnnxModel
    rows : DataFrame
        The clips, with the columns of `fusionser.rows`. Emotions and speakers may be empty.
    conditions : sequence of str
        Keys of `CONDITIONS`; all if empty. Those whose codec this libsndfile lacks are left out, with a note.
    limit : int, optional
        Number of clips to use, as `draw_clips` draws them; by default all.
    seed : int, default=0
        Of noise, rooms, drawn clips and intervals.
    n_jobs : int, optional
        Number of processes; -1 for one per core.
    progress : callable, optional
        Called with the number of clips done and the total number.
    notes : sequence of Stamp
        Facts about the rows.
    quarantine : sequence of mapping
        ``file`` and ``reason`` of recordings that were set aside before.
    cache : Cache or bool, optional
        Where the answers for each clip are stored, so that a test that was stopped goes on where it was; True is the
        default cache.

    Returns
    -------
    StressResult
    DataFrame
        The answers: ``file``, ``condition``, ``emotion`` (the true one), ``answer``, ``probability`` of the answer, and
        one column ``probability_<class>`` per class.

    Raises
    ------
    UnknownNameError
        If a name is not that of a condition.
    SettingsError
        If no condition is left.
    AudioError
        If no recording can be used.
    """
    model.card.check_classes("a test under recording conditions")
    rows, repeated = _different(rows)
    quarantine = [*quarantine, *repeated]
    used, missing = _usable(conditions)
    if limit is not None and limit < len(rows):
        known = [f"{name}s" for name in ("emotion", "speaker") if (rows[name] != "").any()]
        drawn = {"used": limit, "found": len(rows), "seed": seed, "balanced_over": known}
        notes = [*notes, Stamp(kind="clips-drawn", value=drawn)]
        rows = draw_clips(rows, limit, seed)
    done = _answer_all(rows, n_jobs, progress, cache, model=model, conditions=used, seed=seed)
    failures = [failure for one in done for failure in one.failures]
    if not any(len(one.answers) for one in done):
        raise AudioError(f"none of {len(rows)} recordings can be used; the first: {failures[0]['reason']}")
    answers = pd.concat([one.answers for one in done if len(one.answers)], ignore_index=True)
    clean = answers[answers["condition"] == CLEAN]
    by_speaker = bool((clean["speaker"] != "").all())
    card, corpora = model.card, tuple(sorted(set(rows["corpus"]) - {""}))
    scored = partial(score_answers, answers, card.classes, by_speaker=by_speaker, seed=seed)
    reference = scored(CLEAN)
    result = StressResult(
        features_name=card.features_name,
        classifier=card.classifier,
        fusion=card.fusion,
        trained_on=card.corpus,
        fitted_by="" if card.estimate is None else str(card.estimate.provenance.get("command", "")),
        classes=card.classes,
        corpora=corpora,
        clips=len(clean),
        speakers=clean.loc[clean["speaker"] != "", "speaker"].nunique(),
        labelled=int(clean["emotion"].isin(card.classes).sum()),
        by_speaker=by_speaker,
        clean=reference,
        conditions=[
            scored(name, parameters=dict(condition.parameters), measured=_means(name, done))
            for name, condition in used.items()
            if name in set(answers["condition"])
        ],
        notes=(*notes, *_facts(model, corpora, clean, reference), *missing),
        quarantine=public_quarantine([*({"condition": "", **entry} for entry in quarantine), *failures]),
        seed=seed,
        provenance={**provenance(), **_plugins(used)},
    )
    columns = ["file", "condition", "speaker", "emotion", "answer", "probability"]
    return result, answers[[*columns, *(f"probability_{name}" for name in card.classes)]]


def _different(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Return the rows without repetitions, which would narrow the intervals, and an entry for each of these."""
    again = rows.duplicated([name for name in ("file", "start", "end", CHANNEL_COLUMN) if name in rows]).to_numpy()
    reason = "given more than once, and used once"
    entries = [{"file": str(file), "reason": f"{file}: {reason}"} for file in rows.loc[again, "file"]]
    return rows[~again].reset_index(drop=True), entries


def _plugins(used: Mapping[str, Condition]) -> dict[str, Any]:
    plugins = plugins_among(("condition", name, (CONDITIONS,)) for name in used)
    return {"plugins": plugins} if plugins else {}


def _means(name: str, done: Sequence[Answered]) -> dict[str, float]:
    found = pd.DataFrame([one.measured[name] for one in done if name in one.measured])
    return {str(key): float(value) for key, value in found.mean().items()}


def _facts(model: Predictor, corpora: Sequence[str], clean: pd.DataFrame, scores: ConditionScores) -> list[Stamp]:
    """Return what a reader must know: whether the model knows the clips, lacks emotions, or tells no clips apart."""
    known = [name for name in corpora if model.card.trained_on(name)]
    others = clean.loc[~clean["emotion"].isin([*model.card.classes, ""]), "emotion"]
    frequent = {"answer": scores.most_frequent, "share": scores.most_frequent_share}
    lacking = {"clips": len(others), "emotions": sorted(set(others))}
    facts = [
        (bool(known), Stamp(kind="trained-on-corpora", value=known)),
        (scores.most_frequent_share >= ONE_ANSWER, Stamp(kind="one-answer", value=frequent)),
        (len(others) > 0, Stamp(kind="other-emotions", value=lacking)),
    ]
    return [stamp for holds, stamp in facts if holds]


def score_answers(
    answers: pd.DataFrame,
    classes: Sequence[str],
    condition: str,
    *,
    by_speaker: bool,
    seed: int = 0,
    parameters: Mapping[str, Parameter] | None = None,
    measured: Mapping[str, float] | None = None,
) -> ConditionScores:
    """Score the answers under one condition.

    Parameters
    ----------
    answers : DataFrame
        ``clip`` (its number), ``speaker``, ``emotion`` (the true one), ``condition``, ``answer``, ``probability`` of
        the answer, and one column ``probability_<class>`` per class. A clip has one row per condition, and one with
        the condition `CLEAN`.
    classes : sequence of str
    condition : str
    by_speaker : bool
        Whether intervals come from resampling speakers, instead of clips.
    seed : int, default=0
        Of the bootstrap.
    parameters, measured : mapping, optional
        Stored with the scores.

    Returns
    -------
    ConditionScores
    """
    clean = answers[answers["condition"] == CLEAN].set_index("clip")
    part = answers[answers["condition"] == condition].set_index("clip")
    before = clean.loc[part.index]
    groups = (part["speaker"] if by_speaker else part.index).to_numpy(dtype=object)
    columns = [f"probability_{name}" for name in classes]
    place = np.array([classes.index(name) for name in before["answer"]])
    pairs = [table[columns].to_numpy(dtype=np.float64)[np.arange(len(part)), place] for table in (part, before)]
    changed = part["answer"].to_numpy(dtype=object) != before["answer"].to_numpy(dtype=object)
    counts = part["answer"].value_counts()
    frequent = next(name for name in classes if counts.get(name, 0) == counts.max())
    return ConditionScores(
        name=condition,
        parameters=dict(parameters or {}),
        measured=dict(measured or {}),
        clips=len(part),
        changed=float(changed.mean()),
        changed_interval=_share_interval(changed, groups, seed),
        probability_change=float(np.mean(pairs[0] - pairs[1])),
        probability_change_interval=_mean_interval(pairs[0] - pairs[1], groups, seed),
        most_frequent=frequent,
        most_frequent_share=float(counts.max() / len(part)),
        **_labelled_scores(part.assign(group=groups), classes, seed),
    )


def _labelled_scores(part: pd.DataFrame, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """Return the scores that need the true emotion."""
    known = part[part["emotion"].isin(classes)]
    if known.empty:
        return {"uar": None, "uar_interval": None, "calibration_error": None}
    matrices = {
        str(name): confusion(group["emotion"], group["answer"], classes) for name, group in known.groupby("group")
    }
    intervals = speaker_intervals(matrices, seed=seed)
    return {
        "uar": float(unweighted_average_recall(np.sum(list(matrices.values()), axis=0))),
        "uar_interval": None if intervals is None else intervals["uar"],
        "calibration_error": expected_calibration_error(known["probability"], known["answer"] == known["emotion"]),
    }


def _mean_interval(values: npt.NDArray[Any], groups: npt.NDArray[Any], seed: int) -> Interval | None:
    """Return the 95 % bootstrap interval of a mean over clips; groups are resampled. None with fewer than eight."""
    names, place = np.unique(groups, return_inverse=True)
    if len(names) < FEWEST_SPEAKERS:
        return None
    sums, counts = np.bincount(place, weights=values), np.bincount(place)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    return percentile_interval((draws @ sums) / (draws @ counts))


def _share_interval(values: npt.NDArray[np.bool_], groups: npt.NDArray[Any], seed: int) -> Interval | None:
    """Return the 95 % interval of a share: bootstrapped, or Wilson's over clips if it is 0 or 1."""
    interval = _mean_interval(values, groups, seed)
    if interval is None or 0 < values.mean() < 1:
        return interval
    # A bootstrap of equal values has no width.
    exact = binomtest(int(values.sum()), len(values)).proportion_ci(method="wilson")
    return float(exact.low), float(exact.high)

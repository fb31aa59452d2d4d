"""What predicts the emotion of clips: the methods that saved models and ONNX files share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.checks import check_range
from fusionser.errors import AudioError, SettingsError
from fusionser.features.extraction import Extraction, Progress
from fusionser.features.recording import Recording
from fusionser.features.table import FeatureTable
from fusionser.files import shown_name
from fusionser.likeness import Unlikeness
from fusionser.model.card import ModelCard
from fusionser.names import UNSURE
from fusionser.recordings import Clips, as_clips
from fusionser.rows import given_columns
from fusionser.waveform import Rates

__all__ = ["LEAST_PROBABILITY", "MOST_UNLIKE", "UNSURE", "Answers", "Predictor", "abstention"]

Answers = tuple[npt.NDArray[Any], npt.NDArray[np.float64]]
"""Labels, and probabilities of shape (n_clips, n_classes).

A model of numbers has no labels, and numbers of shape (n_clips, n_targets).
"""

LEAST_PROBABILITY = 0.5
"""Probability of the answer below which a model abstains: it is then more likely wrong than right."""

MOST_UNLIKE = 0.99
"""Unlikeness above which a model abstains by default."""

HEARD = f"unlikeness.json/{Recording.kind}"
"""Name of the description of the recording among the computations of a prediction. No block can have this name."""


def abstention(abstain: bool, most_unlike: float | None) -> dict[str, Any]:
    """Return the options of a prediction that may abstain; none if it may not.

    Parameters
    ----------
    abstain, most_unlike
        As of `Predictor.predict`.

    Raises
    ------
    SettingsError
        If `most_unlike` is out of range, or given without `abstain`.

    Examples
    --------
    >>> abstention(False, None), abstention(True, None)
    ({}, {'abstain': True, 'most_unlike': 0.99})
    """
    if most_unlike is not None:
        check_range("most_unlike", most_unlike, 0, 1)
    if not abstain:
        if most_unlike is not None:
            raise SettingsError("most_unlike has no effect without abstain=True; give both, or neither")
        return {}
    return {"abstain": True, "most_unlike": MOST_UNLIKE if most_unlike is None else most_unlike}


class Predictor(ABC):
    """The base of what predicts. Subclasses have the card of the model, and what its training recordings are like."""

    card: ModelCard
    unlikeness: Unlikeness | None

    @property
    @abstractmethod
    def needs_gender(self) -> bool:
        """Whether predicting a clip requires the gender of its speaker."""

    @abstractmethod
    def _table(self, items: Any, sampling_rate: Rates) -> FeatureTable:
        """Return clips as a table of what must be computed from them."""

    @abstractmethod
    def _answered(self, table: FeatureTable, result: Extraction) -> Answers:
        """Return the labels and the probabilities, or the numbers, of the clips that succeeded."""

    @property
    def analysis_rate(self) -> int | None:
        """Sampling rate in Hz of all that is computed from audio; None if there are several."""
        table = self._table(pd.DataFrame({"file": []}), None)
        computations: list[Any] = [*table.blocks.values(), *table.front_ends.values()]
        if self.unlikeness is not None:
            computations.append(Recording())
        rates = {item.sampling_rate for item in computations if item.uses_audio}
        return rates.pop() if len(rates) == 1 else None

    def predict(
        self,
        X: Any,
        *,
        sampling_rate: Rates = None,
        n_jobs: int | None = None,
        progress: Progress | None = None,
        abstain: bool = False,
        most_unlike: float | None = None,
    ) -> pd.DataFrame:
        """Predict the emotion of clips; a clip that cannot be used gets an error instead.

        Parameters
        ----------
        X : str, path, bytes, binary file, array, pair (samples, rate), sequence of any of these, or DataFrame
            The content of a file in any format that can be decoded, or samples: floats from -1 to 1, or integers, with
            channels in columns. A table needs a column ``file``.
        sampling_rate : int or sequence of int, optional
            Sampling rate in Hz of samples without one, as in `FeatureExtractor.transform`.
        n_jobs : int, optional
            Number of processes; -1 for one per core.
        progress : callable, optional
        abstain : bool, default=False
            Answer `UNSURE` if the probability of the answer is below `LEAST_PROBABILITY`, or the unlikeness is
            above `most_unlike`.
        most_unlike : float, optional
            With `abstain`: unlikeness up to which a model answers, 0 to 1, by default `MOST_UNLIKE`. With 1, it answers
            however unlike a clip is.

        Returns
        -------
        DataFrame
            In the order of X, with the index of a table: ``file`` (or ``waveform 0``, ``recording 0``), ``emotion``
            (empty on error), ``probability`` of the answer, one column ``probability_<class>`` per class, and ``error``
            (empty on success). If the model knows its training recordings, also ``unlikeness``, from 0 to 1: the share
            of clips of unseen training speakers that are less unlike the training recordings; and ``unlike_because``,
            an `Unlike` as JSON (empty on error). With `abstain`, also ``unsure_because``: ``probability``,
            ``unlikeness``, ``both``, or empty. A model that predicts numbers gives one column for each, named as the
            target, instead of ``emotion`` and the probabilities, and does not abstain. Of a table with parts of
            recordings, also ``start`` and ``end``; the other columns of a table follow, its labels as ``truth``, and
            names that are taken as ``given_<name>``.
        """
        if abstain:
            self.card.check_classes("to abstain (abstain=True, --abstain)")
        limit = abstention(abstain, most_unlike).get("most_unlike")
        answers = self._predicted(X, sampling_rate, describe=True, n_jobs=n_jobs, progress=progress)
        answers = answers if limit is None else _abstaining(answers, limit)
        return _with_given(answers, X).set_index(X.index) if isinstance(X, pd.DataFrame) else answers

    def predict_proba(
        self, X: Any, *, sampling_rate: Rates = None, n_jobs: int | None = None, progress: Progress | None = None
    ) -> pd.DataFrame:
        """Return the probability of every class, without how unlike the clips are, which takes most of the time.

        Parameters
        ----------
        X, sampling_rate, n_jobs, progress
            As in `predict`.

        Returns
        -------
        DataFrame
            In the order of X, with the index of a table, and one column per class, named as the class. A clip that
            cannot be used has NaN in all of them; `predict` says why.
        """
        self.card.check_classes("predict_proba")
        answers = self._predicted(X, sampling_rate, describe=False, n_jobs=n_jobs, progress=progress)
        found = pd.DataFrame({name: answers[f"probability_{name}"] for name in self.card.classes})
        return found.set_index(X.index) if isinstance(X, pd.DataFrame) else found

    def _predicted(self, X: Any, sampling_rate: Rates, *, describe: bool, **options: Any) -> pd.DataFrame:
        """Return the answer for every clip, and with `describe` how unlike the training recordings it is."""
        with as_clips(X) as clips:
            table = self._table(clips.items, sampling_rate)
            if table.rows.empty:
                raise AudioError("X holds no clips; expected at least one")
            result, heard = self._computed(table, **options) if describe else (table.compute(**options), None)
            return self._answers(table, clips, result, heard)

    def _answers(self, table: FeatureTable, clips: Clips, result: Extraction, heard: Extraction | None) -> pd.DataFrame:
        """Return the answer for every clip of a table, with the names that `clips` gives them."""
        usable, files = result.usable, [shown_name(clips.shown(str(file))) for file in table.rows["file"]]
        numbers = np.full((len(files), len(self.card.targets or self.card.classes)), np.nan)
        labels = np.full(len(files), "", dtype=object)
        if usable:
            found, numbers[usable] = self._answered(table, result)
            if not self.card.targets:
                labels[usable] = found
        failures = {place: clips.shown(text) for place, text in result.failures.items()}
        for place in [place for place in usable if not np.isfinite(numbers[place]).all()]:
            # Weights of a damaged or hostile file can be finite and still overflow.
            what = "numbers" if self.card.targets else "probabilities"
            failures[place] = f"{files[place]}: the model gives no finite {what} for it; its file is damaged"
            labels[place], numbers[place] = "", np.nan
        return pd.DataFrame(
            {
                "file": files,
                **_parts(table.rows),
                **(self._number_columns(numbers) if self.card.targets else self._class_columns(labels, numbers)),
                **self._unlikeness_columns(heard, usable),
                "error": [failures.get(position, "") for position in range(len(files))],
            }
        )

    def _class_columns(
        self, labels: npt.NDArray[Any], probabilities: npt.NDArray[np.float64]
    ) -> dict[str, npt.NDArray[Any]]:
        chosen = [self.card.classes.index(label) if label else 0 for label in labels]
        return {
            "emotion": labels,
            "probability": probabilities[np.arange(len(labels)), chosen],
            **{f"probability_{name}": probabilities[:, place] for place, name in enumerate(self.card.classes)},
        }

    def _number_columns(self, numbers: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]]:
        return {name: numbers[:, place] for place, name in enumerate(self.card.targets)}

    def _computed(self, table: FeatureTable, **options: Any) -> tuple[Extraction, Extraction | None]:
        """Compute the features, and the description of the recordings: together, so that each clip is decoded once."""
        if self.unlikeness is None:
            return table.compute(**options), None
        if table.held().all():
            # The recordings may be gone, which must not prevent a prediction from the features.
            return table.compute(**options), FeatureTable(table.rows, {}, []).compute({HEARD: Recording()}, **options)
        result = table.compute({HEARD: Recording()}, **options)
        return result, result

    def _unlikeness_columns(self, heard: Extraction | None, usable: Sequence[int]) -> dict[str, Any]:
        if self.unlikeness is None or heard is None:
            return {}
        count = len(heard.fingerprints)
        shares, reasons = np.full(count, np.nan), np.full(count, "", dtype=object)
        if places := sorted(set(usable) & set(heard.usable)):
            values = np.asarray([heard.arrays[HEARD][place] for place in places], dtype=np.float64)
            shares[places] = self.unlikeness.scores(values)
            reasons[places] = [reason.model_dump_json() for reason in self.unlikeness.reasons_of(values)]
        return {"unlikeness": shares, "unlike_because": reasons}


def _parts(rows: pd.DataFrame) -> dict[str, Any]:
    """Return where the clips begin and end, if any of them is a part of its file."""
    parts = {name: rows[name].to_numpy() for name in ("start", "end") if name in rows}
    return parts if len(parts) == 2 and ((parts["start"] > 0) | ~np.isnan(parts["end"])).any() else {}


def _with_given(answers: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that a table has beside those that describe its recordings."""
    return pd.concat([answers, given_columns(table, taken=answers.columns.tolist())], axis=1)


def _abstaining(answers: pd.DataFrame, most_unlike: float) -> pd.DataFrame:
    """Return answers of which those that cannot be relied on are `UNSURE`, and the reasons."""
    improbable = (answers["probability"] < LEAST_PROBABILITY).to_numpy()
    unlike = (answers["unlikeness"] > most_unlike).to_numpy() if "unlikeness" in answers else np.zeros_like(improbable)
    reasons = np.select([improbable & unlike, improbable, unlike], ["both", "probability", "unlikeness"], "")
    emotions = np.where(reasons == "", answers["emotion"], UNSURE)
    return answers.assign(emotion=emotions, unsure_because=reasons.astype(object))

"""Questions that are asked of a study before it is run, and what its results answer, speaker by speaker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fusionser.classifiers import CLASSIFIERS
from fusionser.errors import SettingsError, unknown_name
from fusionser.evaluation import Result
from fusionser.evaluation.importance import IMPORTANCE
from fusionser.evaluation.statistics import MOST_CONTRASTS, Change, PairedTest, holm, mean_change, paired_test
from fusionser.experiments.recipe import PipelineChoice, Recipe

__all__ = ["Answer", "Design", "Question", "answer_questions"]


@dataclass(frozen=True)
class Question:
    """What is asked of a study: the results of one label against those of another."""

    text: str
    without: str
    having: str


class Design:
    """A study, and what is asked of it.

    Attributes
    ----------
    varied : str
        What the labels of its results tell apart, as the head of a column.
    """

    corpus: str
    classifiers: Sequence[str]
    importance: str | None
    seed: int
    varied: ClassVar[str]

    @property
    def compared(self) -> frozenset[str]:
        """What results may differ in and still be compared: ``corpus``, ``protocol`` or ``setting``."""
        return frozenset()

    @property
    def title(self) -> str:
        """The study in a few words."""
        raise NotImplementedError

    def recipe(self) -> Recipe:
        """Return the evaluations."""
        raise NotImplementedError

    def questions(self) -> list[Question]:
        """Return what is asked, settled before anything is run."""
        raise NotImplementedError

    def asked_where(self) -> str:
        """Return in what part of the results each question is asked, as a sentence; empty where it is in all."""
        return ""

    def notes(self) -> list[str]:
        """Return what a reader must know of the settings, each as part of a sentence."""
        return []

    def label(self, result: Result) -> str:
        """Return the name of what is compared."""
        return result.features_name

    def with_importance(self, pipelines: Sequence[PipelineChoice]) -> tuple[PipelineChoice, ...]:
        """Return the pipelines, the first asked what it relies on where that is wanted."""
        first, *others = pipelines
        return (first.model_copy(update={"importance": self.importance}), *others)

    def check_names(self) -> None:
        """Raise `SettingsError` for a name that is not known, or when more is asked than can be answered."""
        for name in self.classifiers:
            if name not in CLASSIFIERS:
                raise unknown_name("classifier", name, CLASSIFIERS)
        if self.importance not in (None, *IMPORTANCE):
            raise unknown_name("kind of importance", str(self.importance), IMPORTANCE)
        self._check_questions()

    def _check_questions(self) -> None:
        asked = len(self.questions())
        if asked > MOST_CONTRASTS:
            raise SettingsError(
                f"{asked} questions are asked of one study, and {MOST_CONTRASTS} are the most that leave each its "
                f"power; name fewer {self.varied}"
            )


@dataclass(frozen=True)
class Answer:
    """What came of a question, over speakers, each speaker's score being the mean over the classifiers.

    Parameters
    ----------
    question : Question
    uar : PairedTest
    war : Change
        Not tested: a cure that trades one score for the other shows in both.
    corrected : float
        Holm's p of the UAR, over all questions of the study.
    recall : dict of str to float
        Change of each class's recall, pooled over speakers and averaged over the classifiers.
    classifiers : int
    """

    question: Question
    uar: PairedTest
    war: Change
    corrected: float
    recall: Mapping[str, float]
    classifiers: int


def answer_questions(design: Design, results: Sequence[Result]) -> list[Answer]:
    """Answer what can be answered: questions of which both sides are there, by the same classifiers.

    Raises
    ------
    SettingsError
        When results come from different corpora, classes or protocols: they are not comparable.
    """
    check_comparable(results, design.compared)
    pairs = [(one, _pairs(one, design, results)) for one in design.questions()]
    asked = [(one, found) for one, found in pairs if found]
    tests = [(paired_test(_gains(found, "uar")), mean_change(_gains(found, "war"))) for _, found in asked]
    corrected = holm([uar.p for uar, _ in tests]) if tests else []
    return [
        Answer(question, uar, war, p, _recall_changes(found), len(found))
        for (question, found), (uar, war), p in zip(asked, tests, corrected, strict=True)
    ]


def check_comparable(results: Sequence[Result], compared: frozenset[str] = frozenset()) -> None:
    """Raise `SettingsError` when results differ in corpus, classes, protocol or setting, but for what is compared."""
    kinds = {
        (
            "" if "corpus" in compared else one.corpus,
            ", ".join(one.classes),
            "" if "protocol" in compared else one.protocol.name,
            "" if "setting" in compared else one.protocol.setting,
            "" if "protocol" in compared else str(one.protocol.settings),
        )
        for one in results
    }
    if len(kinds) > 1:
        shown = "; ".join(sorted(f"{kind[2]} of {kind[0]}, {kind[3]} {kind[4]}" for kind in kinds))
        raise SettingsError(f"results of different protocols cannot be compared: {shown}")
    speakers = {tuple(sorted(one.speakers)) for one in results}
    if len(speakers) > 1:
        raise SettingsError("results of different speakers cannot be compared speaker by speaker")


def _pairs(question: Question, design: Design, results: Sequence[Result]) -> list[tuple[Result, Result]]:
    sides = [
        {one.classifier: one for one in results if design.label(one) == label}
        for label in (question.without, question.having)
    ]
    return [(sides[0][name], sides[1][name]) for name in sides[0] if name in sides[1]]


def _gains(pairs: Sequence[tuple[Result, Result]], score: str) -> list[float]:
    """Return each speaker's gain, averaged over the classifiers."""
    names = sorted(pairs[0][0].speakers)
    gains = [
        [getattr(having.speakers[name], score) - getattr(without.speakers[name], score) for name in names]
        for without, having in pairs
    ]
    return [float(one) for one in np.mean(gains, axis=0)]


def _recall_changes(pairs: Sequence[tuple[Result, Result]]) -> dict[str, float]:
    def change(name: str) -> float:
        gains = [having.per_class[name].recall - without.per_class[name].recall for without, having in pairs]
        return float(np.mean(gains))

    return {name: change(name) for name in pairs[0][0].classes}

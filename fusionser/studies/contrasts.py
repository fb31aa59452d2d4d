"""Contrasts that are settled before a study is run, and the effects that its results show, speaker by speaker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fusionser.errors import SettingsError, unknown_name
from fusionser.evaluation.statistics import MOST_CONTRASTS, Change, PairedTest, holm, mean_change, paired_test
from fusionser.names import IMPORTANCE
from fusionser.registry import CLASSIFIERS
from fusionser.results import Result
from fusionser.studies.recipe import PipelineChoice, Recipe

__all__ = ["Contrast", "Design", "Effect", "estimate_effects"]


@dataclass(frozen=True)
class Contrast:
    """What is asked of a study: the results of one label (`having`) against those of another (`without`)."""

    text: str
    without: str
    having: str


class Design:
    """A study, and the contrasts that it is run for.

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

    def contrasts(self) -> list[Contrast]:
        """Return what is asked, settled before anything is run."""
        raise NotImplementedError

    def label(self, result: Result) -> str:
        """Return the name of what is compared."""
        return result.features_name

    def with_importance(self, pipelines: Sequence[PipelineChoice]) -> tuple[PipelineChoice, ...]:
        """Return the pipelines, the first asked what it relies on where that is wanted."""
        first, *others = pipelines
        return (first.changed(importance=self.importance), *others)

    def check_names(self) -> None:
        """Raise `SettingsError` for a name that is not known, or when more is asked than can be answered."""
        for name in self.classifiers:
            CLASSIFIERS.named(name)
        if self.importance not in (None, *IMPORTANCE):
            raise unknown_name("kind of importance", str(self.importance), IMPORTANCE)
        asked = len(self.contrasts())
        if asked > MOST_CONTRASTS:
            raise SettingsError(
                f"{asked} contrasts are asked of one study, and {MOST_CONTRASTS} are the most that leave each its "
                f"power; name fewer {self.varied}"
            )


@dataclass(frozen=True)
class Effect:
    """What came of a contrast, over speakers, each speaker's score being the mean over the classifiers.

    Parameters
    ----------
    contrast : Contrast
    uar : PairedTest
    war : Change
        Not tested: a strategy that trades one score for the other shows in both.
    corrected : float
        Holm's p of the UAR, over all contrasts of the study.
    recall : dict of str to float
        Change of each class's recall, pooled over speakers and averaged over the classifiers.
    classifiers : int
    """

    contrast: Contrast
    uar: PairedTest
    war: Change
    corrected: float
    recall: Mapping[str, float]
    classifiers: int


def estimate_effects(design: Design, results: Sequence[Result]) -> list[Effect]:
    """Estimate what can be estimated: contrasts of which both sides are there, by the same classifiers.

    Raises
    ------
    SettingsError
        When results come from different corpora, classes or protocols: they are not comparable.
    """
    check_comparable(results, design.compared)
    pairs = [(contrast, _pairs(contrast, design, results)) for contrast in design.contrasts()]
    asked = [(contrast, sides) for contrast, sides in pairs if sides]
    tests = [(paired_test(_gains(sides, "uar")), mean_change(_gains(sides, "war"))) for _, sides in asked]
    corrected = holm([uar.p for uar, _ in tests]) if tests else []
    return [
        Effect(contrast, uar, war, p, _recall_changes(sides), len(sides))
        for (contrast, sides), (uar, war), p in zip(asked, tests, corrected, strict=True)
    ]


def check_comparable(results: Sequence[Result], compared: frozenset[str] = frozenset()) -> None:
    """Raise `SettingsError` when results differ in corpus, classes, protocol or setting, but for what is compared."""
    kinds = {
        (
            "" if "corpus" in compared else result.corpus,
            ", ".join(result.classes),
            "" if "protocol" in compared else result.protocol.name,
            "" if "setting" in compared else result.protocol.setting,
            "" if "protocol" in compared else str(result.protocol.settings),
        )
        for result in results
    }
    if len(kinds) > 1:
        shown = "; ".join(sorted(f"{kind[2]} of {kind[0]}, {kind[3]} {kind[4]}" for kind in kinds))
        raise SettingsError(f"results of different protocols cannot be compared: {shown}")
    speakers = {tuple(sorted(result.speakers)) for result in results}
    if len(speakers) > 1:
        raise SettingsError("results of different speakers cannot be compared speaker by speaker")


def _pairs(contrast: Contrast, design: Design, results: Sequence[Result]) -> list[tuple[Result, Result]]:
    without, having = (
        {result.classifier: result for result in results if design.label(result) == label}
        for label in (contrast.without, contrast.having)
    )
    return [(without[name], having[name]) for name in without if name in having]


def _gains(pairs: Sequence[tuple[Result, Result]], score: str) -> list[float]:
    """Return each speaker's gain, averaged over the classifiers."""
    names = sorted(pairs[0][0].speakers)
    gains = [
        [getattr(having.speakers[name], score) - getattr(without.speakers[name], score) for name in names]
        for without, having in pairs
    ]
    return [float(gain) for gain in np.mean(gains, axis=0)]


def _recall_changes(pairs: Sequence[tuple[Result, Result]]) -> dict[str, float]:
    def change(name: str) -> float:
        gains = [having.per_class[name].recall - without.per_class[name].recall for without, having in pairs]
        return float(np.mean(gains))

    return {name: change(name) for name in pairs[0][0].classes}

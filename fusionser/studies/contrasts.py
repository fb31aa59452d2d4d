"""Contrasts that are fixed before a study is run, and the effects estimated from its results, speaker by speaker."""

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
    """A question to a study: the results with one label (`having`) against those with another (`without`).

    ``treatment`` and ``reference`` name both in words; without a reference, the treatment is added to what there is.
    """

    treatment: str
    reference: str
    without: str
    having: str

    @property
    def text(self) -> str:
        """The question in words.

        Examples
        --------
        >>> Contrast("random folds", "folds by speaker", "speaker-kfold", "random-kfold").text
        'random folds against folds by speaker'
        """
        return f"{self.treatment} against {self.reference}" if self.reference else self.treatment


class Design:
    """A study, and the contrasts that it is run for.

    Attributes
    ----------
    varied : str
        What the labels of the results distinguish, as a column heading.
    """

    corpus: str
    classifiers: Sequence[str]
    importance: str | None
    varied: ClassVar[str]

    @property
    def compared(self) -> frozenset[str]:
        """Properties in which compared results may differ: ``corpus``, ``protocol`` or ``setting``."""
        return frozenset()

    @property
    def title(self) -> str:
        """Title of the study."""
        raise NotImplementedError

    def recipe(self) -> Recipe:
        """Return the recipe with all evaluations."""
        raise NotImplementedError

    def contrasts(self) -> list[Contrast]:
        """Return the contrasts; they do not depend on results."""
        raise NotImplementedError

    def label(self, result: Result) -> str:
        """Return the label that a result has in contrasts."""
        return result.features_name

    def with_importance(self, pipelines: Sequence[PipelineChoice]) -> tuple[PipelineChoice, ...]:
        """Return the pipelines; the first one estimates importance if the study asks for it."""
        first, *others = pipelines
        return (first.changed(importance=self.importance), *others)

    def check_names(self) -> None:
        """Raise `SettingsError` for an unknown name or too many contrasts."""
        for name in self.classifiers:
            CLASSIFIERS.named(name)
        if self.importance not in (None, *IMPORTANCE):
            raise unknown_name("kind of importance", str(self.importance), IMPORTANCE)
        asked = len(self.contrasts())
        if asked > MOST_CONTRASTS:
            raise SettingsError(
                f"the study has {asked} contrasts; with more than {MOST_CONTRASTS}, each has too little power. Leave "
                f"some levels out ({self.varied})"
            )


@dataclass(frozen=True)
class Effect:
    """The effect of a contrast over speakers; the score of a speaker is the mean over the classifiers.

    Parameters
    ----------
    contrast : Contrast
    uar : PairedTest
        Change of the UAR, from -1 to 1.
    war : Change
        Change of the WAR, from -1 to 1; not tested. It shows whether a strategy trades one score for the other.
    corrected : float
        p value of the UAR, Holm-corrected for all contrasts of the study.
    recall : dict of str to float
        Change of the recall of each class, pooled over speakers and averaged over the classifiers.
    classifiers : int
        Number of classifiers.
    """

    contrast: Contrast
    uar: PairedTest
    war: Change
    corrected: float
    recall: Mapping[str, float]
    classifiers: int


def estimate_effects(design: Design, results: Sequence[Result]) -> list[Effect]:
    """Estimate the contrasts for which both sides have results of the same classifiers.

    Raises
    ------
    SettingsError
        If results of different corpora, classes, protocols or speakers cannot be compared.
    """
    _check_comparable(results, design.compared)
    asked = [(contrast, pairs) for contrast in design.contrasts() if (pairs := _pairs(contrast, design, results))]
    tests = [paired_test(_gains(pairs, "uar")) for _, pairs in asked]
    corrected = holm([test.p for test in tests])
    return [
        Effect(contrast, uar, mean_change(_gains(pairs, "war")), p, _recall_changes(pairs), len(pairs))
        for (contrast, pairs), uar, p in zip(asked, tests, corrected, strict=True)
    ]


def _check_comparable(results: Sequence[Result], compared: frozenset[str]) -> None:
    """Raise `SettingsError` if results differ in anything that the study does not compare."""
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
    if len({tuple(sorted(result.speakers)) for result in results}) > 1:
        raise SettingsError("results of different speakers cannot be compared speaker by speaker")


def _pairs(contrast: Contrast, design: Design, results: Sequence[Result]) -> list[tuple[Result, Result]]:
    without, having = (
        {result.classifier: result for result in results if design.label(result) == label}
        for label in (contrast.without, contrast.having)
    )
    return [(without[name], having[name]) for name in without if name in having]


def _gains(pairs: Sequence[tuple[Result, Result]], score: str) -> list[float]:
    """Return the gain of each speaker, averaged over the classifiers."""
    names = sorted(pairs[0][0].speakers)
    gains = [
        [getattr(on.speakers[name], score) - getattr(off.speakers[name], score) for name in names] for off, on in pairs
    ]
    return list(map(float, np.mean(gains, axis=0)))


def _recall_changes(pairs: Sequence[tuple[Result, Result]]) -> dict[str, float]:
    return {
        name: float(np.mean([on.per_class[name].recall - off.per_class[name].recall for off, on in pairs]))
        for name in pairs[0][0].classes
    }

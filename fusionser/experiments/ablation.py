"""Imbalance against augmentation: every cure with every kind of copy, and the questions that are asked of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from fusionser.augment import AUGMENTATIONS
from fusionser.classifiers import CLASSIFIERS
from fusionser.errors import FusionserError, SettingsError, unknown_name
from fusionser.evaluation import Result
from fusionser.evaluation.statistics import MOST_CONTRASTS, PairedTest, holm, paired_test
from fusionser.experiments.pipeline import IMBALANCE
from fusionser.experiments.recipe import CorpusChoice, PipelineChoice, ProtocolChoice, Recipe
from fusionser.files import write_text

__all__ = [
    "ALL",
    "Answer",
    "Factorial",
    "Question",
    "answer_questions",
    "copies_of",
    "keep_factorial",
    "kept_factorial",
]

NONE = "none"
ALL = "all"
ALL_KINDS = ("noise", "pitch", "stretch", "lowpass")
"""What SER-FusionNet augments by; ``speed`` is pitch and stretch at once."""


def copies_of(name: str) -> tuple[str, ...]:
    """Return the kinds of copies that a level of the augmentation stands for.

    Examples
    --------
    >>> copies_of("all"), copies_of("noise+pitch"), copies_of("none")
    (('noise', 'pitch', 'stretch', 'lowpass'), ('noise', 'pitch'), ())
    """
    if name == NONE:
        return ()
    kinds = ALL_KINDS if name == ALL else tuple(name.split("+"))
    for kind in kinds:
        if kind not in AUGMENTATIONS:
            raise unknown_name("augmentation", kind, [NONE, *AUGMENTATIONS, ALL, "two of them joined by +"])
    if len(set(kinds)) < len(kinds):
        raise SettingsError(f"the augmentation '{name}' names a kind twice")
    return kinds


@dataclass(frozen=True)
class Question:
    """What is asked of a factorial: one cell of the table against another, both by cure and augmentation."""

    text: str
    without: tuple[str, str]
    having: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Factorial:
    """All cures of imbalance with all augmentations, by several classifiers.

    Parameters
    ----------
    corpus : str
    imbalance : sequence of str
        Keys of `IMBALANCE`, ``none`` among them.
    augmentation : sequence of str
        ``none``, keys of `AUGMENTATIONS`, some of them joined by ``+``, and ``all``.
    classifiers : sequence of str
    preset : str, optional
    blocks : sequence of str, default=()
        In place of a preset.
    gender : str, optional
    copies : int, default=1
        Copies a training clip.
    only_scarce : bool, default=False
        Copies of the scarce classes alone.
    imposed : float, optional
        Ratio of an imbalance imposed on the training rows, see `ImposeImbalance`.
    protocol : ProtocolChoice
    epochs : int, optional
        Of networks.
    seed : int, default=0

    Examples
    --------
    >>> table = Factorial(
    ...     corpus="ravdess", imbalance=["none", "weights"], augmentation=["none", "all"], classifiers=["svm"],
    ...     protocol=ProtocolChoice(name="speaker-kfold"),
    ... )
    >>> [one.text for one in table.questions()][:2]
    ['weights against none', 'all against no augmentation']
    """

    corpus: str
    imbalance: Sequence[str]
    augmentation: Sequence[str]
    classifiers: Sequence[str]
    protocol: ProtocolChoice
    preset: str | None = None
    blocks: Sequence[str] = ()
    gender: str | None = None
    copies: int = 1
    only_scarce: bool = False
    imposed: float | None = None
    epochs: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.imbalance:
            if name not in IMBALANCE:
                raise unknown_name("imbalance strategy", name, IMBALANCE)
        for name in self.classifiers:
            if name not in CLASSIFIERS:
                raise unknown_name("classifier", name, CLASSIFIERS)
        for name in self.augmentation:
            copies_of(name)
        for what, names in (("imbalance", self.imbalance), ("augmentation", self.augmentation)):
            if NONE not in names:
                raise SettingsError(f"{what} is {', '.join(names)}; expected 'none' among them, to compare with")
            if len(set(names)) < len(names):
                raise SettingsError(f"{what} names one twice: {', '.join(names)}")
        if len(self.questions()) > MOST_CONTRASTS:
            raise SettingsError(
                f"{len(self.imbalance) - 1} cures ask {len(self.questions())} questions of one study, and "
                f"{MOST_CONTRASTS} are the most that leave each its power; name fewer cures"
            )

    def questions(self) -> list[Question]:
        """Return what is asked, settled before anything is run.

        Each cure against none, the augmentation against none, and both together against either. The augmentation is
        ``all`` where it is there, else the last; the cure that stands for all in the last two is the first.
        """
        cures = [name for name in self.imbalance if name != NONE]
        kinds = [name for name in self.augmentation if name != NONE]
        asked = [Question(f"{cure} against none", (NONE, NONE), (cure, NONE)) for cure in cures]
        if kinds:
            kind = ALL if ALL in kinds else kinds[-1]
            asked.append(Question(f"{kind} against no augmentation", (NONE, NONE), (NONE, kind)))
            for cure in cures[:1]:
                both = (cure, kind)
                asked.append(Question(f"{cure} with {kind} against {cure} alone", (cure, NONE), both))
                asked.append(Question(f"{cure} with {kind} against {kind} alone", (NONE, kind), both))
        return asked

    def recipe(self) -> Recipe:
        """Return the study whose pipelines are the cells of the table."""
        pipelines = [
            PipelineChoice(
                name=cell_label(cure, kind),
                preset=self.preset,
                blocks=tuple(self.blocks),
                gender=self.gender,
                classifiers=tuple(self.classifiers),
                augment=copies_of(kind),
                copies=self.copies,
                only_scarce=self.only_scarce and kind != NONE,
                imbalance=cure,
                imposed=self.imposed,
            )
            for cure in self.imbalance
            for kind in self.augmentation
        ]
        return Recipe(
            title="Imbalance against augmentation",
            question="What do cures of imbalance do, what does augmentation do, and what do both?",
            pipelines=tuple(pipelines),
            epochs=self.epochs,
            seed=self.seed,
            corpora=(CorpusChoice(corpus=self.corpus, protocols=(self.protocol,)),),
        )


@dataclass(frozen=True)
class _Kept:
    """What is kept of a factorial beside its results."""

    table: Factorial
    command: str


KEPT = TypeAdapter(_Kept)
TABLE = "table.json"


def keep_factorial(table: Factorial, command: str, folder: str | Path) -> None:
    """Keep the table and the command that ran it beside its results."""
    write_text(Path(folder) / TABLE, KEPT.dump_json(_Kept(table, command), indent=2).decode() + "\n")


def kept_factorial(folder: str | Path) -> tuple[Factorial, str]:
    """Return what `keep_factorial` kept.

    Raises
    ------
    FusionserError
        When there is nothing that can be read.
    """
    path = Path(folder) / TABLE
    try:
        found = KEPT.validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FusionserError(
            f"{path}: cannot be read ({error.strerror or error}); expected a folder of 'fusionser ablate'"
        ) from error
    except ValueError as error:
        raise FusionserError(f"{path}: not a table that this version reads; run 'fusionser ablate' again") from error
    return found.table, found.command


def cell_label(cure: str, kind: str) -> str:
    """Return the name of a cell of the table.

    Examples
    --------
    >>> cell_label("weights", "none")
    'imbalance weights, augmentation none'
    """
    return f"imbalance {cure}, augmentation {kind}"


@dataclass(frozen=True)
class Answer:
    """What came of a question, over speakers, each speaker's score being the mean over the classifiers.

    Parameters
    ----------
    question : Question
    uar, war : PairedTest
        The test is of the UAR; of the WAR the mean and its interval count.
    corrected : float
        Holm's p of the UAR, over all questions of the study.
    recall : dict of str to float
        Change of each class's recall, pooled over speakers and averaged over the classifiers.
    classifiers : int
    """

    question: Question
    uar: PairedTest
    war: PairedTest
    corrected: float
    recall: Mapping[str, float]
    classifiers: int


def answer_questions(questions: Sequence[Question], results: Sequence[Result]) -> list[Answer]:
    """Answer what can be answered: questions of which both cells are there, by the same classifiers.

    Raises
    ------
    SettingsError
        When results come from different corpora, classes or protocols: they are not comparable.
    """
    check_comparable(results)
    pairs = [(one, _pairs(one, results)) for one in questions]
    asked = [(one, found) for one, found in pairs if found]
    tests = [(paired_test(_gains(found, "uar")), paired_test(_gains(found, "war"))) for _, found in asked]
    corrected = holm([uar.p for uar, _ in tests]) if tests else []
    return [
        Answer(question, uar, war, p, _recall_changes(found), len(found))
        for (question, found), (uar, war), p in zip(asked, tests, corrected, strict=True)
    ]


def check_comparable(results: Sequence[Result]) -> None:
    """Raise `SettingsError` when results are of different corpora, classes, protocols or settings."""
    kinds = {
        (one.corpus, ", ".join(one.classes), one.protocol.name, one.protocol.setting, str(one.protocol.settings))
        for one in results
    }
    if len(kinds) > 1:
        shown = "; ".join(sorted(f"{kind[2]} of {kind[0]}, {kind[3]} {kind[4]}" for kind in kinds))
        raise SettingsError(f"results of different protocols cannot be compared: {shown}")
    speakers = {tuple(sorted(one.speakers)) for one in results}
    if len(speakers) > 1:
        raise SettingsError("results of different speakers cannot be compared speaker by speaker")


def _pairs(question: Question, results: Sequence[Result]) -> list[tuple[Result, Result]]:
    sides = [
        {one.classifier: one for one in results if one.features_name == cell_label(*cell)}
        for cell in (question.without, question.having)
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

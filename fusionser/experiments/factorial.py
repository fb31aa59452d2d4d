"""Imbalance against augmentation: every cure with every kind of copy, and the questions that are asked of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fusionser.augmentation.waveforms import AUGMENTATIONS
from fusionser.errors import SettingsError, unknown_name
from fusionser.experiments.choices import DEEP_PRESETS
from fusionser.experiments.pipeline import IMBALANCE
from fusionser.experiments.questions import Design, Question
from fusionser.experiments.recipe import CorpusChoice, PipelineChoice, ProtocolChoice, Recipe
from fusionser.networks import NETWORKS

__all__ = ["ALL", "Factorial", "cell_label", "copies_of"]

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


def cell_label(cure: str, kind: str) -> str:
    """Return the name of a cell of the table.

    Examples
    --------
    >>> cell_label("weights", "none")
    'imbalance weights, augmentation none'
    """
    return f"imbalance {cure}, augmentation {kind}"


@dataclass(frozen=True, kw_only=True)
class Factorial(Design):
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
    importance : {"blocks", "features"}, optional
        What the first features rely on, see `fold_importance`.
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
    ['weights against none', 'copies (all) against none']
    """

    varied: ClassVar[str] = "imbalance, augmentation"
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
    importance: str | None = None
    epochs: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.imbalance:
            if name not in IMBALANCE:
                raise unknown_name("imbalance strategy", name, IMBALANCE)
        for name in self.augmentation:
            copies_of(name)
        for what, names in (("imbalance", self.imbalance), ("augmentation", self.augmentation)):
            if NONE not in names:
                raise SettingsError(f"{what} is {', '.join(names)}; expected 'none' among them, to compare with")
            if len(set(names)) < len(names):
                raise SettingsError(f"{what} names one twice: {', '.join(names)}")
        self.check_names()

    @property
    def title(self) -> str:
        """The study in a few words."""
        return "Imbalance against augmentation"

    def notes(self) -> list[str]:
        """Return the imbalance that is imposed, how many copies there are, and where networks are compared."""
        scarce = ", of scarce classes alone" if self.only_scarce else ""
        imposed = self.imposed
        deep = self.preset in DEEP_PRESETS or set(self.blocks) & set(NETWORKS)
        return [
            *([] if imposed is None else [f"an imbalance of 1 to {imposed:g} imposed on the training rows"]),
            f"copies a training clip where there are any: {self.copies}{scarce}",
            *([] if deep else ["networks, too costly for every cell, have a study of their own, the study deep"]),
        ]

    def asked_where(self) -> str:
        """Return where each question is asked: what else the table holds bears on the ranks alone."""
        return "Cures are compared where there are no copies, copies where there is no cure. "

    def questions(self) -> list[Question]:
        """Return what is asked, settled before anything is run.

        Each cure against none, the augmentation against none, and both together against either. The augmentation is
        ``all`` where it is there, else the last; the cure that stands for all in the last two is the first.
        """
        cures = [name for name in self.imbalance if name != NONE]
        kinds = [name for name in self.augmentation if name != NONE]
        plain = cell_label(NONE, NONE)
        asked = [Question(f"{cure} against none", plain, cell_label(cure, NONE)) for cure in cures]
        if kinds:
            kind = ALL if ALL in kinds else kinds[-1]
            copied = cell_label(NONE, kind)
            copies = f"copies ({kind})"
            asked.append(Question(f"{copies} against none", plain, copied))
            for cure in cures[:1]:
                both = cell_label(cure, kind)
                asked.append(Question(f"{cure} with {copies} against {cure} alone", cell_label(cure, NONE), both))
                asked.append(Question(f"{cure} with {copies} against {copies} alone", copied, both))
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
            title=self.title,
            question="What do cures of imbalance do, what does augmentation do, and what do both?",
            pipelines=self.with_importance(pipelines),
            epochs=self.epochs,
            seed=self.seed,
            corpora=(CorpusChoice(corpus=self.corpus, protocols=(self.protocol,)),),
        )

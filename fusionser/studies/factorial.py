"""Imbalance against augmentation: every balancing strategy with every augmentation, and the contrasts of the two."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

from fusionser.errors import SettingsError, unknown_name
from fusionser.names import IMBALANCE
from fusionser.registry import AUGMENTATIONS
from fusionser.spec import PipelineSpec, ProtocolSpec
from fusionser.studies.contrasts import Contrast, Design
from fusionser.studies.recipe import CorpusChoice, PipelineChoice, Recipe

__all__ = ["ALL", "NONE", "Factorial", "augmentation_of", "cell_label"]

NONE = "none"
ALL = "all"
ALL_KINDS = ("noise", "pitch", "stretch", "lowpass")
"""What SER-FusionNet augments by; ``speed`` is pitch and stretch at once."""


def augmentation_of(name: str) -> tuple[str, ...]:
    """Return the kinds of augmentation that a level stands for.

    Examples
    --------
    >>> augmentation_of("all"), augmentation_of("noise+pitch"), augmentation_of("none")
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


def cell_label(strategy: str, kind: str) -> str:
    """Return the name of a cell of the table.

    Examples
    --------
    >>> cell_label("weights", "none")
    'imbalance weights, augmentation none'
    """
    return f"imbalance {strategy}, augmentation {kind}"


@dataclass(frozen=True, kw_only=True)
class Factorial(Design):
    """All balancing strategies with all augmentations, by several classifiers.

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
        Augmented copies a training clip.
    only_scarce : bool, default=False
        Augment the scarce classes alone.
    imposed : float, optional
        Ratio of an imbalance imposed on the training rows, see `ImposeImbalance`.
    protocol : ProtocolSpec
    importance : {"blocks", "features"}, optional
        What the first features rely on, see `fold_importance`.
    epochs : int, optional
        Of networks.
    seed : int, default=0

    Examples
    --------
    >>> table = Factorial(
    ...     corpus="ravdess", imbalance=["none", "weights"], augmentation=["none", "all"], classifiers=["svm"],
    ...     protocol=ProtocolSpec(name="speaker-kfold"),
    ... )
    >>> [contrast.text for contrast in table.contrasts()][:2]
    ['weights against none', 'augmentation (all) against none']
    """

    varied: ClassVar[str] = "imbalance, augmentation"
    corpus: str
    imbalance: Sequence[str]
    augmentation: Sequence[str]
    classifiers: Sequence[str]
    protocol: ProtocolSpec
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
            augmentation_of(name)
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

    def labels(self) -> dict[str, tuple[str, str]]:
        """Return the strategy and the augmentation of each label."""
        return {cell_label(*cell): cell for cell in product(self.imbalance, self.augmentation)}

    def contrasts(self) -> list[Contrast]:
        """Return what is asked, settled before anything is run.

        Each strategy against none, the augmentation against none, and both together against either. The augmentation is
        ``all`` where it is there, else the last; the strategy that stands for all in the last two is the first.
        """
        strategies = [name for name in self.imbalance if name != NONE]
        kinds = [name for name in self.augmentation if name != NONE]
        plain = cell_label(NONE, NONE)
        asked = [Contrast(f"{name} against none", plain, cell_label(name, NONE)) for name in strategies]
        if kinds:
            kind = ALL if ALL in kinds else kinds[-1]
            alone = cell_label(NONE, kind)
            augmented = f"augmentation ({kind})"
            asked.append(Contrast(f"{augmented} against none", plain, alone))
            for name in strategies[:1]:
                both = cell_label(name, kind)
                asked.append(Contrast(f"{name} with {augmented} against {name} alone", cell_label(name, NONE), both))
                asked.append(Contrast(f"{name} with {augmented} against {augmented} alone", alone, both))
        return asked

    def recipe(self) -> Recipe:
        """Return the study whose pipelines are the cells of the table."""
        features = {"preset": self.preset, "blocks": tuple(self.blocks), "gender": self.gender}
        pipelines = [
            PipelineChoice(
                name=label,
                classifiers=tuple(self.classifiers),
                spec=PipelineSpec(features=features, rows=self._rows(strategy, kind)),
            )
            for label, (strategy, kind) in self.labels().items()
        ]
        return Recipe(
            title=self.title,
            question="What do balancing strategies do, what does augmentation do, and what do both?",
            pipelines=self.with_importance(pipelines),
            epochs=self.epochs,
            seed=self.seed,
            corpora=(CorpusChoice(corpus=self.corpus, protocols=(self.protocol,)),),
        )

    def _rows(self, strategy: str, kind: str) -> dict[str, Any]:
        return {
            "augment": augmentation_of(kind),
            "copies": self.copies,
            "augment_classes": "scarce" if self.only_scarce and kind != NONE else "all",
            "imbalance": strategy,
            "impose_imbalance": self.imposed,
        }

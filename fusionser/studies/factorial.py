"""Imbalance against augmentation: all balancing strategies crossed with all augmentations, and their contrasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

from fusionser.errors import SettingsError, unknown_name
from fusionser.names import DEFAULT_PRESET, IMBALANCE
from fusionser.registry import AUGMENTATIONS
from fusionser.spec import PipelineSpec, ProtocolSpec
from fusionser.studies.contrasts import Contrast, Design
from fusionser.studies.recipe import CorpusChoice, PipelineChoice, Recipe

__all__ = ["ALL", "NONE", "Factorial", "augmentation_of", "cell_label"]

NONE = "none"
ALL = "all"
ALL_KINDS = ("noise", "pitch", "stretch", "lowpass")
"""Augmentations of SER-FusionNet; ``speed`` changes pitch and duration at once, so it is left out."""


def augmentation_of(name: str) -> tuple[str, ...]:
    """Return the kinds of augmentation that a level of the factor consists of.

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
    """Return the label of a cell of the table.

    Examples
    --------
    >>> cell_label("weights", "none")
    'imbalance weights, augmentation none'
    """
    return f"imbalance {strategy}, augmentation {kind}"


@dataclass(frozen=True, kw_only=True)
class Factorial(Design):
    """All balancing strategies crossed with all augmentations, by several classifiers.

    Parameters
    ----------
    corpus : str
    imbalance : sequence of str
        Keys of `IMBALANCE`, ``none`` among them.
    augmentation : sequence of str
        ``none``, keys of `AUGMENTATIONS`, several of them joined by ``+``, or ``all``; ``none`` among them.
    classifiers : sequence of str
    preset : str, optional
        ``robust`` if neither a preset nor blocks are given.
    blocks : sequence of str, default=()
        Blocks instead of a preset.
    gender : {"given", "estimated", "none"}, optional
    copies : int, default=1
        Augmented copies of each training clip, 0 to 100.
    only_scarce : bool, default=False
        Augment only the scarce classes.
    imposed : float, optional
        Ratio of an imbalance to impose on the training rows, see `ImposeImbalance`.
    protocol : ProtocolSpec
    importance : {"blocks", "features"}, optional
        Estimate the importance of blocks or features in the first cell, see `fold_importance`.
    epochs : int, optional
        Epochs of networks.
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

    title: ClassVar[str] = "Imbalance against augmentation"
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
        if not (self.preset or self.blocks):
            # Stored designs name their features, so that they keep their meaning when the default changes.
            object.__setattr__(self, "preset", DEFAULT_PRESET)
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

    def labels(self) -> dict[str, tuple[str, str]]:
        """Return strategy and augmentation by label."""
        return {cell_label(*cell): cell for cell in product(self.imbalance, self.augmentation)}

    def contrasts(self) -> list[Contrast]:
        """Return the contrasts; they do not depend on results.

        They are each strategy against none, the augmentation against none, and both together against either one. The
        augmentation is ``all`` if present, otherwise the last. Both together use the first strategy.
        """
        strategies = [name for name in self.imbalance if name != NONE]
        kinds = [name for name in self.augmentation if name != NONE]
        plain = cell_label(NONE, NONE)
        asked = [Contrast(name, "none", plain, cell_label(name, NONE)) for name in strategies]
        if kinds:
            kind = ALL if ALL in kinds else kinds[-1]
            alone = cell_label(NONE, kind)
            augmented = f"augmentation ({kind})"
            asked.append(Contrast(augmented, "none", plain, alone))
            for name in strategies[:1]:
                both = cell_label(name, kind)
                asked.append(Contrast(f"{name} with {augmented}", f"{name} alone", cell_label(name, NONE), both))
                asked.append(Contrast(f"{name} with {augmented}", f"{augmented} alone", alone, both))
        return asked

    def recipe(self) -> Recipe:
        """Return the recipe whose pipelines are the cells of the table."""
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

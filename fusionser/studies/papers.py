"""Recipes of published results: one validated TOML file for each figure of a paper."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fusionser.errors import SettingsError, unknown_name
from fusionser.files import parse_toml
from fusionser.registry import CORPORA, PROTOCOLS
from fusionser.spec import PipelineSpec, ProtocolSpec, Spec
from fusionser.studies.recipe import RECIPES, packaged, parsed

__all__ = ["BEST_EPOCH", "PaperRecipe", "paper_recipe_names", "paper_recipes", "read_paper_recipe"]

PAPERS = RECIPES / "papers"

BEST_EPOCH = "best validation epoch"


class Variant(Spec):
    """Another row of the same table of the paper: the network parameters that differ, and its figure."""

    parameters: dict[str, Any]
    figure: float | None = None


class PaperRecipe(Spec):
    """How to reproduce one figure of a paper, or a method that the paper proposes without a figure.

    Parameters
    ----------
    paper, title : str
    corpora, classes : tuple of str
    figure : float, optional
        In percent (0 to 100), as the paper prints it.
    measure : {"test", "best validation epoch"}
        What the paper reports: the score on its test rows, or the score of the best epoch on its validation rows.
    pipeline : PipelineSpec
    protocol : ProtocolSpec
        The paper's protocol.
    speaker_independent : ProtocolSpec, optional
        Left out if the paper's protocol is already speaker-independent.
    seeds : int, default=5
        Number of seeds, 1 to 100.
    choices : str
        What the paper leaves open, and what was chosen. Outcomes are computed from the results.
    variants : dict of str to Variant
        Other rows of the same table, by the suffix of their names.
    """

    paper: str
    title: str
    corpora: tuple[str, ...] = Field(min_length=1)
    classes: tuple[str, ...] = ()
    figure: float | None = Field(None, ge=0, le=100)
    measure: Literal["test", "best validation epoch"]
    pipeline: PipelineSpec
    protocol: ProtocolSpec
    speaker_independent: ProtocolSpec | None = None
    seeds: int = Field(5, ge=1, le=100)
    choices: str = ""
    variants: dict[str, Variant] = Field(default_factory=dict)

    @property
    def printed(self) -> str:
        """The paper's figure with the digits that it prints."""
        return "none" if self.figure is None else f"{self.figure:g}"

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for name in self.corpora:
            # A faulty card must not hide the recipes, which are listed without it.
            if name not in CORPORA:
                raise unknown_name("corpus", name, CORPORA)
        protocol = PROTOCOLS[self.protocol.name]
        if self.speaker_independent is None and (protocol.random or "speakers" in protocol.allows):
            raise ValueError(
                f"the protocol '{self.protocol.name}' has speakers on both sides; expected [speaker_independent] too"
            )
        if self.measure == BEST_EPOCH and self.pipeline.network is None:
            raise ValueError(f"'{BEST_EPOCH}' is a measure of networks, and the pipeline names none")
        return self


def _spread(name: str, recipe: PaperRecipe) -> dict[str, PaperRecipe]:
    """Return a recipe and its variants by name."""
    spread = {name: recipe.changed(variants={})}
    for suffix, variant in recipe.variants.items():
        networks = recipe.pipeline.networks
        parameters = {**networks.parameters, **variant.parameters}
        spread[f"{name}-{suffix}"] = recipe.changed(
            variants={},
            title=f"{recipe.title}, {suffix}",
            figure=recipe.figure if variant.figure is None else variant.figure,
            pipeline=recipe.pipeline.changed(networks=networks.changed(parameters=parameters)),
        )
    return spread


def paper_recipes() -> dict[str, PaperRecipe]:
    """Return all recipes that come with fusionser, by name.

    Examples
    --------
    >>> paper_recipes()["s4-crnn-emodb"].figure
    83.18
    """
    return {
        name: recipe
        for stem, file in packaged(PAPERS).items()
        for name, recipe in _spread(stem, parsed(PaperRecipe, stem, file)).items()
    }


def paper_recipe_names() -> list[str]:
    """Return the names of all recipes that come with fusionser; no recipe is validated, which takes seconds."""
    return [
        name
        for stem, file in packaged(PAPERS).items()
        for name in (stem, *(f"{stem}-{suffix}" for suffix in parse_toml(file.read_text("utf-8")).get("variants", ())))
    ]


def read_paper_recipe(name: str) -> tuple[str, PaperRecipe]:
    """Return the name of a recipe, and the recipe of that name or in that TOML file.

    Raises
    ------
    SettingsError
        If there is no such recipe, or it is not valid.
    """
    if not name.endswith(".toml"):
        names = paper_recipe_names()
        if name not in names:
            raise unknown_name("recipe", name, [*names, "FILE.toml"])
        return name, paper_recipes()[name]
    stem = Path(name).stem
    recipe = parsed(PaperRecipe, stem, Path(name))
    if recipe.variants:
        raise SettingsError(f"{name}: only fusionser's own recipes can have [variants]; write a file for each")
    return stem, recipe

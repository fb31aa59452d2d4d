"""The published results that fusionser runs again, a validated TOML file each."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fusionser.errors import SettingsError, unknown_name
from fusionser.registry import CORPORA, PROTOCOLS
from fusionser.spec import PipelineSpec, ProtocolSpec, Spec
from fusionser.studies.recipe import read_file

__all__ = ["BEST_EPOCH", "PaperRecipe", "paper_recipes", "read_paper_recipe"]

BEST_EPOCH = "best validation epoch"


class Variant(Spec):
    """A second row of the same table: what differs."""

    parameters: dict[str, Any]
    figure: float | None = None


class PaperRecipe(Spec):
    """One figure of one paper, and how it is run again; or what a paper proposes and gives no figure of.

    Parameters
    ----------
    paper, title : str
    corpora, classes : tuple of str
    figure : float, optional
        In percent, as the paper prints it.
    measure : {"test", "best validation epoch"}
        What the paper reports: the score of its test rows, or that of the best epoch on its validation rows.
    pipeline : PipelineSpec
    protocol : ProtocolSpec
        The paper's.
    speaker_independent : ProtocolSpec, optional
        Left out where the paper's protocol is so already.
    seeds : int, default=5
    choices : str
        What the paper leaves open, and what was chosen. What came of it is computed from the results.
    variants : dict of str to Variant
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

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for name in self.corpora:
            CORPORA.named(name)
        protocol = PROTOCOLS[self.protocol.name]
        if self.speaker_independent is None and (protocol.random or "speakers" in protocol.allows):
            raise ValueError(
                f"the protocol '{self.protocol.name}' has speakers on both sides; expected [speaker_independent] too"
            )
        if self.measure == BEST_EPOCH and self.pipeline.network is None:
            raise ValueError(f"'{BEST_EPOCH}' is a measure of networks, and the pipeline names none")
        return self


def _names() -> list[str]:
    folder = resources.files("fusionser.studies") / "recipes" / "papers"
    return sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))


def _spread(name: str, recipe: PaperRecipe) -> dict[str, PaperRecipe]:
    """Return a recipe and its variants, by name."""
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


def _read(name: str, text: str) -> dict[str, PaperRecipe]:
    try:
        return _spread(name, PaperRecipe(**tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the recipe '{name}' is no TOML: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"the recipe '{name}' is not valid: {error}") from error


def paper_recipes() -> dict[str, PaperRecipe]:
    """Return every recipe that comes with fusionser, by name.

    Examples
    --------
    >>> paper_recipes()["s4-crnn-emodb"].figure
    83.18
    """
    folder = resources.files("fusionser.studies") / "recipes" / "papers"
    recipes: dict[str, PaperRecipe] = {}
    for name in _names():
        recipes.update(_read(name, (folder / f"{name}.toml").read_text(encoding="utf-8")))
    return recipes


def read_paper_recipe(name: str) -> tuple[str, PaperRecipe]:
    """Return a recipe by its name or from a TOML file, and the name that it goes by.

    Raises
    ------
    SettingsError
        When there is no such recipe, or it is not valid.
    """
    if not name.endswith(".toml"):
        recipes = paper_recipes()
        if name not in recipes:
            raise unknown_name("recipe", name, [*recipes, "FILE.toml"])
        return name, recipes[name]
    stem = Path(name).stem
    in_file = _read(stem, read_file(Path(name)))
    if len(in_file) > 1:
        raise SettingsError(f"{name}: [variants] are for the recipes of fusionser itself; write a file for each")
    return stem, in_file[stem]

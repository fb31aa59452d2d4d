"""The published results that fusionser runs again, a validated TOML file each."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from fusionser.corpora import CORPORA
from fusionser.errors import SettingsError, unknown_name
from fusionser.experiments.recipe import ProtocolChoice, Strict

__all__ = ["PaperPipeline", "PaperRecipe", "paper_recipes", "read_paper_recipe"]

BEST_EPOCH = "best validation epoch"
TEST = "test"
BY_SPEAKER = ("speaker-kfold", "speaker-holdout", "leave-one-speaker-out", "cross-corpus")


class PaperPipeline(Strict):
    """What is trained: a network on its own, or features and a classifier; and what is done to the training rows."""

    network: str | None = None
    preset: str | None = None
    blocks: tuple[str, ...] = ()
    gender: str | None = None
    classifier: str = "svm"
    augment: tuple[str, ...] = ()
    copies: int = 1
    imbalance: str = "none"


class Variant(Strict):
    """A second row of the same table: what differs."""

    training: dict[str, Any]
    figure: float | None = None


class PaperRecipe(Strict):
    """One figure of one paper, and how it is run again; or what a paper proposes and gives no figure of.

    ``protocol`` is the paper's; ``speaker_independent`` is left out where that is so already. ``measure`` says what the
    paper reports: the score of its test rows, or that of the best epoch on the rows that it watched. ``choices`` says
    what the paper leaves open, and what was chosen; ``reading``, why ours differs.
    """

    paper: str
    title: str
    corpora: tuple[str, ...] = Field(min_length=1)
    classes: tuple[str, ...] = ()
    figure: float | None = Field(None, ge=0, le=100)
    measure: Literal["test", "best validation epoch"]
    pipeline: PaperPipeline
    training: dict[str, Any] = Field(default_factory=dict)
    protocol: ProtocolChoice
    speaker_independent: ProtocolChoice | None = None
    seeds: int = Field(5, ge=1, le=100)
    choices: str = ""
    reading: str = ""
    variants: dict[str, Variant] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_fit(self) -> "PaperRecipe":
        unknown = sorted(set(self.corpora) - set(CORPORA))
        if unknown:
            raise ValueError(f"unknown corpus '{unknown[0]}'. Known: {', '.join(CORPORA)}")
        if self.pipeline.network is not None and (self.pipeline.preset or self.pipeline.blocks):
            raise ValueError("got a network and features beside it; expected one of them")
        if self.pipeline.network is not None and self.pipeline.gender is not None:
            raise ValueError("got a network and a gender; a network classifies by itself, and no feature beside it")
        if self.speaker_independent is None and self.protocol.name not in BY_SPEAKER:
            raise ValueError(
                f"the protocol '{self.protocol.name}' has speakers on both sides; expected [speaker_independent] too"
            )
        if self.measure == BEST_EPOCH and self.pipeline.network is None:
            raise ValueError(f"'{BEST_EPOCH}' is a measure of networks, and the pipeline names none")
        return self


def _names() -> list[str]:
    folder = resources.files("fusionser.experiments") / "recipes" / "papers"
    return sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))


def _spread(name: str, recipe: PaperRecipe) -> dict[str, PaperRecipe]:
    found = {name: recipe.model_copy(update={"variants": {}})}
    for suffix, variant in recipe.variants.items():
        changed: dict[str, Any] = {"variants": {}, "training": {**recipe.training, **variant.training}}
        if variant.figure is not None:
            changed["figure"] = variant.figure
        found[f"{name}-{suffix}"] = recipe.model_copy(update={**changed, "title": f"{recipe.title}, {suffix}"})
    return found


def _read(name: str, text: str) -> dict[str, PaperRecipe]:
    try:
        return _spread(name, PaperRecipe.model_validate(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the recipe '{name}' is no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the recipe"
        known = ", ".join(PaperRecipe.model_fields)
        hint = f"; known keys: {known}" if first["type"] == "extra_forbidden" and len(first["loc"]) == 1 else ""
        raise SettingsError(f"the recipe '{name}' is not valid: {where}: {first['msg']}{hint}") from error


def paper_recipes() -> dict[str, PaperRecipe]:
    """Return every recipe that comes with fusionser, by name.

    Examples
    --------
    >>> paper_recipes()["s4-crnn-emodb"].figure
    83.18
    """
    folder = resources.files("fusionser.experiments") / "recipes" / "papers"
    found: dict[str, PaperRecipe] = {}
    for name in _names():
        found.update(_read(name, (folder / f"{name}.toml").read_text(encoding="utf-8")))
    return found


def read_paper_recipe(name: str) -> tuple[str, PaperRecipe]:
    """Return a recipe by its name or from a TOML file, and the name that it goes by.

    Raises
    ------
    SettingsError
        When there is no such recipe, or it is not valid.
    """
    if not name.endswith(".toml"):
        known = paper_recipes()
        if name not in known:
            raise unknown_name("recipe", name, [*known, "FILE.toml"])
        return name, known[name]
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: the recipe cannot be read ({error})") from error
    stem = Path(name).stem
    found = _read(stem, text)
    if len(found) > 1:
        raise SettingsError(f"{name}: [variants] are for the recipes of fusionser itself; write a file for each")
    return stem, found[stem]

"""A recipe: what a study evaluates, as a validated TOML file."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fusionser.errors import SettingsError, unknown_name
from fusionser.evaluation.contrasts import Contrast, PaperRow

__all__ = ["CorpusChoice", "PipelineChoice", "ProtocolChoice", "Recipe", "read_recipe", "recipe_names"]

Setting = Literal["inductive", "speaker-normalised"]


class Strict(BaseModel):
    """A record that knows no other fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProtocolChoice(Strict):
    """A protocol and its settings; what is left out follows the corpus's card."""

    name: str
    settings: dict[str, Any] = {}


class PipelineChoice(Strict):
    """A pipeline by name: features, what is done to the training rows, fusion, and its classifiers.

    ``keep`` names the blocks of the features that are used; all when empty. ``importance`` is ``blocks`` or
    ``features``: what the pipeline relies on is looked for.
    """

    name: str
    preset: str | None = None
    blocks: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    gender: str | None = None
    classifiers: tuple[str, ...] = Field(min_length=1)
    fusion: str = "early"
    cross_fit: int = 0
    augment: tuple[str, ...] = ()
    copies: int = 1
    only_scarce: bool = False
    imbalance: str = "none"
    imposed: float | None = None
    tune: bool = False
    importance: str | None = None


class CorpusChoice(Strict):
    """A corpus, what is kept of it, and the protocols and pipelines that it is evaluated under.

    ``also`` names other corpora whose rows are in the same table; ``classes`` those that are kept, all when empty.
    """

    corpus: str
    also: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    drop_classes: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    protocols: tuple[ProtocolChoice, ...] = Field(min_length=1)


class Recipe(Strict):
    """A study: every pipeline, with each of its classifiers, in every setting, under every protocol of every corpus.

    ``presets`` and ``classifiers`` are short for one plain pipeline a preset. ``epochs`` stand in place of each
    network's own number.
    """

    title: str
    question: str
    presets: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    pipelines: tuple[PipelineChoice, ...] = ()
    settings: tuple[Setting, ...] = Field(("inductive",), min_length=1)
    imbalance: str = "none"
    precision: str = "float32"
    epochs: int | None = Field(None, ge=1)
    seed: int = 0
    corpora: tuple[CorpusChoice, ...] = Field(min_length=1)
    paper: tuple[PaperRow, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    reading: str = ""

    @model_validator(mode="after")
    def _names_fit(self) -> "Recipe":
        names = [one.name for one in self.all_pipelines()]
        if not names:
            raise ValueError("the recipe names no pipelines, and no presets with classifiers")
        if len(set(names)) < len(names):
            raise ValueError(f"pipelines share a name: {', '.join(names)}")
        wanted = [name for choice in self.corpora for name in choice.pipelines]
        unknown = sorted(set(wanted) - set(names))
        if unknown:
            raise ValueError(f"a corpus asks for the pipeline '{unknown[0]}'; there are {', '.join(names)}")
        return self

    def all_corpora(self) -> list[str]:
        """Return the name of every corpus, each once."""
        return list(dict.fromkeys(name for choice in self.corpora for name in (choice.corpus, *choice.also)))

    def all_pipelines(self) -> list[PipelineChoice]:
        """Return the pipelines, those that presets stand for first."""
        short = [
            PipelineChoice(
                name=name,
                preset=name,
                gender="given" if name == "fusionnet" else None,
                classifiers=self.classifiers,
                imbalance=self.imbalance,
            )
            for name in self.presets
            if self.classifiers
        ]
        return [*short, *self.pipelines]


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with fusionser."""
    folder = resources.files("fusionser.experiments") / "recipes"
    return sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))


def read_recipe(name: str) -> Recipe:
    """Read a recipe by its name, or from a TOML file.

    Raises
    ------
    SettingsError
        When there is no such recipe, or it is not valid.
    """
    if name.endswith(".toml"):
        text = _read_file(Path(name))
    elif name in recipe_names():
        text = (resources.files("fusionser.experiments") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise unknown_name("recipe", name, [*recipe_names(), "FILE.toml"])
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"the recipe '{name}' is not valid: {error}") from error


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the recipe cannot be read ({error})") from error

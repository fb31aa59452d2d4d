"""A recipe: what a study evaluates, as a validated TOML file."""

import json
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fusionser.errors import SettingsError, unknown_name
from fusionser.files import write_text
from fusionser.spec import DEFAULT_SPEC, PipelineSpec, ProtocolSpec, Spec, stored_elsewhere

__all__ = [
    "ContrastRow",
    "CorpusChoice",
    "PaperRow",
    "PipelineChoice",
    "Recipe",
    "keep_recipe",
    "kept_recipe",
    "read_recipe",
    "recipe_names",
]

KEPT = "recipe.json"


class PipelineChoice(Spec):
    """A pipeline by name, and the classifiers that it is evaluated with.

    Parameters
    ----------
    name : str
    classifiers : tuple of str
        Each in place of the specification's own.
    spec : PipelineSpec
    importance : {"blocks", "features"}, optional
        What the pipeline relies on is looked for.
    """

    name: str
    classifiers: tuple[str, ...] = Field(min_length=1)
    spec: PipelineSpec = DEFAULT_SPEC
    importance: str | None = None


class CorpusChoice(Spec):
    """A corpus, what is kept of it, and the protocols and pipelines that it is evaluated under.

    Parameters
    ----------
    corpus : str
    also : tuple of str
        Other corpora whose rows are in the same table.
    classes, drop_classes : tuple of str
        Emotions that are kept, all when empty; emotions that are left out.
    pipelines : tuple of str
        Names of pipelines; all when empty.
    protocols : tuple of ProtocolSpec
    """

    corpus: str
    also: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    drop_classes: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    protocols: tuple[ProtocolSpec, ...] = Field(min_length=1)


class ContrastRow(Spec):
    """A question that two results answer, each named ``features/classifier``."""

    question: str
    corpus: str
    protocol: str
    classes: int
    without: str
    with_: str = Field(alias="with")


class PaperRow(Spec):
    """A figure of a paper, and which results stand beside it."""

    label: str
    accuracy: str
    corpus: str
    protocol: str


class Recipe(Spec):
    """A study: every pipeline, with each of its classifiers, in every setting, under every protocol of every corpus.

    Parameters
    ----------
    title, question : str
    pipelines : tuple of PipelineChoice
    settings : tuple of {"inductive", "speaker-normalised"}
    epochs : int, optional
        In place of each pipeline's and each network's own number.
    precision : str, optional
        Of the networks, in place of each pipeline's own.
    seed : int, default=0
    corpora : tuple of CorpusChoice
    paper : tuple of PaperRow
    contrasts : tuple of ContrastRow
    reading : str
        How the tables are to be read; nothing that a run may change.
    """

    title: str
    question: str
    pipelines: tuple[PipelineChoice, ...] = Field(min_length=1)
    settings: tuple[Annotated[str, Literal["inductive", "speaker-normalised"]], ...] = Field(
        ("inductive",), min_length=1
    )
    epochs: int | None = Field(None, ge=1)
    precision: str | None = None
    seed: int = 0
    corpora: tuple[CorpusChoice, ...] = Field(min_length=1)
    paper: tuple[PaperRow, ...] = ()
    contrasts: tuple[ContrastRow, ...] = ()
    reading: str = ""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [pipeline.name for pipeline in self.pipelines]
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

    def specs(self, choice: CorpusChoice) -> Iterator[tuple[PipelineChoice, PipelineSpec]]:
        """Yield the pipelines of a corpus, each with its specification under this recipe's seed and networks."""
        for pipeline in self.pipelines:
            if choice.pipelines and pipeline.name not in choice.pipelines:
                continue
            shared = {"epochs": self.epochs, "precision": self.precision}
            networks = pipeline.spec.networks.changed(**{key: own for key, own in shared.items() if own is not None})
            features = pipeline.spec.features.changed(name=pipeline.name)
            yield pipeline, pipeline.spec.changed(networks=networks, features=features, seed=self.seed)


def keep_recipe(name: str, recipe: Recipe, folder: str | Path) -> None:
    """Keep a recipe, and the name or file that it was asked for by, beside the results of its study."""
    kept = {"name": name, "recipe": recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True)}
    write_text(Path(folder) / KEPT, json.dumps(kept, indent=2) + "\n")


def kept_recipe(folder: str | Path) -> tuple[str, Recipe] | None:
    """Return the recipe that is kept in a folder, and its name; None where there is none.

    Raises
    ------
    SettingsError
        When it cannot be read.
    """
    path = Path(folder) / KEPT
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        with stored_elsewhere():
            return str(kept["name"]), Recipe(**kept["recipe"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path}: cannot be read as the recipe of a study ({error})") from error


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with fusionser."""
    folder = resources.files("fusionser.studies") / "recipes"
    return sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))


def read_recipe(name: str) -> Recipe:
    """Read a recipe by its name, or from a TOML file.

    Raises
    ------
    SettingsError
        When there is no such recipe, or it is not valid.
    """
    if name.endswith(".toml"):
        text = read_file(Path(name))
    elif name in recipe_names():
        text = (resources.files("fusionser.studies") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise unknown_name("recipe", name, [*recipe_names(), "FILE.toml"])
    try:
        return Recipe(**tomllib.loads(text))
    except (tomllib.TOMLDecodeError, SettingsError) as error:
        raise SettingsError(f"the recipe '{name}' is not valid: {error}") from error


def read_file(path: Path) -> str:
    """Return the text of a recipe's file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the recipe cannot be read ({error})") from error

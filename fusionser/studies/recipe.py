"""Recipes: validated TOML files that describe what a study evaluates."""

import json
import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import Field, model_validator

from fusionser.errors import SettingsError, unknown_name
from fusionser.files import parse_json, parse_toml, write_text
from fusionser.legacy import current_spec
from fusionser.names import IMPORTANCE, INDUCTIVE, PRECISIONS, SETTINGS
from fusionser.spec import DEFAULT_SPEC, Labels, PipelineSpec, ProtocolSpec, Spec, one_of, stored_elsewhere

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
RECIPES = resources.files("fusionser.studies") / "recipes"

AnyRecipe = TypeVar("AnyRecipe", bound=Spec)


class PipelineChoice(Spec):
    """A named pipeline, and the classifiers to evaluate it with.

    Parameters
    ----------
    name : str
    classifiers : tuple of str
        Each replaces the classifier of `spec`.
    spec : PipelineSpec
    importance : {"blocks", "features"}, optional
        Estimate the importance of blocks, or of features.
    """

    name: str
    classifiers: tuple[str, ...] = Field(min_length=1)
    spec: PipelineSpec = DEFAULT_SPEC
    importance: Annotated[str, one_of("importance", IMPORTANCE)] | None = None


class CorpusChoice(Spec):
    """A corpus, the classes to use of it, and the protocols and pipelines to evaluate it with.

    Parameters
    ----------
    corpus : str
    also : tuple of str
        Other corpora whose rows are in the same table.
    classes, drop_classes : tuple of str
        Emotions to use (all if empty), and emotions to leave out.
    leave_out_speakers : tuple of str
        Speakers to leave out of training and test, with or without the name of the corpus.
    labels : dict
        New name by emotion, for all corpora, or by corpus and emotion. Emotions are renamed before any are left out.
    pipelines : tuple of str
        Names of pipelines; all if empty.
    protocols : tuple of ProtocolSpec
    """

    corpus: str
    also: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    drop_classes: tuple[str, ...] = ()
    leave_out_speakers: tuple[str, ...] = ()
    labels: Labels = Field({})
    pipelines: tuple[str, ...] = ()
    protocols: tuple[ProtocolSpec, ...] = Field(min_length=1)

    def names(self) -> tuple[str, ...]:
        """Return the names of all its corpora."""
        return (self.corpus, *self.also)


class ContrastRow(Spec):
    """A question that two results answer, each given as ``features/classifier``.

    Of ``published-folds``, `split_name` says which; the first ones in the recipe if it is empty. Both results have the
    same `setting`.
    """

    question: str
    corpus: str
    protocol: str
    split_name: str = ""
    setting: Annotated[str, one_of("setting", SETTINGS)] = INDUCTIVE
    classes: int
    without: str
    with_: str = Field(alias="with")


class PaperRow(Spec):
    """A figure from a paper, and the corpus and protocol of the results to compare it with."""

    label: str
    accuracy: str
    corpus: str
    protocol: str


def file_name(text: str) -> str:
    """Return a name that a file can have.

    Examples
    --------
    >>> file_name("a/b, averaged")
    'a-b-averaged'
    """
    return re.sub(r"[^\w+-]+", "-", text)


class Recipe(Spec):
    """A study: all pipelines with all their classifiers, in all settings, under all protocols of all corpora.

    Parameters
    ----------
    title, question : str
    pipelines : tuple of PipelineChoice
    settings : tuple of {"inductive", "speaker-normalised", "adapted"}
    epochs : int, optional
        Number for all networks, instead of their own; at least 1.
    precision : {"float32", "bfloat16"}, optional
        Precision of all networks, instead of each pipeline's own.
    seed : int, default=0
    corpora : tuple of CorpusChoice
    paper : tuple of PaperRow
    contrasts : tuple of ContrastRow
    reading : str
        How to read the tables, independent of the results.
    """

    title: str
    question: str
    pipelines: tuple[PipelineChoice, ...] = Field(min_length=1)
    settings: tuple[Annotated[str, one_of("setting", SETTINGS)], ...] = Field((INDUCTIVE,), min_length=1)
    epochs: int | None = Field(None, ge=1)
    precision: Annotated[str, one_of("precision", PRECISIONS)] | None = None
    seed: int = 0
    corpora: tuple[CorpusChoice, ...] = Field(min_length=1)
    paper: tuple[PaperRow, ...] = ()
    contrasts: tuple[ContrastRow, ...] = ()
    reading: str = ""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [pipeline.name for pipeline in self.pipelines]
        # Results are stored in files of these names, without what a file name cannot have.
        if len({file_name(name).casefold() for name in names}) < len(names):
            raise ValueError(f"pipelines share a name, or the name of their files: {', '.join(names)}")
        unknown = sorted({name for choice in self.corpora for name in choice.pipelines} - {*names})
        if unknown:
            raise ValueError(f"a corpus asks for the pipeline '{unknown[0]}'; there are {', '.join(names)}")
        return self

    def explicit(self) -> Self:
        """Return the recipe with pipelines that name the preset and the scaling that they leave to the defaults."""
        named = (pipeline.model_copy(update={"spec": pipeline.spec.explicit()}) for pipeline in self.pipelines)
        return self.model_copy(update={"pipelines": tuple(named)})

    def all_corpora(self) -> list[str]:
        """Return the name of every corpus once."""
        return list(dict.fromkeys(name for choice in self.corpora for name in choice.names()))

    def specs(self, choice: CorpusChoice) -> Iterator[tuple[PipelineChoice, PipelineSpec]]:
        """Yield the pipelines of a corpus, their specifications with this recipe's seed, epochs and precision."""
        for pipeline in self.pipelines:
            if choice.pipelines and pipeline.name not in choice.pipelines:
                continue
            shared = {"epochs": self.epochs, "precision": self.precision}
            networks = pipeline.spec.networks.changed(**{key: own for key, own in shared.items() if own is not None})
            features = pipeline.spec.features.changed(name=pipeline.name)
            yield pipeline, pipeline.spec.changed(networks=networks, features=features, seed=self.seed)


def keep_recipe(name: str, recipe: Recipe, folder: str | Path) -> None:
    """Store a recipe, and the name or file that the user gave for it, with the results of its study."""
    kept = {"name": name, "recipe": recipe.explicit().model_dump(mode="json", by_alias=True, exclude_defaults=True)}
    write_text(Path(folder) / KEPT, json.dumps(kept, indent=2) + "\n")


def kept_recipe(folder: str | Path) -> tuple[str, Recipe] | None:
    """Return the name and the recipe stored in a folder, or None if there is none.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    path = Path(folder) / KEPT
    if not path.is_file():
        return None
    try:
        kept = parse_json(path.read_bytes())
        with stored_elsewhere():
            pipelines = [{**one, "spec": current_spec(one.get("spec", {}))} for one in kept["recipe"]["pipelines"]]
            return str(kept["name"]), Recipe(**{**kept["recipe"], "pipelines": pipelines})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path}: cannot be read as the recipe of a study ({error})") from error


def packaged(folder: Traversable) -> dict[str, Traversable]:
    """Return the recipe files in a folder of the package, sorted by name."""
    files = {path.name.removesuffix(".toml"): path for path in folder.iterdir() if path.name.endswith(".toml")}
    return dict(sorted(files.items()))


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with fusionser."""
    return list(packaged(RECIPES))


def read_recipe(name: str) -> Recipe:
    """Read a recipe by its name, or from a TOML file.

    Raises
    ------
    SettingsError
        If there is no such recipe, or it is not valid.
    """
    files = packaged(RECIPES)
    if not name.endswith(".toml") and name not in files:
        raise unknown_name("recipe", name, [*files, "FILE.toml"])
    return parsed(Recipe, name, Path(name) if name.endswith(".toml") else files[name])


def parsed(kind: type[AnyRecipe], name: str, file: Traversable) -> AnyRecipe:
    """Read a recipe of a kind from its TOML file; errors call it by its name."""
    try:
        return kind(**parse_toml(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: the recipe cannot be read ({error})") from error
    except ValueError as error:
        raise SettingsError(f"the recipe '{name}' is not valid: {error}") from error

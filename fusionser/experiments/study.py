"""Many evaluations from one recipe; each is written whole as it ends, and a stopped study goes on where it was."""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fusionser.errors import SettingsError, unknown_name
from fusionser.evaluation import Protocol, Result, read_result, versions
from fusionser.experiments.choices import Features, Place, choose_features, choose_protocol
from fusionser.experiments.prepare import Prepared, prepare
from fusionser.experiments.run import Plan, evaluate_plan
from fusionser.features import FeatureCache
from fusionser.features.extraction import Progress

__all__ = ["Recipe", "read_recipe", "recipe_names", "run_study"]

Setting = Literal["inductive", "speaker-normalised"]
CellProgress = Callable[[int, int, str], None]


class Strict(BaseModel):
    """A record that knows no other fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProtocolChoice(Strict):
    """A protocol and its settings; what is left out follows the corpus's card."""

    name: str
    settings: dict[str, Any] = {}


class CorpusChoice(Strict):
    """A corpus and the protocols that it is evaluated under."""

    corpus: str
    protocols: tuple[ProtocolChoice, ...] = Field(min_length=1)


class Recipe(Strict):
    """A study: every classifier on every preset, in every setting, under every protocol of every corpus."""

    title: str
    question: str
    presets: tuple[str, ...] = Field(min_length=1)
    classifiers: tuple[str, ...] = Field(min_length=1)
    settings: tuple[Setting, ...] = Field(("inductive",), min_length=1)
    imbalance: str = "none"
    seed: int = 0
    corpora: tuple[CorpusChoice, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Cell:
    """One evaluation of a study."""

    name: str
    prepared: Prepared
    plan: Plan
    split: Protocol


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


def _cells(recipe: Recipe, choice: CorpusChoice, prepared: Sequence[Prepared], n_jobs: int | None) -> Iterator[Cell]:
    for wanted in choice.protocols:
        for setting in recipe.settings:
            for one in prepared:
                for classifier in recipe.classifiers:
                    plan = Plan(
                        classifier=classifier,
                        by_speaker=setting == "speaker-normalised",
                        imbalance=recipe.imbalance,
                        seed=recipe.seed,
                        n_jobs=n_jobs,
                    )
                    split = choose_protocol(wanted.name, one.table, _seeded(wanted, recipe.seed))
                    twin = sum(other.name == wanted.name for other in choice.protocols) > 1
                    number = [str(choice.protocols.index(wanted) + 1)] if twin else []
                    parts = [choice.corpus, wanted.name, *number, setting, one.features.name, classifier]
                    yield Cell("_".join(parts), one, plan, split)


def _seeded(wanted: ProtocolChoice, seed: int) -> dict[str, Any]:
    """Return the protocol's settings, with the recipe's seed where it draws anything."""
    drawn = wanted.name in ("random-kfold", "random-holdout", "speaker-holdout")
    return {"seed": seed, **wanted.settings} if drawn else dict(wanted.settings)


def _known(path: Path, cell: Cell) -> Result | None:
    """Return a cell's result where it was made by the same settings and versions."""
    if not path.is_file():
        return None
    result = read_result(path)
    same = (
        result.rows == _rows_used(cell)
        and result.features == cell.prepared.features.extractor.settings()
        and result.protocol.name == cell.split.name
        and _plain(result.protocol.settings) == _plain(cell.split.settings())
        and result.classifier_settings == cell.plan.settings(cell.plan.estimator(cell.prepared.features.extractor))
        and result.seed == cell.plan.seed
        and result.provenance["versions"] == versions()
    )
    return result if same else None


def _rows_used(cell: Cell) -> int:
    folds = cell.split.named_folds(cell.prepared.table)
    return len({position for _, train, test in folds for side in (train, test) for position in side.tolist()})


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


def run_study(
    recipe: Recipe,
    places: Mapping[str, Path],
    folder: str | Path,
    *,
    cache: FeatureCache | None = None,
    n_jobs: int | None = None,
    extraction_progress: Progress | None = None,
    progress: CellProgress | None = None,
) -> list[Result]:
    """Run every evaluation of a recipe, and keep each as a file under ``cells/``.

    Parameters
    ----------
    recipe : Recipe
    places : mapping of str to Path
        The folder of each corpus that the recipe names.
    folder : str or Path
        Where the cells are kept; those that are there already, of the same settings and versions, are not
        run again.
    cache, n_jobs
        See `compute_clips`.
    extraction_progress, progress : callable, optional
        Told of clips, and of cells (done, all, name of the next).

    Raises
    ------
    SettingsError
        When the folder of a corpus is not given.
    """
    missing = [choice.corpus for choice in recipe.corpora if choice.corpus not in places]
    if missing:
        raise SettingsError(
            f"the recipe needs {', '.join(missing)}; set FUSIONSER_DATA to the folder that holds the corpora, or give "
            f"--place {missing[0]}=DIR. 'fusionser corpora' tells where to get each"
        )
    cells: list[Cell] = []
    for choice in recipe.corpora:
        place = [Place(places[choice.corpus], choice.corpus)]
        prepared = []
        for name in recipe.presets:
            features: Features = choose_features(place, preset_name=name)
            prepared.append(prepare(place, features, cache=cache, n_jobs=n_jobs, progress=extraction_progress))
        cells += _cells(recipe, choice, prepared, n_jobs)
    results = []
    for number, cell in enumerate(cells):
        if progress:
            progress(number, len(cells), cell.name)
        path = Path(folder) / "cells" / f"{cell.name}.json"
        result = _known(path, cell)
        if result is None:
            result, _ = evaluate_plan(cell.prepared, cell.plan, cell.split)
            result.save(path)
        results.append(result)
    if progress:
        progress(len(cells), len(cells), "")
    return results

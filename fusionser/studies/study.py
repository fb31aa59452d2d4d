"""Studies: the cells of a recipe, on the runner."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fusionser.errors import FusionserError, SettingsError
from fusionser.features import FeatureExtractor
from fusionser.features.extraction import Progress
from fusionser.names import NETWORK_ALONE
from fusionser.pipeline import Place, Prepared, Resources, build_features, choose_protocol, prepare, resolve
from fusionser.pipeline.build import decided_by
from fusionser.pipeline.resources import LOCAL
from fusionser.results import read_result
from fusionser.spec import PipelineSpec, ProtocolSpec, stored_elsewhere
from fusionser.studies.cells import Cell
from fusionser.studies.recipe import CorpusChoice, PipelineChoice, Recipe
from fusionser.studies.runner import CellProgress, CellRun, run_cells

__all__ = ["run_study", "stored_study", "study_cells"]


def _cells(recipe: Recipe, choice: CorpusChoice, prepared: Sequence[tuple[PipelineChoice, Prepared]]) -> Iterator[Cell]:
    for wanted in choice.protocols:
        for setting in recipe.settings:
            for pipeline, rows in prepared:
                for classifier in pipeline.classifiers:
                    spec = rows.spec.changed(setting=setting, classifier=rows.spec.classifier.changed(name=classifier))
                    split = choose_protocol(wanted.name, rows.table, wanted.settings, seed=recipe.seed)
                    decides = decided_by(spec, rows.extractor)
                    name = _cell_name(choice, wanted, setting, pipeline.name, decides)
                    yield Cell(name, replace(rows, spec=spec), split, pipeline.importance)


def _cell_name(choice: CorpusChoice, wanted: ProtocolSpec, setting: str, pipeline: str, decides: str) -> str:
    repeated = sum(other.name == wanted.name for other in choice.protocols) > 1
    parts = [
        "+".join((choice.corpus, *choice.also)),
        *([f"{len(choice.classes)}-classes"] if choice.classes else []),
        *([f"without-{'-'.join(sorted(choice.drop_classes))}"] if choice.drop_classes else []),
        wanted.name,
        *([str(choice.protocols.index(wanted) + 1)] if repeated else []),
        setting,
        pipeline,
        decides,
    ]
    return re.sub(r"[^\w+-]+", "-", "_".join(parts))


def _prepared(
    recipe: Recipe,
    choice: CorpusChoice,
    folders: Mapping[str, Path],
    resources: Resources,
    progress: Progress | None,
) -> Iterator[tuple[PipelineChoice, Prepared]]:
    """Prepare the rows of a corpus for each of its pipelines; pipelines of the same features share them."""
    places = [Place(folders[name], name) for name in (choice.corpus, *choice.also)]
    # Several corpora are read alike, and so is one of them alone that stands beside them.
    together = any(other.also for other in recipe.corpora)
    read_as = [Place(folders[name], name) for name in recipe.all_corpora()] if together else places
    tables: dict[str, Prepared] = {}
    for pipeline, plain in recipe.specs(choice):
        spec = resolve(plain, read_as)
        whole = build_features(spec.changed(features=spec.features.changed(keep=())))
        key = str(whole.settings())
        if key not in tables:
            tables[key] = prepare(
                places,
                spec,
                classes=choice.classes,
                dropped=choice.drop_classes,
                resources=resources,
                progress=progress,
                extractor=whole,
            )
        # A part of the blocks reads its columns off the table of all.
        yield pipeline, replace(tables[key], spec=spec, extractor=_kept(spec, whole))


def _kept(spec: PipelineSpec, whole: FeatureExtractor) -> FeatureExtractor:
    return build_features(spec) if spec.features.keep else whole


def study_cells(
    recipe: Recipe,
    places: Mapping[str, Path],
    *,
    resources: Resources = LOCAL,
    progress: Progress | None = None,
) -> list[Cell]:
    """Return the cells of a study, in the order in which they are run, their features extracted.

    Raises
    ------
    SettingsError
        When the folder of a corpus is not given.
    """
    missing = sorted(set(recipe.all_corpora()) - set(places))
    if missing:
        raise SettingsError(
            f"the recipe needs {', '.join(missing)}; set FUSIONSER_DATA to the folder that holds the corpora, or give "
            f"--place {missing[0]}=DIR. 'fusionser corpora' tells where to get each"
        )
    cells: list[Cell] = []
    for choice in recipe.corpora:
        cells += _cells(recipe, choice, list(_prepared(recipe, choice, places, resources, progress)))
    return cells


def run_study(
    recipe: Recipe,
    places: Mapping[str, Path],
    folder: str | Path,
    *,
    resources: Resources = LOCAL,
    partial: bool = False,
    only: Sequence[str] = (),
    extraction_progress: Progress | None = None,
    progress: CellProgress | None = None,
) -> CellRun:
    """Run every cell of a recipe, see `run_cells`.

    Parameters
    ----------
    recipe : Recipe
    places : mapping of str to Path
        The folder of each corpus that the recipe names.
    folder, resources, partial, only, progress
        See `run_cells`.
    extraction_progress : callable, optional
        Told of clips.

    Raises
    ------
    SettingsError
        When the folder of a corpus is not given, or a pattern fits no cell.
    """
    cells = study_cells(recipe, places, resources=resources, progress=extraction_progress)
    return run_cells(cells, folder, resources=resources, partial=partial, only=only, progress=progress)


def stored_study(recipe: Recipe, folder: str | Path) -> CellRun:
    """Return the results of a recipe that are kept in a folder, in its order, whatever settings and versions made them.

    Raises
    ------
    FusionserError
        When there is none.
    """
    cells = Path(folder) / "cells"
    outcomes = {}
    with stored_elsewhere():
        names = list(_cell_names(recipe))
    for name in names:
        if (cells / f"{name}.json").is_file():
            outcomes[name] = read_result(cells / f"{name}.json")
    if not outcomes:
        raise FusionserError(f"no evaluation of this study is in {cells}; run it first")
    return CellRun(outcomes=outcomes)


def _cell_names(recipe: Recipe) -> Iterator[str]:
    """Yield the names that cells of a recipe can have, in their order, without preparing any rows."""
    for choice in recipe.corpora:
        for wanted in choice.protocols:
            for setting in recipe.settings:
                for pipeline, _ in recipe.specs(choice):
                    for decides in (*pipeline.classifiers, NETWORK_ALONE):
                        yield _cell_name(choice, wanted, setting, pipeline.name, decides)

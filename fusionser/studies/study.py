"""Studies: running all cells of a recipe, and reading their stored results."""

import fnmatch
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from fusionser.errors import FusionserError, SettingsError
from fusionser.facts import Stamp
from fusionser.features.extraction import Progress
from fusionser.names import NETWORK_ALONE
from fusionser.pipeline import Place, Prepared, Resources, build_features, choose_protocol, prepare, resolve
from fusionser.pipeline.build import decided_by
from fusionser.pipeline.resources import LOCAL
from fusionser.pipeline.speakers import leave_out_speakers
from fusionser.results import Result, read_result
from fusionser.spec import PipelineSpec, ProtocolSpec, stored_elsewhere
from fusionser.studies.cells import Cell
from fusionser.studies.recipe import CorpusChoice, PipelineChoice, Recipe, file_name
from fusionser.studies.runner import CellProgress, CellRun, check_patterns, run_cells, stored_failure

__all__ = ["run_study", "stored_study"]

MOST_LETTERS = 60
"""Length of the names of left-out speakers in the name of a file."""


def _cells(recipe: Recipe, choice: CorpusChoice, prepared: Sequence[tuple[PipelineChoice, Prepared]]) -> Iterator[Cell]:
    for wanted, setting, (pipeline, rows) in product(choice.protocols, recipe.settings, prepared):
        for classifier in pipeline.classifiers:
            spec = rows.spec.changed(setting=setting, classifier=rows.spec.classifier.changed(name=classifier))
            split = choose_protocol(wanted.name, rows.table, wanted.settings, seed=recipe.seed)
            name = _cell_name(choice, wanted, setting, pipeline.name, decided_by(spec, rows.extractor))
            yield Cell(name, replace(rows, spec=spec), split, pipeline.importance)


def _cell_name(choice: CorpusChoice, wanted: ProtocolSpec, setting: str, pipeline: str, decides: str) -> str:
    repeated = sum(other.name == wanted.name for other in choice.protocols) > 1
    parts = [
        "+".join(choice.names()),
        *([f"{len(choice.classes)}-classes"] if choice.classes else []),
        *([f"without-{'-'.join(sorted(choice.drop_classes))}"] if choice.drop_classes else []),
        *([_without_name(choice.leave_out_speakers)] if choice.leave_out_speakers else []),
        *(["-".join(["renamed", *_label_names(choice.labels)])] if choice.labels else []),
        wanted.name,
        *([str(choice.protocols.index(wanted) + 1)] if repeated else []),
        setting,
        pipeline,
        decides,
    ]
    return file_name("_".join(parts))


def _without_name(speakers: Sequence[str]) -> str:
    """Return the speakers that are left out as part of a file name, which may not be long."""
    names = "-".join(sorted(speakers))
    if len(names) <= MOST_LETTERS:
        return f"without-speakers-{names}"
    return f"without-{len(set(speakers))}-speakers-{hashlib.sha256(names.encode()).hexdigest()[:8]}"


def _label_names(labels: Mapping[str, Any]) -> Iterator[str]:
    for old, new in labels.items():
        yield from (old, new) if isinstance(new, str) else (old, *_label_names(new))


def _prepared(
    recipe: Recipe,
    choice: CorpusChoice,
    folders: Mapping[str, Path | Place],
    resources: Resources,
    progress: Progress | None,
) -> Iterator[tuple[PipelineChoice, Prepared]]:
    """Prepare the rows of a corpus for each of its pipelines; pipelines with the same features share one table."""
    places = [_place(name, folders[name]) for name in choice.names()]
    # If any table combines corpora, all clips are cut alike, so that results on one corpus alone are comparable.
    combined = any(other.also for other in recipe.corpora)
    # Only the number of corpora and the settings of features files matter here, so any folder stands in for a missing
    # corpus.
    any_folder = folders[choice.corpus]
    read_as = [_place(name, folders.get(name, any_folder)) for name in recipe.all_corpora()] if combined else places
    tables: dict[str, Prepared] = {}
    for pipeline, plain in recipe.specs(choice):
        spec = resolve(plain, read_as)
        whole = build_features(spec.changed(features=spec.features.changed(keep=())))
        key = str(whole.settings())
        if key not in tables:
            prepared = prepare(
                places,
                spec,
                classes=choice.classes,
                dropped=choice.drop_classes,
                labels=choice.labels,
                resources=resources,
                progress=progress,
                extractor=whole,
            )
            tables[key] = _without_speakers(prepared, choice)
        # If only some blocks are used, their columns are taken from the table of all blocks.
        extractor = build_features(spec) if spec.features.keep else whole
        yield pipeline, replace(tables[key], spec=spec, extractor=extractor)


def _without_speakers(prepared: Prepared, choice: CorpusChoice) -> Prepared:
    """Return prepared rows without those of the speakers that a corpus choice leaves out, with a stamp that says so."""
    kept, names = leave_out_speakers(prepared, choice.leave_out_speakers, "leave_out_speakers")
    stamps = [Stamp(kind="left-out-speakers", value=list(names))] if names else []
    return replace(kept, notes=[*kept.notes, *stamps])


def run_study(
    recipe: Recipe,
    places: Mapping[str, Path | Place],
    folder: str | Path,
    *,
    resources: Resources = LOCAL,
    partial: bool = False,
    only: Sequence[str] = (),
    extraction_progress: Progress | None = None,
    progress: CellProgress | None = None,
) -> CellRun:
    """Extract the features of a recipe, then run all of its cells with `run_cells`.

    Parameters
    ----------
    recipe : Recipe
    places : mapping of str to Path or Place
        The folder of each corpus that the recipe names; a `Place` says how it is read.
    folder, resources, partial, only, progress
        As in `run_cells`.
    extraction_progress : callable, optional
        Called with the number of extracted clips and of all clips.

    Raises
    ------
    SettingsError
        If the folder of a corpus is missing whose evaluations are to be run, or a pattern matches no cell.
    FusionserError
        If no cell can be run, because its recordings do not tell the speakers or the genders that it needs.
    """
    # A wrong pattern should fail here, before a long extraction.
    _check_patterns(recipe, folder, only)
    here = [choice for choice in recipe.corpora if set(choice.names()) <= set(places)]
    away = [choice for choice in recipe.corpora if choice not in here]
    wanted = [choice for choice in away if not partial and _is_wanted(recipe, choice, only)]
    if wanted or not here:
        missing = sorted({name for choice in wanted or away for name in choice.names()} - set(places))
        raise SettingsError(
            f"the recipe needs {', '.join(missing)}; set FUSIONSER_DATA to the folder that holds the corpora, or give "
            f"--place {missing[0]}=DIR. 'fusionser corpora' shows where to get each"
        )
    cells = [
        cell
        for choice in here
        for cell in _cells(recipe, choice, list(_prepared(recipe, choice, places, resources, extraction_progress)))
    ]
    for cell in cells:
        cell.check_imbalance()
    if not partial:
        _check_any_possible(cells)
    run = run_cells(cells, folder, resources=resources, partial=partial, only=only, progress=progress)
    return _joined(recipe, run, _stored(recipe.changed(corpora=tuple(away)), folder)) if away else run


def _check_patterns(recipe: Recipe, folder: str | Path, only: Sequence[str]) -> None:
    if only:
        possible = [name for names, _ in _possible_names(recipe) for name in names]
        check_patterns(only, possible, next(_cell_names(recipe, Path(folder) / "cells")))


def _place(name: str, given: Path | Place) -> Place:
    return given if isinstance(given, Place) else Place(given, name)


def _check_any_possible(cells: Sequence[Cell]) -> None:
    """Raise the error of the first cell if the rows of no cell tell what it needs, instead of one error for each."""
    first: FusionserError | None = None
    for cell in cells:
        problem = cell.unknown()
        if problem is None:
            return
        first = first or problem
    if first is not None:
        raise first


def _is_wanted(recipe: Recipe, choice: CorpusChoice, only: Sequence[str]) -> bool:
    """Return whether evaluations of a corpus choice are to be run: those that match a pattern, or all without one."""
    names = [name for names, _ in _possible_names(recipe.changed(corpora=(choice,))) for name in names]
    return not only or any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in only)


def _joined(recipe: Recipe, run: CellRun, stored: CellRun) -> CellRun:
    """Return two runs of the same recipe as one, in the order of the recipe."""
    names = [name for names, _ in _possible_names(recipe) for name in names]
    order = {name: place for place, name in enumerate(names)}
    outcomes = {**run.outcomes, **stored.outcomes}
    return CellRun(
        {name: outcomes[name] for name in sorted(outcomes, key=order.__getitem__)},
        sorted([*run.missing, *stored.missing], key=order.__getitem__),
        {**run.failures, **stored.failures},
    )


def stored_study(recipe: Recipe, folder: str | Path) -> CellRun:
    """Return the results of a recipe stored in a folder, in its order, whatever settings and versions produced them.

    Raises
    ------
    FusionserError
        If there are none.
    """
    run = _stored(recipe, folder)
    if not run.outcomes:
        raise FusionserError(f"{Path(folder) / 'cells'} has no evaluations of this study; run it first")
    return run


def _stored(recipe: Recipe, folder: str | Path) -> CellRun:
    """Return what is stored of a recipe."""
    cells = Path(folder) / "cells"
    run = CellRun()
    with stored_elsewhere():
        names = list(_cell_names(recipe, cells))
    for name in names:
        path = cells / f"{name}.json"
        if path.is_file():
            run.outcomes[name] = _of_cell(name, read_result(path), path)
        elif (failure := stored_failure(path)) is not None:
            run.failures[name] = failure
        else:
            run.missing.append(name)
    return run


def _of_cell(name: str, result: Result, path: Path) -> Result:
    """Return a result; raise `FusionserError` if it was moved or edited, so that it is of other features."""
    if not name.endswith(file_name(f"_{result.features_name}_{result.classifier}")):
        raise FusionserError(
            f"{path}: a result of the features '{result.features_name}' with the classifier '{result.classifier}'; "
            "expected those that the name of the file states. Delete the file, and run the study again"
        )
    return result


def _possible_names(recipe: Recipe) -> Iterator[tuple[list[str], PipelineSpec]]:
    """Yield the names of the cells of each pipeline, in order; the first is that of its networks alone."""
    for choice in recipe.corpora:
        for wanted, setting, (pipeline, spec) in product(choice.protocols, recipe.settings, recipe.specs(choice)):
            deciding = (NETWORK_ALONE, *pipeline.classifiers)
            yield [_cell_name(choice, wanted, setting, pipeline.name, decides) for decides in deciding], spec


def _cell_names(recipe: Recipe, cells: Path) -> Iterator[str]:
    """Yield the names of the cells of a recipe, in order; no rows are prepared."""
    for (alone, *names), spec in _possible_names(recipe):
        yield from [alone] if _is_network_alone(spec, cells, alone, names) else names


def _is_network_alone(spec: PipelineSpec, cells: Path, alone: str, names: Sequence[str]) -> bool:
    """Return whether networks classify by themselves: as the stored cells say, else as the features say."""
    stored = [any(next(cells.glob(f"{name}.*json"), None) for name in group) for group in ([alone], names)]
    if stored[0] != stored[1]:
        return stored[0]
    try:
        return decided_by(spec, build_features(spec)) == NETWORK_ALONE
    except SettingsError:
        # A plugin that the features need is missing here.
        return False

"""Many evaluations from one recipe; each is written whole as it ends, and a stopped study goes on where it was."""

import fnmatch
import json
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fusionser.errors import FusionserError, SettingsError, unknown_name
from fusionser.evaluation import Result, provenance
from fusionser.experiments.cells import Cell, known_result
from fusionser.experiments.choices import Features, Place, choose_features, choose_protocol
from fusionser.experiments.pipeline import Networks
from fusionser.experiments.prepare import Prepared, prepare
from fusionser.experiments.recipe import CorpusChoice, PipelineChoice, ProtocolChoice, Recipe
from fusionser.experiments.run import Plan, analyse_copies, curves_path, evaluate_plan
from fusionser.features import Cache, FeatureExtractor
from fusionser.features.extraction import Progress
from fusionser.files import write_text
from fusionser.rows import write_table

__all__ = ["StudyRun", "run_study", "study_cells"]

FAILED = ".failed.json"

CellProgress = Callable[[int, int, str], None]


def _cells(
    recipe: Recipe, choice: CorpusChoice, prepared: Mapping[str, Prepared], n_jobs: int | None, device: str
) -> Iterator[Cell]:
    pipelines = [one for one in recipe.all_pipelines() if one.name in prepared]
    for wanted in choice.protocols:
        for setting in recipe.settings:
            for pipeline in pipelines:
                one = prepared[pipeline.name]
                for classifier in pipeline.classifiers:
                    plan = _plan(recipe, pipeline, classifier, setting, n_jobs, device)
                    split = choose_protocol(wanted.name, one.table, _seeded(wanted, recipe.seed))
                    twin = sum(other.name == wanted.name for other in choice.protocols) > 1
                    number = [str(choice.protocols.index(wanted) + 1)] if twin else []
                    fewer = [f"without-{'-'.join(sorted(choice.drop_classes))}"] if choice.drop_classes else []
                    parts = [
                        "+".join((choice.corpus, *choice.also)),
                        *([f"{len(choice.classes)}-classes"] if choice.classes else []),
                        *fewer,
                        wanted.name,
                        *number,
                        setting,
                        pipeline.name,
                        plan.judge(one.features.extractor),
                    ]
                    yield Cell(re.sub(r"[^\w+-]+", "-", "_".join(parts)), one, plan, split)


def _plan(
    recipe: Recipe, pipeline: PipelineChoice, classifier: str, setting: str, n_jobs: int | None, device: str
) -> Plan:
    return Plan(
        classifier=classifier,
        by_speaker=setting == "speaker-normalised",
        imbalance=pipeline.imbalance,
        augment=pipeline.augment,
        copies=pipeline.copies,
        only_scarce=pipeline.only_scarce,
        imposed=pipeline.imposed,
        fusion=pipeline.fusion,
        networks=Networks(
            device=device, epochs=recipe.epochs, cross_fit=pipeline.cross_fit, precision=recipe.precision
        ),
        tune=pipeline.tune,
        importance=pipeline.importance,
        seed=recipe.seed,
        n_jobs=n_jobs,
    )


def _seeded(wanted: ProtocolChoice, seed: int) -> dict[str, Any]:
    """Return the protocol's settings, with the recipe's seed where it draws anything."""
    drawn = wanted.name in ("random-kfold", "random-holdout", "speaker-holdout")
    return {"seed": seed, **wanted.settings} if drawn else dict(wanted.settings)


def _prepared(
    recipe: Recipe,
    choice: CorpusChoice,
    found_in: Mapping[str, Path],
    *,
    cache: Cache | None,
    n_jobs: int | None,
    progress: Progress | None,
) -> dict[str, Prepared]:
    """Prepare the rows of a corpus for each of its pipelines; pipelines of the same features share them."""
    places = [Place(found_in[name], name) for name in (choice.corpus, *choice.also)]
    # Several corpora are read alike, and so is one of them alone that stands beside them.
    together = any(one.also for one in recipe.corpora)
    read_as = [Place(found_in[name], name) for name in recipe.all_corpora()] if together else places
    found: dict[str, Prepared] = {}
    made: dict[str, Prepared] = {}
    for one in recipe.all_pipelines():
        if choice.pipelines and one.name not in choice.pipelines:
            continue
        features: Features = choose_features(read_as, preset_name=one.preset, blocks=one.blocks, gender=one.gender)
        key = str(features.extractor.settings())
        if key not in made:
            made[key] = prepare(
                places,
                features,
                classes=choice.classes,
                dropped=choice.drop_classes,
                cache=cache,
                n_jobs=n_jobs,
                progress=progress,
            )
        # A part of the blocks reads its columns off the table of all.
        part = _kept(features.extractor, one.keep)
        found[one.name] = replace(made[key], features=Features(one.name, part))
    return found


def _kept(extractor: FeatureExtractor, names: Sequence[str]) -> FeatureExtractor:
    """Return the blocks that are named, all where none is."""
    there = [name for name, _ in extractor.blocks]
    for name in names:
        if name not in there:
            raise unknown_name("feature block to keep", name, there)
    if not names:
        return extractor
    return FeatureExtractor(blocks=[(name, block) for name, block in extractor.blocks if name in names])


def study_cells(
    recipe: Recipe,
    places: Mapping[str, Path],
    *,
    cache: Cache | None = None,
    n_jobs: int | None = None,
    device: str = "auto",
    extraction_progress: Progress | None = None,
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
        prepared = _prepared(recipe, choice, places, cache=cache, n_jobs=n_jobs, progress=extraction_progress)
        cells += _cells(recipe, choice, prepared, n_jobs, device)
    return cells


def _wanted(names: Sequence[str], only: Sequence[str]) -> set[str]:
    """Return the names that fit a pattern, all where there is none."""
    fitting = {pattern: {name for name in names if fnmatch.fnmatchcase(name, pattern)} for pattern in only}
    for pattern, found in fitting.items():
        if not found:
            raise SettingsError(
                f"--only is '{pattern}', which fits no evaluation; the first of them is '{names[0]}', and * stands for "
                "anything"
            )
    return set().union(*fitting.values()) if only else set(names)


@dataclass(frozen=True)
class StudyRun:
    """What came of a study.

    Parameters
    ----------
    results : list of Result
        In the order of the cells.
    names : list of str
        Of their cells.
    missing : list of str
        Names of the cells that were not run.
    failures : dict of str to str
        What went wrong, by name of the cell.
    """

    results: list[Result]
    names: list[str]
    missing: list[str]
    failures: dict[str, str]


def run_study(
    recipe: Recipe,
    places: Mapping[str, Path],
    folder: str | Path,
    *,
    cache: Cache | None = None,
    n_jobs: int | None = None,
    device: str = "auto",
    partial: bool = False,
    only: Sequence[str] = (),
    extraction_progress: Progress | None = None,
    progress: CellProgress | None = None,
) -> StudyRun:
    """Run every evaluation of a recipe, and keep each as a file under ``cells/``.

    One that fails is written there with what went wrong, and the others go on; it is tried again by the next run.

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
    device : str, default="auto"
        Of the networks.
    partial : bool, default=False
        Run nothing; take the cells that are there.
    only : sequence of str
        Patterns, as ``emodb_*``: run the cells whose name fits one of them, and take the others where they are there.
    extraction_progress, progress : callable, optional
        Told of clips, and of cells that are about to be run (place, number of all, name).

    Returns
    -------
    StudyRun

    Raises
    ------
    SettingsError
        When the folder of a corpus is not given, or a pattern fits no cell.
    """
    cells = study_cells(
        recipe, places, cache=cache, n_jobs=n_jobs, device=device, extraction_progress=extraction_progress
    )
    wanted = set() if partial else _wanted([cell.name for cell in cells], only)
    found = StudyRun([], [], [], {})
    for number, cell in enumerate(cells):
        path = Path(folder) / "cells" / f"{cell.name}.json"
        result = known_result(path, cell)
        if result is None and cell.name not in wanted:
            found.missing.append(cell.name)
            continue
        if result is None:
            if progress:
                progress(number, len(cells), cell.name)
            result = _evaluated(cell, path, n_jobs, found.failures)
        if result is not None:
            found.results.append(result)
            found.names.append(cell.name)
    if progress:
        progress(len(cells), len(cells), "")
    return found


def _evaluated(cell: Cell, path: Path, n_jobs: int | None, failures: dict[str, str]) -> Result | None:
    """Evaluate a cell and keep what comes of it; None where that is a failure."""
    told = path.with_suffix(FAILED)
    try:
        # A wrong setting is told before an hour of extraction, not after.
        cell.plan.estimator(cell.prepared.features.extractor)
        prepared = analyse_copies(cell.prepared, cell.plan, n_jobs=n_jobs)
        result, evaluation = evaluate_plan(prepared, cell.plan, cell.split)
    except Exception as error:
        # What no one foresaw in one of them must not cost the hours of the others.
        foreseen = isinstance(error, FusionserError)
        failures[cell.name] = str(error) if foreseen else f"internal error: {type(error).__name__}: {error}"
        kept = {"error": failures[cell.name], "provenance": provenance()}
        if not foreseen:
            kept["traceback"] = traceback.format_exc()
        write_text(told, json.dumps(kept, indent=2) + "\n")
        return None
    if len(evaluation.curves):
        write_table(evaluation.curves, curves_path(path.parent.parent, cell.name))
    result.save(path)
    told.unlink(missing_ok=True)
    return result

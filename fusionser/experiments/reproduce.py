"""Run a published result again: under the paper's own protocol, by several seeds, and by speaker."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from sklearn.base import clone

from fusionser.corpora import CORPORA
from fusionser.corpora.places import Present, present_corpora
from fusionser.errors import SettingsError
from fusionser.evaluation import Result, provenance, versions
from fusionser.evaluation.guard import check_split, with_fingerprints
from fusionser.experiments.cells import Cell, known_result, with_defaults
from fusionser.experiments.choices import Place, choose_features, choose_protocol
from fusionser.experiments.papers import BEST_EPOCH, PaperRecipe
from fusionser.experiments.pipeline import Networks
from fusionser.experiments.prepare import Prepared, prepare
from fusionser.experiments.recipe import ProtocolChoice
from fusionser.experiments.reproduction import (
    BestEpoch,
    Reproduction,
    best_epoch_path,
    cell_name,
    read_best_epoch,
)
from fusionser.experiments.run import Plan, analyse_copies, curves_path, evaluate_plan
from fusionser.features import Cache
from fusionser.features.extraction import Progress
from fusionser.files import write_text
from fusionser.model import FEATURES
from fusionser.networks.vgg16 import named_weights
from fusionser.rows import write_table
from fusionser.splits import Protocol

__all__ = ["Run", "planned", "reproduce"]

RunProgress = Callable[[int, int, str], None]

QUICK_EPOCHS = 3
QUICK_SEEDS = 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a recipe is run.

    Parameters
    ----------
    seeds : int, optional
        In place of the recipe's number.
    epochs : int, optional
        In place of the network's or the recipe's.
    quick : bool, default=False
        A few epochs, one seed, one clip of each speaker and emotion: for a look, and stamped.
    partial : bool, default=False
        Take what there is of a corpus, and stamp it.
    device : str, default="auto"
    precision : str, default="float32"
        Of the networks' training; another is stamped.
    weights : str, optional
        What VGG16 begins with; from scratch when None. Stamped.
    best_epoch : bool, default=False
        Look for the best epoch on the test rows where the paper does not report that, too: no rule of stopping can
        have reached more.
    n_jobs : int, optional
    """

    seeds: int | None = None
    epochs: int | None = None
    quick: bool = False
    partial: bool = False
    device: str = "auto"
    precision: str = "float32"
    weights: str | None = None
    best_epoch: bool = False
    n_jobs: int | None = None

    def label(self, *, whole: bool) -> str:
        """Return what sets the run apart from a full one, "" for nothing; its results are kept apart by it.

        Examples
        --------
        >>> Run(epochs=5, partial=True).label(whole=False)
        'epochs-5-partial'
        """
        kinds = [
            self.precision if self.precision != "float32" else "",
            f"weights-{named_weights(self.weights).rsplit(' ', 1)[-1][:8]}" if self.weights is not None else "",
            "" if whole else "partial",
        ]
        shorter = "quick" if self.quick else f"epochs-{self.epochs}" if self.epochs is not None else ""
        return re.sub("[^a-z0-9-]+", "-", "-".join(part for part in (shorter, *kinds) if part).lower())


def reproduce(
    name: str,
    recipe: PaperRecipe,
    places: Mapping[str, Path],
    folder: str | Path,
    run: Run,
    *,
    cache: Cache | None = None,
    extraction_progress: Progress | None = None,
    progress: RunProgress | None = None,
) -> Reproduction:
    """Run a recipe; every evaluation is kept under ``cells/`` as it ends, and what is there is not run again.

    Parameters
    ----------
    name : str
    recipe : PaperRecipe
    places : mapping of str to Path
        The folder of each corpus.
    folder : str or Path
        Where the cells are kept.
    run : Run
    cache : Cache, optional
    extraction_progress, progress : callable, optional
        Told of clips, and of evaluations (place, number of all, name).

    Raises
    ------
    SettingsError
        When a corpus is not here, or only in part and `run.partial` is not set.
    """
    tasks, label = planned(name, recipe, places, run, cache=cache, progress=extraction_progress)
    results: list[Result] = []
    best: list[BestEpoch] = []
    for number, (cell, by_test) in enumerate(tasks):
        if progress:
            progress(number, len(tasks), f"{cell.name}{', best epoch' if by_test else ''}")
        if by_test:
            best.append(_best_epoch(name, cell, Path(folder), run))
        else:
            results.append(_evaluated(cell, Path(folder), run))
    if progress:
        progress(len(tasks), len(tasks), "")
    independent = None if recipe.speaker_independent is None else results.pop()
    return Reproduction(name, recipe, label, results, best, independent)


def planned(
    name: str,
    recipe: PaperRecipe,
    places: Mapping[str, Path],
    run: Run,
    *,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> tuple[list[tuple[Cell, bool]], str]:
    """Return the evaluations of a recipe, each with whether it is by the best epoch, and the label of the run."""
    here = present_corpora(recipe.corpora, places)
    if run.best_epoch and recipe.pipeline.network is None:
        raise SettingsError(f"a best epoch is one of a network that classifies, and '{name}' has none; leave it out")
    _check_present(name, here, run.partial)
    prepared = _prepared(recipe, here, run, cache, progress)
    label = run.label(whole=all(one.whole for one in here))
    seeds = range(QUICK_SEEDS if run.quick else run.seeds or recipe.seeds)
    cells = [_cell(cell_name(name, label, seed), recipe, prepared, recipe.protocol, run, seed) for seed in seeds]
    own = recipe.speaker_independent
    last = [] if own is None else [_cell(cell_name(name, label, None), recipe, prepared, own, run, 0)]
    for cell in [*cells, *last]:
        # What cannot be split is told before anything is trained.
        cell.split.named_folds(prepared.table)
    kinds = (False, True) if run.best_epoch or recipe.measure == BEST_EPOCH else (False,)
    return [*((cell, kind) for cell in cells for kind in kinds), *((cell, False) for cell in last)], label


def _check_present(name: str, here: list[Present], partial: bool) -> None:
    for one in here:
        if one.found == 0 or not (one.whole or partial):
            remedy = "" if one.found == 0 else "; or run on what there is with --partial, which stamps the result"
            raise SettingsError(
                f"the recipe '{name}' needs {one.corpus}, and there are {one}; get the rest from "
                f"{CORPORA[one.corpus].card.address} into the folder that FUSIONSER_DATA names{remedy}"
            )


def _prepared(
    recipe: PaperRecipe, here: list[Present], run: Run, cache: Cache | None, progress: Progress | None
) -> Prepared:
    places = [Place(one.place, one.corpus) for one in here if one.place is not None]
    own = recipe.pipeline
    blocks = own.blocks if own.network is None else (own.network,)
    features = choose_features(places, preset_name=own.preset, blocks=blocks, gender=own.gender)
    # What cannot be built is told before anything is read.
    _plan(recipe, run, 0).estimator(features.extractor)
    made = prepare(places, features, classes=recipe.classes, cache=cache, n_jobs=run.n_jobs, progress=progress)
    table, notes = made.table, [f"partial: {one}" for one in here if not one.whole]
    if run.quick:
        table = table.groupby(["speaker", "emotion"]).head(1).reset_index(drop=True)
        notes.append(f"quick: {QUICK_EPOCHS} epochs, {len(table)} of {len(made.table)} recordings")
    elif run.epochs is not None:
        notes.append(f"{run.epochs} epochs in place of the recipe's")
    if run.precision != "float32":
        notes.append(f"trained in {run.precision}")
    return replace(made, table=table, notes=list(dict.fromkeys([*made.notes, *notes])))


def _plan(recipe: PaperRecipe, run: Run, seed: int, validate_by: str = "speakers") -> Plan:
    own = recipe.pipeline
    return Plan(
        classifier=own.classifier,
        imbalance=own.imbalance,
        augment=own.augment,
        copies=own.copies,
        fusion="early" if own.network is None else "average",
        networks=Networks(
            device=run.device,
            epochs=QUICK_EPOCHS if run.quick else run.epochs,
            precision=run.precision,
            weights=run.weights,
            training={"validate_by": validate_by, **recipe.training},
        ),
        seed=seed,
        n_jobs=run.n_jobs,
    )


def _cell(name: str, recipe: PaperRecipe, prepared: Prepared, wanted: ProtocolChoice, run: Run, seed: int) -> Cell:
    drawn = wanted.name in ("random-kfold", "random-holdout")
    settings = {**wanted.settings, "seed": seed} if drawn else dict(wanted.settings)
    if run.partial and "folds" in settings:
        # Of a part of a corpus there may be fewer speakers than folds; the protocol on the result says how many.
        settings["folds"] = min(settings["folds"], max(2, prepared.table["speaker"].nunique()))
    # Where the paper draws its test rows from the clips of all speakers, it drew those it watched so, too.
    plan = _plan(recipe, run, seed, validate_by="sources" if drawn else "speakers")
    return Cell(name, prepared, plan, choose_protocol(wanted.name, prepared.table, settings))


def _evaluated(cell: Cell, folder: Path, run: Run) -> Result:
    path = folder / "cells" / f"{cell.name}.json"
    result = known_result(path, cell)
    if result is not None:
        return result
    prepared = analyse_copies(cell.prepared, cell.plan, n_jobs=run.n_jobs)
    result, evaluation = evaluate_plan(prepared, cell.plan, cell.split)
    if len(evaluation.curves):
        write_table(evaluation.curves, curves_path(folder, cell.name))
    result.save(path)
    return result


def _best_epoch(name: str, cell: Cell, folder: Path, run: Run) -> BestEpoch:
    """Train on the training rows of the first fold, watching its test rows, and take the best epoch."""
    path = best_epoch_path(folder / "cells", cell.name)
    settings = cell.plan.features(cell.prepared.features.extractor)
    rows_settings = cell.plan.settings(cell.plan.estimator(cell.prepared.features.extractor))
    stored = read_best_epoch(path)
    protocol = {"name": cell.split.name, **json.loads(json.dumps(cell.split.settings()))}
    own = cell.plan.classifier
    wanted = (
        settings,
        with_defaults(rows_settings, own),
        protocol,
        len(cell.prepared.table),
        cell.plan.seed,
        versions(),
    )
    if stored and stored.made_by(own) == wanted:
        return stored
    prepared = analyse_copies(cell.prepared, cell.plan, n_jobs=run.n_jobs)
    train, test = _first_fold(prepared.table, cell.split)
    pipeline = cell.plan.estimator(prepared.features.extractor, prepared.unusable_copies, prepared.cache)
    labels = train["emotion"].to_numpy(dtype=object)
    for step_name, step in pipeline.steps:
        if step_name == FEATURES:
            break
        train, labels = clone(step).fit_resample(train, labels)
    ((_, block),) = pipeline[FEATURES].blocks
    fitted = clone(block).fit(train, labels, validation_rows=(test, test["emotion"].to_numpy(dtype=object)))
    curve = pd.DataFrame(fitted.history_)
    place = int(curve["validation_accuracy"].argmax())
    found = BestEpoch(
        recipe=name,
        seed=cell.plan.seed,
        accuracy=float(curve["validation_accuracy"].iloc[place]),
        epoch=place + 1,
        epochs=len(curve),
        settings=settings,
        rows_settings=rows_settings,
        protocol=protocol,
        rows=len(cell.prepared.table),
        seconds=round(float(curve["seconds"].sum()), 2),
        provenance=provenance(),
    )
    write_table(curve, curves_path(folder, path.stem))
    write_text(path, found.model_dump_json(indent=2) + "\n")
    return found


def _first_fold(table: pd.DataFrame, split: Protocol) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = with_fingerprints(table)
    fold, train, test = split.named_folds(rows)[0]
    check_split(rows.iloc[train], rows.iloc[test], split.allows, fold)
    return rows.iloc[train].reset_index(drop=True), rows.iloc[test].reset_index(drop=True)

"""Run a published result again: under the paper's own protocol, by several seeds, and by speaker."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fusionser.corpora import CORPORA
from fusionser.corpora.places import Present, present_corpora
from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features.extraction import Progress
from fusionser.networks.vgg16 import named_weights
from fusionser.pipeline import Place, Prepared, Resources, build_pipeline, choose_protocol, prepare
from fusionser.pipeline.resources import LOCAL
from fusionser.registry import PROTOCOLS
from fusionser.spec import PipelineSpec, ProtocolSpec
from fusionser.studies.cells import BestEpochCell, Cell
from fusionser.studies.papers import BEST_EPOCH, PaperRecipe
from fusionser.studies.reproduction import Reproduction, best_epoch_name, cell_name
from fusionser.studies.runner import CellProgress, CellRun, run_cells

__all__ = ["Run", "planned", "reproduce"]

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
    precision : str, default="float32"
        Of the networks' training; another is stamped.
    weights : str, optional
        What VGG16 begins with; from scratch when None. Stamped.
    best_epoch : bool, default=False
        Look for the best epoch on the test rows where the paper does not report that, too: no rule of stopping can
        have reached more.
    """

    seeds: int | None = None
    epochs: int | None = None
    quick: bool = False
    partial: bool = False
    precision: str = "float32"
    weights: str | None = None
    best_epoch: bool = False

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
    resources: Resources = LOCAL,
    extraction_progress: Progress | None = None,
    progress: CellProgress | None = None,
) -> tuple[Reproduction, CellRun]:
    """Run a recipe; every evaluation is kept under ``cells/`` as it ends, and what is there is not run again.

    Parameters
    ----------
    name : str
    recipe : PaperRecipe
    places : mapping of str to Path
        The folder of each corpus.
    folder, resources, progress
        See `run_cells`.
    run : Run
    extraction_progress : callable, optional
        Told of clips.

    Returns
    -------
    Reproduction
        What came of it.
    CellRun
        Its cells, with what failed.

    Raises
    ------
    SettingsError
        When a corpus is not here, or only in part and `run.partial` is not set.
    """
    cells, label = planned(name, recipe, places, run, resources=resources, progress=extraction_progress)
    done = run_cells(cells, folder, resources=resources, progress=progress)
    independent = done.outcomes.get(cell_name(name, label, None))
    by_seed = [cell for cell in cells if cell.name in done.outcomes and cell.name != cell_name(name, label, None)]
    best = [done.outcomes[cell.name] for cell in by_seed if isinstance(cell, BestEpochCell)]
    paper = [done.outcomes[cell.name] for cell in by_seed if not isinstance(cell, BestEpochCell)]
    return Reproduction(name, recipe, label, paper, best, independent), done


def planned(
    name: str,
    recipe: PaperRecipe,
    places: Mapping[str, Path],
    run: Run,
    *,
    resources: Resources = LOCAL,
    progress: Progress | None = None,
) -> tuple[list[Cell], str]:
    """Return the cells of a recipe, and the label of the run."""
    here = present_corpora(recipe.corpora, places)
    if run.best_epoch and recipe.pipeline.network is None:
        raise SettingsError(f"a best epoch is one of a network that classifies, and '{name}' has none; leave it out")
    _check_present(name, here, run.partial)
    prepared = _prepared(recipe, here, run, resources, progress)
    label = run.label(whole=all(corpus.whole for corpus in here))
    cells = list(_cells(name, label, recipe, prepared, run))
    for cell in cells:
        # What cannot be split is told before anything is trained.
        cell.split.named_folds(prepared.table)
    return cells, label


def _cells(name: str, label: str, recipe: PaperRecipe, prepared: Prepared, run: Run) -> Iterator[Cell]:
    """Yield an evaluation a seed under the paper's protocol, its best epoch where wanted, and one by speaker."""
    for seed in range(QUICK_SEEDS if run.quick else run.seeds or recipe.seeds):
        cell = _cell(cell_name(name, label, seed), prepared, recipe.protocol, run, seed)
        yield cell
        if run.best_epoch or recipe.measure == BEST_EPOCH:
            yield BestEpochCell(best_epoch_name(cell.name), cell.prepared, cell.split, recipe=name)
    if recipe.speaker_independent is not None:
        yield _cell(cell_name(name, label, None), prepared, recipe.speaker_independent, run, 0)


def _check_present(name: str, here: Sequence[Present], partial: bool) -> None:
    for corpus in here:
        if corpus.found == 0 or not (corpus.whole or partial):
            remedy = "" if corpus.found == 0 else "; or run on what there is with --partial, which stamps the result"
            raise SettingsError(
                f"the recipe '{name}' needs {corpus.corpus}, and there are {corpus}; get the rest from "
                f"{CORPORA[corpus.corpus].card.address} into the folder that FUSIONSER_DATA names{remedy}"
            )


def _prepared(
    recipe: PaperRecipe, here: Sequence[Present], run: Run, resources: Resources, progress: Progress | None
) -> Prepared:
    places = [Place(corpus.place, corpus.corpus) for corpus in here if corpus.place is not None]
    spec = _spec(recipe, run)
    # What cannot be built is told before anything is read.
    build_pipeline(spec)
    made = prepare(places, spec, classes=recipe.classes, resources=resources, progress=progress)
    table = made.table.groupby(["speaker", "emotion"]).head(1).reset_index(drop=True) if run.quick else made.table
    notes = [*made.notes, *_notes(here, run, len(table), len(made.table))]
    return replace(made, table=table, notes=[note for place, note in enumerate(notes) if note not in notes[:place]])


def _notes(here: Sequence[Present], run: Run, used: int, recordings: int) -> Iterator[Stamp]:
    """Yield what sets the run apart from a full one."""
    for corpus in here:
        if not corpus.whole:
            value = {"corpus": corpus.corpus, "found": corpus.found, "expected": corpus.wanted}
            yield Stamp(kind="partial-corpus", value=value)
    if run.quick:
        yield Stamp(kind="quick", value={"epochs": QUICK_EPOCHS, "used": used, "recordings": recordings})
    elif run.epochs is not None:
        yield Stamp(kind="epochs", value=run.epochs)
    if run.precision != "float32":
        yield Stamp(kind="precision", value=run.precision)


def _spec(recipe: PaperRecipe, run: Run) -> PipelineSpec:
    own = recipe.pipeline.networks
    networks = own.changed(
        epochs=QUICK_EPOCHS if run.quick else run.epochs or own.epochs,
        precision=own.precision if run.precision == "float32" else run.precision,
        weights=own.weights if run.weights is None else run.weights,
    )
    return recipe.pipeline.changed(networks=networks)


def _cell(name: str, prepared: Prepared, wanted: ProtocolSpec, run: Run, seed: int) -> Cell:
    settings = dict(wanted.settings)
    if run.partial and "folds" in settings:
        # Of a part of a corpus there may be fewer speakers than folds; the protocol on the result says how many.
        settings["folds"] = min(settings["folds"], max(2, prepared.table["speaker"].nunique()))
    split = choose_protocol(wanted.name, prepared.table, settings, seed=seed)
    networks = prepared.spec.networks
    # A paper that draws its test rows from the clips of all speakers drew its validation rows so, too.
    validate_by = "sources" if PROTOCOLS[wanted.name].random else "speakers"
    parameters = {"validate_by": validate_by, **networks.parameters}
    spec = prepared.spec.changed(networks=networks.changed(parameters=parameters), seed=seed)
    return Cell(name, replace(prepared, spec=spec), split)

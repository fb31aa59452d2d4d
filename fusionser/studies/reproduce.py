"""Reproduction of published results: with several seeds under the paper's protocol, and speaker-independent."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fusionser.corpora import CORPORA
from fusionser.corpora.places import Present, present_corpora
from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features.extraction import Progress
from fusionser.networks import DeepExtractor
from fusionser.networks.initial_weights import named_weights
from fusionser.pipeline import Place, Prepared, Resources, build_pipeline, choose_protocol, prepare
from fusionser.pipeline.resources import LOCAL
from fusionser.registry import PROTOCOLS
from fusionser.spec import ProtocolSpec
from fusionser.studies.best_epoch import BestEpoch, BestEpochCell, has_epochs
from fusionser.studies.cells import Cell
from fusionser.studies.papers import BEST_EPOCH, PaperRecipe
from fusionser.studies.reproduction import Reproduction, best_epoch_name, cell_name
from fusionser.studies.runner import CellProgress, CellRun, run_cells

__all__ = ["Run", "planned", "reproduce"]

QUICK_EPOCHS = 3
CROSS_CORPUS = "cross-corpus"


@dataclass(frozen=True, kw_only=True)
class Run:
    """How to run a recipe.

    Parameters
    ----------
    seeds : int, optional
        Number of seeds instead of the recipe's.
    epochs : int, optional
        Epochs instead of the recipe's or the network's.
    quick : bool, default=False
        Use few epochs, one seed, and one clip of each speaker and emotion. The result is stamped.
    partial : bool, default=False
        Accept an incomplete corpus. The result is stamped.
    precision : {"float32", "bfloat16"}, default="float32"
        Precision of training. Any other than the default is stamped.
    weights : str, optional
        Initial weights of VGG16; trained from scratch if None. The result is stamped.
    best_epoch : bool, default=False
        Compute the best epoch on the test rows even if the paper does not report it. It is an upper bound for every
        stopping rule.
    by_speaker : bool, default=True
        Evaluate by speaker too, if the paper's protocol does not.
    """

    seeds: int | None = None
    epochs: int | None = None
    quick: bool = False
    partial: bool = False
    precision: str = "float32"
    weights: str | None = None
    best_epoch: bool = False
    by_speaker: bool = True

    def label(self, *, whole: bool) -> str:
        """Return how the run differs from a full one, "" if it does not; a part of the names of its cells.

        Examples
        --------
        >>> Run(epochs=5, partial=True).label(whole=False)
        'epochs-5-partial'
        """
        parts = [
            "quick" if self.quick else f"epochs-{self.epochs}" if self.epochs is not None else "",
            self.precision if self.precision != "float32" else "",
            f"weights-{named_weights(self.weights).rsplit(' ', 1)[-1][:8]}" if self.weights is not None else "",
            "" if whole else "partial",
        ]
        return re.sub("[^a-z0-9-]+", "-", "-".join(filter(None, parts)).lower())


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
    """Run the cells of a recipe with `run_cells`.

    Parameters
    ----------
    name : str
    recipe : PaperRecipe
    places : mapping of str to Path
        The folder of each corpus.
    folder, resources, progress
        As in `run_cells`.
    run : Run
    extraction_progress : callable, optional
        Called with the number of extracted clips and of all clips.

    Returns
    -------
    Reproduction
        The outcome.
    CellRun
        All cells, with failures.

    Raises
    ------
    SettingsError
        If a corpus is missing, or incomplete and `run.partial` is not set.
    """
    cells, label = planned(name, recipe, places, run, resources=resources, progress=extraction_progress)
    done = run_cells(cells, folder, resources=resources, progress=progress)
    outcomes = dict(done.outcomes)
    independent = outcomes.pop(cell_name(name, label, None), None)
    best = [outcome for outcome in outcomes.values() if isinstance(outcome, BestEpoch)]
    paper = [outcome for outcome in outcomes.values() if not isinstance(outcome, BestEpoch)]
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
    """Return the cells of a recipe, their features extracted and their splits checked, and the label of the run."""
    here = present_corpora(recipe.corpora, places)
    if run.best_epoch and not has_epochs(recipe.pipeline):
        raise SettingsError(
            f"--best-epoch needs a network that classifies, but '{name}' has {recipe.pipeline.classifier.name}; leave "
            "it out"
        )
    _check_present(name, here, run)
    prepared = _prepared(recipe, here, run, resources, progress)
    label = run.label(whole=all(corpus.whole for corpus in here))
    cells = list(_cells(name, label, recipe, prepared, run))
    for cell in cells:
        cell.split.named_folds(prepared.table)
    return cells, label


def _check_present(name: str, here: Sequence[Present], run: Run) -> None:
    """Raise `SettingsError` if a corpus is incomplete and that was not allowed, or if there are no recordings."""
    for corpus in here:
        if not corpus.whole and not (run.partial and any(other.found for other in here)):
            some = any(other.found for other in here)
            remedy = "; or run on the incomplete corpus with --partial, which stamps the result" if some else ""
            raise SettingsError(
                f"the recipe '{name}' needs {corpus.corpus}, but found {corpus}; get the rest from "
                f"{CORPORA[corpus.corpus].card.address} and put it into the folder that FUSIONSER_DATA names{remedy}"
            )


def _cells(name: str, label: str, recipe: PaperRecipe, prepared: Prepared, run: Run) -> Iterator[Cell]:
    """Yield a cell per seed under the paper's protocol, its best epoch if wanted, and a speaker-independent cell."""
    for seed in range(1 if run.quick else run.seeds or recipe.seeds):
        cell = _cell(cell_name(name, label, seed), prepared, recipe.protocol, run, seed)
        yield cell
        if run.best_epoch or recipe.measure == BEST_EPOCH:
            yield BestEpochCell(best_epoch_name(cell.name), cell.prepared, cell.split, recipe=name)
    if run.by_speaker and recipe.speaker_independent is not None:
        yield _cell(cell_name(name, label, None), prepared, recipe.speaker_independent, run, 0)


def _prepared(
    recipe: PaperRecipe, here: Sequence[Present], run: Run, resources: Resources, progress: Progress | None
) -> Prepared:
    places = [Place(corpus.place, corpus.corpus) for corpus in here if corpus.place is not None]
    own = recipe.pipeline.networks
    networks = own.changed(
        epochs=QUICK_EPOCHS if run.quick else run.epochs or own.epochs,
        precision=own.precision if run.precision == "float32" else run.precision,
        weights=own.weights if run.weights is None else run.weights,
    )
    spec = recipe.pipeline.changed(networks=networks)
    # Report wrong settings before any file is read.
    build_pipeline(spec)
    made = prepare(places, spec, classes=recipe.classes, resources=resources, progress=progress)
    table = made.table.groupby(["speaker", "emotion"]).head(1).reset_index(drop=True) if run.quick else made.table
    notes = [*made.notes, *_notes(here, run, len(table), len(made.table))]
    return replace(made, table=table, notes=[note for place, note in enumerate(notes) if note not in notes[:place]])


def _notes(here: Sequence[Present], run: Run, used: int, recordings: int) -> Iterator[Stamp]:
    """Yield stamps that say how the run differs from a full one."""
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


def _cell(name: str, prepared: Prepared, wanted: ProtocolSpec, run: Run, seed: int) -> Cell:
    settings = dict(wanted.settings)
    if run.partial and "folds" in settings:
        # An incomplete corpus may have fewer speakers than folds; the result states the number of folds.
        settings["folds"] = min(settings["folds"], max(2, prepared.table["speaker"].nunique()))
    if run.partial and wanted.name == CROSS_CORPUS:
        present = set(prepared.table["corpus"])
        settings |= {part: [name for name in names if name in present] for part, names in settings.items()}
    split = choose_protocol(wanted.name, prepared.table, settings, seed=seed)
    networks = prepared.spec.networks
    # Papers with a random split also drew their validation rows at random.
    validate_by = "sources" if PROTOCOLS[wanted.name].random else "speakers"
    deep = any(isinstance(block, DeepExtractor) for _, block in prepared.extractor.blocks)
    parameters = {"validate_by": validate_by, **networks.parameters} if deep else networks.parameters
    spec = prepared.spec.changed(networks=networks.changed(parameters=parameters), seed=seed)
    return Cell(name, replace(prepared, spec=spec), split)

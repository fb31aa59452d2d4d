"""Extract, evaluate and fit, from places of recordings."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fusionser.corpora import corpus_of_folder
from fusionser.dimension_results import AnyResult
from fusionser.errors import SettingsError
from fusionser.evaluation.dimensions import DimensionEvaluation
from fusionser.evaluation.evaluate import Evaluation
from fusionser.folders import brief_folder
from fusionser.jobs.evaluation import check_importance, evaluate_dimensions_prepared, evaluate_prepared
from fusionser.jobs.fitting import fit_prepared
from fusionser.model import Model, save_model
from fusionser.names import DIMENSIONS
from fusionser.pipeline import (
    Extracted,
    Place,
    Resources,
    analyse_augmented,
    extract_dataset,
    extract_file,
    is_features_file,
    prepare,
)
from fusionser.pipeline.protocol import DEFAULT, protocol_or_default
from fusionser.pipeline.resources import LOCAL
from fusionser.spec import DEFAULT_SPEC, PipelineSpec
from fusionser.tracking import Tracker, TrackingRun, open_tracker, record_run
from fusionser.tracking.runs import model_run, result_run

__all__ = ["Data", "evaluate", "extract", "fit", "places_of"]

Data = str | Path | Sequence[str | Path]


def places_of(data: Data, corpus: str | None, layout: str | None) -> list[Place]:
    """Return the places of recordings that a caller gave, each with its corpus."""
    paths = [data] if isinstance(data, str | Path) else data
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str | Path) for path in paths):
        raise SettingsError(
            f"data is {type(data).__name__}; expected the path of a folder or of a table of rows (CSV or Parquet), or "
            "a list of such paths. `fusionser.rows.write_table` writes a table"
        )
    return [Place(path, corpus_of_folder(path, layout) if corpus is None else corpus, layout) for path in paths]


def extract(
    data: Data,
    out: str | Path,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    corpus: str | None = None,
    layout: str | None = None,
    resources: Resources = LOCAL,
) -> Extracted:
    """Extract the features of all recordings into a Parquet file, which also holds the rows and the settings.

    Parameters
    ----------
    data : path, or sequence of paths
        Folders of recordings, or tables of rows.
    out : path
        Features file to write (``.parquet``). Any other path or address is a folder for a dataset of many such parts,
        which a stopped run resumes, and which new recordings are added to (`fusionser.pipeline.dataset_writer`).
    spec : PipelineSpec
        Specification of the features.
    corpus : str, optional
        For folders: a key of `CORPORA`, or ``folders``; by default as in `list_rows`.
    layout : str, optional
        For folders that are no known corpus: what they are, such as ``{speaker}/{emotion}/*``; see `list_rows`.
    resources : Resources

    Returns
    -------
    Extracted
    """
    run = extract_file if is_features_file(out) else extract_dataset
    return run(places_of(data, corpus, layout), spec, out, resources=resources)


def evaluate(
    data: Data,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    corpus: str | None = None,
    layout: str | None = None,
    protocol: str = DEFAULT,
    protocol_settings: dict[str, Any] | None = None,
    importance: str | None = None,
    resources: Resources = LOCAL,
    track: Sequence[str] = (),
) -> AnyResult:
    """Score a pipeline under a protocol. Everything that learns is fitted to the training rows of each fold.

    Parameters
    ----------
    data : path, or sequence of paths
        Folders of recordings, tables of rows, or features files.
    spec : PipelineSpec
    corpus : str, optional
        For folders: a key of `CORPORA`, or ``folders``; by default as in `list_rows`.
    layout : str, optional
        For folders that are no known corpus: what they are, such as ``{speaker}/{emotion}/*``; see `list_rows`.
    protocol : str, default="default"
        A key of `PROTOCOLS`. By default ``speaker-kfold``, or ``random-kfold`` with a `RuntimeWarning` if the
        recordings do not tell two speakers.
    protocol_settings : dict, optional
        Settings of the protocol, such as ``{"folds": 6}``. Defaults come from the corpus card.
    importance : {"blocks", "features"}, optional
        Also measure the importance of blocks, or of blocks and features.
    resources : Resources
    track : sequence of str, default=()
        Where the run is recorded, such as ``["mlflow:http://localhost:5000", "tensorboard:runs"]``. A place that cannot
        be reached is a `RuntimeWarning`, since the result is there.

    Returns
    -------
    Result or DimensionResult
        The latter if the task of the specification is "dimensions".
    """
    check_importance(spec, importance)
    trackers = [open_tracker(text) for text in track]
    prepared = prepare(places_of(data, corpus, layout), spec, resources=resources)
    split = protocol_or_default(protocol, "speaker-kfold", prepared.table, protocol_settings, spec)
    prepared = analyse_augmented(prepared, split, resources=resources)
    result: AnyResult
    evaluation: Evaluation | DimensionEvaluation
    if spec.task == DIMENSIONS:
        result, evaluation = evaluate_dimensions_prepared(prepared, split, resources=resources)
    else:
        result, evaluation = evaluate_prepared(prepared, split, importance=importance, resources=resources)
    if trackers:
        with brief_folder() as folder:
            _record(trackers, result_run(result, evaluation.curves, [result.save(folder / "result.json")]))
    return result


def fit(
    data: Data,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    corpus: str | None = None,
    layout: str | None = None,
    protocol: str | None = DEFAULT,
    protocol_settings: dict[str, Any] | None = None,
    resources: Resources = LOCAL,
    track: Sequence[str] = (),
) -> Model:
    """Estimate the scores of a pipeline on held-out speakers, then fit it to all recordings.

    Parameters
    ----------
    data, spec, corpus, layout, protocol_settings, resources, track
        See `evaluate`.
    protocol : str or None, default="default"
        Protocol of the estimate: a key of `PROTOCOLS`. By default ``speaker-holdout``, or ``random-kfold`` with a
        `RuntimeWarning` if the recordings do not tell two speakers. None skips the estimate.

    Returns
    -------
    Model
    """
    trackers = [open_tracker(text) for text in track]
    prepared = prepare(places_of(data, corpus, layout), spec, resources=resources)
    split = (
        protocol_or_default(protocol, "speaker-holdout", prepared.table, protocol_settings, spec) if protocol else None
    )
    prepared = analyse_augmented(prepared, resources=resources)
    model = fit_prepared(prepared, split=split, resources=resources)
    if trackers:
        with brief_folder() as folder:
            _record(trackers, model_run(model, [save_model(model, folder / "model.fusionser")]))
    return model


def _record(trackers: Sequence[Tracker], run: TrackingRun) -> None:
    """Record a run; what fails is a warning, since its result must not be lost."""
    for error in record_run(trackers, run):
        warnings.warn(str(error), RuntimeWarning, stacklevel=3)

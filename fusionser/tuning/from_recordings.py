"""Search parameters, from places of recordings."""

from collections.abc import Sequence
from pathlib import Path

from fusionser.jobs.from_recordings import Data, places_of
from fusionser.pipeline import Resources, analyse_augmented, prepare
from fusionser.pipeline.resources import LOCAL
from fusionser.pipeline.speakers import leave_out_speakers
from fusionser.spec import DEFAULT_SPEC, PipelineSpec
from fusionser.tuning.result import TuningResult
from fusionser.tuning.search import Search, TuningProgress, tune_prepared

__all__ = ["tune"]


def tune(
    data: Data,
    out: str | Path,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    corpus: str | None = None,
    layout: str | None = None,
    search: Search | None = None,
    left_out: Sequence[str] = (),
    resources: Resources = LOCAL,
    progress: TuningProgress | None = None,
) -> TuningResult:
    """Search the parameters of a classifier and of networks by Optuna, scored on inner folds of the speakers.

    The score of the best of many trials is too high for new speakers. Score `TuningResult.spec` on speakers that were
    left out (`left_out`).

    Parameters
    ----------
    data : path, or sequence of paths
        Folders of recordings, tables of rows, or features files.
    out : path
        Folder of the journal of trials. If it has one of the same search, the search goes on.
    spec : PipelineSpec
        Its parameters are where the search begins, if they are in the search space.
    corpus : str, optional
        For folders: a key of `CORPORA`, or ``folders``; by default as in `list_rows`.
    layout : str, optional
        For folders that are no known corpus: what they are, such as ``{speaker}/{emotion}/*``; see `list_rows`.
    search : Search, optional
        Number of trials, search space, time limit; by default, 40 trials.
    left_out : sequence of str
        Speakers whose recordings are not used.
    resources : Resources
    progress : callable, optional
        Called with the number of ended trials, the number of all, and the best UAR so far in words.

    Returns
    -------
    TuningResult

    Raises
    ------
    SettingsError
        If Optuna is missing (extra ``tune``), or the journal is damaged or of another search.
    """
    prepared = prepare(places_of(data, corpus, layout), spec, resources=resources)
    prepared, names = leave_out_speakers(prepared, left_out)
    prepared = analyse_augmented(prepared, resources=resources)
    return tune_prepared(prepared, out, search or Search(), left_out=names, resources=resources, progress=progress)

"""Search parameters, from places of recordings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fusionser.errors import SettingsError
from fusionser.jobs.from_recordings import Data, places_of
from fusionser.pipeline import Prepared, Resources, analyse_augmented, prepare
from fusionser.pipeline.resources import LOCAL
from fusionser.spec import DEFAULT_SPEC, PipelineSpec
from fusionser.splits.base import speakers_of
from fusionser.splits.protocols import match_speaker
from fusionser.tuning.result import TuningResult
from fusionser.tuning.search import Search, TuningProgress, tune_prepared

__all__ = ["leave_out_speakers", "tune"]


def leave_out_speakers(prepared: Prepared, speakers: Sequence[str]) -> tuple[Prepared, tuple[str, ...]]:
    """Return prepared rows without those of some speakers, and the whole names of these.

    Raises
    ------
    ProtocolError
        If one of them is unknown.
    SettingsError
        If nobody is left.
    """
    if not speakers:
        return prepared, ()
    known = speakers_of(prepared.table, "--leave-out-speakers")
    names = tuple(match_speaker(speaker, known, "--leave-out-speakers") for speaker in speakers)
    kept = prepared.table[~prepared.table["speaker"].isin(names)].reset_index(drop=True)
    if kept.empty:
        raise SettingsError("--leave-out-speakers names all speakers; leave some for the search")
    return replace(prepared, table=kept), names


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

"""The run of a study: each of its evaluations is a run in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.results import Result
from fusionser.tracking.base import TrackingRun
from fusionser.tracking.runs import result_run

__all__ = ["cells_run"]


def cells_run(name: str, outcomes: Mapping[str, Any], folder: str | Path, artefacts: Sequence[Path]) -> TrackingRun:
    """Return the run of a study.

    Parameters
    ----------
    name : str
    outcomes : mapping of str to object
        Outcomes of the evaluations, by the names of their cells; those that are no `Result` are left out.
    folder : str or Path
        Folder of the study, with the files and the learning curves of the cells.
    artefacts : sequence of Path

    Returns
    -------
    TrackingRun
    """
    children = []
    for cell, result in outcomes.items():
        if isinstance(result, Result):
            curves, stored = (Path(folder) / "curves" / f"{cell}.csv", Path(folder) / "cells" / f"{cell}.json")
            read = pd.read_csv(curves) if curves.is_file() else None
            children.append(result_run(result, read, [stored] if stored.is_file() else [], cell))
    return TrackingRun(
        name=name, parameters={"evaluations": str(len(children))}, artefacts=artefacts, children=children
    )

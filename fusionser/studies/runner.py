"""The one engine of studies, ablations and reproductions: it runs a list of cells, keeps each, and resumes."""

import fnmatch
import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.errors import FusionserError, SettingsError
from fusionser.files import write_text
from fusionser.pipeline import Resources
from fusionser.pipeline.resources import LOCAL
from fusionser.results import provenance
from fusionser.studies.cells import Cell, curves_path

__all__ = ["FAILED", "CellProgress", "CellRun", "run_cells", "stored_curves"]

FAILED = ".failed.json"

CellProgress = Callable[[int, int, str], None]
"""Is told the number of cells done, the number of all, and the name of the next."""


@dataclass(frozen=True)
class CellRun:
    """What came of a list of cells.

    Parameters
    ----------
    outcomes : dict of str to Result or BestEpoch
        By name, in the order of the cells.
    missing : list of str
        Names of the cells that were not run.
    failures : dict of str to str
        What went wrong, by name of the cell.
    """

    outcomes: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> list[Any]:
        """The outcomes in the order of the cells."""
        return list(self.outcomes.values())

    @property
    def names(self) -> list[str]:
        """Names of the cells that have an outcome."""
        return list(self.outcomes)


def run_cells(
    cells: Sequence[Cell],
    folder: str | Path,
    *,
    resources: Resources = LOCAL,
    partial: bool = False,
    only: Sequence[str] = (),
    progress: CellProgress | None = None,
) -> CellRun:
    """Run cells, and keep each as a file under ``cells/``; what is kept there by the same settings is not run again.

    One that fails is written there with what went wrong, and the others go on; it is tried again by the next run.

    Parameters
    ----------
    cells : sequence of Cell
    folder : str or Path
    resources : Resources
    partial : bool, default=False
        Run nothing; take the outcomes that are there.
    only : sequence of str
        Patterns, as ``emodb_*``: run the cells whose name fits one of them, and take the others where they are there.
    progress : callable, optional

    Raises
    ------
    SettingsError
        When a pattern fits no cell.
    """
    wanted = set() if partial else _fitting([cell.name for cell in cells], only)
    run = CellRun()
    for number, cell in enumerate(cells):
        outcome = cell.stored(folder)
        if outcome is None and cell.name not in wanted:
            run.missing.append(cell.name)
            continue
        if outcome is None:
            if progress:
                progress(number, len(cells), cell.name)
            outcome = _attempt(cell, folder, resources, run.failures)
        if outcome is not None:
            run.outcomes[cell.name] = outcome
    if progress:
        progress(len(cells), len(cells), "")
    return run


def _fitting(names: Sequence[str], only: Sequence[str]) -> set[str]:
    """Return the names that fit a pattern, all where there is none."""
    fitting = {pattern: {name for name in names if fnmatch.fnmatchcase(name, pattern)} for pattern in only}
    for pattern, matches in fitting.items():
        if not matches:
            raise SettingsError(
                f"--only is '{pattern}', which fits no evaluation; the first of them is '{names[0]}', and * stands for "
                "anything"
            )
    return set().union(*fitting.values()) if only else set(names)


def _attempt(cell: Cell, folder: str | Path, resources: Resources, failures: dict[str, str]) -> Any:
    """Run a cell; where it fails, keep what went wrong and return None."""
    failed = cell.path(folder).with_suffix(FAILED)
    try:
        cell.check()
        outcome = cell.run(folder, resources)
    except Exception as error:
        # What no one foresaw in one of them must not cost the hours of the others.
        foreseen = isinstance(error, FusionserError)
        failures[cell.name] = str(error) if foreseen else f"internal error: {type(error).__name__}: {error}"
        kept = {"error": failures[cell.name], "provenance": provenance()}
        if not foreseen:
            kept["traceback"] = traceback.format_exc()
        write_text(failed, json.dumps(kept, indent=2) + "\n")
        return None
    failed.unlink(missing_ok=True)
    return outcome


def stored_curves(folder: str | Path, cells: Sequence[str]) -> list[pd.DataFrame | None]:
    """Return the learning curves that are kept of each cell, None where nothing was trained by epochs."""
    paths = [curves_path(folder, cell) for cell in cells]
    return [pd.read_csv(path) if path.is_file() else None for path in paths]

"""The runner of studies, ablations and reproductions: it runs a list of cells, stores each result, and resumes."""

import fnmatch
import json
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.errors import FusionserError, SettingsError
from fusionser.files import public_text, write_text
from fusionser.pipeline import Resources
from fusionser.pipeline.resources import LOCAL
from fusionser.results import provenance
from fusionser.studies.cells import Cell, curves_path

__all__ = ["FAILED", "CellProgress", "CellRun", "run_cells", "stored_curves", "stored_failure"]

FAILED = ".failed.json"

TOLD = 5
"""Differing settings that an error names."""

CellProgress = Callable[[int, int, str], None]
"""Called with the number of finished cells, the number of all cells, and the name of the next cell."""


@dataclass(frozen=True)
class CellRun:
    """The outcomes of a list of cells.

    Parameters
    ----------
    outcomes : dict of str to Result or BestEpoch
        By cell name, in the order of the cells.
    missing : list of str
        Names of the cells that were not run.
    failures : dict of str to str
        Error message by cell name.
    """

    outcomes: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def results(self) -> list[Any]:
        """Outcomes in the order of the cells."""
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
    """Run cells, and store each outcome under ``cells/``. Cells stored there with the same settings are not run again.

    Those of other versions of fusionser or its packages are. Those of other settings are kept, and nothing is run.
    If a cell fails, its error is stored there and the others still run; the next run tries it again.

    Parameters
    ----------
    cells : sequence of Cell
    folder : str or Path
    resources : Resources
    partial : bool, default=False
        Run nothing; return the stored outcomes.
    only : sequence of str
        Patterns such as ``emodb_*``: run only the cells whose names match one of them; return others if stored.
    progress : callable, optional
        A `CellProgress`.

    Raises
    ------
    SettingsError
        If a pattern matches no cell, or a cell to run is stored with other settings.
    """
    wanted = set() if partial else _matching([cell.name for cell in cells], only)
    _refuse_others([cell for cell in cells if cell.name in wanted], folder)
    run = CellRun()
    for number, cell in enumerate(cells):
        outcome = cell.stored(folder)
        if outcome is None and cell.name not in wanted:
            failure = stored_failure(cell.path(folder))
            if failure is None:
                run.missing.append(cell.name)
            else:
                run.failures[cell.name] = failure
        elif outcome is None:
            if progress:
                progress(number, len(cells), cell.name)
            outcome = _attempt(cell, folder, resources, run.failures)
        if outcome is not None:
            run.outcomes[cell.name] = outcome
    if progress:
        progress(len(cells), len(cells), "")
    return run


def _matching(names: Sequence[str], only: Sequence[str]) -> set[str]:
    """Return the names that match any pattern; all names if there are no patterns."""
    check_patterns(only, names, names[0])
    return {name for name in names if not only or any(fnmatch.fnmatchcase(name, pattern) for pattern in only)}


def check_patterns(only: Sequence[str], names: Sequence[str], example: str) -> None:
    """Raise `SettingsError` if a pattern matches no name of a cell; the message has one name as an example."""
    for pattern in only:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise SettingsError(
                f"--only is '{pattern}', which matches no evaluation; the first name is '{example}', and * stands for "
                "any characters"
            )


def _refuse_others(cells: Sequence[Cell], folder: str | Path) -> None:
    """Raise `SettingsError` if results of other settings are stored where those of cells would be."""
    others: dict[str, list[str]] = {}
    for cell in cells:
        # What a cell cannot be built for is told when it is run.
        with suppress(FusionserError):
            if found := cell.differing(folder):
                others[cell.name] = found
    if others:
        stored = Path(folder) / "cells"
        whole = len(others) == sum(not path.name.endswith(FAILED) for path in stored.glob("*.json"))
        away = "that folder" if whole else f"these files of it: {', '.join(f'{name}.json' for name in others)}"
        name, found = next(iter(others.items()))
        told = [*found[:TOLD], *([f"and {len(found) - TOLD} more"] if len(found) > TOLD else [])]
        raise SettingsError(
            f"{stored} has evaluations with other settings, {len(others)} of those to run, which are not replaced; "
            f"{name} differs in: {', '.join(told)}. Choose another --out, or move away {away}"
        )


def _attempt(cell: Cell, folder: str | Path, resources: Resources, failures: dict[str, str]) -> Any:
    """Run a cell; if it fails, store the error and return None."""
    failed = cell.path(folder).with_suffix(FAILED)
    try:
        cell.check()
        outcome = cell.run(folder, resources)
    except Exception as error:
        # A bug that shows in one cell must not stop the others.
        expected = isinstance(error, FusionserError)
        reason = str(error) if expected else f"internal error: {type(error).__name__}: {error}"
        failures[cell.name] = public_text(reason)
        details = {} if expected else {"traceback": public_text(traceback.format_exc())}
        stored = {"error": failures[cell.name], "provenance": provenance(), **details}
        write_text(failed, json.dumps(stored, indent=2) + "\n")
        return None
    failed.unlink(missing_ok=True)
    return outcome


def stored_failure(path: Path) -> str | None:
    """Return why the cell that would be stored at `path` failed, or None if it did not fail."""
    # A damaged file counts as a cell that was not run, and the next run replaces it.
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(path.with_suffix(FAILED).read_text(encoding="utf-8"))["error"])
    return None


def stored_curves(folder: str | Path, cells: Sequence[str]) -> list[pd.DataFrame | None]:
    """Return the stored learning curves of each cell; None for a cell that trained no network."""
    paths = [curves_path(folder, cell) for cell in cells]
    return [pd.read_csv(path) if path.is_file() else None for path in paths]

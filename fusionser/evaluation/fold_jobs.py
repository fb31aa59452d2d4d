"""The folds of an evaluation as jobs, one after the other, or on a cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fusionser.evaluation.guard import Overlap
from fusionser.execution import run_jobs
from fusionser.progress import report_step
from fusionser.splits.base import Fold, Positions

__all__ = ["FoldProgress", "FoldTask", "in_folds"]

T = TypeVar("T")

FoldProgress = Callable[[int, int, str], None]
"""Called with the number of finished folds, the number of all folds, and the name of the next fold."""


@dataclass(frozen=True)
class FoldTask:
    """A fold, what its training and test rows share, and the positions of its validation rows."""

    fold: Fold
    shared: Overlap
    validation: Positions


def in_folds(
    job: Callable[[FoldTask], T],
    folds: Sequence[Fold],
    overlaps: Sequence[Overlap],
    validation: Sequence[Positions],
    progress: FoldProgress | None,
    *,
    gpu: bool = False,
) -> list[T]:
    """Return the outcome of each fold: on the cluster that `executing_on` chose, or else in the current process.

    Without `progress`, finished folds are reported as a step. `gpu` is as in `Executor.run`.
    """
    progress = progress or _report_as_step
    tasks = [FoldTask(*one) for one in zip(folds, overlaps, validation, strict=True)]
    answers, outcomes = run_jobs(job, tasks, n_jobs=1, gpu=gpu), []
    for number, task in enumerate(tasks):
        progress(number, len(tasks), task.fold[0])
        outcomes.append(next(answers))
    progress(len(tasks), len(tasks), "")
    return outcomes


def _report_as_step(done: int, total: int, name: str) -> None:
    """Report the folds of an evaluation that is itself one of many."""
    report_step("folds", done, total)

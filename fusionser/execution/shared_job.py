"""A job that many tasks on a cluster have in common."""

from collections.abc import Callable
from typing import Any

from fusionser.execution.grouping import pickles

__all__ = ["SharedJob", "job_of"]

SMALL = 1 << 16
"""Size of a pickle up to which a job is sent with each group of tasks."""


class SharedJob:
    """A job on its way to the workers: with each group of tasks if it is small, else held by one of the workers.

    What a worker holds must be made again when it ends, and Dask counts that against it. So a job that was given up for
    this reason is sent again.

    Parameters
    ----------
    client : distributed.Client
    job : callable
    """

    def __init__(self, client: Any, job: Callable[[Any], Any]) -> None:
        self._client, self._job = client, job
        self._content: bytes = pickles().dumps(job)
        self._held: Any = None

    def given(self) -> Any:
        """Return what `job_of` makes a job of, where it runs: a pickle, or what a worker holds."""
        if len(self._content) <= SMALL:
            return self._content
        if self._held is None or self._held.status in ("error", "lost", "cancelled"):
            # A task, since what is only scattered is lost with its worker.
            self._held = self._client.submit(_held, self._job, pure=False)
        return self._held

    def futures(self) -> list[Any]:
        """Return what is held."""
        return [] if self._held is None else [self._held]


def _held(job: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return job


def job_of(given: Any) -> Callable[[Any], Any]:
    """Return the job that `SharedJob.given` gave."""
    job: Callable[[Any], Any] = pickles().loads(given) if isinstance(given, bytes) else given
    return job

"""A model, the processes that run it, and what is counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fusionser.model import ModelCard
from fusionser.serving.limits import ServiceLimits
from fusionser.serving.measures import Measures
from fusionser.serving.pool import Job, OverloadedError, WorkerPool
from fusionser.serving.worker import open_model

__all__ = ["Service"]


class Service:
    """A model, the processes that run it, and what is counted.

    Parameters
    ----------
    model : str or None
        Path of a model, or of an ONNX file; None is the included model.
    limits : ServiceLimits
    """

    def __init__(self, model: str | None, limits: ServiceLimits) -> None:
        self.limits, self.measures = limits, Measures()
        self.predictor = open_model(model)
        self.predictor.card.check_classes("the web service")
        self._timelines, self._held_back = asyncio.Semaphore(max(limits.processes - 1, 1)), 0
        self.measures.waiting.set_function(lambda: self.pool.jobs.qsize())
        self.measures.ready.set_function(lambda: self.pool.ready)
        self.pool = WorkerPool(model, limits.processes, limits.queue, limits.grace / 4, self.measures.losses.inc)

    @property
    def card(self) -> ModelCard:
        """The card of the model."""
        return self.predictor.card

    @property
    def name(self) -> str:
        """What the model is, in words."""
        return f"{self.card.classifier} on {self.card.features_name}"

    @asynccontextmanager
    async def _place(self, job: Job) -> AsyncIterator[None]:
        """Hold back time lines, which take long, so that they leave a process for single recordings."""
        if job.kind != "timeline":
            yield
            return
        if self._held_back >= self.limits.queue:
            raise OverloadedError("too many time lines wait already; ask again later")
        self._held_back += 1
        try:
            await self._timelines.acquire()
        finally:
            self._held_back -= 1
        try:
            yield
        finally:
            self._timelines.release()

    async def ask(self, job: Job) -> Any:
        """Return the answer for a job, within the limit of time."""
        try:
            async with asyncio.timeout(job.timeout), self._place(job):
                return await asyncio.wrap_future(self.pool.submit(job))
        except asyncio.CancelledError:
            job.given_up = True
            raise
        except TimeoutError as error:
            job.given_up = True
            shorter = ", or send shorter recordings" if job.kind == "timeline" else ""
            raise OverloadedError(f"no answer within {job.timeout:g} s; ask again later{shorter}") from error

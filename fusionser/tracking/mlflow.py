"""Runs on a server of MLflow."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import ClassVar, TypeVar

from fusionser.errors import SettingsError
from fusionser.files import without_credentials
from fusionser.optional import optional_package
from fusionser.tracking.base import Tracker, TrackingRun

__all__ = ["MLflow"]

Item = TypeVar("Item")

EXPERIMENT = "fusionser"
"""Experiment of the runs, unless the environment variable MLFLOW_EXPERIMENT_NAME names another."""

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # By default, a client waits for minutes for a server that is away.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""Environment variables of MLflow that are set unless they have a value."""

UNNAMED = re.compile(r"[^\w\-. /]", re.ASCII)
"""What names on MLflow cannot have."""

MOST_VALUES = 100
"""Values that are sent at once."""

LONGEST_VALUE = 6000


class MLflow(Tracker):
    """Runs on a server of MLflow, or in a database on this machine.

    Parameters
    ----------
    place : str, default=""
        Address of the server, or of a database such as ``sqlite:///runs.db``; empty for the one that the environment
        variable ``MLFLOW_TRACKING_URI`` names. Give passwords by ``MLFLOW_TRACKING_USERNAME`` and
        ``MLFLOW_TRACKING_PASSWORD``, since other users of a machine see its command lines.

    Raises
    ------
    SettingsError
        If the package mlflow is not installed, or the place is none that it can open.

    Examples
    --------
    >>> str(MLflow("http://localhost:5000"))
    'mlflow:http://localhost:5000'
    """

    name: ClassVar[str] = "mlflow"

    def __init__(self, place: str = "") -> None:
        super().__init__(place)
        for variable, value in DEFAULTS.items():
            os.environ.setdefault(variable, value)
        client = optional_package("mlflow", "mlflow", "--track mlflow").MlflowClient
        try:
            # It connects only when something is recorded.
            self._client = client(tracking_uri=place or None)
        except Exception as error:
            # MLflow has many errors of its own, and passes on those of databases.
            reason = without_credentials(" ".join(str(error).split())[:200])
            raise SettingsError(
                f"--track is '{self}', which MLflow cannot open ({reason}); expected the address of a server, as in "
                "mlflow:http://localhost:5000, or in the environment variable MLFLOW_TRACKING_URI"
            ) from error
        self._experiment = ""

    def write(self, run: TrackingRun, parent: str | None) -> None:
        """Write a run with its children, nested as MLflow nests runs."""
        if not self._experiment:
            self._experiment = self._experiment_id(os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT)
        tags = {} if parent is None else {"mlflow.parentRunId": parent}
        made = self._client.create_run(self._experiment, run_name=run.name, tags=tags).info.run_id
        self.begun = True
        status = "FAILED"
        try:
            self._fill(made, run)
            for child in run.children:
                self.write(child, made)
            status = "FINISHED"
        finally:
            self._client.set_terminated(made, status)

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if found is None else found.experiment_id)

    def _fill(self, made: str, run: TrackingRun) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        params = [Param(_named(name), text[:LONGEST_VALUE]) for name, text in run.parameters.items()]
        metrics = [Metric(_named(name), value, now, 0) for name, value in run.scores.items()]
        metrics += [
            Metric(_named(name), float(value), now, int(epoch))
            for name, curve in run.curves.items()
            for epoch, value in zip(curve.index.astype(int), curve, strict=True)
        ]
        for some in _parts(params):
            self._client.log_batch(made, params=some)
        for values in _parts(metrics):
            self._client.log_batch(made, metrics=values)
        for path in run.artefacts:
            self._client.log_artifact(made, str(path))


def _named(text: str) -> str:
    """Return a name that MLflow takes."""
    return UNNAMED.sub("_", text)


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), MOST_VALUES):
        yield items[start : start + MOST_VALUES]

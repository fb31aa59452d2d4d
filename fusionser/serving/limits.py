"""What clients of a service may ask for."""

import os
from dataclasses import dataclass, fields

from fusionser.checks import check_range

__all__ = ["ServiceLimits"]

MEBIBYTE = 1 << 20
RANGES = {
    "workers": (1, 256),
    "most_bytes": (1024, 1 << 30),
    "most_bytes_held": (1024, 1 << 36),
    "most_seconds": (0.1, 900),
    "most_timeline_seconds": (1, 36000),
    "most_files": (1, 1000),
    "queue": (1, 100_000),
    "connections": (1, 100_000),
    "streams": (1, 10_000),
    "rate": (0, 1e6),
    "timeout": (0.1, 3600),
    "timeline_timeout": (0.1, 24 * 3600),
    "body_timeout": (0.1, 3600),
    "idle_timeout": (0.1, 3600),
    "grace": (0, 3600),
}
"""Least and largest value of each limit."""


@dataclass(frozen=True, kw_only=True)
class ServiceLimits:
    """Limits of a service.

    Parameters
    ----------
    workers : int, optional
        Number of processes that predict; by default one per core.
    most_bytes : int, default=26214400
        Bytes of one request (413).
    most_bytes_held : int, default=536870912
        Bytes of all requests that are in work (503).
    most_seconds : float, default=120
        Duration of a recording (422).
    most_timeline_seconds : float, default=3600
        Duration of a recording whose time line is asked for (422).
    most_files : int, default=32
        Recordings in one request (413).
    queue : int, default=256
        Recordings that wait for a process (503).
    connections : int, default=1024
        Open connections (503).
    streams : int, default=64
        Open streams (close code 1013).
    rate : float, default=0
        Requests per second of one client, on the average of ten seconds (429); 0 for any number.
    timeout : float, default=60
        Seconds from the last byte of a request to its answer (503).
    timeline_timeout : float, default=600
        The same for a time line.
    body_timeout : float, default=30
        Seconds in which a request must have arrived (408).
    idle_timeout : float, default=30
        Seconds without a message after which a stream is closed (close code 1008).
    grace : float, default=10
        Seconds that requests in work get when the service stops.

    Raises
    ------
    SettingsError
        If a limit is out of range.

    Examples
    --------
    >>> ServiceLimits(most_seconds=10).most_seconds
    10
    """

    workers: int | None = None
    most_bytes: int = 25 * MEBIBYTE
    most_bytes_held: int = 512 * MEBIBYTE
    most_seconds: float = 120.0
    most_timeline_seconds: float = 3600.0
    most_files: int = 32
    queue: int = 256
    connections: int = 1024
    streams: int = 64
    rate: float = 0.0
    timeout: float = 60.0
    timeline_timeout: float = 600.0
    body_timeout: float = 30.0
    idle_timeout: float = 30.0
    grace: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                check_range(field.name, value, *RANGES[field.name])

    @property
    def processes(self) -> int:
        """Number of processes that predict."""
        return self.workers or os.cpu_count() or 1

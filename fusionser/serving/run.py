"""Run a service until it is stopped."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fusionser.errors import SettingsError
from fusionser.serving.limits import ServiceLimits
from fusionser.serving.pool import WorkerPool

__all__ = ["listening_socket", "run_service"]

BACKLOG = 2048
KEPT_OPEN = 15
"""Seconds that a connection without requests is kept."""


class PromptProtocol(H11Protocol):
    """HTTP for clients that send what they begin: a connection whose request does not come is closed."""

    seconds: ClassVar[float]
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes; wait for the rest of a request that they begin."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        # A cycle is a request whose headers are complete; its body is timed by `Guard`.
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(self.seconds, self._disconnect)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _disconnect(self) -> None:
        self._late = None
        # A stream has another protocol.
        if self.transport.get_protocol() is self and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()


@contextmanager
def listening_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Open the socket of a service.

    Parameters
    ----------
    host : str
    port : int
        0 for any free one.

    Raises
    ------
    SettingsError
        If the address cannot be used, such as a port that another program has.
    """
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind)
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"--host is {host}, which is no address of this machine ({error})") from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise SettingsError(
            f"cannot listen at {host}, port {port} ({error.strerror or error}); choose others with --host and --port"
        ) from error
    with opened:
        yield opened


def run_service(app: Any, opened: socket.socket, limits: ServiceLimits) -> None:
    """Answer requests until Ctrl-C or SIGTERM; those in work are then finished, within `limits.grace`.

    Parameters
    ----------
    app : ASGI application
    opened : socket
    limits : ServiceLimits
    """

    class TimedProtocol(PromptProtocol):
        seconds = limits.body_timeout

    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEPT_OPEN,
        timeout_graceful_shutdown=max(1, round(limits.grace)),
        limit_concurrency=limits.connections,
        ws="websockets-sansio",
        ws_max_size=1 << 20,
        # A stream without messages is closed anyway, and answers to pings wait behind samples.
        ws_ping_interval=None,
    )
    EndingServer(config, app.state.service.pool, limits.grace).run(sockets=[opened])


class EndingServer(uvicorn.Server):
    """A server that answers what is still in work, with a refusal, before its grace is over."""

    def __init__(self, config: uvicorn.Config, pool: WorkerPool, grace: float) -> None:
        super().__init__(config)
        self._pool, self._grace = pool, grace
        self._ending = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note that the service should end."""
        super().handle_exit(sig, frame)
        if not self._ending:
            self._ending = True
            timer = threading.Timer(self._grace / 2, self._pool.stop)
            timer.daemon = True
            timer.start()

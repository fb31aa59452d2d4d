"""Run a service until it is stopped."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from fusionser.errors import SettingsError
from fusionser.serving.limits import ServiceLimits

__all__ = ["listening_socket", "run_service"]

BACKLOG = 2048
KEPT_OPEN = 15
"""Seconds that a connection without requests is kept."""


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
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEPT_OPEN,
        timeout_graceful_shutdown=max(1, round(limits.grace)),
        limit_concurrency=limits.connections,
        ws="websockets-sansio",
        ws_max_size=1 << 20,
        # A stream that was closed by the network is noticed.
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
    )
    uvicorn.Server(config).run(sockets=[opened])

"""The command ``fusionser serve``."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import say
from .option_groups import Group, option

LOCAL = ("127.0.0.1", "localhost", "::1")
KEY_VARIABLE = "FUSIONSER_API_KEY"
PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "websockets")


class Asked(Group):
    """The options of the command."""

    host: str = option(
        "Address to listen at. Others than 127.0.0.1 are reachable from the network.", "127.0.0.1", main=True
    )
    port: int = option("Port to listen at; 0 for any free one.", 8000, min=0, max=65535, main=True)
    allow_host: list[str] | None = option(
        "Another name by which the service may be asked, such as that of a proxy; can be repeated.", flag="--allow-host"
    )
    workers: int | None = option("Number of processes that predict, by default one per core.", main=True)
    most_bytes: int | None = option("Bytes of one request, by default 25 MiB.")
    most_seconds: float | None = option("Duration of a recording, by default 120.")
    most_timeline_seconds: float | None = option("Duration of a recording for a time line, by default 3600.")
    queue: int | None = option("Recordings that may wait, by default 256.")
    connections: int | None = option("Open connections, by default 1024.")
    streams: int | None = option("Open streams, by default 64.")
    rate: float | None = option("Requests per second of one client, by default any number.")
    timeout: float | None = option("Seconds until an answer must be there, by default 60.")
    timeline_timeout: float | None = option("Seconds until a time line must be there, by default 600.")
    body_timeout: float | None = option("Seconds in which a request must have arrived, by default 30.")
    idle_timeout: float | None = option("Seconds without a message after which a stream is closed, by default 30.")


LIMITS = (
    *("workers", "most_bytes", "most_seconds", "most_timeline_seconds", "queue", "connections", "streams", "rate"),
    *("timeout", "timeline_timeout", "body_timeout", "idle_timeout"),
)


def serve(
    asked: Asked,
    model: Annotated[
        Path | None,
        typer.Argument(help="Model that 'fusionser fit' or 'fusionser export' wrote; by default the included one."),
    ] = None,
) -> None:
    """Serve a model over HTTP and WebSocket, with a page that records from a microphone.

    A key that clients must send as the header X-API-Key is read from the environment variable FUSIONSER_API_KEY.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise SettingsError(
            f'{", ".join(missing)} not installed; install what is needed: pip install "fusionser[serve]"'
        )
    from fusionser.serving.app import create_app
    from fusionser.serving.run import listening_socket, run_service

    limits = _limits(asked)
    key = os.environ.get(KEY_VARIABLE) or None
    if key is not None and not (key.isascii() and key.isprintable() and key == key.strip()):
        raise SettingsError(
            f"{KEY_VARIABLE} has characters that not every client can send in a header; expected ASCII letters, digits "
            "and signs, without blanks around them"
        )
    if key is None and asked.host not in LOCAL:
        say(f"note: anybody who reaches {asked.host} can use the service; set {KEY_VARIABLE} to ask for a key")
    with listening_socket(asked.host, asked.port) as opened:
        app = create_app(None if model is None else str(model), limits, key=key, hosts=_hosts(asked))
        shown = f"[{asked.host}]" if ":" in asked.host else asked.host
        say(f"http://{shown}:{opened.getsockname()[1]}")
        say(f"{app.state.service.name}, {limits.processes} processes; Ctrl-C stops it")
        if app.state.service.predictor.needs_gender:
            say("the model needs the speaker's gender, which only POST /predict takes; the page cannot use it")
        try:
            run_service(app, opened, limits)
        except KeyboardInterrupt:
            # The server has ended in order, and raises again what it was ended by.
            say("stopped")


def _limits(asked: Asked) -> Any:
    from fusionser.serving.limits import ServiceLimits

    given = {name: getattr(asked, name) for name in LIMITS}
    try:
        return ServiceLimits(**{name: value for name, value in given.items() if value is not None})
    except SettingsError as error:
        flag = (error.parameter or "").replace("_", "-")
        raise SettingsError(str(error).replace(str(error.parameter), f"--{flag}", 1)) from error


def _hosts(asked: Asked) -> tuple[str, ...]:
    """Return the names by which the service may be asked; all if it listens to the network and none is given."""
    more = asked.allow_host or []
    if asked.host in LOCAL:
        return (*LOCAL, *more)
    return (asked.host, *LOCAL, *more) if more else ()

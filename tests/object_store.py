"""A real object store on this machine: moto's server of S3, with faults between it and who asks."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Fault = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Any]


@dataclass
class Store:
    """A running store; `fault` answers in its place those requests that it is given and does not pass on."""

    address: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    fault: Fault | None = None

    @property
    def env(self) -> dict[str, str]:
        """What a command needs to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "user-of-the-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "2",
        }


@contextmanager
def object_store() -> Iterator[Store]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    stored = DomainDispatcherApplication(create_backend_app)
    store = Store("")

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        store.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if store.fault is None:
            return stored(environ, start)
        return store.fault(environ, start, stored)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    store.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()


def answering(status: str, body: bytes, times: int, method: str = "GET") -> Fault:
    """Answer the first `times` requests of a method with an error of the store."""
    left = [times]

    def fault(environ: dict[str, Any], start: Callable[..., Any], stored: Callable[..., Any]) -> Any:
        if environ["REQUEST_METHOD"] != method or left[0] <= 0:
            return stored(environ, start)
        left[0] -= 1
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    return fault


def halving(times: int) -> Fault:
    """Send half of the first objects, whose whole length the header states."""
    left = [times]

    def fault(environ: dict[str, Any], start: Callable[..., Any], stored: Callable[..., Any]) -> Any:
        answer = stored(environ, start)
        if environ["REQUEST_METHOD"] != "GET" or not environ["PATH_INFO"].endswith(".wav") or left[0] <= 0:
            return answer
        left[0] -= 1
        whole = b"".join(answer)
        return [whole[: len(whole) // 2]]

    return fault


SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"

"""What is refused before a path is reached: foreign hosts, wrong keys, bodies that are too large."""

import asyncio
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from fusionser.serving.limits import ServiceLimits
from fusionser.serving.measures import Measures

__all__ = ["Guard", "RateLimit", "key_matches", "refuse"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Headers of every answer."""

OPEN_PATHS = ("/", "/page/", "/health", "/ready")
"""Paths that need no key: the page, which has nothing secret, and what supervisors ask."""

RATE_SECONDS = 10.0
MOST_CLIENTS = 10_000
KEY_HEADER = b"x-api-key"
POLICY_VIOLATION = 1008


class RefusedRequestError(Exception):
    """A request that gets no answer but a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class RateLimit:
    """Requests of each client, on the average of ten seconds.

    Parameters
    ----------
    rate : float
        Requests per second; 0 for any number.

    Examples
    --------
    >>> limit = RateLimit(0.2)
    >>> [limit.allows("client", at) for at in (0.0, 1.0, 2.0, 60.0)]
    [True, True, False, True]
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, client: str, now: float) -> bool:
        """Return whether a client may ask now, and count the request."""
        if self.rate == 0:
            return True
        most = max(self.rate * RATE_SECONDS, 1.0)
        left, before = self._clients.pop(client, (most, now))
        left = min(most, left + (now - before) * self.rate)
        allowed = left >= 1.0
        self._clients[client] = (left - 1.0 if allowed else left, now)
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)
        return allowed


def key_matches(given: str | None, key: str | None) -> bool:
    """Return whether a key is the one that is asked for, in a time that does not tell how much of it is right.

    Examples
    --------
    >>> key_matches(None, None), key_matches("a", "b"), key_matches("b", "b")
    (True, False, True)
    """
    # Half of a surrogate pair, which JSON can hold, has no bytes.
    return key is None or (
        given is not None and hmac.compare_digest(given.encode(errors="backslashreplace"), key.encode())
    )


def _address(text: str) -> SplitResult:
    """Return the parts of an address; none where it is no address."""
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")


def header(scope: Scope, name: bytes) -> str | None:
    """Return a header of a request."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


async def refuse(send: Send, status: int, sentence: str) -> None:
    """Answer with a status and a sentence, as JSON."""
    body = json.dumps({"error": sentence}).encode()
    more = [(b"retry-after", b"1")] if status in (429, 503) else []
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    # The rest of a body that is too large, or too late, is not read.
    closing = [(b"connection", b"close")] if status in (408, 413) else []
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *closing]})
    await send({"type": "http.response.body", "body": body})


class Guard:
    """Refuse what a service does not answer, and add the headers of every answer.

    Parameters
    ----------
    app : ASGI application
    limits : ServiceLimits
    measures : Measures
    key : str, optional
        Key that clients must have.
    hosts : tuple of str
        Names by which the service may be asked; all if empty. A page of others can have a browser ask by its own name.
    """

    def __init__(
        self, app: App, *, limits: ServiceLimits, measures: Measures, key: str | None, hosts: tuple[str, ...]
    ) -> None:
        self.app, self.limits, self.measures, self.key, self.hosts = app, limits, measures, key, hosts
        self.rate = RateLimit(limits.rate)
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._stream(scope, receive, send)
        else:
            await self._request(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_foreign(scope) or not self._known_host(scope):
            await receive()
            await send(
                {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "pages of other sites may not listen"}
            )
            return
        await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, seen = time.monotonic(), {"status": 500, "begun": False}

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                seen.update(status=message["status"], begun=True)
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        body = _Body(self, receive)
        try:
            self._check(scope)
            await self.app(scope, body.receive, sending)
        except RefusedRequestError as refusal:
            if not seen["begun"]:
                await refuse(sending, refusal.status, refusal.sentence)
        finally:
            self.hold(-body.size)
            path = getattr(scope.get("route"), "path", "other")
            self.measures.requests.labels(path=path, status=str(seen["status"])).inc()
            self.measures.seconds.labels(path=path).observe(time.monotonic() - began)

    def hold(self, change: int) -> None:
        """Count the bytes of requests in work."""
        self.held += change
        self.measures.held.set(self.held)

    def _known_host(self, scope: Scope) -> bool:
        host = header(scope, b"host") or ""
        return not self.hosts or (_address(f"//{host}").hostname or "") in self.hosts

    def _check(self, scope: Scope) -> None:
        """Raise `RefusedRequestError` for what can be refused by its headers."""
        if not self._known_host(scope):
            named = header(scope, b"host")
            told = f"is not {named}; start it with --allow-host to allow that" if named else "needs the header Host"
            raise RefusedRequestError(421, f"this service {told}")
        if _is_foreign(scope):
            raise RefusedRequestError(403, "pages of other sites may not use this service")
        path = scope["path"]
        if not (path in OPEN_PATHS or path.startswith("/page/")):
            given = header(scope, KEY_HEADER)
            if not key_matches(given, self.key):
                told = "a key is needed; send it as the header X-API-Key" if given is None else "this key is wrong"
                raise RefusedRequestError(401, told)
        if path in ("/health", "/ready", "/metrics"):
            return
        client = str((scope.get("client") or ("",))[0])
        if not self.rate.allows(client, time.monotonic()):
            raise RefusedRequestError(429, f"more than {self.limits.rate:g} requests per second; ask again later")
        length = header(scope, b"content-length")
        if length is not None and length.isdecimal() and int(length) > self.limits.most_bytes:
            raise RefusedRequestError(413, _too_large(self.limits))


def _is_foreign(scope: Scope) -> bool:
    """Return whether a browser asks for a page that this service did not give it."""
    origin = header(scope, b"origin")
    return origin is not None and _address(origin).netloc != header(scope, b"host")


def _too_large(limits: ServiceLimits) -> str:
    return f"the request is too large; at most {limits.most_bytes / 1e6:g} MB are read"


class _Body:
    """The body of a request, which is counted and timed while it arrives."""

    def __init__(self, guard: Guard, receive: Receive) -> None:
        self.guard, self.given = guard, receive
        self.size, self.complete = 0, False
        self.deadline = time.monotonic() + guard.limits.body_timeout

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next message; raise `RefusedRequestError` if the body is too large, or late."""
        if self.complete:
            return await self.given()
        limits = self.guard.limits
        try:
            message = await asyncio.wait_for(self.given(), max(self.deadline - time.monotonic(), 0.0))
        except TimeoutError as error:
            told = f"the request did not arrive within {limits.body_timeout:g} s"
            raise RefusedRequestError(408, told) from error
        count = len(message.get("body", b""))
        self.size += count
        self.guard.hold(count)
        if self.size > limits.most_bytes:
            raise RefusedRequestError(413, _too_large(limits))
        if self.guard.held > limits.most_bytes_held:
            raise RefusedRequestError(503, "too many recordings are in work; ask again later")
        self.complete = not message.get("more_body", False)
        return message

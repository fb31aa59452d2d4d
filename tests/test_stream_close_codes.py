"""The codes with which a stream is closed if the service cannot go on."""

import asyncio
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest

from fusionser.errors import AudioError
from fusionser.serving.pool import OverloadedError, WorkerFaultError, WorkerLostError
from fusionser.serving.stream import Streams


def closed(monkeypatch, error):
    """Return what a stream sends if an error comes up in it, the code of its end, and what the server logs."""
    service = SimpleNamespace(
        limits=SimpleNamespace(streams=2),
        measures=SimpleNamespace(streams=SimpleNamespace(set=lambda count: None)),
        predictor=SimpleNamespace(card=None, unlikeness=None),
    )
    streams, socket = Streams(service, None), AsyncMock()
    monkeypatch.setattr(streams, "_start", AsyncMock())
    monkeypatch.setattr(streams, "_follow", AsyncMock(side_effect=error))
    raised = None
    try:
        asyncio.run(streams.answer(socket))
    except ZeroDivisionError as own:
        raised = own
    assert streams.open == 0
    return socket.send_json.await_args.args[0]["error"], socket.close.await_args.args[0], raised


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OverloadedError("64 recordings wait already; ask again later"), 1013),
        (WorkerLostError("the process was lost; ask again"), 1013),
        (TimeoutError(), 1013),
        (AudioError("no samples"), 1003),
        (WorkerFaultError("a fault of the service (ZeroDivisionError)"), 1011),
    ],
)
def test_the_code_tells_whose_fault_it_is(monkeypatch, error, code):
    assert closed(monkeypatch, error)[1] == code


def test_a_fault_of_the_service_closes_the_stream_and_is_logged(monkeypatch):
    fault = ZeroDivisionError("an own fault")
    assert closed(monkeypatch, fault) == ("a fault of the service", 1011, fault)

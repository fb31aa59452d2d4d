"""Streams: a client sends samples while somebody speaks, and gets the answers for the windows that are complete.

The first message of a client is JSON (`Start`). Binary messages with samples follow, and ``{"end": true}``. The service
answers ``{"ready": true}``, then ``{"windows": [...]}``, and at the end ``{"windows": [...], "finished": true}``; or
``{"error": "..."}``. docs/stream.md describes them.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from fastapi import WebSocket, WebSocketDisconnect
from pydantic import Field, ValidationError

from fusionser.errors import FusionserError
from fusionser.facts import Record
from fusionser.features.extraction import Extraction
from fusionser.features.table import FeatureTable
from fusionser.model import Predictor
from fusionser.reporting.answers import answer_json
from fusionser.serving.guards import key_matches
from fusionser.serving.opus import OPUS_RATE, OpusDecoder
from fusionser.serving.pool import Job, OverloadedError, WorkerFaultError, WorkerLostError
from fusionser.serving.service import Service
from fusionser.timeline import StreamPredictor
from fusionser.waveform import Rates

__all__ = ["PooledPredictor", "Start", "Streams"]

PCM: Mapping[str, tuple[str, int]] = {"f32": ("<f4", 4), "s16": ("<i2", 2)}
"""Type of the samples, and their bytes, by format."""

LARGEST_MESSAGE = 1 << 20
"""Bytes of one message."""

FASTEST = 4.0
"""Seconds of sound that a client may send in one second, on the average."""

LEAST_AHEAD = 30.0
"""Seconds of sound that it may send at once."""

FINISHED, UNSUPPORTED, POLICY, TOO_LARGE, FAULT, LATER = 1000, 1003, 1008, 1009, 1011, 1013


class Start(Record):
    """The first message of a client."""

    format: Literal["f32", "s16", "opus"]
    sampling_rate: int = Field(OPUS_RATE, ge=4000, le=384_000)
    windows: float = Field(3.0, ge=0.25, le=30)
    hop: float = Field(0.5, ge=0.1, le=30)
    abstain: bool = False
    key: str | None = None


class ClosedStreamError(Exception):
    """A stream that ends early, with a code and a sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class PooledPredictor(Predictor):
    """A model that runs in the processes of a service.

    Parameters
    ----------
    service : Service
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.card, self.unlikeness = service.predictor.card, service.predictor.unlikeness

    @property
    def needs_gender(self) -> bool:
        """Whether predicting a clip requires the gender of its speaker."""
        return self._service.predictor.needs_gender

    @property
    def analysis_rate(self) -> int | None:
        """Sampling rate in Hz of all that is computed from audio; None if there are several."""
        return self._service.predictor.analysis_rate

    def _table(self, items: Any, sampling_rate: Rates) -> FeatureTable:
        raise NotImplementedError("the processes of the service compute it")

    def _answered(self, table: FeatureTable, result: Extraction) -> Any:
        raise NotImplementedError("the processes of the service compute it")

    def predict(self, X: Any, **options: Any) -> pd.DataFrame:
        """Predict pairs of samples and their rate; called in a thread that may wait."""
        jobs = [
            Job(
                "predict",
                np.ascontiguousarray(samples, dtype=np.float32).tobytes(),
                {"name": "stream", "samples": True, "rate": rate},
                options,
                timeout=self._service.limits.timeout,
            )
            for samples, rate in X
        ]
        futures = [self._service.pool.submit(job) for job in jobs]
        return pd.DataFrame([future.result(self._service.limits.timeout) for future in futures])


class Streams:
    """The streams of a service.

    Parameters
    ----------
    service : Service
    key : str or None
        Key that the first message must have.
    """

    def __init__(self, service: Service, key: str | None) -> None:
        self.service, self.key = service, key
        self.model = PooledPredictor(service)
        self.open = 0
        # Each open stream may wait for an answer; the threads of asyncio are few, and others need them.
        self._threads = ThreadPoolExecutor(service.limits.streams, thread_name_prefix="stream")

    async def answer(self, socket: WebSocket) -> None:
        """Answer one stream from its beginning to its end."""
        await socket.accept()
        # Clients without the key take no place.
        counted = 0
        try:
            start = await self._start(socket)
            counted = 1
            self.open += counted
            self.service.measures.streams.set(self.open)
            if self.open > self.service.limits.streams:
                raise ClosedStreamError(
                    LATER, f"{self.service.limits.streams} streams are open already; try again later"
                )
            await self._follow(socket, start)
        except WebSocketDisconnect:
            pass
        except ClosedStreamError as closed:
            await _close(socket, closed.code, closed.sentence)
        except TimeoutError:
            await _close(socket, LATER, "no answer in time; try again later")
        except (OverloadedError, WorkerLostError) as error:
            await _close(socket, LATER, str(error))
        except WorkerFaultError as error:
            await _close(socket, FAULT, str(error))
        except FusionserError as error:
            await _close(socket, UNSUPPORTED, str(error))
        except Exception:
            await _close(socket, FAULT, "a fault of the service")
            # It is logged by the server.
            raise
        finally:
            self.open -= counted
            self.service.measures.streams.set(self.open)

    async def _apart(self, function: Callable[..., pd.DataFrame], *arguments: Any) -> pd.DataFrame:
        """Run what waits for answers in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _message(self, socket: WebSocket) -> dict[str, Any]:
        """Return the next message; raise `ClosedStreamError` if it is late or too large."""
        seconds = self.service.limits.idle_timeout
        try:
            message = await asyncio.wait_for(socket.receive(), seconds)
        except TimeoutError as error:
            raise ClosedStreamError(POLICY, f"no message within {seconds:g} s") from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", FINISHED))
        if max(len(message.get("bytes") or b""), len(message.get("text") or "")) > LARGEST_MESSAGE:
            raise ClosedStreamError(TOO_LARGE, f"a message has more than {LARGEST_MESSAGE} bytes")
        return dict(message)

    async def _start(self, socket: WebSocket) -> Start:
        text = (await self._message(socket)).get("text")
        if text is None:
            raise ClosedStreamError(
                UNSUPPORTED, 'the first message must be JSON, such as {"format": "f32", "sampling_rate": 48000}'
            )
        try:
            start = Start.model_validate_json(text)
        except ValidationError as error:
            told = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'message'}: {one['msg']}" for one in error.errors()[:3]
            )
            raise ClosedStreamError(UNSUPPORTED, f"the first message is refused: {told}") from error
        if not key_matches(start.key, self.key):
            raise ClosedStreamError(POLICY, 'a key is needed; send it as "key" in the first message')
        return start

    async def _follow(self, socket: WebSocket, start: Start) -> None:
        decoder = await OpusDecoder.start() if start.format == "opus" else None
        try:
            rate = OPUS_RATE if decoder else start.sampling_rate
            predictor = StreamPredictor(self.model, rate, windows=start.windows, hop=start.hop, abstain=start.abstain)
            await socket.send_json({"ready": True, "windows": start.windows, "hop": start.hop})
            pace = _Pace(rate)
            while (piece := await self._piece(socket, start, decoder)) is not None:
                pace.count(len(piece))
                await self._tell(socket, await self._apart(predictor.feed, piece))
            rest = []
            if decoder:
                last = await decoder.finish()
                pace.count(len(last))
                rest.append(await self._apart(predictor.feed, last))
            rest.append(await self._apart(predictor.finish))
            await self._tell(socket, pd.concat(rest, ignore_index=True), finished=True)
            await socket.close(FINISHED)
        finally:
            if decoder:
                await decoder.stop()

    async def _piece(self, socket: WebSocket, start: Start, decoder: OpusDecoder | None) -> npt.NDArray[Any] | None:
        """Return the next samples; None at the end."""
        message = await self._message(socket)
        content = message.get("bytes")
        if content is None:
            if _ends(str(message.get("text"))):
                return None
            raise ClosedStreamError(UNSUPPORTED, 'expected binary messages with samples, and {"end": true}')
        if decoder:
            return await decoder.feed(content)
        kind, size = PCM[start.format]
        if len(content) % size:
            raise ClosedStreamError(
                UNSUPPORTED, f"a message has {len(content)} bytes, which is no whole number of samples"
            )
        return np.frombuffer(content, dtype=kind)

    async def _tell(self, socket: WebSocket, answers: pd.DataFrame, finished: bool = False) -> None:
        """Send the answers for windows, if there are any."""
        if len(answers) == 0 and not finished:
            return
        self.service.measures.windows.inc(len(answers))
        windows = [_window(record, self.service.card.classes) for record in answers.to_dict("records")]
        await socket.send_json({"windows": windows, **({"finished": True} if finished else {})})


class _Pace:
    """How fast a client sends: a service for many cannot hear one client's hour at once."""

    def __init__(self, rate: int) -> None:
        self.rate, self.seconds = rate, 0.0
        self.began = asyncio.get_running_loop().time()

    def count(self, samples: int) -> None:
        """Count samples; raise `ClosedStreamError` if there are too many for the time that has passed."""
        self.seconds += samples / self.rate
        passed = asyncio.get_running_loop().time() - self.began
        if self.seconds > LEAST_AHEAD + FASTEST * passed:
            raise ClosedStreamError(POLICY, f"samples come more than {FASTEST:g} times faster than they are spoken")


def _ends(text: str) -> bool:
    try:
        return bool(json.loads(text).get("end"))
    except (ValueError, AttributeError, RecursionError):
        return False


def _window(record: Mapping[Any, Any], classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer for a window as JSON values."""
    spoken = answer_json({str(name): value for name, value in record.items()}, classes)
    silent = {"probabilities": None} if record["probability"] != record["probability"] else {}
    return {**spoken, "speech": record["speech"], **silent}


async def _close(socket: WebSocket, code: int, sentence: str) -> None:
    try:
        await socket.send_json({"error": sentence})
        # A reason has at most 123 bytes.
        await socket.close(code, sentence.encode()[:120].decode(errors="ignore"))
    except (RuntimeError, WebSocketDisconnect):
        # The client is gone already.
        return

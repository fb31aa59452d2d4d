"""The paths of a service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from fusionser import __version__
from fusionser.errors import FusionserError, SettingsError, unknown_name
from fusionser.model import OnnxModel, abstention
from fusionser.page import card_sentences, content_type, page_files
from fusionser.reporting.answers import answer_json
from fusionser.serving.guards import Guard
from fusionser.serving.limits import ServiceLimits
from fusionser.serving.pool import Job, OverloadedError, UnusableError, WorkerLostError
from fusionser.serving.schema import Answers, Refusal, TimelineAnswer
from fusionser.serving.service import Service
from fusionser.serving.stream import Streams

__all__ = ["create_app"]

T = TypeVar("T")

STATUS = {SettingsError: 422, OverloadedError: 503, WorkerLostError: 503, UnusableError: 422}

DESCRIPTION = (
    "Emotions in recordings of speech. Recordings are decoded in a process of its own, and are not kept. A recording "
    "that cannot be used gets the reason. Emotion recognition is restricted by law in many places."
)
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"recording": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
            "audio/wav": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
"""What ``POST`` takes, for the description of the interface."""

REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": Refusal} for status in (401, 403, 413, 421, 429, 503)}
"""What `Guard` and a full queue answer, for the description of the interface."""

EXAMPLE = {
    "model": "mlp on robust+conv1d-relative",
    "answers": [
        {
            "file": "clip.wav",
            "emotion": "angry",
            "probabilities": {"angry": 0.81, "sad": 0.19},
            "unlikeness": 0.42,
            "unlike": None,
            "unlike_because": None,
            "error": None,
        }
    ],
}


def create_app(
    model: str | None = None,
    limits: ServiceLimits | None = None,
    *,
    key: str | None = None,
    hosts: Sequence[str] = (),
) -> FastAPI:
    """Return a service as an ASGI application.

    Parameters
    ----------
    model : str, optional
        Path of a model, or of an ONNX file; by default the included model.
    limits : ServiceLimits, optional
    key : str, optional
        Key that clients must send as ``X-API-Key``.
    hosts : sequence of str
        Names by which the service may be asked; all if empty.

    Raises
    ------
    ModelFileError
        If the model cannot be read.
    """
    service = Service(model, limits or ServiceLimits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.pool.stop)

    app = FastAPI(
        title="fusionser",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    _add_state_paths(app, service)
    _add_predictions(app, service)
    _add_timelines(app, service)
    _add_stream(app, service, key)
    _add_errors(app)
    _add_page(app)
    app.add_middleware(Guard, limits=service.limits, measures=service.measures, key=key, hosts=tuple(hosts))
    return app


def _add_errors(app: FastAPI) -> None:
    async def told(_: Request, error: Exception) -> Response:
        status = next((number for kind, number in STATUS.items() if isinstance(error, kind)), 500)
        headers = {"retry-after": "1"} if status == 503 else None
        return JSONResponse({"error": str(error)}, status, headers)

    async def unknown(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        told = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
        return JSONResponse({"error": told}, 422)

    async def gone(_: Request, __: Exception) -> Response:
        return Response(status_code=400)

    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(FusionserError, told)
    app.add_exception_handler(HTTPException, unknown)


def _add_state_paths(app: FastAPI, service: Service) -> None:
    @app.head("/health", include_in_schema=False)
    @app.get("/health", summary="Whether the service runs")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.head("/ready", include_in_schema=False)
    @app.get("/ready", summary="Whether the service can predict")
    async def ready() -> Response:
        count = service.pool.ready
        text = {"ready": count > 0, "processes": count}
        return JSONResponse(text, 200 if count else 503)

    @app.get("/model", summary="What the model is: its classes, features, training data and scores")
    async def model() -> dict[str, Any]:
        whole = service.predictor.onnx_card if isinstance(service.predictor, OnnxModel) else None
        export = {} if whole is None else {"onnx": whole.model_dump(mode="json", exclude={"model", "unlikeness"})}
        tells = service.predictor.unlikeness is not None
        told = {"name": service.name, "tells_unlikeness": tells}
        told["about"] = card_sentences(service.card, tells_unlikeness=tells)
        return {**told, **export, "card": service.card.model_dump(mode="json")}

    @app.get("/metrics", summary="Counters in the format of Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(service.measures.page(), media_type="text/plain; version=0.0.4")


Abstain = Annotated[bool, Query(description="Answer 'unsure' where the answer cannot be relied on")]
MostUnlike = Annotated[float | None, Query(ge=0, le=1, description="With abstain: largest unlikeness that is answered")]
Gender = Annotated[str, Query(pattern="^(female|male|)$", description="Of the speaker, for models that need it")]


def _add_predictions(app: FastAPI, service: Service) -> None:
    example: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"example": EXAMPLE}}}}

    @app.post(
        "/predict",
        summary="The emotion of each recording",
        openapi_extra=BODY,
        response_model=Answers,
        responses={**example, **REFUSALS, 422: {"model": Answers | Refusal}},
        dependencies=[Depends(_known_query)],
    )
    async def predict(
        request: Request, abstain: Abstain = False, most_unlike: MostUnlike = None, gender: Gender = ""
    ) -> Response:
        files = await _files_of(request, service.limits)
        if service.predictor.needs_gender and not gender:
            raise UnusableError("the model has the speaker's gender as a feature; add ?gender=female or ?gender=male")
        if gender and not service.predictor.needs_gender:
            raise UnusableError("gender has no effect: the model does not have it as a feature; leave it out")
        options = abstention(abstain, most_unlike)
        jobs = [
            Job(
                "predict",
                content,
                {"name": name, "samples": False, "gender": gender},
                options,
                service.limits.most_seconds,
                service.limits.timeout,
            )
            for name, content in files
        ]
        records = await _while_connected(request, _all(service, jobs))
        for record in records:
            service.measures.clips.labels(answer=record.get("emotion") or "error").inc()
        found = [answer_json(record, service.card.classes) for record in records]
        unusable = all(one["error"] for one in found)
        return JSONResponse({"model": service.name, "answers": found}, 422 if unusable else 200)


def _add_timelines(app: FastAPI, service: Service) -> None:
    @app.post(
        "/predict/timeline",
        summary="The emotions over time in one recording",
        openapi_extra=BODY,
        response_model=TimelineAnswer,
        responses={**REFUSALS, 422: {"model": Refusal}},
        dependencies=[Depends(_known_query)],
    )
    async def timeline(
        request: Request,
        windows: Annotated[float, Query(ge=0.25, le=30, description="Length of a window in seconds")] = 3.0,
        hop: Annotated[float, Query(ge=0.1, le=30, description="Seconds from one window to the next")] = 0.5,
        abstain: Abstain = False,
        most_unlike: MostUnlike = None,
    ) -> Response:
        files = await _files_of(request, service.limits)
        if len(files) != 1:
            raise UnusableError(f"a time line is of one recording; got {len(files)}")
        options = {"windows": windows, "hop": hop, **abstention(abstain, most_unlike)}
        ((name, content),) = files
        item = {"name": name, "samples": False}
        limits = service.limits
        job = Job("timeline", content, item, options, limits.most_timeline_seconds, limits.timeline_timeout)
        found = await _while_connected(request, service.ask(job))
        return JSONResponse(found, 422 if "error" in found else 200)


async def _known_query(request: Request) -> None:
    """Refuse parameters that would have no effect, such as misspelt ones."""
    known = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    if wrong := sorted(set(given) - set(known)):
        raise unknown_name("parameter", wrong[0], known)
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise UnusableError(f"{twice[0]} is given more than once; give one value")


async def _while_connected(request: Request, answer: Coroutine[Any, Any, T]) -> T:
    """Return an answer; give it up, and raise `ClientDisconnect`, if the client goes before."""
    work, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        work.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _all(service: Service, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Return the answers of all jobs; what one raises is raised after the others have ended."""
    found = await asyncio.gather(*map(service.ask, jobs), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if isinstance(one, dict)]


async def _files_of(request: Request, limits: ServiceLimits) -> list[tuple[str, bytes]]:
    """Return the name and the content of each recording in a request: the parts of a form, or the whole body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        content = await request.body()
        if not content:
            raise UnusableError(
                "the request is empty; send a recording as the body, or in a form (multipart/form-data)"
            )
        return [("recording", content)]
    # Each file waits in the queue.
    most = min(limits.most_files, limits.queue)
    boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary", b"")
    if boundary and b"--" + boundary + b"--" not in (await request.body())[-len(boundary) - 1000 :]:
        raise UnusableError("the form is cut off: its last boundary is missing; send it again")
    try:
        async with request.form(max_files=most, max_fields=most) as form:
            uploads = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
            files = [(_shown(part.filename), await part.read()) for part in uploads]
    except (MultiPartException, HTTPException, UnicodeError, LookupError) as error:
        told = getattr(error, "message", None) or getattr(error, "detail", "") or "its text has no known encoding"
        status = 413 if "Too many" in str(told) else 422
        raise HTTPException(status, f"the form cannot be read: {told}") from error
    if not files:
        raise UnusableError("the form has no file; send recordings as files, such as curl -F recording=@clip.wav")
    return files


def _shown(name: str | None) -> str:
    """Return the last part of a name that a client gave. It is only repeated, and never a path here."""
    last = PurePosixPath((name or "recording").replace("\\", "/")).name
    return "".join(letter if letter.isprintable() else "?" for letter in last)[:200] or "recording"


def _add_stream(app: FastAPI, service: Service, key: str | None) -> None:
    streams = Streams(service, key)

    @app.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await streams.answer(socket)


def _add_page(app: FastAPI) -> None:
    files = page_files()

    def of(name: str) -> Callable[[], Awaitable[Response]]:
        async def answer() -> Response:
            return Response(files[name], media_type=content_type(name))

        return answer

    app.add_api_route("/", of("index.html"), methods=["GET", "HEAD"], include_in_schema=False)
    for name in files:
        app.add_api_route(f"/page/{name}", of(name), methods=["GET", "HEAD"], include_in_schema=False)

"""The built-in model behind the OpenAI protocol, so that the robot host needs no torch.

    GET  /health                 {"status": "ok"}
    GET  /v1/models              the one model
    POST /v1/chat/completions    command and images in, program out
    POST /v1/ground              {"images": [picture, depth?], "camera"?, "phrase", "points"?}
    POST /v1/detect              {"images": [picture, depth?], "camera"?}

What the chat request adds to OpenAI's is described in `planners/wire.py`. One request runs at a
time; a few may wait, the next is told to come back. Nothing is kept between requests, nothing is
fetched, and a model's failure is an answer, not a dead server.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from embodied_agent.errors import BadInput, EmbodiedAgentError, MissingDependency, RobotError
from embodied_agent.planners import wire
from embodied_agent.planners.planner import Plan, PlanRequest
from embodied_agent.types import Detection, Frame, Grounding

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from fastapi.responses import Response

LOG = logging.getLogger(__name__)


class Served(Protocol):
    """What a server needs of a model."""

    name: str

    def plan(self, request: PlanRequest) -> Plan:
        """Write a program."""
        ...

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """Which detections a phrase means."""
        ...

    def detect(self, frame: Frame) -> list[Detection]:
        """Every thing seen."""
        ...


@dataclass(frozen=True)
class Limits:
    """What one client may cost.

    Attributes:
        max_body: Bytes of one request.
        max_waiting: Requests that may wait for the one that runs.
        max_wait_s: Longest wait in that queue.
    """

    max_body: int = 32_000_000
    max_waiting: int = 4
    max_wait_s: float = 60.0


class Busy(EmbodiedAgentError):
    """Too many requests wait already."""


class Turnstile:
    """Lets one request through at a time and a bounded number wait."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running = threading.Lock()
        self._counting = threading.Lock()
        self._inside = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the model.

        Raises:
            Busy: The queue is full, or the wait was too long.
        """
        with self._counting:
            if self._inside > self._limits.max_waiting:
                raise Busy(f"{self._inside} requests are waiting already; come back later")
            self._inside += 1
        try:
            if not self._running.acquire(timeout=self._limits.max_wait_s):
                raise Busy(f"no turn within {self._limits.max_wait_s:g} s; come back later")
            try:
                yield
            finally:
                self._running.release()
        finally:
            with self._counting:
                self._inside -= 1


def create_app(model: Served, limits: Limits | None = None, grammar: str = "") -> FastAPI:
    """The ASGI application around a loaded model.

    Args:
        model: Loaded and ready.
        limits: What one client may cost.
        grammar: Decoding grammar of the language here; "" = none.

    Raises:
        MissingDependency: FastAPI is not installed.
    """
    try:
        from fastapi import FastAPI
    except ImportError:
        raise MissingDependency("serve needs FastAPI: pip install 'embodied_agent[mllm]'") from None
    app = FastAPI(title="embodied_agent", docs_url=None, redoc_url=None, openapi_url=None)
    served = _Endpoints(model, limits or Limits(), grammar)
    # Plain routes: the bodies are read with a limit, which FastAPI's own reading has not.
    app.add_route("/health", served.health, methods=["GET"])
    app.add_route("/v1/models", served.models, methods=["GET"])
    app.add_route("/v1/chat/completions", served.chat, methods=["POST"])
    app.add_route("/v1/ground", served.ground, methods=["POST"])
    app.add_route("/v1/detect", served.detect, methods=["POST"])
    app.add_exception_handler(404, served.not_found)
    return app


class _Endpoints:
    """One method for each address."""

    def __init__(self, model: Served, limits: Limits, grammar: str) -> None:
        self._model, self._limits, self._grammar = model, limits, grammar
        self._turnstile = Turnstile(limits)

    async def health(self, request: Request) -> Response:
        return _json({"status": "ok", "model": self._model.name})

    async def models(self, request: Request) -> Response:
        entry = {"id": self._model.name, "object": "model", "created": 0, "owned_by": wire.OWNER}
        return _json({"object": "list", "data": [entry]})

    async def chat(self, request: Request) -> Response:
        return await self._answered(request, self._plan)

    async def ground(self, request: Request) -> Response:
        return await self._answered(request, self._ground)

    async def detect(self, request: Request) -> Response:
        return await self._answered(request, self._detect)

    async def not_found(self, request: Request, error: Exception) -> Response:
        return _problem(404, f"{request.url.path} does not exist; see /v1/models")

    async def _answered(self, request: Request, work: Callable[[dict[str, Any]], Response]) -> Response:
        """The answer of `work` to the request's JSON, or one that says what is wrong."""
        from starlette.concurrency import run_in_threadpool

        try:
            announced = request.headers.get("content-length")
            body = await _json_body(request.stream(), announced, self._limits.max_body)
            return await run_in_threadpool(work, body)
        except TooLarge as error:
            return _problem(413, str(error))
        except Busy as error:
            return _problem(503, str(error))
        except BadInput as error:
            return _problem(400, str(error))
        except EmbodiedAgentError as error:
            return _problem(500, str(error))
        except Exception as error:
            LOG.exception("request failed")
            return _problem(500, f"the model failed: {type(error).__name__}")

    def _plan(self, body: dict[str, Any]) -> Response:
        from fastapi.responses import StreamingResponse

        request, name = replace(wire.read_request(body), grammar=self._grammar), self._model.name
        if body.get("model") not in (None, "", name):
            raise BadInput(f"model {str(body.get('model'))[:80]!r} is not served here; the one is {name!r}")
        with self._turnstile.turn():
            start = time.perf_counter()
            result = self._model.plan(request)
        document = _chat_document(name, result, time.perf_counter() - start)
        if body.get("stream"):
            return StreamingResponse(_as_stream(document), media_type="text/event-stream")
        return _json(document)

    def _ground(self, body: dict[str, Any]) -> Response:
        frame, phrase, points = _ground_request(body)
        with self._turnstile.turn():
            return _json(wire.grounding_as_json(self._model.ground(frame, phrase, points)))

    def _detect(self, body: dict[str, Any]) -> Response:
        frame = _frame(body)
        with self._turnstile.turn():
            return _json({"detections": [wire.detection_as_json(found) for found in self._model.detect(frame)]})


def _json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    from fastapi.responses import JSONResponse

    return JSONResponse(document, status, headers)


def _problem(status: int, message: str) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    headers = {"Retry-After": "2"} if status == 503 else None
    return _json({"error": {"message": message, "type": kind, "code": status}}, status, headers)


class TooLarge(BadInput):
    """The request is longer than the server takes."""


async def _json_body(stream: AsyncIterator[bytes], announced: str | None, limit: int) -> dict[str, Any]:
    """Read a bounded JSON object."""
    if announced and announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"the request has {announced} bytes, at most {limit} are taken")
    data = bytearray()
    async for chunk in stream:
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"the request is longer than {limit} bytes")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the request is not JSON ({str(error)[:80]})") from None
    if not isinstance(body, dict):
        raise BadInput("the request must be a JSON object")
    return body


def _frame(body: dict[str, Any]) -> Frame:
    images = body.get("images")
    if not isinstance(images, list) or not all(isinstance(url, str) for url in images):
        raise BadInput("images: must be a list of data URLs, a picture and perhaps its depth")
    camera = body.get("camera")
    frames = wire.read_frames(images[: wire.MOST_IMAGES], [camera] if camera is not None else [])
    if len(frames) != 1:
        raise BadInput(f"images: holds {len(frames)} pictures, exactly one is needed")
    return frames[0]


def _ground_request(body: dict[str, Any]) -> tuple[Frame, str, tuple[tuple[float, float], ...]]:
    phrase = body.get("phrase")
    if not isinstance(phrase, str) or not phrase.strip() or len(phrase) > 500:
        raise BadInput("phrase: must be text of 1 to 500 characters")
    return _frame(body), phrase, wire.read_points(body)


def _chat_document(name: str, plan: Plan, seconds: float) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": plan.text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        wire.OWNER: wire.plan_as_json(plan) | {"seconds": round(seconds, 4)},
    }


async def _as_stream(document: dict[str, Any]) -> AsyncIterator[str]:
    """The whole answer as one streamed piece; the program is short and comes at once."""
    head = {key: document[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    content = document["choices"][0]["message"]["content"]
    for delta, reason in (({"role": "assistant", "content": content}, None), ({}, "stop")):
        chunk = head | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """uvicorn ends in order on SIGTERM, and then sends it again to whoever had it before: nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def serve(model: Served, host: str, port: int, limits: Limits | None = None, grammar: str = "") -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first.

    Raises:
        MissingDependency: FastAPI or uvicorn is not installed.
        RobotError: The port is taken.
    """
    app = create_app(model, limits, grammar)
    try:
        import uvicorn
    except ImportError:
        raise MissingDependency("serve needs uvicorn: pip install 'embodied_agent[mllm]'") from None
    try:
        with _ended_by_sigterm():
            uvicorn.run(app, host=host, port=port, log_level="warning", timeout_keep_alive=5)
    except SystemExit as error:  # uvicorn ends the process itself when it cannot listen
        if error.code:
            raise RobotError(f"cannot listen on {host}:{port}; is the port taken?") from None

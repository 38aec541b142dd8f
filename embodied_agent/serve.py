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
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from embodied_agent.errors import BadInput, EmbodiedAgentError, MissingDependency, RobotError
from embodied_agent.planners import wire
from embodied_agent.planners.planner import Plan, PlanRequest
from embodied_agent.types import Detection, Frame, Grounding

if TYPE_CHECKING:
    from fastapi import FastAPI

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
        from fastapi import FastAPI, Request
        from fastapi.responses import JSONResponse, Response, StreamingResponse
        from starlette.concurrency import run_in_threadpool
    except ImportError:
        raise MissingDependency("serve needs FastAPI: pip install 'embodied_agent[mllm]'") from None
    limits = limits or Limits()
    turnstile = Turnstile(limits)
    app = FastAPI(title="embodied_agent", docs_url=None, redoc_url=None, openapi_url=None)

    def problem(status: int, message: str) -> Response:
        kind = "invalid_request_error" if status < 500 else "server_error"
        headers = {"Retry-After": "2"} if status == 503 else {}
        return JSONResponse({"error": {"message": message, "type": kind, "code": status}}, status, headers)

    async def answered(request: Request, work: Callable[[dict[str, Any]], Any]) -> Any:
        """The result of `work` on the request's JSON, or a response that says what is wrong."""
        try:
            body = await _json_body(request.stream(), request.headers.get("content-length"), limits.max_body)
            return await run_in_threadpool(work, body)
        except TooLarge as error:
            return problem(413, str(error))
        except Busy as error:
            return problem(503, str(error))
        except BadInput as error:
            return problem(400, str(error))
        except EmbodiedAgentError as error:
            return problem(500, str(error))
        except Exception as error:
            LOG.exception("request failed")
            return problem(500, f"the model failed: {type(error).__name__}")

    def plan(body: dict[str, Any]) -> Any:
        request = replace(wire.read_request(body), grammar=grammar)
        if body.get("model") not in (None, "", model.name):
            raise BadInput(f"model {str(body.get('model'))[:80]!r} is not served here; the one is {model.name!r}")
        with turnstile.turn():
            start = time.perf_counter()
            result = model.plan(request)
        return bool(body.get("stream")), _chat_document(model.name, result, time.perf_counter() - start)

    def ground(body: dict[str, Any]) -> Any:
        frame, phrase, points = _ground_request(body)
        with turnstile.turn():
            return wire.grounding_as_json(model.ground(frame, phrase, points))

    def detect(body: dict[str, Any]) -> Any:
        frame = _frame(body)
        with turnstile.turn():
            return {"detections": [wire.detection_as_json(found) for found in model.detect(frame)]}

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "model": model.name})

    async def models(request: Request) -> Response:
        entry = {"id": model.name, "object": "model", "created": 0, "owned_by": wire.OWNER}
        return JSONResponse({"object": "list", "data": [entry]})

    async def chat(request: Request) -> Response:
        result = await answered(request, plan)
        if isinstance(result, Response):
            return result
        streamed, document = result
        if streamed:
            return StreamingResponse(_as_stream(document), media_type="text/event-stream")
        return JSONResponse(document)

    def simple(work: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Any]:
        async def route(request: Request) -> Response:
            result = await answered(request, work)
            return result if isinstance(result, Response) else JSONResponse(result)

        return route

    # Plain routes: the bodies are read with a limit, which FastAPI's own reading has not.
    app.add_route("/health", health, methods=["GET"])
    app.add_route("/v1/models", models, methods=["GET"])
    app.add_route("/v1/chat/completions", chat, methods=["POST"])
    app.add_route("/v1/ground", simple(ground), methods=["POST"])
    app.add_route("/v1/detect", simple(detect), methods=["POST"])

    @app.exception_handler(404)
    async def not_found(request: Request, error: Exception) -> Response:
        return problem(404, f"{request.url.path} does not exist; see /v1/models")

    return app


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


def serve(model: Served, host: str, port: int, limits: Limits | None = None, grammar: str = "") -> None:
    """Serve until interrupted.

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
        uvicorn.run(app, host=host, port=port, log_level="warning", timeout_keep_alive=5)
    except SystemExit as error:  # uvicorn ends the process itself when it cannot listen
        if error.code:
            raise RobotError(f"cannot listen on {host}:{port}; is the port taken?") from None

"""A planner behind any OpenAI-compatible server: vLLM, llama.cpp, SGLang, Ollama, a cloud, our own.

The server decides nothing about safety: whatever it says is parsed here, and checked by the agent.
The forms of constraining the answer are tried from the strictest down, and the first that the
server takes is remembered.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx

from embodied_agent.config import Range
from embodied_agent.errors import ConfigError, PlannerError, ProgramError
from embodied_agent.planners import structure, wire
from embodied_agent.planners.planner import Failure, Plan, PlanRequest
from embodied_agent.planners.prompt import messages
from embodied_agent.program.parse import parse

REJECTED = (400, 404, 415, 422, 501)  # of a request with a structure: try it without
PASSING = (408, 409, 425, 429, 500, 502, 503, 504)  # worth another try


@dataclass(frozen=True)
class OpenAISettings:
    """One server. The file is `configs/planners/openai.yaml`, or one of your own.

    Attributes:
        url: Base address, with or without `/v1`.
        model: Name of the model; "" takes the only one that the server lists.
        api_key_env: Environment variable that holds the key; unset = no key is sent.
        timeout_s: Longest wait for a whole answer.
        connect_timeout_s: Longest wait for a connection.
        retries: Further tries after a passing error (server busy or not reachable).
        backoff_s: Wait before the first of them; doubles each time.
        rewrites: Further tries after an answer that is no program; the error goes back to the model.
        temperature: 0 = the likeliest answer.
        max_tokens: Longest answer.
        structure: How the server constrains the answer; "auto" finds out.
        longest_side: Images are shrunk to this [px].
        max_answer_bytes: A longer answer is cut off and refused.
    """

    url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    timeout_s: Annotated[float, Range(0.1, 3600)] = 120.0
    connect_timeout_s: Annotated[float, Range(0.1, 60)] = 5.0
    retries: Annotated[int, Range(0, 10)] = 2
    backoff_s: Annotated[float, Range(0, 60)] = 0.5
    rewrites: Annotated[int, Range(0, 5)] = 1
    temperature: Annotated[float, Range(0, 2)] = 0.0
    max_tokens: Annotated[int, Range(16, 65536)] = 1024
    structure: Literal[
        "auto", "structured_outputs", "guided_grammar", "ebnf", "grammar", "json_schema", "none"
    ] = "auto"
    longest_side: Annotated[int, Range(64, 4096)] = 1024
    max_answer_bytes: Annotated[int, Range(1000, 100_000_000)] = 1_000_000

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"planner url {self.url!r}: write it as http://host:port/v1")

    @property
    def base(self) -> str:
        """The address that `/chat/completions` is appended to."""
        url = self.url.rstrip("/")
        return url if url.endswith("/v1") or urlsplit(url).path not in ("", "/") else f"{url}/v1"


class Server:
    """One OpenAI-compatible server: requests with limits, retries, and errors in words."""

    def __init__(
        self,
        settings: OpenAISettings,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._sleep = sleep
        self._line: Any = None  # network stream of the newest connection
        self.aborted = threading.Event()
        key = os.environ.get(settings.api_key_env, "") if settings.api_key_env else ""
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(settings.timeout_s, connect=settings.connect_timeout_s),
            follow_redirects=False,  # a redirect could carry key and images to another host
            trust_env=not _is_local(settings.url),  # a proxy for the world is none for this machine
            transport=transport,
        )

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def abort(self) -> None:
        """End the request that runs, and refuse others until `aborted` is cleared; from any thread."""
        self.aborted.set()
        line = self._line
        connection = None if line is None else line.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):  # it may be closed already
                connection.shutdown(socket.SHUT_RDWR)

    def _connected(self, event: str, details: Mapping[str, Any]) -> None:
        """Keep the line of a new connection, so that another thread can hang up."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._line = details["return_value"]

    def get(self, path: str) -> tuple[int, Any]:
        """GET a JSON document once; returns the status, and None where the answer is no JSON.

        Raises:
            PlannerError: Down or slow.
        """
        return self._ask("GET", path, None, optional=True)

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """POST JSON; returns the status (200, or a refusal of the request) and the document.

        Raises:
            PlannerError: Down, slow, redirecting, failing, or answering something else than JSON.
        """
        return self._ask("POST", path, body)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, optional: bool = False
    ) -> tuple[int, Any]:
        url = f"{self.settings.base}{path}"
        problem = ""
        for attempt in range(self.settings.retries + 1):
            wait = self.settings.backoff_s * 2 ** (attempt - 1) if attempt else 0.0
            if wait:
                self._sleep(wait)
            if self.aborted.is_set():
                break
            try:
                status, text, headers = self._exchange(method, url, body)
            except httpx.TimeoutException as error:
                if not isinstance(error, httpx.ConnectTimeout):
                    raise PlannerError(
                        f"{url}: no complete answer within {self.settings.timeout_s:g} s; "
                        "raise timeout_s, or use a smaller model"
                    ) from None
                problem = f"no connection within {self.settings.connect_timeout_s:g} s"
            except httpx.TransportError as error:
                problem = f"not reachable ({_first_line(error)})"
            else:
                if optional:
                    return status, _document(text)
                if status not in PASSING:
                    return self._settled(url, status, text, headers)
                problem = f"HTTP {status}: {_error_words(text)}"
        if self.aborted.is_set():
            raise PlannerError(f"{url}: the request was called off")
        tries = self.settings.retries + 1
        raise PlannerError(
            f"{url}: {problem}, after {tries} tr{'y' if tries == 1 else 'ies'}; is the server running there?"
        )

    def _exchange(
        self, method: str, url: str, body: Mapping[str, Any] | None
    ) -> tuple[int, str, Mapping[str, str]]:
        limit, deadline = self.settings.max_answer_bytes, time.monotonic() + self.settings.timeout_s
        data = bytearray()
        hooks = {"trace": self._connected}
        with self._client.stream(method, url, json=body, extensions=hooks) as response:
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > limit:
                    raise PlannerError(f"{url}: the answer is longer than {limit} bytes; not a program")
                if time.monotonic() > deadline:  # httpx counts each read anew; a drip would never end
                    raise httpx.ReadTimeout("slow")
            return response.status_code, data.decode("utf-8", "replace"), response.headers

    def _settled(self, url: str, status: int, text: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        if 300 <= status < 400:
            target = headers.get("location", "nowhere")
            raise PlannerError(f"{url}: redirects to {target[:200]}; give that address if it is the right one")
        if status in (401, 403):
            raise PlannerError(
                f"{url}: HTTP {status}, not allowed; set {self.settings.api_key_env or 'a key'} in the environment"
            )
        if status >= 400 and status not in REJECTED:
            raise PlannerError(f"{url}: HTTP {status}: {_error_words(text)}")
        document = _document(text)
        if document is None and status < 400:
            raise PlannerError(f"{url}: answered something else than JSON: {text[:80]!r}")
        return status, document if document is not None else {"error": {"message": _error_words(text)}}


class OpenAIPlanner:
    """Plans with a model behind an OpenAI-compatible server."""

    name = "openai"

    def __init__(
        self,
        settings: OpenAISettings | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings or OpenAISettings()
        self.server = Server(self.settings, transport=transport, sleep=sleep)
        self._model = self.settings.model
        self._owner: str | None = None
        self._structures: list[structure.Structure] = []

    def close(self) -> None:
        """Release the connection."""
        self.server.close()

    def forget(self) -> None:
        """Ask anew who serves which models: the server was away and may be another one."""
        self._model, self._owner, self._structures = self.settings.model, None, []

    def plan(self, request: PlanRequest) -> Plan:
        """Write a program; what is no program goes back to the model `rewrites` times.

        Raises:
            PlannerError: Server down, slow, failing or answering nonsense.
        """
        self._discover()
        start = time.perf_counter()
        problem = ""
        for _ in range(self.settings.rewrites + 1):
            answer = self._answer(request)
            text = answer.text
            try:
                text = structure.program_of(answer.text, self._structures[:1] == ["json_schema"], request)
                parse(text)
            except ProgramError as error:
                problem = str(error.problems[0] if error.problems else error)
                request = replace(request, failures=(*request.failures, Failure(text[:4000], "", 0, problem)))
                continue
            timings = {"request_s": time.perf_counter() - start, **answer.timings}
            return Plan(text, answer.grounding, timings)
        raise PlannerError(
            f"{self.settings.base}: model {self._model!r} wrote no program: {problem}; "
            f"it said {answer.text[:80]!r}"
        )

    def _discover(self) -> None:
        """Ask once who serves which models."""
        if self._owner is not None:
            return
        status, listed = self.server.get("/models")
        entries = listed.get("data") if isinstance(listed, dict) else None
        where = f"{self.settings.base}/models"
        if status in (401, 403):
            raise PlannerError(
                f"{where}: HTTP {status}, not allowed; set {self.settings.api_key_env} in the environment"
            )
        if not isinstance(entries, list):
            if not self._model:  # some servers do not list their models, and serve them all the same
                raise PlannerError(f"{where}: lists no models (HTTP {status}); give the model's name with --model")
            entries = []
        known = [entry for entry in entries if isinstance(entry, dict) and "id" in entry]
        models = {str(entry["id"]): str(entry.get("owned_by", "")) for entry in known}
        if not self._model:
            if len(models) != 1:
                names = ", ".join(list(models)[:8]) or "none"
                raise PlannerError(f"{where}: give one of the models it serves with --model: {names}")
            self._model = next(iter(models))
        self._owner = models.get(self._model, "")
        wanted = self.settings.structure
        self._structures = [wanted] if wanted != "auto" else structure.offered_by(self._owner)

    @property
    def native(self) -> bool:
        """The server is our own: it takes the command itself, depth and camera, and no prompt."""
        return self._owner == wire.OWNER

    def _answer(self, request: PlanRequest) -> wire.Answer:
        body: dict[str, Any] = {
            "model": self._model,
            "temperature": self.settings.temperature,
            "max_tokens": self.settings.max_tokens,
            "stream": False,
        }
        if self.native:
            body |= wire.request_body(request)
            return self._read(*self.server.post("/chat/completions", body))
        chat = messages(request, self.settings.longest_side)
        while True:
            formed = body | structure.form(self._structures[0], request, chat)
            status, document = self.server.post("/chat/completions", formed)
            if len(self._structures) == 1 or (status == 200 and not _is_error(document)):
                return self._read(status, document)
            self._structures.pop(0)  # the server does not take this form: remember, and go one down

    def _read(self, status: int, document: Any) -> wire.Answer:
        where = f"{self.settings.base}/chat/completions"
        if status != 200:
            raise PlannerError(f"{where}: HTTP {status}: {_error_words(json.dumps(document))}")
        try:
            choice = document["choices"][0]
            message = choice["message"]
        except (KeyError, IndexError, TypeError):
            raise PlannerError(f"{where}: the answer holds no message: {str(document)[:80]!r}") from None
        content = message.get("content") if isinstance(message, dict) else None
        if choice.get("finish_reason") == "length":
            raise PlannerError(
                f"{where}: the answer was cut off at {self.settings.max_tokens} tokens; raise max_tokens"
            )
        if not isinstance(content, str) or not content.strip():
            said = (message.get("refusal") if isinstance(message, dict) else "") or "nothing"
            raise PlannerError(f"{where}: the model wrote no text, it said: {str(said)[:80]!r}")
        return wire.read_answer(document, content)


def _document(text: str) -> Any:
    """Decoded JSON, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_error(document: Any) -> bool:
    """An answer in the form of an error, which some servers send with status 200."""
    return isinstance(document, dict) and "error" in document and "choices" not in document


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _error_words(text: str) -> str:
    """The message inside the usual error documents, or the beginning of the text."""
    try:
        document = json.loads(text)
        error = document.get("error", document.get("detail", document))
        text = error.get("message", str(error)) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError, RecursionError):
        pass
    return " ".join(text.split())[:200] or "no reason given"

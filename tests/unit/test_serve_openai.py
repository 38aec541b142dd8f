"""The OpenAI-compatible planner against real servers on loopback, friendly and hostile."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from embodied_agent.errors import ConfigError, PlannerError
from embodied_agent.planners.images import read_url
from embodied_agent.planners.openai import OpenAIPlanner, OpenAISettings
from embodied_agent.planners.planner import PlanRequest
from embodied_agent.planners.wire import usual_camera
from embodied_agent.signature import Parameter, Signature, Type
from embodied_agent.types import Command, Frame

PROGRAM = 'with task("go home"):\n    home()\n'
SIGNATURES = (
    Signature("home", (), Type.NONE, "Go home.", "move"),
    Signature("find", (Parameter("description", Type.STRING, "What."),), Type.OBJECT, "Find.", "perceive"),
)
Reply = Callable[[BaseHTTPRequestHandler, Any], None]


def chat(content: Any, reason: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content} | more
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}


def answer(handler: BaseHTTPRequestHandler, document: Any, status: int = 200) -> None:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


class Stand:
    """A server in a thread that answers as the test says, and keeps what it was asked."""

    def __init__(self, reply: Reply, owner: str = "somebody", models: tuple[str, ...] = ("tiny",)) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                if not models:
                    answer(self, b"Internal Server Error", 500)
                    return
                data = [{"id": name, "object": "model", "owned_by": owner} for name in models]
                answer(self, {"object": "list", "data": data})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stand.asked.append(body)
                stand.headers.append(dict(self.headers))
                reply(self, body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def stand() -> Iterator[Callable[..., Stand]]:
    made: list[Stand] = []

    def make(reply: Reply, **options: Any) -> Stand:
        made.append(Stand(reply, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def planner(url: str, **settings: Any) -> OpenAIPlanner:
    values = {"url": url, "timeout_s": 5.0, "connect_timeout_s": 1.0, "backoff_s": 0.01, "rewrites": 0}
    return OpenAIPlanner(OpenAISettings(**(values | settings)))


def request(**more: Any) -> PlanRequest:
    camera = usual_camera(64, 48)
    frame = Frame(np.full((48, 64, 3), 90, np.uint8), np.full((48, 64), 0.8, np.float32), camera, 0.0)
    values = {"command": Command("go home", ((10.0, 20.0),)), "frames": (frame,), "reference": "home()",
              "signatures": SIGNATURES}  # fmt: skip
    return PlanRequest(**(values | more))


def test_program_in_a_fenced_block_is_found_among_prose(stand: Callable[..., Stand]) -> None:
    said = f"<think>with task(</think>Sure! Here:\n```python\n{PROGRAM}```\nGood luck!"
    server = stand(lambda h, b: answer(h, chat(said)))
    assert planner(server.url).plan(request()).text == PROGRAM


def test_image_reaches_the_server_with_the_clicked_point_drawn(stand: Callable[..., Stand]) -> None:
    server = stand(lambda h, b: answer(h, chat(PROGRAM)))
    planner(server.url).plan(request())
    parts = server.asked[0]["messages"][1]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    picture = read_url(urls[0])
    assert picture.shape == (48, 64, 3)
    assert (picture != 90).any(), "no mark in the image"
    assert any("marked 1 point" in part.get("text", "") for part in parts)


def test_key_comes_from_the_environment_and_from_nowhere_else(
    stand: Callable[..., Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = stand(lambda h, b: answer(h, chat(PROGRAM)))
    monkeypatch.setenv("MY_KEY", "secret-word")
    planner(server.url, api_key_env="MY_KEY").plan(request())
    monkeypatch.delenv("MY_KEY")
    planner(server.url, api_key_env="MY_KEY").plan(request())
    assert [h.get("Authorization") for h in server.headers] == ["Bearer secret-word", None]


@pytest.mark.parametrize(
    ("owner", "field"),
    [("vllm", "structured_outputs"), ("llamacpp", "grammar"), ("sglang", "ebnf"), ("else", "response_format")],
)
def test_each_kind_of_server_is_asked_for_structure_in_its_own_way(
    stand: Callable[..., Stand], owner: str, field: str
) -> None:
    server = stand(lambda h, b: answer(h, chat(PROGRAM)), owner=owner)
    planner(server.url).plan(request())
    assert field in server.asked[0]
    if owner == "llamacpp":
        assert server.asked[0]["grammar"].startswith("root ::=")


def test_a_rejected_structure_is_dropped_and_not_asked_for_again(stand: Callable[..., Stand]) -> None:
    def reply(handler: BaseHTTPRequestHandler, body: Any) -> None:
        refused = {"structured_outputs", "guided_grammar", "response_format"} & set(body)
        answer(
            handler, {"error": {"message": "unknown field"}} if refused else chat(PROGRAM), 400 if refused else 200
        )

    server = stand(reply, owner="vllm")
    one = planner(server.url)
    assert one.plan(request()).text == PROGRAM
    assert len(server.asked) == 4
    one.plan(request())
    assert len(server.asked) == 5
    assert "structured_outputs" not in server.asked[-1]


TREE = {"task": "go home", "body": [{"do": "home", "arguments": {}}]}


@pytest.mark.parametrize("document", [TREE, {"program": PROGRAM}, {"program": PROGRAM.splitlines()}])
def test_json_answers_are_read(stand: Callable[..., Stand], document: Any) -> None:
    server = stand(lambda h, b: answer(h, chat(json.dumps(document))))
    assert planner(server.url).plan(request()).text == PROGRAM
    schema = server.asked[0]["response_format"]["json_schema"]["schema"]
    assert "home" in json.dumps(schema["$defs"]["statement"])
    assert "JSON" in server.asked[0]["messages"][1]["content"][-1]["text"]


def test_nonsense_goes_back_to_the_model_with_its_error(stand: Callable[..., Stand]) -> None:
    def reply(handler: BaseHTTPRequestHandler, body: Any) -> None:
        repaired = "not accepted" in json.dumps(body)
        answer(handler, chat(PROGRAM if repaired else 'with task("x"):\n    import os\n'))

    server = stand(reply)
    assert planner(server.url, rewrites=1).plan(request()).text == PROGRAM
    assert len(server.asked) == 2


@pytest.mark.parametrize("document", [{"task": 7, "body": []}, {"task": "x", "body": [{"do": "fly"}]}, {"a": 1}])
def test_json_that_is_no_program_is_refused(stand: Callable[..., Stand], document: Any) -> None:
    server = stand(lambda h, b: answer(h, chat(json.dumps(document))))
    with pytest.raises(PlannerError, match="wrote no program"):
        planner(server.url).plan(request())


def test_nonsense_to_the_end_is_a_planner_error_that_quotes_it(stand: Callable[..., Stand]) -> None:
    server = stand(lambda h, b: answer(h, chat("I am a teapot")))
    with pytest.raises(PlannerError, match=r"wrote no program.*teapot"):
        planner(server.url, rewrites=2).plan(request())
    assert len(server.asked) == 3


def test_code_that_is_not_in_the_language_never_passes(stand: Callable[..., Stand]) -> None:
    server = stand(lambda h, b: answer(h, chat('with task("x"):\n    __import__("os").system("true")\n')))
    with pytest.raises(PlannerError, match="line 2"):
        planner(server.url).plan(request())


def test_a_server_that_is_down_is_named_after_bounded_tries() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    naps: list[float] = []
    settings = OpenAISettings(url=f"http://127.0.0.1:{port}", retries=2, backoff_s=0.5)
    with pytest.raises(PlannerError, match=rf"{port}/v1/models: not reachable.*3 tries"):
        OpenAIPlanner(settings, sleep=naps.append).plan(request())
    assert naps == [0.5, 1.0]


def test_a_slow_server_is_given_up_in_time(stand: Callable[..., Stand]) -> None:
    server = stand(lambda h, b: time.sleep(2))
    start = time.monotonic()
    with pytest.raises(PlannerError, match=r"within 0\.3 s"):
        planner(server.url, timeout_s=0.3).plan(request())
    assert time.monotonic() - start < 1.5


def test_a_dripping_server_is_given_up_in_time(stand: Callable[..., Stand]) -> None:
    def drip(handler: BaseHTTPRequestHandler, body: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)

    server = stand(drip)
    start = time.monotonic()
    with pytest.raises(PlannerError, match=r"within 0\.4 s"):
        planner(server.url, timeout_s=0.4).plan(request())
    assert time.monotonic() - start < 1.5


def test_an_endless_answer_is_cut_off(stand: Callable[..., Stand]) -> None:
    server = stand(lambda h, b: answer(h, chat("x" * 200_000)))
    with pytest.raises(PlannerError, match="longer than 10000 bytes"):
        planner(server.url, max_answer_bytes=10_000).plan(request())


def test_a_busy_server_is_asked_again(stand: Callable[..., Stand]) -> None:
    count = iter(range(100))

    def reply(handler: BaseHTTPRequestHandler, body: Any) -> None:
        busy = next(count) < 2
        answer(handler, {"error": "busy"} if busy else chat(PROGRAM), 503 if busy else 200)

    server = stand(reply)
    assert planner(server.url).plan(request()).text == PROGRAM
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "document", "words"),
    [
        (500, {"error": {"message": "CUDA out of memory"}}, "HTTP 500.*CUDA out of memory"),
        (401, {"error": "no"}, "HTTP 401.*OPENAI_API_KEY"),
        (402, {"detail": "pay first"}, "HTTP 402: pay first"),
        (200, b"<html>hello</html>", "something else than JSON"),
        (200, {"choices": []}, "holds no message"),
        (200, ["x"], "holds no message"),
        (200, {"choices": [{"message": {"content": None, "refusal": "I will not"}}]}, "I will not"),
        (200, chat("with task(", reason="length"), "cut off at 1024 tokens"),
        (200, b"[" * 100_000, "something else than JSON"),
        (200, b"\xff\xfe\x00", "something else than JSON"),
    ],
)
def test_every_bad_answer_ends_in_one_clear_line(
    stand: Callable[..., Stand], status: int, document: Any, words: str
) -> None:
    server = stand(lambda h, b: answer(h, document, status))
    with pytest.raises(PlannerError, match=words) as caught:
        planner(server.url).plan(request())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_redirects_are_not_followed_with_key_and_images(
    stand: Callable[..., Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = stand(lambda h, b: answer(h, chat(PROGRAM)))

    def redirect(handler: BaseHTTPRequestHandler, body: Any) -> None:
        handler.send_response(307)
        handler.send_header("Location", other.url + "/v1/chat/completions")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server = stand(redirect)
    monkeypatch.setenv("OPENAI_API_KEY", "secret-word")
    with pytest.raises(PlannerError, match="redirects to http"):
        planner(server.url).plan(request())
    assert not other.asked


def test_a_connection_that_breaks_off_is_an_error_in_words(stand: Callable[..., Stand]) -> None:
    def cut(handler: BaseHTTPRequestHandler, body: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)

    server = stand(cut)
    with pytest.raises(PlannerError, match="not reachable"):
        planner(server.url).plan(request())


def test_one_of_several_models_must_be_chosen(stand: Callable[..., Stand]) -> None:
    server = stand(lambda h, b: answer(h, chat(PROGRAM)), models=("a", "b"))
    with pytest.raises(PlannerError, match="models it serves with --model: a, b"):
        planner(server.url).plan(request())
    assert planner(server.url, model="b").plan(request()).text == PROGRAM
    assert server.asked[0]["model"] == "b"


def test_a_server_that_cannot_list_its_models_needs_a_name(stand: Callable[..., Stand]) -> None:
    server = stand(lambda h, b: answer(h, chat(PROGRAM)), models=())
    with pytest.raises(PlannerError, match=r"HTTP 500.*--model"):
        planner(server.url).plan(request())
    assert planner(server.url, model="m").plan(request()).text == PROGRAM


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host/v1", "http://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="http://host:port/v1"):
        OpenAISettings(url=url)

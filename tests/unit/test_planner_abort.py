"""A request to a model can be called off from another thread, in whatever phase it is."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from embodied_agent.errors import PlannerError
from embodied_agent.planners.openai import OpenAISettings, Server


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        yield listener.getsockname()[1]


def settings(port: int) -> OpenAISettings:
    return OpenAISettings(url=f"http://127.0.0.1:{port}/v1", timeout_s=60.0, retries=2, backoff_s=0.1)


def test_a_request_that_waits_for_its_answer_ends_at_once(silent: int) -> None:
    server = Server(settings(silent))
    threading.Timer(0.3, server.abort).start()
    began = time.monotonic()
    with pytest.raises(PlannerError, match="called off"):
        server.post("/chat/completions", {"say": "hello"})
    assert time.monotonic() - began < 20.0  # not the 60 s of the answer, on a busy machine either
    server.close()


def test_no_request_begins_after_that_until_requests_are_taken_again(silent: int) -> None:
    server = Server(settings(silent))
    server.abort()
    with pytest.raises(PlannerError, match="called off"):
        server.get("/models")
    server.aborted.clear()
    threading.Timer(0.3, server.abort).start()
    with pytest.raises(PlannerError, match="called off"):
        server.get("/models")
    server.close()

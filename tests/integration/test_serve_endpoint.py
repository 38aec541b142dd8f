"""Our own server on loopback: the protocol, its limits, and the planner and grounder that use it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from embodied_agent.errors import CommandRefused, PlannerError
from embodied_agent.perception.grounder import Grounder
from embodied_agent.planners.images import data_url
from embodied_agent.planners.openai import OpenAIPlanner, OpenAISettings
from embodied_agent.planners.planner import Failure, Plan, PlanRequest
from embodied_agent.planners.remote import RemoteGrounder
from embodied_agent.planners.wire import OWNER, usual_camera
from embodied_agent.serve import Limits, create_app
from embodied_agent.types import Camera, Command, Detection, Frame, Grounding, Pose

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")


class RedThings:
    """A small honest model: it calls what is red in the image a red cube, and plans to pick that up."""

    name = "red-things"

    def __init__(self) -> None:
        self.requests: list[PlanRequest] = []
        self.frames: list[Frame] = []
        self.pause = 0.0
        self.together = self.most_together = 0

    def plan(self, request: PlanRequest) -> Plan:
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        time.sleep(self.pause)
        self.together -= 1
        self.requests.append(request)
        if not request.command.text.strip():
            raise CommandRefused("the command is empty")
        if request.command.text == "break":
            raise RuntimeError("secret internals")
        return Plan('with task("x"):\n    home()\n', ("red cube <one>",), {"decode_s": 0.25})

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        found = self.detect(frame)
        point = points[0] if points else None
        return Grounding(tuple(found), len(found) > 1, 0.75, point, phrase)

    def detect(self, frame: Frame) -> list[Detection]:
        self.frames.append(frame)
        red = (frame.rgb[..., 0] > 150) & (frame.rgb[..., 1] < 80)
        return [Detection(red, "cube", "red", 0.9)] if red.any() else []


class Running:
    def __init__(self, model: RedThings, limits: Limits) -> None:
        app = create_app(model, limits, grammar="start: /x/")
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
        self.model, self.server = model, uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until = time.monotonic() + 10
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"

    def post(self, path: str, body: Any) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=10)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    server = Running(RedThings(), Limits(max_body=2_000_000, max_waiting=2, max_wait_s=5))
    yield server
    server.server.should_exit = True
    server.thread.join(5)


def frame() -> Frame:
    rgb = np.full((48, 64, 3), 120, np.uint8)
    rgb[10:20, 30:40] = (220, 20, 20)
    depth = np.full((48, 64), 0.8125, np.float32)
    depth[0, 0] = 0.0
    pose = Pose(np.array([0.1, 0.2, 1.1]), np.array([0.1, 0.7, 0.7, 0.0]))
    return Frame(rgb, depth, Camera("front", 64, 48, 50.0, 51.0, 31.5, 23.5, pose), 0.0)


def settings(running: Running) -> OpenAISettings:
    return OpenAISettings(url=running.url, timeout_s=10, retries=0)


def test_planner_speaks_to_our_server_with_depth_camera_points_and_failures(running: Running) -> None:
    failure = Failure("old", "pick(cube)", 3, "slipped", done=("find",))
    request = PlanRequest(
        Command("pick this up", ((35.0, 15.0),), "front"), (frame(),), "panda", failures=(failure,)
    )
    plan = OpenAIPlanner(settings(running)).plan(request)
    assert plan.text == 'with task("x"):\n    home()\n'
    assert plan.grounding == ("red cube <one>",)
    assert plan.timings["decode_s"] == 0.25
    got = running.model.requests[-1]
    assert got.command == request.command
    assert got.failures == (failure,)
    assert got.robot == "panda"
    assert got.grammar == "start: /x/"
    assert (got.frames[0].rgb == frame().rgb).all()
    np.testing.assert_allclose(got.frames[0].depth, frame().depth, atol=5e-4)
    camera, wanted = got.frames[0].camera, frame().camera
    assert (camera.name, camera.fx, camera.cy) == (wanted.name, wanted.fx, wanted.cy)
    np.testing.assert_allclose(camera.world_from_camera.matrix, wanted.world_from_camera.matrix, atol=1e-9)


def test_remote_grounder_gives_what_the_model_gave(running: Running) -> None:
    remote = RemoteGrounder(settings(running))
    assert isinstance(remote, Grounder)
    (found,) = remote.detect(frame())
    assert (found.kind, found.color, found.score) == ("cube", "red", 0.9)
    assert found.mask.sum() == 100 and found.mask[10:20, 30:40].all()
    grounding = remote.ground(frame(), "the red cube", ((35.0, 15.0),))
    assert grounding.point == (35.0, 15.0)
    assert grounding.confidence == 0.75 and not grounding.ambiguous
    assert (grounding.detections[0].mask == found.mask).all()


def test_a_plain_client_without_extension_is_answered(running: Running) -> None:
    parts = [{"type": "text", "text": "go"}, {"type": "image_url", "image_url": {"url": data_url(frame().rgb)}}]
    reply = running.post("/chat/completions", {"messages": [{"role": "user", "content": parts}]})
    document = reply.json()
    assert reply.status_code == 200
    assert document["choices"][0]["finish_reason"] == "stop"
    assert running.model.requests[-1].frames[0].camera.name == "overhead"
    assert not running.model.requests[-1].frames[0].depth.any()


def test_the_usual_camera_looks_at_the_middle_of_the_table() -> None:
    (pixel,) = usual_camera(640, 480).project(np.array([[0.5, 0.0, 0.0]]))
    np.testing.assert_allclose(pixel, [319.5, 239.5], atol=1e-6)
    (left,) = usual_camera(640, 480).project(np.array([[0.5, 0.2, 0.0]]))
    assert left[0] < 319.5, "left of the robot is left in the image"


def test_streaming_clients_get_the_same_text_in_pieces(running: Running) -> None:
    body = {"messages": [{"role": "user", "content": "go"}], "stream": True}
    lines = [line[6:] for line in running.post("/chat/completions", body).text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    pieces = [json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines[:-1]]
    assert "".join(pieces) == 'with task("x"):\n    home()\n'


def test_models_and_health_name_the_model(running: Running) -> None:
    entry = httpx.get(running.url + "/models").json()["data"][0]
    assert (entry["id"], entry["owned_by"]) == ("red-things", OWNER)
    assert httpx.get(running.url.removesuffix("/v1") + "/health").json()["status"] == "ok"


USER = {"role": "user", "content": "go"}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/chat/completions", [], "must be a JSON object"),
        ("/chat/completions", {}, "no message with role"),
        ("/chat/completions", {"messages": "x"}, "messages: must be a list"),
        ("/chat/completions", {"messages": [{"role": "user", "content": 7}]}, "content must be"),
        ("/chat/completions", {"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "'audio'"),
        ("/chat/completions", {"messages": [USER], "model": "gpt-9"}, "gpt-9.*not served"),
        ("/chat/completions", {"messages": [USER], OWNER: []}, None),
        ("/chat/completions", {"messages": [USER], OWNER: [1]}, "must be an object"),
        ("/chat/completions", {"messages": [USER], OWNER: {"points": [[1]]}}, "points: must be 2 numbers"),
        ("/chat/completions", {"messages": [USER], OWNER: {"points": [[1, True]]}}, "points"),
        ("/chat/completions", {"messages": [USER], OWNER: {"failures": [{"line": "x"}]}}, "failures.line"),
        ("/ground", {"images": [], "phrase": "cup"}, "exactly one"),
        ("/ground", {"phrase": ""}, "phrase"),
        ("/ground", {"images": ["http://127.0.0.1/x.png"], "phrase": "cup"}, "nothing is fetched"),
        ("/ground", {"images": ["file:///etc/passwd"], "phrase": "cup"}, "nothing is fetched"),
        ("/detect", {"images": ["data:image/png;base64,!!!"]}, "not base64"),
        ("/detect", {"images": ["data:image/png;base64,aGVsbG8="]}, "no readable"),
        ("/detect", {"images": 5}, "images: must be a list"),
        ("/detect", {"images": ["X"], "camera": 1}, "data:image"),
    ],
)
def test_every_bad_request_is_answered_with_the_field_that_is_wrong(
    running: Running, path: str, body: Any, words: str | None
) -> None:
    reply = running.post(path, body)
    if words is None:
        assert reply.status_code == 200
        return
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert re.search(words, error["message"]), error["message"]


def camera(**changes: Any) -> dict[str, Any]:
    values = {
        "name": "c",
        "fx": 50,
        "fy": 50,
        "cx": 32,
        "cy": 24,
        "position": [0, 0, 1],
        "quaternion": [1, 0, 0, 0],
    }
    return values | changes


@pytest.mark.parametrize(
    "bad", [{"fx": 0}, {"fx": "x"}, {"fy": None}, {"position": [0, 0]}, {"quaternion": [0, 0, 0, 0]},
            {"cx": 1e400}, {"name": 3}, {"position": [10**400, 0, 0]}]
)  # fmt: skip
def test_a_camera_that_cannot_be_is_refused(running: Running, bad: dict[str, Any]) -> None:
    body = json.dumps({"images": [data_url(frame().rgb)], "camera": camera(**bad)})
    reply = httpx.post(running.url + "/detect", content=body, timeout=10)
    assert reply.status_code == 400, reply.text


def test_depth_without_its_picture_is_refused(running: Running) -> None:
    depth = data_url(np.full((48, 64), 500, np.uint16))
    assert running.post("/detect", {"images": [depth]}).status_code == 400
    small = data_url(np.full((4, 6), 500, np.uint16))
    reply = running.post("/detect", {"images": [data_url(frame().rgb), small]})
    assert "differ in size" in reply.json()["error"]["message"]


def test_a_decompression_bomb_is_refused(running: Running) -> None:
    bomb = data_url(np.zeros((5000, 5000), np.uint16))  # 50 MB of zeros in 50 KB
    reply = running.post("/detect", {"images": [bomb]})
    assert reply.status_code == 400
    assert "too many" in reply.json()["error"]["message"]


def test_a_request_too_long_is_refused_before_it_is_read(running: Running) -> None:
    body = {"messages": [{"role": "user", "content": "x" * 2_100_000}]}
    assert running.post("/chat/completions", body).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    reply = httpx.post(running.url + "/detect", content=endless(), timeout=10)
    assert reply.status_code == 413


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN', b"null"])
def test_what_is_no_json_is_refused(running: Running, content: bytes) -> None:
    assert httpx.post(running.url + "/detect", content=content, timeout=10).status_code == 400


def test_a_failing_model_is_an_answer_without_its_internals_and_the_server_lives(running: Running) -> None:
    reply = running.post("/chat/completions", {"messages": [{"role": "user", "content": "break"}]})
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert running.post("/chat/completions", {"messages": [USER]}).status_code == 200


def test_unknown_paths_and_methods_are_refused(running: Running) -> None:
    assert httpx.get(running.url + "/nothing").status_code == 404
    assert httpx.get(running.url + "/chat/completions").status_code == 405


def test_one_request_runs_at_a_time_some_wait_and_the_rest_are_sent_away(running: Running) -> None:
    running.model.pause, running.model.most_together = 0.15, 0
    try:
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: running.post("/chat/completions", {"messages": [USER]}), range(8)))
    finally:
        running.model.pause = 0.0
    codes = [reply.status_code for reply in replies]
    assert running.model.most_together == 1
    assert set(codes) == {200, 503}
    assert codes.count(200) >= 3
    assert all(reply.headers["Retry-After"] for reply in replies if reply.status_code == 503)


def test_refusals_of_the_model_reach_the_planner_in_words(running: Running) -> None:
    with pytest.raises(PlannerError, match="the command is empty"):
        OpenAIPlanner(settings(running)).plan(PlanRequest(Command(" "), (frame(),)))

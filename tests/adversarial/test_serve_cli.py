"""Bad input on the command line: one clear line, a documented exit code, and nothing moved."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from embodied_agent.cli import main
from embodied_agent.record import read_events

BLOCKS = ["--scene", "blocks", "--perception", "truth"]
HOME = 'with task("x"):\n    home()\n'
PICK = 'with task("x"):\n    cube = find("red cube")\n    bowl = find("bowl")\n    place(cube, inside=bowl)\n'


class Program:
    """A server that answers every request with one text."""

    def __init__(self) -> None:
        self.text, self.pause = HOME, 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def reply(self, document: Any) -> None:
                data = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self.reply({"data": [{"id": "m"}]})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(outer.pause)
                self.reply({"choices": [{"message": {"content": outer.text}, "finish_reason": "stop"}]})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.options = [
            "--planner",
            "openai",
            "--planner-url",
            f"http://127.0.0.1:{self.server.server_address[1]}",
        ]


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    one = Program()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        program = request.getfixturevalue("server")
        program.text, program.pause = HOME, 0.0


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str) -> None:
    """One line on stderr that says what and what to do, nothing on stdout, and the right code."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, err
    assert words in lines[0], lines[0]
    assert "Traceback" not in err
    assert not out
    assert len(lines[0]) <= 2010


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("", "the command is empty"),
        (" \t\n ", "the command is empty"),
        ("?!... --", "the command is empty"),
        ("x" * 100_000, "100000 characters"),
        ("put the \x00\x01\x02 cube", "unprintable"),
        ("\udcff\udcfe\udc80 \udc81", "unprintable"),
        ("\ufffd\ufffd\ufffd", "unprintable"),
        ("\u202eput the cube\u202c away", "unprintable"),
    ],
)
def test_what_is_no_command_is_refused_at_once(capsys: pytest.CaptureFixture[str], task: str, words: str) -> None:
    start = time.monotonic()
    refused(capsys, ["run", "--", task], 2, words)
    refused(capsys, ["plan", "--", task], 2, words)
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--robot", "pandaa"], "did you mean 'panda'"),
        (["--robot", "no/such.yaml"], "no such file"),
        (["--planner", "bultin"], "did you mean 'builtin'"),
        (["--planner", "scripted"], "bench tabletop"),
        (["--planner-url", "http://127.0.0.1:1"], "--planner-url goes with"),
        (["--planner", "openai", "--planner-url", "nonsense"], "http://host:port/v1"),
        (["--planner", "transformers"], "--model"),
        (["--point", "12"], "--point"),
        (["--point", "a,b"], "--point"),
        (["--point", "nan,2"], "outside the image"),
        (["--point", "700,2"], "outside the image"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "many"], "--seed"),
        (["--deadline", "0"], "--deadline"),
        (["--speed", "10"], "--speed"),
        (["--out", "/proc/nothing/here"], "--out"),
    ],
)
def test_options_that_cannot_be_are_refused(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    refused(capsys, ["run", "go home", *options], 2, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("objects:\n  - {kind: cube, colour: red, position: [0.4, 0.0]}\n", "did you mean 'color'"),
        ("objekts: []\n", "did you mean 'objects'"),
        ("objects: [\n", "not valid YAML"),
        ("objects:\n  - {kind: dragon, color: red, position: [0.4, 0]}\n", "dragon"),
        ("objects:\n  - {kind: cube, color: red, position: [40, 0]}\n", ""),
        ("a: &a [x, x]\nb: [*a, *a]\n", "alias"),
        ("", "empty"),
    ],
)
def test_unreadable_scenes_name_file_and_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, server: Program, text: str, words: str
) -> None:
    path = tmp_path / "scene.yaml"
    path.write_text(text)
    refused(capsys, ["run", "go", "--scene", str(path), "--perception", "truth", *server.options], 2, words)


def test_scene_and_robot_that_are_no_text_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, server: Program
) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    refused(capsys, ["run", "go", "--scene", str(path), "--perception", "truth", *server.options], 2, "UTF-8")
    refused(capsys, ["run", "go", "--robot", str(path), *server.options], 2, "UTF-8")
    none = str(tmp_path / "none.yaml")
    refused(capsys, ["run", "go", "--scene", none, *server.options, "--perception", "truth"],
            2, "no such file")  # fmt: skip


def test_missing_and_truncated_weights_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    refused(capsys, ["run", "go home", *BLOCKS, "--model", str(tmp_path)], 4, str(tmp_path))
    (tmp_path / "model.json").write_text("{")
    (tmp_path / "model.safetensors").write_bytes(b"\x10")
    refused(capsys, ["run", "go home", *BLOCKS, "--model", str(tmp_path)], 4, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I'm sorry, I can't.", "wrote no program"),
        ('with task("x"):\n    import os\n', "wrote no program"),
        ('with task("x"):\n    with unit("a", speed=10):\n        home()\n', "speed"),
        ('with task("x"):\n    move_at(10)\n', "move_at"),
        ('with task("x"):\n    open_gripper()\n', "open_gripper"),
        ("x" * 300_000, "wrote no program"),
    ],
)
def test_server_talking_nonsense_moves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, server: Program, text: str, words: str
) -> None:
    server.text = text
    refused(capsys, ["run", "go", *BLOCKS, *server.options, "--out", str(tmp_path)], 4, words)
    assert not [event for event in read_events(tmp_path) if event.get("kind")]


def test_server_that_is_down_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--planner", "openai", "--planner-url", "http://127.0.0.1:1"]
    refused(capsys, ["run", "go", *BLOCKS, *options], 4, "http://127.0.0.1:1/v1")


def test_program_files_are_checked_with_places(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "p.py"
    path.write_text('with task("x"):\n    fnd("cube")\n    pick(cub)\n')
    assert main(["check", str(path)]) == 3
    err = capsys.readouterr().err
    assert f"{path}:2:5" in err and f"{path}:3:" in err
    path.write_text(HOME)
    assert main(["check", str(path)]) == 0
    assert "accepted" in capsys.readouterr().out


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"\x00" * 100, b"(" * 50_000, b"x = " + b"9" * 900_000, b"#" * 2_000_000]
)
def test_files_that_are_no_program_are_refused_in_bounded_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "p.py"
    path.write_bytes(data)
    start = time.monotonic()
    assert main(["check", str(path)]) in (2, 3)
    assert time.monotonic() - start < 20
    assert capsys.readouterr().err.startswith("error: ")


def test_commands_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused(capsys, ["dance"], 2, "dance")
    refused(capsys, ["run"], 2, "task")
    refused(capsys, ["bench", "tabletop", "--families", "stak"], 2, "did you mean 'stack'")
    refused(capsys, ["replay", str(tmp_path)], 2, "events.jsonl")
    refused(capsys, ["check", str(tmp_path / "none.py")], 2, "No such file")


def test_every_command_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["run"], ["plan"], ["check"], ["bench"], ["bench", "tabletop"], ["bench", "latency"],
                    ["bench", "language"], ["train"],
                    ["serve"], ["primitives"], ["doctor"], ["replay"]):  # fmt: skip
        assert main([*command, "--help"]) == 0
        assert "Example: embodied-agent" in capsys.readouterr().out, command


def test_a_run_prints_one_json_line(capsys: pytest.CaptureFixture[str], server: Program) -> None:
    assert main(["run", "go home", *BLOCKS, *server.options, "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    account = json.loads(out)
    assert (account["verdict"], account["perception"], account["robot"]) == ("done", "truth", "panda")
    assert account["truth"]["objects"]
    assert account["timings"]["total_s"] > 0


@pytest.mark.parametrize(("call", "code", "verdict"), [("refuse", 11, "refused"), ("ask", 12, "asked")])
def test_refusals_and_questions_have_their_own_exit_codes(
    capsys: pytest.CaptureFixture[str], server: Program, call: str, code: int, verdict: str
) -> None:
    server.text = f'with task("x"):\n    {call}("Because of the rain.")\n'
    assert main(["run", "fly", *BLOCKS, *server.options]) == code
    assert f"{verdict}: Because of the rain." in capsys.readouterr().out


def test_an_absent_object_fails_with_its_name_and_code_10(
    capsys: pytest.CaptureFixture[str], server: Program
) -> None:
    server.text = 'with task("x"):\n    b = find("white bottle")\n    pick(b)\n'
    assert main(["run", "pick up the bottle", *BLOCKS, *server.options]) == 10
    assert "found no 'white bottle'" in capsys.readouterr().out


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"MUJOCO_GL": "egl", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"} | more


def start(arguments: list[str], **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "embodied_agent.cli", *arguments], env=environment(**more), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_mid_motion_the_arm_stops_and_files_are_whole(
    server: Program, tmp_path: Path, number: signal.Signals
) -> None:
    server.text = PICK
    process = start(["run", "put it away", *BLOCKS, *server.options, "--out", str(tmp_path), "--json"])
    try:
        until = time.monotonic() + 120
        while not (tmp_path / "events.jsonl").is_file() or "move_to_pregrasp" not in (
            tmp_path / "events.jsonl"
        ).read_text(errors="replace"):
            assert time.monotonic() < until and process.poll() is None, "no motion began"
            time.sleep(0.01)
        sent = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert time.monotonic() - sent < 60
    account = json.loads(out)
    assert account["verdict"] == "cancelled"
    assert "Traceback" not in err
    assert {event["kind"] for event in read_events(tmp_path) if "kind" in event} >= {"started", "cancelled"}
    assert (tmp_path / "program.py").read_text().startswith("with task(")
    assert json.loads((tmp_path / "run.json").read_text())["verdict"] == "cancelled"
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_interrupted_while_planning_ends_at_once(server: Program, tmp_path: Path) -> None:
    server.pause = 200.0
    process = start(["run", "put it away", *BLOCKS, *server.options, "--out", str(tmp_path)])
    try:
        until = time.monotonic() + 120
        while not list(tmp_path.glob("frames/*.jpg")):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "error: cancelled" in err.splitlines()[-1]
    assert "</html>" in (tmp_path / "report.html").read_text()


def test_without_rendering_the_error_says_what_to_install(server: Program) -> None:
    process = start(["run", "go home", *BLOCKS, *server.options], MUJOCO_GL="disable")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 5, err
    assert "error: " in err and "Traceback" not in err
    assert "MUJOCO_GL" in err or "libegl1" in err or "render" in err

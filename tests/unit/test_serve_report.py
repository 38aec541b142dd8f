"""The files of a run, its story told from events, and the page made of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embodied_agent.errors import BadInput
from embodied_agent.record import Recorder, annotated, plain, read_events, write_whole
from embodied_agent.report import write_report
from embodied_agent.story import story_of
from embodied_agent.types import Detection

PROGRAM = 'with task("put <b>it</b> away"):\n    cube = find("red cube")\n    pick(cube)\n'


def event(kind: str, path: str, label: str, time: float, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "path": path, "label": label, "level": "primitive", "line": 1, "time": time} | more


EVENTS = [
    {"type": "plan", "program": PROGRAM, "grounding": ["red cube <one>"], "seconds": 0.4},
    event("started", "1", 'task("put <b>it</b> away")', 0.0, level="task"),
    event("started", "1.1", 'cube = find("red cube")', 0.01),
    event("succeeded", "1.1", 'cube = find("red cube")', 0.2, duration=0.19, evidence={"found": 1}),
    event("started", "1.2", "pick(cube)", 0.2, level="skill"),
    event("started", "1.2.1", "retry(times=3)", 0.2, level="control"),
    event("started", "1.2.1.1", "close_gripper()", 0.3),
    event("failed", "1.2.1.1", "close_gripper()", 1.0, duration=0.7, reason="width 0.001 m, expected 0.04 m"),
    event("started", "1.2.1.1", "close_gripper()", 1.0, attempt=2),
    event("succeeded", "1.2.1.1", "close_gripper()", 1.5, duration=0.5, attempt=2),
    event("succeeded", "1.2.1", "retry(times=3)", 1.5, duration=1.3),
    event("succeeded", "1.2", "pick(cube)", 1.6, duration=1.4),
    event("succeeded", "1", 'task("put <b>it</b> away")', 1.6, duration=1.6),
]
ACCOUNT = {
    "command": "put <b>it</b> away",
    "programs": [PROGRAM],
    "grounding": ["red cube <one>"],
    "verdict": "done",
    "message": "",
    "remarks": ["here you are"],
    "timings": {"plan_s": 0.4, "command_to_motion_s": 0.9, "total_s": 2.4, "vision_s": 0.1},
    "seed": 3,
    "robot": "panda",
    "planner": "builtin",
    "perception": "camera",
    "audit": [{"time": 0.3, "decision": "clamped", "joint": "joint2"}],
    "versions": {"python": "3.11"},
    "truth": {"success": False, "objects": {"red_cube": {"position": [0.1, 0.2, 0.3]}}},
}


def scene() -> np.ndarray:
    picture = np.full((120, 160, 3), 200, np.uint8)
    picture[40:60, 70:90] = (200, 30, 30)
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Recorder(tmp_path / "run") as recorder:
        recorder.frame(scene(), "before", role="before")
        for entry in EVENTS:
            recorder.event(entry)
        mask = np.zeros((120, 160), bool)
        mask[40:60, 70:90] = True
        recorder.perceived(scene(), [Detection(mask, "cube", "red", 0.9)], (80, 50), "red cube", path="1.1")
        for _ in range(5):
            recorder.film(scene())
        recorder.program(PROGRAM)
        recorder.account(ACCOUNT)
    return tmp_path / "run"


class Links(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "data")]
        assert tag != "script"
        if tag not in ("meta", "img", "i", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "i":
            assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
            self.open.pop()


def test_page_is_whole_and_loads_nothing_from_elsewhere(folder: Path) -> None:
    html = write_report(folder).read_text()
    links = Links()
    links.feed(html)
    assert not links.open
    assert links.loads and all(address.startswith("data:") for address in links.loads)
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", html).replace("http-equiv", "")


def test_page_shows_the_words_of_the_command_as_text_not_as_markup(folder: Path) -> None:
    html = write_report(folder).read_text()
    assert "put &lt;b&gt;it&lt;/b&gt; away" in html
    assert "<b>it</b>" not in html


def test_page_says_that_truth_disagrees_with_the_verdict(folder: Path) -> None:
    html = write_report(folder).read_text()
    assert "not accomplished" in html and "disagrees" in html


def test_page_names_the_failed_try_with_what_was_measured(folder: Path) -> None:
    html = write_report(folder).read_text()
    assert "width 0.001 m, expected 0.04 m" in html
    assert "try 2" in html


def test_ablations_are_marked_as_such(folder: Path) -> None:
    account = ACCOUNT | {"perception": "truth", "planner": "scripted"}
    (folder / "run.json").write_text(json.dumps(account))
    assert write_report(folder).read_text().count("Ablation:") == 2


def test_a_default_run_is_not_marked_as_an_ablation(folder: Path) -> None:
    assert "Ablation" not in write_report(folder).read_text()


def test_a_run_without_an_account_still_gives_a_page(folder: Path) -> None:
    (folder / "run.json").unlink()
    html = write_report(folder).read_text()
    assert "broken off" in html and "pick(cube)" in html


def test_story_keeps_tries_apart_and_nests_by_path() -> None:
    story = story_of(EVENTS)
    assert len(story.trees) == 1
    task = story.trees[0]
    assert [child.label for child in task.children] == ['cube = find("red cube")', "pick(cube)"]
    tries = task.children[1].children[0].children
    assert [(item.status, item.attempt) for item in tries] == [("failure", 1), ("success", 2)]


def test_story_of_a_repaired_run_has_one_tree_for_each_program() -> None:
    assert len(story_of([*EVENTS, *EVENTS]).trees) == 2


def test_rounds_of_a_loop_hang_below_the_loop() -> None:
    events = [
        event("started", "1", "task", 0),
        event("started", "1.1", "for x in found", 0),
        event("started", "1.1[2].1", "pick(x)", 1),
    ]
    assert story_of(events).trees[0].children[0].children[0].label == "pick(x)"


def test_odd_events_are_kept_and_do_no_harm() -> None:
    odd = [{"kind": "started"}, {"kind": 7, "path": "1"}, {"type": "safety", "decision": "stop"},
           event("succeeded", "9.9.9", "orphan", 1.0, duration="long", attempt="x", evidence=[1])]  # fmt: skip
    story = story_of(odd)
    assert len(story.notes) == 3
    assert story.trees[0].label == "orphan"


def test_a_cut_off_last_line_is_left_out(folder: Path) -> None:
    path = folder / "events.jsonl"
    whole = read_events(folder)
    path.write_bytes(path.read_bytes()[:-15])
    assert read_events(folder) == whole[:-1]


def test_damage_in_the_middle_is_named_with_its_line(folder: Path) -> None:
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:10]
    path.write_text("\n".join(lines))
    with pytest.raises(BadInput, match="line 3"):
        read_events(folder)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"events\.jsonl"):
        write_report(tmp_path)


def test_an_unwritable_folder_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="--out"):
        Recorder(tmp_path / "file" / "run")


def test_a_second_run_into_a_folder_leaves_nothing_of_the_first(folder: Path) -> None:
    with Recorder(folder) as recorder:
        recorder.event(EVENTS[0])
    assert sorted(p.name for p in folder.rglob("*") if p.is_file()) == ["events.jsonl"]


def test_every_number_that_a_primitive_may_measure_becomes_json() -> None:
    odd = {
        "a": np.float32(1.5),
        2: np.arange(3),
        "n": float("nan"),
        "t": (1, {2}),
        "o": object,
        "b": np.bool_(True),
    }
    text = json.dumps(plain(odd), allow_nan=False)
    assert json.loads(text)["a"] == 1.5
    assert json.loads(text)["n"] is None
    assert json.loads(text)["b"] is True


def test_annotation_tints_the_mask_and_leaves_the_rest() -> None:
    mask = np.zeros((120, 160), bool)
    mask[60:100, 20:60] = True
    shown = annotated(scene(), [Detection(mask, "mug", "blue", 0.5)])
    assert (shown[80, 40] != scene()[80, 40]).any()
    assert (shown[110, 150] == scene()[110, 150]).all()


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "program.py"
    write_whole(path, "old")

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError):
        write_whole(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["program.py"]
    assert path.read_text() == "old"


def test_files_are_whole_when_the_process_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, numpy as np\n"
        "from embodied_agent.record import Recorder\n"
        f"r = Recorder({str(tmp_path / 'run')!r})\n"
        "r.program('with task(\"x\"):\\n    home()\\n')\n"
        "for i in range(20):\n"
        "    r.event({'kind': 'started', 'path': f'1.{i}', 'label': 'home()', 'time': i})\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert len(read_events(tmp_path / "run")) == 20
    assert (tmp_path / "run" / "program.py").read_text().endswith("home()\n")


def test_video_plays(folder: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(folder / "video.mp4"))
    assert frames == 5


WITHOUT = """
import sys
class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"mujoco", "torch", "open3d", "mink", "ompl", "toppra", "ruckig", "transformers",
                                  "fastapi", "scipy", "cv2", "matplotlib", "trimesh"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Bare())
from embodied_agent.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_programs_are_checked_and_runs_replayed_with_the_core_packages_alone(folder: Path) -> None:
    for arguments in (["check", str(folder / "program.py")], ["primitives", "--json"], ["replay", str(folder)]):
        command = [sys.executable, "-c", WITHOUT, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, (arguments, ended.stderr)


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    command = [sys.executable, "-c", WITHOUT, "run", "go home"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 7
    assert "pip install" in ended.stderr.splitlines()[-1]

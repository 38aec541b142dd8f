"""What is measured over ROS: the arithmetic of its figures, and what is refused; none of it needs ROS."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from embodied_agent.benchmark.comparison import Comparison, compare, comparison_html
from embodied_agent.benchmark.metrics import EpisodeRecord
from embodied_agent.benchmark.pool import Done
from embodied_agent.benchmark.primitives import Ended, Ends, PrimitiveTime, added, times
from embodied_agent.benchmark.runner import BenchOptions, Job, run_bench
from embodied_agent.cli import main
from embodied_agent.errors import BadInput, MissingDependency
from embodied_agent.program.events import Event
from embodied_agent.ros.measuring import possible
from embodied_agent.ros.measuring.rows import exercise_rows, stream_rows
from embodied_agent.ros.measuring.stream import stream_figures

# -- primitives -----------------------------------------------------------------------------------


def line(stamp: float, verb: str, decision: str, **numbers: Any) -> dict[str, Any]:
    return {"stamp": stamp, "verb": verb, "decision": decision, "reason": "", "numbers": numbers}


AUDIT = [
    {"wall": 3.0, "verb": "goal", "decision": "accepted"},  # the node's own lines have no stamp
    line(1.0, "grip", "allowed", width=0.08),
    line(1.5, "grip", "done", duration=0.5),
    line(2.0, "follow", "allowed", duration=1.25),
    line(3.5, "follow", "done", duration=1.4),
    line(3.5, "follow", "allowed", duration=2.0, until_contact=3.0),
    line(4.0, "follow", "done", duration=0.5),
    line(4.0, "follow", "refused"),
    line(5.0, "wait", "allowed", seconds=1.0),
    line(6.125, "wait", "done", duration=1.1),
    line(7.0, "follow", "allowed", duration=3.0),
    line(7.5, "follow", "stopped"),
]
ENDS = [
    Ended("1.1", "find", 1, 0.2, 0.9),
    Ended("1.2", "open_gripper", 1, 0.6, 1.5),
    Ended("1.3", "move_to", 1, 2.6, 4.0),
    Ended("1.4", "locate", 1, 0.1, 4.0),
    Ended("1.5", "wait", 1, 1.2, 6.1251),
    Ended("1.6", "move_to", 1, 1.0, 8.0),
]


def test_each_command_belongs_to_the_primitive_that_ended_after_it() -> None:
    found = {time.path: (time.commands, time.counted, time.waited_s) for time in times(ENDS[4:] + ENDS[:4], AUDIT)}
    assert found == {
        "1.1": (0, 0, None),
        "1.2": (1, 1, 0.5),  # fingers have no planned time
        "1.3": (2, 1, 0.25),  # what a contact may end is not counted
        "1.4": (0, 0, None),
        "1.5": (1, 1, 0.125),
        "1.6": (1, 0, None),  # what was stopped is not counted
    }


def test_ends_are_stamped_by_the_robots_clock_and_only_of_primitives_that_succeeded() -> None:
    clock = iter((5.0, 6.0))
    ends = Ends(lambda: next(clock))
    for kind, level in (("started", "primitive"), ("succeeded", "skill"), ("failed", "primitive")):
        ends(Event(kind, "1", "x", level, 1))
    ends(Event("succeeded", "1.1", "find()", "primitive", 2, duration=0.25))
    assert ends.found == [Ended("1.1", "find()", 1, 0.25, 5.0)]


def test_only_the_same_node_with_the_same_commands_is_compared() -> None:
    direct = [
        PrimitiveTime("1", "home()", 1, 0.1, 1, 1, 0.125),
        PrimitiveTime("2", "find()", 1, 0.25),
        PrimitiveTime("3", "push()", 1, 0.1, 3, 2, 0.5),
        PrimitiveTime("4", "home()", 1, 0.1, 1, 1, 0.5),
    ]
    ros = [
        PrimitiveTime("1", "home()", 1, 9.0, 1, 1, 0.1875),
        PrimitiveTime("2", "find()", 1, 0.75),
        PrimitiveTime("3", "push()", 1, 9.0, 4, 2, 0.5),  # one command more
        PrimitiveTime("4", "home()", 2, 9.0, 1, 1, 0.5),  # another attempt
        PrimitiveTime("5", "find()", 1, 0.75),  # not there directly
    ]
    assert added(direct, ros) == ([0.0625], [0.5])


# -- the two paths side by side -------------------------------------------------------------------


def record(number: int, success: bool, waited: float = 0.0, **others: Any) -> EpisodeRecord:
    given = {"plans": 1, "program": "p", "primitives": (PrimitiveTime("1", "home()", 1, 0.1, 1, 1, waited),)}
    return EpisodeRecord(f"open-{number}", "open", number, "c", "done", success, "done", **{**given, **others})


def test_success_is_compared_over_the_episodes_that_both_paths_have() -> None:
    direct = [record(k, k != 3) for k in range(10)]
    ros = [record(k, k not in (5, 6), 0.05, pace=1.0) for k in range(1, 10)]
    found = compare(direct, ros)
    assert (found.direct.count, found.ros.count, found.direct.total) == (8, 7, 9)
    assert (found.only_direct, found.only_ros) == (("open-5", "open-6"), ("open-3",))
    assert math.isclose(found.points, -100 / 9)
    assert found.moving.p50 == pytest.approx(0.05) and found.paired == 9 and found.pace.p50 == 1.0
    rows = {what: (told, mark) for what, told, _, mark in found.rows()}
    assert rows["difference"] == ("-11.1 points (2 lost, 1 won)", "not met")
    assert rows["added to a primitive that moves"] == ("p50 50 ms, p95 50 ms, n 9", "met")
    document = json.loads(json.dumps(found.as_json()))
    assert document["points"] == -11.11 and document["ros"]["low"] < 7 / 9 < document["ros"]["high"]


def test_episodes_that_were_repaired_or_planned_otherwise_are_not_compared_node_by_node() -> None:
    ros = [record(0, True, 0.1, plans=2), record(1, True, 0.1, program="q"), record(2, True, 0.1)]
    found = compare([record(k, True) for k in range(3)], ros)
    assert found.paired == 1 and found.moving.n == 1 and found.direct.total == 3


def test_nothing_to_compare_is_said_and_no_target_is_met() -> None:
    found: Comparison = compare([], [])
    assert found.as_json()["points"] is None
    assert [mark for *_, mark in found.rows()] == [""] * 6
    assert "– (no pairs)" in comparison_html(found)


def test_a_record_with_times_comes_back_from_its_file_as_it_was() -> None:
    there = record(1, True, 0.125, pace=0.98)
    assert EpisodeRecord.from_json(json.loads(json.dumps(there.as_json()))) == there


# -- running and resuming ---------------------------------------------------------------------------


def test_episodes_that_run_elsewhere_are_resumed_and_ended_with_whoever_asks(tmp_path: Path) -> None:
    options = BenchOptions(episodes=2, families=("open",), planner="scripted", backend="ros2")
    asked: list[list[str]] = []
    ended: list[bool] = []

    def execute(jobs: Sequence[Job]) -> Generator[Done[Job], None, None]:
        asked.append([job.id for job in jobs])
        try:
            for job in jobs:
                yield Done(job, record(job.seed, True, pace=1.0).as_json() | {"id": job.id})
        finally:
            ended.append(True)

    def interrupt(found: EpisodeRecord, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_bench(options, tmp_path, 1, interrupt, execute)
    assert ended == [True]
    records = run_bench(options, tmp_path, 1, execute=execute)
    assert asked == [["open-000000", "open-000001"], ["open-000001"]]
    assert [each.id for each in records] == ["open-000000", "open-000001"]


def test_a_folder_of_the_other_path_is_refused_and_one_from_before_there_were_two_is_not(tmp_path: Path) -> None:
    def nothing(jobs: Sequence[Job]) -> Generator[Done[Job], None, None]:
        yield from ()

    options = BenchOptions(episodes=1, families=("open",))
    run_bench(options, tmp_path, 1, execute=nothing)
    file = tmp_path / "options.json"
    before = {key: value for key, value in json.loads(file.read_text()).items() if key != "backend"}
    file.write_text(json.dumps(before))
    run_bench(options, tmp_path, 1, execute=nothing)
    file.write_text(json.dumps(before))
    with pytest.raises(BadInput, match="backend 'mujoco', now 'ros2'"):
        run_bench(BenchOptions(episodes=1, families=("open",), backend="ros2"), tmp_path, 1, execute=nothing)
    assert options.combination == "builtin x camera"
    assert BenchOptions(backend="ros2").combination == "builtin x camera over ROS"


# -- images -------------------------------------------------------------------------------------------


def test_a_stream_that_keeps_up_has_lost_nothing_and_does_not_grow_old() -> None:
    stamps = [1.0 + k / 30 for k in range(61)]
    found = stream_figures([(stamp, stamp + 0.02) for stamp in stamps], {*stamps, 0.9, 9.9}, 30.0)
    assert (found.received, found.lost, found.undrawn) == (61, 0, 0)
    assert found.hz == 30.0 and found.seconds == 2.0
    assert found.age.p50 == pytest.approx(0.02) and abs(found.growth) < 1e-6
    marks = {row.what: row.met for row in stream_rows("images", found, (200.0, 201.0))}
    assert marks["rate received"] and marks["lost on the way"] and marks["older at the end than at the beginning"]


def test_what_got_lost_is_told_from_what_was_never_drawn() -> None:
    stamps = [k / 10 for k in range(21)]
    drawn = [stamp for k, stamp in enumerate(stamps) if k not in (4, 5)]
    arrived = [stamp for stamp in drawn if stamp not in (stamps[7], stamps[9], stamps[11])]
    found = stream_figures([(stamp, stamp + 0.01) for stamp in arrived], set(drawn), 10.0)
    assert (found.received, found.lost, found.undrawn) == (16, 3, 2)
    marks = {row.what: row.met for row in stream_rows("images", found, (200.0, 201.0))}
    assert not marks["rate received"] and not marks["lost on the way"]


def test_a_queue_that_grows_shows_in_the_age_of_the_images() -> None:
    found = stream_figures([(k / 30, k / 30 + 0.01 + 0.002 * k) for k in range(120)], (), 30.0)
    assert found.growth == pytest.approx(0.18, abs=0.005) and found.oldest == pytest.approx(0.248)
    rows = {row.what: row for row in stream_rows("images", found, (200.0, 201.0))}
    assert rows["older at the end than at the beginning"].met is False


@pytest.mark.parametrize("arrivals", [[], [(1.0, 1.01)]])
def test_images_that_hardly_come_are_no_rate(arrivals: list[tuple[float, float]]) -> None:
    found = stream_figures(arrivals, {1.0, 1.1, 1.2}, 30.0)
    assert found.hz == 0.0 and found.received == len(arrivals) and found.lost == 3 - len(arrivals)
    json.dumps(found.as_json())


# -- rows ---------------------------------------------------------------------------------------------


def test_rows_tell_what_each_figure_is_and_whether_the_arm_stopped_in_time() -> None:
    def spread(most: float) -> dict[str, float]:
        return {"n": 50, "p50": 0.02, "p95": 0.08, "max": most}

    numbers = {"moving": 48, "stop_s": spread(0.09), "cancel_sent_s": spread(1.5), "memory_mb": [200.0, 210.5]}
    rows = {row.what: row for row in exercise_rows("cancelled", numbers)}
    assert rows["request to standstill, as the node measures it"].met is True
    cells = rows["request to the cancel's departure from the node"].cells()
    assert cells[1:] == ["50", "20 ms", "80 ms", "1.50 s", "", ""]
    assert rows["memory"].told == "200 → 210.5 MB" and rows["moving"].cells()[:3] == ["moving", "", "48"]
    (late,) = exercise_rows("cancelled", {"stop_s": spread(0.11)})
    assert late.met is False and late.cells()[-2:] == ["max <= 100 ms", "not met"]
    assert exercise_rows("cancelled", {"stop_s": {}}) == []


# -- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backend", "ros"], "mujoco, ros2 or both"),
        (["--backend", "ros2", "--perception", "truth"], "sees through cameras alone"),
        (["--backend", "both", "--combinations"], "perception truth"),
        (["--backend", "ros2", "--workers", "2"], "real time"),
        (["--backend", "ros2", "--planner", "transformers"], "--planner openai --planner-url"),
        (["--domain", "102"], "101"),
    ],
)
def test_what_has_no_way_over_ros_is_refused_in_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "tabletop", "--out", str(tmp_path / "out"), *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told and told.startswith("error: ") and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [["ros"], ["tabletop", "--backend", "both", "--planner", "scripted"]])
def test_without_ros_the_line_says_what_is_missing_before_anything_runs(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(possible, "NEEDED", ("no_such_ros",))
    assert main(["bench", *command, "--out", str(tmp_path / "out")]) == MissingDependency.exit_code
    told = capsys.readouterr().err
    assert "no_such_ros" in told and "source ROS 2" in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["tabletop", "ros"])
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", command, "--help"]) == 0
    assert f"Example: embodied-agent bench {command}" in " ".join(capsys.readouterr().out.split())

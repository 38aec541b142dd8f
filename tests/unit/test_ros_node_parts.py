"""The parts of the node that need no other process: parameters, tree, markers, consent, audit, diagnostics."""

import json
import math
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("embodied_agent_interfaces", reason="needs the built interface package")

import yaml
from builtin_interfaces.msg import Time
from unique_identifier_msgs.msg import UUID
from visualization_msgs.msg import Marker

from embodied_agent import consent as consents
from embodied_agent.config import find_config
from embodied_agent.errors import CameraError, Cancelled, CommandRefused, ConfigError, PlannerError, SafetyStop
from embodied_agent.program.events import Event
from embodied_agent.robots.ros2.controller_state import ControllerReading
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.ros import diagnostics, parameters
from embodied_agent.ros.audit import AuditLog
from embodied_agent.ros.consent import LOOK, Consent
from embodied_agent.ros.markers import MarkerBoard
from embodied_agent.ros.minds import ModelReading
from embodied_agent.ros.requests import Result, check_inside, command_of, outcome_of, sentence_of, time_limit_of
from embodied_agent.ros.tree import LONGEST, GoalTree, deepest_failure, key_values
from embodied_agent.types import Object, Pose
from embodied_agent_interfaces.msg import Pixel, ProgramNode

STAMP = Time(sec=7, nanosec=5)


# -- parameters


def test_every_parameter_says_what_it_means_and_numbers_have_a_range() -> None:
    for row in parameters.ROWS:
        described = row.descriptor()
        assert len(described.description) > 10, row.name
        if isinstance(row.default, float):
            assert described.floating_point_range[0].from_value <= row.default, row.name
            assert described.floating_point_range[0].to_value >= row.default, row.name
        elif isinstance(row.default, int) and not isinstance(row.default, bool):
            assert described.integer_range[0].from_value <= row.default <= described.integer_range[0].to_value


def test_a_robot_of_ones_own_without_an_interface_has_the_names_of_its_own_or_the_defaults(tmp_path: Path) -> None:
    text = find_config("panda", "robots").read_text()

    def given(name: str, interface: str = "") -> Any:
        (tmp_path / "arm.yaml").write_text(text.replace("name: panda", f"name: {name}", 1))
        values = {"robot": str(tmp_path / "arm.yaml"), "interface": interface}
        node = SimpleNamespace(get_parameter=lambda key: SimpleNamespace(value=values[key]))
        return parameters._loaded(node)

    assert given("mine") == Ros2Interface()
    assert given("ur5e").trajectory_action.startswith("scaled_")
    assert given("mine", "ur5e") == given("ur5e")


def test_settings_have_exactly_the_parameters_of_the_table() -> None:
    assert parameters.Settings(**parameters.defaults()).robot == "panda"


@pytest.mark.parametrize("name", ["agent", "agent_sim"])
def test_a_parameter_file_names_only_parameters_that_exist_and_gives_them_their_type(name: str) -> None:
    given = yaml.safe_load(find_config(name, "ros2").read_text())["/**"]["ros__parameters"]
    known = dict(parameters.defaults())
    for key, value in given.items():
        if key != "use_sim_time":
            assert type(value) is type(known[key]), key
    assert (given.get("consent", "task") == "task") is (name == "agent")


def test_a_real_robot_demands_consent_by_default() -> None:
    assert parameters.defaults()["consent"] == "task"


def test_a_kind_of_consent_that_does_not_exist_is_said_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match="'units'; it is none, task or unit"):
        parameters.Settings(**{**parameters.defaults(), "consent": "units"})
    row = next(row for row in parameters.ROWS if row.name == "consent")
    assert row.descriptor().additional_constraints == "one of: none, task, unit"


def test_an_empty_robot_or_address_is_said() -> None:
    with pytest.raises(ConfigError, match="'robot' is empty"):
        parameters.Settings(**{**parameters.defaults(), "robot": " "})
    with pytest.raises(ConfigError, match="planner_url"):
        parameters.Settings(**{**parameters.defaults(), "planner_url": ""})


def test_the_audit_log_lies_in_the_log_folder_of_ros(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    assert parameters.Settings(**parameters.defaults()).audit_path == tmp_path / "embodied_agent_audit.jsonl"


# -- judging what clients send


def test_a_goal_becomes_a_command_with_its_points() -> None:
    command = command_of("  put this   there ", [Pixel(x=1.5, y=2.0), Pixel(x=30.0, y=40.0)])
    assert (command.text, command.points) == ("put this there", ((1.5, 2.0), (30.0, 40.0)))


@pytest.mark.parametrize(
    ("instruction", "points", "reason"),
    [
        ("", [], "empty"),
        ("x" * 100_000, [], "100000 characters"),
        ("hello \x00\x07", [], "unprintable"),
        ("this", [(math.nan, 1.0)], "no pixel"),
        ("this", [(1.0, math.inf)], "no pixel"),
        ("this", [(-3.0, 1.0)], "outside"),
        ("this", [(1.0, 1.0)] * 5, "at most 4"),
    ],
)
def test_a_goal_that_cannot_be_used_says_why(
    instruction: str, points: list[tuple[float, float]], reason: str
) -> None:
    with pytest.raises(CommandRefused, match=reason):
        command_of(instruction, [SimpleNamespace(x=x, y=y) for x, y in points])


def test_the_edge_pixels_of_an_image_are_inside_it() -> None:
    check_inside(command_of("this", [Pixel(x=0.0, y=0.0), Pixel(x=639.0, y=479.0)]), 640, 480)
    with pytest.raises(CommandRefused, match="640x480"):
        check_inside(command_of("this", [Pixel(x=640.0, y=1.0)]), 640, 480)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, 301.0])
def test_a_time_limit_that_cannot_be_kept_is_refused(seconds: float) -> None:
    with pytest.raises(CommandRefused):
        time_limit_of(seconds, 300.0)


def test_no_time_limit_means_the_nodes_own() -> None:
    assert (time_limit_of(0.0, 300.0), time_limit_of(5.0, 300.0)) == (300.0, 5.0)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (CommandRefused("no"), Result.INVALID),
        (PlannerError("no"), Result.NO_PROGRAM),
        (SafetyStop("no"), Result.STOPPED),
        (Cancelled("no"), Result.CANCELLED),
        (CameraError("no"), Result.ROBOT_FAULT),
        (ZeroDivisionError("no"), Result.FAILED),
    ],
)
def test_every_error_has_its_outcome(error: Exception, outcome: int) -> None:
    assert outcome_of(error) == outcome
    assert "no" in sentence_of(error)


# -- the tree


def event(kind: str, path: str, **more: object) -> Event:
    return Event(kind, path, f"node {path}", "primitive", 3, **more)  # type: ignore[arg-type]


def tree() -> GoalTree:
    return GoalTree(UUID(), "go")


def test_the_tree_keeps_the_order_of_starting_and_the_newest_state() -> None:
    grown = tree()
    for happened in (event("started", "1"), event("started", "1.1"), event("succeeded", "1.1", duration=1.25)):
        grown.tell(happened, STAMP)
    message = grown.message(STAMP, "world")
    assert [(node.path, node.status) for node in message.nodes] == [("1", 1), ("1.1", 2)]
    assert message.nodes[1].parent == "1"
    assert (message.nodes[1].duration.sec, message.nodes[1].duration.nanosec) == (1, 250_000_000)
    assert message.header.frame_id == "world"


def test_a_repaired_program_begins_a_new_tree() -> None:
    grown = tree()
    grown.tell(event("failed", "1"), STAMP)
    grown.begin("with task(...)")
    assert (grown.nodes, grown.program) == ([], "with task(...)")


def test_the_failing_node_is_the_deepest_that_failed() -> None:
    grown = tree()
    for happened in (
        event("failed", "1.1.1"),  # tried again, and it worked
        event("succeeded", "1.1.1"),
        event("failed", "1.2.1", reason="slipped"),
        event("failed", "1.2"),
        event("failed", "1"),
    ):
        grown.tell(happened, STAMP)
    failing = deepest_failure(grown.nodes)
    assert failing is not None
    assert (failing.path, failing.reason) == ("1.2.1", "slipped")


def test_a_cancelled_node_is_named_where_none_failed() -> None:
    grown = tree()
    grown.tell(event("cancelled", "1.1"), STAMP)
    grown.tell(event("cancelled", "1"), STAMP)
    failing = deepest_failure(grown.nodes)
    assert failing is not None
    assert (failing.path, failing.status) == ("1.1", ProgramNode.CANCELLED)


def test_evidence_is_json_of_bounded_length() -> None:
    rows = key_values({"pose": [1.0, 2.0], "word": "red", "long": list(range(5000))})
    assert json.loads(rows[0].value) == [1.0, 2.0]
    assert rows[1].value == "red"
    assert len(rows[2].value) < LONGEST + 10


def test_text_that_no_message_can_carry_is_made_sendable() -> None:
    grown = GoalTree(UUID(), "nul \0 and half \ud800 a pair")
    assert grown.message(STAMP, "world").instruction == "nul   and half ? a pair"


# -- markers


def cube(number: int = 1) -> Object:
    return Object(
        f"cube-{number}", "red cube", "cube", "red", Pose(np.array([0.4, 0.1, 0.02])), np.array([0.04, 0.05, 0.0]),
        np.zeros((0, 3)), 0.9, 3.0,
    )  # fmt: skip


def test_a_thing_is_shown_as_box_frame_and_label() -> None:
    board = MarkerBoard("world")
    board.perceived([cube()])
    first, box, axes, label = board.message(STAMP).markers
    assert first.action == Marker.DELETEALL
    assert (box.scale.x, box.scale.y) == (0.04, 0.05)
    assert box.scale.z > 0  # a flat box is drawn all the same
    assert box.header.frame_id == "world"
    assert len(axes.points) == len(axes.colors) == 6
    assert "red cube" in label.text and "90%" in label.text
    assert label.pose.position.z > box.pose.position.z


def test_a_message_is_made_only_of_what_changed() -> None:
    board = MarkerBoard("world")
    board.perceived([cube()])
    board.message(STAMP)
    board.perceived([cube()])
    assert not board.changed
    board.perceived([cube(), cube(2)])
    assert board.changed


def test_a_path_is_shown_until_the_arm_rests() -> None:
    board = MarkerBoard("world")
    board.follows(np.linspace([0, 0, 0], [1, 1, 1], 1000))
    spaces = {marker.ns: marker for marker in board.message(STAMP).markers}
    assert 100 < len(spaces["tool_path"].points) <= 250
    board.rests()
    assert "tool_path" not in {marker.ns for marker in board.message(STAMP).markers}


# -- consent


def asked(consent: Consent, ended: bool = False, timeout: float = 5.0) -> tuple[threading.Thread, list[str]]:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(consent.ask('unit("mug")', timeout, lambda: ended)))
    thread.start()
    return thread, said


@pytest.mark.parametrize(("agree", "outcome"), [(True, consents.AGREED), (False, consents.DECLINED)])
def test_an_answer_ends_the_wait(agree: bool, outcome: str) -> None:
    consent = Consent()
    thread, said = asked(consent)
    while not consent.waiting:
        time.sleep(0.001)
    time.sleep(LOOK)
    assert consent.answer(agree) == (True, f'unit("mug"): {outcome}')
    thread.join(5.0)
    assert (said, consent.waiting) == ([outcome], "")


def test_the_second_of_two_quick_answers_does_not_count_for_the_next_question() -> None:
    consent = Consent()
    thread, said = asked(consent)
    while not consent.waiting:
        time.sleep(0.001)
    counted, sentence = consent.answer(True)
    assert (counted, said) == (False, []) and "look at it" in sentence
    assert consent.answer(False)[0]  # a no is never too early
    thread.join(5.0)
    assert said == [consents.DECLINED]


def test_an_answer_that_nobody_waits_for_is_not_kept_for_later() -> None:
    consent = Consent()
    assert consent.answer(True) == (False, "nothing waits for consent")
    assert consent.ask("the program", 0.1, lambda: False) == consents.SILENT


def test_a_wait_for_consent_ends_with_the_goal() -> None:
    assert Consent().ask("the program", 60.0, lambda: True) == consents.ENDED


# -- audit


def test_every_line_of_the_audit_is_json(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "deep" / "audit.jsonl", 10_000, 3)
    log.note("goal", decision="accepted", instruction="say\nhello")
    log.close()
    line = json.loads((tmp_path / "deep" / "audit.jsonl").read_text())
    assert (line["verb"], line["instruction"]) == ("goal", "say\nhello")


def test_the_audit_keeps_a_few_files_of_bounded_size(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", 1000, 2)
    for number in range(200):
        log.note("goal", number=number)
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all(path.stat().st_size < 1100 for path in tmp_path.iterdir())
    assert '"number": 199' in (tmp_path / "audit.jsonl").read_text()


def test_an_audit_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="audit_log"):
        AuditLog(tmp_path / "file" / "audit.jsonl", 1000, 2)


# -- diagnostics


@pytest.mark.parametrize(
    ("age", "level"),
    [(None, "error"), (0.1, "ok"), (3.0, "stale"), (-3.0, "error")],
)
def test_a_stream_is_judged_by_its_age(age: float | None, level: str) -> None:
    found = diagnostics.stream_check("joint states", diagnostics.Stream("/joint_states", age, 99.0, 1.0))
    assert found.level == level
    assert "/joint_states" in found.sentence


def test_a_controller_that_is_away_is_an_error_with_its_name() -> None:
    found = diagnostics.controller_check({"arm": "", "hand": "no action server"})
    assert (found.level, found.sentence) == ("error", "hand: no action server")


def test_what_the_arm_s_controller_tells_of_itself_stands_in_its_row() -> None:
    found = diagnostics.controller_check({"arm": ""}, ControllerReading("elbow", 0.0123, 0.4))
    assert (found.level, found.sentence) == (
        "ok",
        "ready; 'elbow' is 0.012 rad from its set point, executing at 40% speed",
    )
    assert found.values["farthest_joint"] == "elbow" and found.values["speed_scaling"] == 0.4
    silent = diagnostics.controller_check({"arm": "silent"}, ControllerReading("elbow", 0.0, None))
    assert (silent.level, silent.sentence) == ("error", "arm: silent")


def test_a_model_that_does_not_answer_is_an_error_and_one_that_is_not_asked_is_stale() -> None:
    now = time.monotonic()
    assert diagnostics.model_check(ModelReading("refused", 0.1, now), 2.0).level == "error"
    assert diagnostics.model_check(ModelReading("", 0.1, now), 2.0).level == "ok"
    assert diagnostics.model_check(ModelReading("", 0.1, now - 100.0), 2.0).level == "stale"
    assert diagnostics.model_check(None, 2.0).level == "stale"


def test_a_held_arm_is_an_error_that_names_the_way_out() -> None:
    found = diagnostics.supervisor_check("a stop was requested")
    assert found.level == "error" and "~/reset" in found.sentence


def test_a_slowed_arm_says_so() -> None:
    found = diagnostics.supervisor_check("", 0.2)
    assert (found.level, found.values) == ("ok", {"speed_scale": 0.2})
    assert "0.2 of its speed" in found.sentence


def test_a_unit_that_waits_says_so_in_the_tree_until_it_is_answered() -> None:
    grown = tree()
    grown.tell(event("started", "1.2"), STAMP)
    grown.remark("1.2", "waits for consent")
    assert [node.reason for node in grown.message(STAMP, "world").nodes] == ["waits for consent"]
    grown.remark("1.2", "")
    grown.remark("9.9", "no such node")
    assert [node.reason for node in grown.nodes] == [""]


def test_the_message_has_the_levels_of_diagnostic_msgs() -> None:
    checks = [diagnostics.Check(level, level, "x") for level in ("ok", "warn", "error", "stale")]
    message = diagnostics.message(checks, "agent", "panda", STAMP)
    assert [int.from_bytes(status.level, "little") for status in message.status] == [0, 1, 2, 3]
    assert message.status[0].name == "agent: ok"

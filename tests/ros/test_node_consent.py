"""Commissioning on real processes: consent for each unit, and an arm that is slowed between goals."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")

from embodied_agent.errors import RobotError
from embodied_agent.ros.consent import LOOK
from embodied_agent.ros.faults.client import Sent
from embodied_agent.ros.faults.processes import wait_until
from embodied_agent.ros.faults.rig import Rig
from embodied_agent_interfaces.action import ExecuteTask

pytestmark = pytest.mark.slow
DOMAIN = 72
SOON = 120.0  # [s]; a busy machine takes its time
HOME, UNIT = "go home slowly", 'unit("arm", speed=0.1)'
Goal, Result = ExecuteTask.Goal, ExecuteTask.Result


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("consent"), DOMAIN, agent_parameters={"consent": "unit"}) as working:
        yield working


@pytest.fixture(autouse=True)
def free(rig: Rig) -> None:
    """No stop of an earlier test is held."""
    if "held" in rig.client.sentence("task"):
        wait_until("reset", lambda: rig.client.trigger("reset").success, SOON)


def away(rig: Rig) -> None:
    """The arm is a little away from home, so that going home moves it."""
    positions = [*rig.description.home]
    positions[0] -= 0.2
    rig.client.jog(rig.description.joint_names, positions, 0.5)


def waiting(rig: Rig, instruction: str = HOME) -> Sent:
    """A goal that waits for consent."""
    away(rig)
    sent = rig.client.send(instruction, mode=Goal.CONFIRM)
    assert sent.accepted, rig.client.sentence("task")
    wait_until("it waits", lambda: sent.done.is_set() or "waiting_for_consent" in sent.phases, SOON)
    assert not sent.done.is_set(), sent.result.reason
    time.sleep(LOOK)
    return sent


def test_a_unit_says_by_its_name_that_it_waits_and_runs_once_a_person_agreed(rig: Rig) -> None:
    sent = waiting(rig)
    asked = next(f for f in sent.feedback if f.phase == "waiting_for_consent")
    assert (asked.path, asked.label) == ("1.1", UNIT)
    assert "home()" in {row.key: row.value for row in asked.evidence}["program"]

    def shown() -> bool:
        nodes = rig.client.trees[-1].nodes if rig.client.trees else []
        return any(node.path == "1.1" and "waits for consent" in node.reason for node in nodes)

    wait_until("the tree shows it", shown, SOON)
    wait_until("/diagnostics name it", lambda: UNIT in rig.client.sentence("task"), SOON)
    assert rig.client.speed() < 0.01
    answer = rig.client.confirm(True)
    assert (answer.success, answer.message) == (True, f"{UNIT}: agreed")
    result = sent.wait(SOON)
    assert (result.outcome, result.reason) == (Result.DONE, "")
    assert not any("waits" in node.reason for node in result.nodes)
    assert not rig.client.confirm(True).success


def test_a_unit_that_is_declined_ends_the_task_at_rest(rig: Rig) -> None:
    sent = waiting(rig)
    assert rig.client.confirm(False).success
    result = sent.wait(SOON)
    assert (result.outcome, result.reason) == (Result.DECLINED, f"the person declined {UNIT}")
    assert rig.client.speed() < 0.01


def test_without_consent_nothing_is_run_where_the_node_demands_it(rig: Rig) -> None:
    assert not rig.client.send(HOME, mode=Goal.RUN).accepted
    wait_until("the reason was told", lambda: "consent: unit" in rig.client.sentence("task"), SOON)


def test_a_unit_that_waits_can_be_cancelled_and_stopped(rig: Rig) -> None:
    sent = waiting(rig)
    rig.client.cancel(sent)
    assert sent.wait(SOON).outcome == Result.CANCELLED
    sent = waiting(rig)
    assert rig.client.trigger("stop").success
    assert sent.wait(SOON).outcome == Result.STOPPED
    assert not rig.client.confirm(True).success  # it is too late for a yes
    assert rig.client.speed() < 0.01
    wait_until("reset", lambda: rig.client.trigger("reset").success, SOON, 0.1)


def done(rig: Rig, scale: float) -> tuple[dict[str, Any], float]:
    """What the audit says of going home at a scale of all speeds, and the fastest joint [rad/s]."""
    rig.client.set_parameter("agent", "speed_scale", scale)
    sent = waiting(rig, "go home")
    with pytest.raises(RobotError, match="holds for a whole goal, and one runs"):
        rig.client.set_parameter("agent", "speed_scale", 1.0)
    wait_until("the arm rests", lambda: rig.client.speed() < 0.01, SOON)
    rig.client.readings.clear()
    assert rig.client.confirm(True).success
    assert sent.wait(SOON).outcome == Result.DONE
    lines = [json.loads(line) for line in (rig.folder / "audit.jsonl").read_text().splitlines()]
    followed = [line for line in lines if (line["verb"], line.get("decision")) == ("follow", "allowed")]
    return followed[-1]["numbers"], max(reading.speed for reading in rig.client.readings)


def test_the_arm_is_slowed_from_the_next_goal_on(rig: Rig) -> None:
    (full, _), (slow, fastest) = done(rig, 1.0), done(rig, 0.2)
    assert (full["speed_scale"], slow["speed_scale"]) == (1.0, 0.2)
    assert slow["duration"] == pytest.approx(full["duration"] / 0.2, rel=0.1)
    assert 0.02 < fastest < 0.2 * rig.description.velocity_limits.max() * 1.05
    wait_until("/diagnostics tell", lambda: "0.2 of its speed" in rig.client.sentence("supervisor"), SOON)
    for wrong in (0.0, 1.5, -1.0, float("nan")):
        with pytest.raises(RobotError):
            rig.client.set_parameter("agent", "speed_scale", wrong)


def test_a_unit_that_nobody_answers_for_is_declined(rig: Rig) -> None:
    for transition in ("deactivate", "cleanup"):
        assert rig.client.transition(transition)
    rig.client.set_parameter("agent", "consent_timeout", 1.0)
    for transition in ("configure", "activate"):
        assert rig.client.transition(transition), rig.agent.tail()
    sent = waiting(rig)
    result = sent.wait(SOON)
    assert result.outcome == Result.DECLINED
    assert result.reason == f"nobody answered on ~/confirm within 1 s: {UNIT} waited for consent"

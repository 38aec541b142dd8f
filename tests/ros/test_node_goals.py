"""The node with a real driver and a real model server, each a process of its own: goals, consent, lifecycle."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")

from action_msgs.msg import GoalStatus

from embodied_agent.errors import RobotError
from embodied_agent.ros.faults.processes import wait_until
from embodied_agent.ros.faults.rig import Rig
from embodied_agent_interfaces.action import ExecuteTask

pytestmark = pytest.mark.slow
DOMAIN = 35
SOON = 120.0  # [s]; a busy machine takes its time
Goal, Result = ExecuteTask.Goal, ExecuteTask.Result


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("goals"), DOMAIN) as working:
        yield working


def reconfigured(rig: Rig, name: str, value: object) -> None:
    """The node configured anew with one parameter changed, and active."""
    for transition in ("deactivate", "cleanup"):
        assert rig.client.transition(transition), rig.client.sentence("task")
    rig.client.set_parameter("agent", name, value)
    for transition in ("configure", "activate"):
        assert rig.client.transition(transition), rig.agent.tail()


def test_a_goal_tells_every_event_and_its_result_holds_the_whole_tree(rig: Rig) -> None:
    sent = rig.client.send("look for the red cube")
    result = sent.wait(SOON)
    assert (result.outcome, result.reason) == (Result.DONE, "")
    assert sent.status == GoalStatus.STATUS_SUCCEEDED
    assert [(f.label, f.status) for f in sent.feedback if f.path == "1.1"] == [
        ('find("red cube")', 1),
        ('find("red cube")', 2),
    ]
    found = next(f for f in sent.feedback if f.path == "1.1" and f.status == 2)
    assert "cube" in {row.key: row.value for row in found.evidence}["found"]
    assert [node.path for node in result.nodes] == ["1", "1.1"]
    assert "plan_s" in {row.key for row in result.timings}
    wait_until("the finished tree came", lambda: rig.client.trees and rig.client.trees[-1].verdict == "done", SOON)
    assert rig.client.trees[-1].program == result.program


def test_what_was_perceived_is_shown_where_it_stands(rig: Rig) -> None:
    rig.client.run("look for the red cube")
    wait_until("markers came", lambda: rig.client.markers is not None, SOON)
    boxes = [marker for marker in rig.client.markers.markers if marker.ns == "objects"]
    assert len(boxes) == 1
    assert boxes[0].header.frame_id == "world"
    assert abs(boxes[0].pose.position.x - 0.45) < 0.02
    assert abs(boxes[0].pose.position.y - 0.05) < 0.02


def test_a_plan_is_written_and_nothing_moves(rig: Rig) -> None:
    result = rig.client.run("pick up the red cube", mode=Goal.PLAN_ONLY)
    assert result.outcome == Result.PLANNED
    assert "pick(cube)" in result.program
    assert rig.client.speed() < 0.01


@pytest.mark.parametrize(
    ("instruction", "outcome", "reason"),
    [
        ("refuse", Result.REFUSED, "that is not mine to do"),
        ("ask back", Result.ASKED, "which one?"),
        ("write nonsense", Result.NO_PROGRAM, "there is no fly"),
        ("look for the blue mug", Result.FAILED, "found no 'blue mug'"),
    ],
)
def test_what_is_not_done_comes_back_as_its_outcome_with_the_reason(
    rig: Rig, instruction: str, outcome: int, reason: str
) -> None:
    sent = rig.client.send(instruction)
    result = sent.wait(SOON)
    assert result.outcome == outcome
    assert reason in result.reason
    assert sent.status == GoalStatus.STATUS_ABORTED  # only what was done counts as succeeded


def test_a_second_goal_is_refused_with_the_reason_on_diagnostics(rig: Rig) -> None:
    first = rig.client.send("wait 30 seconds")
    second = rig.client.send("say me first")
    assert (first.accepted, second.accepted) == (True, False)
    wait_until("the refusal was told", lambda: "another goal runs" in rig.client.sentence("task"), SOON)
    rig.client.cancel(first)
    assert first.wait(SOON).outcome == Result.CANCELLED
    assert first.status == GoalStatus.STATUS_CANCELED


def test_a_cancel_while_the_model_thinks_does_not_wait_for_it(rig: Rig) -> None:
    sent = rig.client.send("think 50 seconds")
    wait_until("planning", lambda: "planning" in sent.phases, SOON)
    began = time.monotonic()
    rig.client.cancel(sent)
    result = sent.wait(SOON)
    assert (result.outcome, result.reason) == (Result.CANCELLED, "the client cancelled the goal")
    assert time.monotonic() - began < 30.0  # of 50, on a machine that is busy


def test_a_goal_ends_when_its_time_is_over(rig: Rig) -> None:
    reconfigured(rig, "plans", 1)  # also waits for the model that still thinks
    result = rig.client.run("wait 29 seconds", time_limit=12.0)
    assert result.outcome == Result.CANCELLED
    assert "time ran out" in result.reason


def test_a_stop_is_held_until_a_person_resets_it(rig: Rig) -> None:
    sent = rig.client.send("wait 30 seconds")
    wait_until("running", lambda: "running" in sent.phases, SOON)
    assert rig.client.trigger("stop").success
    result = sent.wait(SOON)
    assert result.outcome == Result.STOPPED
    assert "~/stop" in result.reason
    assert not rig.client.send("say hello").accepted
    wait_until("/diagnostics told", lambda: rig.client.level("supervisor") == 2, SOON)
    assert rig.client.trigger("reset").success
    assert rig.client.run("say hello").outcome == Result.DONE


def test_a_stop_outlives_a_new_configuration(rig: Rig) -> None:
    rig.client.stop_by_topic()
    wait_until("/diagnostics told", lambda: rig.client.level("supervisor") == 2, SOON)
    reconfigured(rig, "seed", 1)
    assert not rig.client.send("say hello").accepted
    assert rig.client.trigger("reset").success
    assert rig.client.run("say hello").outcome == Result.DONE


def test_nothing_runs_before_a_person_agreed_where_consent_is_demanded(rig: Rig) -> None:
    reconfigured(rig, "consent", "task")
    try:
        assert not rig.client.send("say hello", mode=Goal.RUN).accepted
        assert not rig.client.confirm(True).success  # nobody asked: it must not count for what comes
        for agree, outcome in ((True, Result.DONE), (False, Result.DECLINED)):
            sent = rig.client.send("say hello", mode=Goal.CONFIRM)
            wait_until("it waits", lambda sent=sent: "waiting_for_consent" in sent.phases, SOON)
            waiting = next(f for f in sent.feedback if f.phase == "waiting_for_consent")
            assert "say(" in {row.key: row.value for row in waiting.evidence}["program"]
            assert not sent.done.is_set()
            wait_until("the answer counts", lambda agree=agree: rig.client.confirm(agree).success, SOON)
            result = sent.wait(SOON)
            assert result.outcome == outcome
            assert bool(result.nodes) is agree
    finally:
        reconfigured(rig, "consent", "none")


def test_a_goal_that_waits_for_consent_can_be_cancelled(rig: Rig) -> None:
    sent = rig.client.send("say hello", mode=Goal.CONFIRM)
    wait_until("it waits", lambda: "waiting_for_consent" in sent.phases, SOON)
    rig.client.cancel(sent)
    assert sent.wait(SOON).outcome == Result.CANCELLED


def test_programs_are_checked_with_every_problem_at_its_line(rig: Rig) -> None:
    answer = rig.client.check('with task("x"):\n    fly()\n    home(5)\n')
    assert not answer.accepted
    assert {problem.line for problem in answer.problems} == {2, 3}
    assert rig.client.check('with task("x"):\n    home()\n').accepted


def test_a_plan_request_writes_a_program_or_says_why_not(rig: Rig) -> None:
    answer = rig.client.plan("go home")
    assert (answer.accepted, answer.reason) == (True, "")
    assert "home()" in answer.program
    refused = rig.client.plan("")
    assert (refused.accepted, "empty" in refused.reason) == (False, True)


def test_a_parameter_that_would_only_seem_to_change_is_refused(rig: Rig) -> None:
    with pytest.raises(RobotError, match="clean up first"):
        rig.client.set_parameter("agent", "time_limit", 5.0)
    with pytest.raises(RobotError, match="read-only"):
        rig.client.set_parameter("agent", "robot", "xarm6")


def test_a_deactivated_node_ends_its_goal_and_refuses_others(rig: Rig) -> None:
    sent = rig.client.send("wait 30 seconds")
    wait_until("running", lambda: "running" in sent.phases, SOON)
    assert rig.client.transition("deactivate")
    assert "deactivated" in sent.wait(SOON).reason
    assert rig.client.state() == "inactive"
    assert not rig.client.send("say hello").accepted
    assert rig.client.transition("activate")
    assert rig.client.run("say hello").outcome == Result.DONE


def test_a_node_that_cannot_reach_its_model_stays_unconfigured_says_why_and_recovers(rig: Rig) -> None:
    good = f"http://127.0.0.1:{rig.port}/v1"
    assert rig.client.transition("deactivate") and rig.client.transition("cleanup")
    rig.client.set_parameter("agent", "planner_url", "http://127.0.0.1:9/v1")
    assert not rig.client.transition("configure")
    assert rig.client.state() == "unconfigured"
    wait_until("the reason was told", lambda: "cannot be reached" in rig.client.sentence("task"), SOON)
    rig.client.set_parameter("agent", "planner_url", good)
    assert rig.client.transition("configure") and rig.client.transition("activate")
    assert rig.client.run("say hello").outcome == Result.DONE


def test_the_audit_holds_goals_consents_and_the_supervisors_decisions(rig: Rig) -> None:
    text = Path(rig.folder / "audit.jsonl").read_text()
    for verb in ("goal", "program", "consent", "stop", "reset", "wait", "configure"):
        assert f'"verb": "{verb}"' in text
    assert '"decision": "refused"' in text

"""A run ends by the clock on the wall, or by the robot's own, which is the same on any machine."""

from __future__ import annotations

import pytest

from embodied_agent.agent import Agent, Budgets
from embodied_agent.planners.planner import Plan, PlanRequest
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.fake import FakeBackend
from embodied_agent.types import Command, Detection, Frame, Grounding

WAITS = 'with task("wait"):\n' + "    wait(4)\n" * 5


class Waiter:
    """Writes one program."""

    name = "waiter"

    def plan(self, request: PlanRequest) -> Plan:
        return Plan(WAITS)


class Blind:
    """Sees nothing."""

    def detect(self, frame: Frame) -> list[Detection]:
        return []

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        return Grounding((), ambiguous=False, confidence=1.0)


def test_the_robots_clock_ends_a_run_in_the_middle_of_a_motion() -> None:
    with FakeBackend(load_robot("panda")) as robot:
        agent = Agent(robot, Waiter(), Blind(), budgets=Budgets(robot_seconds=10.0))
        account = agent.run(Command("wait"))
        assert account.verdict == "cancelled"
        assert account.message == "time ran out after 10 s of the robot's clock"
        assert robot.now() == pytest.approx(10.0, abs=0.05)
        # The next command has its own time.
        assert agent.run(Command("wait")).message == account.message
        assert robot.now() == pytest.approx(20.0, abs=0.1)


def test_without_a_limit_the_robots_clock_ends_nothing() -> None:
    with FakeBackend(load_robot("panda")) as robot:
        assert Agent(robot, Waiter(), Blind()).run(Command("wait")).verdict == "done"
        assert robot.now() >= 20.0

"""Faults on real processes, in their short form; `embodied_agent/ros/faults/exercises.py` has the long one."""

import json
import os
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")

from embodied_agent.ros.faults.exercises import EXERCISES, LONG, exercise
from embodied_agent.ros.faults.rig import Rig

pytestmark = pytest.mark.slow
DOMAIN = 36
SHORT = {"cancel_at_random": 5, "stop_at_random": 5, "many_goals": 20}  # all others once
COUNTS = LONG if os.environ.get("EXERCISES") == "long" else SHORT


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("faults"), DOMAIN) as working:
        yield working


@pytest.mark.parametrize("name", EXERCISES)
def test_the_arm_stops_the_node_says_why_and_goes_on(rig: Rig, name: str) -> None:
    found = exercise(rig, name, COUNTS.get(name, 1), seed=7)
    print(f"{found.name}: {json.dumps(dict(found.numbers))}")
    for sentence in found.sentences:
        print(f"  {sentence}")
    assert found.ok, "\n".join([*found.problems, rig.agent.tail(20)])


def test_every_exercise_has_its_long_form() -> None:
    assert set(LONG) == set(EXERCISES)
    assert (LONG["cancel_at_random"], LONG["stop_at_random"], LONG["many_goals"]) == (50, 50, 200)

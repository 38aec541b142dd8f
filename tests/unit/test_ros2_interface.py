"""Names, times and tolerances of a robot's ROS interface."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from embodied_agent.config import parse
from embodied_agent.errors import ConfigError
from embodied_agent.robots.ros2.interface import Ros2Interface, load_interface


@pytest.mark.parametrize("name", ["panda", "xarm6", "ur5e"])
def test_every_shipped_interface_loads(name: str) -> None:
    assert load_interface(name).cameras == ("overhead", "wrist")


def test_a_robot_without_a_file_has_the_defaults() -> None:
    assert load_interface("some_robot_of_mine") == Ros2Interface()


def test_a_file_of_the_users_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("gripper_action_type: ParallelGripperCommand\nwrench: ''\n")
    interface = load_interface(path)
    assert interface.gripper_action_type == "ParallelGripperCommand" and interface.wrench == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trajectory_acton: a/b", "did you mean 'trajectory_action'"),
        ("gripper_action_type: Gripper", "none of GripperCommand"),
        ("cameras: [a, a]", "none twice"),
        ("color_topic: fixed/image", "needed to tell 2 cameras apart"),
        ("tf_timeout: -1", "outside"),
        ("joint_states: ''", "joint_states: empty"),
        ("wrench_sign: 2", "none of 1, -1"),
        ("places: kitchen 1 2 0", "name Nav2's action"),
        ("{navigate_action: n, places: kitchen 1 2}", "'kitchen 1 2' is not 'NAME X Y YAW'"),
        ("{navigate_action: n, places: kitchen 1 2 inf}", "three finite numbers"),
        ("{navigate_action: n, places: a 1 2 0; a 3 4 0}", "'a' is there twice"),
    ],
)
def test_a_mistake_in_a_file_is_named(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse(text, Ros2Interface)


def test_places_have_names_of_several_words_and_are_none_without_a_base() -> None:
    interface = Ros2Interface(navigate_action="navigate_to_pose", places="kitchen table 1.5 -2 1.57; dock 0 0 0;")
    assert list(interface.named_places) == ["kitchen table", "dock"]
    place = interface.named_places["kitchen table"]
    assert (place.x, place.y, place.yaw) == (1.5, -2.0, 1.57)
    assert place.pose.rotation[1, 0] == pytest.approx(math.sin(1.57))
    assert Ros2Interface().named_places == {}


@pytest.mark.parametrize(
    ("changes", "topic"),
    [
        ({}, "joint_trajectory_controller/controller_state"),
        ({"trajectory_action": "cell/arm/follow_joint_trajectory"}, "cell/arm/controller_state"),
        ({"controller_state": "cell/state"}, "cell/state"),
        ({"trajectory_action": "execute", "trajectory_action_type": "ExecuteTrajectory"}, ""),
    ],
)
def test_the_controller_s_state_is_beside_its_action(changes: dict[str, str], topic: str) -> None:
    assert Ros2Interface(**changes).state_topic == topic  # type: ignore[arg-type]


def test_every_field_is_a_parameter_with_a_meaning_and_its_own_default() -> None:
    rows = {row.name: row for row in load_interface("ur5e").parameters()}
    assert rows["goal_time_tolerance"].default == 5.0
    assert (rows["goal_time_tolerance"].low, rows["goal_time_tolerance"].high) == (0.0, 10.0)
    assert rows["cameras"].default == ["overhead", "wrist"]
    assert all(len(row.meaning) > 10 for row in rows.values())


def test_parameters_of_a_node_replace_fields_and_others_are_left_alone() -> None:
    interface = Ros2Interface().with_values({"cameras": ["front"], "tf_timeout": 2.0, "robot": "panda"})
    assert interface.cameras == ("front",) and interface.tf_timeout == 2.0
    assert interface.of_camera(interface.color_topic, "front") == "front/color/image_raw"


@pytest.mark.parametrize("values", [{"tf_timeout": -1.0}, {"cameras": []}, {"gripper_action_type": "Hand"}])
def test_a_parameter_out_of_range_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="parameter"):
        Ros2Interface().with_values(values)

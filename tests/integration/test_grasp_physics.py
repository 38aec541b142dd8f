"""Grasps hold by friction, fixtures move by being pulled, and nothing is teleported."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hand import DOWN, FORWARD, Hand, tool_pose

from embodied_agent.robots.catalog import make
from embodied_agent.robots.mujoco import MujocoBackend
from embodied_agent.types import Pose
from sim.dimensions import DIMENSIONS
from sim.scene import FixtureSpec, ObjectSpec, Scene

ROBOTS = ("panda", "xarm6")


@pytest.fixture
def made() -> Iterator[list[MujocoBackend]]:
    backends: list[MujocoBackend] = []
    yield backends
    for backend in backends:
        backend.close()


def _start(made: list[MujocoBackend], robot: str, scene: Scene) -> Hand:
    backend = make("mujoco", robot, scene)
    assert isinstance(backend, MujocoBackend)
    made.append(backend)
    return Hand(backend)


def _grasp(hand: Hand, name: str, height: float, closing: object = (0.0, 1.0, 0.0), force: float = 30.0) -> None:
    x, y, _ = hand.backend.truth()["objects"][name]["position"]
    hand.reach(tool_pose((x, y, height), DOWN, closing))
    hand.backend.grip(0.0, force)


def _height(hand: Hand, name: str) -> float:
    return float(hand.backend.truth()["objects"][name]["position"][2])


@pytest.mark.parametrize("robot", ROBOTS)
def test_cube_is_lifted_held_for_30_seconds_and_put_into_a_bowl(made: list[MujocoBackend], robot: str) -> None:
    cube = ObjectSpec("cube", "red", "small", (0.45, -0.1), yaw=0.4)
    hand = _start(made, robot, Scene(objects=(cube, ObjectSpec("bowl", "blue", "large", (0.45, 0.15)))))
    backend = hand.backend
    _grasp(hand, "red cube", 0.02, (np.sin(-0.4), np.cos(-0.4), 0))
    assert backend.state().gripper_width == pytest.approx(0.04, abs=0.003)
    assert backend.state().gripper_force == pytest.approx(30.0, rel=0.2)
    hand.move((0, 0, 0.2))
    before = _height(hand, "red cube")
    assert before > 0.18
    backend.wait(30.0)
    assert abs(_height(hand, "red cube") - before) < 0.002
    assert np.linalg.norm(backend.state().external_force) < 1.0  # the payload's weight is known
    hand.swing(tool_pose((0.45, 0.15, 0.22), DOWN, (0, 1, 0)), 1.2)
    hand.move((0, 0, -0.12))
    backend.grip(backend.description.gripper.max_width, 30.0)
    hand.move((0, 0, 0.12))
    backend.wait(0.5)
    x, y, z = backend.truth()["objects"]["red cube"]["position"]
    assert np.hypot(x - 0.45, y - 0.15) < 0.06 and z < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("kind", ["cube", "cylinder", "ball", "can", "bottle", "apple", "lemon", "banana", "mug"])
def test_kind_is_held_across(made: list[MujocoBackend], kind: str, size: str) -> None:
    color = {"lemon": "yellow", "banana": "yellow"}.get(kind, "red")
    hand = _start(made, "panda", Scene(objects=(ObjectSpec(kind, color, size, (0.45, -0.05)),)))
    name, body = f"{color} {kind}", DIMENSIONS[kind, size]
    high = max(0.02, body.height - 0.03) if kind not in ("ball", "apple", "lemon", "banana") else body.height / 2
    _grasp(hand, name, high)
    hand.move((0, 0, 0.2))
    hand.backend.wait(1.0)
    assert _height(hand, name) > 0.15, "it slipped out of the hand"


@pytest.mark.slow
@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("kind", ["bowl", "plate", "box", "bin", "mug"])
def test_kind_is_held_at_the_rim(made: list[MujocoBackend], kind: str, size: str) -> None:
    hand = _start(made, "panda", Scene(objects=(ObjectSpec(kind, "red", size, (0.45, -0.05)),)))
    body = DIMENSIONS[kind, size]
    edge = body.half[1] if kind == "box" else body.radius
    high = max(body.height - 0.012, body.floor + 0.011)  # finger tips clear the inner floor
    hand.reach(tool_pose((0.45, -0.05 - edge + body.wall / 2, high), DOWN, (0, 1, 0)))
    hand.backend.grip(0.0, 40.0)
    hand.move((0, 0, 0.2))
    hand.backend.wait(1.0)
    assert _height(hand, f"red {kind}") > 0.10, "it slipped out of the hand"


@pytest.mark.parametrize("part", ["top drawer", "bottom drawer"])
@pytest.mark.parametrize("robot", ROBOTS)
def test_drawer_opens_and_closes_by_its_handle(made: list[MujocoBackend], robot: str, part: str) -> None:
    hand = _start(made, robot, Scene(fixtures=(FixtureSpec("cabinet", (0.82, -0.22), -0.13),)))
    backend = hand.backend
    out = np.array([-np.cos(-0.13), -np.sin(-0.13), 0.0])
    handle = backend.data.geom(f"drawer_handle:{part}/0").xpos.copy()
    hand.swing(tool_pose((0.35, 0, 0.35), (0.6, 0, -0.8), (0, 1, 0)))
    hand.reach(tool_pose(handle, -out, (0, 1, 0)))
    backend.grip(0.0, 40.0)
    hand.move(0.18 * out, 3.0)
    assert backend.truth()["joints"][part]["position"] > 0.15
    hand.move(-0.18 * out, 3.0)
    assert backend.truth()["joints"][part]["fraction"] < 0.05


@pytest.mark.parametrize("hinge", ["left", "right"])
def test_door_swings_about_its_hinge(made: list[MujocoBackend], hinge: str) -> None:
    hand = _start(made, "panda", Scene(fixtures=(FixtureSpec("cupboard", (0.78, 0.2), 0.12, hinge=hinge),)))
    backend = hand.backend
    handle = backend.data.geom("door_handle/0").xpos.copy()
    hand.swing(tool_pose((0.35, 0, 0.35), (0.6, 0, -0.8), (0, 1, 0)))
    hand.reach(tool_pose(handle, FORWARD, (0, 1, 0)))
    backend.grip(0.0, 20.0)
    joint, start = backend.data.joint("cupboard door"), hand.pose
    axis, anchor = joint.xaxis.copy(), joint.xanchor.copy()
    # The hand turns half as far as the door: the bar turns between the pads.
    hand.draw([_around(start, anchor, axis, a, 0.5 * a) for a in np.linspace(0.05, 1.2, 24)], 4.0)
    assert backend.truth()["joints"]["cupboard door"]["position"] > 1.0


@pytest.mark.parametrize("robot", ROBOTS)
def test_knob_turns_with_the_hand(made: list[MujocoBackend], robot: str) -> None:
    hand = _start(made, robot, Scene(fixtures=(FixtureSpec("knob", (0.45, 0.1), 0.2),)))
    hand.reach(tool_pose((0.45, 0.1, 0.048), DOWN, (-np.sin(0.2), np.cos(0.2), 0)))
    hand.backend.grip(0.0, 30.0)
    start, up = hand.pose, np.array([0.0, 0.0, 1.0])
    hand.draw([_around(start, start.position, up, a, a) for a in np.linspace(0.1, 1.5, 15)], 3.0)
    assert hand.backend.truth()["joints"]["knob"]["position"] == pytest.approx(1.5, abs=0.05)


def test_button_stays_lit_after_a_push_that_the_hand_feels(made: list[MujocoBackend]) -> None:
    hand = _start(made, "panda", Scene(fixtures=(FixtureSpec("button", (0.45, -0.1)),)))
    backend = hand.backend
    before = backend.capture("overhead").rgb
    backend.grip(0.0, 20.0)
    hand.swing(tool_pose((0.45, -0.1, 0.08), DOWN, (0, 1, 0)))
    motion = hand.move((0, 0, -0.05), 2.0, lambda s: "felt" if s.external_force[2] > 5.0 else "")
    assert motion.reason == "felt"
    assert motion.peak_force < 15.0
    hand.move((0, 0, 0.15))
    hand.swing(tool_pose((0.35, 0.35, 0.4), DOWN, (0, 1, 0)))
    button = backend.truth()["joints"]["button"]
    assert button["pressed"] and button["position"] < 0.002
    after = backend.capture("overhead").rgb
    lamp = (after[..., 1].astype(int) - before[..., 1] > 60) & (backend.segmentation("overhead") > 2)
    assert lamp.sum() > 20


def _around(pose: Pose, anchor: object, axis: object, angle: float, turn: float) -> Pose:
    """The pose carried by `angle` around an axis while turning only by `turn`."""
    u = np.asarray(axis, float)
    anchor = np.asarray(anchor, float)

    def rotation(a: float) -> Pose:
        return Pose(np.zeros(3), np.array([np.cos(a / 2), *(np.sin(a / 2) * u)]))

    position = anchor + rotation(angle).rotation @ (pose.position - anchor)
    return Pose(position, (rotation(turn) @ Pose(np.zeros(3), pose.quaternion)).quaternion)

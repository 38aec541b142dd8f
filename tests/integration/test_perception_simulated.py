"""Measurements against the simulator's own poses, on scenes it draws: errors in millimetres."""

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("mujoco")

from embodied_agent.ablation import truth_grounder
from embodied_agent.perception import articulation, grasps, states
from embodied_agent.perception.hand import Hand
from embodied_agent.perception.handles import handle_of
from embodied_agent.perception.scene import Scene
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.mujoco import MujocoBackend
from sim.draw import draw_scene
from sim.scene import Scene as Specification

pytestmark = pytest.mark.slow
# Handles and bends put the middle of a box beside the body's own frame.
LARGEST = {"mug": 0.014, "banana": 0.014}
EXACT, NOISY = 0.004, 0.008  # [m]


@pytest.fixture(scope="module")
def backend() -> Iterator[MujocoBackend]:
    with MujocoBackend(load_robot("panda"), draw_scene(0)) as robot:
        yield robot


def look(backend: MujocoBackend, specification: Specification) -> Scene:
    backend.reset(specification)
    view = Scene(truth_grounder(backend))
    view.look(backend.capture("overhead"))
    return view


@pytest.mark.parametrize("noise", [False, True])
def test_objects_are_measured_where_they_are_and_can_be_grasped(backend: MujocoBackend, noise: bool) -> None:
    hand = Hand.of(backend.description.gripper)
    backend.depth_noise = noise
    try:
        for seed in range(4):
            view = look(backend, draw_scene(seed))
            for name, true in backend.truth()["objects"].items():
                alike = [o for o in view.visible if (o.kind, o.color) == (true["kind"], true["color"])]
                assert alike, f"seed {seed}: {name} was not measured"
                away = {o.id: o.position - true["position"] for o in alike}
                item = min(alike, key=lambda o: float(np.linalg.norm(away[o.id])))
                limit = LARGEST.get(item.kind, NOISY if noise else EXACT)
                assert np.linalg.norm(away[item.id]) < limit, f"seed {seed}: {name} off by {away[item.id]}"
                obstacles = view.obstacle_points({item.id})
                assert grasps.propose(item, hand, obstacles=obstacles), f"seed {seed}: no grasp on {name}"
    finally:
        backend.depth_noise = False


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.9])
def test_a_drawers_opening_and_axis_are_measured(backend: MujocoBackend, fraction: float) -> None:
    specification = draw_scene(3, fixtures=["cabinet"], state={"top drawer": fraction}, count=(1, 2))
    view = look(backend, specification)
    (cabinet,) = view.parts_of(["cabinet"])
    panel = max(view.parts_of(["drawer"]), key=lambda part: float(part.position[2]))
    true = backend.truth()["joints"]["top drawer"]
    measured = states.opening_fraction(panel, cabinet, range=true["range"])
    assert abs(float(measured.evidence["amount"]) - true["position"]) < 0.006
    handle = handle_of(panel, view.parts_of(["drawer_handle"]))
    joint = articulation.estimate(panel, handle, cabinet).value
    yaw = next(f.yaw for f in specification.fixtures if f.kind == "cabinet")
    assert joint.axis @ (-np.cos(yaw), -np.sin(yaw), 0.0) > np.cos(np.radians(2.0))


@pytest.mark.parametrize("fraction", [0.0, 0.4, 0.9])
def test_a_doors_angle_and_hinge_are_measured(backend: MujocoBackend, fraction: float) -> None:
    specification = draw_scene(4, fixtures=["cupboard"], state={"cupboard door": fraction}, count=(1, 2))
    view = look(backend, specification)
    (body,) = view.parts_of(["cupboard"])
    (door,) = view.parts_of(["door"])
    true = backend.truth()["joints"]["cupboard door"]
    measured = states.opening_fraction(door, body, range=true["range"])
    assert abs(float(measured.evidence["amount"]) - true["position"]) < 0.04
    handle = handle_of(door, view.parts_of(["door_handle"]))
    joint = articulation.estimate(door, handle, body).value
    fixture = next(f for f in specification.fixtures if f.kind == "cupboard")
    assert joint.type == "revolute"
    assert joint.axis[2] * (1.0 if fixture.hinge == "right" else -1.0) > 0.99


@pytest.mark.parametrize("angle", [-1.0, 0.0, 0.7])
def test_a_knobs_direction_is_measured(backend: MujocoBackend, angle: float) -> None:
    specification = draw_scene(5, fixtures=["knob"], state={"knob": angle}, count=(1, 2))
    view = look(backend, specification)
    (knob,) = view.parts_of(["knob"])
    yaw = next(f.yaw for f in specification.fixtures if f.kind == "knob")
    measured = states.knob_yaw(knob)
    assert measured.ok
    assert abs(np.sin(measured.value - angle - yaw)) < 0.05

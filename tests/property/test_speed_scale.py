"""An arm that is slowed takes 1 / scale of the time on the same path, and passes no limit times the scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mujoco")
pytest.importorskip("mink")
pytest.importorskip("toppra")

from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.limits import trajectory_problem
from embodied_agent.control.safety import Supervisor
from embodied_agent.control.trajectory import parameterize
from embodied_agent.control.watch import JOLTS
from embodied_agent.errors import BadInput
from embodied_agent.primitives.arm import Arm
from embodied_agent.robots.backend import Backend
from embodied_agent.robots.catalog import make
from embodied_agent.robots.description import SLOWEST, load_robot
from embodied_agent.robots.fake import FakeBackend
from embodied_agent.setup import Setup
from embodied_agent.types import Array, JointTrajectory

ROBOTS = {name: Kinematics(load_robot(name)) for name in ("panda", "xarm6")}
scales = st.floats(SLOWEST, 1.0)


def path_near_home(robot: str, seed: int, count: int, spread: float) -> Array:
    description, rng = ROBOTS[robot].description, np.random.default_rng(seed)
    steps = rng.uniform(-spread, spread, size=(count, len(description.joints)))
    steps[0] = 0.0
    return np.clip(description.home_positions + steps, description.lower, description.upper)


@given(st.sampled_from(sorted(ROBOTS)), st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(0.05, 1.0), scales)
@settings(max_examples=40, deadline=None)
def test_the_same_path_takes_so_much_longer_and_keeps_the_slowed_limits(
    robot: str, seed: int, count: int, preference: float, scale: float
) -> None:
    kinematics = ROBOTS[robot]
    description = kinematics.description
    path = path_near_home(robot, seed, count, 0.2)
    full = parameterize(description, path, preference, kinematics)
    slowed = full.slowed(scale)
    assert slowed.duration == pytest.approx(full.duration / scale)
    np.testing.assert_array_equal(slowed.positions, full.positions)
    steps = np.diff(slowed.times)[:, None]
    limit = description.velocity_limits * scale * preference * 1.001
    assert (np.abs(slowed.velocities) <= limit).all()
    assert (np.abs(np.diff(slowed.positions, axis=0)) / steps <= limit).all()
    problem = trajectory_problem(kinematics, slowed, path[0], scale)
    assert problem == "" or problem.startswith("the tool would leave")


def followed(backend: Backend, scale: float, preference: float = 1.0) -> tuple[JointTrajectory, Array, float]:
    """What an arm was sent for one fixed motion, its measured speeds (T, n) [rad/s], and how long it took [s]."""
    sent: list[JointTrajectory] = []
    supervisor = Supervisor(backend, following=sent.append)
    supervisor.slow_down(scale)
    arm = Arm(supervisor)
    arm.speed = preference
    goal = backend.description.home_positions + 0.1
    began = backend.now()
    speeds: list[Array] = []
    judge = supervisor._tick

    def tick(state):  # type: ignore[no-untyped-def]
        speeds.append(state.velocities.copy())
        return judge(state)

    supervisor._tick = tick  # type: ignore[method-assign]
    moved = arm.move_joints(goal, np.zeros((0, 3)))
    assert moved.ok, moved.reason
    return sent[0], np.array(speeds), backend.now() - began


@pytest.mark.parametrize("kind", ["fake", "mujoco"])
def test_an_arm_that_is_slowed_is_measured_to_be(kind: str) -> None:
    options = {} if kind == "fake" else {"seed": 0}
    with make(kind, "panda", "blocks", **options) as backend:
        full, _, time = followed(backend, 1.0)
    with make(kind, "panda", "blocks", **options) as backend:
        slowed, speeds, longer = followed(backend, 0.2)
        limits = backend.description.velocity_limits
    assert slowed.duration == pytest.approx(full.duration / 0.2)
    assert longer >= 0.9 * time / 0.2 - 1.0  # each also settles at its end
    assert (np.abs(speeds).max(axis=0) <= limits * 0.2 * 1.05).all()
    assert speeds.max() > 0.02  # it moved


def test_a_units_speed_and_the_scale_multiply() -> None:
    with FakeBackend(load_robot("panda")) as backend:
        half, _, _ = followed(backend, 1.0, 0.5)
    with FakeBackend(load_robot("panda")) as backend:
        both, _, _ = followed(backend, 0.1, 0.5)
    assert both.duration == pytest.approx(half.duration / 0.1)


def test_a_trajectory_that_was_not_slowed_is_refused_with_the_slowed_limit() -> None:
    with FakeBackend(load_robot("panda")) as backend:
        supervisor = Supervisor(backend)
        supervisor.slow_down(0.1)
        home = backend.description.home_positions
        turned = home.copy()
        turned[0] -= 0.5
        motion = supervisor.follow(parameterize(backend.description, np.stack([home, turned]), 0.5))
        limit = backend.description.velocity_limits[0] * 0.1
        assert not motion.completed
        assert f"{limit:.2f} rad/s are allowed" in motion.reason


def test_an_arm_that_runs_away_at_a_slowed_scale_is_held_below_its_full_speed() -> None:
    assert 0.1 + JOLTS < 0.5
    with FakeBackend(load_robot("panda")) as backend:
        supervisor = Supervisor(backend)
        supervisor.slow_down(0.1)
        state = backend.state()
        state.velocities[:] = backend.description.velocity_limits * 0.5
        assert "are allowed" in supervisor._tick(state)
        supervisor.reset()
        supervisor.slow_down(1.0)
        assert supervisor._tick(state) == ""


def test_the_audit_says_the_scale() -> None:
    with FakeBackend(load_robot("panda")) as backend:
        followed(backend, 0.25)
        supervisor = Supervisor(backend)
        supervisor.slow_down(0.25)
        supervisor.slow_down(0.25)
        assert [(d.verb, d.decision, d.numbers) for d in supervisor.audit] == [
            ("speed_scale", "set", {"speed_scale": 0.25})
        ]


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan"), float("inf"), 0.001])
def test_a_scale_that_makes_no_sense_is_refused(scale: float) -> None:
    with FakeBackend(load_robot("panda")) as backend, pytest.raises(BadInput, match="outside"):
        Supervisor(backend).slow_down(scale)
    with pytest.raises(BadInput, match="--speed-scale"):
        Setup(speed_scale=scale)

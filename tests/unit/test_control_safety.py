"""The supervisor against a back end that tracks perfectly, except where a test makes it fail."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco")
pytest.importorskip("mink")

from embodied_agent.control.safety import Supervisor
from embodied_agent.control.trajectory import parameterize
from embodied_agent.errors import CameraError, SafetyStop
from embodied_agent.robots.backend import Backend, Watch, never
from embodied_agent.robots.description import RobotDescription, load_robot
from embodied_agent.types import Camera, Frame, JointTrajectory, Motion, Pose, RobotState

TICK = 0.01
Fault = Callable[[RobotState], RobotState]


class TrackingArm(Backend):
    """Joints that are where the trajectory says; `fault` changes every reading from `after` ticks on."""

    def __init__(self, description: RobotDescription) -> None:
        self.description = description
        self.clock = 10.0
        self.positions = description.home_positions
        self.velocities = np.zeros(len(description.joints))
        self.ticks = 0
        self.after = 0
        self.fault: Fault = lambda state: state
        self.stops = 0
        self.closed = False
        self.commands: list[str] = []
        self.image_age = 0.0

    @property
    def cameras(self) -> tuple[str, ...]:
        return ("overhead",)

    def now(self) -> float:
        return self.clock

    def state(self) -> RobotState:
        n = len(self.positions)
        state = RobotState(
            self.clock, self.positions.copy(), self.velocities.copy(), np.zeros(n), 0.05, 0.0, np.zeros(3)
        )
        return self.fault(state) if self.ticks >= self.after else state

    def capture(self, camera: str) -> Frame:
        view = Camera(camera, 4, 3, 1.0, 1.0, 1.5, 1.0, Pose(np.zeros(3)))
        rgb, depth = np.zeros((3, 4, 3), np.uint8), np.zeros((3, 4), np.float32)
        return Frame(rgb, depth, view, self.clock - self.image_age)

    def _pass(self, watch: Watch) -> str:
        self.clock += TICK
        self.ticks += 1
        return watch(self.state())

    def follow(self, trajectory: JointTrajectory, watch: Watch = never) -> Motion:
        self.commands.append("follow")
        began = self.clock
        for positions, velocities in zip(trajectory.positions, trajectory.velocities, strict=True):
            self.positions, self.velocities = positions, velocities
            if reason := self._pass(watch):
                return Motion(False, reason, self.state(), self.clock - began)
        return Motion(True, "", self.state(), self.clock - began)

    def grip(self, width: float, force: float, watch: Watch = never) -> Motion:
        self.commands.append("grip")
        return self.wait(0.2, watch)

    def wait(self, seconds: float, watch: Watch = never) -> Motion:
        began = self.clock
        while self.clock - began < seconds:
            if reason := self._pass(watch):
                return Motion(False, reason, self.state(), self.clock - began)
        return Motion(True, "", self.state(), self.clock - began)

    def stop(self) -> None:
        self.stops += 1
        self.velocities = np.zeros_like(self.velocities)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(params=["panda", "xarm6"])
def arm(request: pytest.FixtureRequest) -> TrackingArm:
    return TrackingArm(load_robot(request.param))


def motion_of(arm: TrackingArm, angle: float = -0.5, speed: float = 0.5) -> JointTrajectory:
    """A turn of the base by `angle` [rad]."""
    goal = arm.positions.copy()
    goal[0] += angle
    return parameterize(arm.description, np.stack([arm.positions, goal]), speed)


def test_a_safe_trajectory_runs_to_its_end(arm: TrackingArm) -> None:
    trajectory, readings = motion_of(arm), []
    motion = Supervisor(arm).follow(trajectory, readings=readings)
    assert motion.completed and motion.reason == ""
    np.testing.assert_allclose(arm.positions, trajectory.positions[-1])
    assert len(readings) == len(trajectory.times)


def bad(change: str, trajectory: JointTrajectory, arm: TrackingArm) -> JointTrajectory:
    times, positions, velocities = (
        trajectory.times.copy(),
        trajectory.positions.copy(),
        trajectory.velocities.copy(),
    )
    if change == "not finite":
        positions[3, 1] = np.nan
    elif change == "expected":
        positions, velocities = positions[:, :-1], velocities[:, :-1]
    elif change == "start at 0 and increase":
        times[4] = times[3]
    elif change == "it starts":
        positions = positions + 0.2
    elif change == "pass its limit":
        share = np.linspace(0, 1, len(times))[:, None] ** 2 * (3 - 2 * np.linspace(0, 1, len(times))[:, None])
        goal = arm.description.upper + 0.2
        positions = arm.positions + share * (goal - arm.positions)
        times = times * 50
        velocities = np.gradient(positions, times, axis=0)
    elif change == "rad/s;":
        times, velocities = times / 8, velocities * 8
    elif change == "rad/s^2;":
        velocities[len(times) // 2] += 0.5 * arm.description.velocity_limits
    elif change == "differ":
        velocities *= 0.0
    elif change == "at rest":
        half = len(times) // 2
        times, positions, velocities = times[:half], positions[:half], velocities[:half]
    elif change == "samples":
        times, positions, velocities = times[:1], positions[:1], velocities[:1]
    elif change == "takes":
        times, velocities = times * 200, velocities / 200
    return JointTrajectory(times, positions, velocities)


@pytest.mark.parametrize(
    "change",
    [
        "not finite",
        "expected",
        "start at 0 and increase",
        "it starts",
        "pass its limit",
        "rad/s;",
        "rad/s^2;",
        "differ",
        "at rest",
        "samples",
        "takes",
    ],
)
def test_each_kind_of_bad_trajectory_is_refused_before_it_moves(arm: TrackingArm, change: str) -> None:
    supervisor = Supervisor(arm)
    motion = supervisor.follow(bad(change, motion_of(arm, -0.8), arm))
    assert not motion.completed
    assert change in motion.reason and motion.reason.startswith("refused: ")
    assert arm.commands == []
    assert supervisor.audit[-1].decision == "refused"
    # A refusal is no stop: the next safe command runs.
    assert supervisor.follow(motion_of(arm)).completed


def test_a_path_of_the_tool_through_the_table_is_refused(arm: TrackingArm) -> None:
    goal = arm.positions.copy()
    goal[1] += 1.2
    path = np.stack([arm.positions, goal])
    motion = Supervisor(arm).follow(parameterize(arm.description, path, 0.3))
    assert "leave its workspace" in motion.reason
    assert arm.commands == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda s: replace(s, stamp=s.stamp - 1.0), "old"),
        (lambda s: replace(s, positions=np.full_like(s.positions, np.nan)), "no usable reading"),
        (lambda s: replace(s, positions=s.positions[:-1]), "no usable reading"),
        (lambda s: replace(s, velocities=s.velocities + 9.0), "rad/s"),
        (lambda s: replace(s, external_force=np.array([0.0, 0.0, 500.0])), "N act on the tool"),
        (lambda s: replace(s, positions=s.positions + 9.0), "beyond its limit"),
    ],
)
def test_an_unsafe_reading_stops_within_one_tick_and_latches(arm: TrackingArm, fault: Fault, words: str) -> None:
    supervisor = Supervisor(arm)
    trajectory = motion_of(arm)
    arm.after, arm.fault = 20, fault
    with pytest.raises(SafetyStop, match=words):
        supervisor.follow(trajectory)
    assert arm.ticks == 20
    assert arm.stops >= 1
    before = list(arm.commands)
    for command in (
        lambda: supervisor.follow(trajectory),
        lambda: supervisor.grip(0.02, 5.0),
        lambda: supervisor.wait(0.1),
    ):
        with pytest.raises(SafetyStop):
            command()
    assert arm.commands == before
    with pytest.raises(SafetyStop, match="no reset"):
        supervisor.reset()
    arm.fault = lambda state: state
    supervisor.reset()
    assert supervisor.wait(0.05).completed


def test_an_arm_that_lags_is_stopped_and_told_which_joint(arm: TrackingArm) -> None:
    start = arm.positions.copy()
    arm.fault = lambda state: replace(state, positions=start)
    motion = Supervisor(arm).follow(motion_of(arm))
    assert not motion.completed
    assert f"'{arm.description.joint_names[0]}' lags" in motion.reason
    assert motion.tracking_error > arm.description.safety.tracking_error
    assert arm.stops == 1


def test_a_free_motion_ends_at_an_unexpected_force(arm: TrackingArm) -> None:
    arm.after, arm.fault = 10, lambda s: replace(s, external_force=np.array([0.0, 30.0, 0.0]))
    motion = Supervisor(arm).follow(motion_of(arm), max_force=20.0)
    assert not motion.completed and "met 30.0 N" in motion.reason
    assert motion.peak_force == pytest.approx(30.0)
    assert arm.ticks == 12  # it lasted


def test_a_jolt_of_two_readings_does_not_end_a_motion(arm: TrackingArm) -> None:
    arm.fault = lambda s: replace(s, external_force=np.array([0.0, 30.0 if arm.ticks % 9 < 2 else 5.0, 0.0]))
    motion = Supervisor(arm).follow(motion_of(arm), max_force=20.0)
    assert motion.completed
    assert motion.peak_force == pytest.approx(30.0)


def test_twice_the_force_limit_ends_a_motion_at_once(arm: TrackingArm) -> None:
    arm.after, arm.fault = 10, lambda s: replace(s, external_force=np.array([0.0, 41.0, 0.0]))
    motion = Supervisor(arm).follow(motion_of(arm), max_force=20.0)
    assert not motion.completed and "met 41.0 N" in motion.reason
    assert arm.ticks == 10


def test_the_hard_force_limit_latches_at_once(arm: TrackingArm) -> None:
    hard = arm.description.safety.max_force
    arm.after, arm.fault = 10, lambda s: replace(s, external_force=np.array([0.0, hard + 1.0, 0.0]))
    supervisor = Supervisor(arm)
    with pytest.raises(SafetyStop):
        supervisor.follow(motion_of(arm), max_force=hard - 1.0)
    assert supervisor.latched and arm.ticks == 10


def test_an_arm_that_is_pressed_may_back_off_but_not_press_harder(arm: TrackingArm) -> None:
    pressed, easing = np.array([0.0, 0.0, 60.0]), lambda k: max(0.0, 60.0 - 3.0 * k)
    arm.fault = lambda s: replace(s, external_force=pressed * easing(arm.ticks) / 60.0)
    supervisor = Supervisor(arm)
    assert supervisor.follow(motion_of(arm)).completed
    arm.ticks = 0
    arm.fault = lambda s: replace(s, external_force=pressed * (1 + arm.ticks * 0.03))
    motion = supervisor.follow(motion_of(arm))
    assert not motion.completed and arm.ticks < 8
    # Once it is free the ordinary limit holds again.
    arm.ticks = 0
    arm.fault = lambda s: replace(s, external_force=pressed * (0.0 if 1 <= arm.ticks < 9 else 1.0))
    assert not supervisor.follow(motion_of(arm)).completed
    assert arm.ticks == 11


def test_expected_contact_is_success_and_counts_from_the_resting_force(arm: TrackingArm) -> None:
    arm.fault = lambda s: replace(s, external_force=np.array([0.0, 0.0, 6.0 if arm.ticks < 15 else 12.0]))
    motion = Supervisor(arm).follow(motion_of(arm), until_contact=5.0)
    assert motion.completed and motion.reason == ""
    assert motion.peak_force == pytest.approx(6.0)
    assert arm.ticks == 15
    assert arm.stops == 1


@pytest.mark.parametrize(("max_force", "until_contact"), [(0.0, None), (-3.0, None), (None, -1.0), (None, 1e4)])
def test_force_limits_without_sense_are_refused(
    arm: TrackingArm, max_force: float | None, until_contact: float | None
) -> None:
    motion = Supervisor(arm).follow(motion_of(arm), max_force=max_force, until_contact=until_contact)
    assert motion.reason.startswith("refused")
    assert arm.commands == []


def test_cancelling_stops_within_one_tick_and_does_not_latch(arm: TrackingArm) -> None:
    supervisor = Supervisor(arm, cancelled=lambda: 7 <= arm.ticks < 50)
    motion = supervisor.follow(motion_of(arm))
    assert motion.reason == "cancelled"
    assert arm.ticks == 7 and arm.stops == 1
    arm.ticks = 100
    assert supervisor.wait(0.05).completed


def test_the_deadline_stops_a_wait(arm: TrackingArm) -> None:
    supervisor = Supervisor(arm, expired=lambda: arm.ticks >= 5)
    assert "ran out" in supervisor.wait(10.0).reason
    assert arm.ticks == 5


@pytest.mark.parametrize(
    ("width", "force"), [(np.nan, 5.0), (-0.01, 5.0), (0.3, 5.0), (0.02, 0.0), (0.02, 1e5), (0.02, np.inf)]
)
def test_grips_beyond_the_gripper_are_refused(arm: TrackingArm, width: float, force: float) -> None:
    assert Supervisor(arm).grip(width, force).reason.startswith("refused")
    assert arm.commands == []


@pytest.mark.parametrize("seconds", [-1.0, np.nan, np.inf, 1e6])
def test_waits_without_sense_are_refused(arm: TrackingArm, seconds: float) -> None:
    assert Supervisor(arm).wait(seconds).reason.startswith("refused")


def test_an_emergency_stop_from_elsewhere_ends_the_motion(arm: TrackingArm) -> None:
    supervisor = Supervisor(arm)
    arm.after = 5

    def press(state: RobotState) -> RobotState:
        if not supervisor.latched:
            supervisor.stop("a person pressed the button")
        return state

    arm.fault = press
    with pytest.raises(SafetyStop, match="a person pressed"):
        supervisor.follow(motion_of(arm))
    assert arm.ticks == 5


def test_ctrl_c_in_mid_motion_leaves_the_arm_stopped(arm: TrackingArm) -> None:
    def interrupt(state: RobotState) -> RobotState:
        raise KeyboardInterrupt

    arm.after, arm.fault = 5, interrupt
    with pytest.raises(KeyboardInterrupt):
        Supervisor(arm).follow(motion_of(arm))
    assert arm.stops == 1


def test_a_back_end_that_ignores_its_watch_is_not_believed(arm: TrackingArm) -> None:
    class Deaf(TrackingArm):
        def follow(self, trajectory: JointTrajectory, watch: Watch = never) -> Motion:
            def heard_nothing(state: RobotState) -> str:
                watch(state)
                return ""

            return super().follow(trajectory, heard_nothing)

    deaf = Deaf(arm.description)
    motion = Supervisor(deaf, cancelled=lambda: deaf.ticks > 3).follow(motion_of(deaf))
    assert not motion.completed and motion.reason == "cancelled"


def test_an_old_image_is_not_passed_on(arm: TrackingArm) -> None:
    supervisor = Supervisor(arm)
    supervisor.capture("overhead")
    arm.image_age = 3.0
    with pytest.raises(CameraError, match=r"3\.0 s old"):
        supervisor.capture("overhead")


def test_decisions_are_written_as_json_lines(arm: TrackingArm) -> None:
    log = io.StringIO()
    supervisor = Supervisor(arm, log=log)
    supervisor.follow(motion_of(arm))
    supervisor.grip(0.02, 1e9)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["verb"], line["decision"]) for line in lines] == [
        ("follow", "allowed"),
        ("follow", "done"),
        ("grip", "refused"),
    ]
    assert lines == [record.as_json() for record in supervisor.audit]


def test_closing_the_supervisor_stops_and_releases_the_arm(arm: TrackingArm) -> None:
    with Supervisor(arm):
        pass
    assert arm.stops == 1 and arm.closed

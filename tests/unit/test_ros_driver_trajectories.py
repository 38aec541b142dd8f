"""The simulated arm's controller by itself: polynomials, reading of goals, tolerances, preemption, holding."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
from control_msgs.action import FollowJointTrajectory
from control_msgs.msg import JointTolerance
from hypothesis import given, settings
from hypothesis import strategies as st
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from embodied_agent.control.trajectory import parameterize
from embodied_agent.errors import BadInput
from embodied_agent.robots.catalog import make
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.ros2.messages import to_duration, to_time
from embodied_agent.ros.driver.goals import ABORTED, CANCELED, SUCCEEDED
from embodied_agent.ros.driver.splines import Spline
from embodied_agent.ros.driver.trajectory_controller import TrajectoryController
from embodied_agent.ros.driver.trajectory_goal import default_tolerances, goal_of
from embodied_agent.types import RobotState

PANDA = load_robot("panda")
NAMES = PANDA.joint_names
HOME = PANDA.home_positions
TICK, STEPS = 0.01, 5
LAG = PANDA.joints[0].damping / PANDA.joints[0].stiffness  # [s], of every joint of this arm
DEFAULTS = default_tolerances(7, path=0.2, goal=0.05, stopped=0.02, time=0.6, start=0.1)


def goal(points, names=NAMES, stamp=0.0, **fields):
    """A goal message of (time, positions[, velocities[, accelerations]]) rows."""
    message = FollowJointTrajectory.Goal(**fields)
    message.trajectory = JointTrajectory(joint_names=list(names))
    message.trajectory.header.stamp = to_time(stamp)
    for time, *rows in points:
        made = JointTrajectoryPoint(time_from_start=to_duration(time))
        for what, row in zip(("positions", "velocities", "accelerations"), rows, strict=False):
            setattr(made, what, [float(value) for value in row])
        message.trajectory.points.append(made)
    return message


def read(message):
    return goal_of(message, NAMES, DEFAULTS)


class Plant:
    """An arm without mass whose servos pull and damp as described, plus an error that the test gives it."""

    def __init__(self):
        self.time = 0.0
        self.positions, self.velocities = HOME.copy(), np.zeros(7)
        self.error = np.zeros(7)
        self.controller = TrajectoryController(PANDA, self.state())

    def state(self):
        zero = np.zeros(7)
        return RobotState(
            self.time, self.positions + self.error, self.velocities.copy(), zero, 0.08, 0.0, np.zeros(3)
        )

    def tick(self, count=1):
        for _ in range(count):
            before, self.time = self.positions.copy(), self.time + TICK
            for aim in self.controller.targets(self.time - TICK, TICK, STEPS):
                self.positions = self.positions + (1 - np.exp(-TICK / STEPS / LAG)) * (aim - self.positions)
            self.velocities = (self.positions - before) / TICK
            self.controller.judge(self.state())

    def start(self, message):
        return self.controller.start(read(message), offset=100.0)


# -- polynomials ----------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2), st.integers(0, 10_000))
def test_a_spline_meets_every_point_that_it_was_given(degree, seed):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 1.0, 5))
    rows = [rng.uniform(-2, 2, (5, 3)) for _ in range(degree + 1)]
    positions, velocities = Spline(times, *rows).sample(times)
    assert np.allclose(positions, rows[0], atol=1e-9)
    if degree:
        assert np.allclose(velocities, rows[1], atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2), st.integers(0, 10_000))
def test_velocities_of_a_spline_are_the_slope_of_its_positions(degree, seed):
    rng = np.random.default_rng(seed)
    times = np.array([0.0, 0.4, 1.1])
    spline = Spline(times, *[rng.uniform(-2, 2, (3, 2)) for _ in range(degree + 1)])
    at, step = rng.uniform(0.01, 0.39, 4), 1e-6
    slope = (spline.sample(at + step)[0] - spline.sample(at - step)[0]) / (2 * step)
    assert np.allclose(spline.sample(at)[1], slope, atol=1e-5)


def test_accelerations_are_met_as_well():
    rng = np.random.default_rng(1)
    rows = [rng.uniform(-1, 1, (3, 2)) for _ in range(3)]
    spline, step = Spline(np.array([0.0, 0.5, 1.5]), *rows), 1e-5
    for k, time in ((0, 0.0), (1, 0.5)):
        ahead = (spline.sample(np.array([time + step]))[1] - spline.sample(np.array([time]))[1])[0] / step
        assert np.allclose(ahead, rows[2][k], atol=1e-2)


def test_a_spline_rests_before_its_start_and_after_its_end():
    spline = Spline(np.array([1.0, 2.0]), np.array([[0.0], [3.0]]))
    positions, velocities = spline.sample(np.array([0.5, 2.5]))
    assert positions.ravel().tolist() == [0.0, 3.0] and not velocities.any()


# -- reading goals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (goal([(1.0, HOME[:6])], NAMES[:6]), "joint names are"),
        (goal([(1.0, HOME)], (*NAMES[:6], "elbow")), "elbow"),
        (goal([(1.0, HOME)], (*NAMES[:6], NAMES[0])), "joint names are"),
        (goal([]), "no points"),
        (goal([(1.0, HOME[:6])]), "point 0 has 6 positions for 7 joints"),
        (goal([(0.5, HOME), (1.0, HOME, np.zeros(7))]), "point 0 has 0 velocities for 7 joints"),
        (goal([(1.0, HOME), (1.0, HOME)]), "time_from_start of point 1 is 1 s, not after 1 s"),
        (goal([(-0.1, HOME)]), "is -0.1 s"),
        (goal([(1.0, HOME * np.nan)]), "positions that are not finite"),
        (goal([(1.0, HOME, np.full(7, np.inf))]), "velocities that are not finite"),
        (goal([(1.0, HOME, np.full(7, 0.3))]), "leaves 'panda_joint1' moving at 0.3 rad/s"),
        (goal([(1.0, HOME)], path_tolerance=[JointTolerance(name="elbow")]), "path_tolerance names 'elbow'"),
        (goal([(1.0, HOME)], goal_tolerance=[JointTolerance(name=NAMES[1], position=-0.5)]), "is -0.5"),
    ],
)  # fmt: skip
def test_a_goal_that_is_no_trajectory_of_this_arm_is_refused_with_numbers(message, words):
    with pytest.raises(BadInput, match=words.replace("(", r"\(")):
        read(message)


def test_joints_may_come_in_any_order():
    order = [3, 1, 6, 0, 2, 5, 4]
    found = read(goal([(1.0, HOME[order])], [NAMES[k] for k in order]))
    assert np.array_equal(found.positions[0], HOME)


def test_a_goals_own_tolerances_replace_the_controllers():
    given_ = [JointTolerance(name=NAMES[2], position=0.5), JointTolerance(name=NAMES[3], position=-1.0)]
    found = read(goal([(1.0, HOME)], path_tolerance=given_, goal_time_tolerance=to_duration(2.0))).tolerances
    assert found.path[2] == 0.5 and found.path[3] == np.inf and found.path[0] == 0.2 and found.goal_time == 2.0


# -- following ------------------------------------------------------------------------------------


def test_a_trajectory_is_followed_to_its_end_and_held_there():
    plant = Plant()
    running = plant.start(goal([(0.5, HOME + 0.2, np.zeros(7)), (1.0, HOME - 0.1, np.zeros(7))]))
    plant.tick(50)
    assert np.allclose(plant.positions, HOME + 0.2, atol=0.01) and running.outcome is None
    plant.tick(55)
    assert running.outcome.kind == SUCCEEDED and running.outcome.code == 0
    plant.tick(20)
    assert np.allclose(plant.positions, HOME - 0.1, atol=1e-6)


def test_a_cancel_holds_within_a_tick():
    plant = Plant()
    running = plant.start(goal([(2.0, HOME + 0.5, np.zeros(7))]))
    plant.tick(100)
    assert np.abs(plant.velocities).max() > 0.1
    here = plant.positions.copy()
    plant.controller.cancel(running)
    assert running.outcome.kind == CANCELED and running.done.is_set()
    plant.tick()
    assert np.allclose(plant.positions, here, atol=1e-9)


@pytest.mark.parametrize("moment", [0.3, 0.5, 0.7])
def test_an_arm_with_mass_stands_within_a_tenth_of_a_second_of_a_cancel_at_full_speed(moment):
    with make("mujoco", "panda", "blocks", seed=0) as backend:
        controller = TrajectoryController(PANDA, backend.state())
        path = parameterize(PANDA, np.stack([HOME, HOME - 1.2 * np.eye(7)[0]]), 1.0)
        rows = zip(path.times, path.positions, path.velocities, strict=True)
        running = controller.start(read(goal(list(rows), path_tolerance=[])), offset=0.0)

        def tick():
            state = backend.advance(controller.targets(backend.now(), TICK, STEPS), width=0.08, force=10.0)
            controller.judge(state)
            return np.abs(state.velocities).max()

        speeds = [tick() for _ in range(int(moment * path.duration / TICK))]
        controller.cancel(running)
        assert speeds[-1] > 1.5
        after = [tick() for _ in range(60)]
        assert max(after[9:]) < 0.01  # and it stays


def test_a_newer_goal_takes_over_from_where_the_arm_is():
    plant = Plant()
    first = plant.start(goal([(2.0, HOME + 0.5, np.zeros(7))]))
    plant.tick(50)
    second = plant.start(goal([(0.5, plant.positions - 0.1, np.zeros(7))]))
    assert first.outcome.kind == ABORTED and "newer goal" in first.outcome.text
    plant.controller.cancel(first)  # a late cancel of the old goal does not touch the new one
    plant.tick(60)
    assert second.outcome.kind == SUCCEEDED


def test_leaving_the_path_says_which_joint_how_far_and_what_is_allowed():
    plant = Plant()
    running = plant.start(goal([(1.0, HOME + 0.1, np.zeros(7))]))
    plant.tick(40)
    plant.error[3] = 0.25
    plant.tick()
    assert running.outcome.code == FollowJointTrajectory.Result.PATH_TOLERANCE_VIOLATED
    for words in ("0.41 of 1.00 s", "'panda_joint4' is 0.2", "0.2 rad are allowed"):
        assert words in running.outcome.text
    plant.tick()
    assert np.allclose(plant.positions, plant.state().positions - plant.error, atol=1e-9)


def test_an_unlimited_path_tolerance_lets_the_arm_lag():
    plant = Plant()
    free = [JointTolerance(name=name, position=-1.0) for name in NAMES]
    running = plant.start(goal([(1.0, HOME + 0.1, np.zeros(7))], path_tolerance=free, goal_tolerance=free))
    plant.error[3] = 0.25
    plant.tick(110)
    assert running.outcome.kind == SUCCEEDED


def test_missing_the_goal_is_told_after_the_time_allowed():
    plant = Plant()
    running = plant.start(goal([(0.5, HOME + 0.1, np.zeros(7))]))
    plant.error[5] = -0.08
    plant.tick(105)
    assert running.outcome is None  # 0.55 of 0.6 s after the end
    plant.tick(10)
    assert running.outcome.code == FollowJointTrajectory.Result.GOAL_TOLERANCE_VIOLATED
    assert "'panda_joint6' is 0.080 rad off; 0.05 rad are allowed" in running.outcome.text


def test_a_start_elsewhere_is_refused_with_its_distance():
    plant = Plant()
    away = HOME + np.array([0, 0, 0.3, 0, 0, 0, 0])
    running = plant.start(goal([(0.0, away), (1.0, HOME)]))
    assert running.outcome.code == FollowJointTrajectory.Result.INVALID_GOAL
    assert "0.300 rad from where 'panda_joint3' is" in running.outcome.text


def test_a_point_beyond_a_limit_is_refused():
    running = Plant().start(goal([(1.0, HOME), (2.0, np.where(np.arange(7) == 1, 1.9, HOME))]))
    assert running.outcome.code == FollowJointTrajectory.Result.INVALID_GOAL
    assert "point 1 takes 'panda_joint2' to 1.900 rad, outside -1.763 to 1.763" in running.outcome.text


def test_a_refused_goal_leaves_the_running_one_alone():
    plant = Plant()
    running = plant.start(goal([(1.0, HOME + 0.1, np.zeros(7))]))
    plant.tick(10)
    assert plant.start(goal([(0.0, HOME + 1.0), (1.0, HOME)])).outcome is not None
    plant.tick(100)
    assert running.outcome.kind == SUCCEEDED


def test_a_trajectory_that_is_over_already_is_refused_as_old():
    plant = Plant()
    plant.tick(500)  # ROS time 105 s
    running = plant.start(goal([(1.0, HOME + 0.1, np.zeros(7))], stamp=102.0))
    assert running.outcome.code == FollowJointTrajectory.Result.OLD_HEADER_TIMESTAMP
    assert "2.00 s before it arrived" in running.outcome.text


def test_a_start_in_the_future_is_waited_for():
    plant = Plant()
    running = plant.start(goal([(0.0, HOME), (1.0, HOME + 0.2)], stamp=100.5))
    plant.tick(49)
    assert np.allclose(plant.positions, HOME, atol=1e-9)
    plant.tick(50)
    assert np.allclose(plant.positions, HOME + 0.098, atol=0.005) and running.outcome is None
    plant.tick(60)
    assert running.outcome.kind == SUCCEEDED


def test_a_controller_that_goes_down_ends_the_goal_and_holds():
    plant = Plant()
    running = plant.start(goal([(2.0, HOME + 0.5, np.zeros(7))]))
    plant.tick(100)
    plant.controller.drop("the controller went down")
    here = plant.positions.copy()
    plant.tick(5)
    assert running.outcome.kind == ABORTED and np.allclose(plant.positions, here, atol=1e-9)

"""The arm and the gripper of the simulated driver, commanded by another process as any ROS program would."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")
from action_msgs.msg import GoalStatus
from control_msgs.action import FollowJointTrajectory, GripperCommand
from control_msgs.msg import JointTolerance
from driving import Client, Driver, point, until
from rclpy.action import ActionClient
from trajectory_msgs.msg import JointTrajectory

from embodied_agent.robots.description import load_robot

DOMAIN = 23
PANDA = load_robot("panda")
NAMES = PANDA.joint_names
Result = FollowJointTrajectory.Result


@pytest.fixture(scope="module")
def driver():
    made = Driver(DOMAIN, scene="blocks", seed=3)
    yield made
    code, text = made.end()
    assert code == 0, text
    assert "Traceback" not in text and "a callback failed" not in text, text


@pytest.fixture(scope="module")
def client(driver):
    made = Client(DOMAIN).ready()
    yield made
    made.close()


@pytest.fixture(scope="module")
def hand(client):
    made = ActionClient(client.node, GripperCommand, "gripper_controller/gripper_cmd")
    assert made.wait_for_server(60.0)
    yield made
    made.destroy()


def test_a_trajectory_ends_where_it_should_with_feedback_on_the_way(client):
    target, seen = client.joints(NAMES)[0] - 0.1, []
    handle = client.send(client.goal(NAMES, -0.1), feedback=seen.append)
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED and result.error_code == Result.SUCCESSFUL
    client.pass_time(0.3)
    positions, speeds = client.joints(NAMES)
    assert np.allclose(positions, target, atol=0.01) and np.abs(speeds).max() < 0.02
    feedback = [message.feedback for message in seen]
    assert len(feedback) >= 3 and list(feedback[0].joint_names) == list(NAMES)
    for message in feedback:
        error = np.subtract(message.desired.positions, message.actual.positions)
        assert np.allclose(error, message.error.positions, atol=1e-9) and np.abs(error).max() < 0.05


def test_joint_names_may_come_in_any_order(client):
    target = client.joints(NAMES)[0]
    target[0] += 0.1
    goal = FollowJointTrajectory.Goal()
    goal.trajectory = JointTrajectory(joint_names=list(NAMES[::-1]), points=[point(target[::-1], 0.8)])
    assert client.run(goal)[0] == GoalStatus.STATUS_SUCCEEDED
    client.pass_time(0.3)
    assert np.allclose(client.joints(NAMES)[0], target, atol=0.01)


def test_a_goal_of_other_joints_is_rejected(client):
    goal = client.goal(NAMES, 0.0)
    goal.trajectory.joint_names = ["elbow", *NAMES[1:]]
    assert not client.send(goal).accepted


def test_a_goal_that_starts_elsewhere_is_aborted_with_its_distance(client):
    goal = client.goal(NAMES, 0.4, duration=0.0)
    goal.trajectory.points.append(point(client.joints(NAMES)[0], 1.0))
    status, result = client.run(goal)
    assert status == GoalStatus.STATUS_ABORTED and result.error_code == Result.INVALID_GOAL
    assert "0.400 rad from where" in result.error_string


def test_a_cancelled_motion_holds_at_once(client):
    handle = client.send(client.goal(NAMES, 0.3, duration=2.0))
    until(lambda: np.abs(client.joints(NAMES)[1]).max() > 0.1, "motion")
    client.wait(handle.cancel_goal_async())
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_CANCELED and "holds" in result.error_string
    held = client.now
    client.pass_time(0.5)
    still = [s for s in client.states if s.header.stamp.sec + s.header.stamp.nanosec * 1e-9 > held + 0.1]
    path = np.array([client.joints(NAMES, state)[0] for state in still])
    assert np.ptp(path, axis=0).max() < 0.02
    assert np.abs(client.joints(NAMES)[1]).max() < 0.02


def test_a_newer_goal_preempts_and_says_so(client):
    first = client.send(client.goal(NAMES, -0.3, duration=3.0))
    until(lambda: np.abs(client.joints(NAMES)[1]).max() > 0.05, "motion")
    second = client.send(client.goal(NAMES, 0.05, duration=1.0))
    status, result = client.outcome(first)
    assert status == GoalStatus.STATUS_ABORTED and "newer goal" in result.error_string
    assert client.outcome(second)[0] == GoalStatus.STATUS_SUCCEEDED


def test_a_path_tolerance_that_is_left_aborts_with_numbers(client):
    tight = [JointTolerance(name=NAMES[0], position=1e-6)]
    status, result = client.run(client.goal(NAMES, 0.2, duration=0.4, path_tolerance=tight))
    assert status == GoalStatus.STATUS_ABORTED and result.error_code == Result.PATH_TOLERANCE_VIOLATED
    assert f"'{NAMES[0]}' is 0.0" in result.error_string and "1e-06 rad are allowed" in result.error_string


def test_the_topic_of_the_controller_is_heard_and_preempts(client):
    handle = client.send(client.goal(NAMES, 0.3, duration=3.0))
    until(lambda: np.abs(client.joints(NAMES)[1]).max() > 0.05, "motion")
    here = client.joints(NAMES)[0]
    client.topic.publish(JointTrajectory(joint_names=list(NAMES), points=[point(here, 0.2)]))
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_ABORTED and "newer goal" in result.error_string
    client.pass_time(0.6)
    assert np.allclose(client.joints(NAMES)[0], here, atol=0.01)


def test_the_gripper_reaches_a_width_in_the_air_and_tells_it(client, hand):
    status, result = client.run(GripperCommand.Goal(command=command(0.02, 20.0)), hand)
    assert status == GoalStatus.STATUS_SUCCEEDED and result.reached_goal and not result.stalled
    client.pass_time(0.05)
    fingers = client.joints(PANDA.gripper.joints)[0]
    assert np.allclose(fingers, 0.02, atol=0.001) and abs(result.position - 0.02) < 0.001


def test_a_cancelled_gripper_holds_where_it_is(client, hand):
    client.run(GripperCommand.Goal(command=command(0.04, 20.0)), hand)
    handle = client.send(GripperCommand.Goal(command=command(0.001, 20.0)), hand)
    until(lambda: client.joints(PANDA.gripper.joints)[0][0] < 0.035, "motion of the fingers")
    client.wait(handle.cancel_goal_async())
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_CANCELED and not result.reached_goal
    client.pass_time(0.3)
    assert client.joints(PANDA.gripper.joints)[0][0] > 0.005


def test_nonsense_for_the_gripper_is_rejected(client, hand):
    assert not client.send(GripperCommand.Goal(command=command(float("nan"), 20.0)), hand).accepted
    assert not client.send(GripperCommand.Goal(command=command(0.02, -1.0)), hand).accepted


def test_a_controller_that_is_down_drops_the_goal_rejects_others_and_comes_back(client):
    handle = client.send(client.goal(NAMES, -0.2, duration=3.0))
    until(lambda: np.abs(client.joints(NAMES)[1]).max() > 0.05, "motion")
    client.switch("fault.controller_down", True)
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_ABORTED and "down" in result.error_string
    assert not client.send(client.goal(NAMES, 0.0)).accepted
    client.switch("fault.controller_down", False)
    assert client.run(client.goal(NAMES, 0.02, duration=0.5))[0] == GoalStatus.STATUS_SUCCEEDED


def test_many_goals_in_a_hurry_each_get_their_answer(client):
    statuses = []
    for _ in range(4):  # eight at once: a service keeps ten requests that it has not read
        asked = [client.arm.send_goal_async(client.goal(NAMES, 0.01 * (-1) ** k, 0.5)) for k in range(8)]
        statuses += [client.outcome(client.wait(answer))[0] for answer in asked]
    assert statuses[-1] == GoalStatus.STATUS_SUCCEEDED
    assert set(statuses) <= {GoalStatus.STATUS_ABORTED, GoalStatus.STATUS_SUCCEEDED}


def command(position, effort):
    from control_msgs.msg import GripperCommand as Command

    return Command(position=position, max_effort=effort)

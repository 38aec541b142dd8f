"""The back end `ros2` before controllers that refuse, are silent, deaf, or die, over real ROS 2."""

from __future__ import annotations

import gc
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")

from paper_arm import PaperArm, nudge, until

from embodied_agent.errors import RobotError
from embodied_agent.robots.description import RobotDescription, load_robot
from embodied_agent.robots.ros2.backend import Ros2Backend
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.messages import JointReading
from embodied_agent.types import JointTrajectory, Pose, RobotState

DOMAIN = 12
pytestmark = pytest.mark.usefixtures("ros")


def calm(stale_after: float = 20.0) -> RobotDescription:
    """A Panda whose readings may be old: a busy machine must not fail these tests."""
    panda = load_robot("panda")
    return replace(panda, safety=replace(panda.safety, stale_after=stale_after))


INTERFACE = Ros2Interface(
    cameras=("overhead",), accept_timeout=10.0, server_timeout=20.0, cancel_timeout=10.0, state_timeout=20.0
)


class Pair:
    """An arm, and the back end that commands it."""

    count = 0

    def __init__(self, *, parallel: bool = False, stale_after: float = 20.0, **changes: object) -> None:
        Pair.count += 1
        namespace = f"/arm{Pair.count}"  # as two arms in one cell have it
        self.arm = PaperArm(calm(), parallel=parallel, namespace=namespace)
        self.arm.fix("world", "panda_link0", Pose(np.zeros(3)))
        kind = "ParallelGripperCommand" if parallel else "GripperCommand"
        interface = replace(INTERFACE, gripper_action_type=kind, **changes)  # type: ignore[arg-type]
        self.backend = Ros2Backend(calm(stale_after), interface=interface, namespace=namespace, wait=0.0)
        until(lambda: not any("joint_states" in p or "action server" in p for p in self.backend.problems()))

    def path(self, seconds: float = 0.4, size: float = 0.02) -> JointTrajectory:
        return nudge(self.backend, seconds, size)

    def close(self) -> None:
        self.backend.close()
        self.arm.close()


@pytest.fixture(scope="module")
def shared(ros: None) -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


@pytest.fixture()
def pair(shared: Pair) -> Iterator[Pair]:
    yield shared
    shared.arm.manner, shared.arm.code, shared.arm.text, shared.arm.talking = "well", 0, "", True
    shared.arm.lag[:] = 0.0
    shared.arm.speed_scaling = None
    shared.backend.state()


def test_a_path_is_followed_and_every_reading_is_watched(pair: Pair) -> None:
    path, seen = pair.path(), []
    motion = pair.backend.follow(path, lambda state: seen.append(state.stamp) or "")
    assert motion.completed, motion.reason
    np.testing.assert_allclose(motion.state.positions, path.positions[-1], atol=1e-3)
    assert len(seen) > 5 and (np.diff(seen) > 0).all()
    goal = pair.arm.goals[-1]
    assert list(goal.joint_names) == list(pair.backend.description.joint_names)
    assert goal.header.stamp.sec == goal.header.stamp.nanosec == 0  # at once: clocks of two machines differ


def test_tolerances_of_the_description_go_with_the_goal(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    send = pair.backend._arm.client.send
    monkeypatch.setattr(pair.backend._arm.client, "send", lambda goal: sent.append(goal) or send(goal))
    pair.backend.follow(pair.path())
    safety = pair.backend.description.safety
    assert [item.position for item in sent[0].path_tolerance] == [safety.tracking_error] * 7
    assert [item.position for item in sent[0].goal_tolerance] == [INTERFACE.goal_tolerance] * 7


def test_a_refused_goal_comes_back_as_a_sentence(pair: Pair) -> None:
    pair.arm.manner = "refuse"
    motion = pair.backend.follow(pair.path())
    assert not motion.completed and "follow_joint_trajectory refused the goal" in motion.reason
    motion = pair.backend.grip(0.02, 10.0)
    assert not motion.completed and "gripper_cmd refused the goal" in motion.reason


@pytest.mark.parametrize(
    ("code", "text", "sentence"),
    [
        (-4, "", "'panda_joint3' was 0.212 rad from its path; 0.150 rad are allowed"),
        (-4, "state tolerance", "(the controller says: state tolerance)"),
        (-2, "", "joints of the trajectory are not the controller's"),
        (-99, "", "unknown code -99"),
    ],
)
def test_an_aborted_path_names_joint_distance_and_tolerance(
    pair: Pair, code: int, text: str, sentence: str
) -> None:
    pair.arm.manner, pair.arm.code, pair.arm.text = "abort", code, text
    pair.arm.lag[2] = -0.212
    motion = pair.backend.follow(pair.path(seconds=2.0))
    assert not motion.completed and sentence in motion.reason
    assert motion.tracking_error == pytest.approx(0.212)


def test_a_goal_that_was_not_reached_is_measured_by_us(pair: Pair) -> None:
    pair.arm.manner, pair.arm.code = "abort", -5
    motion = pair.backend.follow(pair.path(seconds=1.0, size=0.4))
    left = np.abs(pair.arm.goals[-1].points[-1].positions - motion.state.positions).max()
    assert f"ended {left:.3f} rad from its goal; 0.050 rad are allowed" in motion.reason


def test_a_watch_ends_the_motion_with_its_own_sentence(pair: Pair) -> None:
    calls, limit = [], pair.backend.now() + 0.3

    def watch(state: RobotState) -> str:
        calls.append(state.stamp)
        return "far enough" if state.stamp > limit else ""

    motion = pair.backend.follow(pair.path(seconds=30.0), watch)
    assert (motion.completed, motion.reason) == (False, "far enough")
    assert sum(stamp > limit for stamp in calls) == 1
    stop = pair.backend.stop_times[-1]
    assert stop.ended is not None and stop.sent < 0.1
    assert pair.arm.cancels and pair.backend._arm.goal is None


def test_a_watch_that_breaks_leaves_no_goal_running(pair: Pair) -> None:
    def watch(state: RobotState) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pair.backend.follow(pair.path(seconds=30.0), watch)
    until(lambda: pair.backend._arm.goal is None)


@pytest.mark.parametrize("where", ["thread", "watch", "signal"])
def test_stop_works_from_anywhere(pair: Pair, where: str) -> None:
    def watch(state: RobotState) -> str:
        if where == "watch":
            pair.backend.stop()
        return ""

    before = signal.signal(signal.SIGUSR1, lambda number, frame: pair.backend.stop())
    timer = threading.Timer(
        0.4, pair.backend.stop if where == "thread" else lambda: os.kill(os.getpid(), signal.SIGUSR1)
    )
    try:
        if where != "watch":
            timer.start()
        motion = pair.backend.follow(pair.path(seconds=30.0), watch)
    finally:
        timer.cancel()
        signal.signal(signal.SIGUSR1, before)
    assert motion.reason == "stopped by request"
    until(lambda: pair.backend._arm.goal is None)
    assert pair.backend.follow(pair.path()).completed  # a stop holds for the command that runs


def test_a_hundred_stops_leave_the_arm_at_rest_and_the_next_command_runs(pair: Pair) -> None:
    for _ in range(100):
        pair.backend.stop()
    assert pair.backend.follow(pair.path()).completed


def test_a_callback_that_fails_is_told_and_does_not_make_the_arm_deaf(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensors, failed = pair.backend._sensors, pair.backend._session.failures
    with monkeypatch.context() as patch:
        patch.setattr(sensors, "_hand", lambda: 1 / 0)
        until(lambda: pair.backend._session.failures > failed)
    assert pair.backend.follow(pair.path()).completed
    assert any("ZeroDivisionError" in remark for remark in pair.backend.health.remarks())


def test_a_second_command_at_once_is_refused(pair: Pair) -> None:
    problem: list[str] = []

    def watch(state: RobotState) -> str:
        def other() -> None:
            try:
                pair.backend.wait(1.0)
            except RobotError as error:
                problem.append(str(error))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return "seen"

    pair.backend.follow(pair.path(seconds=5.0), watch)
    assert problem == ["another command runs; one at a time"]


def test_a_controller_that_comes_back_is_used_without_a_restart(pair: Pair) -> None:
    timer = threading.Timer(0.5, pair.arm.kill_arm)
    timer.start()
    motion = pair.backend.follow(pair.path(seconds=30.0))
    timer.join()
    assert not motion.completed
    assert "gone" in motion.reason or "dropped the goal" in motion.reason or "restarted" in motion.reason
    until(lambda: any("no action server" in problem for problem in pair.backend.problems()))
    pair.arm.manner = "well"
    pair.arm.start_arm()
    until(lambda: not any("no action server" in problem for problem in pair.backend.problems()))
    motion = pair.backend.follow(pair.path())
    assert motion.completed, motion.reason


def test_a_gripper_gets_the_joint_position_and_the_force(pair: Pair) -> None:
    motion = pair.backend.grip(0.0395, 25.0)
    assert motion.completed, motion.reason
    command, gripper = pair.arm.commands[-1], pair.backend.description.gripper
    assert command.position == pytest.approx(gripper.position_at(0.0395))
    assert command.max_effort == pytest.approx(25.0)
    assert motion.state.gripper_width == pytest.approx(0.0395, abs=1e-4)


def test_fingers_that_stall_on_a_thing_are_a_completed_motion(pair: Pair) -> None:
    pair.arm.stall_at, pair.arm.manner, pair.arm.finger_effort = 0.02, "abort", None
    try:
        motion = pair.backend.grip(0.0, 30.0)
        assert motion.completed, motion.reason
        assert motion.state.gripper_width == pytest.approx(
            pair.backend.description.gripper.width_at(0.02), abs=1e-4
        )
        # This driver shows no effort in its joint states: the action's own answer counts.
        assert pair.backend.state().gripper_force == pytest.approx(12.0)
    finally:
        pair.arm.stall_at, pair.arm.finger_effort = None, 0.0


@pytest.mark.parametrize(("width", "force"), [(float("nan"), 10.0), (0.02, 0.0), (0.02, float("inf"))])
def test_a_grip_without_numbers_is_refused(pair: Pair, width: float, force: float) -> None:
    with pytest.raises(RobotError, match="finite"):
        pair.backend.grip(width, force)


def test_a_force_is_turned_into_the_world(pair: Pair) -> None:
    pair.arm.fix("panda_link0", "sensor", Pose(np.zeros(3), np.array([0.0, 1.0, 0.0, 0.0])))  # half a turn about x
    until(lambda: pair.backend.transforms.knows("sensor"))
    pair.arm.force, pair.arm.force_frame = np.array([1.0, 2.0, 3.0]), "sensor"
    until(lambda: np.allclose(pair.backend.state().external_force, [1.0, -2.0, -3.0]))
    motion = pair.backend.wait(0.2)
    assert motion.peak_force == pytest.approx(14**0.5)


def _threads() -> int:
    """Without the pool of the test arm's executor, which grows to its size when it is needed."""
    return sum("ThreadPoolExecutor" not in thread.name for thread in threading.enumerate())


def _our_objects() -> int:
    return sum(str(type(item).__module__).startswith("embodied_agent") for item in gc.get_objects())


def test_hundreds_of_commands_take_no_more_threads_and_no_more_memory(pair: Pair) -> None:
    def work(count: int) -> None:
        for k in range(count):
            assert pair.backend.follow(pair.path(seconds=0.05, size=0.002 * (-1) ** k)).completed
            pair.backend.wait(0.0)
        gc.collect()

    def waiting() -> tuple[int, ...]:
        client = pair.backend._arm.client
        parts = (client._send, client._cancel, client._result)
        return len(client._waiting), *(len(part._pending_requests) for part in parts)

    work(20)
    before = waiting()  # of controllers that died in other tests
    assert max(before) <= 16
    threads, memory = _threads(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    objects = _our_objects()
    work(60)
    assert _threads() <= threads
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 20_000  # [kB]; both ends live here
    assert waiting() == before
    # The arm's own action server remembers its goals for a while; ours are gone.
    assert _our_objects() - objects < 60


def test_a_controller_that_answers_nothing_is_given_up_and_its_late_yes_is_cancelled() -> None:
    pair = Pair(accept_timeout=1.0)
    try:
        pair.arm.manner = "mute"
        motion = pair.backend.follow(pair.path(seconds=30.0))
        assert not motion.completed and "did not answer within 1.0 s" in motion.reason
        pair.arm.manner = "well"
        until(lambda: pair.arm.goals)  # it was taken after all
        until(lambda: not pair.arm.moving)
        assert pair.arm.cancels
        assert pair.backend.follow(pair.path()).completed
    finally:
        pair.close()


def test_a_cancel_that_is_not_confirmed_is_followed_by_a_hold() -> None:
    pair = Pair(cancel_timeout=1.0)
    try:
        pair.arm.manner = "deaf"
        limit = pair.backend.now() + 0.5
        motion = pair.backend.follow(
            pair.path(seconds=60.0, size=0.3), lambda s: "enough" if s.stamp > limit else ""
        )
        assert motion.reason.startswith("enough; no confirmation within 1.00 s, a hold was sent")
        until(lambda: len(pair.arm.goals) == 2)
        hold = pair.arm.goals[-1]
        assert len(hold.points) == 1
        np.testing.assert_allclose(hold.points[0].positions, motion.state.positions, atol=0.05)
    finally:
        pair.close()


def test_a_silent_driver_ends_the_motion_and_is_used_again_when_it_speaks() -> None:
    pair = Pair(stale_after=1.0, state_timeout=2.0)
    try:
        timer = threading.Timer(0.5, lambda: setattr(pair.arm, "talking", False))
        timer.start()
        motion = pair.backend.follow(pair.path(seconds=60.0))
        assert not motion.completed and "no joint state for 1." in motion.reason
        assert "1.00 s are allowed" in motion.reason
        until(lambda: pair.arm.cancels)  # the controller may live though its broadcaster does not
        with pytest.raises(
            RobotError, match=r"no joint state came on /arm\d+/joint_states for .* is the driver running"
        ):
            pair.backend.state()
        pair.arm.talking = True
        until(lambda: not any("joint" in problem for problem in pair.backend.problems()))
        motion = pair.backend.follow(pair.path())
        assert motion.completed, motion.reason
    finally:
        pair.close()


def test_a_force_sensor_that_falls_silent_ends_the_motion() -> None:
    pair = Pair(stale_after=1.0, state_timeout=2.0)
    try:
        until(lambda: pair.backend._sensors.wrench.stamp)
        timer = threading.Timer(0.5, lambda: setattr(pair.arm, "force", None))
        timer.start()
        motion = pair.backend.follow(pair.path(seconds=60.0))
        assert "no reading of the force sensor for 1." in motion.reason
        with pytest.raises(RobotError, match="no reading of the force sensor"):
            pair.backend.state()
        pair.arm.force = np.zeros(3)
        until(lambda: not any("force" in problem for problem in pair.backend.problems()))
        assert pair.backend.follow(pair.path()).completed
    finally:
        pair.close()


def test_a_pause_of_this_process_is_not_taken_for_silence_of_the_robot() -> None:
    pair = Pair(stale_after=0.5, state_timeout=2.0)
    try:
        held: list[float] = []

        def watch(state: RobotState) -> str:
            if len(held) < 3 and state.stamp:
                began = time.monotonic()
                while time.monotonic() < began + 0.8:
                    sum(range(20_000_000))  # one call that lets no other thread of this process run
                held.append(time.monotonic() - began)
            return ""

        motion = pair.backend.follow(pair.path(seconds=6.0), watch)
        assert motion.completed, motion.reason
        assert len(held) == 3 and min(held) > 0.5
    finally:
        pair.close()


def test_old_readings_that_come_first_after_a_pause_are_not_judged() -> None:
    pair = Pair(stale_after=0.5, state_timeout=2.0)
    try:
        sensors = pair.backend._sensors
        pair.arm.talking = False
        time.sleep(0.8)
        newest = sensors.newest()
        assert newest is not None and pair.backend.now() - newest.stamp > 0.5
        count = sensors.count

        def heard(stamp: float) -> None:
            sensors._keep(JointReading(stamp, newest.positions, newest.velocities, newest.efforts))

        threading.Timer(0.05, heard, (newest.stamp + 0.01,)).start()
        threading.Timer(0.08, lambda: heard(pair.backend.now())).start()
        _, readings = sensors.after(count, 5.0)
        assert [pair.backend.now() - state.stamp < 0.5 for state in readings] == [False, True]
        # Where readings are always late, the late one is judged all the same.
        time.sleep(0.8)
        count = sensors.count
        threading.Timer(0.05, heard, (readings[-1].stamp + 0.01,)).start()
        began = time.monotonic()
        _, readings = sensors.after(count, 5.0)
        assert len(readings) == 1 and pair.backend.now() - readings[0].stamp > 0.5
        assert time.monotonic() - began < 2.0
    finally:
        pair.close()


def test_a_parallel_gripper_and_fingers_on_a_topic_of_their_own() -> None:
    pair = Pair(parallel=True, gripper_joint_states="hand/joint_states", gripper_effort_per_newton=2.0)
    try:
        pair.arm.own_finger_topic, pair.arm.velocities = "hand/joint_states", False
        motion = pair.backend.grip(0.05, 15.0)
        assert motion.completed, motion.reason
        command = pair.arm.commands[-1]
        assert list(command.name) == [pair.backend.description.gripper.joints[0]]
        assert list(command.effort) == [pytest.approx(30.0)]
        until(lambda: abs(pair.backend.state().gripper_width - 0.05) < 1e-3)
        motion = pair.backend.follow(pair.path(), lambda state: "")  # speeds from differences
        assert motion.completed, motion.reason
    finally:
        pair.close()


def test_a_robot_that_is_not_there_is_named_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "13")
    with pytest.raises(RobotError) as told:
        Ros2Backend(calm(), interface=INTERFACE, wait=0.5)
    for word in ("/joint_states: no joint state", "/gripper_controller/gripper_cmd", "/overhead/color/image_raw"):
        assert word in str(told.value)


def test_a_closed_back_end_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "13")
    backend = Ros2Backend(calm(), interface=INTERFACE, wait=0.0)
    threads = threading.active_count()
    backend.close()
    backend.close()
    backend.stop()
    assert threading.active_count() < threads
    with pytest.raises(RobotError, match="closed"):
        backend.wait(0.1)


def test_a_controller_tells_how_it_follows_and_its_silence_is_said_without_holding_up_a_command(
    pair: Pair,
) -> None:
    state = pair.backend.controller_state
    state.reading = None
    assert state.problem == ""  # one that never spoke has no such topic
    pair.arm.lag[2], pair.arm.speed_scaling = -0.03, 0.5
    until(lambda: state.reading is not None and state.reading.error > 0.02)
    assert state.reading.joint == "panda_joint3" and state.reading.error == pytest.approx(0.03)
    assert state.reading.speed_scaling == 0.5
    until(lambda: (state.meter.rate or 0.0) > 10.0)
    pair.arm.speed_scaling = None
    until(lambda: state.problem)
    assert "controller_state for 1." in state.problem and "active?" in state.problem
    assert any(state.problem[:40] in problem for problem in pair.backend.problems())
    pair.arm.lag[:] = 0.0
    assert pair.backend.follow(pair.path()).completed  # its action server has the last word
    pair.arm.speed_scaling = 0.0  # a controller that knows of no scaling
    until(lambda: not state.problem)
    assert state.reading.speed_scaling is None
    pair.arm.speed_scaling = None

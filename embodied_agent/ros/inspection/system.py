"""Judging ROS itself, the clock, controllers, force sensor and the agent's node."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from embodied_agent.robots.ros2.interface import GRIPPER_ACTIONS, Ros2Interface
from embodied_agent.ros.inspection.finding import NOTE, OK, WRONG, Finding, aged, judged, noted
from embodied_agent.ros.inspection.observation import Observation

TOOL = re.compile(r"_|launch_ros_\d+$|rosbag2_|rviz")
KNOWN = ("humble", "iron", "jazzy", "kilted", "rolling")
SKEW = 0.5  # [s] between the clocks of two machines
AT_REST = 0.02  # [rad] that a joint may be from its set point while nothing moves
ARM_TYPES = {
    "FollowJointTrajectory": "control_msgs/action/FollowJointTrajectory",
    "ExecuteTrajectory": "moveit_msgs/action/ExecuteTrajectory",
}
LIFECYCLE = {
    "unconfigured": "ros2 lifecycle set /agent configure, then activate",
    "inactive": "ros2 lifecycle set /agent activate",
    "finalized": "start the node again",
}


def ros(seen: Observation) -> Iterator[Finding]:
    """Distribution, middleware, packages, and whether anybody is there."""
    name = seen.distribution or "unknown distribution"
    yield noted(
        seen.distribution in KNOWN,
        "ros",
        "ROS 2",
        f"{name}, {seen.middleware}, domain {seen.domain}",
        "ROS_DISTRO is not set: source /opt/ros/DISTRO/setup.sh (nothing to do where ROS came from PyPI wheels)",
    )
    missing = [package for package, there in seen.packages.items() if not there]
    how = [
        f"colcon build {package}, then source install/setup.sh"
        if package.startswith("embodied_agent")
        else f"apt install ros-{seen.distribution or '$ROS_DISTRO'}-{package.replace('_', '-')}"
        for package in missing
    ]
    yield judged(
        not missing,
        "ros",
        "message packages",
        ", ".join(seen.packages) if not missing else f"missing {', '.join(missing)}",
        "; ".join(how),
    )
    yield judged(
        bool(seen.nodes),
        "ros",
        "nodes",
        f"{len(seen.nodes)} besides this one" + (f": {', '.join(seen.nodes[:8])}" if seen.nodes else ""),
        f"no other node on domain {seen.domain}: start the robot's driver; check ROS_DOMAIN_ID, and "
        "ROS_AUTOMATIC_DISCOVERY_RANGE or ROS_LOCALHOST_ONLY, on both machines",
    )


def clock(seen: Observation) -> Iterator[Finding]:
    """Simulated or real, the same for all, and stamps that agree with it."""
    # Who publishes /clock keeps real time itself, and tools of the command line need none.
    judging = {name: on for name, on in seen.sim_time.items() if name not in seen.clock.publishers}
    judging = {name: on for name, on in judging.items() if not TOOL.match(name.rpartition("/")[2])}
    using = sorted(name for name, on in judging.items() if on)
    other = sorted(name for name, on in judging.items() if not on)
    if seen.clock.publishers and not seen.clock.count:
        remedy = "the simulator is paused, or died: start it"
        yield Finding("clock", "/clock", WRONG, f"published by {seen.clock.publishers[0]}, but silent", remedy)
    elif seen.clock.publishers:
        words = f"simulated, /clock at {seen.clock.rate:.0f} Hz from {seen.clock.publishers[0]}"
        good = not using or not other
        yield judged(
            good, "clock", "time", words + ("" if good else f"; real time in {', '.join(other[:4])}"),
            "set use_sim_time in all nodes or in none: launch argument use_sim_time, or the parameter in each",
        )  # fmt: skip
    else:
        yield judged(
            not using, "clock", "time", "wall clock" if not using else f"use_sim_time in {', '.join(using[:4])}",
            "there is no /clock, and time stands still for those: set use_sim_time false, or start the simulator",
        )  # fmt: skip
    yield from _stamps(seen)


def _stamps(seen: Observation) -> Iterator[Finding]:
    lag = seen.joints.lag
    if math.isnan(lag):
        return
    yield judged(
        abs(lag) < SKEW, "clock", "stamps",
        f"joint states are {aged(lag)} when they come",
        "the clocks of robot and this machine differ: run chrony or PTP on both"
        + ("; or one of them lacks use_sim_time" if seen.clock.publishers else ""),
    )  # fmt: skip


def controllers(seen: Observation, interface: Ros2Interface, full: Callable[[str], str]) -> Iterator[Finding]:
    """Action servers and their types; `full` makes a relative name one of the graph."""
    wanted = [
        ("arm", "trajectory_action", ARM_TYPES[interface.trajectory_action_type]),
        ("gripper", "gripper_action", f"control_msgs/action/{interface.gripper_action_type}"),
    ]
    if interface.navigate_action:
        wanted.append(("base", "navigate_action", "nav2_msgs/action/NavigateToPose"))
    for what, field, kind in wanted:
        name = full(getattr(interface, field))
        found, short = seen.actions.get(name, ""), kind.rpartition("/")[2]
        if found == kind:
            yield Finding("controllers", what, OK, f"{name} is up, {short}")
            continue
        if found:
            measured, remedy = f"{name} has type {found}, not {kind}", _other_type(what, found)
        else:
            others = [other for other, its in sorted(seen.actions.items()) if its == kind]
            measured = f"no action server {name}"
            remedy = (
                f"there is {others[0]}: set {field} in configs/ros2, or remap"
                if others
                else "start the controller: `ros2 control list_controllers` must show it as active"
            )
        yield Finding("controllers", what, WRONG, measured, remedy)


def following(seen: Observation) -> Iterator[Finding]:
    """What the arm's controller tells of itself: it does so only while it is active."""
    told = seen.controller
    if not told.publishers:
        return  # not every controller has such a topic
    if not told.count:
        remedy = (
            "activate it: `ros2 control set_controller_state NAME active`; on a UR, run the program on the pendant"
        )
        yield Finding(
            "controllers", "state", WRONG, f"{told.topic} is silent: the controller is not active", remedy
        )
        return
    errors = [abs(float(value)) for value in told.last.error.positions]
    names = list(told.last.joint_names)
    if not errors or len(errors) != len(names):
        yield Finding("controllers", "state", NOTE, f"{told.rate:.0f} Hz, but it tells no joint errors", "")
        return
    error, name = max(zip(errors, names, strict=True))
    scaling = float(getattr(told.last, "speed_scaling_factor", 1.0))
    slowed = f", executing at {scaling:.0%} speed" if 0 < scaling < 1 else ""
    yield noted(
        error < AT_REST, "controllers", "state",
        f"{told.rate:.0f} Hz, '{name}' {error:.4f} rad from its set point{slowed}",
        "the arm moves, or does not reach where it is sent: look at gains, payload and brakes",
    )  # fmt: skip


def _other_type(what: str, found: str) -> str:
    short = found.rpartition("/")[2]
    if what == "gripper" and short in GRIPPER_ACTIONS:
        return f"set gripper_action_type: {short} in configs/ros2"
    return "another program offers an action of that name: rename it, or set another name in configs/ros2"


def force(seen: Observation) -> Finding:
    """A force sensor is optional; without it, force limits rest with the controller."""
    topic = seen.wrench.topic
    if not seen.wrench.publishers:
        words = "the controller's own limits are the only ones on contact force: set them low"
        measured = f"nobody publishes {topic}" if topic else "the robot's interface names no force sensor"
        return Finding("force", "wrench", NOTE, measured, words)
    if not seen.wrench.count:
        return Finding("force", "wrench", WRONG, f"{topic} is silent", "activate the force sensor's broadcaster")
    value = seen.wrench.last.wrench.force
    size = math.sqrt(value.x**2 + value.y**2 + value.z**2)
    words = f"{seen.wrench.rate:.0f} Hz, {size:.1f} N now, frame {seen.wrench.last.header.frame_id or '(none)'}"
    good = size < 20.0 and bool(seen.wrench.last.header.frame_id)
    return noted(good, "force", "wrench", words, "zero the sensor with the gripper empty; give its frame a name")


def agent(seen: Observation, name: str) -> Finding:
    """The agent's own node."""
    if name not in seen.nodes:
        return Finding("agent", "node", NOTE, f"{name} does not run", "ros2 launch embodied_agent agent.launch.py")
    state = seen.agent_state
    if not state:
        return Finding("agent", "node", WRONG, f"{name} does not answer", "look at its log; start it again")
    remedy = LIFECYCLE.get(state, "wait; /diagnostics says what it does")
    return Finding("agent", "node", OK if state == "active" else NOTE, f"{name} is {state}",
                   "" if state == "active" else remedy.replace("/agent", name))  # fmt: skip

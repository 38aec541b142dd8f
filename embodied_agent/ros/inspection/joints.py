"""Judging joint states against the robot's description."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from embodied_agent.robots.description import RobotDescription
from embodied_agent.ros.inspection.finding import NOTE, OK, WRONG, Finding, judged, noted
from embodied_agent.ros.inspection.observation import Observation

LEAST_RATE = 50.0  # [Hz]
SLACK = 1e-3  # [rad] by which limits in two files may differ
LARGEST_URDF = 20_000_000  # characters


def stream(seen: Observation, robot: RobotDescription | None) -> Iterator[Finding]:
    """Whether they come, and how often."""
    if not seen.joints.count:
        topic = seen.joints.topic
        others = [
            name for name, kind in seen.topics.items() if kind == "sensor_msgs/msg/JointState" and name != topic
        ]
        measured = f"{topic} is silent" if seen.joints.publishers else f"nobody publishes {topic}"
        remedy = (
            f"there is {others[0]}: set joint_states in configs/ros2, or remap"
            if others
            else "start the driver and its joint_state_broadcaster (`ros2 control list_controllers`)"
        )
        yield Finding("joints", "joint states", WRONG, measured, remedy)
        return
    stale = robot.safety.stale_after if robot is not None else 0.2
    words = f"{seen.joints.rate:.0f} Hz, at most {1000 * seen.joints.oldest:.0f} ms old"
    yield judged(
        seen.joints.rate >= LEAST_RATE and seen.joints.oldest < stale, "joints", "joint states", words,
        f"at least {LEAST_RATE:.0f} Hz, never {1000 * stale:.0f} ms old, are needed, or the arm is stopped: "
        "raise update_rate of the broadcaster; look for a loaded machine or a slow network",
    )  # fmt: skip


def names(seen: Observation, robot: RobotDescription) -> Iterator[Finding]:
    """Whether every joint of the description is there, within its limits."""
    if not seen.joint_log:
        return
    positions = seen.positions
    missing = [name for name in robot.joint_names if name not in positions]
    if missing:
        found = ", ".join(sorted(positions)[:12])
        yield Finding(
            "joints", "joint names", WRONG, f"{', '.join(missing)} not among {found}",
            "make joint names in configs/robots those of the driver, or start it with the prefix that they have",
        )  # fmt: skip
        return
    yield Finding("joints", "joint names", OK, f"all {len(robot.joints)} of {robot.name}")
    outside = [
        f"{joint.name} at {positions[joint.name]:.3f} rad, limits {joint.low:.3f} .. {joint.high:.3f}"
        for joint in robot.joints
        if not joint.low - SLACK <= positions[joint.name] <= joint.high + SLACK
    ]
    yield judged(
        not outside, "joints", "positions",
        "; ".join(outside) or "all within their limits",
        "drive the arm back by hand; or the description is of another arm, or counts in another direction",
    )  # fmt: skip
    bad = [name for name, value in positions.items() if not math.isfinite(value)]
    if bad:
        yield Finding("joints", "readings", WRONG, f"{', '.join(bad)}: not a number", "look at the driver's log")
    still = [name for name in robot.joint_names if name not in seen.with_velocity]
    yield noted(
        not still, "joints", "velocities", "measured" if not still else f"none for {len(still)} joints",
        "they are worked out from positions, which is coarser; the broadcaster can publish them",
    )  # fmt: skip


def gripper(seen: Observation, robot: RobotDescription) -> Iterator[Finding]:
    """Whether the gripper says how far it is open, and how hard it holds."""
    if not seen.joint_log:
        return
    positions = seen.positions
    there = [name for name in robot.gripper.joints if name in positions]
    if not there:
        yield Finding(
            "joints", "gripper joint", WRONG, f"none of {', '.join(robot.gripper.joints)} in the joint states",
            "the gripper's driver must publish its joint there; or name it in gripper.joints of configs/robots",
        )  # fmt: skip
        return
    width = robot.gripper.width_at(sum(positions[name] for name in there) / len(there))
    silent = [name for name in there if name not in seen.with_effort]
    words = f"{', '.join(there)}: {1000 * width:.0f} mm open"
    if silent:
        remedy = "whether something is held is known from its width alone"
        yield Finding("joints", "gripper joint", NOTE, words + ", no effort", remedy)
    else:
        yield Finding("joints", "gripper joint", OK, words + ", with effort")


def limits(seen: Observation, robot: RobotDescription) -> Iterator[Finding]:
    """The description's limits against those of the URDF that the robot itself publishes."""
    if not seen.urdf:
        words = "nobody publishes robot_description; limits of the YAML file were not compared with the robot's"
        yield Finding("joints", "limits", NOTE, words, "start robot_state_publisher with the robot's URDF")
        return
    told = _limits_of(seen.urdf)
    if told is None:
        yield Finding("joints", "limits", WRONG, "robot_description is no URDF", "look at robot_state_publisher")
        return
    beyond = []
    for joint in robot.joints:
        if joint.name not in told:
            continue
        low, high, speed = told[joint.name]
        if joint.low < low - SLACK or joint.high > high + SLACK:
            beyond.append(f"{joint.name} {joint.low:.3f} .. {joint.high:.3f} rad, robot {low:.3f} .. {high:.3f}")
        if speed and joint.velocity > speed + SLACK:
            beyond.append(f"{joint.name} {joint.velocity:.2f} rad/s, robot {speed:.2f}")
    compared = sum(joint.name in told for joint in robot.joints)
    yield judged(
        not beyond, "joints", "limits",
        "; ".join(beyond) or f"none beyond the robot's own URDF ({compared} joints compared)",
        "lower them in configs/robots: the robot would refuse such goals, or stop",
    )  # fmt: skip


def _limits_of(urdf: str) -> dict[str, tuple[float, float, float]] | None:
    """Joint -> lower, upper, velocity; None where the text is no URDF.

    Declarations of a document type are refused: they could make a short text grow without end.
    """
    if len(urdf) > LARGEST_URDF or "<!DOCTYPE" in urdf or "<!ENTITY" in urdf:
        return None
    try:
        root = ElementTree.fromstring(urdf)
        found = {}
        for joint in root.findall("joint"):
            limit = joint.find("limit")
            if limit is not None and joint.get("type") in ("revolute", "prismatic"):
                low, high, speed = (float(limit.get(key) or 0.0) for key in ("lower", "upper", "velocity"))
                found[joint.get("name") or ""] = (low, high, speed)
    except (ElementTree.ParseError, ValueError):
        return None
    return found if root.tag == "robot" else None

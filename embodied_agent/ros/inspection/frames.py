"""Judging the tree of transforms, and whether it agrees with the robot's model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.transforms import TransformError
from embodied_agent.ros.inspection.finding import NOTE, OK, WRONG, Finding, aged, judged
from embodied_agent.ros.inspection.observation import Observation
from embodied_agent.types import Pose

OLDEST = 0.2  # [s] of a moving frame
POSITION, ANGLE = 0.005, np.radians(1.0)  # [m], [rad] between transforms and the model


def tree(seen: Observation) -> Iterator[Finding]:
    """Whether there are transforms, and only one opinion on each."""
    parents = seen.transforms.frames()
    if not parents:
        remedy = "start robot_state_publisher and the publishers of the camera frames"
        yield Finding("frames", "transforms", WRONG, "none on /tf and /tf_static", remedy)
        return
    torn = {child: found for child, found in seen.parents.items() if len(found) > 1}
    roots = sorted(set(parents.values()) - set(parents))
    if torn:
        child, found = next(iter(torn.items()))
        measured = f"{child} hangs under {' and '.join(sorted(found))} at once"
        yield Finding("frames", "transforms", WRONG, measured, "two nodes publish it: stop one of them")
    else:
        words = f"{len(set(parents) | set(parents.values()))} frames under {', '.join(roots[:5])}"
        yield Finding("frames", "transforms", OK, words)
    for child, why in list(seen.transforms.refused.items())[:3]:
        yield Finding("frames", child, WRONG, why, "look at the node that publishes it")


def chain(seen: Observation, parent: str, child: str, what: str, how: str) -> Iterator[Finding]:
    """Whether one frame is known in another, and how fresh.

    Args:
        seen: The observation.
        parent, child: Frames.
        what: For the line.
        how: What to do where they are not connected.
    """
    try:
        pose = seen.transforms.lookup(parent, child)
    except TransformError as error:
        yield Finding("frames", what, WRONG, str(error), how)
        return
    age = seen.transforms.age(parent, child, seen.now) or 0.0
    place = " ".join(f"{value:+.3f}" for value in pose.position)
    moving = f", newest {aged(age)}" if age else ", fixed"
    yield judged(
        age < OLDEST, "frames", what, f"{parent} -> {child} at {place} m{moving}",
        "its publisher is slow, or stopped; or the clocks of two machines differ",
    )  # fmt: skip


def origin(seen: Observation, world: str, base: str) -> Iterator[Finding]:
    """Programs and kinematics take the base link for the origin of the world."""
    try:
        away, turned = difference(Pose(np.zeros(3)), seen.transforms.lookup(world, base))
    except TransformError:
        return  # a finding of its own
    if away > POSITION or turned > ANGLE:
        yield Finding(
            "frames", "origin", WRONG,
            f"{base} stands {1000 * away:.0f} mm and {np.degrees(turned):.1f} deg from the origin of {world}",
            f"set world_frame to {base} in configs/ros2 (a table lower than the base: give a frame at its height)",
        )  # fmt: skip


def model(seen: Observation, robot: RobotDescription) -> Iterator[Finding]:
    """The hand as the transforms have it, against the description's own kinematics."""
    base, link = robot.base_link, robot.tool.link
    complete = [(stamp, found) for stamp, found in seen.joint_log if set(robot.joint_names) <= set(found)]
    try:
        seen.transforms.lookup(base, link)
    except TransformError:
        complete = []
    if not complete:
        return  # findings of their own
    try:
        from embodied_agent.control.kinematics import Kinematics
    except ImportError as error:
        words = f"not compared with the transforms: {error.name} is missing"
        yield Finding("frames", "model", NOTE, words, "pip install 'embodied_agent[mujoco]'")
        return
    why = ""
    for stamp, positions in reversed(complete):
        try:
            told = seen.transforms.lookup(base, link, stamp)
        except TransformError as error:  # the transform of the newest reading may not have come yet
            why = str(error)
            continue
        joints = np.array([positions[name] for name in robot.joint_names])
        expected = Kinematics(robot).forward(joints) @ robot.tool.link_from_tool.inverse()
        away, turned = difference(expected, told)
        yield judged(
            away < POSITION and turned < ANGLE, "frames", "model",
            f"{base} -> {link}: transforms and {robot.name}'s model differ by {1000 * away:.1f} mm, "
            f"{np.degrees(turned):.2f} deg",
            "the model file is not of this arm, a joint counts from another zero, or base_link or tool.link in "
            "configs/robots is another frame; nothing must move before this agrees",
        )  # fmt: skip
        return
    yield Finding(
        "frames", "model", WRONG, f"no transform at the time of a joint state: {why}",
        "joint states and transforms must have one clock; publish the arm's links from robot_state_publisher",
    )  # fmt: skip


def difference(one: Pose, other: Pose) -> tuple[float, float]:
    """Distance [m] and angle [rad] between two poses."""
    move = one.inverse() @ other
    angle = 2.0 * np.arccos(np.clip(abs(move.quaternion[0]), 0.0, 1.0))
    return float(np.linalg.norm(move.position)), float(angle)


def all_of(seen: Observation, interface: Ros2Interface, robot: RobotDescription | None) -> Iterator[Finding]:
    """Every finding on frames."""
    yield from tree(seen)
    if not seen.transforms.frames():
        return
    world = interface.world_frame
    if robot is not None:
        base = robot.base_link
        how = f"publish it: ros2 run tf2_ros static_transform_publisher --frame-id {world} --child-frame-id {base}"
        yield from chain(seen, world, base, "base", how)
        yield from origin(seen, world, base)
        how = "start robot_state_publisher with the robot's URDF"
        yield from chain(seen, base, robot.tool.link, "hand", how)
        yield from model(seen, robot)
    for name, camera in seen.cameras.items():
        header = camera.image.last.header.frame_id if camera.image.last is not None else ""
        frame = header or interface.of_camera(interface.camera_frame, name)
        how = f"publish {world} -> {frame} from the calibration of the {name} camera"
        yield from chain(seen, world, frame, f"{name} camera", how)

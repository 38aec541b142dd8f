"""The robot's tree of frames from its joints, as robot_state_publisher makes it from the same model file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from embodied_agent.robots.description import RobotDescription, model_path
from embodied_agent.robots.urdf import UrdfJoint, read_urdf
from embodied_agent.types import Pose
from sim.scene import CameraSpec
from sim.world import look_at

Edge = tuple[str, str, Pose]  # parent, child, parent from child

WRIST = "wrist"


def optical_frame(camera: str) -> str:
    """Frame that a camera's images are in."""
    return f"{camera}_color_optical_frame"


class RobotFrames:
    """Where each link is in its parent.

    Args:
        description: Robot; its model file is read once.

    Attributes:
        fixed: What never changes, the wrist camera's mount among it.
    """

    def __init__(self, description: RobotDescription) -> None:
        joints, reached = read_urdf(model_path(description)).joints, {description.base_link}
        self._moving: list[UrdfJoint] = []
        self.fixed: list[Edge] = []
        waiting = list(joints)
        while below := [joint for joint in waiting if joint.parent in reached]:
            for joint in below:
                waiting.remove(joint)
                reached.add(joint.child)
                if joint.kind == "fixed":
                    self.fixed.append((joint.parent, joint.child, joint.parent_from_child))
                else:
                    self._moving.append(joint)
        mount = description.camera
        self.fixed.append((mount.link, optical_frame(WRIST), mount.link_from_camera))

    def moving(self, positions: Mapping[str, float]) -> list[Edge]:
        """Every moving joint at these joint positions; those that mimic another follow it."""
        return [
            (joint.parent, joint.child, joint.parent_from_child @ _travel(joint, _position(joint, positions)))
            for joint in self._moving
        ]

    def base_from(self, link: str, moving: Sequence[Edge]) -> Pose:
        """Where a link is in the base, given what `moving` returned."""
        above = {child: (parent, pose) for parent, child, pose in (*self.fixed, *moving)}
        found = Pose(np.zeros(3))
        while link in above:
            link, pose = above[link]
            found = pose @ found
        return found


def fixed_camera(camera: CameraSpec) -> Pose:
    """World from the optical frame (x right, y down, z forward) of a camera of the scene."""
    upright = Pose(np.array(camera.position), np.array(look_at(camera)))  # MuJoCo's: y up, z back
    return upright @ Pose(np.zeros(3), np.array([0.0, 1.0, 0.0, 0.0]))


def _position(joint: UrdfJoint, positions: Mapping[str, float]) -> float:
    if joint.name in positions:
        return positions[joint.name]
    if joint.mimic is not None:
        leader, multiplier, offset = joint.mimic
        return multiplier * positions.get(leader, 0.0) + offset
    return 0.0


def _travel(joint: UrdfJoint, position: float) -> Pose:
    axis = joint.axis / np.linalg.norm(joint.axis)
    if joint.kind == "prismatic":
        return Pose(axis * position)
    half = position / 2.0
    return Pose(np.zeros(3), np.array([math.cos(half), *(math.sin(half) * axis)]))

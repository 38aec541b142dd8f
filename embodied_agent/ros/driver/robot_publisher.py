"""What a robot says of itself: its URDF once; at every tick joint states, transforms, force at the tool, clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from embodied_agent.robots.description import RobotDescription, model_path
from embodied_agent.robots.mujoco import TICK
from embodied_agent.robots.ros2.messages import to_joint_state, to_time, to_transform_stamped, to_wrench
from embodied_agent.robots.urdf import published_urdf
from embodied_agent.ros.driver.frames import Edge, RobotFrames, fixed_camera, optical_frame
from embodied_agent.types import Pose, RobotState
from sim.scene import Scene

LASTING = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
Silent = Callable[[str], bool]


class RobotPublisher:
    """Publishes at every tick, in the physics thread.

    Args:
        node: Whose topics.
        description: Robot.
        world_frame: Frame on the table plane that the base stands in.
        clock: Whether to publish /clock.
        silent: Whether a fault switch is on, by its name.
    """

    def __init__(
        self, node: Any, description: RobotDescription, world_frame: str, clock: bool, silent: Silent
    ) -> None:
        self._description, self._world_frame, self._silent = description, world_frame, silent
        self._frames = RobotFrames(description)
        self._names = (*description.joint_names, *description.gripper.joints)
        self._fingers = len(description.gripper.joints)
        self._finger = description.gripper.open
        self._joints = node.create_publisher(JointState, "joint_states", 10)
        self._wrench = node.create_publisher(WrenchStamped, "force_torque_sensor_broadcaster/wrench", 10)
        self._tf = node.create_publisher(TFMessage, "/tf", 100)
        self._tf_static = node.create_publisher(TFMessage, "/tf_static", LASTING)
        self._clock = node.create_publisher(Clock, "/clock", 1) if clock else None
        self._urdf = node.create_publisher(String, "robot_description", LASTING)
        self._urdf.publish(String(data=published_urdf(model_path(description))))

    def mounts(self, scene: Scene, stamp: float) -> None:
        """Publish what never moves: the base, fixed links, and the cameras of this scene."""
        fixed: list[Edge] = [
            (self._world_frame, self._description.base_link, Pose(np.zeros(3))),
            *self._frames.fixed,
        ]
        fixed += [(self._world_frame, optical_frame(spec.name), fixed_camera(spec)) for spec in scene.cameras]
        self._tf_static.publish(
            TFMessage(
                transforms=[to_transform_stamped(pose, parent, child, stamp) for parent, child, pose in fixed]
            )
        )

    def tick(self, state: RobotState, now: float) -> None:
        """Publish one reading; the clock goes last, so that nothing is stamped ahead of it."""
        gripper = self._description.gripper
        finger = gripper.position_at(state.gripper_width)
        speed, self._finger = (finger - self._finger) / TICK, finger
        if not self._silent("fault.joint_states_silent"):
            ones = np.ones(self._fingers)
            self._joints.publish(
                to_joint_state(
                    self._names,
                    np.concatenate([state.positions, finger * ones]),
                    np.concatenate([state.velocities, speed * ones]),
                    np.concatenate([state.efforts, state.gripper_force * ones]),
                    now,
                )
            )
        links = dict(zip(self._names, [*state.positions, *([finger] * self._fingers)], strict=True))
        moving = self._frames.moving(links)
        if not self._silent("fault.tf_silent"):
            self._tf.publish(
                TFMessage(
                    transforms=[to_transform_stamped(pose, parent, child, now) for parent, child, pose in moving]
                )
            )
        self._publish_force(state, now, moving)
        if self._clock is not None:
            self._clock.publish(Clock(clock=to_time(now)))

    def _publish_force(self, state: RobotState, now: float, moving: list[Edge]) -> None:
        """Force of the surroundings on the tool in the frame of the tool's link; torque is not simulated."""
        link = self._description.tool.link
        force = state.external_force
        if force.any():  # mostly nothing touches the arm
            force = self._frames.base_from(link, moving).rotation.T @ force
        self._wrench.publish(to_wrench(force, now, link))

"""Everything that is looked at before an arm may move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from embodied_agent.robots.description import RobotDescription, load_robot
from embodied_agent.robots.ros2.interface import Ros2Interface, load_interface
from embodied_agent.ros.inspection import cameras, frames, joints, system
from embodied_agent.ros.inspection.finding import NOTE, Finding
from embodied_agent.ros.inspection.observation import Observation
from embodied_agent.ros.inspection.observe import Observer
from embodied_agent.ros.process import ros_node, until_signal


@dataclass(frozen=True)
class InspectOptions:
    """What to look at.

    Attributes:
        robot: Name in configs/robots, or a YAML file; "" leaves out what needs a model.
        interface: Name in configs/ros2, or a YAML file; "" takes the robot's.
        namespace: In which the robot's topics are.
        seconds: How long to look.
        agent: Name of the agent's node.
    """

    robot: str = ""
    interface: str = ""
    namespace: str = ""
    seconds: float = 3.0
    agent: str = "agent"


def inspect(options: InspectOptions) -> list[Finding]:
    """Look at the live graph, and judge it.

    Raises:
        MissingDependency: No ROS 2 here.
        ConfigError: The robot's description or interface is unreadable.
    """
    robot = load_robot(options.robot) if options.robot else None
    named = options.interface or (robot.name if robot is not None else "")
    interface = load_interface(named) if named else Ros2Interface()
    with until_signal() as ended, ros_node("embodied_agent_doctor", options.namespace) as node:
        seen = Observer(node, interface, options.agent).look(options.seconds, ended)
        names = {name: str(node.resolve_topic_name(name)) for name in
                 (interface.trajectory_action, interface.gripper_action, interface.navigate_action, options.agent)
                 if name}  # fmt: skip
    return list(judge(seen, interface, robot, names, options.agent))


def judge(
    seen: Observation, interface: Ros2Interface, robot: RobotDescription | None, names: dict[str, str], agent: str
) -> Iterator[Finding]:
    """Every finding; `names` maps relative names to those of the graph."""
    yield from system.ros(seen)
    if not seen.nodes:
        return  # there is nothing to look at
    yield from system.clock(seen)
    yield from joints.stream(seen, robot)
    if robot is not None:
        yield from joints.names(seen, robot)
        yield from joints.gripper(seen, robot)
        yield from joints.limits(seen, robot)
    else:
        yield Finding("joints", "model", NOTE, "not compared with a robot's description", "give --robot NAME")
    yield from system.controllers(seen, interface, names.__getitem__)
    yield from system.following(seen)
    yield from frames.all_of(seen, interface, robot)
    for name in interface.cameras:
        yield from cameras.camera(seen, interface, name)
    yield system.force(seen)
    yield system.agent(seen, names[agent])

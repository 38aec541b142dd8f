"""Looking at a live graph for a few seconds."""

from __future__ import annotations

import importlib.util
import os
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from embodied_agent.errors import MissingDependency
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.messages import seconds
from embodied_agent.ros.bag.definitions import message_class
from embodied_agent.ros.inspection.observation import CameraStreams, Observation, Stream

IMAGE, INFO, JOINTS = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/JointState"
CONTROLLER = "control_msgs/msg/JointTrajectoryControllerState"
WRENCH, TRANSFORMS, CLOCK = "geometry_msgs/msg/WrenchStamped", "tf2_msgs/msg/TFMessage", "rosgraph_msgs/msg/Clock"
PACKAGES = ("control_msgs", "tf2_msgs", "embodied_agent_interfaces")
DISCOVERY = 6.0  # [s] until the graph is known, at most
QUIET = 1.0  # [s] without anything new, after which it is
SETTLE = 0.5  # [s] until services and topics are connected
TRUTH_VALUE = 1  # type of a parameter
Question = tuple[Any, Any, Callable[[Any], None]]  # client, request, who hears the answer


class Observer:
    """Subscribes to what is expected, and keeps what comes.

    Args:
        node: Nothing else spins it; relative names are resolved in its namespace.
        interface: Names of topics and frames.
        agent: Name of the agent's node.
    """

    def __init__(self, node: Any, interface: Ros2Interface, agent: str) -> None:
        from rclpy.executors import SingleThreadedExecutor

        self._node, self._interface, self._agent_name = node, interface, agent
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._found = Observation()
        self._sim_now = 0.0
        self._raw: list[tuple[Stream, str]] = []

    def look(self, duration: float, ended: Callable[[], bool]) -> Observation:
        """Everything that was seen in about this many seconds."""
        found = self._found
        self._about()
        self._discover(ended)
        self._graph()
        self._subscribe()
        questions = [*self._parameters(), *self._agent()]
        self._spin(SETTLE, ended)
        late = self._ask(questions)
        self._spin(duration, ended)
        found.now = self._now()
        if late:
            self._ask(late)
            self._spin(SETTLE, ended)
        self._graph()  # a busy machine finds some nodes late
        for stream, kind in self._raw:
            if stream.last is not None:
                from rclpy.serialization import deserialize_message

                stream.last = deserialize_message(stream.last, message_class(kind))
        self._executor.shutdown(timeout_sec=1.0)
        return found

    def _ask(self, questions: list[Question]) -> list[Question]:
        """Ask the services that are there; returns the questions to the others."""
        late = []
        for client, request, answered in questions:
            if client.service_is_ready():
                client.call_async(request).add_done_callback(answered)
            else:
                late.append((client, request, answered))
        return late

    def _spin(self, duration: float, ended: Callable[[], bool]) -> None:
        end = time.monotonic() + duration
        while time.monotonic() < end and not ended() and self._node.context.ok():
            self._executor.spin_once(timeout_sec=0.1)

    # The system and the graph

    def _discover(self, ended: Callable[[], bool]) -> None:
        """Wait until others are known, and no more appear."""
        begin = changed = time.monotonic()
        known: tuple[int, int] = (0, 0)
        while time.monotonic() - begin < DISCOVERY and not ended():
            self._spin(0.2, ended)
            names = len(self._node.get_node_names()), len(self._node.get_topic_names_and_types())
            if names != known:
                known, changed = names, time.monotonic()
            if known[0] > 1 and time.monotonic() - changed > QUIET:
                return

    def _about(self) -> None:
        from rclpy.utilities import get_rmw_implementation_identifier

        found = self._found
        found.distribution = os.environ.get("ROS_DISTRO", "")
        found.middleware = get_rmw_implementation_identifier()
        found.domain = int(self._node.context.get_domain_id())
        found.packages = {name: importlib.util.find_spec(name) is not None for name in PACKAGES}

    def _graph(self) -> None:
        node, found = self._node, self._found
        names = node.get_node_names_and_namespaces()
        found.nodes = sorted(f"{space.rstrip('/')}/{name}" for name, space in names if name != node.get_name())
        found.topics = {name: types[0] for name, types in node.get_topic_names_and_types()}
        end = "/_action/send_goal"
        for name, types in node.get_service_names_and_types():
            if name.endswith(end):
                found.actions[name[: -len(end)]] = types[0].removesuffix("_SendGoal")

    # Topics

    def _subscribe(self) -> None:
        found, interface = self._found, self._interface
        self._take("/clock", CLOCK, found.clock, self._clock)
        self._take(interface.joint_states, JOINTS, found.joints, partial(self._joints, found.joints))
        if interface.gripper_joint_states:
            topic = interface.gripper_joint_states
            self._take(topic, JOINTS, found.gripper, partial(self._joints, found.gripper))
        if interface.wrench:
            self._take(interface.wrench, WRENCH, found.wrench, partial(self._keep, found.wrench))
        if interface.state_topic:
            self._take(interface.state_topic, CONTROLLER, found.controller, partial(self._keep, found.controller))
        for fixed, topic in ((False, interface.tf), (True, interface.tf_static)):
            self._take(topic, TRANSFORMS, Stream(), partial(self._transforms, fixed))
        self._take("robot_description", "std_msgs/msg/String", Stream(), self._urdf)
        for name in interface.cameras:
            camera = found.cameras[name] = CameraStreams()
            for stream, pattern, kind in (
                (camera.image, interface.color_topic, IMAGE),
                (camera.depth, interface.depth_topic, IMAGE),
                (camera.info, interface.info_topic, INFO),
            ):
                topic = interface.of_camera(pattern, name)
                self._take(topic, kind, stream, partial(self._keep_raw, stream), raw=True)
                self._raw.append((stream, kind))

    def _take(self, topic: str, kind: str, stream: Stream, callback: Any, raw: bool = False) -> None:
        """Subscribe where somebody publishes, with what the publishers offer."""
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

        stream.topic = str(self._node.resolve_topic_name(topic))
        try:
            message = message_class(kind)
        except MissingDependency:  # which is a finding of its own
            return
        publishers = self._node.get_publishers_info_by_topic(stream.topic)
        offered = [info.qos_profile for info in publishers if info.topic_type == kind]
        stream.publishers = [f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in publishers]
        stream.best_effort = any(p.reliability != ReliabilityPolicy.RELIABLE for p in offered)
        if not offered:
            return
        lasting = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in offered)
        profile = QoSProfile(
            depth=5 if raw else 100,
            reliability=ReliabilityPolicy.BEST_EFFORT if stream.best_effort else ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if lasting else DurabilityPolicy.VOLATILE,
        )
        self._node.create_subscription(message, stream.topic, callback, profile, raw=raw)

    def _now(self) -> float:
        """The robot's clock [s]: simulated where /clock runs."""
        return self._sim_now or time.time()

    def _clock(self, message: Any) -> None:
        self._sim_now = seconds(message.clock)
        self._note(self._found.clock, self._sim_now)

    def _note(self, stream: Stream, stamp: float) -> None:
        stream.arrivals.append(time.time())
        stream.stamps.append(stamp)
        stream.lags.append(self._now() - stamp)

    def _keep(self, stream: Stream, message: Any) -> None:
        self._note(stream, seconds(message.header.stamp))
        stream.last = message

    def _keep_raw(self, stream: Stream, data: bytes) -> None:
        # Behind four bytes that tell the order of bytes, a message begins with its header's stamp.
        second, nanosecond = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
        self._note(stream, second + nanosecond * 1e-9)
        stream.last = data

    def _joints(self, stream: Stream, message: Any) -> None:
        """Arm and gripper may come in messages of their own."""
        found = self._found
        self._keep(stream, message)
        positions = dict(zip(message.name, map(float, message.position), strict=False))
        found.joint_log.append((stream.stamps[-1], positions))
        found.with_velocity |= set(message.name) if message.velocity else set()
        found.with_effort |= set(message.name) if message.effort else set()

    def _transforms(self, fixed: bool, message: Any) -> None:
        self._found.transforms.add(message.transforms, fixed=fixed)
        for item in message.transforms:
            child, parent = item.child_frame_id.lstrip("/"), item.header.frame_id.lstrip("/")
            self._found.parents.setdefault(child, set()).add(parent)

    def _urdf(self, message: Any) -> None:
        self._found.urdf = message.data

    # Other nodes

    def _parameters(self) -> Iterator[Question]:
        """A question for `use_sim_time` of every node."""
        from rcl_interfaces.srv import GetParameters

        for name in self._found.nodes:
            client = self._node.create_client(GetParameters, f"{name}/get_parameters")
            yield client, GetParameters.Request(names=["use_sim_time"]), partial(self._sim_time, name)

    def _sim_time(self, name: str, future: Any) -> None:
        values = future.result().values if future.result() is not None else []
        if values and values[0].type == TRUTH_VALUE:
            self._found.sim_time[name] = bool(values[0].bool_value)

    def _agent(self) -> Iterator[Question]:
        """A question for the state of the agent's node."""
        from lifecycle_msgs.srv import GetState

        name = str(self._node.resolve_topic_name(f"{self._agent_name}/get_state"))
        yield self._node.create_client(GetState, name), GetState.Request(), self._state

    def _state(self, future: Any) -> None:
        if future.result() is not None:
            self._found.agent_state = future.result().current_state.label

"""`record`: what passes on the topics of a robot, as an MCAP bag that rosbag2's tools read too.

Messages are subscribed raw and written as they came. Nothing waits in memory but the middleware's own
bounded queues and one chunk: where the disk is slower than the topics, messages are lost and counted,
and memory stays flat. Each second everything is handed to the operating system, so that a recorder
that is killed leaves all but its last second.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embodied_agent.errors import BadInput, EmbodiedAgentError, RobotError
from embodied_agent.record import write_whole
from embodied_agent.ros.bag import compress
from embodied_agent.ros.bag.definitions import definition, message_class
from embodied_agent.ros.bag.mcap_file import McapWriter
from embodied_agent.ros.bag.metadata import Topic, bag_information, information_yaml, metadata_yaml, qos_text
from embodied_agent.ros.process import ros_node, until_signal

IMAGE, SMALL_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
# What is recorded where no --topics are given, whatever the topics are called.
TYPES = frozenset({
    "sensor_msgs/msg/JointState", IMAGE, SMALL_IMAGE, "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage",
    "rosgraph_msgs/msg/Clock", "geometry_msgs/msg/WrenchStamped", "embodied_agent_interfaces/msg/ProgramTree",
    "action_msgs/msg/GoalStatusArray", "trajectory_msgs/msg/JointTrajectory",
    "control_msgs/msg/JointTrajectoryControllerState", "diagnostic_msgs/msg/DiagnosticArray",
    "visualization_msgs/msg/MarkerArray", "lifecycle_msgs/msg/TransitionEvent", "rcl_interfaces/msg/Log",
})  # fmt: skip
ENDINGS = ("_FeedbackMessage", "_Event")  # feedback of actions; goals, where introspection is on
LOOK_EVERY = 0.3  # [s] between two looks for new topics
FLUSH_EVERY = 1.0  # [s]
DESCRIBE_EVERY = 5.0  # [s] between two versions of metadata.yaml
QUEUE, IMAGE_QUEUE = 200, 8  # messages that wait in the middleware at most


@dataclass(frozen=True)
class RecordOptions:
    """What to record.

    Attributes:
        out: FILE.mcap, or a folder that becomes a bag as rosbag2 makes them.
        topics: Regular expressions of whole topic names; empty for the topics of `TYPES`.
        seconds: How long; 0 = until SIGINT or SIGTERM.
        images: "raw", "jpeg" or "png"; see `bag.compress`.
        compression: Of the chunks: "auto", "zstd", "lz4" or "none".
    """

    out: Path
    topics: tuple[str, ...] = ()
    seconds: float = 0.0
    images: str = "raw"
    compression: str = "auto"

    def __post_init__(self) -> None:
        compress.checked_format(self.images)
        for pattern in self.topics:
            try:
                re.compile(pattern)
            except re.error as error:
                raise BadInput(f"--topics {pattern[:80]!r}: no regular expression ({error})") from None


@dataclass
class Recorded:
    """One topic and how its recording went.

    Attributes:
        topic: Name and type in the bag.
        channel: Its number in the file.
        messages: Written so far.
        bytes: Of their data.
        first, last: When the first and the last came [ns].
        lost: Messages that were published and never came; None where ROS does not tell.
    """

    topic: Topic
    channel: int
    messages: int = 0
    bytes: int = 0
    first: int = 0
    last: int = 0
    lost: int | None = None
    _numbers: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Messages per second [Hz]; 0 for fewer than two."""
        return (self.messages - 1) / ((self.last - self.first) * 1e-9) if self.last > self.first else 0.0

    def count(self, size: int, now: int, information: Any) -> int:
        """Count a message in; returns its number at its publisher, 0 where unknown."""
        self.messages, self.bytes = self.messages + 1, self.bytes + size
        self.first, self.last = self.first or now, now
        number = information.get("publication_sequence_number")
        if number is None:
            return 0
        publisher = str(information.get("publisher_gid"))
        before = self._numbers.get(publisher)
        self._numbers[publisher] = number
        self.lost = (self.lost or 0) + (max(0, number - before - 1) if before is not None else 0)
        return int(number)


class Recorder:
    """Writes the topics of a running graph to a bag.

    Args:
        node: Of any context; it is spun by `run`.
        options: What to record.
        tell: Hears one line for each topic that is or cannot be recorded.

    Raises:
        BadInput: The bag exists already, or cannot be written.
    """

    def __init__(self, node: Any, options: RecordOptions, tell: Callable[[str], None]) -> None:
        self.options, self._node, self._tell = options, node, tell
        self.file, self._folder = _place(options.out)
        try:
            self._writer = McapWriter(self.file, options.compression)
        except OSError as error:
            raise BadInput(f"--out {options.out}: cannot be written ({error.strerror or error})") from None
        self.topics: dict[str, Recorded] = {}
        self._subscriptions: dict[str, Any] = {}
        self._ignored: set[str] = set()
        self._schemas: dict[str, int] = {}
        self._failed: Exception | None = None

    @property
    def compression(self) -> str:
        """Of the chunks, as it was chosen."""
        return self._writer.compression

    @property
    def messages(self) -> int:
        """Written so far."""
        return self._writer.counts.total

    # Topics

    def look(self) -> None:
        """Subscribe to what is new in the graph."""
        graph = dict(self._node.get_topic_names_and_types())
        for name, types in sorted(graph.items()):
            if name in self._subscriptions or name in self._ignored or not self._wanted(name, types[0], graph):
                continue
            publishers = self._node.get_publishers_info_by_topic(name)
            if not publishers:
                continue
            if len(types) > 1:
                self._ignore(name, f"it has several types: {', '.join(types)}")
                continue
            try:
                self._subscribe(name, types[0], publishers)
            except EmbodiedAgentError as error:
                self._ignore(name, str(error))

    def _wanted(self, name: str, kind: str, graph: dict[str, Any]) -> bool:
        if self.options.topics:
            return any(re.fullmatch(pattern, name) or "/" + pattern == name for pattern in self.options.topics)
        base = next((name[: -len(end)] for end in compress.SIBLINGS if name.endswith(end)), "")
        if kind == SMALL_IMAGE and IMAGE in graph.get(base, ()):
            return self.options.images != "raw" and not name.endswith(("/theora", "/zstd"))
        if kind == IMAGE and self.options.images != "raw" and self._made_small_already(name, graph):
            return False
        stop = kind == "std_msgs/msg/Empty" and name.endswith("/stop")
        return kind in TYPES or kind.endswith(ENDINGS) or stop

    def _made_small_already(self, name: str, graph: dict[str, Any]) -> bool:
        """Whether the driver offers this image compressed itself."""
        small = name + ("/compressedDepth" if "depth" in name else "/compressed")
        return SMALL_IMAGE in graph.get(small, ()) and bool(self._node.count_publishers(small))

    def _ignore(self, name: str, why: str) -> None:
        self._ignored.add(name)
        self._tell(f"not recorded: {name}: {why}")

    def _subscribe(self, name: str, kind: str, publishers: list[Any]) -> None:
        message = message_class(kind)
        definition(kind)  # a bag without it would be of no use
        profile = _profile([info.qos_profile for info in publishers], IMAGE_QUEUE if "Image" in kind else QUEUE)
        hash_of = getattr(publishers[0], "topic_type_hash", None)
        topic = Topic(
            name, kind, qos_text([info.qos_profile for info in publishers]), str(hash_of) if hash_of else ""
        )
        small = kind == IMAGE and self.options.images != "raw"

        def came(data: bytes, information: Any) -> None:
            try:
                self._compress(topic, data, information) if small else self._write(topic, data, information)
            except Exception as error:  # an executor would end the process with a traceback
                self._failed = error

        self._subscriptions[name] = self._node.create_subscription(message, name, came, profile, raw=True)
        self._tell(f"recording {name}  {kind}")

    def _recorded(self, topic: Topic) -> Recorded:
        known = self.topics.get(topic.name)
        if known is None:
            schema = self._schemas.get(topic.type)
            if schema is None:
                schema = self._schemas[topic.type] = self._writer.schema(topic.type, definition(topic.type))
            words = {"offered_qos_profiles": topic.qos, "topic_type_hash": topic.type_hash}
            known = Recorded(topic, self._writer.channel(topic.name, schema, words))
            self.topics[topic.name] = known
        return known

    # Messages

    def _write(self, topic: Topic, data: bytes, information: Any) -> None:
        recorded = self._recorded(topic)
        now = int(information.get("received_timestamp") or 0) or time.time_ns()
        number = recorded.count(len(data), now, information)
        sent = int(information.get("source_timestamp") or 0) or now
        self._writer.message(recorded.channel, now, sent, data, number & 0xFFFFFFFF)

    def _compress(self, topic: Topic, data: bytes, information: Any) -> None:
        from rclpy.serialization import deserialize_message, serialize_message

        image = deserialize_message(data, message_class(IMAGE))
        small = compress.compressed(image, self.options.images)
        if small is None:
            self._write(topic, data, information)
            return
        ending, form, content = small
        message = message_class(SMALL_IMAGE)(header=image.header, format=form, data=content)
        renamed = Topic(topic.name + ending, SMALL_IMAGE, topic.qos)
        self._write(renamed, serialize_message(message), information)

    # The run

    def run(self, ended: Callable[[], bool]) -> None:
        """Record until `ended`, the time is over, or ROS shuts down; the bag is whole afterwards.

        Raises:
            RobotError: The disk is full, or a message could not be written.
        """
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

        executor = SingleThreadedExecutor(context=self._node.context)
        executor.add_node(self._node)
        start = time.monotonic()
        looked = flushed = described = start - 10.0
        try:
            while self._node.context.ok() and not ended() and self._failed is None:
                now = time.monotonic()
                if self.options.seconds and now - start >= self.options.seconds:
                    break
                if now - looked >= LOOK_EVERY:
                    looked = now
                    self.look()
                if now - flushed >= FLUSH_EVERY:
                    flushed = now
                    self._writer.flush()
                if now - described >= DESCRIBE_EVERY:
                    described = now
                    self._describe()
                with suppress(ExternalShutdownException):
                    executor.spin_once(timeout_sec=0.1)
        except OSError as error:
            self._failed = error
        finally:
            executor.shutdown(timeout_sec=1.0)
            self._close()
        if self._failed is not None:
            raise RobotError(f"{self.file}: recording ended, what was written is readable ({self._failed})")

    def discard(self) -> None:
        """Remove the bag, which holds nothing."""
        self.file.unlink(missing_ok=True)
        if self._folder:
            (self.file.parent / "metadata.yaml").unlink(missing_ok=True)
            self.file.parent.rmdir()

    def _information(self) -> Any:
        counts = self._writer.counts
        topics = [
            Topic(r.topic.name, r.topic.type, r.topic.qos, r.topic.type_hash, counts.messages[r.channel])
            for r in self.topics.values()
        ]
        return bag_information(topics, counts.first, counts.last, self.file.name, os.environ.get("ROS_DISTRO", ""))

    def _describe(self) -> None:
        if self._folder:
            write_whole(self.file.parent / "metadata.yaml", metadata_yaml(self._information()))

    def _close(self) -> None:
        try:
            information = self._information()
            self._writer.metadata("rosbag2", {"serialized_metadata": information_yaml(information)})
            self._writer.close()
            self._describe()
        except OSError as error:
            self._failed = self._failed or error


def _place(out: Path) -> tuple[Path, bool]:
    """The MCAP file for `--out`, and whether it lies in a bag's own folder."""
    if out.suffix == ".mcap":
        if out.exists():
            raise BadInput(f"--out {out}: exists already; give another name, or remove it")
        file, folder = out, False
    else:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise BadInput(f"--out {out}: exists already; give FILE.mcap or a new folder")
        file, folder = out / f"{out.name}_0.mcap", True
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out {out}: cannot be written ({error.strerror or error})") from None
    return file, folder


def _profile(offered: list[Any], depth: int) -> Any:
    """The strictest profile that every publisher on a topic fulfils."""
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

    reliable = all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered)
    lasting = all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered)
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if lasting else DurabilityPolicy.VOLATILE,
    )


def record(options: RecordOptions, tell: Callable[[str], None]) -> Recorder:
    """Record until a signal or the time is over; returns what was recorded.

    Raises:
        MissingDependency: No ROS 2 here, or the compression's package is missing.
        BadInput: The bag exists, or cannot be written.
        RobotError: The disk is full, or nothing was published.
    """
    with until_signal() as ended, ros_node("embodied_agent_recorder") as node:
        recorder = Recorder(node, options, tell)
        recorder.run(ended)
    if recorder.messages == 0:
        recorder.discard()
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        raise RobotError(
            f"nothing was recorded: no message came on ROS_DOMAIN_ID {domain}; "
            "`embodied-agent doctor --ros` says which topics are there"
        )
    return recorder

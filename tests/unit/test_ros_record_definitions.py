"""Types in a bag: the text that it carries decodes, without ROS, to what ROS serialized."""

import random

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
from mcap.records import Schema
from rclpy.serialization import serialize_message

from embodied_agent.errors import MissingDependency
from embodied_agent.ros.bag.definitions import definition, message_class
from embodied_agent.ros.bag.mcap_file import McapWriter
from embodied_agent.ros.bag.reading import Bag, _decoders

TYPES = (
    "std_msgs/msg/Empty",
    "sensor_msgs/msg/JointState",
    "sensor_msgs/msg/CameraInfo",
    "sensor_msgs/msg/Image",
    "tf2_msgs/msg/TFMessage",
    "trajectory_msgs/msg/JointTrajectory",
    "visualization_msgs/msg/MarkerArray",
    "diagnostic_msgs/msg/DiagnosticArray",
    "action_msgs/msg/GoalStatusArray",
    "rcl_interfaces/msg/Log",
    "lifecycle_msgs/msg/TransitionEvent",
    "embodied_agent_interfaces/msg/ProgramTree",
    "embodied_agent_interfaces/action/ExecuteTask_FeedbackMessage",
    "control_msgs/action/FollowJointTrajectory_FeedbackMessage",
    "control_msgs/action/FollowJointTrajectory_SendGoal_Event",
)


def filled(message, chance: random.Random):
    """The message with every field set to something, nested ones too."""
    for name, slot in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if hasattr(value, "get_fields_and_field_types"):
            filled(value, chance)
        elif slot.startswith("sequence<") and "/" in slot:
            kind = slot[len("sequence<") :].split(">")[0].split(",")[0]
            package, short = kind.split("/")
            owner = type(message).__module__.split(".")
            inside = owner[1] if package == owner[0] and "_" in short else "msg"
            part = message_class(f"{package}/{inside}/{short}")
            setattr(message, name, [filled(part(), chance)])
        elif isinstance(value, bool):
            setattr(message, name, True)
        elif isinstance(value, bytes):
            setattr(message, name, b"\x02")
        elif isinstance(value, int):
            setattr(message, name, chance.randrange(1, 100))
        elif isinstance(value, float):
            setattr(message, name, chance.randrange(1, 1000) / 8)
        elif isinstance(value, str):
            setattr(message, name, f"tést {chance.randrange(1000)}")
        elif slot == "sequence<string>":
            setattr(message, name, ["a", "", "long enough to be padded"])
        elif slot.startswith("sequence<"):
            setattr(message, name, [chance.randrange(1, 100) for _ in range(5)])
    return message


def same(decoded, sent) -> bool:
    """Every field of what ROS sent, in what was decoded without it."""
    if isinstance(sent, bytes):  # of a field of type byte
        return decoded == sent[0]
    if not hasattr(sent, "get_fields_and_field_types"):
        if isinstance(sent, (bool, int, float, str)):
            return decoded == sent
        return list(decoded) == list(sent) if not _nested(sent) else all(map(same, decoded, sent))
    return all(same(getattr(decoded, name), getattr(sent, name)) for name in sent.get_fields_and_field_types())


def _nested(values) -> bool:
    return bool(len(values)) and hasattr(values[0], "get_fields_and_field_types")


@pytest.mark.parametrize("name", TYPES)
def test_what_ros_serialized_is_decoded_without_ros(name):
    sent = filled(message_class(name)(), random.Random(3))
    schema = Schema(id=1, name=name, encoding="ros2msg", data=definition(name).encode())
    decoded = _decoders().decoder_for("cdr", schema)(bytes(serialize_message(sent)))
    assert same(decoded, sent)


@pytest.mark.parametrize("name", TYPES)
def test_each_type_of_a_definition_is_given_once(name):
    parts = [line for line in definition(name).splitlines() if line.startswith("MSG: ")]
    assert len(parts) == len(set(parts))


@pytest.mark.parametrize("name", ["nowhere_msgs/msg/Odd", "sensor_msgs/msg/Odd", "odd", "a/b/c/d"])
def test_an_unknown_type_is_named(name):
    with pytest.raises(MissingDependency, match=name.split("/")[0]):
        message_class(name)


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_what_was_flushed_is_there_before_the_file_is_closed(tmp_path, compression):
    path = tmp_path / "open.mcap"
    writer = McapWriter(path, compression)
    name = "std_msgs/msg/String"
    channel = writer.channel("/words", writer.schema(name, definition(name)), {})
    message = message_class(name)
    for number in range(2500):
        data = bytes(serialize_message(message(data=f"word {number}")))
        writer.message(channel, 1000 + number, 1000 + number, data)
        if number == 1999:
            writer.flush()
    bag = Bag(path)
    assert [m.data.data for m in bag.messages()] == [f"word {k}" for k in range(2000)]
    assert bag.broken_off
    writer.close()
    bag = Bag(path)
    assert [m.log_time for m in bag.messages()] == list(range(1000, 3500))
    assert not bag.broken_off

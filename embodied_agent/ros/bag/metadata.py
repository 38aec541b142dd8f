"""The description of a bag as rosbag2 keeps it, so that `ros2 bag info` and `ros2 bag play` take ours.

Written in version 8 of rosbag2's form, which Humble, Jazzy and Kilted all read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

VERSION = 8
FOREVER = {"sec": 9223372036, "nsec": 854775807}  # how rmw writes "no limit"


@dataclass(frozen=True)
class Topic:
    """One topic of a bag.

    Attributes:
        name, type: As the graph shows them.
        qos: Offered profiles, from `qos_text`.
        type_hash: RIHS string of the type; "" where ROS does not know it (Humble).
        messages: How many there are.
    """

    name: str
    type: str
    qos: str = ""
    type_hash: str = ""
    messages: int = 0


def qos_text(profiles: Iterable[Any]) -> str:
    """Offered QoS profiles (rclpy's) as rosbag2 writes them: a YAML list in a string, policies as numbers."""
    return yaml.dump([_profile(profile) for profile in profiles], Dumper=_Plain, sort_keys=False)


def _profile(profile: Any) -> Mapping[str, Any]:
    return {
        "history": int(profile.history) or 3,  # system default; of other nodes it is unknown, which is 3
        "depth": int(profile.depth),
        "reliability": int(profile.reliability),
        "durability": int(profile.durability),
        "deadline": _time(profile.deadline),
        "lifespan": _time(profile.lifespan),
        "liveliness": int(profile.liveliness),
        "liveliness_lease_duration": _time(profile.liveliness_lease_duration),
        "avoid_ros_namespace_conventions": bool(profile.avoid_ros_namespace_conventions),
    }


def _time(duration: Any) -> Mapping[str, int]:
    nanoseconds = int(duration.nanoseconds)
    if nanoseconds <= 0 or nanoseconds >= 2**63 - 1:
        return FOREVER
    return {"sec": nanoseconds // 10**9, "nsec": nanoseconds % 10**9}


def bag_information(
    topics: Iterable[Topic], first: int, last: int, file: str, distribution: str
) -> Mapping[str, Any]:
    """The description.

    Args:
        topics: With their counts.
        first, last: Times of the first and the last message [ns]; 0 where there is none.
        file: Name of the MCAP file, relative to the folder.
        distribution: ROS distribution, e.g. "jazzy"; "" if unknown.
    """
    topics = list(topics)
    total = sum(topic.messages for topic in topics)
    start = {"nanoseconds_since_epoch": first}
    duration = {"nanoseconds": max(0, last - first)}
    return {
        "version": VERSION,
        "storage_identifier": "mcap",
        "duration": duration,
        "starting_time": start,
        "message_count": total,
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic.name,
                    "type": topic.type,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": topic.qos,
                    "type_description_hash": topic.type_hash,
                },
                "message_count": topic.messages,
            }
            for topic in topics
        ],
        "compression_format": "",  # of whole files; chunks inside are compressed by MCAP itself
        "compression_mode": "",
        "relative_file_paths": [file],
        "files": [{"path": file, "starting_time": start, "duration": duration, "message_count": total}],
        "custom_data": None,
        "ros_distro": distribution,
    }


def metadata_yaml(information: Mapping[str, Any]) -> str:
    """The text of `metadata.yaml`."""
    return yaml.dump(
        {"rosbag2_bagfile_information": information}, Dumper=_Plain, sort_keys=False, default_flow_style=False
    )


def information_yaml(information: Mapping[str, Any]) -> str:
    """The text of the metadata record inside the MCAP file."""
    return yaml.dump(information, Dumper=_Plain, sort_keys=False, default_flow_style=False)


class _Plain(yaml.SafeDumper):
    """No anchors: rosbag2's reader does not need them, and people read the file."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

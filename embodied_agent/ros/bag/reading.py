"""Bags read back, on a machine without ROS, whole or broken off; ours and those of `ros2 bag record`."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embodied_agent.errors import BadInput, MissingDependency

Decode = Callable[[bytes], Any]


@dataclass(frozen=True)
class Message:
    """One message of a bag.

    Attributes:
        topic, type: As recorded.
        log_time: When it was received [ns since the epoch].
        data: Decoded: fields as attributes, arrays of numbers as bytes, arrays or lists.
    """

    topic: str
    type: str
    log_time: int
    data: Any

    @property
    def stamp(self) -> float:
        """Time of its header [s], of the robot's clock; of its reception where it has none."""
        header = getattr(self.data, "header", None)
        stamp = seconds(header.stamp) if header is not None else 0.0
        return stamp or self.log_time * 1e-9


def seconds(time: Any) -> float:
    """A builtin_interfaces Time or Duration [s]."""
    return float(time.sec) + float(time.nanosec) * 1e-9


def is_bag(path: Path) -> bool:
    """Whether this is a bag: an MCAP file, or a folder that holds one."""
    return path.suffix in (".mcap", ".db3") or (path.is_dir() and bool(_files(path)))


def _files(folder: Path) -> list[Path]:
    return sorted(file for ending in ("*.mcap", "*.db3", "*.mcap.zstd") for file in folder.glob(ending))


class Bag:
    """A bag on the disk.

    Args:
        path: FILE.mcap, or a bag's folder.

    Raises:
        BadInput: There is none, or not in MCAP.
        MissingDependency: The packages that read it are not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.files = _files(self.path) if self.path.is_dir() else [self.path]
        if not self.files or not self.files[0].is_file():
            raise BadInput(f"{path}: no bag there; give FILE.mcap or the folder of a bag")
        for file in self.files:
            if file.suffix != ".mcap":
                raise BadInput(f"{file}: only MCAP bags are read; `ros2 bag convert` makes one of it")
        self._factory = _decoders()
        self.broken_off = False  # known once it was read to its end

    def topics(self) -> Mapping[str, str]:
        """Type of every topic that has messages or could have."""
        found: dict[str, str] = {}

        def note(topic: str, kind: str) -> bool:
            found[topic] = kind
            return False

        for _ in self._records(note):
            pass
        return found

    def messages(self, types: Collection[str] = (), topics: Collection[str] = ()) -> Iterator[Message]:
        """Messages in the order of recording, of these types or topics; of all where none are given."""

        def wanted(topic: str, kind: str) -> bool:
            return (not types and not topics) or topic in topics or kind in types

        for topic, schema, message in self._records(wanted):
            decode = self._factory.decoder_for("cdr", schema)
            if decode is not None:
                yield Message(topic, schema.name, message.log_time, decode(message.data))

    def _records(self, wanted: Callable[[str, str], bool]) -> Iterator[tuple[str, Any, Any]]:
        """Topic, schema and record of each wanted message, up to where the file ends or breaks off."""
        from mcap.exceptions import McapError
        from mcap.records import Channel, Schema
        from mcap.records import Message as Record
        from mcap.stream_reader import StreamReader

        for file in self.files:
            schemas: dict[int, Any] = {}
            channels: dict[int, tuple[str, Any, bool]] = {}
            seen = False
            try:
                with file.open("rb") as stream:
                    for record in StreamReader(stream).records:
                        seen = True
                        if isinstance(record, Record):
                            topic, schema, take = channels[record.channel_id]
                            if take:
                                yield topic, schema, record
                        elif isinstance(record, Schema):
                            schemas[record.id] = record
                        elif isinstance(record, Channel) and record.schema_id in schemas:
                            schema = schemas[record.schema_id]
                            channels[record.id] = (record.topic, schema, wanted(record.topic, schema.name))
            except (McapError, struct.error, EOFError, ValueError) as error:
                if not seen:
                    raise BadInput(f"{file}: no MCAP file ({type(error).__name__})") from None
                self.broken_off = True


def _decoders() -> Any:
    """A decoder factory that reads what actions imply, too.

    The reader of the `mcap-ros2-support` package takes a type name such as Name_FeedbackMessage for a
    spelling mistake; it is given other names, and the fields stay as they are.
    """
    try:
        from mcap.records import Schema
        from mcap_ros2.decoder import DecoderFactory
    except ImportError as error:
        raise MissingDependency(
            f"the package {error.name} is missing: pip install 'embodied_agent[ros]' reads bags"
        ) from None

    class Decoders(DecoderFactory):
        def decoder_for(self, message_encoding: str, schema: Schema | None) -> Decode | None:
            if schema is not None and schema.name.endswith(("_FeedbackMessage", "_Event")):
                package, _, name = schema.name.rpartition("/")
                plain = f"{package}/{name.replace('_', '')}"
                text = re.sub(rb"_(SendGoal|GetResult)_", rb"\1_", schema.data)
                schema = Schema(id=schema.id, data=text, encoding=schema.encoding, name=plain)
            decode: Decode | None = super().decoder_for(message_encoding, schema)
            return decode

    return Decoders()

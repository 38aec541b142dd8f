"""An MCAP file that is readable up to the last flush, whatever ends the process.

The format is public (mcap.dev/spec). The writer of the `mcap` package cannot close a chunk on demand,
so that a quiet topic could stay in memory for minutes and die with the process; this one can, needs
no package beyond the standard library (`zstandard` or `lz4` to compress), and does not copy messages
before they are compressed. Reading is left to the `mcap` package.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from embodied_agent.errors import BadInput, MissingDependency

MAGIC = b"\x89MCAP0\r\n"
CHUNK_SIZE = 1 << 20  # [bytes] before compression
COMPRESSIONS = ("auto", "zstd", "lz4", "none")
# Record types of the format.
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, METADATA, METADATA_INDEX, SUMMARY_OFFSET, DATA_END = range(0x0B, 0x10)
_MESSAGE_HEAD = struct.Struct("<BQHIQQ")  # type, length, channel, sequence, log time, publish time


@dataclass
class _Chunk:
    """What is not yet in the file. `parts` are joined only when they are compressed."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    first: int = 0
    last: int = 0
    index: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # channel -> (log time, offset)

    def add(self, part: bytes) -> None:
        self.parts.append(part)
        self.size += len(part)


@dataclass
class Counts:
    """What a file holds so far. Times are nanoseconds; 0 while it is empty."""

    messages: dict[int, int] = field(default_factory=dict)  # channel -> number
    first: int = 0
    last: int = 0
    chunks: int = 0
    metadata: int = 0

    @property
    def total(self) -> int:
        """Messages of all channels."""
        return sum(self.messages.values())


class McapWriter:
    """Writes one MCAP file of profile "ros2". A context manager: leaving it completes the file.

    Args:
        path: The file; it is overwritten.
        compression: "zstd", "lz4", "none", or "auto" for the best that is installed.
        chunk_size: Bytes that are compressed together.

    Raises:
        MissingDependency: The package of the compression is not installed.
        BadInput: The compression has no such name.
        OSError: The file cannot be written.
    """

    def __init__(self, path: str | Path, compression: str = "auto", chunk_size: int = CHUNK_SIZE) -> None:
        self.compression, self._compress = _compressor(compression)
        self.counts = Counts()
        self._chunk_size = chunk_size
        self._file = Path(path).open("wb")  # noqa: SIM115 - lives as long as the writer
        self._schemas: list[bytes] = []
        self._channels: list[bytes] = []
        self._chunk_indexes: list[bytes] = []
        self._metadata_indexes: list[bytes] = []
        self._chunk = _Chunk()
        self._file.write(MAGIC + _record(HEADER, _text("ros2") + _text("embodied_agent")))
        self._file.flush()

    def __enter__(self) -> McapWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes in the file [B], what is still to be flushed not counted."""
        return 0 if self._file.closed else self._file.tell()

    def schema(self, name: str, text: str, encoding: str = "ros2msg") -> int:
        """Add a message type with its definition; returns its number."""
        number = len(self._schemas) + 1
        record = _record(SCHEMA, struct.pack("<H", number) + _text(name) + _text(encoding) + _text(text))
        self._schemas.append(record)
        self._chunk.add(record)
        return number

    def channel(self, topic: str, schema: int, metadata: Mapping[str, str]) -> int:
        """Add a topic; returns its number."""
        number = len(self._channels) + 1
        head = struct.pack("<HH", number, schema)
        record = _record(CHANNEL, head + _text(topic) + _text("cdr") + _map(metadata))
        self._channels.append(record)
        self._chunk.add(record)
        self.counts.messages[number] = 0
        return number

    def message(self, channel: int, log_time: int, publish_time: int, data: bytes, sequence: int = 0) -> None:
        """Add a message; times in nanoseconds. The chunk is written once it is full."""
        chunk, counts = self._chunk, self.counts
        if not chunk.index:
            chunk.first = chunk.last = log_time
        chunk.first, chunk.last = min(chunk.first, log_time), max(chunk.last, log_time)
        chunk.index.setdefault(channel, []).append((log_time, chunk.size))
        head = _MESSAGE_HEAD.pack(MESSAGE, 22 + len(data), channel, sequence, log_time, publish_time)
        chunk.add(head)
        chunk.add(data)
        counts.first = log_time if counts.total == 0 else min(counts.first, log_time)
        counts.last = max(counts.last, log_time)
        counts.messages[channel] += 1
        if chunk.size >= self._chunk_size:
            self.flush()

    def metadata(self, name: str, entries: Mapping[str, str]) -> None:
        """Add a named map, such as rosbag2's own description of the bag."""
        self.flush()
        offset = self._file.tell()
        record = _record(METADATA, _text(name) + _map(entries))
        self._file.write(record)
        self._metadata_indexes.append(
            _record(METADATA_INDEX, struct.pack("<QQ", offset, len(record)) + _text(name))
        )
        self.counts.metadata += 1
        self._file.flush()

    def flush(self) -> None:
        """Hand everything to the operating system: what was added survives the end of the process."""
        chunk, self._chunk = self._chunk, _Chunk()
        if not chunk.parts:
            return
        offset = self._file.tell()
        length = self._write_chunk(chunk)
        index_start = self._file.tell()
        places: dict[int, int] = {}
        for channel, entries in chunk.index.items():
            places[channel] = self._file.tell()
            flat = b"".join(struct.pack("<QQ", *entry) for entry in entries)
            self._file.write(_record(MESSAGE_INDEX, struct.pack("<HI", channel, len(flat)) + flat))
        pairs = b"".join(struct.pack("<HQ", *pair) for pair in places.items())
        self._chunk_indexes.append(
            _record(
                CHUNK_INDEX,
                struct.pack("<QQQQI", chunk.first, chunk.last, offset, index_start - offset, len(pairs))
                + pairs
                + struct.pack("<Q", self._file.tell() - index_start)
                + _text("" if self.compression == "none" else self.compression)
                + struct.pack("<QQ", length, chunk.size),
            )
        )
        self.counts.chunks += 1
        self._file.flush()

    def _write_chunk(self, chunk: _Chunk) -> int:
        """The chunk record; returns the length of the compressed part."""
        crc = 0
        for part in chunk.parts:
            crc = zlib.crc32(part, crc)
        parts: list[bytes] = chunk.parts
        if self._compress is not None:
            parts = [self._compress(b"".join(chunk.parts))]
        length = sum(len(part) for part in parts)
        head = struct.pack("<QQQI", chunk.first, chunk.last, chunk.size, crc)
        head += _text("" if self.compression == "none" else self.compression) + struct.pack("<Q", length)
        self._file.write(struct.pack("<BQ", CHUNK, len(head) + length) + head)
        self._file.writelines(parts)
        return length

    def close(self) -> None:
        """Write the summary that lets readers seek; twice is allowed."""
        if self._file.closed:
            return
        try:
            self.flush()
            self._file.write(_record(DATA_END, struct.pack("<I", 0)))
            self._write_summary(self._file.tell())
        finally:
            self._file.close()

    def _write_summary(self, start: int) -> None:
        groups = {
            SCHEMA: self._schemas,
            CHANNEL: self._channels,
            STATISTICS: [self._statistics()],
            CHUNK_INDEX: self._chunk_indexes,
            METADATA_INDEX: self._metadata_indexes,
        }
        summary, offsets = b"", b""
        for kind, records in groups.items():
            group = b"".join(records)
            if group:
                place = struct.pack("<BQQ", kind, start + len(summary), len(group))
                offsets += _record(SUMMARY_OFFSET, place)
            summary += group
        foot = struct.pack("<QQ", start, start + len(summary))
        # The checksum covers the summary, its offsets, and the footer up to the checksum itself.
        crc = zlib.crc32(summary + offsets + struct.pack("<BQ", FOOTER, 20) + foot)
        self._file.write(summary + offsets + _record(FOOTER, foot + struct.pack("<I", crc)) + MAGIC)

    def _statistics(self) -> bytes:
        counts = self.counts
        pairs = b"".join(struct.pack("<HQ", *pair) for pair in counts.messages.items())
        fixed = struct.pack(
            "<QHIIIIQQI", counts.total, len(self._schemas), len(self._channels), 0, counts.metadata,
            counts.chunks, counts.first, counts.last, len(pairs),
        )  # fmt: skip
        return _record(STATISTICS, fixed + pairs)


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<BQ", kind, len(content)) + content


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8")
    return struct.pack("<I", len(encoded)) + encoded


def _map(entries: Mapping[str, str]) -> bytes:
    flat = b"".join(_text(key) + _text(value) for key, value in entries.items())
    return struct.pack("<I", len(flat)) + flat


def _compressor(name: str) -> tuple[str, Callable[[bytes], bytes] | None]:
    if name not in COMPRESSIONS:
        raise BadInput(f"compression {name!r}: it is one of {', '.join(COMPRESSIONS)}")
    for candidate in _wanted(name):
        try:
            return candidate, _load(candidate)
        except ImportError:
            continue
    package = {"zstd": "zstandard", "lz4": "lz4"}[name]
    raise MissingDependency(f"compression {name} needs the package {package}: pip install {package}")


def _wanted(name: str) -> Iterable[str]:
    return ("zstd", "lz4", "none") if name == "auto" else (name,)


def _load(name: str) -> Callable[[bytes], bytes] | None:
    compress: Any = None
    if name == "zstd":
        import zstandard

        compress = zstandard.ZstdCompressor(level=1).compress  # images at 30 Hz leave no time for more
    elif name == "lz4":
        import lz4.frame

        compress = lz4.frame.compress
    return compress  # type: ignore[no-any-return]

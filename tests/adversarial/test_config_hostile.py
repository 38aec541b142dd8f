"""Files that are not what they claim: each ends in one clear line, quickly."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from embodied_agent.config import load
from embodied_agent.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    a: str = ""
    b: tuple[str, ...] = ()


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"k{i}: &k{i} [*{'a' if i == 0 else f'k{i - 1}'}{', *a' * 8}]" for i in range(12)
)

HOSTILE = {
    "empty": b"",
    "only a comment": b"# nothing\n",
    "null": b"null",
    "binary": bytes(range(256)) * 20,
    "a png": b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
    "nul characters": b"a: x\x00y",
    "utf-16": "a: x".encode("utf-16"),
    "unbalanced": b"a: [1, 2",
    "tabs": b"a:\n\t- 1",
    "two documents": b"a: x\n---\na: y",
    "alias bomb": BOMB.encode(),
    "deep lists": b"b: " + b"[" * 20_000,
    "deep maps": b"".join(b" " * i + b"a:\n" for i in range(3_000)),
    "merge key": b"<<: {a: x}",
    "python object": b"a: !!python/object/apply:os.system ['true']",
    "unknown tag": b"a: !secret x",
    "date that is none": b"a: 2020-13-45",
    "huge": b"a: " + b"x" * 2_000_000,
    "huge number": b"b: [" + b"9" * 5000 + b"]",
    "key that is a list": b"? [a, b]\n: x",
    "very long unknown key": b"k" * 100_000 + b": 1",
    "set": b"a: !!set {x, y}",
    "binary tag": b"a: !!binary aGVsbG8=",
    "recursive alias": b"b: &b [*b]",
}


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_a_hostile_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(HOSTILE[kind])
    began = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        load(path, Settings)
    assert time.perf_counter() - began < 5.0
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message and len(message) < 600


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yaml", Settings)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, Settings)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(loop, Settings)

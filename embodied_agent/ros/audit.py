"""The audit log: a JSON line for every goal, consent and decision of the supervisor, in files of bounded size."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from embodied_agent.errors import ConfigError


class AuditLog:
    """Appends lines; begins a new file when one is full, and keeps a few old ones.

    It is written from several threads. A disk that is full must not stop an arm in the middle
    of a motion: the log then says so in `problem`, and tries again with the next line.

    Args:
        path: The newest file; older ones get `.1`, `.2`, ... appended.
        size: At which a new one is begun [bytes].
        keep: Older files that are kept.

    Raises:
        ConfigError: It cannot be written.
    """

    def __init__(self, path: Path, size: int, keep: int) -> None:
        self.path, self._size, self._keep = path, size, keep
        self.problem = ""
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"audit log {path}: {error.strerror or error}; set the parameter audit_log"
            ) from None

    def note(self, verb: str, **details: Any) -> None:
        """Write what the node itself did or was asked."""
        line = {"wall": round(time.time(), 3), "verb": verb, **details}
        self.write(json.dumps(line, default=str) + "\n")

    def write(self, text: str) -> int:
        """Append text that ends with a new line."""
        with self._lock:
            try:
                if self._file.closed:
                    return 0
                if self._file.tell() > self._size:
                    self._turn_over()
                self._file.write(text)
                self._file.flush()
                self.problem = ""
            except OSError as error:
                self.problem = f"audit log {self.path}: {error.strerror or error}"
        return len(text)

    def flush(self) -> None:
        """Every line is flushed as it is written."""

    def close(self) -> None:
        """Close the file; later lines are dropped."""
        with self._lock:
            self._file.close()

    def _turn_over(self) -> None:
        self._file.close()
        try:
            for number in range(self._keep - 1, 0, -1):
                old = self._numbered(number)
                if old.exists():
                    old.replace(self._numbered(number + 1))
            self.path.replace(self._numbered(1))
        finally:
            self._file = self.path.open("a", encoding="utf-8")

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

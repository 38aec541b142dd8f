"""Child processes of an exercise: each with its log, ended by its own id and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embodied_agent.errors import RobotError


class Child:
    """One process with its output in a file.

    Args:
        name: For messages and the log file.
        command: Program and arguments.
        folder: Where its output goes.
        environment: Added to this process's own.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.running:
            self._process.send_signal(number)

    def wait(self, patience: float) -> int | None:
        """Its exit code; None where it still runs after `patience` [s]."""
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return None

    def end(self, number: int = signal.SIGTERM, patience: float = 15.0) -> int | None:
        """Send a signal and wait; a process that does not heed it is killed, and None comes back."""
        self.send(number)
        code = self.wait(patience)
        if code is None:
            self._process.kill()
            self._process.wait(10.0)
        return code

    def usage(self) -> tuple[float, int]:
        """Resident memory [MB] and number of threads."""
        fields = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if ":" in line
        )
        return int(fields["VmRSS"].split()[0]) / 1024.0, int(fields["Threads"])

    def tail(self, lines: int = 15) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(what: str, holds: Any, patience: float, every: float = 0.05) -> float:
    """Wait for a condition; returns the seconds that it took.

    Raises:
        RobotError: It did not come true in time.
    """
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > patience:
            raise RobotError(f"{what} did not happen within {patience:g} s")
        time.sleep(every)
    return time.monotonic() - began

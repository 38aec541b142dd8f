"""A person's consent to a program: asked for by the run, answered on ~/confirm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

POLL = 0.05  # [s] between two looks at whether the run ended meanwhile

AGREED, DECLINED, SILENT, ENDED = "agreed", "declined", "silent", "ended"


class Consent:
    """One question at a time; an answer that nobody waits for changes nothing."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = False
        self._answer: bool | None = None
        self.last = ""

    @property
    def waiting(self) -> bool:
        """A program waits for an answer now."""
        return self._waiting

    def ask(self, timeout: float, ended: Callable[[], bool]) -> str:
        """Wait for the answer to one question.

        Args:
            timeout: Longest wait [s].
            ended: The run was cancelled or stopped meanwhile.

        Returns:
            AGREED, DECLINED, SILENT (nobody answered) or ENDED.
        """
        until = time.monotonic() + timeout
        with self._changed:
            self._answer, self._waiting = None, True
            try:
                while self._answer is None and not ended() and time.monotonic() < until:
                    self._changed.wait(POLL)
                if self._answer is not None and not ended():
                    self.last = AGREED if self._answer else DECLINED
                else:
                    self.last = ENDED if ended() else SILENT
            finally:
                self._waiting = False
        return self.last

    def answer(self, agree: bool) -> tuple[bool, str]:
        """Give the answer; whether somebody waited for it, and a sentence."""
        with self._changed:
            if not self._waiting or self._answer is not None:
                return False, "no program waits for consent"
            self._answer = agree
            self._changed.notify_all()
        return True, "the program runs" if agree else "the program was declined"

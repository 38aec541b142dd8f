"""A person's answer on ~/confirm to what the run asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from embodied_agent.consent import AGREED, DECLINED, ENDED, SILENT

POLL = 0.05  # [s] between two looks at whether the run ended meanwhile
LOOK = 0.3  # [s] that a question stands before a yes counts: the second of two quick ones was not meant for it


class Consent:
    """One question at a time; an answer that nobody waits for changes nothing."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = False
        self._answer: bool | None = None
        self._what = ""
        self._asked = 0.0  # moment of the question by the monotonic clock [s]

    @property
    def waiting(self) -> str:
        """What waits for an answer now; "" = nothing."""
        return self._what if self._waiting else ""

    def ask(self, what: str, timeout: float, ended: Callable[[], bool]) -> str:
        """Wait for the answer to one question.

        Args:
            what: A person is to agree to.
            timeout: Longest wait [s].
            ended: The run was cancelled or stopped meanwhile.

        Returns:
            AGREED, DECLINED, SILENT (nobody answered) or ENDED.
        """
        until = time.monotonic() + timeout
        with self._changed:
            self._answer, self._what, self._waiting = None, what, True
            self._asked = time.monotonic()
            try:
                while self._answer is None and not ended() and time.monotonic() < until:
                    self._changed.wait(POLL)
                if ended():
                    return ENDED
                if self._answer is None:
                    return SILENT
                return AGREED if self._answer else DECLINED
            finally:
                self._waiting = False

    def answer(self, agree: bool) -> tuple[bool, str]:
        """Give the answer; whether somebody waited for it, and a sentence."""
        with self._changed:
            if not self._waiting or self._answer is not None:
                return False, "nothing waits for consent"
            if agree and time.monotonic() - self._asked < LOOK:
                return False, f"{self._what} was asked for only just now; look at it, and answer again"
            self._answer = agree
            self._changed.notify_all()
            return True, f"{self._what}: {AGREED if agree else DECLINED}"

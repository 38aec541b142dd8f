"""What both controllers share: a goal that runs, how it ended, and its way back to the client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FEEDBACK_PERIOD = 0.05  # [s]
CANCEL_WAIT = 2.0  # [s] for the action server to note a cancel that it has just accepted

SUCCEEDED, ABORTED, CANCELED = "succeeded", "aborted", "canceled"


@dataclass(frozen=True)
class Outcome:
    """How a goal ended: one of the three words above, the action's own code, and a sentence."""

    kind: str
    code: int = 0
    text: str = ""


@dataclass(eq=False)
class Running:
    """A goal that a controller has in hand. The first outcome counts."""

    outcome: Outcome | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def end(self, outcome: Outcome) -> None:
        """Say how it ended."""
        if self.outcome is None:
            self.outcome = outcome
            self.done.set()


def see_through(
    handle: Any, running: Running, feedback: Callable[[], Any], result: Callable[[Outcome], Any]
) -> Any:
    """Execute a goal for its action server: feedback until it has ended, then its result."""
    while not running.done.wait(FEEDBACK_PERIOD):
        message = feedback()
        if message is not None and handle.is_active:
            handle.publish_feedback(message)
    outcome = running.outcome or Outcome(ABORTED)
    if outcome.kind == CANCELED:
        # The arm holds already; the server marks the goal only after its cancel callback returned.
        deadline = time.monotonic() + CANCEL_WAIT
        while not handle.is_cancel_requested and time.monotonic() < deadline:
            time.sleep(0.001)
        if handle.is_cancel_requested:
            handle.canceled()
            return result(outcome)
    if outcome.kind == SUCCEEDED:
        handle.succeed()
    else:
        handle.abort()
    return result(outcome)

"""Consent: a person agrees before anything moves, to a whole program or to each unit of it.

Whoever can ask (a terminal, a ROS service) gets a `Question` and gives back one of four answers;
everything but AGREED ends the run, with the arm at rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from embodied_agent.errors import Cancelled
from embodied_agent.program.events import Event
from embodied_agent.program.nodes import Program

NONE, TASK, UNIT = "none", "task", "unit"  # what is asked for: nothing, each program, each unit
KINDS = (NONE, TASK, UNIT)
AGREED, DECLINED, SILENT, ENDED = "agreed", "declined", "silent", "ended"
SENTENCES = {
    DECLINED: "the person declined {what}",
    SILENT: "nobody agreed to {what} in time",
    ENDED: "the run ended while {what} waited for consent",
}


@dataclass(frozen=True)
class Question:
    """What a person is asked to agree to.

    Attributes:
        program: The program that runs, or is about to.
        unit: The unit that is about to move the robot first, as it started; the task, for a motion
            outside of any unit. None = the whole program, of which nothing ran yet.
    """

    program: Program
    unit: Event | None = None

    @property
    def what(self) -> str:
        """What it is about, in a few words."""
        return "the program" if self.unit is None else self.unit.label


Ask = Callable[[Question], str]


class Gate:
    """Asks before the first motion of what nobody agreed to yet; a unit that is entered again asks again.

    Every call comes from the thread of the run.

    Args:
        kind: NONE, TASK or UNIT.
        ask: Puts a question to a person and waits; returns AGREED, DECLINED, SILENT or ENDED.
    """

    def __init__(self, kind: str, ask: Ask) -> None:
        self._kind, self._ask = kind, ask
        self._program: Program | None = None
        self._open: list[Event] = []  # task and units that run now, the innermost last
        self._agreed: list[bool] = []  # to each of them

    def begin(self, program: Program) -> None:
        """A program was accepted and is about to run.

        Raises:
            Cancelled: The person did not agree.
        """
        self._program, self._open, self._agreed = program, [], []
        if self._kind == TASK:
            self._put(Question(program))

    def heed(self, event: Event) -> None:
        """A node started or ended."""
        if event.level not in ("task", "unit") or event.kind == "skipped":
            return
        if event.kind == "started":
            self._open.append(event)
            self._agreed.append(False)
        elif self._open and self._open[-1].path == event.path:
            self._open.pop()
            self._agreed.pop()

    def before_motion(self) -> None:
        """The robot is about to move.

        Raises:
            Cancelled: The person did not agree.
        """
        if self._kind != UNIT or self._program is None or not self._open or self._agreed[-1]:
            return
        self._put(Question(self._program, self._open[-1]))
        self._agreed[-1] = True

    def _put(self, question: Question) -> None:
        answer = self._ask(question)
        if answer != AGREED:
            raise Cancelled(SENTENCES[answer].format(what=question.what))

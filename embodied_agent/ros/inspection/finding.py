"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

OK, NOTE, WRONG = "ok", "note", "wrong"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes:
        area: "ros", "clock", "joints", "controllers", "frames", "cameras", "force" or "agent".
        what: The thing, in two or three words.
        state: "ok"; "note" = works, but know it; "wrong" = mend it before anything moves.
        measured: What was found, with numbers and units.
        remedy: What to do; "" where all is well.
    """

    area: str
    what: str
    state: str
    measured: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def aged(seconds: float) -> str:
    """An age for people."""
    return f"{1000 * abs(seconds):.0f} ms {'old' if seconds >= 0 else 'ahead of the clock'}"


def judged(good: bool, area: str, what: str, measured: str, remedy: str) -> Finding:
    """OK, or wrong with what to do."""
    return Finding(area, what, OK if good else WRONG, measured, "" if good else remedy)


def noted(good: bool, area: str, what: str, measured: str, remedy: str) -> Finding:
    """OK, or something to know."""
    return Finding(area, what, OK if good else NOTE, measured, "" if good else remedy)

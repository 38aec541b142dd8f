"""What gives pixels their names: the one seam between perception and any model."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from embodied_agent.types import Detection, Frame, Grounding

ROBOT = "robot"
SURROUNDINGS = frozenset({"background", "table"})


@runtime_checkable
class Grounder(Protocol):
    """Names what a camera sees. Geometry is measured elsewhere, from depth.

    `detect` and `ground` are called on the same frame in turn; an implementation that runs a
    network keeps its features of the newest frame.
    """

    def detect(self, frame: Frame) -> list[Detection]:
        """Every thing seen, each with a full-resolution mask.

        Kinds are objects ("mug"), parts ("drawer", "drawer_handle", "door", "door_handle",
        "button", "knob"), furniture ("cabinet", "cupboard", "shelf") and "robot". The table
        and the background may be left out.
        """
        ...

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """Which detections a noun phrase means, given the person's clicked pixels (x, y)."""
        ...

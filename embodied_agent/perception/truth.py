"""A grounder that reads the simulator's segmentation: for ablation and tests, never a default.

Only the names come from the simulator. Position, size and state are measured from depth as
with any other grounder, so that the ablation isolates what naming errors cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embodied_agent.errors import BadInput
from embodied_agent.types import Detection, Frame, Grounding
from sim.descriptions import Thing, parse_canonical, resolve

SMALLEST = 12  # [px] a thing with fewer visible pixels cannot be said to be seen


@dataclass(frozen=True)
class Labelled:
    """One segment of a rendered image: the simulator's id of the thing, and how it looks."""

    id: str
    detection: Detection


class TruthGrounder:
    """Names from the simulator.

    Args:
        segment: The labelled segments of a frame, rendered at the frame's time and camera.
        things: Everything in the scene as the simulator knows it now; ids as in `segment`.
    """

    name = "truth"

    def __init__(
        self,
        segment: Callable[[Frame], Sequence[Labelled]],
        things: Callable[[], Sequence[Thing]],
    ) -> None:
        self._segment = segment
        self._things = things

    def detect(self, frame: Frame) -> list[Detection]:
        """Every segment with at least 12 pixels."""
        return [s.detection for s in self._segment(frame) if int(s.detection.mask.sum()) >= SMALLEST]

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """What a canonical description means in the simulator's scene, as far as it is seen."""
        segments = [s for s in self._segment(frame) if int(s.detection.mask.sum()) >= SMALLEST]
        try:
            description = parse_canonical(phrase)
        except BadInput as error:
            return Grounding((), ambiguous=False, confidence=0.0, words=str(error))
        meant = resolve(description, list(self._things()))
        order = [thing.id for thing in meant]
        found = sorted((s for s in segments if s.id in order), key=lambda s: order.index(s.id))
        detections = tuple(s.detection for s in found)
        return Grounding(
            detections,
            ambiguous=not description.plural and len(detections) > 1,
            confidence=1.0,
            point=_middle(detections[0]) if detections else None,
            words=", ".join(s.id for s in found) or "nothing that is seen",
        )


def _middle(detection: Detection) -> tuple[float, float]:
    """The mask's pixel nearest to its centre of mass, as (x, y)."""
    rows, columns = detection.mask.nonzero()
    nearest = int(((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2).argmin())
    return float(columns[nearest]), float(rows[nearest])

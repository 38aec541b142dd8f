"""The gripper as boxes, and whether they hit anything where a grasp would put them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodied_agent.robots.description import GripperDescription
from embodied_agent.types import Array

TOUCH = 0.004  # [m] points this deep in a finger are contact or noise, not collision


@dataclass(frozen=True)
class Hand:
    """A parallel-jaw hand in its tool frame: z approaches, y closes, origin between the pads.

    Attributes:
        max_width: Largest opening [m].
        finger_thickness: Of one finger along y, outside its pad [m].
        finger_breadth: Of a finger along x [m].
        tip_depth: How far the tips reach beyond the origin along z [m].
        palm_depth: How far behind the origin the palm begins [m].
        palm_half: Half sizes of the palm along x and y [m].
    """

    max_width: float = 0.08
    finger_thickness: float = 0.012
    finger_breadth: float = 0.02
    tip_depth: float = 0.01
    palm_depth: float = 0.045
    palm_half: tuple[float, float] = (0.032, 0.10)

    @staticmethod
    def of(gripper: GripperDescription) -> Hand:
        """The hand that a robot description tells of."""
        return Hand(
            max_width=gripper.max_width,
            finger_thickness=gripper.finger_thickness,
            finger_breadth=gripper.finger_breadth,
            tip_depth=gripper.tip_depth,
            palm_depth=gripper.palm_depth,
        )

    def boxes(self, width: float) -> tuple[Array, Array]:
        """Lower and upper corners (3, 3) in the tool frame: both fingers opened to `width`, palm."""
        half, outer = width / 2, width / 2 + self.finger_thickness
        x, back = self.finger_breadth / 2, -self.palm_depth
        px, py = self.palm_half
        low = np.array([[-x, half, back], [-x, -outer, back], [-px, -py, back - 0.08]])
        high = np.array([[x, outer, self.tip_depth], [x, -half, self.tip_depth], [px, py, back]])
        return low, high


def hits(hand: Hand, rotations: Array, positions: Array, widths: Array, points: Array) -> Array:
    """How many of the points lie inside each of many hands.

    Args:
        hand: Its sizes.
        rotations: Tool axes in the world, (K, 3, 3).
        positions: Tool origins [m], (K, 3).
        widths: Openings [m], (K,).
        points: World points (N, 3).

    Returns:
        Counts, (K,).
    """
    if len(points) == 0:
        return np.zeros(len(positions), dtype=np.int64)
    local = np.einsum("knj,kji->kni", points[None] - positions[:, None], rotations).astype(np.float32)
    x, y, z = np.abs(local[..., 0]), np.abs(local[..., 1]), local[..., 2]
    inner = widths[:, None] / 2 + TOUCH
    outer = widths[:, None] / 2 + hand.finger_thickness
    depth = (z > -hand.palm_depth) & (z < hand.tip_depth - TOUCH / 2)
    finger = (x < hand.finger_breadth / 2) & (y > inner) & (y < outer) & depth
    px, py = hand.palm_half
    palm = (x < px) & (y < py) & (z < -hand.palm_depth) & (z > -hand.palm_depth - 0.08)
    return np.asarray((finger | palm).sum(axis=1))


def lowest(hand: Hand, rotations: Array, positions: Array, widths: Array) -> Array:
    """Height of the lowest corner of the fingers of each of many hands [m], (K,)."""
    x = hand.finger_breadth / 2
    corners = np.array([[sx * x, sy, hand.tip_depth] for sx in (-1, 1) for sy in (-1, 1)])
    reach = widths[:, None, None] / 2 + hand.finger_thickness
    scaled = np.repeat(corners[None], len(positions), axis=0)
    scaled[..., 1:2] *= reach
    z = np.einsum("kj,knj->kn", rotations[:, 2], scaled) + positions[:, None, 2]
    return np.asarray(z.min(axis=1))

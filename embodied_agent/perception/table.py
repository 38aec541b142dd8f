"""Free places on the table: anywhere, beside a thing, or exactly where asked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from embodied_agent.perception.geometry import yaw_rotation
from embodied_agent.perception.relations import footprint
from embodied_agent.perception.spots import ABOVE, RELEASE, Placement, Spot
from embodied_agent.types import Array, Object, Pose, Result

REACH = np.array([[0.27, 0.72], [-0.38, 0.38]])  # [m] of the table that the arm works on
CELL = 0.01  # [m] of the occupancy grid
CLEARANCE = 0.02  # [m] between footprints
BESIDE_CLEARANCE = 0.035  # [m] room for a finger between neighbours
FREE_SIDE = 0.12  # [m] edge of a free spot for a thing of unknown size
SIDE_ANGLES = {"left": np.pi / 2, "right": -np.pi / 2, "front": np.pi, "behind": 0.0}


class Table:
    """Which part of the table is taken, as a grid over the reachable area.

    Args:
        obstacles: Points of everything that stands there, (N, 3) [m].
        height: Of the table [m].
        reach: Low and high of x and of y [m], (2, 2).
    """

    def __init__(self, obstacles: Array, height: float = 0.0, reach: Array = REACH) -> None:
        from scipy import ndimage

        self.height = height
        self.reach = np.asarray(reach, dtype=np.float64)
        pad = 0.15  # [m] things just outside the area still take room inside it
        self._low = self.reach[:, 0] - pad
        shape = np.ceil((self.reach[:, 1] + pad - self._low) / CELL).astype(int)
        taken = np.zeros(shape, dtype=bool)
        cells = np.floor((obstacles[:, :2] - self._low) / CELL).astype(int)
        cells = cells[((cells >= 0) & (cells < shape)).all(axis=1)]
        taken[tuple(cells.T)] = True
        self._distance = ndimage.distance_transform_edt(~taken) * CELL  # [m] to the nearest taken cell
        axes = [self._low[k] + (np.arange(shape[k]) + 0.5) * CELL for k in (0, 1)]
        self._places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def clearance(self, places: Array) -> Array:
        """Distance [m] of places (N, 2) to the nearest taken cell; 0 outside the grid."""
        cells = np.floor((np.atleast_2d(places)[:, :2] - self._low) / CELL).astype(int)
        ok = ((cells >= 0) & (cells < self._distance.shape)).all(axis=1)
        result = np.zeros(len(cells))
        result[ok] = self._distance[tuple(cells[ok].T)]
        return result

    def in_reach(self, places: Array, margin: float = 0.0) -> Array:
        """Which places (N, 2) lie in the reachable area shrunk by `margin` [m]."""
        low, high = self.reach[:, 0] + margin, self.reach[:, 1] - margin
        return np.asarray(((places >= low) & (places <= high)).all(axis=-1))

    def free_spot(self, extent: Array | None = None, near: Array | None = None, yaw: float = 0.0) -> Result:
        """A free place for a thing.

        Args:
            extent: Its box sizes [m], (3,); None = room for anything up to 0.12 m.
            near: Wanted place (2,) or (3,); None = the roomiest near the middle of the area.
            yaw: Orientation to keep [rad].
        """
        radius = FREE_SIDE / 2 if extent is None else 0.5 * float(np.linalg.norm(extent[:2]))
        need = radius + CLEARANCE
        fits = (self._distance >= need) & self.in_reach(self._places, 0.02)
        if not fits.any():
            return Result(
                ok=False,
                reason=f"no free place of {2 * need:.2f} m on the table within reach",
                evidence={"needed_radius": round(need, 4), "roomiest": round(float(self._distance.max()), 4)},
            )
        wanted = self.reach.mean(axis=1) if near is None else np.asarray(near)[:2]
        away = np.linalg.norm(self._places - wanted, axis=-1)
        worth = -away if near is not None else np.minimum(self._distance, 0.15) - 0.3 * away
        index = np.unravel_index(int(np.argmax(np.where(fits, worth, -np.inf))), fits.shape)
        clearance = float(self._distance[index]) - radius
        return self._placed(self._places[index], extent, yaw, clearance, {})

    def beside(
        self,
        other: Object,
        extent: Array,
        *,
        side: str = "any",
        clearance: float = BESIDE_CLEARANCE,
        yaw: float = 0.0,
    ) -> Result:
        """A free place on the table next to a thing.

        Args:
            other: The neighbour.
            extent: Box sizes of the thing to place [m], (3,).
            side: "left", "right", "front", "behind" or "any".
            clearance: Gap to the neighbour [m].
            yaw: Orientation to keep [rad].
        """
        radius = 0.5 * float(np.linalg.norm(extent[:2]))
        outline = footprint(other)
        wanted = SIDE_ANGLES.get(side)
        spread = np.linspace(-np.pi, np.pi, 48, endpoint=False)
        if wanted is not None:
            spread = np.linspace(-0.6, 0.6, 13)
        found: list[tuple[float, Array, float]] = []
        for gap in (clearance, clearance + 0.02, clearance + 0.04, clearance + 0.06):
            for turn in spread:
                angle = (wanted or 0.0) + turn
                way = np.array([np.cos(angle), np.sin(angle)])
                reach = float((outline @ way).max() - other.position[:2] @ way)
                place = other.position[:2] + way * (reach + gap + radius)
                free = float(self.clearance(place[None])[0]) - radius
                if free < CLEARANCE or not self.in_reach(place[None], 0.02)[0]:
                    continue
                worth = min(free, 0.05) - 2.0 * (gap - clearance) - 0.05 * abs(turn) * (wanted is not None)
                worth -= 0.02 * float(np.linalg.norm(place - self.reach.mean(axis=1)))
                found.append((worth, place, free))
        if not found:
            where = "beside" if side == "any" else f"{side} of"
            return Result(
                ok=False,
                reason=f"no free place {where} the {other.kind} within reach",
                evidence={"side": side, "needed_radius": round(radius + CLEARANCE, 4)},
            )
        found.sort(key=lambda item: -item[0])
        best = found[0]
        some = found[:: 1 + len(found) // 40]
        spots = tuple(Spot(place, self.height, best[0] - worth) for worth, place, _ in some)
        return self._placed(best[1], extent, yaw, best[2], {"beside": other.id, "side": side}, spots=spots)

    def at(self, place: Array, extent: Array, *, yaw: float = 0.0) -> Result:
        """Exactly the place asked for, if it is free and within reach.

        Args:
            place: (2,) or (3,) [m]; the height of a clicked surface is kept.
            extent: Box sizes of the thing [m], (3,).
            yaw: Orientation to keep [rad].
        """
        place = np.asarray(place, dtype=np.float64)
        surface = float(place[2]) if len(place) == 3 and place[2] > self.height + 0.03 else self.height
        free = float(self.clearance(place[None, :2])[0]) - 0.5 * float(extent[:2].min())
        evidence = {"clearance": round(free, 4), "surface": round(surface, 4)}
        if not self.in_reach(place[None, :2], -0.05)[0]:
            reason = f"({place[0]:.2f}, {place[1]:.2f}) lies outside the reachable area"
            return Result(ok=False, reason=reason, evidence=evidence)
        if surface == self.height and free < 0.0:
            reason = f"something stands within {-free * 1000:.0f} mm of ({place[0]:.2f}, {place[1]:.2f})"
            return Result(ok=False, reason=reason, evidence=evidence)
        return self._placed(place[:2], extent, yaw, free, evidence, surface)

    def _placed(
        self,
        center: Array,
        extent: Array | None,
        yaw: float,
        clearance: float,
        evidence: Mapping[str, object],
        surface: float | None = None,
        spots: tuple[Spot, ...] = (),
    ) -> Result:
        level = self.height if surface is None else surface
        bottom = level + RELEASE
        half = 0.0 if extent is None else float(extent[2]) / 2
        pose = Pose.from_matrix(yaw_rotation(yaw)).translated(np.array([*center, bottom + half]))
        told = {**evidence, "clearance": round(clearance, 4), "place": [round(float(v), 4) for v in center]}
        spots = spots or (Spot(np.asarray(center), level),)
        highest = bottom + ABOVE
        return Result(value=Placement(pose, level, RELEASE, clearance, told, spots, highest), evidence=told)

"""Polynomials between the points of a trajectory, of the degree that the points determine."""

from __future__ import annotations

import numpy as np

from embodied_agent.types import Array


class Spline:
    """A timed path, held before its start and after its end.

    Straight between positions alone; cubic where velocities are given as well; quintic with
    accelerations.

    Args:
        times: [s], (T,), increasing.
        positions: (T, n).
        velocities, accelerations: (T, n), or None.
    """

    def __init__(
        self, times: Array, positions: Array, velocities: Array | None = None, accelerations: Array | None = None
    ) -> None:
        self.times, self.positions = times, positions
        h = np.diff(times)[:, None]  # (T - 1, 1)
        p0, p1 = positions[:-1], positions[1:]
        c = np.zeros((6, *p0.shape))  # of powers of the time since the segment's start
        c[0] = p0
        if velocities is None:
            c[1] = (p1 - p0) / h
        elif accelerations is None:
            v0, v1 = velocities[:-1], velocities[1:]
            c[1] = v0
            c[2] = (3 * (p1 - p0) / h - 2 * v0 - v1) / h
            c[3] = (2 * (p0 - p1) / h + v0 + v1) / h**2
        else:
            v0, v1, a0, a1 = velocities[:-1], velocities[1:], accelerations[:-1], accelerations[1:]
            way, speed, force = p1 - p0 - v0 * h - a0 * h**2 / 2, v1 - v0 - a0 * h, a1 - a0
            c[1], c[2] = v0, a0 / 2
            c[3] = (10 * way - 4 * speed * h + force * h**2 / 2) / h**3
            c[4] = (-15 * way + 7 * speed * h - force * h**2) / h**4
            c[5] = (6 * way - 3 * speed * h + force * h**2 / 2) / h**5
        self._coefficients = c

    @property
    def end(self) -> float:
        """Time of the last point [s]."""
        return float(self.times[-1])

    def sample(self, times: Array) -> tuple[Array, Array]:
        """Positions and velocities (M, n) at times (M,)."""
        if len(self.times) == 1:
            held = np.repeat(self.positions, len(times), axis=0)
            return held, np.zeros_like(held)
        index = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 2)
        s = (np.clip(times, self.times[0], self.times[-1]) - self.times[index])[:, None]
        c = self._coefficients[:, index]  # (6, M, n)
        positions = c[0] + s * (c[1] + s * (c[2] + s * (c[3] + s * (c[4] + s * c[5]))))
        velocities = c[1] + s * (2 * c[2] + s * (3 * c[3] + s * (4 * c[4] + s * 5 * c[5])))
        velocities[(times < self.times[0]) | (times > self.times[-1])] = 0.0
        return positions, velocities

"""Whether a thing lies in something that holds things, by the exact shapes of the simulated world."""

from __future__ import annotations

import math

import numpy as np

from embodied_agent.types import Array
from sim.dimensions import DRAWER_TRAVEL, FIXTURE_DIMENSIONS
from sim.happened import Body, Run
from sim.placement import CUPBOARD_FLOOR, CUPBOARD_INNER, DRAWER_BOTTOMS, DRAWER_FLOOR, DRAWER_INNER

DRAWER_FRONT = 0.014  # [m] thickness of a drawer's front panel


def in_container(body: Body, holder: Body) -> bool:
    """Middle within the free space, lowest point below the rim and above the floor."""
    x, y, _ = holder.pose.rotation.T @ (body.pose.position - holder.pose.position)
    if holder.kind == "box":
        ratio = holder.size.half[0] / holder.size.half[1]
        within = abs(x) <= holder.size.inner * ratio and abs(y) <= holder.size.inner
    else:
        within = math.hypot(x, y) <= holder.size.inner
    base = float(holder.pose.position[2]) - holder.size.height / 2
    return bool(within and -0.005 < body.bottom - base < holder.size.height - 0.004)


def in_drawer(run: Run, body: Body, drawer: str) -> bool:
    """Middle over the drawer's floor where it stands now, and low enough to lie on it."""
    fixture = run.scene.fixture(drawer)
    x, y = local(run, fixture.kind, body.pose.position)
    pulled = float(run.joint(drawer)["fraction"]) * DRAWER_TRAVEL
    centre = -FIXTURE_DIMENSIONS[fixture.kind].half[0] + DRAWER_FRONT + DRAWER_INNER[0] - pulled
    floor = DRAWER_BOTTOMS[drawer] + DRAWER_FLOOR
    within = abs(x - centre) <= DRAWER_INNER[0] and abs(y) <= DRAWER_INNER[1]
    return bool(within and -0.01 < body.bottom - floor < 0.05)


def in_cupboard(run: Run, body: Body) -> bool:
    """Middle between the cupboard's walls, and on its floor."""
    x, y = local(run, "cupboard", body.pose.position)
    within = abs(x) <= CUPBOARD_INNER[0] + 0.01 and abs(y) <= CUPBOARD_INNER[1]
    return bool(within and abs(body.bottom - CUPBOARD_FLOOR) < 0.03)


def local(run: Run, fixture: str, position: Array) -> Array:
    """A world point in a fixture's own frame (x to its back), (2,)."""
    spec = run.scene.fixture(fixture)
    c, s = math.cos(spec.yaw), math.sin(spec.yaw)
    dx, dy = float(position[0]) - spec.position[0], float(position[1]) - spec.position[1]
    return np.array([c * dx + s * dy, -s * dx + c * dy])

"""A push that failed half-way is not begun anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from embodied_agent.primitives import push
from embodied_agent.primitives.context import Context
from embodied_agent.types import Command, Object, Pose, Result

BLOCKED = Result(ok=False, reason="something is in the way")


def cube(x: float) -> Object:
    grid = np.linspace(-0.02, 0.02, 5)
    cloud = np.stack(np.meshgrid(grid, grid, grid), axis=-1).reshape(-1, 3) + np.array([x, 0.0, 0.02])
    return Object(
        "cube-1", "cube", "cube", "red", Pose(np.array([x, 0.0, 0.02])), np.full(3, 0.04), cloud, 1.0, 0.0
    )


class Table:
    """Shows one cube."""

    def __init__(self, x: float) -> None:
        self.item = cube(x)

    def again(self, item: Object) -> Object:
        return self.item


class Stuck:
    """An arm that cannot stand where a push begins, and keeps the way that it was asked for."""

    description: Any = None


def asked(run: Context, now: Object, start: Object, distance: float = 0.2, direction: Any = "forward") -> float:
    """How far a push that is asked for has still to go [m]; the arm gets nowhere."""
    ways: list[float] = []

    def stand_over(context: Context, object: Object, way: Any, place: Any, steps: Any) -> Result:
        ways.append(float(steps[2] @ way) - push.RUN_UP)
        return BLOCKED

    run.arm.description = type("Robot", (), {"gripper": type("Gripper", (), {"finger_breadth": 0.02})})
    keep, push._stand_over = push._stand_over, stand_over
    try:
        assert not push.push_along(run, now, start, direction, distance).ok
    finally:
        push._stand_over = keep
    return round(ways[0], 4)


def test_a_repaired_program_pushes_the_rest_of_the_way() -> None:
    run = Context(Stuck(), Table(0.4), Command("push it"))  # type: ignore[arg-type]
    assert asked(run, cube(0.4), cube(0.4)) == 0.2
    assert asked(run, cube(0.48), cube(0.48)) == 0.12  # found again, 8 cm further on
    run.view.item = cube(0.61)  # type: ignore[attr-defined]
    reached = push.is_displaced(run, cube(0.48), "forward", 0.2)
    assert reached.value and reached.evidence["moved_along"] == 0.21


def test_a_push_that_was_done_is_over_and_the_same_again_goes_its_whole_way() -> None:
    run = Context(Stuck(), Table(0.6), Command("push it"))  # type: ignore[arg-type]
    assert asked(run, cube(0.4), cube(0.4)) == 0.2
    assert push.is_displaced(run, cube(0.4), "forward", 0.2).value
    assert asked(run, cube(0.6), cube(0.6)) == 0.2


def test_another_push_of_the_same_thing_is_its_own() -> None:
    run = Context(Stuck(), Table(0.4), Command("push it"))  # type: ignore[arg-type]
    assert asked(run, cube(0.4), cube(0.4)) == 0.2
    assert asked(run, cube(0.48), cube(0.48), direction="left") == 0.2
    assert asked(run, cube(0.48), cube(0.48), distance=0.1) == 0.1
    other = replace(cube(0.5), id="cube-2")
    assert asked(run, other, other) == 0.2

"""What primitives take from the run they are part of: clicked points, and where a thing was meant to go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from embodied_agent.primitives.context import Context
from embodied_agent.primitives.perceive import find_at, spot_at
from embodied_agent.primitives.put import Aim, is_placed
from embodied_agent.types import Command, Object, Pose


class Seen:
    """A view in which everything stays as it was measured."""

    now = None

    def fresh(self, item: Object) -> Object:
        return item

    def object_at(self, pixel: tuple[float, float]) -> Object | None:
        return thing("cube", 0.0) if pixel[0] < 100 else None

    def surface_at(self, pixel: tuple[float, float]) -> Pose | None:
        return None


def thing(name: str, y: float) -> Object:
    corners = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (0, 2)]) * 0.02
    position = np.array([0.5, y, 0.0])
    pose = Pose(position + np.array([0.0, 0.0, 0.02]))
    return Object(name, name, name, "red", pose, np.full(3, 0.04), corners + position, 0.9, 0.0)


def context(*points: tuple[float, float]) -> Context:
    arm: Any = SimpleNamespace()
    view: Any = Seen()
    return Context(arm, view, Command("put this there", points))


@pytest.mark.parametrize("primitive", [find_at, spot_at])
def test_a_point_that_nobody_clicked_is_named_with_the_number_of_clicks(primitive: Any) -> None:
    answer = primitive(context((10.0, 20.0)), point=2)
    assert not answer.ok and "1 clicked points" in answer.reason


def test_a_clicked_thing_is_found_and_the_bare_table_is_not() -> None:
    found = find_at(context((10.0, 20.0)))
    assert found.value.kind == "cube" and found.evidence["pixel"] == [10.0, 20.0]
    assert not find_at(context((300.0, 20.0))).ok


@pytest.mark.parametrize(("y", "there"), [(0.2, True), (-0.2, False)])
def test_a_thing_is_placed_where_its_place_was_proposed_and_nowhere_else(y: float, there: bool) -> None:
    run, cube = context(), thing("cube", y)
    run.memory["aim:cube"] = Aim(None, None, None, "any", Pose(np.array([0.5, 0.2, 0.02])))
    assert is_placed(run, cube).value is there


def test_beside_counts_only_on_the_side_that_was_asked_for() -> None:
    run, cube, box = context(), thing("cube", 0.09), thing("box", 0.0)
    for side, there in (("left", True), ("right", False), ("any", True)):
        run.memory["aim:cube"] = Aim(None, None, box, side, cube.pose)
        assert is_placed(run, cube).value is there


def test_without_a_proposed_place_nothing_is_placed() -> None:
    answer = is_placed(context(), thing("cube", 0.0))
    assert not answer.ok and "cube" in answer.reason

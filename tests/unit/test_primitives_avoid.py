"""What a unit says to stay away from is an obstacle with room around it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from embodied_agent.primitives.context import AVOIDED, Context, widened
from embodied_agent.types import Command

MUG = np.array([[0.5, 0.1, 0.05], [0.52, 0.1, 0.05], [0.5, 0.1, 0.09]])


class Eye:
    """A view of one mug; counts how often it is asked."""

    def __init__(self) -> None:
        self.mug, self.asked = SimpleNamespace(id="mug-1", cloud=MUG, stamp=1.0), 0

    def find(self, phrase: str) -> tuple[tuple[Any, ...], None]:
        self.asked += 1
        return ((self.mug,) if phrase == "mug" else ()), None

    def known(self, item: Any) -> Any:
        return item

    def obstacles(self, without: set[str]) -> Any:
        return np.zeros((0, 3)) if "mug-1" in without else MUG


@pytest.fixture
def context() -> Context:
    arm: Any = SimpleNamespace(speed=1.0, upright=False)
    view: Any = Eye()
    return Context(arm, view, Command("x"))


def test_nothing_is_widened_without_the_preference(context: Context) -> None:
    assert len(context.obstacles()) == len(MUG)


def test_what_is_avoided_gets_room_around_it(context: Context) -> None:
    with context.unit({"avoid": "mug"}):
        points = context.obstacles()
        assert context.view.asked == 1
    reach = np.linalg.norm(points[:, None] - MUG[None], axis=2).min(axis=1)
    assert AVOIDED - 0.02 < reach.max() <= AVOIDED + 0.01
    assert points[:, 2].min() > 0
    assert len(context.obstacles()) == len(MUG)  # the unit ended


def test_a_thing_that_is_reached_for_is_not_avoided(context: Context) -> None:
    with context.unit({"avoid": "mug"}):
        assert len(context.obstacles(context.view.mug)) == 0


def test_avoiding_what_is_not_there_is_said_once(context: Context) -> None:
    with context.unit({"avoid": "vase"}):
        assert len(context.obstacles()) == len(MUG)
        context.obstacles()
    assert context.remarks == ["nothing here is 'vase', to stay away from"]


def test_a_shell_has_the_asked_distance() -> None:
    shell = widened(np.array([[0.5, 0.0, 0.5]]), 0.06)
    assert np.linalg.norm(shell - [0.5, 0.0, 0.5], axis=1) == pytest.approx(0.06, abs=0.012)

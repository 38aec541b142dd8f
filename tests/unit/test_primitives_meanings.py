"""What the phrases of a command meant is kept when its program is repaired."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from embodied_agent.primitives.context import Context
from embodied_agent.primitives.perceive import find
from embodied_agent.types import Command, Grounding, Object, Pose


def cube(x: float, id: str = "cube-1") -> Object:
    position = np.array([x, 0.0, 0.02])
    cloud = position + np.random.default_rng(0).uniform(-0.02, 0.02, (50, 3))
    return Object(id, "red cube", "cube", "red", Pose(position), np.full(3, 0.04), cloud, 1.0, 0.0)


class Table:
    """Shows a thing, and knows of another one that it may show as well."""

    def __init__(self, shown: Object, known: Object | None) -> None:
        self.shown, self.remembered, self.scene = shown, known, self

    def find(self, phrase: str) -> tuple[tuple[Object, ...], Grounding]:
        return (self.shown,), Grounding((), ambiguous=False, confidence=1.0)

    def known(self, item: Object) -> Object:
        return item

    def get(self, id: str) -> Object | None:
        return self.remembered if self.remembered is not None and self.remembered.id == id else None

    def again(self, item: Object) -> Object | None:
        return self.remembered


def context(view: Table) -> Context:
    return Context(None, view, Command("do it"))  # type: ignore[arg-type]


MOVED, OTHER = cube(0.6, "cube-2"), cube(0.4)


def test_in_a_repair_a_phrase_means_what_it_meant_at_first_and_only_once() -> None:
    view = Table(MOVED, MOVED)
    run = context(view)
    assert find(run, "nearest cube").value is MOVED
    run.begin_repair()
    view.shown = OTHER  # now another one is nearest
    assert find(run, "nearest cube").value is MOVED
    assert find(run, "nearest cube").value is OTHER
    run.begin_repair()  # it meant two things: it is read anew
    assert find(run, "nearest cube").value is OTHER


def test_what_is_no_longer_seen_is_looked_for_anew() -> None:
    view = Table(MOVED, MOVED)
    run = context(view)
    assert find(run, "nearest cube").value is MOVED
    run.begin_repair()
    view.shown, view.remembered = OTHER, None
    assert find(run, "nearest cube").value is OTHER


def test_what_a_broken_loop_was_to_handle_and_is_seen_no_more_is_not_forgotten() -> None:
    one, two, three = (cube(0.3 + 0.1 * k, f"cube-{k}") for k in range(3))
    run = context(Table(one, one))
    run.meanings.note_all("cubes", (one, two, three))
    run.settle(three)  # it lies in the box, under the others
    assert run.overlooked((one,), (one,)) == ()  # in the first program nothing is known to be lost
    run.begin_repair()
    assert run.overlooked((one,), (one,)) == (two,)
    assert run.overlooked((one,), (one, two)) == ()
    assert run.overlooked((), (replace(one, id="mug-1"),)) == ()  # a loop over other things


def test_what_is_tracked_by_another_id_since_is_not_lost() -> None:
    one, two, again = (cube(0.3 + 0.1 * k, f"cube-{k}") for k in range(3))
    run = context(Table(one, one))
    run.meanings.note_all("cubes", (one, two))
    run.begin_repair()
    assert run.overlooked((), (one, again)) == ()

"""Handles and fronts of drawers and doors where the detector names them badly or not at all."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from embodied_agent.perception import articulation
from embodied_agent.perception.handles import handle_of
from embodied_agent.perception.panels import front_face
from embodied_agent.perception.scene import Scene
from embodied_agent.perception.synthetic import Solid, SyntheticGrounder, render
from embodied_agent.primitives import state
from embodied_agent.primitives.context import Context
from embodied_agent.primitives.state import is_open
from embodied_agent.types import Command, Detection, Frame, Object, Result

CUPBOARD = Solid("cupboard", "box", (0.2, 0.25, 0.28), (0.83, 0.0, 0.14))


class Overlooking(SyntheticGrounder):
    """Names no handle: its pixels go to the panel, or to nothing."""

    def __init__(self, to_panel: bool) -> None:
        super().__init__()
        self.to_panel = to_panel

    def detect(self, frame: Frame) -> list[Detection]:
        found = super().detect(frame)
        handles = np.logical_or.reduce([item.mask for item in found if item.kind.endswith("handle")])
        kept = [item for item in found if not item.kind.endswith("handle")]
        if self.to_panel:
            for item in kept:
                if item.kind in ("door", "drawer"):
                    item.mask[handles] = True
        return kept


def look(grounder: SyntheticGrounder, *solids: Solid) -> dict[str, Object]:
    return {item.kind: item for item in Scene(grounder).look(grounder.tell(render(solids, noise=0.0007)))}


@pytest.mark.parametrize("to_panel", [True, False])
def test_a_handle_that_nobody_named_is_what_stands_out_of_its_panel(to_panel: bool) -> None:
    things = look(
        Overlooking(to_panel),
        CUPBOARD,
        Solid("door", "box", (0.012, 0.24, 0.26), (0.72, 0.0, 0.14)),
        Solid("door_handle", "box", (0.014, 0.014, 0.10), (0.68, -0.09, 0.15)),
    )
    handle = handle_of(things["door"], [things["door_handle"]])
    assert handle is not None
    assert np.allclose(handle.position, (0.68, -0.09, 0.15), atol=0.03)
    assert articulation.estimate(things["door"], handle, things["cupboard"]).ok


def test_no_handle_is_made_up_on_a_bare_panel_that_stands_on_the_table() -> None:
    things = look(Overlooking(True), CUPBOARD, Solid("door", "box", (0.012, 0.24, 0.28), (0.72, 0.0, 0.14)))
    assert "door_handle" not in things


def test_another_thing_before_a_door_is_not_its_handle() -> None:
    things = look(
        Overlooking(True),
        CUPBOARD,
        Solid("door", "box", (0.012, 0.24, 0.26), (0.72, 0.0, 0.14)),
        Solid("cube", "box", (0.04, 0.04, 0.04), (0.66, 0.0, 0.02), color="red"),
    )
    assert "door_handle" not in things


def test_an_open_door_shows_its_hinge_without_its_handle() -> None:
    width, hinge, angle = 0.24, np.array([0.72, 0.12]), 1.2
    x, y = hinge + np.array([-np.sin(angle), -np.cos(angle)]) * width / 2
    things = look(
        Overlooking(True), CUPBOARD, Solid("door", "box", (0.012, width, 0.26), (float(x), float(y), 0.14), -angle)
    )
    told = articulation.estimate(things["door"], None, things["cupboard"])
    assert told.ok, told.reason
    assert np.allclose(told.value.origin[:2], hinge, atol=0.03)
    shut = look(Overlooking(True), CUPBOARD, Solid("door", "box", (0.012, 0.24, 0.26), (0.72, 0.0, 0.14)))
    assert not articulation.estimate(shut["door"], None, shut["cupboard"]).ok


def test_the_long_side_of_an_open_drawers_tray_is_not_its_front() -> None:
    rng = np.random.default_rng(0)
    side = np.column_stack(
        [rng.uniform(0.5, 0.7, 1500), rng.normal(0.03, 0.001, 1500), rng.uniform(0.15, 0.25, 1500)]
    )
    front = np.column_stack(
        [rng.normal(0.5, 0.001, 900), rng.uniform(0.03, 0.25, 900), rng.uniform(0.15, 0.25, 900)]
    )
    face = front_face(np.concatenate([side, front]))
    assert np.ptp(face[:, 1]) > 0.15  # across the front, not along the side
    assert np.percentile(face[:, 0], 90) < 0.53


def test_a_part_that_was_to_be_opened_is_open_when_it_is_about_as_open_as_asked() -> None:
    part = look(SyntheticGrounder(), CUPBOARD, Solid("door", "box", (0.012, 0.24, 0.26), (0.72, 0.0, 0.14)))[
        "door"
    ]
    ajar: Any = SimpleNamespace(
        fresh=lambda item: item, body_of=lambda item: None, first=lambda id: part, now=None
    )
    run = Context(SimpleNamespace(), ajar, Command("open the door"))  # type: ignore[arg-type]
    with patch.object(state, "opening_now", return_value=Result(value=0.4)):
        assert is_open(run, part).value
        run.memory[f"asked:{part.id}"] = 0.9
        assert not is_open(run, part).value
        run.memory[f"asked:{part.id}"] = 0.0  # it was to be closed
        assert is_open(run, part).value

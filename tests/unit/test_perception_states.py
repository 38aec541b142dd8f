"""Open, closed, pressed, turned, held: measured from clouds and from the robot's own sensors."""

import numpy as np
import pytest

from embodied_agent.perception import states
from embodied_agent.perception.scene import Scene
from embodied_agent.perception.synthetic import Solid, SyntheticGrounder, render
from embodied_agent.types import Object, RobotState


def seen(*solids: Solid, stamp: float = 1.0) -> dict[str, Object]:
    grounder = SyntheticGrounder()
    objects = Scene(grounder).look(grounder.tell(render(solids, stamp=stamp, noise=0.0007)))
    return {item.kind: item for item in objects}


def drawer(pulled: float) -> dict[str, Object]:
    return seen(
        Solid("cabinet", "box", (0.25, 0.25, 0.26), (0.85, 0.0, 0.13)),
        Solid("drawer", "box", (0.012, 0.22, 0.11), (0.719 - pulled, 0.0, 0.18)),
    )


def door(angle: float) -> dict[str, Object]:
    width, hinge = 0.24, np.array([0.72, 0.12])
    way = np.array([-np.sin(angle), -np.cos(angle)])  # from the hinge along the panel
    x, y = hinge + way * width / 2
    return seen(
        Solid("cupboard", "box", (0.2, 0.25, 0.28), (0.83, 0.0, 0.14)),
        Solid("door", "box", (0.012, width, 0.26), (float(x), float(y), 0.14), float(-angle)),
    )


@pytest.mark.parametrize("pulled", [0.0, 0.05, 0.12, 0.2])
def test_a_drawers_opening_is_measured_against_the_cabinet(pulled: float) -> None:
    parts = drawer(pulled)
    result = states.opening_fraction(parts["drawer"], parts["cabinet"], range=0.2, now=1.0)
    assert abs(float(result.evidence["amount"]) - pulled) < 0.02
    usual = states.opening_fraction(parts["drawer"], parts["cabinet"])
    assert states.is_open(usual, least=0.2).value is (pulled > 0.03)
    assert states.is_closed(usual).value is (pulled == 0.0)


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.0, 1.5])
def test_a_doors_angle_is_measured_against_the_cupboard(angle: float) -> None:
    parts = door(angle)
    result = states.opening_fraction(parts["door"], parts["cupboard"], range=1.57)
    assert abs(float(result.evidence["amount"]) - angle) < 0.12, result.evidence
    usual = states.opening_fraction(parts["door"], parts["cupboard"])
    assert states.is_closed(usual).value is (angle == 0.0)


def test_a_cube_cannot_be_open() -> None:
    item = seen(Solid("cube", "box", (0.04, 0.04, 0.04), (0.5, 0.0, 0.02)))["cube"]
    result = states.is_open(states.opening_fraction(item))
    assert not result.ok
    assert "cube cannot be open" in result.reason


def test_an_unseen_drawer_is_neither_open_nor_closed() -> None:
    parts = drawer(0.1)
    for question in (states.is_open, states.is_closed):
        result = question(states.opening_fraction(parts["drawer"], parts["cabinet"], now=7.0))
        assert not result.ok
        assert result.value is None


def button(height: float) -> Object:
    base = Solid("button", "cylinder", (0.08, 0.08, 0.03), (0.5, 0.1, 0.015), 0.0, "red", "b")
    cap = Solid("button", "cylinder", (0.04, 0.04, height), (0.5, 0.1, height / 2), 0.0, "red", "b")
    return seen(base, cap)["button"]


def test_a_button_is_pressed_when_its_cap_is_lower_than_at_rest() -> None:
    rest = button(0.045)
    assert states.is_pressed(button(0.035), rest).value is True
    assert states.is_pressed(button(0.045), rest).value is False
    assert not states.is_pressed(rest, None).ok


def test_a_button_whose_lamp_went_on_was_pressed() -> None:
    rest = button(0.045)
    assert states.is_pressed(button(0.045), rest, new_color=0.2).value is True
    assert states.is_pressed(button(0.045), rest, new_color=0.01).value is False


def knob(yaw: float) -> Object:
    base = Solid("knob", "cylinder", (0.06, 0.06, 0.03), (0.5, 0.1, 0.015), 0.0, "blue", "k")
    grip = Solid("knob", "box", (0.055, 0.016, 0.03), (0.5, 0.1, 0.045), yaw, "blue", "k")
    return seen(base, grip)["knob"]


@pytest.mark.parametrize("turn", [0.0, 0.5, 1.57, -1.2])
def test_a_knobs_turn_is_read_from_its_grip(turn: float) -> None:
    first, now = knob(0.2), knob(0.2 + turn)
    result = states.is_turned(now, first, angle=turn, tolerance=0.15)
    assert result.value is True, result.evidence
    if turn:
        assert states.is_turned(now, first, angle=0.0).value is False


def test_a_round_knob_top_gives_no_answer() -> None:
    base = Solid("knob", "cylinder", (0.06, 0.06, 0.04), (0.5, 0.1, 0.02), 0.0, "blue")
    item = seen(base)["knob"]
    result = states.is_turned(item, item)
    assert not result.ok
    assert "round" in result.reason


def robot(width: float, force: float) -> RobotState:
    zero = np.zeros(7)
    return RobotState(1.0, zero, zero, zero, width, force, np.zeros(3))


def test_holding_needs_force_width_and_the_thing_near_the_tool() -> None:
    item = seen(Solid("cube", "box", (0.04, 0.04, 0.04), (0.5, 0.0, 0.3)))["cube"]
    tool = np.array([0.5, 0.0, 0.31])
    assert states.is_holding(item, robot(0.04, 12.0), tool, now=1.0).value is True
    assert states.is_holding(item, robot(0.0, 12.0), tool, now=1.0).value is False
    assert states.is_holding(item, robot(0.04, 0.0), tool, now=1.0).value is False
    far = states.is_holding(item, robot(0.04, 12.0), tool + np.array([0.2, 0.0, 0.0]), now=1.0)
    assert far.value is False
    assert far.evidence["distance_to_tool"] > 0.1


def test_holding_a_hidden_thing_needs_a_plausible_width() -> None:
    item = seen(Solid("cube", "box", (0.04, 0.04, 0.04), (0.5, 0.0, 0.02)))["cube"]
    tool = np.array([0.5, 0.0, 0.3])
    assert states.is_holding(item, robot(0.04, 12.0), tool, now=2.0, place_empty=True).value is True
    assert states.is_holding(item, robot(0.078, 12.0), tool, now=2.0, place_empty=True).value is False
    assert not states.is_holding(item, robot(0.04, 12.0), tool, now=2.0, place_empty=False).ok

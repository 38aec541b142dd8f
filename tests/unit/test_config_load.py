from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest

from embodied_agent.config import Range, config_dir, config_names, find_config, load, parse
from embodied_agent.errors import ConfigError


@dataclass(frozen=True)
class Wheel:
    radius: Annotated[float, Range(0.01, 2.0)]
    name: str = "wheel"


@dataclass(frozen=True)
class Cart:
    wheels: tuple[Wheel, ...]
    drive: Literal["front", "rear"] = "front"
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    loads: dict[str, float] = field(default_factory=dict)
    gears: int = 1
    electric: bool = False
    maker: str | None = None
    weights: Annotated[tuple[float, ...], Range(0.0, 1.0)] = ()

    def __post_init__(self) -> None:
        if not self.wheels:
            raise ValueError("wheels: a cart needs at least one")


WHOLE = """
wheels:
  - {radius: 0.2, name: left}
  - {radius: 1e-1}
drive: rear
offset: [0, 1, 2.5]
loads: {sand: 3, stones: 4.5}
gears: 5
electric: true
maker: null
weights: [0.5, 1]
"""


def test_every_kind_of_value_is_read() -> None:
    cart = parse(WHOLE, Cart)
    assert cart == Cart(
        wheels=(Wheel(0.2, "left"), Wheel(0.1)),
        drive="rear",
        offset=(0.0, 1.0, 2.5),
        loads={"sand": 3.0, "stones": 4.5},
        gears=5,
        electric=True,
        maker=None,
        weights=(0.5, 1.0),
    )
    assert all(isinstance(value, float) for value in (*cart.offset, *cart.weights, cart.loads["sand"]))


def test_what_is_not_given_takes_its_default() -> None:
    assert parse("wheels: [{radius: 1}]", Cart) == Cart(wheels=(Wheel(1.0),))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wheels: [{radius: 1}]\ngear: 2", ["line 2", "gear: unknown key", "did you mean 'gears'"]),
        ("wheels:\n  - radius: 1\n    nam: x", ["line 3", "wheels[0].nam", "did you mean 'name'"]),
        ("wheels: [{radius: 1}]\nqqqq: 2", ["qqqq: unknown key"]),
        ("gears: 2", ["wheels: missing"]),
        ("wheels: []", ["a cart needs at least one"]),
        ("wheels: [{radius: 3}]", ["wheels[0].radius", "3 is outside 0.01 to 2"]),
        ("wheels: [{radius: big}]", ["expected a number, found 'big'"]),
        ("wheels: [{radius: true}]", ["expected a number, found 'true'"]),
        ("wheels: [{radius: .nan}]", ["must be finite"]),
        ("wheels: [{radius: .inf}]", ["must be finite"]),
        ("wheels: [{radius: 1}]\ngears: 1.5", ["expected a whole number"]),
        ("wheels: [{radius: 1}]\ngears: yes", ["expected a whole number"]),
        ("wheels: [{radius: 1}]\nelectric: 1", ["expected true or false"]),
        ("wheels: [{radius: 1, name: 5}]", ["expected text, found '5'"]),
        ("wheels: [{radius: 1}]\ndrive: reer", ["none of front, rear", "did you mean 'rear'"]),
        ("wheels: [{radius: 1}]\noffset: [1, 2]", ["expected 3 values, found 2"]),
        ("wheels: [{radius: 1}]\noffset: 5", ["expected a list, found '5'"]),
        ("wheels: {radius: 1}", ["expected a list, found 'key: value' lines"]),
        ("wheels: [{radius: 1}]\nloads: [1]", ["expected 'key: value' lines, found a list"]),
        ("wheels: [{radius: 1}]\nloads: {sand: wet}", ["loads.sand", "expected a number"]),
        ("wheels: [{radius: 1}]\nweights: [0.5, 7]", ["7 is outside 0 to 1"]),
        ("wheels: [{radius: 1}]\ngears: 1\ngears: 2", ["line 3", "'gears' is given twice"]),
        ("- 1\n- 2", ["expected 'key: value' lines, found a list"]),
        ("hello", ["expected 'key: value' lines, found 'hello'"]),
    ],
)
def test_each_mistake_names_place_and_remedy(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, Cart, source="cart.yaml")
    message = str(caught.value)
    assert message.startswith("cart.yaml")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_file_is_found_by_name_or_path(tmp_path: Path) -> None:
    assert find_config("panda", "robots") == config_dir() / "robots" / "panda.yaml"
    own = tmp_path / "own.yaml"
    own.write_text("wheels: [{radius: 1}]")
    assert find_config(own, "robots") == own
    assert find_config(str(own), "robots") == own
    assert load(own, Cart).wheels[0].radius == 1.0


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    assert {"panda", "xarm6"} <= set(config_names("robots"))
    with pytest.raises(ConfigError, match="did you mean 'panda'"):
        find_config("pandda", "robots")
    with pytest.raises(ConfigError, match="no such file"):
        find_config("nowhere/robot.yaml", "robots")

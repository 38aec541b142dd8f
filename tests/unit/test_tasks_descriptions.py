"""Canonical descriptions: wording, reading, and what they mean in a known scene."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_agent.errors import BadInput
from sim.descriptions import (
    CATEGORIES,
    COLORS,
    KINDS,
    ORDINALS,
    RELATIONS,
    SIZES,
    Description,
    Thing,
    ambiguous,
    parse_canonical,
    resolve,
)


def thing(name: str, x: float, y: float, **more: str) -> Thing:
    color, kind = name.split()[:2]
    size = more.pop("size", "small")
    edge = 0.06 if size == "large" else 0.04
    return Thing(name, kind, color, size, (x, y, 0.02), (edge, edge, edge), **more)


THINGS = (
    thing("red cube", 0.4, 0.2),
    thing("blue cube", 0.5, 0.0, size="large"),
    thing("green cube", 0.6, -0.2),
    thing("white bowl", 0.45, 0.1),
    thing("yellow lemon", 0.45, 0.1, container="white bowl"),
    thing("red apple", 0.3, -0.3),
)


def names(text: str) -> list[str]:
    return [found.id for found in resolve(parse_canonical(text), THINGS)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("red cube", ["red cube"]),
        ("the red cube", ["red cube"]),
        ("leftmost cube", ["red cube"]),
        ("rightmost object", ["red apple"]),
        ("second cube from the left", ["blue cube"]),
        ("third cube from the left", ["green cube"]),
        ("second lemon from the left", []),
        ("nearest cube", ["red cube"]),
        ("farthest cube", ["green cube"]),
        ("largest cube", ["blue cube"]),
        ("large cube", ["blue cube"]),
        ("cube left of the bowl", ["red cube"]),
        ("cubes right of the bowl", ["blue cube", "green cube"]),
        ("lemon in the bowl", ["yellow lemon"]),
        ("cube on the bowl", []),
        ("fruits", ["yellow lemon", "red apple"]),
        ("fruit in the white bowl", ["yellow lemon"]),
        ("red objects", ["red cube", "red apple"]),
        ("cubes except the blue cube", ["red cube", "green cube"]),
        ("objects except the bowl and the lemon", ["red cube", "blue cube", "green cube", "red apple"]),
        ("green mug", []),
    ],
)
def test_a_description_means_the_things_it_fits(text: str, meant: list[str]) -> None:
    assert sorted(names(text)) == sorted(meant)


def test_the_order_of_several_is_left_to_right() -> None:
    assert names("cubes") == ["red cube", "blue cube", "green cube"]


def test_a_singular_description_of_several_things_is_ambiguous() -> None:
    assert ambiguous(parse_canonical("cube"), THINGS)
    assert not ambiguous(parse_canonical("cubes"), THINGS)
    assert not ambiguous(parse_canonical("lemon"), THINGS)


def test_a_turned_cube_is_no_larger_than_its_twin() -> None:
    """Turned by 45 degrees, the upright box around a cube is twice as large."""
    straight, turned = thing("red cube", 0.4, 0.1), thing("blue cube", 0.4, -0.1)
    turned = replace(turned, extent=(0.057, 0.057, 0.04))
    assert len(resolve(parse_canonical("largest cube"), (straight, turned))) == 2
    larger = thing("green cube", 0.6, 0.0, size="large")
    assert [item.id for item in resolve(parse_canonical("largest cube"), (turned, larger))] == ["green cube"]


def test_two_equally_large_things_leave_the_largest_open() -> None:
    twins = (thing("red cube", 0.4, 0.1), thing("blue cube", 0.4, -0.1))
    assert len(resolve(parse_canonical("largest cube"), twins)) == 2


@pytest.mark.parametrize(
    "text", ["", "the", "red", "crimson cube", "cube atop the bowl", "please", "red red cube"]
)
def test_other_wordings_are_rejected(text: str) -> None:
    with pytest.raises(BadInput):
        parse_canonical(text)


def test_a_relation_without_reference_is_rejected() -> None:
    with pytest.raises(BadInput):
        Description("cube", relation="on")


heads = st.builds(
    Description,
    st.sampled_from(KINDS + tuple(CATEGORIES)),
    st.sampled_from(("", *COLORS)),
    st.sampled_from(("", *SIZES)),
    st.sampled_from(("", *ORDINALS)),
)
plain = heads.map(lambda d: Description(d.kind, d.color, d.size))


@st.composite
def descriptions(draw: st.DrawFn) -> Description:
    head, plural = draw(heads), draw(st.booleans())
    related = draw(st.booleans())
    return Description(
        head.kind,
        head.color,
        head.size,
        "" if plural else head.ordinal,
        draw(st.sampled_from(RELATIONS)) if related else "",
        draw(plain) if related else None,
        plural,
        tuple(draw(st.lists(plain, max_size=2))) if plural else (),
    )


@given(descriptions())
def test_every_description_is_read_back_as_it_was(description: Description) -> None:
    assert parse_canonical(description.text()) == description

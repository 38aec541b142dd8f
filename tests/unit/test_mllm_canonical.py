"""The wording of programs is known from any other, and what it says by names and places is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_agent.commands.draw import generate
from embodied_agent.mllm.canonical import Named, is_canonical, named_by
from embodied_agent.mllm.counting import unranked
from embodied_agent.mllm.vocabulary import CATEGORIES
from sim.descriptions import CATEGORIES as TRUE_CATEGORIES


def test_every_description_of_the_generator_is_canonical() -> None:
    for seed in range(150):
        for phrase in generate(seed, "validation").groundings:
            assert is_canonical(phrase.canonical), phrase.canonical


@pytest.mark.parametrize(
    "words",
    ["", "the cube", "ruby cube", "cube please", "cube left of", "red red cube", "Red cube", "cube except"],
)
def test_another_wording_is_not(words: str) -> None:
    assert not is_canonical(words)


def test_names_and_places_are_read() -> None:
    box = Named(("box",), "red", "", plural=False)
    assert named_by("red box") == box
    assert named_by("cubes left of the red box") == Named(("cube",), "", "", True, "left of", box)
    assert named_by("fruits except the red box") == Named(CATEGORIES["fruit"], "", "", True, but=(box,))
    assert named_by("large red box") == Named(("box",), "red", "large", plural=False)


@pytest.mark.parametrize(
    "words", ["", "leftmost cube", "cube on the plate", "cubes except the leftmost cube", "red large cube"]
)
def test_what_says_more_is_left_to_the_pointer(words: str) -> None:
    assert named_by(words) is None


@pytest.mark.parametrize(
    ("words", "rest"),
    [
        ("leftmost red cube", "red cube"),
        ("third cube from the back", "cube"),
        ("second cube from the left behind the box", "cube behind the box"),
        ("largest cube", ""),
        ("cube", ""),
    ],
)
def test_a_rank_in_a_row_is_taken_off(words: str, rest: str) -> None:
    assert unranked(words) == rest


def test_categories_are_those_of_the_simulated_world() -> None:
    assert CATEGORIES == TRUE_CATEGORIES


@given(st.text(alphabet=st.sampled_from("ab \n\"'")) | st.text())
def test_whatever_the_decoder_writes_is_read_or_left(words: str) -> None:
    assert named_by(words) is None or is_canonical(words)
    assert named_by(f"the{words}\nred cube") is None

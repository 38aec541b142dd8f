"""Other names stand in for things, so that their part in a command is read from the words around them."""

from __future__ import annotations

import pytest
import torch

from embodied_agent.mllm.decode import Link
from embodied_agent.mllm.phrases import Spoken
from embodied_agent.mllm.standins import Standing, standing_in


def found(words: str, state: str = "found") -> Link:
    return Link(words, state, (0,), 0.9, torch.zeros(2), torch.zeros(2))


def standing(text: str, *phrases: tuple[str, Link | None]) -> Standing | None:
    spoken = [Spoken(text.index(said), text.index(said) + len(said), link is not None) for said, link in phrases]
    return standing_in(text, spoken, [link for _, link in phrases])


def test_a_name_that_was_not_met_in_every_part_gives_way_to_one_that_was() -> None:
    read = standing(
        "set the tangerine square block by the mug, gently",
        ("the tangerine square block", found("orange cube")),
        ("the mug", found("mug")),
    )
    assert read is not None
    assert read.text == "set the orange cube by the can, gently"
    assert [link and link.words for link in read.told] == ["orange cube", "can"]


def test_the_program_speaks_of_the_things_themselves_again() -> None:
    read = standing(
        "put the farthest lemon near the second mug from the left",
        ("the farthest lemon", found("farthest lemon")),
        ("the second mug from the left", found("second mug from the left")),
    )
    assert read is not None and read.text == "put the farthest can near the second cube from the left"
    program = (
        'with unit("can"):\n    can = find("farthest can")\n    cube = find("second cube from the left")\n'
        "    place(can, beside=cube)\n    cube_2 = cube\n"
    )
    assert read.meant(program) == (
        'with unit("lemon"):\n    lemon = find("farthest lemon")\n    mug = find("second mug from the left")\n'
        "    place(lemon, beside=mug)\n    mug_2 = mug\n"
    )


@pytest.mark.parametrize(
    "phrases",
    [
        (("the cube", found("cube")), ("the bowl", found("bowl"))),  # known in every part, or told by what it is
        (("the drawer", found("top drawer")),),
        (("the mugs", found("mugs", "several")),),
        (("the mug", found("mug")), ("the green mugs", found("green mugs", "several"))),  # names would be mixed up
        (("the mug", found("mug", "absent")),),
        (("the mug", None),),  # it needs the other words
    ],
)
def test_nothing_stands_in_where_nothing_is_gained(phrases: tuple[tuple[str, Link | None], ...]) -> None:
    assert standing(" and ".join(said for said, _ in phrases), *phrases) is None


def test_two_of_a_kind_share_a_stand_in_and_a_third_kind_is_left() -> None:
    read = standing(
        "a red mug, a blue mug, an apple, a lemon",
        ("a red mug", found("red mug")),
        ("a blue mug", found("blue mug")),
        ("an apple", found("apple")),
        ("a lemon", found("lemon")),
    )
    assert read is not None
    assert read.text == "the red can, the blue can, the cube, the lemon"

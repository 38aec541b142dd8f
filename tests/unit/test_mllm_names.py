"""A name may be used where it has a value."""

import pytest

from embodied_agent.mllm.names import unbound

SWAP = """with task("swap"):
    with unit("mug"):
        mug = find("red mug")
        spot = position_of(mug)
        pick(mug)
    with unit("can"):
        can = find("can")
        pick(can)
        place(can, at=spot)
        ensure(is_at(can, spot))
"""


def at(text: str) -> str | None:
    place = unbound(text)
    return None if place is None else text[place:].split(")")[0].split(",")[0]


def test_a_program_whose_names_have_values_is_fine() -> None:
    assert unbound(SWAP) is None


@pytest.mark.parametrize("length", range(len(SWAP)))
def test_so_is_every_beginning_of_it(length: int) -> None:
    assert unbound(SWAP[:length]) is None


def test_a_name_without_a_value_is_found_where_it_begins() -> None:
    assert at(SWAP.replace("place(can, at=spot)", "place(can, at=spot_2)")) == "spot_2"
    assert at(SWAP.replace("pick(can)", "pick(can_2)")) == "can_2"


def test_the_last_name_may_still_go_on() -> None:
    assert unbound(SWAP + "        pick(ca") is None
    assert unbound(SWAP + "        pick(ca)") is not None


def test_words_in_strings_and_keywords_are_no_names() -> None:
    text = """with task("a b"):
    with unit("x", approach="above"):
        y = find("the z, w")
        push(y, "left", distance=0.1)
"""
    assert unbound(text) is None


def test_what_one_branch_binds_has_no_value_after_it() -> None:
    text = 'if exists("mug"):\n    mug = find("mug")\nelse:\n    can = find("can")\n    pick(can)\n'
    assert unbound(text) is None
    assert at(text + "pick(mug)\n") == "mug"


def test_the_variable_of_a_loop_has_a_value_in_its_body_alone() -> None:
    text = 'for cube in find_all("red cubes"):\n    with unit("cube"):\n        pick(cube)\n'
    assert unbound(text) is None
    assert at(text + "pick(cube)\n") == "cube"


def test_a_name_has_no_value_in_the_line_that_gives_it_one() -> None:
    assert at("spot = position_of(spot)\n") == "spot"

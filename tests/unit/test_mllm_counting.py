"""Ranks are counted among what the pointer says fits."""

import pytest
import torch

from embodied_agent.mllm.counting import ranked

# x, y of four things; the third fits in nothing.
PLACES = torch.zeros(4, 7)
PLACES[:, 0] = torch.tensor([0.30, 0.40, 0.35, 0.50])
PLACES[:, 1] = torch.tensor([0.20, -0.30, 0.05, 0.00])
FITTING = torch.tensor([0.9, 0.8, 0.1, 0.95])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("leftmost cube", 0),
        ("rightmost red cube", 1),
        ("nearest cube", 0),
        ("farthest cube", 3),
        ("first cube from the left", 0),
        ("second cube from the left", 3),
        ("third red cube from the left", 1),
        ("second cube from the right", 3),
        ("second cube from the front", 1),
        ("third cube from the back", 0),
    ],
)
def test_the_thing_of_that_rank_is_meant(words: str, expected: int) -> None:
    assert ranked(words, FITTING, PLACES) == expected


@pytest.mark.parametrize("words", ["red cube", "largest cube", "cube left of the second bowl", "top drawer", ""])
def test_a_description_without_a_rank_of_place_is_left_to_the_pointer(words: str) -> None:
    assert ranked(words, FITTING, PLACES) is None


def test_a_rank_beyond_what_fits_is_nobodys() -> None:
    assert ranked("third cube from the left", torch.tensor([0.9, 0.8, 0.1, 0.2]), PLACES) is None


def test_ranks_too_close_to_tell_are_left_to_the_pointer() -> None:
    places = PLACES.clone()
    places[3, 1] = 0.195
    assert ranked("leftmost cube", FITTING, places) is None
    assert ranked("third cube from the left", FITTING, places) == 1

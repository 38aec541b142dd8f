"""The pointer counts and compares in metres; its sets are learnt as such."""

import numpy as np
import pytest
import torch

from embodied_agent.mllm.pointer import Pointer, lies, measures, ranks
from embodied_agent.mllm.settings import TINY
from embodied_agent.training.situations import ground_phrase
from sim.descriptions import Thing

# Centre x y z, extents x y, lowest and highest z [m].
LEFT = [0.4, 0.20, 0.03, 0.04, 0.04, 0.0, 0.04]
MIDDLE = [0.5, 0.00, 0.03, 0.06, 0.06, 0.0, 0.06]
RIGHT = [0.4, -0.20, 0.03, 0.04, 0.04, 0.0, 0.04]
ON_MIDDLE = [0.5, 0.00, 0.08, 0.04, 0.04, 0.06, 0.10]
PLACES = torch.tensor([[LEFT, MIDDLE, RIGHT]])


def test_a_rank_is_the_number_of_those_beyond() -> None:
    counted = ranks(PLACES, torch.ones(1, 1, 3))
    further_left, further_right = counted[0, 0, :, 1], counted[0, 0, :, 7]
    assert further_left.tolist() == pytest.approx([0, 1, 2], abs=1e-3)
    assert further_right.tolist() == pytest.approx([2, 1, 0], abs=1e-3)


def test_only_what_belongs_to_the_set_is_counted() -> None:
    counted = ranks(PLACES, torch.tensor([[[1.0, 0.0, 1.0]]]))
    assert counted[0, 0, :, 1].tolist() == pytest.approx([0, 1, 1], abs=1e-3)


def test_what_is_equally_far_is_half_before_half_behind() -> None:
    counted = ranks(PLACES, torch.ones(1, 1, 3))
    assert float(counted[0, 0, 0, 0]) == pytest.approx(1.5, abs=1e-3)  # one farther, one as far


def test_a_length_is_that_of_a_cube_of_the_same_volume() -> None:
    assert measures(PLACES)[0, 1, 5] == pytest.approx(0.06, rel=1e-3)


def test_where_things_lie_is_told_from_the_other() -> None:
    seen = lies(torch.tensor([[LEFT, MIDDLE, ON_MIDDLE]]))[0]
    assert seen[0, 1, 1] > 0.9 and seen[1, 0, 3] < -0.9  # left of the middle one, which is right of it
    assert seen[2, 1, 9] > 0.5 and seen[2, 1, 10] == pytest.approx(0.0, abs=1e-3)  # over it, touching
    assert seen[0, 1, 9] < -0.9


@pytest.fixture(scope="module")
def pointer() -> Pointer:
    torch.manual_seed(0)
    return Pointer(TINY).eval().requires_grad_(False)


def test_nothing_points_at_empty_slots(pointer: Pointer) -> None:
    present = torch.tensor([[True, True, False]])
    pointing = pointer(torch.randn(1, 2, TINY.width), torch.randn(1, 3, TINY.width), PLACES, present)
    assert pointing.best.shape == (1, 2, 4) and pointing.states.shape == (1, 2, 4)
    assert (pointing.best[..., 2] < -100).all() and (pointing.members[..., 2] < -100).all()
    assert all(torch.isfinite(value).all() for value in pointing)


def test_empty_slots_change_nothing(pointer: Pointer) -> None:
    hidden, objects = torch.randn(1, 1, TINY.width), torch.randn(1, 3, TINY.width)
    alone = pointer(hidden, objects[:, :2], PLACES[:, :2], torch.ones(1, 2, dtype=torch.bool))
    padded = pointer(hidden, objects, PLACES, torch.tensor([[True, True, False]]))
    assert torch.allclose(alone.best[..., :2], padded.best[..., :2], atol=1e-4)
    assert torch.allclose(alone.states, padded.states, atol=1e-4)


def _thing(id: str, kind: str, y: float, color: str = "red") -> Thing:
    return Thing(id=id, kind=kind, color=color, size="small", position=(0.5, y, 0.02), extent=(0.04, 0.04, 0.04))


THINGS = (_thing("a", "cube", 0.2), _thing("b", "cube", 0.0), _thing("c", "mug", -0.1), _thing("d", "cube", -0.3))
TOKENS = {"a": 3, "b": 2, "c": 1, "d": 0}


@pytest.mark.parametrize(
    ("text", "alike", "reference", "fitting"),
    [
        ("second cube from the left", {3, 2, 0}, set(), {3, 2, 0}),
        ("cube left of the mug", {3, 2, 0}, {1}, {3, 2}),
        ("objects except the mug", {3, 2, 1, 0}, {1}, {3, 2, 0}),
        ("mug", {1}, set(), {1}),
    ],
)
def test_a_phrase_is_taught_with_what_it_means_on_the_way(
    text: str, alike: set[int], reference: set[int], fitting: set[int]
) -> None:
    phrase = ground_phrase(text, ["a"], "found", TOKENS, THINGS)
    assert phrase.sets is not None
    assert [set(g) for g in (phrase.sets.alike, phrase.sets.reference, phrase.sets.fitting)] == [
        alike, reference, fitting,
    ]  # fmt: skip
    assert phrase.sets.gates == ("left of" in text, "except" in text)


def test_words_that_are_no_description_have_no_sets() -> None:
    assert ground_phrase("this", [], "found", TOKENS, THINGS).sets is None
    assert np.all([ground_phrase("mug", ["c"], "found", TOKENS).sets is None])

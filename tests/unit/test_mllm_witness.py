"""The model's own names of things are held against what its pointer says of a phrase."""

import pytest
import torch
from torch import Tensor

from embodied_agent.mllm.objects import ATTRIBUTES
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLOR_INDEX
from embodied_agent.mllm.witness import attest, in_all_but_rank, levelled


def named(*things: tuple[str, str, float]) -> Tensor:
    rows = torch.full((len(things), ATTRIBUTES), 0.001)
    for row, (color, kind, share) in zip(rows, things, strict=True):
        row[CLASS_INDEX[kind]] = share
        row[len(CLASSES) + COLOR_INDEX[color]] = 1.0
    return rows


# One behind the other, 0.2 m apart.
ROW = torch.tensor([[0.3 + 0.2 * k, 0.0, 0.02, 0.04, 0.04, 0.0, 0.04] for k in range(5)])


def held(
    words: str, state: str, objects: tuple[int, ...], seen: Tensor, places: Tensor = ROW
) -> tuple[str, tuple[int, ...]]:
    return attest(words, state, objects, seen, places[: len(seen)])


SEEN = named(("red", "cube", 0.95), ("black", "cube", 0.9), ("red", "bowl", 0.98), ("red", "cube", 0.97))


def test_what_the_eye_plainly_named_is_not_absent() -> None:
    assert held("black cube", "absent", (), SEEN) == ("found", (1,))
    assert held("bowl", "absent", (), SEEN) == ("found", (2,))


def test_two_that_fit_are_asked_about_and_several_are_several() -> None:
    assert held("red cube", "absent", (), SEEN) == ("ambiguous", (3, 0))
    assert held("red cubes", "absent", (), SEEN) == ("several", (3, 0))


def test_what_was_named_with_doubt_stays_absent() -> None:
    assert held("mug", "absent", (), named(("red", "mug", 0.5))) == ("absent", ())


@pytest.mark.parametrize(
    "words",
    [
        "black cube on the bowl",
        "third black cube from the left",
        "cubes except the leftmost cube",
    ],
)
def test_a_description_that_says_more_than_colour_and_kind_is_the_pointers_own(words: str) -> None:
    assert held(words, "absent", (), SEEN) == ("absent", ())


def test_what_the_eye_plainly_denies_is_not_found() -> None:
    assert held("green cube", "found", (0,), SEEN) == ("absent", ())
    assert held("red bin next to the bowl", "found", (2,), SEEN) == ("absent", ())


@pytest.mark.parametrize(
    "words", ["red cube", "third red cube from the left", "red thing", "fruit", "top drawer", ""]
)
def test_what_it_does_not_deny_stays_found(words: str) -> None:
    assert held(words, "found", (0,), SEEN) == ("found", (0,))


@pytest.mark.parametrize("words", ["boxes", "cubes", "black balls", "bins", "box"])
def test_plurals_are_read(words: str) -> None:
    kind = words.split()[-1]
    kind = {"boxes": "box"}.get(kind, kind.removesuffix("s"))
    assert held(words, "absent", (), named(("black", kind, 0.99)))[1] == (0,)


PLACES = torch.tensor([[0.8, 0.0, 0.13, 0.25, 0.25, 0.0, 0.26], [0.5, 0.0, 0.2, 0.02, 0.2, 0.15, 0.25]])
OPEN_CABINET = named(("white", "cabinet", 0.97), ("white", "drawer", 0.95))


def test_an_upper_drawer_that_hides_the_lower_one_is_not_taken_for_it() -> None:
    assert levelled("bottom drawer", "found", (1,), OPEN_CABINET, PLACES) == ("absent", ())
    assert levelled("top drawer", "found", (1,), OPEN_CABINET, PLACES) == ("found", (1,))


def test_of_two_drawers_the_one_at_the_height_that_was_said_is_meant() -> None:
    both = named(("white", "cabinet", 0.97), ("white", "drawer", 0.95), ("white", "drawer", 0.9))
    places = torch.cat([PLACES, torch.tensor([[0.68, 0.0, 0.07, 0.02, 0.2, 0.02, 0.13]])])
    assert levelled("bottom drawer", "found", (1,), both, places) == ("found", (2,))
    assert levelled("bottom drawer", "ambiguous", (2, 1), both, places) == ("ambiguous", (2, 1))


@pytest.mark.parametrize("lowest", [-0.741, 0.256])
def test_drawers_are_told_apart_however_little_of_the_cabinet_shows(lowest: float) -> None:
    """Its mask may be its lid alone, or reach over the table's edge to the floor."""
    both = named(("white", "cabinet", 0.95), ("white", "drawer", 0.95), ("white", "drawer", 0.98))
    places = torch.tensor([[0.8, 0.0, 0.1, 0.2, 0.2, lowest, 0.26], [0.7, 0, 0.2, 0, 0, 0.09, 0.25], [0.5] * 7])
    places[2, 5:7] = torch.tensor([0.0, 0.134])
    assert levelled("bottom drawer", "found", (2,), both, places) == ("found", (2,))
    assert levelled("top drawer", "found", (1,), both, places) == ("found", (1,))
    assert levelled("top drawer", "found", (2,), both, places) == ("found", (1,))


@pytest.mark.parametrize("lowest", [0.156, 0.002])
def test_a_single_drawer_is_the_top_one_if_it_reaches_into_the_upper_quarter(lowest: float) -> None:
    """Whatever the lid's lowest pixel; and the mask of an open one may leak down to the floor."""
    places = torch.tensor([[0.8, 0.0, 0.1, 0.2, 0.2, 0.256, 0.26], [0.7, 0, 0.2, 0, 0, lowest, 0.25]])
    assert levelled("top drawer", "found", (1,), OPEN_CABINET, places) == ("found", (1,))
    places[1, 6] = 0.15
    assert levelled("bottom drawer", "found", (1,), OPEN_CABINET, places) == ("found", (1,))


@pytest.mark.parametrize("words", ["top cube", "drawer", "nearest drawer", "bottom"])
def test_heights_say_nothing_of_other_descriptions(words: str) -> None:
    assert levelled(words, "found", (1,), OPEN_CABINET, PLACES) == ("found", (1,))


def test_heights_say_nothing_without_a_cabinet() -> None:
    alone = named(("white", "cabinet", 0.2), ("white", "drawer", 0.95))
    assert levelled("bottom drawer", "found", (1,), alone, PLACES) == ("found", (1,))


TABLE = named(
    ("black", "cube", 0.95), ("black", "cylinder", 0.9), ("red", "box", 0.98), ("orange", "cube", 0.96),
    ("orange", "lemon", 0.4),
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("black objects", (0, 1)),
        ("cubes", (3, 0)),
        ("containers", (2,)),
        ("objects except the box", (3, 0, 1)),
        ("objects except the red box and the black cube", (3, 1)),
        ("black objects except the cylinder", (0,)),
        ("green objects", ()),
    ],
)
@pytest.mark.parametrize("pointed", [(), (0,), (2, 3)])
def test_who_is_one_of_several_is_told_by_their_names(
    words: str, meant: tuple[int, ...], pointed: tuple[int, ...]
) -> None:
    assert held(words, "several", pointed, TABLE) == ("several" if meant else "absent", meant)


def test_a_doubtful_one_of_several_is_in_if_it_is_pointed_at() -> None:
    assert held("orange objects", "several", (3,), TABLE)[1] == (3,)
    assert held("orange objects", "several", (4,), TABLE)[1] == (3, 4)


def test_of_several_in_a_place_those_of_another_kind_are_left_out() -> None:
    assert held("cubes left of the box", "several", (0, 1, 3), TABLE) == ("several", (0, 3))


def test_what_stands_where_it_is_said_to_is_not_absent() -> None:
    assert held("black cube in front of the bowl", "absent", (), SEEN) == ("found", (1,))
    assert held("black cube behind the bowl", "absent", (), SEEN) == ("absent", ())
    assert held("red cubes behind the black cube", "absent", (), SEEN) == ("several", (3,))


def test_beside_is_measured_between_the_sides() -> None:
    near = ROW.clone()
    near[2, 0] = near[1, 0] + 0.15  # 11 cm between them
    assert held("black cube next to the bowl", "absent", (), SEEN, near) == ("found", (1,))
    near[2, 0] += 0.02
    assert held("black cube next to the bowl", "absent", (), SEEN, near) == ("absent", ())


def test_what_is_pointed_at_in_another_place_gives_way_to_the_one_that_is_there() -> None:
    assert attest("red cube behind the bowl", "found", (0,), SEEN, ROW[:4]) == ("found", (3,))
    assert attest("red cube behind the bowl", "found", (3,), SEEN, ROW[:4]) == ("found", (3,))
    assert attest("red cube in front of the mug", "found", (0,), SEEN, ROW[:4]) == ("found", (0,))


def test_what_fits_in_all_but_rank_is_told_by_names() -> None:
    fits = in_all_but_rank("second red cube from the front", SEEN, ROW[:4])
    assert fits is not None and (fits > 0.5).tolist() == [True, False, False, True]
    fits = in_all_but_rank("nearest cube behind the black cube", SEEN, ROW[:4])
    assert fits is not None and (fits > 0.5).tolist() == [False, False, False, True]
    assert in_all_but_rank("red cube", SEEN, ROW[:4]) is None
    assert in_all_but_rank("second small cube from the left", SEEN, ROW[:4]) is None


SIZES = named(
    ("red", "cube", 0.95),
    ("red", "cube", 0.9),
    ("red", "mug", 0.9),
    ("white", "plate", 0.9),
    ("white", "plate", 0.9),
)


def sized(*sizes: tuple[float, float]) -> Tensor:
    """Where things of these widths and heights are."""
    places = ROW[: len(sizes)].clone()
    for row, (width, height) in zip(places, sizes, strict=True):
        row[3:5], row[6] = width, height
    return places


def test_of_two_alike_the_small_one_and_the_large_one_are_told_by_their_heights() -> None:
    places = sized((0.08, 0.06), (0.06, 0.04), (0.08, 0.09), (0.2, 0.02), (0.14, 0.02))
    for pointed in (("ambiguous", (0, 1)), ("absent", ()), ("found", (0,)), ("found", (1,))):
        assert held("small cube", *pointed, SIZES, places) == ("found", (1,))
        assert held("large red cube", *pointed, SIZES, places) == ("found", (0,))
    assert held("small plate", "ambiguous", (3, 4), SIZES, places) == ("found", (4,))  # flat: by their breadth


def test_what_is_of_one_size_or_alone_is_left_to_the_pointer() -> None:
    places = sized((0.08, 0.042), (0.06, 0.04), (0.08, 0.09), (0.14, 0.02), (0.14, 0.02))
    assert held("small cube", "ambiguous", (0, 1), SIZES, places) == ("ambiguous", (0, 1))
    assert held("large mug", "absent", (), SIZES, places) == ("absent", ())
    assert held("large mug", "found", (2,), SIZES, places) == ("found", (2,))
    assert held("small object", "ambiguous", (0, 2), SIZES, places) == ("ambiguous", (0, 2))


def test_sizes_tell_what_another_stands_beside() -> None:
    places = sized((0.08, 0.06), (0.06, 0.04), (0.08, 0.09), (0.2, 0.02), (0.14, 0.02))
    assert held("mug behind the small cube", "absent", (), SIZES, places) == ("found", (2,))


def test_what_its_names_tell_apart_is_not_asked_about() -> None:
    assert held("black cube", "ambiguous", (0, 1), SEEN) == ("found", (1,))
    doubtful = named(("black", "cube", 0.9), ("black", "cube", 0.45))
    assert held("black cube", "ambiguous", (0, 1), doubtful) == ("ambiguous", (0, 1))

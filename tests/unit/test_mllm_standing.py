"""What rises out of a plate is a thing of its own, whatever the dense pass took it for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embodied_agent.mllm.instances import Instances
from embodied_agent.mllm.picture import Picture
from embodied_agent.mllm.standing import part_standing
from embodied_agent.mllm.vocabulary import CLASS_INDEX, CLASSES, COLORS

CELL = 0.008  # [m] that a cell is wide, seen from straight above
RADIUS, RIM, FLOOR = 0.09, 0.025, 0.005  # [m] of the plate
Cells = NDArray[np.bool_]
X, Y = np.meshgrid(np.arange(160) * CELL, np.arange(120) * CELL)
MIDDLE = (0.4, 0.4)
PLATE: Cells = np.hypot(X - MIDDLE[0], Y - MIDDLE[1]) <= RADIUS


def block(x: float, y: float, side: float = 0.04) -> Cells:
    """Cells of a block, its middle from the plate's [m]."""
    return (abs(X - MIDDLE[0] - x) <= side / 2) & (abs(Y - MIDDLE[1] - y) <= side / 2)


def parted(blocks: list[Cells], named: list[tuple[str, Cells]], height: float = 0.045) -> list[Cells]:
    """Cells of each instance after parting; `named` = what they were taken for, later over earlier."""
    z = np.zeros_like(X)
    z[PLATE] = FLOOR
    z[PLATE & (np.hypot(X - MIDDLE[0], Y - MIDDLE[1]) > RADIUS - 0.012)] = RIM
    for cells in blocks:
        z[cells] = height
    ids = np.full(X.shape, -1, np.int16)
    classes = np.zeros((len(named), len(CLASSES)), np.float32)
    for k, (name, cells) in enumerate(named):
        ids[cells] = k
        classes[k, CLASS_INDEX[name]] = 0.9
    colors, scores = np.zeros((len(named), len(COLORS)), np.float32), np.full(len(named), 0.9, np.float32)
    empty = np.zeros((240, 320), np.float32)
    points = np.stack([X, Y, z], axis=-1).astype(np.float32)
    picture = Picture(None, None, empty, empty, points, np.ones(X.shape, bool), None)  # type: ignore[arg-type]
    found = part_standing(picture, Instances(ids, classes, colors, scores, (ids >= 0).astype(np.float32)))
    assert len(found.classes) == len(found.colors) == len(found.scores) == len(found)
    return [found.ids == k for k in range(len(found))]


def test_a_block_that_was_taken_for_the_plate_is_found() -> None:
    one = block(0.02, 0.0)
    plate, found = parted([one], [("plate", PLATE)])
    assert (found == one).all() and (plate == PLATE & ~one).all()


def test_two_blocks_apart_are_two_things() -> None:
    one, other = block(-0.035, 0.0), block(0.035, 0.0)
    _, first, second = parted([one, other], [("plate", PLATE)])
    assert {first.tobytes(), second.tobytes()} == {one.tobytes(), other.tobytes()}


def test_what_was_found_of_a_thing_grows_to_all_of_it_and_leaves_the_plate() -> None:
    one = block(0.0, 0.0)
    seen = block(0.0, 0.012)  # most of the block, and a piece of the plate beside it
    plate, found = parted([one], [("plate", PLATE), ("cube", seen)])
    assert (found == one).all() and (plate == PLATE & ~one).all()


def test_what_is_seen_of_a_tall_thing_beyond_the_plate_stays_with_it() -> None:
    foot, above = block(0.05, 0.0), block(0.05 + 0.04, 0.0)
    _, found = parted([foot, above], [("plate", PLATE), ("bottle", foot | above)], height=0.15)
    assert (found == foot | above).all()


def test_one_name_for_two_things_is_given_to_one_of_them() -> None:
    one, other = block(-0.035, 0.0), block(0.035, 0.0)
    _, first, second = parted([one, other], [("plate", PLATE), ("lemon", one | other)])
    assert {first.tobytes(), second.tobytes()} == {one.tobytes(), other.tobytes()}


def test_of_two_that_touch_each_keeps_its_own_cells() -> None:
    one, other = block(-0.02, 0.0), block(0.022, 0.0)
    found = parted([one, other], [("plate", PLATE), ("cube", one & ~other), ("cylinder", other & ~one)])
    assert len(found) == 3 and (found[1] & other & ~one).sum() == 0 and (found[2] & one & ~other).sum() == 0


def test_an_empty_plate_and_its_rim_are_one_thing() -> None:
    (plate,) = parted([], [("plate", PLATE)])
    assert (plate == PLATE).all()


def test_flat_pieces_of_a_plate_that_were_named_otherwise_are_the_plate() -> None:
    piece = PLATE & (X - MIDDLE[0] > 0.02)
    (plate,) = parted([], [("plate", PLATE & ~piece), ("bowl", piece)])
    assert (plate == PLATE).all()


def test_a_piece_of_the_rim_that_was_named_otherwise_is_the_plate() -> None:
    piece = PLATE & (np.hypot(X - MIDDLE[0], Y - MIDDLE[1]) > RADIUS - 0.012) & (MIDDLE[0] - X > 0.03)
    (plate,) = parted([], [("plate", PLATE & ~piece), ("banana", piece)])
    assert (plate == PLATE).all()


def test_a_plate_beside_a_plate_stays_another_one() -> None:
    beside: Cells = np.hypot(X - MIDDLE[0] - 2 * RADIUS - CELL, Y - MIDDLE[1]) <= RADIUS
    assert len(parted([], [("plate", PLATE), ("plate", beside)])) == 2


def test_what_stands_beside_a_plate_is_left_as_it_is() -> None:
    one = block(RADIUS + 0.05, 0.0)
    plate, found = parted([one], [("plate", PLATE), ("cube", one)])
    assert (found == one).all() and (plate == PLATE).all()

"""Pictures are painted over so that shape tells the kind, and never in a colour kept from training."""

from __future__ import annotations

import numpy as np
import pytest

from embodied_agent.commands.splits import pairs
from embodied_agent.mllm.vocabulary import CLASS_INDEX, COLORS, KINDS
from embodied_agent.training.augment import augment_paint
from embodied_agent.training.dense import WITHHELD
from embodied_agent.training.shards import FIRST_INSTANCE
from sim.dimensions import RGB, colors_of

CUBE, DRAWER = CLASS_INDEX["cube"], CLASS_INDEX["drawer"]


def picture() -> tuple[np.ndarray, np.ndarray]:
    """A shaded blue thing and a wooden one on a grey table."""
    rgb = np.full((40, 60, 3), 128, np.uint8)
    labels = np.ones((40, 60), np.uint8)
    rgb[5:25, 5:25] = (np.array(RGB["blue"]) * np.linspace(120, 255, 20)[:, None, None]).astype(np.uint8)
    rgb[10:30, 35:55] = (np.array(RGB["wood"]) * 255).astype(np.uint8)
    labels[5:25, 5:25], labels[10:30, 35:55] = FIRST_INSTANCE, FIRST_INSTANCE + 1
    return rgb, labels


def painted(seed: int, kind: int = CUBE) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    rgb, labels = picture()
    instances = [("a", kind, COLORS.index("blue")), ("b", DRAWER, -1)]
    return augment_paint(rgb, labels, instances, WITHHELD, np.random.default_rng(seed))


def test_things_are_painted_and_furniture_is_not() -> None:
    rgb, labels = picture()
    seen = set()
    for seed in range(40):
        image, instances = painted(seed)
        grey = bool((image[..., 0] == image[..., 2]).all())
        new = bool((image != rgb)[labels == FIRST_INSTANCE].any())
        assert instances[0][2] == (-1 if grey or new else COLORS.index("blue"))
        assert [item[:2] for item in instances] == [("a", CUBE), ("b", DRAWER)]
        if not grey:
            assert (image == rgb)[labels != FIRST_INSTANCE].all()
        seen.add((grey, new))
    assert {(False, False), (False, True), (True, True)} <= seen


@pytest.mark.parametrize("kind", ["cube", "mug", "can"])
def test_no_paint_is_like_a_colour_that_is_kept_from_training(kind: str) -> None:
    kept = [np.array(RGB[color]) for color in colors_of(kind) if (color, kind) not in pairs("train")]
    assert len(kept) == 3
    _, labels = picture()
    changed = 0
    for seed in range(300):
        image, instances = painted(seed, CLASS_INDEX[kind])
        inside = image[labels == FIRST_INSTANCE].astype(float) / 255
        if instances[0][2] >= 0 or (inside[:, 0] == inside[:, 2]).all():
            continue
        changed += 1
        brightest = inside[inside.max(axis=1) >= np.percentile(inside.max(axis=1), 85)].mean(axis=0)
        assert min(np.linalg.norm(brightest - color) for color in kept) > 0.12
    assert changed > 60


def test_every_kind_may_be_painted_and_only_fruit_in_any_colour() -> None:
    assert set(WITHHELD) == {CLASS_INDEX[kind] for kind in KINDS}
    free = {kind for kind in KINDS if not len(WITHHELD[CLASS_INDEX[kind]])}
    assert free == {"apple", "banana", "lemon"}


def test_shading_survives_the_paint() -> None:
    for seed in range(60):
        image, instances = painted(seed)
        column = image[5:25, 10].astype(float).max(axis=1)
        assert (np.diff(column) >= -1).all() and column[-1] > column[0]
        del instances

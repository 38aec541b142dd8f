"""What differs between a rendered picture and a camera: light, colour cast, noise, missing depth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from embodied_agent.training.shards import FIRST_INSTANCE

Float = NDArray[np.float32]
_GREY = 0.35  # share of crops without colours
_REPAINTED = 0.5  # share of things in another colour than their own
_ALIKE = 0.2  # distance of two colours in RGB from which on they are different ones


def augment_color(rgb: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Exposure, gamma, white balance, saturation, blur and noise; hues stay what they are called."""
    image = rgb.astype(np.float32) / 255.0
    image = image ** np.float32(np.exp(rng.normal(0, 0.12)))
    image *= (rng.uniform(0.75, 1.25) * (1 + rng.normal(0, 0.04, size=3))).astype(np.float32)
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * np.float32(rng.uniform(0.75, 1.2))
    if rng.random() < 0.25:
        image = (image + np.roll(image, 1, 0) + np.roll(image, 1, 1) + np.roll(image, (1, 1), (0, 1))) / 4
    image += rng.normal(0, rng.uniform(0, 0.025), size=image.shape).astype(np.float32)
    result: NDArray[np.uint8] = (image.clip(0, 1) * 255).astype(np.uint8)
    return result


def augment_paint(
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    instances: list[tuple[str, int, int]],
    withheld: Mapping[int, Float],
    rng: Generator,
) -> tuple[NDArray[np.uint8], list[tuple[str, int, int]]]:
    """Shape must tell the kind: things are painted over in any colour, and at times there are no colours.

    Kinds are trained in some colours and met in others. An eye that saw orange balls and cans but
    no orange cube takes orange for a sign against cubes, however square the thing; where colours
    are dealt out at random there is no such sign to learn.

    Args:
        rgb: (H, W, 3).
        labels: (H, W); `first + i` is instance i, with the first of `shards.FIRST_INSTANCE`.
        instances: Name, class index and colour index of each.
        withheld: Class indices whose things may be painted over; colours they must not get, (k, 3) in 0..1.

    Returns:
        The picture, and the instances; those whose colour has no name now have index -1.
    """
    painted = list(instances)
    image = rgb.copy()
    for index, (name, kind, _) in enumerate(instances):
        if kind not in withheld or rng.random() > _REPAINTED:
            continue
        mine = labels == FIRST_INSTANCE + index
        if not mine.any() or (paint := _draw_paint(withheld[kind], rng)) is None:
            continue
        light = image[mine].max(axis=1, keepdims=True).astype(np.float32)
        light = (light + 6) / (np.percentile(light, 90) + 6)  # what is black has hardly any shading left
        image[mine] = (255 * light * paint).clip(0, 255).astype(np.uint8)
        painted[index] = (name, kind, -1)
    if rng.random() < _GREY:
        image = image.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
        painted = [(name, kind, -1) for name, kind, _ in painted]
    return image, painted


def _draw_paint(withheld: Float, rng: Generator) -> Float | None:
    """Any colour from black to white that is not like a withheld one, (3,) in 0..1; None if it was each time."""
    for _ in range(8):
        hue = rng.dirichlet(np.full(3, 0.5))
        hue /= hue.max()
        pale = rng.uniform(0, 1) ** 2  # mostly saturated
        paint: Float = (rng.uniform(0.05, 1.0) * (hue + pale * (1 - hue))).astype(np.float32)
        if not len(withheld) or np.linalg.norm(withheld - paint, axis=1).min() > _ALIKE:
            return paint
    return None


def augment_depth(depth: Float, height: Float, rng: Generator) -> tuple[Float, Float]:
    """Sensor noise, holes, a wrong camera height, and at times no depth at all.

    Args:
        depth, height: [m], (H, W).

    Returns:
        Both as a sensor would give them.
    """
    draw = rng.random()
    if draw < 0.08:
        return np.zeros_like(depth), np.zeros_like(height)
    rows, columns = depth.shape
    noise = rng.normal(0, 1, size=depth.shape).astype(np.float32)
    noise *= np.float32(rng.uniform(0, 0.003)) * depth**2
    tilt = rng.normal(0, 0.004, size=2)
    slope = np.linspace(-1, 1, rows)[:, None] * tilt[0] + np.linspace(-1, 1, columns)[None] * tilt[1]
    height = height - noise + (slope + rng.normal(0, 0.004)).astype(np.float32)
    depth = depth + noise
    if draw < 0.6:
        holes = np.zeros(depth.shape, dtype=bool)
        for _ in range(rng.integers(0, 12)):
            y, x = rng.integers(0, rows), rng.integers(0, columns)
            holes[y : y + rng.integers(2, 18), x : x + rng.integers(2, 18)] = True
        holes |= rng.random(depth.shape) < rng.uniform(0, 0.03)
        if rng.random() < 0.5:  # shadows beside depth edges
            edge = np.abs(np.diff(depth, axis=1, prepend=depth[:, :1])) > 0.02
            holes |= edge | np.roll(edge, 1, 1)
        depth = np.where(holes, 0, depth)
        height = np.where(holes, 0, height)
    return depth.astype(np.float32), height.astype(np.float32)

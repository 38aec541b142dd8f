"""What differs between a rendered picture and a camera: light, colour cast, noise, missing depth."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from embodied_agent.training.shards import FIRST_INSTANCE

Float = NDArray[np.float32]
_GREY = 0.25  # share of crops without colours
_REPAINTED = 0.5  # share of fruit in colours that it never has


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


def augment_hue(
    rgb: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    instances: list[tuple[str, int, int]],
    repaintable: frozenset[int],
    rng: Generator,
) -> tuple[NDArray[np.uint8], list[tuple[str, int, int]]]:
    """Shape must tell the kind: at times no colours at all, at times fruit of another colour.

    Kinds are trained in some colours and met in others; an eye that takes every small yellow
    thing for a lemon has learnt the wrong thing.

    Args:
        rgb: (H, W, 3).
        labels: (H, W); `first + i` is instance i, with the first of `shards.FIRST_INSTANCE`.
        instances: Name, class index and colour index of each.
        repaintable: Class indices whose things may be painted over.

    Returns:
        The picture, and the instances; those whose colour has no name now have index -1.
    """
    if rng.random() < _GREY:
        grey = rgb.mean(axis=2, keepdims=True).astype(np.uint8)
        return grey.repeat(3, axis=2), [(name, kind, -1) for name, kind, _ in instances]
    painted = list(instances)
    image = rgb.copy()
    for index, (name, kind, _) in enumerate(instances):
        if kind not in repaintable or rng.random() > _REPAINTED:
            continue
        mine = labels == FIRST_INSTANCE + index
        shading = image[mine].max(axis=1, keepdims=True).astype(np.float32)
        paint = rng.dirichlet(np.full(3, 0.7))
        paint *= rng.uniform(0.5, 1.0) / paint.max()
        image[mine] = (shading * paint).astype(np.uint8)
        painted[index] = (name, kind, -1)
    return image, painted


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

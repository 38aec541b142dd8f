"""Sizes, masses and colours of everything a scene can hold: plain numbers, no simulator.

All lengths in metres, masses in kilograms. `half` is the footprint's half size along the
object's own x and y at yaw 0, handles included, so that placing can avoid overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "cube",
    "cylinder",
    "ball",
    "mug",
    "bowl",
    "plate",
    "can",
    "bottle",
    "banana",
    "apple",
    "lemon",
    "box",
    "bin",
)
COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black")
SIZES = ("small", "large")
FIXTURES = ("cabinet", "cupboard", "button", "knob", "shelf")
FRUITS = ("banana", "apple", "lemon")
CONTAINERS = ("bowl", "box", "bin", "mug")  # things go inside
SUPPORTS = ("plate", "cube", "box", "can")  # things stand on top (a box only when a thing is wider)
FURNITURE_COLORS = ("wood", "white", "gray")  # the usual ones for cabinet, cupboard and shelf

_NATURAL = {"banana": ("yellow",), "apple": ("red", "green"), "lemon": ("yellow",)}
_FIXTURE_COLORS = {
    "button": ("red", "green", "blue", "yellow"),
    "knob": ("black", "white", "blue", "red"),
}

RGB: dict[str, tuple[float, float, float]] = {
    "red": (0.78, 0.08, 0.08),
    "green": (0.10, 0.55, 0.16),
    "blue": (0.08, 0.22, 0.75),
    "yellow": (0.93, 0.79, 0.08),
    "orange": (0.95, 0.43, 0.04),
    "purple": (0.43, 0.13, 0.60),
    "white": (0.92, 0.92, 0.90),
    "black": (0.07, 0.07, 0.08),
    "wood": (0.62, 0.43, 0.26),
    "gray": (0.50, 0.52, 0.54),
}


@dataclass(frozen=True)
class Dimensions:
    """Outer measures of one kind in one size.

    Attributes:
        half: Footprint half sizes along x and y [m].
        height: [m].
        mass: [kg].
        radius: Characteristic outer radius [m]; half an edge for a cube.
        wall: Wall thickness of hollow things [m]; 0 for solid ones.
        floor: Height of the inner floor above the bottom [m], for hollow things and plates.
        inner: Radius of the free space inside (or on top, for plates) [m].
    """

    half: tuple[float, float]
    height: float
    mass: float
    radius: float
    wall: float = 0.0
    floor: float = 0.0
    inner: float = 0.0


def _round(radius: float, height: float, mass: float, **more: float) -> Dimensions:
    return Dimensions((radius, radius), height, mass, radius, **more)


# Every kind can be held in one way by a hand that opens 0.08 m: across, or at the rim.
DIMENSIONS: dict[tuple[str, str], Dimensions] = {
    ("cube", "small"): _round(0.020, 0.040, 0.045),
    ("cube", "large"): _round(0.030, 0.060, 0.110),
    ("cylinder", "small"): _round(0.018, 0.060, 0.045),
    ("cylinder", "large"): _round(0.027, 0.085, 0.110),
    ("ball", "small"): _round(0.021, 0.042, 0.030),
    ("ball", "large"): _round(0.031, 0.062, 0.060),
    ("mug", "small"): Dimensions((0.052, 0.029), 0.070, 0.120, 0.029, 0.0040, 0.006, 0.024),
    ("mug", "large"): Dimensions((0.064, 0.036), 0.090, 0.180, 0.036, 0.0040, 0.006, 0.031),
    ("bowl", "small"): _round(0.062, 0.042, 0.120, wall=0.0045, floor=0.006, inner=0.050),
    ("bowl", "large"): _round(0.085, 0.055, 0.200, wall=0.0050, floor=0.006, inner=0.072),
    ("plate", "small"): _round(0.075, 0.024, 0.140, wall=0.0050, floor=0.006, inner=0.055),
    ("plate", "large"): _round(0.105, 0.026, 0.240, wall=0.0050, floor=0.006, inner=0.082),
    ("can", "small"): _round(0.026, 0.080, 0.120),
    ("can", "large"): _round(0.033, 0.115, 0.200),
    ("bottle", "small"): _round(0.024, 0.140, 0.120),
    ("bottle", "large"): _round(0.031, 0.185, 0.200),
    ("banana", "small"): Dimensions((0.065, 0.026), 0.030, 0.080, 0.015),
    ("banana", "large"): Dimensions((0.085, 0.034), 0.038, 0.120, 0.019),
    ("apple", "small"): _round(0.029, 0.054, 0.080),
    ("apple", "large"): _round(0.037, 0.069, 0.140),
    ("lemon", "small"): Dimensions((0.031, 0.021), 0.042, 0.050, 0.021),
    ("lemon", "large"): Dimensions((0.041, 0.028), 0.056, 0.090, 0.028),
    ("box", "small"): Dimensions((0.065, 0.048), 0.045, 0.100, 0.048, 0.0045, 0.005, 0.040),
    ("box", "large"): Dimensions((0.092, 0.066), 0.060, 0.170, 0.066, 0.0050, 0.005, 0.058),
    ("bin", "small"): _round(0.062, 0.090, 0.160, wall=0.0045, floor=0.006, inner=0.044),
    ("bin", "large"): _round(0.080, 0.115, 0.240, wall=0.0050, floor=0.006, inner=0.058),
}


@dataclass(frozen=True)
class FixtureDimensions:
    """Outer measures of a fixture, and the room its moving parts and the hand need.

    Attributes:
        half: Footprint half sizes along the fixture's x (depth) and y (width) [m].
        height: [m].
        sweep: Depth in front of the footprint that must stay free [m].
    """

    half: tuple[float, float]
    height: float
    sweep: float


FIXTURE_DIMENSIONS: dict[str, FixtureDimensions] = {
    "cabinet": FixtureDimensions((0.13, 0.125), 0.26, 0.28),
    "cupboard": FixtureDimensions((0.10, 0.125), 0.28, 0.28),
    "button": FixtureDimensions((0.042, 0.042), 0.045, 0.0),
    "knob": FixtureDimensions((0.048, 0.048), 0.065, 0.0),
    "shelf": FixtureDimensions((0.075, 0.12), 0.11, 0.0),
}

DRAWER_TRAVEL = 0.20  # [m]
DOOR_TRAVEL = 1.90  # [rad]
BUTTON_TRAVEL = 0.012  # [m]
BUTTON_THRESHOLD = 0.006  # [m] counts as pressed
KNOB_TRAVEL = 2.6  # [rad] either way


def colors_of(kind: str) -> tuple[str, ...]:
    """Colours that make sense for an object or fixture kind."""
    if kind in ("cabinet", "cupboard", "shelf"):
        return FURNITURE_COLORS + COLORS
    return _FIXTURE_COLORS.get(kind) or _NATURAL.get(kind, COLORS)


def parts_of(fixture: str) -> tuple[str, ...]:
    """Names of a fixture's moving parts, as descriptions and scene files call them."""
    return {
        "cabinet": ("top drawer", "bottom drawer"),
        "cupboard": ("cupboard door",),
        "button": ("button",),
        "knob": ("knob",),
    }.get(fixture, ())

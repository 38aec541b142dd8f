"""Scenes: what stands on the table, as plain frozen values, from a YAML file.

Frames as everywhere: robot base at the origin, table top at z = 0, x forward, y left. A fixture
at yaw 0 faces the robot (-x).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from embodied_agent.config import Range, config_names, find_config, load, nearest
from embodied_agent.errors import ConfigError
from sim import dimensions as dim
from sim.dimensions import COLORS, DIMENSIONS, FIXTURES, KINDS, SIZES, Dimensions

REACH = (0.22, 0.80)  # [m] from the base axis: nearer the arm folds into itself
Unit = Annotated[float, Range(0.0, 1.0)]
Point = tuple[float, float, float]


def _known(word: str, known: Sequence[str], what: str) -> None:
    if word not in known:
        raise ValueError(f"'{word}' is not a {what}{nearest(word, known)}; known: {', '.join(known)}")


@dataclass(frozen=True)
class ObjectSpec:
    """One movable object.

    Attributes:
        kind, color, size: From KINDS, COLORS, SIZES.
        position: (x, y) or (x, y, z of the underside) in the world [m]. With `on` or `inside`:
            the offset from the centre of that support, () = centred. For `draw_scene`,
            () without a support means "draw a free place".
        yaw: About the vertical [rad].
        name: Unique; "" is filled with e.g. "red cube" or "red cube 2".
        on, inside: Name of the object or fixture part that carries this ("plate", "top drawer").
        shade: Variation of the colour, -1 (darker) to 1 (lighter).
    """

    kind: str
    color: str
    size: str = "small"
    position: tuple[float, ...] = ()
    yaw: float = 0.0
    name: str = ""
    on: str = ""
    inside: str = ""
    shade: Annotated[float, Range(-1.0, 1.0)] = 0.0

    def __post_init__(self) -> None:
        _known(self.kind, KINDS, "kind")
        _known(self.size, SIZES, "size")
        _known(self.color, COLORS, "color")
        if self.color not in dim.colors_of(self.kind):
            raise ValueError(f"a {self.kind} is {' or '.join(dim.colors_of(self.kind))}, not {self.color}")
        if self.on and self.inside:
            raise ValueError("an object is either 'on' or 'inside' something, not both")
        if len(self.position) not in (0, 2, 3) or not all(map(math.isfinite, self.position)):
            raise ValueError("position must be [x, y] or [x, y, z] in metres")

    @property
    def dimensions(self) -> Dimensions:
        """Measures of this kind in this size."""
        return DIMENSIONS[self.kind, self.size]


@dataclass(frozen=True)
class FixtureSpec:
    """One thing with moving parts, or a shelf; it stands fixed on the table.

    Attributes:
        kind: From FIXTURES.
        position: (x, y) of the middle of its footprint [m].
        yaw: 0 faces the robot (-x) [rad].
        color: Body colour (cap colour of a button or knob); "" = the usual one.
        state: Initial state of its parts: "top drawer", "bottom drawer", "cupboard door" as
            fractions 0 (closed) to 1; "knob" as an angle [rad], counter-clockwise from above.
        hinge: Side of a cupboard's hinge as the robot sees it: "left" or "right".
        shade: As for objects.
    """

    kind: str
    position: tuple[float, float]
    yaw: float = 0.0
    color: str = ""
    state: Mapping[str, float] = field(default_factory=dict)
    hinge: str = "left"
    shade: Annotated[float, Range(-1.0, 1.0)] = 0.0

    def __post_init__(self) -> None:
        _known(self.kind, FIXTURES, "fixture kind")
        colors = dim.colors_of(self.kind)
        if not self.color:
            object.__setattr__(self, "color", colors[0])
        _known(self.color, colors, f"{self.kind} color")
        _known(self.hinge, ("left", "right"), "hinge side")
        for part, value in self.state.items():
            _known(part, dim.parts_of(self.kind), f"part of a {self.kind}")
            low, high = (-dim.KNOB_TRAVEL, dim.KNOB_TRAVEL) if part == "knob" else (0.0, 1.0)
            if not low <= value <= high:
                raise ValueError(f"state of '{part}' is {value:g}, outside {low:g} to {high:g}")

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its moving parts."""
        return dim.parts_of(self.kind)


@dataclass(frozen=True)
class TableSpec:
    """The table top: colour rgb 0..1, and pattern of its surface."""

    rgb: tuple[Unit, Unit, Unit] = (0.66, 0.58, 0.48)
    pattern: str = "plain"
    floor_rgb: tuple[Unit, Unit, Unit] = (0.35, 0.36, 0.38)

    def __post_init__(self) -> None:
        _known(self.pattern, ("plain", "wood", "stone"), "table pattern")


@dataclass(frozen=True)
class LightSpec:
    """One lamp above the table: position [m], brightness of lamp and surroundings 0..1."""

    position: Point = (0.2, 0.4, 2.0)
    brightness: Unit = 0.55
    ambient: Unit = 0.35


@dataclass(frozen=True)
class CameraSpec:
    """A fixed RGB-D camera.

    Attributes:
        name: What `capture` calls it.
        position, target: Where it is and what its image centre shows [m].
        fov: Vertical field of view [rad].
        width, height: Image size [px].
    """

    name: str = "overhead"
    position: Point = (-0.05, 0.0, 1.1)
    target: Point = (0.5, 0.0, 0.0)
    fov: Annotated[float, Range(0.2, 2.5)] = math.radians(50.0)
    width: Annotated[int, Range(16, 4096)] = 640
    height: Annotated[int, Range(16, 4096)] = 480

    def __post_init__(self) -> None:
        if math.dist(self.position, self.target) < 0.05:
            raise ValueError(f"camera '{self.name}': position and target must be 0.05 m apart or more")


# From the robot's right, a little behind it: drawers and doors face that way.
FILM = CameraSpec("film", (-0.16, -1.4, 0.95), (0.32, 0.0, 0.24), math.radians(39.0))


@dataclass(frozen=True)
class Scene:
    """Everything around the robot at the start.

    Attributes:
        name: For reports.
        seed: What drew it, and what the sensors' noise starts from.
        objects, fixtures: See their classes; objects always carry unique names.
        table, light: Looks.
        cameras: Fixed cameras; the first is the one a planner sees.
        film: Where films and pictures for people are taken from; no planner and no robot sees them.
    """

    name: str = "scene"
    seed: int = 0
    objects: tuple[ObjectSpec, ...] = ()
    fixtures: tuple[FixtureSpec, ...] = ()
    table: TableSpec = TableSpec()
    light: LightSpec = LightSpec()
    cameras: tuple[CameraSpec, ...] = (CameraSpec(),)
    film: CameraSpec = FILM

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", named(self.objects))

    def object(self, name: str) -> ObjectSpec:
        """The object called `name`; KeyError otherwise."""
        for spec in self.objects:
            if spec.name == name:
                return spec
        raise KeyError(name)

    def fixture(self, kind_or_part: str) -> FixtureSpec:
        """The fixture of that kind, or with that part; KeyError otherwise."""
        for spec in self.fixtures:
            if spec.kind == kind_or_part or kind_or_part in spec.parts:
                return spec
        raise KeyError(kind_or_part)


def named(objects: Sequence[ObjectSpec]) -> tuple[ObjectSpec, ...]:
    """The objects, each with a unique name; given names are kept.

    Raises:
        ValueError: A name is given twice, or is that of a fixture part.
    """
    taken = Counter(o.name for o in objects if o.name)
    reserved = {part for kind in FIXTURES for part in dim.parts_of(kind)} | set(FIXTURES) | {"table", "robot"}
    for name, times in taken.items():
        if times > 1 or name in reserved:
            raise ValueError(f"the object name '{name}' is {'given twice' if times > 1 else 'reserved'}")
    result = []
    for spec in objects:
        if not spec.name:
            base = f"{spec.color} {spec.kind}"
            name = next(n for i in range(1, 10_000) if (n := base if i == 1 else f"{base} {i}") not in taken)
            taken[name] += 1
            spec = replace(spec, name=name)
        result.append(spec)
    return tuple(result)


def load_scene(path: str | Path) -> Scene:
    """Read a scene from `configs/scenes/<name>.yaml` or from any file.

    Raises:
        ConfigError: Unreadable file, unknown key or word (the nearest known one is named),
            or a scene that cannot exist: overlaps, out of reach, unknown support.
    """
    found = find_config(path, "scenes")
    scene = load(found, Scene)
    if scene.name == "scene":
        scene = replace(scene, name=found.stem)
    validate(scene, str(found))
    return scene


def scene_names() -> tuple[str, ...]:
    """Names of the scene files that come along."""
    return config_names("scenes")


def validate(scene: Scene, source: str = "scene") -> None:
    """Refuse a scene that cannot exist.

    Raises:
        ConfigError: Names everything that is wrong, in one line.
    """
    from sim.placement import problems  # placement reads these types

    found = problems(scene)
    if found:
        more = f" (and {len(found) - 4} more)" if len(found) > 4 else ""
        raise ConfigError(f"{source}: " + "; ".join(found[:4]) + more)

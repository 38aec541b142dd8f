"""Random scenes: the same seed draws the same scene."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim import dimensions as dim
from sim.dimensions import COLORS, CONTAINERS, FIXTURE_DIMENSIONS, FIXTURES, KINDS
from sim.placement import Footprint, clearance, fits_inside, fixture_footprints, footprint, problems
from sim.scene import CameraSpec, FixtureSpec, LightSpec, ObjectSpec, Scene, TableSpec

Pair = tuple[str, str]
ALL_PAIRS: tuple[Pair, ...] = tuple((k, c) for k in KINDS for c in COLORS if c in dim.colors_of(k))
_FURNITURE = ("cabinet", "cupboard", "shelf")


@dataclass(frozen=True)
class Region:
    """Where objects may stand: a box, and the ring around the base [m]."""

    x: tuple[float, float] = (0.30, 0.58)
    y: tuple[float, float] = (-0.33, 0.33)
    radius: tuple[float, float] = (0.30, 0.64)


def draw_scene(
    seed: int,
    *,
    name: str = "tabletop",
    count: tuple[int, int] = (2, 8),
    pairs: Collection[Pair] | None = None,
    required: Sequence[ObjectSpec] = (),
    fixtures: Sequence[str | FixtureSpec] | None = None,
    state: Mapping[str, float] | None = None,
    nested: float = 0.0,
    gap: float = 0.035,
    jitter: float = 1.0,
    region: Region = Region(),
) -> Scene:
    """Draw a tabletop: objects, fixtures, looks, light and camera.

    Args:
        seed: Same seed and arguments, same scene.
        name: For reports.
        count: Fewest and most objects, those in `required` included.
        pairs: Allowed (kind, colour) of objects beyond `required`; None = all that make sense.
        required: Objects that must be there; those without position and support get a free
            place, an empty `name` is filled in.
        fixtures: Kinds that must be there (or complete specifications); None = a random choice.
        state: Initial state of parts (see FixtureSpec); parts not named are closed, except with
            `fixtures=None`, where they are sometimes open.
        nested: Chance that an object beyond `required` starts in or on another one.
        gap: Free space around each object [m], for fingers.
        jitter: Scale of the variation of camera, light and table; 0 = none.
        region: Where objects may stand.

    Raises:
        ValueError: No room for what is required after 60 tries.
    """
    for attempt in range(60):
        rng = np.random.default_rng([seed, attempt, 20_011])
        builder = _Drawing(rng, gap, region)
        most = max(len(required), int(rng.integers(count[0], count[1] + 1)) - attempt // 8)
        if not builder.add_fixtures(fixtures, state):
            continue
        if not all(builder.add(spec) for spec in required):
            continue
        allowed = sorted(pairs) if pairs is not None else list(ALL_PAIRS)
        builder.add_random(allowed, most - len(required), nested)
        if len(builder.objects) < min(count[0], most):
            continue
        scene = builder.scene(name, seed, jitter)
        if not problems(scene):
            return scene
    raise ValueError(f"no room for {len(required)} objects and fixtures {fixtures} on the table (seed {seed})")


class _Drawing:
    """A scene in the making, with the ground that is taken."""

    def __init__(self, rng: np.random.Generator, gap: float, region: Region) -> None:
        self.rng, self.gap, self.region = rng, gap, region
        self.objects: list[ObjectSpec] = []
        self.fixtures: list[FixtureSpec] = []
        self.taken: list[Footprint] = []

    def add_fixtures(self, wanted: Sequence[str | FixtureSpec] | None, state: Mapping[str, float] | None) -> bool:
        rng = self.rng
        if wanted is None:
            number = int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2]))
            wanted = [str(k) for k in rng.choice(FIXTURES, size=number, replace=False)]
            if state is None:
                parts = [part for kind in wanted for part in dim.parts_of(str(kind))]
                state = {part: float(rng.uniform(0.3, 1.0)) for part in parts if rng.random() < 0.3}
                if "bottom drawer" in state and "top drawer" in state:
                    del state["top drawer"]  # the top one would hide and block the bottom one
        state = state or {}
        large = [k for k in wanted if k in _FURNITURE]
        slots = [float(s) for s in rng.permutation([-0.27, 0.27] if len(large) < 3 else [-0.28, 0.0, 0.28])]
        if len(large) == 1:
            slots = [float(rng.uniform(-0.27, 0.27))]
        # Furniture first: a button goes where it leaves room, not the other way round.
        for item in sorted(wanted, key=lambda k: k not in _FURNITURE if isinstance(k, str) else False):
            spec = item if isinstance(item, FixtureSpec) else self._fixture(item, slots, state)
            if spec is None:
                return False
            self.fixtures.append(spec)
            self.taken += fixture_footprints(spec, sweep=True)
        return True

    def _fixture(self, kind: str, slots: list[float], state: Mapping[str, float]) -> FixtureSpec | None:
        rng = self.rng
        mine = {p: state[p] for p in dim.parts_of(kind) if p in state and kind != "button"}
        if "knob" in mine:
            mine["knob"] = float(np.clip(mine["knob"], -dim.KNOB_TRAVEL, dim.KNOB_TRAVEL))
        colors = dim.FURNITURE_COLORS if kind in _FURNITURE else dim.colors_of(kind)
        color, shade = str(rng.choice(colors)), float(rng.uniform(-1, 1))
        hinge = str(rng.choice(["left", "right"]))
        if kind in _FURNITURE:
            y = slots.pop() + float(rng.uniform(-0.015, 0.015))
            front = float(rng.uniform(0.66, 0.70)) - 0.10 * abs(y)
            x = front + FIXTURE_DIMENSIONS[kind].half[0]
            yaw = 0.5 * math.atan2(y, x) + float(rng.uniform(-0.08, 0.08))
            spec = FixtureSpec(kind, (x, y), yaw, color, mine, hinge, shade)
            if (
                min((clearance(a, b) for a in fixture_footprints(spec, True) for b in self.taken), default=1)
                < 0.01
            ):
                return None
            return spec
        half = FIXTURE_DIMENSIONS[kind].half
        for _ in range(100):
            x, y = self._point()
            yaw = float(rng.uniform(-0.3, 0.3))
            if self._free(Footprint(x, y, half, yaw), self.gap + 0.015):
                return FixtureSpec(kind, (x, y), yaw, color, mine, hinge, shade)
        return None

    def add(self, spec: ObjectSpec) -> bool:
        """Place one object; False = no room."""
        if not spec.shade:
            spec = replace(spec, shade=float(self.rng.uniform(-1, 1)))
        if spec.on or spec.inside:
            self.objects.append(spec)
            return True
        for _ in range(120 if not spec.position else 1):
            x, y = spec.position[:2] if spec.position else self._point()
            yaw = spec.yaw if spec.position else float(self.rng.uniform(-math.pi, math.pi))
            area = footprint(spec, x, y, yaw)
            if self._free(area, 0.0 if spec.position else self.gap):
                self.taken.append(area)
                self.objects.append(replace(spec, position=spec.position or (x, y), yaw=yaw))
                return True
        return False

    def add_random(self, pairs: Sequence[Pair], number: int, nested: float) -> None:
        for _ in range(number):
            kind, color = pairs[int(self.rng.integers(len(pairs)))]
            spec = ObjectSpec(kind, color, str(self.rng.choice(dim.SIZES)))
            if self.rng.random() < nested:
                spec = self._nest(spec)
            self.add(spec)

    def _nest(self, spec: ObjectSpec) -> ObjectSpec:
        """The same object in or on something that is there, if anything fits."""
        used = {o.on or o.inside for o in self.objects}
        homes: list[tuple[str, str, float]] = []
        for i, other in enumerate(self.objects):
            if not other.name:
                other = self.objects[i] = replace(other, name=self._name(other))
            if other.name in used:
                continue
            if other.kind in CONTAINERS and other.kind != "mug" and fits_inside(spec, other.kind, other.size):
                homes.append(("inside", other.name, 0.0))
            elif other.kind == "plate" and max(spec.dimensions.half) <= other.dimensions.inner:
                homes.append(("on", other.name, 0.02))
            elif other.kind in ("cube", "can") and spec.kind in ("cube", "cylinder", "can"):
                homes.append(("on", other.name, 0.0))
        for fixture in self.fixtures:
            if fixture.kind == "shelf":
                homes.append(("on", "shelf", 0.05))
            for part, opening in fixture.state.items():
                if part.endswith("drawer") and opening > 0.7 and fits_inside(spec, "drawer"):
                    homes.append(("inside", part, 0.02))
        homes = [home for home in homes if home[1] not in used]
        if not homes:
            return spec
        relation, home, spread = homes[int(self.rng.integers(len(homes)))]
        dx, dy = (float(v) for v in self.rng.uniform(-spread, spread, 2))
        dx = -0.03 if home.endswith("drawer") else dx / 2
        yaw = float(self.rng.uniform(-math.pi, math.pi))
        placed = replace(spec, position=(dx, dy), yaw=yaw)
        return replace(placed, on=home) if relation == "on" else replace(placed, inside=home)

    def _name(self, spec: ObjectSpec) -> str:
        base = f"{spec.color} {spec.kind}"
        names = {o.name for o in self.objects}
        return next(n for i in range(1, 100) if (n := base if i == 1 else f"{base} {i}") not in names)

    def _point(self) -> tuple[float, float]:
        near, far = self.region.radius
        while True:
            x, y = float(self.rng.uniform(*self.region.x)), float(self.rng.uniform(*self.region.y))
            if near <= math.hypot(x, y) <= far:
                return x, y

    def _free(self, area: Footprint, gap: float) -> bool:
        return all(_apart(area, other, gap) for other in self.taken)

    def scene(self, name: str, seed: int, jitter: float) -> Scene:
        rng = self.rng

        def near(values: tuple[float, ...], spread: float) -> tuple[float, float, float]:
            moved = np.asarray(values) + rng.uniform(-spread, spread, 3) * jitter
            return float(moved[0]), float(moved[1]), float(moved[2])

        table, light, camera = TableSpec(), LightSpec(), CameraSpec()
        if jitter > 0:
            warm = float(rng.uniform(-0.05, 0.05)) * jitter
            base = float(rng.uniform(0.30, 0.80)) if jitter >= 1 else 0.55
            rgb = tuple(float(np.clip(base + d, 0.05, 0.95)) for d in (warm + 0.06, warm * 0.3, -warm - 0.06))
            table = TableSpec((rgb[0], rgb[1], rgb[2]), str(rng.choice(["plain", "wood", "stone"])))
            light = LightSpec(
                near(light.position, 0.5), *(float(rng.uniform(a, b)) for a, b in ((0.4, 0.7), (0.25, 0.45)))
            )
            camera = replace(
                camera, position=near(camera.position, 0.03), target=near((*camera.target[:2], 0.0), 0.02)
            )
        return Scene(name, seed, tuple(self.objects), tuple(self.fixtures), table, light, (camera,))


def _apart(a: Footprint, b: Footprint, gap: float) -> bool:
    """Whether two footprints leave a gap; discs around and inside them decide most cases cheaply."""
    distance = math.hypot(a.x - b.x, a.y - b.y)
    if distance - (a.radius or math.hypot(*a.half)) - (b.radius or math.hypot(*b.half)) >= gap:
        return True
    if distance - (a.radius or min(a.half)) - (b.radius or min(b.half)) < gap:
        return False
    return clearance(a, b) >= gap

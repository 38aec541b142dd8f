"""How each fixture is made. Frame: middle of the footprint on the table, x to the back, front at -x."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco

from sim import dimensions as dim
from sim.dimensions import FIXTURE_DIMENSIONS, RGB
from sim.placement import CUPBOARD_FLOOR, DRAWER_BOTTOMS, DRAWER_FLOOR, DRAWER_INNER
from sim.scene import FixtureSpec
from sim.shapes import Contact, Shape, add_shapes, ring_of_plates, shaded, turned

SLIDE, HINGE = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
BOARD = 0.010  # thickness of furniture [m]
FRONT = 0.014  # thickness of drawer fronts and doors [m]
HANDLE_GAP = 0.042  # from a front to the middle of its bar [m]; fingers go around it
HANDLE_RADIUS = 0.0065
HANDLE_HALF = 0.034  # half length of the upright bar [m]


@dataclass(frozen=True)
class Part:
    """A moving part: its joint in the model, and how a reading becomes a state.

    Attributes:
        name: As scene files and descriptions call it, e.g. "top drawer".
        joint: Joint in the model.
        type: "prismatic" or "revolute".
        range: Travel from closed to fully open [m] or [rad].
        fraction: Whether scene files give it as a fraction of the range.
    """

    name: str
    joint: str
    type: str
    range: float
    fraction: bool = True


PARTS: dict[str, tuple[Part, ...]] = {
    "cabinet": (
        Part("top drawer", "top drawer", "prismatic", dim.DRAWER_TRAVEL),
        Part("bottom drawer", "bottom drawer", "prismatic", dim.DRAWER_TRAVEL),
    ),
    "cupboard": (Part("cupboard door", "cupboard door", "revolute", dim.DOOR_TRAVEL),),
    "button": (Part("button", "button", "prismatic", dim.BUTTON_TRAVEL),),
    "knob": (Part("knob", "knob", "revolute", dim.KNOB_TRAVEL, fraction=False),),
    "shelf": (),
}


def add_fixture(spec: Any, fixture: FixtureSpec, *, prefix: str = "", solid: bool = True) -> Any:
    """Add a fixture to the world of an MjSpec; return its body.

    Geoms are named `<prefix><label>/<i>`, where label is the class that perception knows it by,
    with the part's name for drawers: "drawer:top drawer/0", "drawer_handle:top drawer/1".
    """
    rgb = shaded(RGB[fixture.color], fixture.shade)
    body = spec.worldbody.add_body(name=f"{prefix}{fixture.kind}")
    body.pos = (*fixture.position, 0.0)
    body.quat = (math.cos(fixture.yaw / 2), 0, 0, math.sin(fixture.yaw / 2))
    builder = _Builder(spec, body, rgb, prefix, fixture, solid)
    {
        "cabinet": builder.cabinet,
        "cupboard": builder.cupboard,
        "button": builder.button,
        "knob": builder.knob,
        "shelf": builder.shelf,
    }[fixture.kind]()
    return body


def joint_value(part: Part, fixture: FixtureSpec) -> float:
    """Initial joint position that the specification asks for."""
    state = fixture.state.get(part.name, 0.0)
    return state * part.range if part.fraction else state


class _Builder:
    def __init__(
        self, spec: Any, body: Any, rgb: Sequence[float], prefix: str, fixture: FixtureSpec, solid: bool
    ) -> None:
        self.spec, self.body, self.rgb, self.prefix = spec, body, rgb, prefix
        self.fixture, self.solid = fixture, solid
        size = FIXTURE_DIMENSIONS[fixture.kind]
        self.x, self.y, self.height = *size.half, size.height

    def _add(self, body: Any, label: str, shapes: Sequence[Shape], mass: float = 1.0, **more: Any) -> None:
        add_shapes(
            self.spec,
            body,
            shapes,
            more.pop("rgb", self.rgb),
            name=f"{self.prefix}{label}",
            model_key=f"{self.prefix}{self.fixture.kind}:{label}",
            mass=mass,
            solid=self.solid,
            **more,
        )

    def _part(self, part: Part, position: Sequence[float], kind: Any, axis: Sequence[float]) -> tuple[Any, Any]:
        body = self.body.add_body(name=f"{self.prefix}{part.name}/moving", pos=position)
        if not self.solid:  # pictures move it without physics, yet the compiler asks for a mass
            body.mass, body.inertia, body.ipos, body.explicitinertial = 1.0, (0.01,) * 3, (0, 0, 0), True
        joint = body.add_joint(name=f"{self.prefix}{part.joint}", type=kind, axis=axis)
        joint.limited = mujoco.mjtLimited.mjLIMITED_TRUE
        joint.range = (0.0, part.range)
        joint.solref_limit = (0.01, 1.0)
        return body, joint

    def cabinet(self) -> None:
        x, y, h = self.x, self.y, self.height
        back = x - FRONT / 2  # the fronts close flush with the footprint
        boards = [Shape("box", (back, BOARD / 2, h / 2), (FRONT / 2, s * (y - BOARD / 2), h / 2)) for s in (-1, 1)]
        boards.append(Shape("box", (BOARD / 2, y, h / 2), (x - BOARD / 2, 0, h / 2)))
        middle = DRAWER_BOTTOMS["top drawer"] - 0.003
        for z in (h - BOARD / 2, middle, 0.012):
            thick = 0.003 if z == middle else BOARD / 2 if z > 0.1 else 0.012
            boards.append(Shape("box", (back, y - BOARD, thick), (FRONT / 2, 0, z)))
        self._add(self.body, "cabinet", boards)
        for part in PARTS["cabinet"]:
            self._drawer(part)

    def _drawer(self, part: Part) -> None:
        bottom = DRAWER_BOTTOMS[part.name]
        body, joint = self._part(part, (0, 0, bottom), SLIDE, (-1, 0, 0))
        joint.damping[0], joint.frictionloss, joint.armature = 4.0, 1.0, 0.1
        half_height = 0.052
        front = Shape("box", (FRONT / 2, self.y - 0.004, half_height), (-self.x + FRONT / 2, 0, half_height))
        (dx, dy), floor, wall, side = DRAWER_INNER, DRAWER_FLOOR, 0.004, 0.032
        centre = -self.x + FRONT + dx
        tray = [
            Shape("box", (dx, dy + wall, 0.002), (centre, 0, floor - 0.002), tint="light"),
            *(
                Shape("box", (dx, wall / 2, side), (centre, s * (dy + wall / 2), floor + side), tint="light")
                for s in (-1, 1)
            ),
            Shape("box", (wall / 2, dy, side), (centre + dx, 0, floor + side), tint="light"),
        ]
        self._add(body, f"drawer:{part.name}", [front, *tray], mass=0.8)
        self._handle(body, f"drawer_handle:{part.name}", -self.x, 0.0, half_height)

    def _handle(self, body: Any, label: str, front: float, y: float, z: float) -> None:
        bar = front - HANDLE_GAP
        posts = [
            Shape(
                "cylinder",
                (0.004, HANDLE_GAP / 2),
                (front - HANDLE_GAP / 2, y, z + s * (HANDLE_HALF - 0.005)),
                (math.sqrt(0.5), 0, math.sqrt(0.5), 0),
                "metal",
                material="metal",
            )
            for s in (-1, 1)
        ]
        grip = Shape(
            "capsule",
            (HANDLE_RADIUS, HANDLE_HALF - HANDLE_RADIUS),
            (bar, y, z),
            tint="metal",
            drawn=True,
            material="metal",
        )
        self._add(body, label, [grip, *posts], mass=0.06, contact=Contact((1.0, 0.01, 0.0001), 4))

    def cupboard(self) -> None:
        x, y, h = self.x, self.y, self.height
        middle = FRONT / 2
        walls = [
            Shape("box", (x - middle, BOARD / 2, h / 2), (middle, s * (y - BOARD / 2), h / 2)) for s in (-1, 1)
        ]
        walls += [
            Shape("box", (BOARD / 2, y - BOARD, h / 2), (x - BOARD / 2, 0, h / 2)),
            Shape("box", (x - middle, y - BOARD, BOARD / 2), (middle, 0, h - BOARD / 2)),
            Shape("box", (x - middle, y - BOARD, CUPBOARD_FLOOR / 2), (middle, 0, CUPBOARD_FLOOR / 2)),
            Shape(
                "box",
                (x - middle - 0.02, y - BOARD, 0.0006),
                (middle, 0, CUPBOARD_FLOOR + 0.0003),
                tint="light",
                solid=False,
            ),
        ]
        self._add(self.body, "cupboard", walls)
        part = PARTS["cupboard"][0]
        side = 1.0 if self.fixture.hinge == "left" else -1.0
        # The hinge lies at the front edge, so that the open door stays clear of the side wall.
        body, joint = self._part(part, (-x, side * y, 0.0), HINGE, (0, 0, -side))
        joint.damping[0], joint.frictionloss, joint.armature = 0.15, 0.04, 0.005
        reach = y - 0.002
        door = Shape("box", (FRONT / 2, reach, h / 2 - 0.008), (FRONT / 2, -side * y, h / 2 + 0.004))
        self._add(body, "door", [door], mass=0.6)
        self._handle(body, "door_handle", 0.0, -side * (2 * y - 0.035), h * 0.5)

    def button(self) -> None:
        r = self.x
        housing = turned(
            [(0, 0), (r, 0), (r, 0.016), (r - 0.006, 0.022), (0.70 * r, 0.022), (0.70 * r, 0.018), (0, 0.018)]
        )
        lamp = turned([(0.70 * r, 0.0215), (0.86 * r, 0.0215), (0.86 * r, 0.0235), (0.70 * r, 0.0235)])
        self._add(
            self.body,
            "button",
            [
                Shape("mesh", surface=housing, tint="steel", solid=False),
                Shape("mesh", surface=lamp, tint="lamp", solid=False),
                # The cap sinks into a well, or it would meet its own housing.
                Shape("cylinder", (r, 0.004), (0, 0, 0.004), drawn=False),
                *ring_of_plates((r, 0.008), (r, 0.022), 0.22 * r, 10),
            ],
        )
        body, joint = self._part(PARTS["button"][0], (0, 0, 0.0215), SLIDE, (0, 0, -1))
        # About 3 N to start moving and 5.5 N at the end of the travel.
        joint.stiffness[0], joint.springref, joint.damping[0], joint.armature = 200.0, -0.015, 2.0, 0.02
        radius = 0.66 * r
        cap = turned([(0, 0), (radius, 0), (radius, 0.016), (radius - 0.004, 0.020), (0, 0.0225)])
        self._add(
            body,
            "button:cap",
            [
                Shape("mesh", surface=cap, solid=False, material="glossy"),
                Shape("cylinder", (radius, 0.0105), (0, 0, 0.0115), drawn=False),
            ],
            mass=0.03,
        )

    def knob(self) -> None:
        r = self.x
        plate = Shape("cylinder", (r, 0.006), (0, 0, 0.006), tint="steel")
        ticks = [
            Shape(
                "box",
                (0.0045, 0.0015, 0.0004),
                (0.88 * r * math.cos(a), 0.88 * r * math.sin(a), 0.0122),
                (math.cos(a / 2), 0, 0, math.sin(a / 2)),
                "mark",
                solid=False,
            )
            for a in (-math.pi / 2, 0.0, math.pi / 2, math.pi)
        ]
        self._add(self.body, "knob", [plate, *ticks])
        part = PARTS["knob"][0]
        body, joint = self._part(part, (0, 0, 0.013), HINGE, (0, 0, 1))
        joint.range = (-part.range, part.range)
        joint.damping[0], joint.frictionloss, joint.armature = 0.02, 0.05, 0.0005
        self._add(
            body,
            "knob:grip",
            [
                Shape("cylinder", (0.030, 0.009), (0, 0, 0.009)),
                # A bar to hold, its pointer at the far side (+x) when the angle is zero.
                Shape("box", (0.029, 0.0085, 0.018), (0, 0, 0.034)),
                Shape(
                    "box",
                    (0.010, 0.0028, 0.0005),
                    (0.018, 0, 0.0523),
                    tint="mark" if self.fixture.color != "white" else "rubber",
                    solid=False,
                ),
            ],
            mass=0.08,
            contact=Contact((1.0, 0.01, 0.0001), 4),
        )

    def shelf(self) -> None:
        x, y, h = self.x, self.y, self.height
        board = Shape("box", (x, y, 0.007), (0, 0, h - 0.007))
        legs = [
            Shape(
                "box",
                (0.008, 0.008, (h - 0.014) / 2),
                (sx * (x - 0.010), sy * (y - 0.010), (h - 0.014) / 2),
                tint="dark",
            )
            for sx in (-1, 1)
            for sy in (-1, 1)
        ]
        self._add(self.body, "shelf", [board, *legs])

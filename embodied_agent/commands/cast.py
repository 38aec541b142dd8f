"""Drawing the scene for a command, and describing its things so that nobody mistakes them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from embodied_agent.commands.splits import colors_for, generator, pairs
from sim.descriptions import CATEGORIES, PARTS, Description, Thing, relation_test, resolve
from sim.dimensions import DIMENSIONS, FRUITS
from sim.draw import draw_scene
from sim.placement import DRAWER_INNER
from sim.scene import FixtureSpec, ObjectSpec, Scene
from sim.things import things_of

# What an 8 cm hand carries with some certainty, and how often it is asked for.
CARRIED = {
    "cube": 5,
    "cylinder": 2,
    "ball": 2,
    "can": 2,
    "bottle": 1,
    "banana": 2,
    "apple": 2,
    "lemon": 2,
    "mug": 1,
}
DISTRACTORS = (*CARRIED, "bowl", "plate", "box", "bin")
_JITTER = 0.015  # [m] a description must survive its things being seen this far off


class Retry(Exception):
    """This draw leads nowhere; another one follows."""


@dataclass
class Cast:
    """The drawing of one example: chance, split, and the scene once it is drawn."""

    rng: random.Random
    split: str
    scene: Scene = field(default_factory=Scene)
    things: tuple[Thing, ...] = ()

    def kind(self, *kinds: str) -> str:
        """One of some kinds; a thing that the hand can carry if none are given."""
        options = kinds or tuple(CARRIED)
        return self.rng.choices(options, [CARRIED.get(k, 2) for k in options])[0]

    def spec(self, kind: str = "", color: str = "", size: str = "", **more: object) -> ObjectSpec:
        """An object without a place yet."""
        kind = kind or self.kind()
        color = color or self.rng.choice(colors_for(kind, self.split))
        size = size or ("small" if self.rng.random() < (0.9 if kind == "apple" else 0.55) else "large")
        return ObjectSpec(kind, color, size, **more)  # type: ignore[arg-type]

    def carried(self, fitting: Callable[[str, str], bool]) -> tuple[str, str]:
        """Kind and size of a thing to carry that fits.

        Raises:
            Retry: Twenty did not.
        """
        for _ in range(20):
            spec = self.spec()
            if fitting(spec.kind, spec.size):
                return spec.kind, spec.size
        raise Retry

    def draw(
        self,
        *required: ObjectSpec,
        fixtures: Sequence[str | FixtureSpec] = (),
        state: Mapping[str, float] | None = None,
        extra: tuple[int, int] = (0, 3),
        kinds: Sequence[str] = DISTRACTORS,
        gap: float = 0.045,
    ) -> tuple[Thing, ...]:
        """Draw the scene: what is required first, then distractors that resemble it.

        Returns:
            The things of `required`, in order.

        Raises:
            Retry: There was no room.
        """
        wanted = [*required, *self._lookalikes(required, kinds, self.rng.randint(*extra))]
        wanted += self._others(kinds, self.rng.randint(*extra) // 2)
        fitting = tuple(fixtures)
        if not fitting and self.rng.random() < 0.15:
            fitting = (self.rng.choice(("button", "knob", "shelf")),)
        try:
            self.scene = draw_scene(
                self.rng.getrandbits(31),
                count=(len(wanted), len(wanted)),
                pairs=[(kind, color) for color, kind in sorted(pairs(self.split))],
                required=wanted,
                fixtures=fitting,
                state=state,
                gap=gap,
            )
        except ValueError:
            raise Retry from None
        self.things = things_of(self.scene)
        return self.things[: len(required)]

    def _lookalikes(self, required: Sequence[ObjectSpec], kinds: Sequence[str], number: int) -> list[ObjectSpec]:
        """Things of the same kind or colour as something required: words must tell them apart."""
        found = []
        for _ in range(number if required else 0):
            model, chance = self.rng.choice(required), self.rng.random()
            if model.kind not in kinds:
                continue
            if chance < 0.45:
                found.append(self.spec(model.kind))
            elif chance < 0.6:
                found.append(self.spec(model.kind, model.color))
            else:
                same = [k for k in kinds if model.color in colors_for(k, self.split)]
                found.append(
                    self.spec(self.rng.choice(same), model.color) if same else self.spec(self.rng.choice(kinds))
                )
        return found

    def _others(self, kinds: Sequence[str], number: int) -> list[ObjectSpec]:
        return [self.spec(self.rng.choice(tuple(kinds))) for _ in range(number)]

    def describe(self, thing: Thing, plain: bool = False) -> Description:
        """A description that fits this thing alone, safely so.

        Args:
            thing: What is meant.
            plain: Only kind, colour and size: it stays true after other things have moved.

        Raises:
            Retry: No such description came to mind.
        """
        options = _plain_options(thing)
        self.rng.shuffle(options)
        options.sort(key=lambda item: item[0] * self.rng.random(), reverse=True)
        found = [description for _, description in options if self._safe(description, thing)]
        elaborate = self.rng.random() < (0.25 if found else 1.0)
        if not plain and elaborate and thing.kind not in PARTS:
            richer = self._richer(thing)
            if richer is not None:
                return richer
        if not found:
            raise Retry
        return found[0]

    def _richer(self, thing: Thing) -> Description | None:
        """With an ordinal or a relation."""
        bases = [Description(thing.kind), Description(thing.kind, thing.color)]
        bases += [
            Description(c) for c in ("object", "fruit") if thing.kind in CATEGORIES[c] and self.rng.random() < 0.2
        ]
        options: list[Description] = []
        for base in bases:
            if len(resolve(base, self.things)) < 2:
                continue
            if base.kind != "object":
                for word in ("leftmost", "rightmost", "nearest", "farthest", "largest", "smallest"):
                    options.append(replace(base, ordinal=word))
                for side in ("left", "right", "front", "back"):
                    options += [replace(base, ordinal=f"{rank} from the {side}") for rank in ("second", "third")]
        for base in bases:
            for other in self.things:
                for relation in ("left of", "right of", "in front of", "behind", "next to", "on", "in"):
                    if other.kind in (thing.kind, *PARTS) or not relation_test(relation)(thing, other):
                        continue
                    options += [
                        replace(base, relation=relation, reference=reference)
                        for reference in (Description(other.kind), Description(other.kind, other.color))
                        if self._safe(reference, other)
                    ]
        self.rng.shuffle(options)
        return next((item for item in options[:24] if self._safe(item, thing)), None)

    def _safe(self, description: Description, thing: Thing) -> bool:
        return self.safely(description) == [thing.id]

    def safely(self, description: Description) -> list[str] | None:
        """Ids that a description fits, or None where a small error of measurement would change them."""
        ids = [item.id for item in resolve(description, self.things)]
        if not (description.ordinal or description.relation) or description.kind == "drawer":
            return ids
        rng = random.Random(len(ids))  # the check draws no chance from the example's own source
        for _ in range(3):
            moved = [_moved(thing, rng) for thing in self.things]
            if sorted(item.id for item in resolve(description, moved)) != sorted(ids):
                return None
        return ids

    def absent(self, kinds: Sequence[str] = DISTRACTORS) -> Description:
        """A description of something that is not in the scene: often one word away from what is.

        Raises:
            Retry: Everything tried is there.
        """
        chance = self.rng.random()
        objects = [thing for thing in self.things if thing.kind in DISTRACTORS]
        if objects and chance < 0.6:
            model = self.rng.choice(objects)
            colors = colors_for(model.kind, self.split)
            options = [Description(model.kind, color) for color in colors]
            options += [Description(k, model.color) for k in kinds if model.color in colors_for(k, self.split)]
        else:
            options = [Description(k) for k in kinds] + [
                Description(k, c) for k in kinds for c in colors_for(k, self.split)
            ]
        self.rng.shuffle(options)
        for option in options:
            if option.kind in kinds and not resolve(option, self.things):
                return option
        raise Retry


def _plain_options(thing: Thing) -> list[tuple[float, Description]]:
    kind, color, size = thing.kind, thing.color, thing.size
    if kind == "drawer":
        return [(1.0, Description("drawer", ordinal=thing.id.split()[0]))]
    if kind in ("cupboard door", "cabinet", "cupboard", "shelf"):
        return [(1.0, Description(kind))]
    if kind in ("button", "knob"):
        named = [(0.2, Description(kind, color))] if color else []
        return [(1.0, Description(kind)), *named]
    options = [(1.0, Description(kind, color)), (0.8, Description(kind))]
    options += [(0.25, Description(kind, size=size)), (0.35, Description(kind, color, size))]
    if kind in FRUITS:
        options = [(1.0, Description(kind)), (0.3, Description("fruit")), (0.15, Description(kind, color))]
        options.append((0.2, Description(kind, size=size)))
    elif kind in CATEGORIES["container"] and kind != "mug":
        options.append((0.1, Description("container")))
    else:
        options.append((0.06, Description("object", color)))
    return options


def _moved(thing: Thing, rng: random.Random) -> Thing:
    x, y, z = thing.position
    return replace(thing, position=(x + rng.uniform(-_JITTER, _JITTER), y + rng.uniform(-_JITTER, _JITTER), z))


def fits(kind: str, size: str, container: Thing) -> bool:
    """Whether an object surely goes into a container, a drawer, or onto a plate."""
    inner = DIMENSIONS[kind, size]
    width, height = max(inner.half), inner.height
    if kind in ("cube", "box"):
        width *= 1.3  # its diagonal
    if container.kind == "drawer":
        return width <= 0.8 * min(DRAWER_INNER) and height <= 0.065
    outer = DIMENSIONS[container.kind, container.size]
    tall = height > (0.15 if container.kind == "bin" else 0.12 if container.kind == "box" else 0.09)
    return outer.inner > 0 and width + 0.004 <= outer.inner and not tall


def sized(kind: str, size: str) -> Thing:
    """A thing of which only the kind and the size count."""
    return Thing("", kind, "white", size, (0, 0, 0), (0, 0, 0))


def new_cast(split: str, seed: int, purpose: str) -> Cast:
    """The start of one example."""
    return Cast(generator(split, seed, purpose), split)

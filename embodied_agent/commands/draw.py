"""From a seed to a whole example: scene, sentence, goal, program, and what each phrase means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from embodied_agent.commands import joining, wording
from embodied_agent.commands.cast import Cast, Retry, new_cast
from embodied_agent.commands.compound import conditional, holds, point, steps
from embodied_agent.commands.declined import DECLINED
from embodied_agent.commands.draft import Clicked, Draft, Said, Slot
from embodied_agent.commands.families import FAMILIES as SIMPLE
from embodied_agent.commands.lexicon import NUMBERS, USES
from embodied_agent.commands.sentence import Pieces, Ref, fill, owners, polish, refs_of, spans_of, text_of
from embodied_agent.commands.splits import SPLITS, of_split
from embodied_agent.commands.templates import templates
from embodied_agent.planners import goal as g
from embodied_agent.planners.scripted import program_text
from embodied_agent.types import Camera, Pose
from sim.descriptions import Description, parse_canonical, resolve
from sim.scene import CameraSpec, Scene

# How often each kind of command is drawn, families of the benchmark first.
WEIGHTS: dict[str, float] = {
    "place_in": 9,
    "place_on": 6,
    "place_beside": 7,
    "stack": 5,
    "sort": 5,
    "open": 3,
    "close": 2.5,
    "put_in_drawer": 6,
    "press": 1.5,
    "turn": 3,
    "push": 5,
    "clear": 5,
    "swap": 4,
    "conditional": 9,
    "steps": 8,
    "hold": 2,
    "home": 0.5,
    "point": 4,
    "absent": 6,
    "ambiguous": 6,
    "unsaid": 1.5,
    "unreachable": 3,
    "misfit": 1,
    "declined": 6,
}
FAMILY_NAMES = tuple(WEIGHTS)


@dataclass(frozen=True)
class Grounded:
    """A phrase of a command and what it means.

    Attributes:
        phrase: As written in the command; "" where the words leave it out ("clear the table").
        canonical: The description that the program passes to `find`, `find_all`, `exists`, `count`.
        ids: Names of the things meant, in the scene; () = none is there.
        ambiguous: It asks for one thing and fits several.
        alone: The phrase by itself says all of it; else the rest of the command is needed.
    """

    phrase: str
    canonical: str
    ids: tuple[str, ...]
    ambiguous: bool = False
    alone: bool = True


@dataclass(frozen=True)
class Example:
    """One command with all that is known about it.

    Attributes:
        scene: Where it is said.
        command: The sentence.
        points: Clicked pixels (x, y) in the scene's first camera.
        goal: What is wanted.
        program: The oracle's program.
        groundings: What each phrase means, in the order of the sentence.
        kind: "act", "refuse" or "ask".
        family: One of `FAMILY_NAMES`.
        split: Which split it belongs to.
        seed: What drew it, with split and family.
        templates: Every template and fixed phrase that the sentence is made of.
        branch: Of a conditional: whether its condition holds at the start; else None.
        clicked: What `points` show, by truth.
        clauses: Of a conditional: its condition ("if"), what to do then ("1") and otherwise ("2"), each as
            first character and the one after the last.
    """

    scene: Scene
    command: str
    points: tuple[tuple[float, float], ...]
    goal: g.Goal
    program: str
    groundings: tuple[Grounded, ...]
    kind: str
    family: str
    split: str
    seed: int
    templates: tuple[str, ...]
    branch: bool | None = None
    clicked: tuple[Clicked, ...] = ()
    clauses: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def generate(seed: int, split: str, family: str | None = None) -> Example:
    """Draw one example; the same arguments give the same example.

    Args:
        seed: Any integer.
        split: "train", "validation" or "evaluation".
        family: One of `FAMILY_NAMES`; None = a random one.

    Raises:
        ValueError: Unknown split or family.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}, known: {', '.join(SPLITS)}")
    if family is not None and family not in WEIGHTS:
        raise ValueError(f"unknown family {family!r}, known: {', '.join(WEIGHTS)}")
    for attempt in range(400):
        cast = new_cast(split, seed, f"{family or 'any'}/{attempt}")
        drawn = family or cast.rng.choices(FAMILY_NAMES, tuple(WEIGHTS.values()))[0]
        try:
            return _Teller(cast).example(drawn, seed)
        except Retry:
            continue
    raise ValueError(f"no {family or 'example'} could be drawn from seed {seed} ({split})")


class _Teller:
    """Words one draft, keeping track of the templates used."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.rng = cast.rng
        self.used: list[str] = []
        self.owned: tuple[str, ...] = ()  # of each piece of a conditional, the clause that it belongs to

    def example(self, family: str, seed: int) -> Example:
        branch = None
        points: tuple[Clicked, ...] = ()
        implied: tuple[Description, ...] = ()
        if family == "steps":
            goal, pieces = self._steps()
        elif family == "conditional":
            goal, pieces, branch = self._conditional()
        else:
            draft = self._draft(family)
            goal, points, implied = draft.goal, draft.points, draft.implied
            pieces = self._wrapped(draft)
        pieces = polish(pieces, self.rng)
        command = text_of(pieces)
        kind = "refuse" if isinstance(goal, g.Refuse) else "ask" if isinstance(goal, g.Ask) else "act"
        return Example(
            self.cast.scene,
            command,
            self._pixels(points),
            goal,
            program_text(goal),
            self._groundings(pieces, implied),
            kind,
            family,
            self.cast.split,
            seed,
            tuple(self.used),
            branch,
            points,
            spans_of(pieces, self.owned),
        )

    def _draft(self, family: str) -> Draft:
        if family == "point":
            return point(self.cast)
        return (SIMPLE | DECLINED)[family](self.cast)

    def _choose(self, options: tuple[str, ...]) -> str:
        """One of a pool's templates that belong to this split."""
        chosen = self.rng.choice(of_split(options, self.cast.split))
        self.used.append(chosen)
        return chosen

    def _clause(self, draft: Draft, imperative: bool) -> tuple[Pieces, bool]:
        """The bare clause of a draft, and whether it is an imperative."""
        pattern = draft.pattern
        if pattern.startswith("!"):
            return (pattern[1:],), False
        if pattern.startswith("="):
            template = pattern[1:]
            self.used.append(template)
        else:
            pool = templates(pattern, self.cast.split)
            if imperative:
                pool = tuple(text for text in pool if not text.startswith("~")) or pool
            template = self.rng.choice(pool)
            self.used.append(template)
        slots = {key: self._slot(slot) for key, slot in draft.slots.items()}
        pieces = fill(template.removeprefix("~"), slots)
        for key in draft.manner:
            pieces = self._with_manner(pieces, self._choose(joining.MANNERS[key]))
        return pieces, not template.startswith("~")

    def _with_manner(self, pieces: Pieces, words: str) -> Pieces:
        comma = "" if words.split()[0] in ("gently", "softly", "slowly", "from", "by") else ","
        return (*pieces, f"{comma} {words}")

    def _slot(self, slot: Slot, article: str = "the") -> Pieces:
        if isinstance(slot, str):
            return (slot,)
        said, meant = (slot.said, slot.meant) if isinstance(slot, Said) else (slot, slot)
        phrase = wording.phrase(said, self.rng, self.cast.split, self.cast.things, article)
        if phrase in _uses():
            self.used.append(phrase)
        ids = tuple(thing.id for thing in resolve(meant, self.cast.things))
        return (Ref(phrase, meant.text(), ids, said == meant),)

    def _wrapped(self, draft: Draft) -> Pieces:
        """A clause with politeness and small talk."""
        pieces, imperative = self._clause(draft, imperative=False)
        question = isinstance(draft.goal, g.Refuse) and draft.goal.why in ("not_a_task", "language", "junk")
        if imperative and not question and self.rng.random() < 0.45:
            pieces = fill(self._choose(joining.WRAPPERS), {"": pieces})
        if not question and self.rng.random() < 0.04:
            pieces = (self._choose(joining.OPENERS) + " ", *pieces)
        return pieces

    def _steps(self) -> tuple[g.Goal, Pieces]:
        drafts = steps(self.cast)
        pool = joining.SEQUENCES_3 if len(drafts) == 3 else joining.SEQUENCES_2
        template = self._choose(pool)
        slots = {str(i + 1): self._clause(draft, True)[0] for i, draft in enumerate(drafts)}
        pieces = fill(template, slots)
        if self.rng.random() < 0.2 and not template[0].isdigit():
            pieces = fill(self._choose(joining.WRAPPERS), {"": pieces})
        return g.Sequence(tuple(draft.goal for draft in drafts)), pieces

    def _conditional(self) -> tuple[g.Goal, Pieces, bool]:
        condition, drafts = conditional(self.cast)
        branch = holds(condition, self.cast)
        if not branch and len(drafts) == 1 and self.rng.random() < 0.6:
            raise Retry  # commands that come to nothing are worth a few examples only
        slots = {str(i + 1): self._clause(draft, True)[0] for i, draft in enumerate(drafts)}
        slots["if"] = self._condition(condition)
        template = self._choose(joining.CONDITIONS_ELSE if len(drafts) == 2 else joining.CONDITIONS)
        pieces, self.owned = fill(template, slots), owners(template, slots)
        otherwise = drafts[1].goal if len(drafts) == 2 else None
        return g.Conditional(condition, drafts[0].goal, otherwise), pieces, branch

    def _condition(self, condition: g.Condition) -> Pieces:
        rng = self.rng
        if isinstance(condition, g.Exists):
            no = condition.negated
            thing = self._slot(condition.thing, "" if no else "a")
            if no:
                return fill(rng.choice(("there is no {x}", "you see no {x}", "there isn't any {x}")), {"x": thing})
            form = rng.choice(
                ("there is {x}", "there's {x}", "you see {x}", "you can see {x}", "{x} is on the table")
            )
            return fill(form, {"x": thing})
        if isinstance(condition, g.Counted):
            return self._counted(condition)
        if isinstance(condition, g.PartState):
            words = ("open", "opened", "not closed") if condition.open else ("closed", "shut", "not open")
            form = rng.choice(("{x} is %s", "{x} is %s", "{x} is still %s")) % rng.choice(words)
            return fill(form, {"x": self._slot(condition.part)})
        sides = {"left_of": "left", "right_of": "right", "in_front_of": "front", "behind": "behind"}
        word = wording.pick(rng, joining.SIDES[sides[condition.test]])
        slots = {"x": self._slot(condition.first), "y": self._slot(condition.second)}
        return fill(f"{{x}} {rng.choice(('is', 'stands'))} {word} {{y}}", slots)

    def _counted(self, condition: g.Counted) -> Pieces:
        rng, n = self.rng, condition.number
        number = rng.choice(NUMBERS[n])
        options = {
            ">": (f"more than {number}",),
            ">=": (f"at least {number}", f"{number} or more"),
            "==": (f"exactly {number}", f"just {number}", f"precisely {number}"),
            "<": (f"fewer than {number}", f"less than {number}"),
        }[condition.sign]
        noun = wording.phrase(
            replace(condition.things, plural=n > 1), rng, self.cast.split, self.cast.things, "", True
        )
        ids = tuple(thing.id for thing in resolve(condition.things, self.cast.things))
        ref = Ref(noun, condition.things.text(), ids)
        verb = rng.choice(("there are " if n > 1 else "there is ", "you see ", "you can count "))
        return (f"{verb}{rng.choice(options)} ", ref)

    def _groundings(self, pieces: Pieces, implied: tuple[Description, ...]) -> tuple[Grounded, ...]:
        found = [Grounded(r.phrase, r.canonical, r.ids, _unsure(r), r.alone) for r in refs_of(pieces)]
        for item in implied:
            found.append(Grounded("", item.text(), tuple(x.id for x in resolve(item, self.cast.things))))
        return tuple(found)

    def _pixels(self, points: tuple[Clicked, ...]) -> tuple[tuple[float, float], ...]:
        if not points:
            return ()
        camera = camera_of(self.cast.scene.cameras[0])
        pixels = camera.project(np.asarray([point.position for point in points]))
        if not ((pixels > 4) & (pixels < (camera.width - 4, camera.height - 4))).all():
            raise Retry
        return tuple((round(float(x), 1), round(float(y), 1)) for x, y in pixels)


def camera_of(spec: CameraSpec) -> Camera:
    """The pinhole camera of a fixed camera: looks at its target, image up as far up as it can be."""
    focal = spec.height / 2 / math.tan(spec.fov / 2)
    eye, target = np.asarray(spec.position), np.asarray(spec.target)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if np.linalg.norm(right) < 1e-9:  # looking straight down: image up is +x
        right = np.array([0.0, -1.0, 0.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, eye
    centre = (spec.width - 1) / 2, (spec.height - 1) / 2
    return Camera(spec.name, spec.width, spec.height, focal, focal, *centre, Pose.from_matrix(matrix))


def _unsure(ref: Ref) -> bool:
    return len(ref.ids) > 1 and not _is_plural(ref.canonical)


@lru_cache(maxsize=4096)
def _is_plural(canonical: str) -> bool:
    return parse_canonical(canonical).plural


@lru_cache(maxsize=1)
def _uses() -> frozenset[str]:
    return frozenset(phrase for phrases in USES.values() for phrase in phrases)

"""What the benchmark runs: whole episodes on the table, and commands whose programs are compared.

Both come from the evaluation split, which training never sees. The same family and seed give the
same episode.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from embodied_agent.commands.draw import FAMILY_NAMES, Example, generate
from embodied_agent.commands.effect import effect_of, same_effect
from embodied_agent.commands.paper import Effect
from embodied_agent.commands.truth import predicate_of
from embodied_agent.errors import ProgramError
from embodied_agent.planners.goal import FAMILIES, Goal
from embodied_agent.program.parse import parse
from embodied_agent.types import Command
from sim.happened import Run, Truth
from sim.scene import Scene
from sim.tasks import Judgement, Predicate, judge

__all__ = [
    "DECLINED",
    "FAMILIES",
    "Episode",
    "Grade",
    "effect_of",
    "episode",
    "grade",
    "language",
    "same_effect",
    "tabletop",
]

SPLIT = "evaluation"
DECLINED = ("absent", "ambiguous", "unsaid", "unreachable", "misfit", "declined")


@dataclass(frozen=True)
class Episode:
    """One run of the tabletop suite.

    Attributes:
        family: One of `FAMILIES`.
        seed: With the family, what drew it.
        scene: The world at the start.
        command: What is said, with clicked points.
        goal: The structured goal, for the scripted planner alone.
        predicate: What simulator truth is asked at the end.
        example: All that is known about the command.
    """

    family: str
    seed: int
    scene: Scene
    command: Command
    goal: Goal
    predicate: Predicate
    example: Example

    def judge(self, before: Truth, after: Truth, peaks: dict[str, float] | None = None) -> Judgement:
        """Judge a run by truth.

        Args:
            before, after: `World.truth` at the start and at the end.
            peaks: Largest joint positions in between, where `after` carries no "peak".
        """
        return judge(self.predicate, Run(self.scene, before, after, peaks))


def episode(family: str, seed: int, split: str = SPLIT) -> Episode:
    """The episode of a family and seed.

    Raises:
        ValueError: Unknown family, or one whose commands are not carried out.
    """
    if family not in FAMILY_NAMES or family in DECLINED:
        known = ", ".join(name for name in FAMILY_NAMES if name not in DECLINED)
        raise ValueError(f"unknown task family {family!r}, known: {known}")
    example = generate(seed, split, family)
    predicate = predicate_of(example.goal, example.scene, example.branch, example.clicked)
    command = Command(example.command, example.points, example.scene.cameras[0].name)
    return Episode(family, seed, example.scene, command, example.goal, predicate, example)


def tabletop(episodes: int, seed: int = 0, families: tuple[str, ...] = FAMILIES) -> Iterator[Episode]:
    """The tabletop suite: `episodes` of each family, seeds counted from `seed`, families in turn."""
    for number in range(episodes):
        for family in families:
            yield episode(family, seed + number)


def language(count: int, seed: int = 0, split: str = SPLIT) -> Iterator[Example]:
    """The language suite: `count` commands of all kinds, in the mixture that training has."""
    for number in range(count):
        yield generate(seed + number, split)


@dataclass(frozen=True)
class Grade:
    """How a program for an example compares with the oracle's.

    Attributes:
        parsed: It is in the language.
        same: It is the oracle's, or has the same effect.
        kind_right: It acts, refuses or asks as it should.
        wrong_action: It would act on a command that must be refused or asked about.
    """

    parsed: bool
    same: bool
    kind_right: bool
    wrong_action: bool


def grade(program: str, example: Example) -> Grade:
    """Compare a planner's program with the oracle's, by effect."""

    try:
        parse(program)
    except ProgramError:
        return Grade(False, False, False, False)
    effect: Effect = effect_of(program, example.scene, example.clicked)
    kind = effect.answer[0] if effect.answer else "act"
    same = program == example.program or same_effect(program, example.program, example.scene, example.clicked)
    return Grade(True, same, kind == example.kind, kind == "act" and example.kind != "act")

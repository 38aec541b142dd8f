"""Do the words become the right program? Held-out commands on rendered scenes; nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from embodied_agent.account import versions
from embodied_agent.benchmark.metrics import Share, spread
from embodied_agent.benchmark.pool import Unusable, run_jobs
from embodied_agent.benchmark.runner import BenchOptions, machine
from embodied_agent.errors import EmbodiedAgentError, PlannerError

LONGEST = 300.0  # [s] for one command in a worker


@dataclass(frozen=True)
class Answer:
    """One command, and what the planner made of it.

    Attributes:
        seed, family, kind: Of the example; kind is "act", "refuse" or "ask".
        command, wanted, program: The sentence, the oracle's program, and the planner's.
        parsed, same, kind_right, wrong_action: See `suites.Grade`.
        plan_s: Wall time.
        error: Why there is no program.
    """

    seed: int
    family: str
    kind: str
    command: str
    wanted: str
    program: str
    parsed: bool
    same: bool
    kind_right: bool
    wrong_action: bool
    plan_s: float
    error: str = ""


class Asker:
    """Asks a planner for the first program of one command after another."""

    def __init__(self, options: BenchOptions) -> None:
        from embodied_agent.library import library
        from embodied_agent.planners.catalog import make_planner
        from embodied_agent.program.grammar import lark
        from embodied_agent.program.reference import reference

        self.options = options
        self.planner = make_planner(options.planner, url=options.planner_url, model=options.model)
        known = library().for_planner
        self.reference, self.grammar, self.signatures = reference(known), lark(known), tuple(known.values())

    def __call__(self, seed: int) -> dict[str, Any]:
        """The graded answer to the example of a seed, as JSON."""
        from embodied_agent.benchmark.suites import SPLIT, grade
        from embodied_agent.commands.draw import generate
        from embodied_agent.planners.planner import PlanRequest
        from embodied_agent.robots.catalog import make
        from embodied_agent.types import Command

        example = generate(seed, SPLIT)
        noise = {"depth_noise": self.options.depth_noise}
        with make("mujoco", self.options.robot, example.scene, seed=seed, **noise) as backend:
            frame = backend.capture(backend.cameras[0])
        command = Command(example.command, example.points, frame.camera.name)
        goal = example.goal if self.options.planner == "scripted" else None
        request = PlanRequest(
            command, (frame,), self.options.robot, self.reference, self.grammar, self.signatures, goal=goal
        )
        start, program, error = time.perf_counter(), "", ""
        try:
            program = self.planner.plan(request).text
        except EmbodiedAgentError as caught:
            error = " ".join(str(caught).split())[:300]
        seconds = time.perf_counter() - start
        graded = grade(program, example)
        return asdict(
            Answer(
                seed, example.family, example.kind, example.command, example.program, program, graded.parsed,
                graded.same, graded.kind_right, graded.wrong_action, seconds, error,
            )
        )  # fmt: skip


def ask(
    options: BenchOptions,
    count: int,
    workers: int,
    told: Callable[[Answer, int], None] = lambda answer, done: None,
) -> list[Answer]:
    """Ask for `count` programs, seeds counted from the options' seed.

    Raises:
        PlannerError: The planner cannot be loaded.
    """
    answers: list[Answer] = []
    seeds = [options.seed + number for number in range(count)]
    try:
        for done in run_jobs(Asker, options, seeds, workers, LONGEST):
            values = done.value or {}
            answer = (
                Answer(**values)
                if values
                else Answer(done.job, "", "", "", "", "", False, False, False, False, 0.0, done.error)
            )
            answers.append(answer)
            told(answer, len(answers))
    except Unusable as error:
        raise PlannerError(f"planner {options.planner} cannot be run: {error}") from None
    return sorted(answers, key=lambda answer: answer.seed)


def language_summary(options: BenchOptions, answers: list[Answer]) -> dict[str, Any]:
    """All figures, JSON-ready, with every wrong answer."""
    return {
        "planner": options.planner, "seed": options.seed, "count": len(answers),
        "figures": {name: share.as_json() for name, share in language_shares(answers).items()},
        "plan_s": asdict(spread(answer.plan_s for answer in answers if not answer.error)),
        "families": {
            family: Share(sum(a.same for a in group), len(group)).as_json()
            for family, group in grouped(answers).items()
        },
        "wrong": [asdict(answer) for answer in answers if not answer.same],
        "machine": machine(), "versions": versions(),
    }  # fmt: skip


def language_shares(answers: list[Answer]) -> dict[str, Share]:
    """The figures, by name."""
    spoken = [answer for answer in answers if answer.kind in ("refuse", "ask")]
    acted = [answer for answer in answers if answer.kind == "act"]
    return {
        "program right, or of the same effect": Share(sum(a.same for a in answers), len(answers)),
        "of commands to carry out": Share(sum(a.same for a in acted), len(acted)),
        "refusals and questions right": Share(sum(a.kind_right for a in spoken), len(spoken)),
        "wrong action on a command to refuse or ask about": Share(
            sum(a.wrong_action for a in spoken), len(spoken)
        ),
        "in the language": Share(sum(a.parsed for a in answers), len(answers)),
    }


def grouped(answers: list[Answer]) -> dict[str, list[Answer]]:
    """Answers by family, in alphabetical order."""
    groups: dict[str, list[Answer]] = {}
    for answer in sorted(answers, key=lambda a: a.family):
        groups.setdefault(answer.family or "lost", []).append(answer)
    return groups

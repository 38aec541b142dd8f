"""The closed loop: observe, plan, check, run, repair; and an honest account of it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from embodied_agent import account
from embodied_agent.account import Account, versions
from embodied_agent.consent import AGREED, NONE, Ask, Gate, Question
from embodied_agent.control.safety import Supervisor
from embodied_agent.errors import Cancelled, CommandRefused, PlannerError, ProgramError, SafetyStop
from embodied_agent.library import library
from embodied_agent.perception.grounder import Grounder
from embodied_agent.planners.goal import Goal
from embodied_agent.planners.planner import Failure, Plan, Planner, PlanRequest
from embodied_agent.primitives.arm import Arm
from embodied_agent.primitives.context import Context
from embodied_agent.primitives.grip import is_holding
from embodied_agent.primitives.move import FURNITURE
from embodied_agent.primitives.view import View
from embodied_agent.program.check import check
from embodied_agent.program.events import Event, Outcome
from embodied_agent.program.grammar import lark
from embodied_agent.program.nodes import Program
from embodied_agent.program.parse import parse
from embodied_agent.program.reference import reference
from embodied_agent.program.render import render
from embodied_agent.program.repair import already_done, beginning_with, handled_first
from embodied_agent.program.run import Budget, run
from embodied_agent.robots.backend import Backend
from embodied_agent.types import Command, Frame, JointTrajectory, Object, Status

LONGEST_COMMAND = 2000  # characters
SET_DOWN = "_set_down"  # the skill with which a repair begins that finds something else in the hand


@dataclass(frozen=True)
class Budgets:
    """What one command may use.

    Attributes:
        plans: Programs asked of the planner because one was not accepted or failed, the first included.
        seconds: Wall-clock time for the whole run; it stands still while a person is asked for consent.
        robot_seconds: Time of the robot's own clock for it. In simulation that is the same on any
            machine, however busy.
        steps: Statements that one program may run.
    """

    plans: int = 3
    seconds: float = 300.0
    robot_seconds: float = math.inf
    steps: int = 2000


@dataclass(frozen=True)
class Listeners:
    """Who hears of a run while it goes on; each is called from the run's own thread.

    Attributes:
        planned: Program accepted, about to run, and the planner's reading of the command.
        event: A node started or ended.
        seen: A frame that was looked at.
        perceived: All things known after a look, or after a primitive found one.
        following: A trajectory that was allowed and starts now.
        consent: Asked for consent, and waits; see `embodied_agent.consent`. Any answer but AGREED ends
            the run as cancelled.
        consent_for: What it is asked for: "none", "task" (each program) or "unit" (each of its units).
    """

    planned: Callable[[Program, Plan], None] = lambda program, plan: None
    event: Callable[[Event], None] = lambda event: None
    seen: Callable[[Frame], None] = lambda frame: None
    perceived: Callable[[tuple[Object, ...]], None] = lambda objects: None
    following: Callable[[JointTrajectory], None] = lambda trajectory: None
    consent: Ask = lambda question: AGREED
    consent_for: str = NONE


@dataclass
class _Run:
    """What one run has gathered so far."""

    command: Command
    goal: Goal | None
    start: float
    plans: list[Plan] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    program: str = ""
    plan_s: float = 0.0
    asked_s: float = 0.0  # that a person took to answer
    verdict: str = account.FAILED
    message: str = ""


class Agent:
    """One robot that takes commands.

    Args:
        backend: The robot; the agent puts its supervisor before it.
        planner: Writes programs.
        grounder: Names what the cameras see.
        seed: Of every random choice in planning motions.
        budgets: What one command may use.
        perception: "camera", or "truth" for the ablation; stated in every account.
        speed_scale: Share of every speed limit of the robot that is used, 0.01 to 1; stated, too.
        log: Receives each decision of the supervisor as one line of JSON.
    """

    def __init__(
        self,
        backend: Backend,
        planner: Planner,
        grounder: Grounder,
        *,
        seed: int = 0,
        budgets: Budgets | None = None,
        perception: str = "camera",
        speed_scale: float = 1.0,
        log: TextIO | None = None,
    ) -> None:
        self.backend, self.planner, self.grounder = backend, planner, grounder
        self.seed, self.perception = seed, perception
        self.budgets = budgets or Budgets()
        self.cancel = threading.Event()
        self._deadline = self._robot_deadline = math.inf
        self.supervisor = Supervisor(
            backend,
            backend.description,
            cancelled=self.cancel.is_set,
            expired=lambda: bool(self._over()),
            log=log,
        )
        self.supervisor.slow_down(speed_scale)
        self.arm = Arm(self.supervisor, seed)
        self._library = library(backend.places)
        signatures = self._library.for_planner
        self._reference = reference(signatures)
        self._grammar = lark(signatures)
        self._signatures = tuple(signatures.values())

    def run(self, command: Command, *, goal: Goal | None = None, listeners: Listeners | None = None) -> Account:
        """Carry a command out, or refuse it, and tell what was measured.

        Args:
            command: What the person asked for.
            goal: Structured goal for the scripted oracle; None with any other planner.
            listeners: Who hears of it meanwhile.

        Raises:
            CommandRefused: The text cannot be a command.
            PlannerError: No usable program came; nothing moved.
            RobotError: Camera or robot cannot be used.
        """
        told = listeners or Listeners()
        going = _Run(checked_command(command), goal, time.monotonic())
        gate = Gate(told.consent_for, lambda question: self._asked(going, told, question))
        self.supervisor.first_motion, self.supervisor.permit = None, gate.before_motion
        self._deadline = going.start + self.budgets.seconds
        self._robot_deadline = self.backend.now() + self.budgets.robot_seconds
        self.supervisor.following = told.following

        view = View(self.arm, self.grounder, self.backend.cameras[0], told.seen, told.perceived)
        context = Context(self.arm, view, going.command)
        try:
            self._attempts(going, context, told, gate)
        except Cancelled as stop:
            self.backend.stop()
            going.verdict, going.message = account.CANCELLED, str(stop)
        except SafetyStop as stop:
            going.verdict, going.message = account.STOPPED, str(stop)
        finally:
            self._deadline = self._robot_deadline = math.inf
            self.supervisor.permit = lambda: None
        return self._account(going, context)

    def _asked(self, going: _Run, told: Listeners, question: Question) -> str:
        """A person's answer; how long they think about it ends no run."""
        began, wall = time.monotonic(), self._deadline
        ahead = self._robot_deadline - self.backend.now()
        self._deadline = self._robot_deadline = math.inf
        try:
            return told.consent(question)
        finally:
            took = time.monotonic() - began
            going.asked_s += took
            self._deadline, self._robot_deadline = wall + took, self.backend.now() + ahead

    def _over(self) -> str:
        """Why the run must end by the clock on the wall or the robot's own; "" as long as it may go on."""
        if time.monotonic() >= self._deadline:
            return f"time ran out after {self.budgets.seconds:.1f} s"
        if self.backend.now() < self._robot_deadline:
            return ""
        return f"time ran out after {self.budgets.robot_seconds:g} s of the robot's clock"

    def plan(self, command: Command, *, goal: Goal | None = None) -> tuple[Program, Plan]:
        """The checked program for a command; nothing moves.

        Raises:
            PlannerError: No program that passes the checks came within the budget.
        """
        going = _Run(checked_command(command), goal, time.monotonic())
        view = View(self.arm, self.grounder, self.backend.cameras[0])
        return self._accepted(going, view)

    def _attempts(self, going: _Run, context: Context, told: Listeners, gate: Gate) -> None:
        before: tuple[Program, Outcome] | None = None
        while True:
            try:
                program, plan = self._accepted(going, context.view)
            except PlannerError:
                if not going.failures or not going.events:
                    raise
                return  # no repair came: the failure that was measured stands
            done: frozenset[str] = frozenset()
            variables: Mapping[str, Any] = {}
            if before is not None:
                done = already_done(program, *before)
                variables = before[1].variables if done else {}
                program = _hand_emptied(program, done, context, variables)
                going.program = render(program)
            told.planned(program, plan)
            gate.begin(program)
            outcome = self._execute(going, program, context, told, gate, done, variables)
            declined = outcome.verdict in (account.REFUSED, account.ASKED)
            if before is not None and declined and self.supervisor.first_motion is not None:
                # What began and failed is not undone by a repair that declines: the failure stands.
                going.message = f"{going.message}; then: {outcome.message}"
                return
            before = (program, outcome)
            going.verdict = outcome.verdict
            going.message = outcome.message or _why(outcome)
            if outcome.verdict != account.FAILED or len(going.plans) >= self.budgets.plans:
                return
            going.failures.append(_failure(going.program, outcome))

    def _execute(
        self,
        going: _Run,
        program: Program,
        context: Context,
        told: Listeners,
        gate: Gate,
        done: frozenset[str],
        variables: Mapping[str, Any],
    ) -> Outcome:
        known = self._library

        def emit(event: Event) -> None:
            gate.heed(event)
            if event.kind != "started":
                going.events.append(event)
            told.event(event)
            if event.kind == "succeeded" and event.level == "primitive":
                told.perceived(context.view.scene.objects)

        return run(
            program,
            known.primitives,
            context,
            skills=known.skills,
            emit=emit,
            cancel=self.cancel,
            budget=Budget(steps=self.budgets.steps),
            skip=done,
            variables=variables,
            ended=self._over,
        )

    def _accepted(self, going: _Run, view: View) -> tuple[Program, Plan]:
        """The next program that parses and passes the checks."""
        frames = (view.look(),)
        while True:
            if self.cancel.is_set():
                raise Cancelled("the run was cancelled")
            began = time.monotonic()
            plan = self.planner.plan(
                PlanRequest(
                    going.command,
                    frames,
                    self.backend.description.name,
                    self._reference,
                    self._grammar,
                    self._signatures,
                    tuple(going.failures),
                    going.goal,
                )
            )
            going.plan_s += time.monotonic() - began
            going.plans.append(plan)
            try:
                program = parse(plan.text)
                check(program, self._library.signatures)
            except ProgramError as error:
                if len(going.plans) >= self.budgets.plans:
                    raise PlannerError(
                        f"{self.planner.name} wrote {len(going.plans)} programs, none of which passes: {error}"
                    ) from error
                first = error.problems[0]
                going.failures.append(Failure(plan.text, "", first.line, str(error)))
                continue
            going.program = render(program)
            return program, plan

    def _account(self, going: _Run, context: Context) -> Account:
        end = time.monotonic()
        moved = self.supervisor.first_motion
        timings: dict[str, float | None] = {
            "plan_s": round(going.plan_s, 4),
            "command_to_motion_s": None if moved is None else round(moved - going.start, 4),
            "total_s": round(end - going.start, 4),
        }
        if going.asked_s:
            timings["asked_s"] = round(going.asked_s, 4)
        if going.plans:
            for name, value in going.plans[0].timings.items():
                timings.setdefault(name, round(value, 4))  # a planner's own total is not the run's
        truth: Callable[[], Mapping[str, Any]] | None = getattr(self.backend, "truth", None)
        return Account(
            command=going.command.text,
            points=going.command.points,
            program=going.program,
            programs=tuple(plan.text for plan in going.plans),
            grounding=going.plans[-1].grounding if going.plans else (),
            verdict=going.verdict,
            message=going.message,
            remarks=tuple(context.remarks),
            nodes=tuple(going.events),
            timings=timings,
            seed=self.seed,
            robot=self.backend.description.name,
            planner=self.planner.name,
            perception=self.perception,
            speed_scale=self.supervisor.speed_scale,
            audit=tuple(record.as_json() for record in self.supervisor.audit),
            versions=versions(),
            truth=None if truth is None else truth(),
        )


def checked_command(command: Command) -> Command:
    """The command with its white space tidied.

    Raises:
        CommandRefused: It is empty, longer than 2000 characters, or not text.
    """
    text = command.text
    if len(text) > LONGEST_COMMAND:
        raise CommandRefused(f"the command has {len(text)} characters; say it in at most {LONGEST_COMMAND}")
    unreadable = sum(not (c.isprintable() or c.isspace()) or c == "\ufffd" for c in text)
    if unreadable:
        raise CommandRefused(f"the command holds {unreadable} unprintable characters; give it as plain text")
    text = " ".join(text.split())
    if not any(c.isalnum() for c in text):
        raise CommandRefused('the command is empty; say what to do, e.g. "put the red cube in the bowl"')
    return Command(text, command.points, command.camera)


def _hand_emptied(
    program: Program, done: frozenset[str], context: Context, variables: Mapping[str, Any]
) -> Program:
    """A repaired program that first puts down what the hand holds, unless it goes on with that very thing."""
    if context.held is not None:
        is_holding(context, context.held.object)  # what was lost on the way is noticed here
    context.begin_repair()
    held = context.held
    if held is None or held.object.kind in FURNITURE:  # a handle is let go on the way home
        return program
    first = handled_first(program, done, tuple(library().skills))
    known = variables.get(first.variable)
    same = first.phrase == held.object.description if first.phrase else getattr(known, "id", "") == held.object.id
    return program if same and first.skill in ("pick", "place") else beginning_with(program, SET_DOWN, len(done))


def _failure(program: str, outcome: Outcome) -> Failure:
    done = tuple(e.label for e in outcome.events if e.kind == "succeeded" and not e.source)
    return Failure(
        program, outcome.statement_label, outcome.statement_line, outcome.reason, outcome.evidence, done
    )


def _why(outcome: Outcome) -> str:
    if outcome.status is Status.SUCCESS:
        return ""
    return f"{outcome.label}: {outcome.reason}"

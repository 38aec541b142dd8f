"""The contract between the agent and whatever writes programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from embodied_agent.planners.goal import Goal
from embodied_agent.signature import Signature
from embodied_agent.types import Command, Frame


@dataclass(frozen=True)
class Failure:
    """What went wrong with an earlier program of the same command.

    Attributes:
        program: Its text.
        node: The node that failed, as the tree names it, e.g. "pick(cube)".
        line: Its line in `program`, counted from 1; 0 = the program was not accepted at all.
        reason: Which condition, what was measured, what was expected.
        evidence: The measurements, JSON-ready.
        done: Nodes that had succeeded before, in order.
    """

    program: str
    node: str
    line: int
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    done: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanRequest:
    """All a planner may know.

    Attributes:
        command: What the person asked for.
        frames: Newest RGB-D readings; the first is the fixed camera's.
        robot: Name of the robot, e.g. "panda".
        reference: The API as text, made from the registry.
        grammar: Decoding grammar of the language (llguidance's Lark dialect), or "".
        signatures: What a program may call; planners that need another form of the grammar make
            it from these.
        failures: Earlier attempts, oldest first; () = first plan.
        goal: The structured goal. Only the scripted oracle gets one; None otherwise.
    """

    command: Command
    frames: tuple[Frame, ...] = ()
    robot: str = ""
    reference: str = ""
    grammar: str = ""
    signatures: tuple[Signature, ...] = ()
    failures: tuple[Failure, ...] = ()
    goal: Goal | None = None


@dataclass(frozen=True)
class Plan:
    """One program, not yet checked.

    Attributes:
        text: Program source.
        grounding: What the planner understood each phrase to mean, one line each, for the report.
        timings: Seconds by stage, e.g. {"vision_s": 0.1, "decode_s": 0.4}.
    """

    text: str
    grounding: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)


class Planner(Protocol):
    """Whatever turns a command into a program.

    Attributes:
        name: As `--planner` selects it and as reports state it.
    """

    name: str

    def plan(self, request: PlanRequest) -> Plan:
        """Write a program for a command.

        Raises:
            PlannerError: No usable program came: server down, slow, or answering nonsense.
        """
        ...

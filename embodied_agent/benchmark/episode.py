"""One episode: a drawn scene, a sentence, a run, and truth's judgement of it."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from embodied_agent.account import Account
from embodied_agent.agent import Listeners
from embodied_agent.assembly import Assembly, Minds
from embodied_agent.benchmark.metrics import EpisodeRecord
from embodied_agent.benchmark.primitives import Ends, times
from embodied_agent.benchmark.suites import Episode
from embodied_agent.errors import EmbodiedAgentError, ProgramError
from embodied_agent.library import library
from embodied_agent.program.check import check
from embodied_agent.program.events import Event
from embodied_agent.program.parse import parse
from embodied_agent.record import Recorder
from embodied_agent.report import write_report
from embodied_agent.setup import Setup

FILM_PERIOD = 1.0 / 8.0  # [s] of simulated time between two pictures


def run_episode(episode: Episode, setup: Setup, minds: Minds, film: Path | None = None) -> EpisodeRecord:
    """Run an episode in a world of its own.

    Args:
        episode: From the suite.
        setup: How; its scene and seed are the episode's.
        minds: Planner and grounder, loaded.
        film: Folder for a full report with video; None = none.
    """
    mine = replace(setup, scene=episode.scene, seed=episode.seed)
    start = time.monotonic()
    with ExitStack() as stack:
        recorder = stack.enter_context(Recorder(film, video_fps=16.0)) if film is not None else None
        assembly = stack.enter_context(Assembly(mine, minds, _recording(recorder)))
        backend: Any = assembly.backend
        before = backend.truth()
        account, error, ends = None, "", Ends(backend.now)
        try:
            goal = episode.goal if setup.planner == "scripted" else None
            account = assembly.agent.run(episode.command, goal=goal, listeners=_listeners(recorder, ends))
        except EmbodiedAgentError as caught:
            error = f"{type(caught).__name__}: {' '.join(str(caught).split())[:300]}"
        judgement = episode.judge(before, backend.truth())
        if recorder is not None and account is not None:
            truth = {**(account.truth or {}), "success": judgement.success}
            recorder.account({**account.as_json(), "truth": truth})
    if film is not None:
        with suppress(EmbodiedAgentError):
            write_report(film)
    record = replace(judged(episode, judgement, start), error=error)
    return record if account is None else _with_account(record, account, ends)


def judged(episode: Episode, judgement: Any, start: float) -> EpisodeRecord:
    """The record of an episode as truth alone tells it; what the agent says of it is added by whoever asked it.

    Args:
        episode: What was drawn.
        judgement: Of the simulator's states before and after.
        start: time.monotonic() at its beginning [s].
    """
    return EpisodeRecord(
        id=f"{episode.family}-{episode.seed:06d}",
        family=episode.family,
        seed=episode.seed,
        command=episode.command.text,
        expected="done",
        success=bool(judgement.success),
        verdict="error",
        finished=int(judgement.finished),
        steps=int(judgement.steps),
        unmet="; ".join(judgement.unmet),
        total_s=round(time.monotonic() - start, 4),
    )


def _with_account(record: EpisodeRecord, account: Account, ends: Ends) -> EpisodeRecord:
    node, reason = failing_node(account)
    return replace(
        record,
        verdict=account.verdict,
        message=account.message,
        accepted=is_accepted(account.programs[0]) if account.programs else False,
        moved=account.timings.get("command_to_motion_s") is not None,
        plans=len(account.programs),
        plan_s=account.timings.get("plan_s"),
        command_to_motion_s=account.timings.get("command_to_motion_s"),
        total_s=account.timings.get("total_s"),
        failed_node=node,
        reason=reason,
        program=account.program,
        primitives=times(ends.found, account.audit) if len(account.programs) == 1 else (),
    )


def is_accepted(program: str) -> bool:
    """Whether a program parses and passes the check."""
    try:
        check(parse(program), library().signatures)
    except ProgramError:
        return False
    return True


def failing_node(account: Account) -> tuple[str, str]:
    """The deepest node that the first program failed at, and why; "" for a run that did not fail.

    Repairs start from the mess that the first failure left; what holds the system back is the first.
    """
    if account.verdict == "done":
        return "", ""
    nodes = list(account.nodes)
    tasks = [place for place, node in enumerate(nodes) if node.level == "task"]
    if len(tasks) > 1:  # the task's own event stands at the beginning or at the end of its nodes
        nodes = nodes[: tasks[1]] if tasks[0] == 0 else nodes[: tasks[0] + 1]
    for node in reversed(nodes):
        status = getattr(node, "kind", getattr(node, "status", ""))
        if status in ("failed", "failure", "cancelled") and node.level != "task" and "cause" not in node.evidence:
            return node.label, node.reason
    return "", account.message


def _recording(recorder: Recorder | None) -> Any:
    if recorder is None:
        return None
    from embodied_agent.robots.mujoco import Recording

    return Recording(lambda time, rgb: recorder.film(rgb), width=320, height=240, period=FILM_PERIOD)


def _listeners(recorder: Recorder | None, ends: Ends) -> Listeners:
    if recorder is None:
        return Listeners(event=ends)

    def planned(program: Any, plan: Any) -> None:
        recorder.program(plan.text)
        recorder.event({"type": "plan", "program": plan.text, "grounding": list(plan.grounding)})

    def happened(event: Event) -> None:
        ends(event)
        recorder.event(event.as_json())

    return Listeners(planned=planned, event=happened)

"""`run` and `plan`: one task from the sentence to the verdict."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from embodied_agent.account import Account
from embodied_agent.consent import NONE
from embodied_agent.console.consenting import TerminalConsent, check_confirm
from embodied_agent.console.live import LiveTree
from embodied_agent.errors import BadInput, Cancelled, CommandRefused
from embodied_agent.record import Recorder, plain
from embodied_agent.setup import Setup
from embodied_agent.types import Command, Frame

EXIT = {"done": 0, "failed": 10, "refused": 11, "asked": 12, "stopped": 6, "cancelled": 130}
STYLE = {"done": "bold green", "refused": "bold cyan", "asked": "bold cyan"}
FILM_RATE = 10.0  # pictures of the video in a second of the robot's time


@dataclass(frozen=True)
class RunOptions:
    """The options of `run`; see its --help."""

    task: str
    setup: Setup
    points: tuple[str, ...] = ()
    confirm: str = NONE
    out: Path | None = None
    as_json: bool = False


@dataclass
class Progress:
    """How far a run has come: the node that started last, "" before the first; and whether Ctrl-C came."""

    path: str = ""
    interrupted: bool = False


def command_of(options: RunOptions) -> Command:
    """The command, checked before anything slow is loaded.

    Raises:
        BadInput: It cannot be a command, or a point is no pixel.
    """
    from embodied_agent.agent import checked_command

    if options.setup.planner == "scripted":
        raise BadInput(
            "planner scripted needs a benchmark's goal and reads no words; use it with `bench tabletop`"
        )
    return checked_command(Command(options.task, tuple(_point(text) for text in options.points)))


def _point(text: str) -> tuple[float, float]:
    parts = text.split(",")
    try:
        x, y = (float(part) for part in parts)
    except ValueError:
        raise BadInput(f"--point {text[:40]!r}: write it as x,y in pixels, e.g. --point 320,240") from None
    if not (0 <= x < 640 and 0 <= y < 480):
        raise BadInput(f"--point {text[:40]!r}: lies outside the image of 640 x 480 pixels")
    return x, y


def run_task(options: RunOptions) -> int:
    """Do one task; returns the exit code.

    Raises:
        EmbodiedAgentError: Anything that keeps it from running.
    """
    _quick_checks(options)
    command = command_of(options)
    console = Console(stderr=True)
    try:
        account = _run(options, command, console)
    except KeyboardInterrupt:
        raise Cancelled("cancelled; the robot holds where it is") from None
    finally:
        if options.out is not None and (options.out / "events.jsonl").is_file():
            from embodied_agent.report import write_report

            write_report(options.out)  # a run that broke off has a page as well
    _announce(account, options, console)
    return EXIT[account.verdict]


def _run(options: RunOptions, command: Command, console: Console) -> Account:
    account: Account
    with ExitStack() as stack:
        recorder = (
            stack.enter_context(Recorder(options.out, video_fps=FILM_RATE)) if options.out is not None else None
        )
        tree = stack.enter_context(LiveTree(console))
        tree.status("loading")
        progress = Progress()
        assembly = stack.enter_context(_assembled(options, recorder, progress))
        agent = assembly.agent
        consent = TerminalConsent(console, tree)
        stack.enter_context(_interruptible(agent, progress, consent))
        listeners = _listeners(options, tree, recorder, consent, progress)
        tree.status("planning")
        if recorder is not None:
            recorder.frame(_look(assembly.backend), "before", role="before")
        account = agent.run(command, listeners=listeners)
        tree.status("")
        if recorder is not None:
            recorder.frame(_look(assembly.backend), "after", role="after")
            _keep(recorder, account)
    return account


def plan_task(options: RunOptions) -> int:
    """Print the checked program for a task; returns the exit code."""
    _quick_checks(options)
    command = command_of(options)
    with _assembled(options, None, Progress()) as assembly:
        program, plan = assembly.agent.plan(command)
    from embodied_agent.program.render import render

    text = render(program)
    if options.as_json:
        answer = {"command": command.text, "program": text, "grounding": plan.grounding, "timings": plan.timings}
        print(json.dumps(plain(answer), ensure_ascii=False))
    else:
        for line in plan.grounding:
            print(f"# {line}", file=sys.stderr)
        print(text, end="")
    return 0


def _quick_checks(options: RunOptions) -> None:
    """What can be wrong in words alone, before libraries are loaded."""
    check_confirm(options.confirm)
    if len(options.task) > 2000:
        raise CommandRefused(f"the command has {len(options.task)} characters; say it in at most 2000")
    from embodied_agent.planners.catalog import planner_config
    from embodied_agent.robots.description import load_robot

    setup = options.setup
    planner_config(setup.planner, url=setup.planner_url, model=setup.model)
    load_robot(setup.robot)


def _assembled(options: RunOptions, recorder: Recorder | None, progress: Progress) -> Any:
    from embodied_agent.assembly import Assembly

    recording = watcher = None
    if recorder is not None:
        from embodied_agent.robots.mujoco import Recording

        recording = Recording(lambda time, rgb: recorder.film(rgb), period=1 / FILM_RATE, width=560, height=420)
        watcher = _watcher(recorder, progress)
    return Assembly(options.setup, recording=recording, watcher=watcher)


def _watcher(recorder: Recorder, progress: Progress) -> Any:
    """Keeps a picture of what was detected first, and of what each phrase was taken to mean."""
    detected = False

    def watch(frame: Frame, found: Any, grounding: Any, phrase: str) -> None:
        nonlocal detected
        if grounding is None:
            if not detected:
                recorder.perceived(frame.rgb, found, None, f"all that is seen in {frame.camera.name}")
            detected = True
            return
        doubt = ", ambiguous" if grounding.ambiguous else ""
        caption = f"“{phrase}”: {len(found)} found, confidence {grounding.confidence:.2f}{doubt}"
        recorder.perceived(frame.rgb, found, grounding.point, caption, progress.path)

    return watch


def _look(backend: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture for people: from where the scene is filmed, or else from the robot's first camera."""
    if hasattr(backend, "film"):
        return np.asarray(backend.film())
    frame: Frame = backend.capture(backend.cameras[0])
    return frame.rgb


def _listeners(
    options: RunOptions, tree: LiveTree, recorder: Recorder | None, consent: TerminalConsent, progress: Progress
) -> Any:
    from embodied_agent.agent import Listeners
    from embodied_agent.program.render import render

    def tell(event: Mapping[str, Any]) -> None:
        tree.tell(event)
        if recorder is not None:
            recorder.event(event)

    def planned(program: Any, plan: Any) -> None:
        text = render(program)
        tree.status("")
        if recorder is not None:
            recorder.program(text)
        tell({"type": "plan", "program": text, "grounding": list(plan.grounding), "timings": dict(plan.timings)})

    def event(happened: Any) -> None:
        if happened.kind == "started":
            progress.path = happened.path
        tell(happened.as_json())

    def seen(frame: Frame) -> None:
        if recorder is not None:
            caption = f"{frame.camera.name} at {frame.stamp:.1f} s"
            recorder.frame(frame.rgb, caption, role="node", path=progress.path)

    return Listeners(planned=planned, event=event, seen=seen, consent=consent, consent_for=options.confirm)


@contextmanager
def _interruptible(agent: Any, progress: Progress, consent: TerminalConsent) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the arm and end the run in order; a second one ends the process.

    Before the first node nothing moves, and there is nothing to wait for; a question is ended.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        again, progress.interrupted = progress.interrupted, True
        if consent.asking:
            agent.cancel.set()
        if again or consent.asking or not progress.path:
            raise KeyboardInterrupt
        agent.cancel.set()
        agent.backend.stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    try:
        before = [signal.signal(number, stop) for number in numbers]
    except ValueError:  # not the main thread: whoever started it handles signals
        yield
        return
    try:
        yield
    except Exception as error:
        if progress.interrupted:  # a library that was interrupted while it loads says something else
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _keep(recorder: Recorder, account: Account) -> None:
    recorder.account(account.as_json())
    if account.program:
        recorder.program(account.program)


def _announce(account: Account, options: RunOptions, console: Console) -> None:
    if options.as_json:
        print(json.dumps(plain(account.as_json()), ensure_ascii=False))
        return
    verdict = Text(account.verdict, STYLE.get(account.verdict, "bold red"))
    if account.message:
        verdict.append(f": {account.message}", "")
    Console().print(verdict, soft_wrap=True)
    for remark in account.remarks:
        print(f"the robot said: {remark}")
    timings = account.timings
    shown = [
        f"{name} {value:.2f} s"
        for name, key in (("planned in", "plan_s"), ("moved after", "command_to_motion_s"), ("took", "total_s"))
        if (value := timings.get(key)) is not None
    ]
    ablation = "  (perception: truth, ablation only)" if account.perception == "truth" else ""
    console.print(Text(f"{', '.join(shown)}{ablation}", "dim"))
    if options.out is not None:
        console.print(Text(f"report: {options.out / 'report.html'}", "dim"), soft_wrap=True)

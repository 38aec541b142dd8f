"""`replay`: a recorded run again, as a tree in the terminal and as a page; from its folder or from its bag."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from embodied_agent.console.live import LiveTree
from embodied_agent.errors import BadInput
from embodied_agent.record import read_events
from embodied_agent.report import read_account, write_report

LONGEST_PAUSE = 1.5  # [s] between two events on the screen


@dataclass(frozen=True)
class BagOptions:
    """What to make of a bag; see `replay --help`."""

    bag: Path
    out: Path | None = None
    camera: str = ""
    goal: int = 0


def replay_run(folder: Path, *, only_report: bool, speed: float) -> None:
    """Play the run of a folder; writes its report anew.

    Raises:
        BadInput: The folder holds no run.
    """
    events, account = read_events(folder), read_account(folder)
    if not only_report:
        _play(events, account, speed)
    print(f"report: {write_report(folder)}")


def replay_bag(options: BagOptions, *, only_report: bool, speed: float) -> None:
    """Play the goals of a bag, and write a report of each: in `out`, or in its folders 1, 2 ... of several.

    Raises:
        BadInput: No bag, no goal in it, or no such camera.
    """
    from embodied_agent.ros.bag.goals import goals_of
    from embodied_agent.ros.bag.reading import Bag
    from embodied_agent.ros.bag.retelling import retell

    bag = Bag(options.bag)
    goals = goals_of(bag)
    if bag.broken_off:
        Console(stderr=True).print(
            "the bag breaks off: its recorder was killed; all before that is here", style="yellow"
        )
    if not goals:
        raise BadInput(f"{options.bag}: no goal in it (no ProgramTree message); record the agent's ~/tree topic")
    if options.goal > len(goals):
        raise BadInput(f"--goal {options.goal}: the bag has {len(goals)}")
    out = options.out or options.bag.with_name(options.bag.stem + "-report")
    for number, goal in enumerate(goals, start=1):
        if options.goal in (0, number):
            folder = out if len(goals) == 1 or options.goal else out / str(number)
            if not only_report:
                _play(goal.events, goal.account(), speed)
            print(f"report: {retell(bag, goal, folder, options.camera)}")


def _play(events: Iterable[Mapping[str, Any]], account: Mapping[str, Any], speed: float) -> None:
    console = Console(stderr=True)
    with LiveTree(console) as tree:
        last = 0.0
        for event in events:
            now = event.get("time")
            if console.is_terminal and isinstance(now, (int, float)):
                time.sleep(min(LONGEST_PAUSE, max(0.0, now - last) / speed))
                last = now
            tree.tell(event)
    print(f"{account.get('verdict', 'broken off')}: {account.get('message') or account.get('command', '')}")

"""`replay`: a recorded run again, as a tree in the terminal and as a page."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from embodied_agent.console.live import LiveTree
from embodied_agent.record import read_events
from embodied_agent.report import read_account, write_report

LONGEST_PAUSE = 1.5  # [s] between two events on the screen


def replay_run(folder: Path, *, only_report: bool, speed: float) -> None:
    """Play the run of a folder; writes its report anew.

    Raises:
        BadInput: The folder holds no run.
    """
    events, account = read_events(folder), read_account(folder)
    console = Console(stderr=True)
    if not only_report:
        with LiveTree(console) as tree:
            last = 0.0
            for event in events:
                now = event.get("time")
                if console.is_terminal and isinstance(now, (int, float)):
                    time.sleep(min(LONGEST_PAUSE, max(0.0, now - last) / speed))
                    last = now
                tree.tell(event)
        print(f"{account.get('verdict', 'broken off')}: {account.get('message') or account.get('command', '')}")
    print(f"report: {write_report(folder)}")

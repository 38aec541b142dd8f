"""`bench ros`, and the episodes of `bench tabletop` over ROS: progress while they run, tables at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from embodied_agent.benchmark.metrics import EpisodeRecord
from embodied_agent.benchmark.runner import BenchOptions, run_bench
from embodied_agent.errors import Cancelled
from embodied_agent.record import plain, write_whole
from embodied_agent.ros.measuring.possible import interruptible

FAILED = 10  # it ran, and measured that it failed


def episodes_over_ros(
    options: BenchOptions, out: Path, domain: int, told: Callable[[str, EpisodeRecord, int, int], None]
) -> dict[str, list[EpisodeRecord]]:
    """The same episodes through driver, node and action; by combination.

    Raises:
        RobotError: The domain is taken, or driver or node cannot be started.
        PlannerError: The model cannot.
    """
    from embodied_agent.ros.measuring.episodes import OverRos

    mine = replace(options, backend="ros2", videos=0)
    name = mine.combination
    folder = out / name.replace(" ", "")
    with interruptible():
        records = run_bench(
            mine, folder, 1, lambda record, done, total: told(name, record, done, total),
            OverRos(mine, folder, domain),
        )  # fmt: skip
    return {name: records}


def bench_ros(options: Any, out: Path, *, as_json: bool) -> int:
    """Do the exercises, watch the images, write the report; returns the exit code.

    Args:
        options: RosBenchOptions; its module needs ROS.
        out: Folder.
        as_json: One line on stdout instead of the table.

    Raises:
        RobotError: The domain is taken, or driver or node cannot be started.
        Cancelled: By a signal; everything that was started has ended.
    """
    from embodied_agent.ros.measuring.report import suite_html
    from embodied_agent.ros.measuring.suite import Part, result, run_suite

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    parts: list[Part] = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars: dict[str, Any] = {}

        def told(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name.replace("_", " "), total=total)
            progress.update(bars[name], completed=done)

        try:
            with interruptible(), closing(run_suite(options, out / "logs", told)) as coming:
                for part in coming:
                    parts.append(part)
                    _told(console, part)
        except KeyboardInterrupt:
            raise Cancelled("cancelled; driver, node and model have ended") from None
    found = plain(result(options, parts))
    write_whole(out / "ros.json", json.dumps(found, indent=1) + "\n")
    write_whole(out / "ros.html", suite_html(found, parts))
    if as_json:
        print(json.dumps(found))
    else:
        _print(parts, found)
    for part in parts:
        for problem in part.finding.problems:
            console.print(f"{part.finding.name}: {problem}", markup=False, highlight=False, soft_wrap=True)
    print(f"report: {out / 'ros.html'}", file=sys.stderr)
    return 0 if found["ok"] else FAILED


def _told(console: Console, part: Any) -> None:
    if not console.is_terminal:
        mark = "ok  " if part.finding.ok else "FAIL"
        console.print(f"{mark} {part.finding.name}", markup=False, highlight=False)


def _print(parts: list[Any], found: dict[str, Any]) -> None:
    machine = found["machine"]
    table = Table(title=f"{machine['processor']}, {machine['cores']} cores", title_justify="left")
    for head in ("what", "n", "p50", "p95", "max", "target", ""):
        table.add_column(head, justify="left" if head in ("what", "target", "") else "right")
    for part in parts:
        state = "[green]ok[/]" if part.finding.ok else f"[red]{len(part.finding.problems)} problems[/]"
        table.add_row(f"[bold]{part.finding.name}[/]", "", "", "", "", "", state)
        for number, row in enumerate(part.rows, start=1):
            *cells, mark = row.cells()
            color = {"met": "green", "not met": "red"}.get(mark)
            shown = f"[{color}]{mark}[/]" if color else mark
            table.add_row(f"  {cells[0]}", *cells[1:], shown, end_section=number == len(part.rows))
    console = Console()
    (console if console.is_terminal else Console(width=150)).print(table)

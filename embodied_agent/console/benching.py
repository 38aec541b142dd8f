"""`bench`: progress while it runs, tables at the end."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from embodied_agent.benchmark.comparison import Comparison, compare
from embodied_agent.benchmark.metrics import COMBINATIONS, EpisodeRecord, by_family, figures
from embodied_agent.benchmark.report import benchmark_html
from embodied_agent.benchmark.runner import BenchOptions, machine, run_combinations, summary
from embodied_agent.console.benching_ros import episodes_over_ros
from embodied_agent.errors import Cancelled
from embodied_agent.record import write_whole
from embodied_agent.ros.measuring.possible import refuse_impossible, require_ros
from embodied_agent.setup import Setup


@dataclass(frozen=True)
class Way:
    """How the episodes reach the robot.

    Attributes:
        backend: "mujoco", "ros2", or "both" of them with the same seeds.
        workers: Processes side by side.
        combinations: All four of planner x perception.
        domain: ROS domain that nobody else is in.
    """

    backend: str = "mujoco"
    workers: int = 1
    combinations: bool = False
    domain: int = 0


def bench_families(options: BenchOptions, out: Path, way: Way, *, as_json: bool) -> int:
    """Run the tabletop suite and write its report; returns the exit code.

    Raises:
        BadInput: The way has no such planner or perception, or the folder holds another benchmark.
    """
    refuse_impossible(way.backend, options, way.workers, combinations=way.combinations)
    if way.backend != "mujoco":
        require_ros()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars: dict[str, TaskID] = {}
        right: dict[str, int] = {}

        def told(name: str, record: EpisodeRecord, done: int, total: int) -> None:
            right[name] = right.get(name, 0) + record.success
            if name not in bars:
                bars[name] = progress.add_task(name, total=total)
            progress.update(bars[name], completed=done, description=f"{name}: {record.id}")
            if not console.is_terminal:
                mark = "ok  " if record.success else "FAIL"
                console.print(
                    f"{name} {done}/{total} {mark} {record.id} {record.verdict}: {record.command}",
                    markup=False, highlight=False, soft_wrap=True,
                )  # fmt: skip

        chosen = COMBINATIONS if way.combinations else ()
        records: dict[str, list[EpisodeRecord]] = {}
        try:
            if way.backend != "ros2":
                records |= run_combinations(options, out, way.workers, told, chosen)
            if way.backend != "mujoco":
                records |= episodes_over_ros(options, out, way.domain, told)
        except KeyboardInterrupt:
            raise Cancelled(f"cancelled; the same command goes on where this one was, in {out}") from None
    result = summary(replace(options, backend=way.backend), records)
    comparison = compare(*records.values()) if way.backend == "both" else None
    if comparison is not None:
        result["comparison"] = comparison.as_json()
    write_whole(out / "summary.json", json.dumps(result, indent=1) + "\n")
    films = sorted(out.glob("*/films/*/video.mp4"))
    shown = [(film, film.parent.name) for film in films if film.stat().st_size < 3_000_000][:12]
    about = {
        "robot": options.robot, "back end": way.backend, "seed": options.seed,
        "episodes a family": options.episodes,
        "processor": machine()["processor"], "cores": machine()["cores"], "versions": result["versions"],
    }  # fmt: skip
    write_whole(out / "report.html", benchmark_html(records, about, shown, comparison))
    if as_json:
        print(json.dumps(result))
    else:
        for name, found in records.items():
            _print_table(name, found)
        if comparison is not None:
            _print_comparison(comparison)
    print(f"report: {out / 'report.html'}", file=sys.stderr)
    return 0


def _print_table(name: str, records: list[EpisodeRecord]) -> None:
    table = Table(title=name, title_justify="left")
    for head in ("family", "n", "success (truth)", "says done", "false success", "grammar", "p50/p95 plan s",
                 "motion s", "total s"):  # fmt: skip
        table.add_column(head, justify="left" if head == "family" else "right", no_wrap=True)
    for family, f in [*by_family(records).items(), ("all", figures(records))]:
        table.add_row(
            family, str(f.episodes), str(f.success), f"{f.verdict.count}/{f.verdict.total}",
            str(f.false_success.count), f"{f.grammar.count}/{f.grammar.total}", str(f.planning), str(f.to_motion),
            str(f.total), end_section=family == list(by_family(records))[-1],
        )  # fmt: skip
    console = Console()
    (console if console.is_terminal else Console(width=150)).print(table)


def _print_comparison(comparison: Comparison) -> None:
    table = Table(title="directly and over ROS", title_justify="left")
    for head in ("what", "measured", "target", ""):
        table.add_column(head)
    for *cells, mark in comparison.rows():
        color = {"met": "green", "not met": "red"}.get(mark)
        table.add_row(*(escape(cell) for cell in cells), f"[{color}]{mark}[/]" if color else mark)
    console = Console()
    (console if console.is_terminal else Console(width=150)).print(table)


def show_latency(repeats: int, setup: Setup, *, as_json: bool) -> None:
    """Measure speed and print it."""
    from embodied_agent.benchmark.latency import measure

    console = Console(stderr=True)
    with console.status("loading"):
        result = measure(repeats, setup, lambda words: console.print(words, style="dim"))
    if as_json:
        print(json.dumps(result))
        return
    table = Table(
        title=f"{result['machine']['processor']}, {result['machine']['cores']} cores", title_justify="left"
    )
    for head in ("what", "n", "p50", "p95", "target", ""):
        table.add_column(head, justify="left" if head in ("what", "") else "right")
    for row in result["figures"]:
        met = {True: "[green]met[/]", False: "[red]not met[/]", None: ""}[row["met"]]
        table.add_row(row["what"], str(row["n"]), row["p50_text"], row["p95_text"], row["target"], met)
    Console().print(table)
    for key, reason in result["missing"].items():
        console.print(f"not measured everywhere: {key}: {reason}", markup=False, soft_wrap=True)


def bench_words(options: BenchOptions, count: int, workers: int, out: Path, *, as_json: bool) -> None:
    """Run the language suite and print its figures."""
    from embodied_agent.benchmark.language import Answer, ask, grouped, language_shares, language_summary

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(options.planner, total=count)

        def told(answer: Answer, done: int) -> None:
            progress.update(bar, completed=done)
            if not answer.same and not console.is_terminal:
                console.print(f"wrong: {answer.command}", markup=False, highlight=False, soft_wrap=True)

        try:
            answers = ask(options, count, workers, told)
        except KeyboardInterrupt:
            raise Cancelled("cancelled") from None
    result = language_summary(options, answers)
    write_whole(out / "language.json", json.dumps(result, indent=1) + "\n")
    if as_json:
        print(json.dumps(result))
        return
    table = Table(title=f"language, planner {options.planner}, {count} commands", title_justify="left")
    table.add_column("what")
    table.add_column("share [95 %]", justify="right")
    for name, share in language_shares(answers).items():
        table.add_row(name, str(share), end_section=name == "in the language")
    for family, group in grouped(answers).items():
        table.add_row(f"  {family}", f"{sum(a.same for a in group)}/{len(group)}")
    Console().print(table)
    console.print(f"every wrong answer: {out / 'language.json'}", soft_wrap=True)

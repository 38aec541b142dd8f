"""The benchmark's page: figures by family, the combinations side by side, plots, failures, films."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embodied_agent.benchmark.comparison import Comparison, comparison_html
from embodied_agent.benchmark.metrics import COMBINATIONS, EpisodeRecord, Figures, by_family, figures
from embodied_agent.errors import MissingDependency
from embodied_agent.page import Html, facts, film, gallery, page, section, table, text

MOST_FAILURES = 60  # rows of the list of failed episodes

Records = Mapping[str, Sequence[EpisodeRecord]]  # by combination, e.g. "builtin x camera"


def benchmark_html(
    records: Records,
    facts_of_run: Mapping[str, Any],
    films: Sequence[tuple[Path, str]],
    comparison: Comparison | None = None,
) -> str:
    """The page.

    Args:
        records: Episodes by combination of planner and perception; the first is the main one.
        facts_of_run: Robot, seed, machine, versions: what a reader needs to repeat it.
        films: Files of short videos, with captions.
        comparison: Of the episodes that ran directly and over ROS.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    main, episodes = next(iter(records.items()))
    overall, families = figures(episodes), by_family(episodes)
    return page(
        "Tabletop benchmark",
        [
            '<header><p class="soft">tabletop benchmark</p>'
            f"<h1>{text(main)}: {text(overall.success)} success</h1>",
            _banner(main),
            facts([(key, value) for key, value in facts_of_run.items() if key != "versions"]) + "</header>",
            section("By family", _explanation(), family_table(families, overall), _success_plot(families)),
            section("Planner and perception, side by side", _side_by_side(records)),
            comparison_html(comparison) if comparison is not None else "",
            section("Time", _time_plot(episodes), _time_table(families, overall)),
            section("What failed", _failure_plot(overall), _failure_table(episodes)),
            section("Films", gallery(film(path, caption) for path, caption in films)),
            _versions(facts_of_run),
        ],
    )


def _banner(main: str) -> str:
    if "truth" not in main and "scripted" not in main:
        return ""
    return (
        '<div class="banner warn"><b>Ablation:</b> these figures use the simulator\'s state or the structured '
        "goal, and say nothing about the default system.</div>"
    )


def _explanation() -> str:
    return (
        "<p class=\"soft\">Success is judged by the simulator's final state, the verdict is the agent's own. "
        "False success: the agent says done, truth says not. Brackets hold the Wilson 95 % interval.</p>"
    )


def family_table(families: Mapping[str, Figures], overall: Figures) -> str:
    """The main table."""
    head = ["family", "n", "success (truth)", "says done", "false success", "missed success", "grammar",
            "steps finished", "errors"]  # fmt: skip
    rows = [(name, family) for name, family in families.items()] + [("all", overall)]
    body = [
        [
            Html(f"<b>{text(name)}</b>"), f.episodes, f.success, f.verdict, f.false_success, f.missed_success,
            f.grammar, "–" if f.finished_steps is None else f"{100 * f.finished_steps:.0f} %", f.errors,
        ]
        for name, f in rows
    ]  # fmt: skip
    answers = ""
    if overall.answers.total:
        answers = (
            f"<p>Commands to refuse or to ask about: {text(overall.answers)} answered rightly, "
            f"{text(overall.wrong_action)} moved the arm.</p>"
        )
    return table(head, body, numeric=range(1, 9)) + answers


def _side_by_side(records: Records) -> str:
    names = [name for name in COMBINATIONS if name in records] + [n for n in records if n not in COMBINATIONS]
    if len(names) < 2:
        return (
            '<p class="soft">One combination was run; <code>bench tabletop --combinations</code> runs all four, '
            "so that every loss is attributed to planning or to perception.</p>"
        )
    tables = {name: by_family(records[name]) for name in names}
    families = list(dict.fromkeys(family for name in names for family in tables[name]))
    rows = [
        [family, *(str(tables[n][family].success) if family in tables[n] else "–" for n in names)]
        for family in families
    ]
    rows.append(["all", *(str(figures(records[n]).success) for n in names)])
    rows.append(["false success", *(str(figures(records[n]).false_success) for n in names)])
    return table(["success (truth)", *names], rows, numeric=range(1, len(names) + 1))


def _time_table(families: Mapping[str, Figures], overall: Figures) -> str:
    head = ["p50 / p95 [s]", "n", "planning", "command to motion", "total"]
    rows = [
        [name, f.episodes, str(f.planning), str(f.to_motion), str(f.total)]
        for name, f in [*families.items(), ("all", overall)]
    ]
    return table(head, rows, numeric=range(1, 5))


def _failure_table(records: Sequence[EpisodeRecord]) -> str:
    failed = [r for r in records if not r.success]
    rows = [
        [r.id, r.command, r.verdict, Html(f"<span class=mono>{text(r.failed_node)}</span>"),
         (r.error or r.reason or r.message)[:300]]
        for r in failed[:MOST_FAILURES]
    ]  # fmt: skip
    more = f'<p class="soft">{len(failed) - MOST_FAILURES} more in the episode files.</p>'
    shown = table(["episode", "command", "verdict", "failing node", "what was measured"], rows)
    return shown + (more if len(failed) > MOST_FAILURES else "")


def _versions(facts_of_run: Mapping[str, Any]) -> str:
    versions = facts_of_run.get("versions") or {}
    line = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f'<p class="soft">Made with {text(line)}.</p>' if line else ""


# Plots


def _success_plot(families: Mapping[str, Figures]) -> str:
    figure, axes = _axes(8.6, 0.32 * len(families) + 0.9)
    names = list(families)[::-1]
    for row, name in enumerate(names):
        share = families[name].success
        low, high = share.interval
        axes.plot([100 * low, 100 * high], [row, row], color="#9db8d2", linewidth=5, solid_capstyle="round")
        axes.plot(100 * share.value, row, "o", color="#2f6fb3", markersize=6)
        false = families[name].false_success
        if false.count:
            axes.plot(100 * false.value, row, "x", color="#c0342b", markersize=6)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("success by truth [%] with 95 % interval; red cross: false success")
    return _embedded(figure, "success by family")


def _time_plot(records: Sequence[EpisodeRecord]) -> str:
    kinds = [
        ("planning [s]", [r.plan_s for r in records if r.plan_s is not None]),
        ("command to motion [s]", [r.command_to_motion_s for r in records if r.command_to_motion_s is not None]),
        ("total [s]", [r.total_s for r in records if r.total_s is not None]),
    ]
    if not any(values for _, values in kinds):
        return ""
    figure, axes = _axes(8.6, 2.2, columns=3)
    for place, (name, values) in zip(axes, kinds, strict=True):
        if values:
            place.hist(values, bins=min(30, max(5, len(values) // 3)), color="#7fb0e0", edgecolor="white")
        place.set_xlabel(name)
    return _embedded(figure, "distribution of times")


def _failure_plot(overall: Figures) -> str:
    causes = list(overall.failures.items())[:12][::-1]
    if not causes:
        return "<p>Nothing failed.</p>"
    figure, axes = _axes(8.6, 0.3 * len(causes) + 0.8)
    axes.barh([name for name, _ in causes], [count for _, count in causes], color="#d98880")
    axes.set_xlabel("episodes, by failing node")
    return _embedded(figure, "failures by node")


def _axes(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependency(
            "the benchmark's report needs matplotlib: pip install 'embodied_agent[bench]'"
        ) from None
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns)
    for place in [axes] if columns == 1 else axes:
        place.spines[["top", "right"]].set_visible(False)
        place.tick_params(labelsize=8)
        place.xaxis.label.set_size(8)
    return figure, axes


def _embedded(figure: Any, caption: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    address = f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"
    return f'<figure class="plot"><img alt="{text(caption)}" src="{address}"></figure>'

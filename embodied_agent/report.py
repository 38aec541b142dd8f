"""report.html: one run on one page, self-contained, made from the files of its folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from embodied_agent.errors import BadInput
from embodied_agent.page import Html, bars, facts, film, gallery, page, picture, section, stage, table, text
from embodied_agent.record import read_events, write_whole
from embodied_agent.story import MARKS, Item, Story, story_of

TONE = {"done": "good", "refused": "calm", "asked": "calm", "success": "good", "failure": "bad"}
MOST_EVIDENCE = 900  # characters shown of one node's measurements
MOST_AUDIT = 200  # rows


def write_report(folder: str | Path) -> Path:
    """Make `report.html` of a run's folder, finished or broken off.

    Raises:
        BadInput: The folder holds no run.
    """
    folder = Path(folder)
    events = read_events(folder)
    account = read_account(folder)
    path = folder / "report.html"
    write_whole(path, report_html(folder, account, story_of(events)))
    return path


def read_account(folder: Path) -> dict[str, Any]:
    """The account of a run; empty for one that was broken off before it had any.

    Raises:
        BadInput: run.json is damaged.
    """
    path = folder / "run.json"
    if not path.is_file():
        return {}
    try:
        account = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({error})") from None
    if not isinstance(account, dict):
        raise BadInput(f"{path}: is no account of a run")
    return account


def report_html(folder: Path, account: Mapping[str, Any], story: Story) -> str:
    """The page.

    Args:
        folder: Where pictures and video lie.
        account: `Account.as_json()`, or {} if the run was broken off.
        story: What the events say.
    """
    command = account.get("command") or (story.trees[0].label if story.trees else "a run")
    return page(
        f"{account.get('verdict', 'broken off')}: {command}",
        [
            _head(str(command), account),
            _scenes(folder, account, story),
            _tree(folder, story),
            _timings(account, story),
            section("As the joints measured it", _plot(picture(folder / "curves.svg", "from the recorded bag"))),
            _understanding(folder, account, story),
            _programs(account, story),
            _truth(account),
            _safety(account, story),
            _provenance(account),
        ],
    )


def _head(command: str, account: Mapping[str, Any]) -> str:
    verdict = str(account.get("verdict", "broken off"))
    tone = TONE.get(verdict, "bad")
    parts = [
        f'<header><p class="soft">command</p><h1>“{text(command)}”</h1>',
        f'<p><span class="badge {tone}">{text(verdict)}</span> {text(account.get("message", ""))}</p>',
    ]
    parts += [f"<p>The robot said: “{text(remark)}”</p>" for remark in account.get("remarks") or ()]
    if account.get("perception") == "truth":
        parts.append(
            '<div class="banner warn"><b>Ablation:</b> perception was replaced by the simulator\'s own state. '
            "This run says nothing about seeing.</div>"
        )
    if account.get("planner") == "scripted":
        parts.append(
            '<div class="banner warn"><b>Ablation:</b> the program was written from the structured goal, '
            "not from the words.</div>"
        )
    timings = account.get("timings") or {}
    parts.append(
        facts(
            [
                ("robot", account.get("robot", "?")),
                ("planner", account.get("planner", "?")),
                ("perception", account.get("perception", "?")),
                ("seed", account.get("seed", "?")),
                ("speed scale", account.get("speed_scale", "?")),
                ("planning", seconds(timings.get("plan_s"))),
                ("command to motion", seconds(timings.get("command_to_motion_s"))),
                ("total", seconds(timings.get("total_s"))),
            ]
        )
    )
    return "\n".join(parts) + "</header>"


def seconds(value: Any) -> str:
    """A duration for people."""
    if not isinstance(value, (int, float)):
        return "–"
    return f"{value * 1000:.0f} ms" if value < 0.1 else f"{value:.2f} s"


def _scenes(folder: Path, account: Mapping[str, Any], story: Story) -> str:
    frames = [frame for frame in story.frames if frame.get("role") in ("before", "after", "frame")]
    files = [folder / str(frame.get("file", "")) for frame in frames]
    shown = [picture(file, str(frame.get("caption", ""))) for file, frame in zip(files, frames, strict=True)]
    video = film(folder / "video.mp4", "the run on film", files[-1] if files else None)
    return section("The run", stage(video, *shown))


def _plot(figure: str) -> str:
    return f'<div class="plot">{figure}</div>' if figure else ""


# The tree


def _tree(folder: Path, story: Story) -> str:
    if not story.trees:
        return ""
    parts: list[str] = []
    for number, tree in enumerate(story.trees, start=1):
        if len(story.trees) > 1:
            parts.append(f'<p class="soft">program {number} of {len(story.trees)}</p>')
        items = list(tree.walk())
        begin = tree.start
        span = max([item.start + item.duration for item in items], default=begin) - begin
        parts.append(f'<div class="tree">{_node(folder, tree, begin, max(span, 1e-3), 0)}</div>')
    hint = (
        '<p class="soft">Every node with what was measured; the bar is its place in time. '
        "Click to open or close.</p>"
    )
    return section("Program tree", hint, *parts)


def _node(folder: Path, item: Item, begin: float, span: float, depth: int) -> str:
    tone = TONE.get(item.status, "warn" if item.status == "cancelled" else "soft")
    left, width = 100 * (item.start - begin) / span, 100 * item.duration / span
    bad = " class=bad" if item.status == "failure" else ""
    place = f"left:{max(0, min(left, 99.5)):.2f}%;width:{min(width, 100):.2f}%"
    lane = f'<span class="lane"><i{bad} style="{place}"></i></span>'
    attempt = f' <span class="soft">try {item.attempt}</span>' if item.attempt > 1 else ""
    label = f'<span class="label mono">{text(item.label)}{attempt}</span>'
    time = seconds(item.duration) if item.status not in ("skipped", "running") else ""
    summary = (
        f'<summary><span class="mark {tone}">{MARKS[item.status]}</span>{label}{lane}'
        f'<span class="time">{time}</span></summary>'
    )
    why = f'<p class="why {tone}">{text(item.reason)}</p>' if item.reason else ""
    evidence = f'<div class="evidence mono">{_evidence(item.evidence)}</div>' if item.evidence else ""
    frames = gallery(picture(folder / str(f.get("file", "")), str(f.get("caption", ""))) for f in item.frames)
    inner = "".join(_node(folder, child, begin, span, depth + 1) for child in item.children)
    # What went wrong is open, and so are the levels that a reader starts with.
    opened = " open" if depth < 3 or any(below.status == "failure" for below in item.walk()) else ""
    leaf = "" if inner or evidence or frames else " class=leaf"
    return f"<details{opened}{leaf}>{summary}{why}{evidence}{frames}{inner}</details>"


def _evidence(evidence: Mapping[str, Any]) -> str:
    pieces = [f"<b>{text(key)}</b> {text(_short(value))}" for key, value in evidence.items()]
    return " · ".join(pieces)


def _short(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(_rounded(value), ensure_ascii=False)
    return shown if len(shown) <= MOST_EVIDENCE else shown[:MOST_EVIDENCE] + " …"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value


# Time


def _timings(account: Mapping[str, Any], story: Story) -> str:
    timings = account.get("timings") or {}
    total = timings.get("total_s")
    if not isinstance(total, (int, float)) or total <= 0:
        return ""
    parts = [("planning", _positive(timings.get("plan_s")))]
    spent: dict[str, float] = {}
    for tree in story.trees:
        for item in tree.walk():
            if item.level == "primitive" and not item.children:
                name = item.label.split("(")[0].split("=")[-1].strip()
                spent[name] = spent.get(name, 0.0) + item.duration
    longest = sorted(spent.items(), key=lambda pair: -pair[1])
    parts += longest[:4]
    rest = total - sum(value for _, value in parts)
    if rest > 0:
        parts.append(("everything else", rest))
    details = [
        (key, seconds(value) if key.endswith("_s") else value)
        for key, value in timings.items()
        if key not in ("plan_s", "command_to_motion_s", "total_s") and value is not None
    ]
    calls = [(name, seconds(value)) for name, value in longest]
    return section(
        "Where the time went",
        bars([part for part in parts if part[1] > 0]),
        table(["planner stage", "time"], details, numeric=[1]),
        f"<details><summary class=soft>by primitive</summary>{table(['primitive', 'time'], calls, [1])}</details>"
        if calls
        else "",
    )


def _positive(value: Any) -> float:
    return max(0.0, float(value)) if isinstance(value, (int, float)) else 0.0


# Words, programs, truth, safety


def _understanding(folder: Path, account: Mapping[str, Any], story: Story) -> str:
    lines = account.get("grounding") or ()
    words = table(["the planner understood"], [[Html(f"<span class=mono>{text(line)}</span>")] for line in lines])
    seen = gallery(
        picture(folder / str(f.get("file", "")), str(f.get("caption", "")))
        for f in story.frames
        if f.get("role") == "perception"
    )
    return section("What was understood and seen", words, seen)


def _programs(account: Mapping[str, Any], story: Story) -> str:
    programs = list(account.get("programs") or [plan.get("program", "") for plan in story.plans])
    parts: list[str] = []
    for number, program in enumerate(programs, start=1):
        if len(programs) > 1:
            parts.append(f'<p class="soft">{"first program" if number == 1 else f"repair {number - 1}"}</p>')
        parts.append(f"<pre>{text(program.rstrip())}</pre>")
    return section("Program" if len(programs) < 2 else "Programs", *parts)


def _truth(account: Mapping[str, Any]) -> str:
    truth = account.get("truth")
    if not isinstance(truth, Mapping) or not truth:
        return ""
    note = '<p class="soft">The simulator\'s own final state. Neither planner nor perception read it.</p>'
    held = truth.get("success")
    words = ""
    if isinstance(held, bool):
        agrees = held == (account.get("verdict") == "done")
        words = (
            f'<p>By simulator truth the task is <b class="{"good" if held else "bad"}">'
            f"{'accomplished' if held else 'not accomplished'}</b>; the agent's own verdict "
            f"{'agrees' if agrees else '<b class=bad>disagrees</b>'}.</p>"
        )
    return section("Truth and verdict", note, words, _objects(truth.get("objects")), _joints(truth.get("joints")))


def _objects(objects: Any) -> str:
    if not isinstance(objects, Mapping):
        return ""
    rows = [
        [
            name,
            " ".join(f"{value:+.3f}" for value in found.get("position", ())),
            _short(found.get("quaternion", "")),
        ]
        for name, found in objects.items()
        if isinstance(found, Mapping)
    ]
    return table(["object", "position x y z [m]", "orientation w x y z"], rows)


def _joints(joints: Any) -> str:
    if not isinstance(joints, Mapping):
        return ""
    units = {"revolute": "rad", "hinge": "rad", "prismatic": "m", "slide": "m"}
    rows = [
        [
            name,
            f"{joint.get('position', 0.0):.4f} {units.get(str(joint.get('type')), '')}",
            f"{100 * joint.get('fraction', 0.0):.0f} %",
        ]
        for name, joint in joints.items()
        if isinstance(joint, Mapping)
    ]
    return table(["joint", "position", "of its range"], rows, numeric=[1, 2])


def _safety(account: Mapping[str, Any], story: Story) -> str:
    entries: Iterable[Any] = account.get("audit") or [n for n in story.notes if n.get("type") == "safety"]
    rows = [entry for entry in entries if isinstance(entry, Mapping)]
    if not rows:
        return ""
    keys = list(dict.fromkeys(key for row in rows for key in row if key != "type"))[:6]
    body = [[_short(row.get(key, "")) for key in keys] for row in rows[:MOST_AUDIT]]
    more = f'<p class="soft">{len(rows) - MOST_AUDIT} more in run.json</p>' if len(rows) > MOST_AUDIT else ""
    inner = table(keys, body)
    note = f'<p class="soft">{len(rows)} decisions of the supervisor between every command and every motor.</p>'
    return section("Limits and audit log", note, f"<details><summary>show</summary>{inner}{more}</details>")


def _provenance(account: Mapping[str, Any]) -> str:
    versions = account.get("versions") or {}
    line = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f'<p class="soft" style="margin-top:2.5rem">Made with {text(line)}.</p>' if line else ""

"""`doctor --ros`: what a live robot lacks before it may move, and how to mend it."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from embodied_agent.ros.inspection.doctor import InspectOptions, inspect
from embodied_agent.ros.inspection.finding import NOTE, OK, WRONG, Finding

STYLE = {OK: "green", NOTE: "yellow", WRONG: "bold red"}
MARK = {OK: "ok", NOTE: "note", WRONG: "BAD"}


def examine_ros(options: InspectOptions, *, as_json: bool) -> int:
    """Look, print, and return 0 if nothing is to be mended, else 5.

    Raises:
        EmbodiedAgentError: Nothing can be looked at: no ROS, or no such robot.
    """
    if not as_json:
        Console(stderr=True).print("looking at the graph for some seconds", style="dim")
    findings = inspect(options)
    bad = sum(finding.state == WRONG for finding in findings)
    if as_json:
        print(json.dumps({"ok": not bad, "findings": [finding.as_json() for finding in findings]}))
        return 5 if bad else 0
    Console().print(_table(findings))
    if bad:
        print(f"error: {bad} thing{'s' if bad > 1 else ''} to mend, see above", file=sys.stderr)
    else:
        print("nothing to mend")
    return 5 if bad else 0


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    table.add_column("what", no_wrap=True)
    table.add_column("found, and how to mend it", overflow="fold")
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            table.add_row("", Text(area, "bold underline"), "")
        words = Text(finding.measured)
        if finding.remedy:
            words.append(f"\n→ {finding.remedy}", "yellow")
        table.add_row(Text(MARK[finding.state], STYLE[finding.state]), f"  {finding.what}", words)
    return table

"""The page of `bench ros`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embodied_agent.page import Html, facts, page, section, table, text
from embodied_agent.ros.measuring.suite import Part

HEAD = ("what", "n", "p50", "p95", "max", "target", "")
NOTES = (
    "Driver, node and model are processes of their own; the driver simulates the arm in real time. Departure and "
    "confirmation count from the node's receipt of a request to the moment at which the cancel left for the "
    "controller, and to that at which the controller had ended its goal. Standstill as the node measures it is by "
    "the stamps of the joint states; what a client sees holds the way to the node and back as well. An image is "
    "lost if its depth or camera info came and its colours did not; it is left out if nothing of it was "
    "published, as happens where the processor that draws it is too slow."
)


def suite_html(result: Mapping[str, Any], parts: Sequence[Part]) -> str:
    """The page.

    Args:
        result: See `suite.result`.
        parts: In the order in which they are shown.
    """
    machine, options = result["machine"], result["options"]
    failed = sum(not part.finding.ok for part in parts)
    told = f"{failed} of {len(parts)} parts failed" if failed else "nothing was lost, and the arm always stopped"
    about = [
        ("robot", options["robot"]), ("seed", options["seed"]), ("processor", machine["processor"]),
        ("cores", machine["cores"]), ("system", machine["system"]),
    ]  # fmt: skip
    line = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return page(
        "ROS path",
        [
            f'<header><p class="soft">the ROS path under load and faults</p><h1>{text(told)}</h1>',
            facts(about) + "</header>",
            *(section(part.finding.name, *_part(part)) for part in parts),
            f'<p class="soft">{text(NOTES)}</p>',
            f'<p class="soft">Made with {text(line)}.</p>',
        ],
    )


def _part(part: Part) -> list[str]:
    finding = part.finding
    problems = "".join(f"<li>{text(problem)}</li>" for problem in finding.problems)
    said = list(dict.fromkeys(finding.sentences))
    sentences = "".join(f"<li>{text(sentence)}</li>" for sentence in said)
    return [
        f'<div class="banner"><b>Problems</b><ul>{problems}</ul></div>' if problems else "",
        table(HEAD, [_cells(row.cells()) for row in part.rows], numeric=range(1, 5)),
        f"<details><summary>What the node said</summary><ul>{sentences}</ul></details>" if said else "",
    ]


def _cells(cells: list[str]) -> list[object]:
    mark = cells[-1]
    return [*cells[:-1], Html(f"<b>{text(mark)}</b>") if mark == "not met" else mark]

"""The tree of one goal as messages: every node that was reached, in the order in which they started."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from diagnostic_msgs.msg import KeyValue

from embodied_agent.program.events import Event, parent_path
from embodied_agent.robots.ros2.messages import to_duration
from embodied_agent_interfaces.msg import ProgramNode, ProgramTree

STATUS = {
    "started": ProgramNode.RUNNING,
    "succeeded": ProgramNode.SUCCEEDED,
    "failed": ProgramNode.FAILED,
    "skipped": ProgramNode.SKIPPED,
    "cancelled": ProgramNode.CANCELLED,
}
LONGEST = 2000  # characters of one value of evidence
MOST_NODES = 5000  # of one program; more statements than that can run only in nested loops


def key_values(values: Mapping[str, Any]) -> list[Any]:
    """Evidence as diagnostic_msgs/KeyValue: strings as they are, all else as JSON."""
    rows = []
    for key, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        rows.append(
            KeyValue(key=str(key), value=_sendable(text if len(text) <= LONGEST else text[:LONGEST] + " ..."))
        )
    return rows


def node_of(event: Event, stamp: Any) -> Any:
    """One event as a ProgramNode.

    Args:
        event: What happened.
        stamp: builtin_interfaces/Time of it.
    """
    return ProgramNode(
        path=event.path,
        parent=parent_path(event.path),
        label=_sendable(event.label),
        level=event.level,
        source=event.source,
        line=max(0, event.line),
        attempt=max(0, event.attempt),
        status=STATUS[event.kind],
        stamp=stamp,
        duration=to_duration(max(0.0, event.duration)),
        reason=_sendable(event.reason),
        evidence=key_values(event.evidence),
    )


class GoalTree:
    """Grows with the events of one goal; read and written from several threads.

    Args:
        goal_id: unique_identifier_msgs/UUID.
        instruction: What was asked.
    """

    def __init__(self, goal_id: Any, instruction: str) -> None:
        self.goal_id, self.instruction = goal_id, _sendable(instruction)
        self.program = ""
        self.verdict = ""
        self._nodes: dict[str, Any] = {}
        self._lock = threading.Lock()

    def begin(self, program: str) -> None:
        """A program was accepted: the nodes of an earlier one are gone."""
        with self._lock:
            self.program, self._nodes = _sendable(program), {}

    def tell(self, event: Event, stamp: Any) -> Any:
        """Take in one event; returns its node."""
        node = node_of(event, stamp)
        with self._lock:
            if event.path in self._nodes or len(self._nodes) < MOST_NODES:
                self._nodes[event.path] = node
        return node

    def remark(self, path: str, reason: str) -> None:
        """Say at a node that runs what it waits for; "" when it waits no longer."""
        with self._lock:
            if path in self._nodes:
                self._nodes[path].reason = reason

    @property
    def nodes(self) -> list[Any]:
        """Every node that was reached, in the order in which they started."""
        with self._lock:
            return list(self._nodes.values())

    def message(self, stamp: Any, frame: str) -> Any:
        """The ProgramTree as it stands."""
        tree = ProgramTree(
            goal_id=self.goal_id, instruction=self.instruction, program=self.program, verdict=self.verdict,
            nodes=self.nodes,
        )  # fmt: skip
        tree.header.stamp, tree.header.frame_id = stamp, frame
        return tree


def deepest_failure(nodes: Iterable[Any]) -> Any | None:
    """The node that failed or was cancelled and holds no other such node; the last of several."""
    ended = [node for node in nodes if node.status in (ProgramNode.FAILED, ProgramNode.CANCELLED)]
    failed = [node for node in ended if node.status == ProgramNode.FAILED] or ended
    around = {node.parent for node in failed}
    leaves = [node for node in failed if node.path not in around and not _holds(node.path, failed)]
    return max(leaves, key=lambda node: (node.stamp.sec, node.stamp.nanosec), default=None)


def _holds(path: str, nodes: Iterable[Any]) -> bool:
    return any(node.path.startswith((path + ".", path + "[")) for node in nodes)


def _sendable(text: str) -> str:
    """Text that a ROS string can carry: no NUL, no half of a surrogate pair."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")

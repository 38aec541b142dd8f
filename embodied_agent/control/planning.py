"""Collision-free joint paths: the straight one first, then a raised one, then RRT-Connect."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from embodied_agent.control.collision import CollisionWorld
from embodied_agent.control.effort import Allowance
from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.rrt import connect
from embodied_agent.control.straight import follow_poses
from embodied_agent.control.trajectory import ROUNDING, rounded_waypoints
from embodied_agent.types import Array, Pose

EFFORT = 25_000  # collision checks and steps of inverse kinematics; about two seconds of one core
CHECK_STEP = 0.01  # [rad] between collision checks on a found path
GOALS = 4  # inverse solutions considered for one pose
LIFTS = (0.08, 0.16, 0.26)  # [m] tried before sampling: most things in the way stand on a table
ROUNDINGS = (ROUNDING, 0.05, 0.01)  # [rad] tried in turn

# Says why a goal is not acceptable ("" = it is), e.g. that no straight approach follows it.
Accept = Callable[[Array], str]


@dataclass(frozen=True)
class Plan:
    """Outcome of planning.

    Attributes:
        path: Joint waypoints joined by straight segments [rad], (T, n); empty if it failed.
        reason: Why it failed: which pair collides, or unreachable by how far; "" if found.
        method: "none", "straight", "raised" or "rrt".
        seconds: Time it took.
        checks: Collision checks made.
    """

    path: Array
    reason: str
    method: str
    seconds: float
    checks: int

    @property
    def found(self) -> bool:
        """Whether there is a path."""
        return not self.reason


@dataclass(frozen=True)
class _Query:
    """What stays fixed during one call of `plan`."""

    start: Array
    spent: Allowance
    seed: int
    max_tilt: float | None


class MotionPlanner:
    """Plans for one arm in one collision world."""

    def __init__(self, kinematics: Kinematics, world: CollisionWorld) -> None:
        self.kinematics = kinematics
        self.world = world

    def plan(
        self,
        start: Array,
        goal: Array | Pose | Sequence[Pose],
        *,
        seed: int = 0,
        effort: int = EFFORT,
        max_tilt: float | None = None,
        accept: Accept | None = None,
    ) -> Plan:
        """A path from joints `start` to joints or a tool pose. The same seed, the same path.

        Args:
            start: Joints [rad], (n,).
            goal: Joints (n,), a tool pose, or tool poses of which any will do, best first.
            seed: Of every random choice.
            effort: Collision checks and steps of inverse kinematics at most.
            max_tilt: Largest angle of the tool's z axis from that at the start [rad], for
                things that must stay upright; None = any.
            accept: Refuses goals, e.g. those without a straight approach after them.
        """
        began, checks = time.monotonic(), self.world.checks
        start = np.asarray(start, dtype=np.float64)
        query = _Query(start, self.allowance(effort), seed, max_tilt)

        def done(path: Array, reason: str, method: str) -> Plan:
            used = time.monotonic() - began
            return Plan(path, reason, method, used, self.world.checks - checks)

        nothing = np.zeros((0, len(start)))
        if reason := self._outside_limits(start, "the start"):
            return done(nothing, reason, "none")
        try:
            lead, reason = self._leave_contact(query)
            if reason:
                return done(nothing, reason, "none")
            goals, reason = self._goals(query, goal, accept)
            if not goals:
                return done(nothing, reason, "none")
            path, reason, method = self._search(query, lead[-1], goals)
        except TimeoutError:
            return done(nothing, f"no path found within {effort} steps of search", "none")
        if path is None:
            return done(nothing, reason, method)
        path, reason = self._rounded(query, np.concatenate([lead[:-1], path]), len(lead) > 1)
        return done(path, reason, method)

    def allowance(self, units: int) -> Allowance:
        """So many collision checks and steps of inverse kinematics from now."""
        return Allowance.of(lambda: self.world.checks + self.kinematics.iterations, units)

    def _outside_limits(self, positions: Array, what: str) -> str:
        description = self.kinematics.description
        if len(positions) != len(description.joints) or not np.isfinite(positions).all():
            return f"{what} is not {len(description.joints)} joint angles"
        beyond = np.maximum(description.lower - positions, positions - description.upper)
        k = int(np.argmax(beyond))
        if beyond[k] > 1e-3:
            return f"{what} is outside the limits of '{description.joint_names[k]}' by {beyond[k]:.3f} rad"
        return ""

    def _leave_contact(self, query: _Query) -> tuple[Array, str]:
        """Waypoints (T, n) from the start to a free place; just the start if it is free.

        After a grasp or a push the arm may stand a millimetre inside a margin. A short motion
        that never goes deeper than it already is may leave it.
        """
        contact = self.world.contact(query.start)
        if contact is None:
            return query.start[None], ""
        rng = np.random.default_rng(query.seed)
        depth = contact.distance - 0.002
        for k in range(60):
            size = 0.02 + 0.2 * k / 60
            there = self.kinematics.clip(query.start + rng.uniform(-size, size, len(query.start)))
            if not self.world.free(there):
                continue
            shares = np.linspace(0.1, 0.9, 9)
            between = [self.world.contact(query.start + share * (there - query.start)) for share in shares]
            if all(item is None or item.distance >= depth for item in between):
                return np.stack([query.start, there]), ""
        return query.start[None], f"the arm cannot leave where it stands: {contact}"

    def _goals(
        self, query: _Query, goal: Array | Pose | Sequence[Pose], accept: Accept | None
    ) -> tuple[list[Array], str]:
        """Goal joints that are free and accepted, nearest first, or why there are none."""
        poses = [goal] if isinstance(goal, Pose) else list(goal)  # type: ignore[arg-type]
        reasons: list[str] = []
        if poses and isinstance(poses[0], Pose):
            candidates: list[Array] = []
            for pose in poses:
                results = self.kinematics.inverses(
                    pose,
                    query.start,
                    count=GOALS,
                    random_seed=query.seed,  # type: ignore[arg-type]
                )
                candidates += [result.positions for result in results if result.found]
                reasons += [result.reason for result in results if not result.found]
                if query.spent():
                    break
        else:
            candidates = [np.asarray(goal, dtype=np.float64)]
            if reason := self._outside_limits(candidates[0], "the goal"):
                return [], reason
        good: list[Array] = []
        for positions in candidates:
            contact = self.world.contact(positions)
            reason = str(contact) if contact is not None else accept(positions) if accept is not None else ""
            if reason:
                reasons.insert(0, f"at the goal {reason}")
            else:
                good.append(positions)
        return good, "" if good else (reasons[0] if reasons else "no goal was given")

    def _search(self, query: _Query, start: Array, goals: list[Array]) -> tuple[Array | None, str, str]:
        blocked = ""
        for goal in goals:
            path = np.stack([start, goal])
            found = self.world.path_contact(path, CHECK_STEP, query.spent)
            if found is None and not self._tilts(query, path):
                return path, "", "straight"
            blocked = blocked or (str(found[1]) if found is not None else "it would tilt what it carries")
        raised = self._raised(query, start, goals)
        if raised is not None:
            return raised, "", "raised"
        valid = self.world.free
        if query.max_tilt is not None:

            def valid(positions: Array) -> bool:
                return self.world.free(positions) and not self._tilts(query, positions[None])

        sampled = connect(self.kinematics.description, start, goals, valid, query.spent, query.seed)
        if sampled is None:
            return None, f"no free path: on the direct one {blocked}", "rrt"
        final = self.world.path_contact(sampled, CHECK_STEP, query.spent)
        if final is not None:
            return None, f"no free path: {final[1]}", "rrt"
        return sampled, "", "rrt"

    def _rounded(self, query: _Query, path: Array, started_in_contact: bool) -> tuple[Array, str]:
        """The path with its corners rounded as the trajectory will round them, and free still."""
        if len(path) < 3 or started_in_contact:
            return path, ""
        reason = ""
        for rounding in ROUNDINGS:
            smooth = _thinned(rounded_waypoints(path, CHECK_STEP, rounding))
            try:
                found = self.world.path_contact(smooth, CHECK_STEP, query.spent)
            except TimeoutError:
                found = None
                reason = "the allowance for planning is spent"
                break
            if found is None and not self._tilts(query, smooth):
                return smooth, ""
            reason = f"no free path: {found[1] if found is not None else 'it would tilt what it carries'}"
        return path[:0], reason

    def _raised(self, query: _Query, start: Array, goals: list[Array]) -> Array | None:
        """Up, across in joint space, and down; where the tool stays upright, across in a line."""
        kinematics, world = self.kinematics, self.world
        first = kinematics.forward(start)
        for goal in goals[:2]:
            last = kinematics.forward(goal)
            for lift in LIFTS:
                height = max(first.position[2], last.position[2]) + lift
                ups = [_at_height(first, height), _at_height(last, height)]
                rise = follow_poses(kinematics, start, ups[:1], world, query.spent)
                fall = follow_poses(kinematics, goal, ups[1:], world, query.spent)
                if not (rise.complete and fall.complete):
                    continue
                path = _thinned(np.concatenate([rise.positions, fall.positions[::-1]]))
                found = world.path_contact(path, CHECK_STEP, query.spent)
                if found is None and not self._tilts(query, path):
                    return path
        return None

    def _tilts(self, query: _Query, path: Array) -> bool:
        """Whether the tool's z axis leaves the cone around its direction at the start."""
        if query.max_tilt is None:
            return False
        reference = self.kinematics.forward(query.start).rotation[:, 2]
        limit = np.cos(query.max_tilt)
        points = [path[0]]
        for a, b in itertools.pairwise(path):
            count = max(1, int(np.ceil(np.abs(b - a).max() / 0.1)))
            points += [a + (b - a) * k / count for k in range(1, count + 1)]
        return any(self.kinematics.forward(q).rotation[:, 2] @ reference < limit for q in points)


def _at_height(pose: Pose, height: float) -> Pose:
    return Pose(np.array([pose.position[0], pose.position[1], height]), pose.quaternion)


def _thinned(path: Array, tolerance: float = 0.002) -> Array:
    """Fewer waypoints, none of the dropped ones further than `tolerance` [rad] from the result."""
    keep, anchor = [0], 0
    for i in range(2, len(path)):
        shares = np.linspace(0, 1, i - anchor + 1)[1:-1, None]
        line = path[anchor] + shares * (path[i] - path[anchor])
        if np.abs(line - path[anchor + 1 : i]).max() > tolerance:
            anchor = i - 1
            keep.append(anchor)
    keep.append(len(path) - 1)
    return path[keep]

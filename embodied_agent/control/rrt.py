"""RRT-Connect by OMPL, seeded, with our own shortcuts so that the same seed gives the same path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from embodied_agent.control.effort import Spent
from embodied_agent.errors import MissingDependency
from embodied_agent.robots.description import RobotDescription
from embodied_agent.types import Array

MOTION_STEP = 0.03  # [rad], length of the joint vector between checks of a tree edge
EDGE = 0.9  # [rad], longest tree edge
SHORTCUTS = 60  # tries; counted, not timed, to be repeatable


def connect(
    description: RobotDescription,
    start: Array,
    goals: list[Array],
    valid: Callable[[Array], bool],
    spent: Spent,
    seed: int,
) -> Array | None:
    """Waypoints (T, n) from `start` to one of `goals` by RRT-Connect, or None.

    Args:
        description: Joint limits.
        start: Valid joints (n,).
        goals: Valid joints (n,), any of which will do.
        valid: Whether joints are free of collisions.
        spent: Whether the search has to end.
        seed: Of the sampling.
    """
    base, geometric, util = _ompl()
    util.setLogLevel(util.LOG_NONE)
    util.RNG.setSeed(seed + 1)  # 0 means "by the clock" there
    count = len(start)
    space = base.RealVectorStateSpace(count)
    bounds = base.RealVectorBounds(count)
    for k in range(count):
        bounds.setLow(k, float(min(description.lower[k], start[k])))
        bounds.setHigh(k, float(max(description.upper[k], start[k])))
    space.setBounds(bounds)
    information = base.SpaceInformation(space)
    information.setStateValidityChecker(lambda state: valid(np.array(state[0:count])))
    information.setStateValidityCheckingResolution(MOTION_STEP / space.getMaximumExtent())
    information.setup()
    problem = base.ProblemDefinition(information)
    problem.addStartState(_state(information, start))
    states = base.GoalStates(information)
    for goal in goals:
        states.addState(_state(information, goal))
    problem.setGoal(states)
    planner = geometric.RRTConnect(information)
    planner.setRange(EDGE)
    planner.setProblemDefinition(problem)
    planner.setup()
    stop = base.PlannerTerminationCondition(spent)
    planner.solve(stop)
    if not problem.hasExactSolution():
        return None
    states_found = problem.getSolutionPath().getStates()
    path = np.array([state[0:count] for state in states_found])
    return shortcut(path, valid, spent, np.random.default_rng(seed))


def shortcut(path: Array, valid: Callable[[Array], bool], spent: Spent, rng: np.random.Generator) -> Array:
    """The path (T, n) with random detours replaced by valid straight segments."""
    for _ in range(SHORTCUTS):
        if len(path) < 3 or spent():
            break
        lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        a, b = np.sort(rng.uniform(0.0, lengths[-1], 2))
        if rng.uniform() < 0.3:
            a, b = lengths[0], lengths[-1] if rng.uniform() < 0.2 else b
        i, j = np.searchsorted(lengths, a, "right") - 1, np.searchsorted(lengths, b, "left")
        if j - i < 2:
            continue
        first, last = _along(path, lengths, a), _along(path, lengths, b)
        direct = float(np.linalg.norm(last - first))
        if direct > (b - a) - 1e-3 or not _segment(first, last, valid):
            continue
        path = np.concatenate([path[: i + 1], [first, last], path[j:]])
        path = path[np.concatenate([[True], np.linalg.norm(np.diff(path, axis=0), axis=1) > 1e-9])]
    return path


def _along(path: Array, lengths: Array, distance: float) -> Array:
    columns = [np.interp(distance, lengths, path[:, k]) for k in range(path.shape[1])]
    return np.array(columns)


def _segment(first: Array, last: Array, valid: Callable[[Array], bool]) -> bool:
    count = max(1, int(np.ceil(np.linalg.norm(last - first) / MOTION_STEP)))
    return all(valid(first + (last - first) * k / count) for k in range(1, count))


def _state(information: Any, positions: Array) -> Any:
    state = information.allocState()
    state[0 : len(positions)] = [float(value) for value in positions]
    return state


def _ompl() -> tuple[Any, Any, Any]:
    try:
        from ompl import base, geometric, util
    except ImportError:
        raise MissingDependency("path planning needs ompl: pip install 'embodied-agent[mujoco]'") from None
    return base, geometric, util

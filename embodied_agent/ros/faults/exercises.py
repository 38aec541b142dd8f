"""The exercises: each breaks one thing on a running rig, and says what came of it in numbers.

The short form of every exercise runs in the tests, the long form (50 moments, 200 goals) is the
same function with another count. An exercise leaves the rig working, or raises.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embodied_agent.benchmark.metrics import percentile
from embodied_agent.errors import RobotError
from embodied_agent.ros.faults.malformed import GOALS
from embodied_agent.ros.faults.processes import wait_until
from embodied_agent.ros.faults.rig import Rig, moving
from embodied_agent_interfaces.action import ExecuteTask

Result = ExecuteTask.Result
Goal = ExecuteTask.Goal
SOON = 180.0  # [s] for a goal to end after it was broken; machines are busy sometimes
LATEST = 2.0  # [s] of motion in which a random moment lies
MOVES, LOOKS = "go home slowly", "go home slowly and look"
BLIND = (Result.ROBOT_FAULT,)  # the motion itself needs no picture; the look after it does
# Only the camera on the hand needs transforms that move: a goal may well be done without them.
UNMOVED = (Result.DONE, *BLIND)
LOST = (Result.STOPPED, Result.ROBOT_FAULT, Result.FAILED)
LEAK = 0.02  # [MB] a goal that memory may grow by, once warm
WARM = 10  # goals before memory is measured


@dataclass(frozen=True)
class Finding:
    """What one exercise found.

    Attributes:
        name: Of the exercise.
        problems: One sentence each; () = it went as it must.
        numbers: What was measured.
        sentences: What the node said of it.
    """

    name: str
    problems: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """It went as it must."""
        return not self.problems


Exercise = Callable[[Rig, int, random.Random], Finding]


def model_killed(rig: Rig, count: int, chance: random.Random) -> Finding:
    """Kill the model server while it writes a program; the goal ends without one, and the next is done."""
    problems: list[str] = []
    said: list[str] = []
    took: list[float] = []
    for _ in rig.rounds(count):
        sent = rig.client.send("think 30 seconds")
        wait_until("planning", lambda sent=sent: "planning" in sent.phases, SOON)
        time.sleep(chance.uniform(0.5, 2.0))
        killed = time.monotonic()
        rig.model.end(signal.SIGKILL)
        result = sent.wait(SOON)
        took.append(time.monotonic() - killed)
        said.append(result.reason)
        _demand(problems, result.outcome == Result.NO_PROGRAM and result.reason, f"outcome {result.outcome}")
        wait_until("/diagnostics told of the model", lambda: rig.client.level("model") == 2, SOON)
        rig.start_model()
        wait_until("the model answered", lambda: rig.client.level("model") == 0, rig.patience)
        after = rig.client.run("say here again")
        _demand(problems, after.outcome == Result.DONE, f"afterwards: outcome {after.outcome}, {after.reason}")
    return Finding("model killed", tuple(problems), {"ended_after_s": _spread(took)}, tuple(said))


def driver_killed(rig: Rig, count: int, chance: random.Random) -> Finding:
    """Kill the driver while the arm moves; the goal ends with the reason, and the node goes on with the next."""
    problems: list[str] = []
    said: list[str] = []
    took: list[float] = []
    for _ in rig.rounds(count):
        sent = moving(rig)
        time.sleep(chance.uniform(0.0, 1.0))
        killed = time.monotonic()
        rig.driver.end(signal.SIGKILL)
        result = sent.wait(SOON)
        took.append(time.monotonic() - killed)
        said.append(f"{result.outcome}: {result.reason}")
        _demand(problems, result.outcome in LOST and result.reason, f"outcome {result.outcome}: {result.reason}")
        wait_until("/diagnostics told of the joints", lambda: rig.client.level("joint states") != 0, SOON)
        rig.restore()
    return Finding("driver killed", tuple(problems), {"ended_after_s": _spread(took)}, tuple(said))


def _silent(switch: str, row: str, instruction: str, outcomes: tuple[int, ...]) -> Exercise:
    """Throw a fault switch of the driver while the arm moves; /diagnostics says it in `row`."""

    def exercise(rig: Rig, count: int, chance: random.Random) -> Finding:
        problems: list[str] = []
        said: list[str] = []
        took: list[float] = []
        for _ in rig.rounds(count):
            sent = moving(rig, instruction)
            time.sleep(chance.uniform(0.0, 1.0))
            began = time.monotonic()
            rig.client.set_fault(f"fault.{switch}", True)
            result = sent.wait(SOON)
            took.append(time.monotonic() - began)
            said.append(f"{result.outcome}: {result.reason}")
            told_why = result.reason or result.outcome == Result.DONE
            _demand(problems, result.outcome in outcomes and told_why, f"outcome {result.outcome}")
            reason = result.reason[:60] if row == "task" else ""

            def told(reason: str = reason) -> bool:
                return rig.client.level(row) not in (0, None) and reason in rig.client.sentence(row)

            wait_until(f"/diagnostics told of {row}", told, SOON)
            said.append(rig.client.sentence(row))
            rig.restore()
        return Finding(switch.replace("_", " "), tuple(problems), {"ended_after_s": _spread(took)}, tuple(said))

    return exercise


def node_paused(rig: Rig, count: int, chance: random.Random) -> Finding:
    """Take the processor from the node for a while as the arm moves; no sensor was silent, the goal is done."""
    problems: list[str] = []
    said: list[str] = []
    for _ in rig.rounds(count):
        sent = moving(rig)
        time.sleep(chance.uniform(0.0, 0.5))
        rig.agent.send(signal.SIGSTOP)
        time.sleep(chance.uniform(0.3, 0.6))
        rig.agent.send(signal.SIGCONT)
        result = sent.wait(SOON)
        said.append(f"{result.outcome}: {result.reason}")
        _demand(problems, result.outcome == Result.DONE, f"outcome {result.outcome}: {result.reason}")
        rig.restore()
    return Finding("node paused", tuple(problems), {"rounds": count}, tuple(said))


def cancel_at_random(rig: Rig, count: int, chance: random.Random) -> Finding:
    """Cancel a goal at random moments of a motion, and measure how long the arm still moves."""

    def end(sent: Any) -> float:
        return rig.client.cancel(sent)

    return _ended_at_random(rig, count, chance, "cancelled at random", end, Result.CANCELLED)


def stop_at_random(rig: Rig, count: int, chance: random.Random) -> Finding:
    """Stop at random moments of a motion, by topic and by service in turn; the arm is held until ~/reset."""
    turn = [False]

    def end(sent: Any) -> float:
        turn[0] = not turn[0]
        requested = time.monotonic()
        if turn[0]:
            rig.client.stop_by_topic()
        else:
            rig.client.trigger("stop")
        return requested

    return _ended_at_random(rig, count, chance, "stopped at random", end, Result.STOPPED)


def _ended_at_random(
    rig: Rig, count: int, chance: random.Random, name: str, end: Callable[[Any], float], outcome: int
) -> Finding:
    problems: list[str] = []
    wall: list[float] = []
    robot: list[float] = []
    stages: dict[str, list[float]] = {"cancel_sent_s": [], "cancel_confirmed_s": [], "stop_s": []}
    for number in rig.rounds(count):
        sent = moving(rig)
        time.sleep(chance.uniform(0.0, LATEST))
        speed = rig.client.speed()
        requested = end(sent)
        rest = rig.client.rest_after(requested)
        result = sent.wait(SOON)
        if rest is None:
            problems.append(f"{number}: the arm did not come to rest")
        elif speed > 0.02:
            wall.append(rest.wall)
            robot.append(rest.robot)
        _demand(problems, result.outcome == outcome, f"{number}: outcome {result.outcome}: {result.reason}")
        for row in result.timings if speed > 0.02 else ():
            if row.key in stages:
                stages[row.key].append(float(row.value))
        if outcome == Result.STOPPED:
            refused = rig.client.send("go home")
            _demand(problems, not refused.accepted, f"{number}: a held arm took a goal")
        wait_until("reset", lambda: rig.client.trigger("reset").success, rig.patience, 0.1)
    rig.restore()
    numbers = {"moving": len(wall), "request_to_rest_s": _spread(wall), "by_the_robots_clock_s": _spread(robot)}
    numbers |= {name: _spread(values) for name, values in stages.items()}
    return Finding(name, tuple(problems), numbers)


def malformed_goals(rig: Rig, count: int, chance: random.Random) -> Finding:
    """Goals that cannot be used: each is refused or INVALID with a reason, and none moves the arm."""
    problems: list[str] = []
    said: list[str] = []
    for name, options in GOALS.items():
        sent = rig.client.send(**options)
        if not sent.accepted:
            said.append(f"{name}: refused")
            continue
        result = sent.wait(SOON)
        said.append(f"{name}: {result.reason}")
        _demand(problems, result.outcome == Result.INVALID and result.reason, f"{name}: outcome {result.outcome}")
    after = rig.client.run("say still here")
    _demand(problems, after.outcome == Result.DONE, f"afterwards: outcome {after.outcome}, {after.reason}")
    return Finding("malformed goals", tuple(problems), {"kinds": len(GOALS)}, tuple(said))


def many_goals(rig: Rig, count: int, chance: random.Random) -> Finding:
    """Goals in a row; memory and threads of the node stay flat after the first few."""
    problems: list[str] = []
    readings: list[tuple[float, int]] = []
    for number in rig.rounds(WARM + count):
        result = rig.client.run(chance.choice(("say hello", "go home", "wait 0.05 seconds", "refuse")))
        good = result.outcome in (Result.DONE, Result.REFUSED)
        _demand(problems, good, f"goal {number}: outcome {result.outcome}, {result.reason}")
        if number >= WARM - 1:
            readings.append(rig.agent.usage())
    middle = readings[len(readings) // 2][0]
    grown = readings[-1][0] - middle  # caches fill in the first half
    threads = readings[-1][1] - readings[0][1]
    _demand(
        problems, grown < LEAK * count + 8.0, f"memory grew by {grown:.1f} MB over the last {count // 2} goals"
    )
    _demand(problems, threads <= 2, f"{threads} more threads after {count} goals")
    numbers = {
        "goals": count,
        "memory_mb": [round(readings[0][0], 1), round(middle, 1), round(readings[-1][0], 1)],
        "threads": [readings[0][1], readings[-1][1]],
    }
    return Finding("many goals", tuple(problems), numbers)


def signals(rig: Rig, count: int, chance: random.Random) -> Finding:
    """SIGINT and SIGTERM to node, driver and model server amid a goal: each ends cleanly, and all comes back."""
    problems: list[str] = []
    took: dict[str, list[float]] = {}
    for _ in rig.rounds(count):
        for number in (signal.SIGINT, signal.SIGTERM):
            sent = moving(rig)
            requested = time.monotonic()
            rig.agent.send(number)
            rest = rig.client.rest_after(requested, patience=20.0)
            code = rig.agent.wait(30.0)
            took.setdefault(f"node ended on {number.name}", []).append(time.monotonic() - requested)
            if rest is not None:
                took.setdefault(f"arm at rest on {number.name}", []).append(rest.wall)
            _demand(problems, code in (0, 130), f"the node ended with {code} on {number.name}")
            _demand(problems, rest is not None, f"the arm did not come to rest on {number.name} to the node")
            sent.done.set()
            rig.client.diagnostics.clear()
            rig.start_agent()
            rig.wait_active()
            rig.restore()
            requested = time.monotonic()
            code = rig.driver.end(number, patience=30.0)
            took.setdefault(f"driver ended on {number.name}", []).append(time.monotonic() - requested)
            _demand(problems, code in (0, 130), f"the driver ended with {code} on {number.name}")
            rig.restore()
            sent = rig.client.send("think 3 seconds")
            wait_until("planning", lambda sent=sent: "planning" in sent.phases, SOON)
            time.sleep(chance.uniform(0.0, 2.0))
            requested = time.monotonic()
            code = rig.model.end(number, patience=30.0)
            took.setdefault(f"model server ended on {number.name}", []).append(time.monotonic() - requested)
            _demand(problems, code in (0, 130), f"the model server ended with {code} on {number.name}")
            outcome = sent.wait(SOON).outcome  # what the server was asked before it still answers
            _demand(problems, outcome in (Result.NO_PROGRAM, Result.DONE), f"without a model: outcome {outcome}")
            rig.restore()
    return Finding("signals", tuple(problems), {name: _spread(values) for name, values in took.items()})


EXERCISES: Mapping[str, Exercise] = {
    "model_killed": model_killed,
    "driver_killed": driver_killed,
    "camera_silent": _silent("camera_silent", "camera overhead", LOOKS, BLIND),
    "joint_states_silent": _silent("joint_states_silent", "joint states", MOVES, LOST),
    "tf_silent": _silent("tf_silent", "transforms", LOOKS, UNMOVED),
    "controller_down": _silent("controller_down", "task", MOVES, LOST),
    "node_paused": node_paused,
    "cancel_at_random": cancel_at_random,
    "stop_at_random": stop_at_random,
    "malformed_goals": malformed_goals,
    "many_goals": many_goals,
    "signals": signals,
}
# What the issue asks for: so often each exercise is done in its long form.
LONG: Mapping[str, int] = {
    "model_killed": 10,
    "driver_killed": 10,
    "camera_silent": 10,
    "joint_states_silent": 10,
    "tf_silent": 10,
    "controller_down": 10,
    "node_paused": 10,
    "cancel_at_random": 50,
    "stop_at_random": 50,
    "malformed_goals": 1,
    "many_goals": 200,
    "signals": 5,
}


def exercise(rig: Rig, name: str, count: int, seed: int = 0) -> Finding:
    """Do one exercise; one that breaks off is a finding with that as its problem.

    Args:
        rig: A working rig.
        name: Key of EXERCISES.
        count: Moments, goals, or rounds.
        seed: Of the random moments.
    """
    try:
        return EXERCISES[name](rig, count, random.Random(seed))
    except RobotError as error:
        return Finding(name, (f"broke off: {error}",))


def _demand(problems: list[str], holds: Any, problem: str) -> None:
    if not holds:
        problems.append(problem)


def _spread(values: list[float]) -> dict[str, float]:
    """How many, the middle, the 95th percentile, and the largest."""
    if not values:
        return {}
    middle, high = percentile(values, 0.5), percentile(values, 0.95)
    assert middle is not None and high is not None
    return {"n": len(values), "p50": round(middle, 4), "p95": round(high, 4), "max": round(max(values), 4)}

"""The oracle: a structured goal in, the canonical program out.

It reads no language and sees no image; training learns its style, and the benchmark uses it to
tell planning losses from the rest. The style is deterministic: the same goal gives the same text.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from embodied_agent.errors import PlannerError
from embodied_agent.planners import goal as g
from embodied_agent.planners.planner import Failure, Plan, PlanRequest
from sim.descriptions import Description

TASKS: dict[type, str] = {
    g.Hold: "pick up",
    g.PlaceIn: "put in",
    g.PlaceOn: "put on",
    g.PlaceBeside: "put beside",
    g.PlaceAt: "put there",
    g.Stack: "stack",
    g.Sort: "sort",
    g.Open: "open",
    g.Close: "close",
    g.PutInDrawer: "put in drawer",
    g.Press: "press",
    g.Turn: "turn",
    g.Push: "push",
    g.Clear: "clear",
    g.Swap: "swap",
    g.Home: "go home",
    g.Wait: "wait",
    g.Conditional: "decide",
    g.Sequence: "steps",
    g.Refuse: "refuse",
    g.Ask: "ask",
}
_VARIABLES = {"object": "thing", "cupboard door": "door"}
_REPAIRS = 3  # attempts after which the oracle has nothing new to offer


def program_text(goal: g.Goal, *, repair: bool = False) -> str:
    """The canonical program for a goal.

    Args:
        goal: Any goal.
        repair: Start from a clear view, and leave alone what already holds.

    Returns:
        Program source, ending in a newline.
    """
    writer = _Writer(repair)
    with writer.block(f'with task("{TASKS[type(goal)]}"):'):
        if repair and not isinstance(goal, (g.Refuse, g.Ask)):
            writer.line("home()")
        writer.goal(goal)
    return "\n".join(writer.lines) + "\n"


class ScriptedPlanner:
    """Writes the canonical program of `PlanRequest.goal`, and an adapted one after a failure."""

    name = "scripted"

    def plan(self, request: PlanRequest) -> Plan:
        """Write the program of a known goal.

        Raises:
            PlannerError: The request carries no goal, or the failure cannot be repaired.
        """
        start = time.perf_counter()
        if request.goal is None:
            raise PlannerError(
                "the scripted planner reads no language: it needs the goal of a benchmark episode; "
                "choose another planner for a command"
            )
        if request.failures:
            _check_repairable(request.goal, request.failures)
        text = program_text(request.goal, repair=bool(request.failures))
        words = tuple(item.text() for item in g.descriptions_in(request.goal))
        return Plan(text, words, {"plan_s": time.perf_counter() - start})


def _check_repairable(goal: g.Goal, failures: tuple[Failure, ...]) -> None:
    if len(failures) > _REPAIRS:
        last = failures[-1]
        raise PlannerError(f"{len(failures)} attempts failed, the last at {last.node}: {last.reason}")
    moved = any(node.startswith("place(") for failure in failures for node in failure.done)
    if isinstance(goal, g.Swap) and moved:
        raise PlannerError("one of the two things has already left its place, so the swap cannot start again")


class _Writer:
    """Lines of one program, with the variables that are bound at each point."""

    def __init__(self, repair: bool) -> None:
        self.lines: list[str] = []
        self._depth = 0
        self._repair = repair
        self._bound: dict[g.Target, str] = {}
        self._used: set[str] = set()

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        self.line(header)
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def scope(self, header: str) -> Iterator[None]:
        """A block that may not run: what it binds is unknown afterwards."""
        bound = dict(self._bound)
        with self.block(header):
            yield
        self._bound = bound

    def unit(self, target: g.Target, manner: g.Manner = g.PLAIN) -> AbstractContextManager[None]:
        """An object-centric unit with its physical preferences."""
        noun = target.kind if isinstance(target, Description) else "object"
        grasp_at = manner.grasp_at or ("handle" if noun in ("drawer", "cupboard door") else "")
        preferences = {
            "approach": f'"{manner.approach}"' if manner.approach else "",
            "grasp_at": f'"{grasp_at}"' if grasp_at else "",
            "max_force": "" if manner.max_force is None else repr(float(manner.max_force)),
            "keep_upright": "True" if manner.keep_upright else "",
            "speed": "" if manner.speed is None else repr(float(manner.speed)),
        }
        words = [f'"{noun}"'] + [f"{key}={value}" for key, value in preferences.items() if value]
        return self.block(f"with unit({', '.join(words)}):")

    def fresh(self, noun: str) -> str:
        """An unused variable name for a kind of thing: cube, cube_2, ..."""
        stem = _VARIABLES.get(noun, re.sub(r"\W", "_", noun))
        name, number = stem, 1
        while name in self._used:
            number += 1
            name = f"{stem}_{number}"
        self._used.add(name)
        return name

    def find(self, target: g.Target) -> str:
        """The variable that holds a target; writes the line that finds it unless it is known."""
        if target in self._bound:
            return self._bound[target]
        if isinstance(target, Description):
            name, call = self.fresh(target.kind), f'find("{target.text()}")'
        else:
            name, call = self.fresh("object"), f"find_at(point={target.point})"
        self.line(f"{name} = {call}")
        self._bound[target] = name
        return name

    def goal(self, goal: g.Goal) -> None:
        getattr(self, f"_{type(goal).__name__}")(goal)

    def _carry(self, thing: str, place: str, test: str, guarded: bool = True) -> None:
        """Pick, place and measure; a repair leaves alone what already holds."""
        if self._repair and test and guarded:
            with self.block(f"if not {test}:"):
                self.line(f"pick({thing})")
                self.line(f"place({thing}, {place})")
        else:
            self.line(f"pick({thing})")
            self.line(f"place({thing}, {place})")
        if test:
            self.line(f"ensure({test})")

    def _Hold(self, goal: g.Hold) -> None:
        with self.unit(goal.thing, goal.manner):
            thing = self.find(goal.thing)
            self.line(f"pick({thing})")
            self.line(f"ensure(is_holding({thing}))")

    def _PlaceIn(self, goal: g.PlaceIn) -> None:
        with self.unit(goal.thing, goal.manner):
            thing, container = self.find(goal.thing), self.find(goal.container)
            self._carry(thing, f"inside={container}", f"is_inside({thing}, {container})")

    def _PlaceOn(self, goal: g.PlaceOn) -> None:
        with self.unit(goal.thing, goal.manner):
            thing, support = self.find(goal.thing), self.find(goal.support)
            self._carry(thing, f"on={support}", f"is_on({thing}, {support})")

    def _PlaceBeside(self, goal: g.PlaceBeside) -> None:
        with self.unit(goal.thing, goal.manner):
            thing, other = self.find(goal.thing), self.find(goal.other)
            side = "" if goal.side == "any" else f', side="{goal.side}"'
            test = f"is_beside({thing}, {other})"
            self._carry(thing, f"beside={other}{side}", test, guarded=not side)

    def _PlaceAt(self, goal: g.PlaceAt) -> None:
        with self.unit(goal.thing, goal.manner):
            thing, spot = self.find(goal.thing), self.fresh("spot")
            self.line(f"{spot} = spot_at(point={goal.spot.point})")
            self._carry(thing, f"at={spot}", f"is_at({thing}, {spot})")

    def _Stack(self, goal: g.Stack) -> None:
        for below, thing in zip(goal.things, goal.things[1:], strict=False):
            self._PlaceOn(g.PlaceOn(thing, below))

    def _Sort(self, goal: g.Sort) -> None:
        relation, test = ("inside", "is_inside") if goal.how == "inside" else ("on", "is_on")
        for what, where in goal.groups:
            self._each(what, where, relation, test)

    def _Clear(self, goal: g.Clear) -> None:
        if goal.container is not None:
            self._each(goal.things, goal.container, "inside", "is_inside")
            return
        source = goal.things.reference
        origin = self.find(source) if source is not None else ""
        test = {"on": "is_on", "in": "is_inside"}.get(goal.things.relation, "")
        thing = self.fresh(goal.things.kind)
        with self.scope(f'for {thing} in find_all("{goal.things.text()}"):'), self.unit(goal.things):
            spot = self.fresh("spot")
            self.line(f"{spot} = free_spot()")
            self._carry(thing, f"at={spot}", "")
            if test:
                self.line(f"ensure(not {test}({thing}, {origin}))")

    def _each(self, what: Description, where: Description, relation: str, test: str) -> None:
        target = self.find(where)
        thing = self.fresh(what.kind)
        with self.scope(f'for {thing} in find_all("{what.text()}"):'), self.unit(what):
            self._carry(thing, f"{relation}={target}", f"{test}({thing}, {target})")

    def _Open(self, goal: g.Open) -> None:
        with self.unit(goal.part):
            part = self.find(goal.part)
            to = "" if goal.to is None else f", to={goal.to!r}"
            if self._repair and goal.to is None:
                with self.block(f"if not is_open({part}):"):
                    self.line(f"open({part})")
            else:
                self.line(f"open({part}{to})")
            self.line(f"ensure(is_open({part}))")

    def _Close(self, goal: g.Close) -> None:
        with self.unit(goal.part):
            part = self.find(goal.part)
            if self._repair:
                with self.block(f"if not is_closed({part}):"):
                    self.line(f"close({part})")
            else:
                self.line(f"close({part})")
            self.line(f"ensure(is_closed({part}))")

    def _PutInDrawer(self, goal: g.PutInDrawer) -> None:
        with self.unit(goal.drawer):
            drawer = self.find(goal.drawer)
            with self.block(f"if not is_open({drawer}):"):
                self.line(f"open({drawer})")
        with self.unit(goal.thing, goal.manner):
            thing = self.find(goal.thing)
            self._carry(thing, f"inside={drawer}", f"is_inside({thing}, {drawer})")
        if goal.close_after:
            self._Close(g.Close(goal.drawer))

    def _Press(self, goal: g.Press) -> None:
        with self.unit(goal.button):
            button = self.find(goal.button)
            self.line(f"press({button})")
            self.line(f"ensure(is_pressed({button}))")

    def _Turn(self, goal: g.Turn) -> None:
        with self.unit(goal.knob):
            knob = self.find(goal.knob)
            angle = "" if goal.angle is None else f", angle={goal.angle!r}"
            self.line(f"turn({knob}{angle})")
            self.line(f"ensure(is_turned({knob}))")

    def _Push(self, goal: g.Push) -> None:
        with self.unit(goal.thing):
            thing = self.find(goal.thing)
            distance = "" if goal.distance is None else f", distance={goal.distance!r}"
            self.line(f'push({thing}, "{goal.direction}"{distance})')

    def _Swap(self, goal: g.Swap) -> None:
        with self.unit(goal.first):
            first, second = self.find(goal.first), self.find(goal.second)
            spot, spot_2 = self.fresh("spot"), self.fresh("spot")
            self.line(f"{spot} = position_of({first})")
            self.line(f"{spot_2} = position_of({second})")
            aside = self.fresh("spot")
            self.line(f"{aside} = free_spot()")
            self._carry(first, f"at={aside}", "")
        with self.unit(goal.second):
            self._carry(second, f"at={spot}", f"is_at({second}, {spot})")
        with self.unit(goal.first):
            self._carry(first, f"at={spot_2}", f"is_at({first}, {spot_2})")

    def _Home(self, goal: g.Home) -> None:
        self.line("home()")

    def _Wait(self, goal: g.Wait) -> None:
        self.line(f"wait({goal.seconds:g})")

    def _Conditional(self, goal: g.Conditional) -> None:
        condition = self.condition(goal.condition)
        with self.scope(f"if {condition}:"):
            self.goal(goal.then)
        if goal.otherwise is not None:
            with self.scope("else:"):
                self.goal(goal.otherwise)

    def condition(self, condition: g.Condition) -> str:
        """The expression of a condition; writes the lines that find what it is about."""
        if isinstance(condition, g.Exists):
            text = f'exists("{condition.thing.text()}")'
            return f"not {text}" if condition.negated else text
        if isinstance(condition, g.Counted):
            return f'count("{condition.things.text()}") {condition.sign} {condition.number}'
        if isinstance(condition, g.PartState):
            return f"{'is_open' if condition.open else 'is_closed'}({self.find(condition.part)})"
        text = f"{condition.test}({self.find(condition.first)}, {self.find(condition.second)})"
        return f"not {text}" if condition.negated else text

    def _Sequence(self, goal: g.Sequence) -> None:
        for step in goal.steps:
            self.goal(step)

    def _Refuse(self, goal: g.Refuse) -> None:
        self.line(f'refuse("{goal.reason}")')

    def _Ask(self, goal: g.Ask) -> None:
        self.line(f'ask("{goal.question}")')

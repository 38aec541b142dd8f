"""Proof before motion: every name, type, range and loop bound, untaken branches included.

What passes here never raises a name or type error at run time. All problems are reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from embodied_agent.errors import Problem, ProgramError
from embodied_agent.program import nodes
from embodied_agent.program.bounds import bound_problems
from embodied_agent.program.kinds import Kind, Typer
from embodied_agent.signature import Signature, Type


def check(program: nodes.Program, library: Mapping[str, Signature], *, planner: bool = True) -> None:
    """Check a program against what it may call.

    Args:
        program: What `parse` returned.
        library: Signatures of all primitives and skills, by name.
        planner: The program comes from a planner, which may not call what is for skills only.

    Raises:
        ProgramError: It cannot run; carries every problem found.
    """
    problems = _definition_problems(program.functions, library)
    known = {**library, **{f.signature.name: f.signature for f in program.functions}}
    for function in program.functions:
        problems += _Checker(known, planner, function).problems()
    problems += _Checker(known, planner, None).problems(program.task.body)
    problems = problems or bound_problems(program.functions, program.task.body)
    _raise(problems)


def check_skills(skills: Mapping[str, nodes.Skill], library: Mapping[str, Signature]) -> None:
    """Check skills against the primitives and each other.

    Args:
        skills: What `load_skills` returned, from one file or several.
        library: Signatures of the primitives, by name.

    Raises:
        ProgramError: A skill cannot run; messages name the skill, places are those in its file.
    """
    definitions = [skill.definition for skill in skills.values()]
    problems = _definition_problems(definitions, library)
    known = {**library, **{name: skill.signature for name, skill in skills.items()}}
    for definition in definitions:
        found = _Checker(known, False, definition).problems()
        problems += [replace(p, message=f"in {definition.signature.name}: {p.message}") for p in found]
        for parameter in definition.signature.parameters:
            if not parameter.description:
                message = f"{definition.signature.name}: {parameter.name} is not described under Args"
                problems.append(Problem(definition.line, definition.column, message))
    _raise(problems or bound_problems(definitions, ()))


def _raise(problems: list[Problem]) -> None:
    if problems:
        unique = dict.fromkeys(sorted(problems, key=lambda p: (p.line, p.column)))
        raise ProgramError(tuple(unique))


def _definition_problems(
    definitions: Iterable[nodes.FunctionDef], library: Mapping[str, Signature]
) -> list[Problem]:
    problems, seen = [], set()
    for definition in definitions:
        name = definition.signature.name
        if name in library or name in nodes.CONSTRUCTS:
            message = f"{name} exists already; choose another name"
            problems.append(Problem(definition.line, definition.column, message))
        elif name in seen:
            problems.append(Problem(definition.line, definition.column, f"{name} is defined twice"))
        seen.add(name)
    return problems


@dataclass
class State:
    """What is known at one point of the text; each set only shrinks where paths join."""

    assigned: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()  # optional parameters known to be given
    absent: frozenset[str] = frozenset()  # and those known not to be
    ended: bool = False  # this point is never reached

    def joined(self, other: State) -> State:
        """What is known whichever of two paths led here."""
        if self.ended or other.ended:
            return other if self.ended else self
        return State(
            self.assigned & other.assigned, self.present & other.present, self.absent & other.absent, False
        )

    def copy(self) -> State:
        """A state that changes on its own."""
        return replace(self)


@dataclass
class _Checker:
    """One function, or the task."""

    known: Mapping[str, Signature]
    planner: bool
    function: nodes.FunctionDef | None
    kinds: dict[str, Kind] = field(default_factory=dict)
    found: list[Problem] = field(default_factory=list)

    def problems(self, body: nodes.Block = ()) -> list[Problem]:
        """Everything wrong with the function's body, or with `body` where there is no function."""
        self.names: list[str] = []
        state = State()
        if self.function is not None:
            body = self.function.body
            for parameter in self.function.signature.parameters:
                self.new_name(self.function, parameter.name)
                self.kinds[parameter.name] = Kind(parameter.type, parameter.optional, parameter.choices)
            state.assigned = frozenset(self.kinds)
        self.parameters = frozenset(self.kinds)
        own = self.function.signature.exactly_one if self.function else ()
        self.typer = Typer(self.known, self.planner, self.kinds, own, self.found)
        self.block(body, state)
        returns = self.function.signature.returns if self.function else Type.NONE
        if self.function is not None and returns is not Type.NONE and not state.ended:
            self.report(self.function, f"{self.function.signature.name} may end without returning {returns}")
        return self.found

    def report(self, node: nodes.Node, message: str) -> None:
        self.found.append(Problem(node.line, node.column, message))

    def new_name(self, node: nodes.Node, name: str) -> None:
        if name in self.known or name in nodes.CONSTRUCTS:
            self.report(node, f"{name} is the name of a call; name the variable otherwise")

    def block(self, body: nodes.Block, state: State) -> None:
        """Check statements in order; `state` ends as what is known after them."""
        if not body:
            return
        for statement in body:
            if state.ended:
                self.report(statement, "this is never reached")
                state.ended = False
            getattr(self, f"_{type(statement).__name__.lower()}")(statement, state)

    def condition(self, expression: nodes.Expression, state: State) -> None:
        kind = self.typer.kind(expression, state)
        if kind is not None and (kind.type is not Type.BOOLEAN or kind.optional):
            self.report(expression, f"a condition must be a boolean, this is {kind}")

    # One rule for each kind of statement

    def _do(self, node: nodes.Do, state: State) -> None:
        self.typer.call(node.call, state, alone=True)
        if self.drives(node):
            if self.function is not None:
                self.report(node, f"{node.call.name} stands in the task only, not in functions")
            self.leave(state)
        if node.call.name in nodes.ENDINGS:
            if self.function is not None:
                self.report(node, f"{node.call.name} stands in the task only, not in functions")
            state.ended = True

    def drives(self, node: nodes.Statement) -> bool:
        """Whether a statement lets the base drive, or one inside it."""
        if isinstance(node, nodes.Do):
            signature = self.known.get(node.call.name)
            return signature is not None and signature.effect == "drive"
        return any(self.drives(child) for child in nodes.children(node))

    def leave(self, state: State) -> None:
        """Poses mean nothing where the base drove since; of things it is asked at run time: one may be held."""
        poses = {name for name in state.assigned if name in self.kinds and self.kinds[name].type is Type.POSE}
        self.typer.left |= poses
        state.assigned -= poses

    def _assign(self, node: nodes.Assign, state: State) -> None:
        self.new_name(node, node.name)
        kind = self.typer.kind(node.value, state)
        self.bind(node, node.name, kind, state)

    def bind(self, node: nodes.Node, name: str, kind: Kind | None, state: State) -> None:
        """Note that a variable gets a value."""
        state.assigned |= {name}
        if name in self.parameters:
            self.report(node, f"{name} is a parameter; it keeps its value")
            return
        if kind is None:
            return
        if kind.optional:
            self.report(node, f"the value may be missing; test `{name} is not None` on the parameter first")
        before = self.kinds.setdefault(name, Kind(kind.type))
        if not before.type.accepts(kind.type):
            hint = f"; start with {name} = 0.0" if kind.type is Type.NUMBER else ""
            self.report(node, f"{name} is {before} elsewhere, and {kind} here{hint}")

    def _ensure(self, node: nodes.Ensure, state: State) -> None:
        self.condition(node.condition, state)

    def _return(self, node: nodes.Return, state: State) -> None:
        signature = self.function.signature if self.function else None
        wanted = signature.returns if signature else Type.NONE
        kind = self.typer.kind(node.value, state) if node.value is not None else Kind(Type.NONE)
        if kind is not None and (kind.optional or not wanted.accepts(kind.type)):
            hint = "; add `-> type` to the definition" if wanted is Type.NONE else ""
            self.report(node, f"returns {kind}, declared is {wanted}{hint}")
        state.ended = True

    def _if(self, node: nodes.If, state: State) -> None:
        self.condition(node.condition, state)
        then, otherwise = state.copy(), state.copy()
        self.typer.narrow(node.condition, then, True)
        self.typer.narrow(node.condition, otherwise, False)
        self.block(node.then, then)
        self.block(node.otherwise, otherwise)
        self.set(state, then.joined(otherwise))

    def _for(self, node: nodes.For, state: State) -> None:
        self.new_name(node, node.variable)
        kind = self.typer.kind(node.objects, state)
        if kind is not None and (kind.type is not Type.OBJECTS or kind.optional):
            self.report(node.objects, f"for goes through a list of objects, this is {kind}")
        if self.drives(node):  # in its second round what was measured before it is behind
            self.leave(state)
        inside = state.copy()
        self.bind(node, node.variable, Kind(Type.OBJECT), inside)
        self.block(node.body, inside)

    def _while(self, node: nodes.While, state: State) -> None:
        if self.drives(node):
            self.leave(state)
        self.condition(node.condition, state)
        self.block(node.body, state.copy())

    def _unit(self, node: nodes.Unit, state: State) -> None:
        self.block(node.body, state)

    def _retry(self, node: nodes.Retry, state: State) -> None:
        self.block(node.body, state)

    def _fallback(self, node: nodes.Fallback, state: State) -> None:
        after = None
        for child in node.body:
            own = state.copy()
            self.block((child,), own)
            after = own if after is None else after.joined(own)
        if after is not None:
            self.set(state, after)

    @staticmethod
    def set(state: State, other: State) -> None:
        state.assigned, state.present = other.assigned, other.present
        state.absent, state.ended = other.absent, other.ended

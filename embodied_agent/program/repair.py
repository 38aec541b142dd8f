"""Repairing the part of a program that failed, and going on where it stopped."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace as changed
from typing import NamedTuple

from embodied_agent.program import nodes
from embodied_agent.program.events import Outcome, parent_path
from embodied_agent.program.parse import parse
from embodied_agent.program.render import render


class Repaired(NamedTuple):
    """A repaired program, and what of it is done already.

    Attributes:
        program: To be checked like any other.
        done: Paths for `run(..., skip=...)`, together with the earlier outcome's `variables`.
    """

    program: nodes.Program
    done: frozenset[str]


class Handled(NamedTuple):
    """What a skill is called for; "" where the text does not say.

    Attributes:
        skill: Its name.
        variable: Its first argument.
        phrase: What was given to `find` for that variable.
    """

    skill: str = ""
    variable: str = ""
    phrase: str = ""


def already_done(program: nodes.Program, last: nodes.Program, outcome: Outcome) -> frozenset[str]:
    """Paths of the task's statements that the last program did and the repaired one repeats.

    Only the part from the failed statement on is run again: units that were done stay done. That the arm went home
    is no lasting thing: it has moved since.

    Args:
        program: The repaired program.
        last: The program that failed; what `beginning_with` put into it does not count.
        outcome: How it failed.
    """
    statements = outcome.path.split(".")
    if len(statements) < 2 or not statements[1].split("[")[0].isdigit():
        return frozenset()
    before = last.task.body[: int(statements[1].split("[")[0]) - 1]
    before = tuple(statement for statement in before if not (_is_inserted(statement) or _is_passing(statement)))
    again = tuple(statement for statement in program.task.body if not _is_passing(statement))[: len(before)]
    return frozenset(statement.path for statement in again) if again == before else frozenset()


def handled_first(program: nodes.Program, done: frozenset[str], skills: Collection[str]) -> Handled:
    """What the first skill is about that a program calls, in textual order.

    Args:
        program: A checked program.
        done: Paths of statements that will be skipped.
        skills: Names of the skills.
    """
    phrases: dict[str, str] = {}
    for statement in nodes.walk(program.task.body):
        if isinstance(statement, nodes.Assign):
            phrases[statement.name] = _phrase(statement.value)
        skipped = any(f"{statement.path}.".startswith(f"{path}.") for path in done)
        if isinstance(statement, nodes.Do) and statement.call.name in skills and not skipped:
            call = statement.call
            given = (*call.arguments, *(value for name, value in call.keywords if name == "object"))
            variable = given[0].name if given and isinstance(given[0], nodes.Name) else ""
            return Handled(call.name, variable, phrases.get(variable, ""))
    return Handled()


def beginning_with(program: nodes.Program, skill: str, after: int) -> nodes.Program:
    """The program with a call of a skill without arguments after the task's first `after` statements."""
    body = program.task.body
    call = nodes.Do(nodes.Call(skill))
    whole = nodes.Program(program.functions, changed(program.task, body=(*body[:after], call, *body[after:])))
    return parse(render(whole))  # numbers lines and paths anew


def gives_up(program: nodes.Program) -> bool:
    """Whether a program refuses or asks somewhere."""
    statements = nodes.walk(program.task.body)
    return any(isinstance(one, nodes.Do) and one.call.name in nodes.ENDINGS for one in statements)


def begins_at_home(program: nodes.Program) -> bool:
    """Whether the first thing that a program does is to go home."""
    body = program.task.body
    return bool(body) and _is_passing(body[0])


def _is_inserted(statement: nodes.Statement) -> bool:
    return isinstance(statement, nodes.Do) and statement.call.name.startswith("_")


def _is_passing(statement: nodes.Statement) -> bool:
    return isinstance(statement, nodes.Do) and statement.call.name == "home"


def _phrase(value: nodes.Expression) -> str:
    """The phrase of a `find("...")`, or ""."""
    if not isinstance(value, nodes.Call) or value.name != "find":
        return ""
    given = (*value.arguments, *(argument for _, argument in value.keywords))
    literal = given[0] if given else None
    return literal.value if isinstance(literal, nodes.Literal) and isinstance(literal.value, str) else ""


def repairable(program: nodes.Program, path: str, *, whole_unit: bool = False) -> str:
    """The statement to replace when the node at `path` failed.

    Only statements directly in the task or in units, however deep, can be replaced: those before
    them ran exactly once. So a failure inside a loop or a skill replaces the loop or the call.

    Args:
        program: The program that ran.
        path: `Outcome.path`, or that of any node.
        whole_unit: Replace the outermost statement in the task, so that a unit is repaired as one.

    Returns:
        The path of the deepest such statement that holds the node.
    """
    found, statement = program.task.path, program.task
    wanted = {path}
    while path:
        path = parent_path(path)
        wanted.add(path)
    while isinstance(statement, (nodes.Task, nodes.Unit)):
        inside = next((child for child in nodes.children(statement) if child.path in wanted), None)
        if inside is None:
            break
        found, statement = inside.path, inside  # type: ignore[assignment]
        if whole_unit:
            break
    return found


def replace(program: nodes.Program, path: str, replacement: nodes.Program) -> Repaired:
    """Put the statements of a new program's task in the place of one statement.

    Args:
        program: The program that ran.
        path: What `repairable` returned; the task's own path replaces everything.
        replacement: Its functions are added; one of the same name takes the old one's place.

    Raises:
        KeyError: No statement of the task or its units has that path.
    """
    functions = {f.signature.name: f for f in (*program.functions, *replacement.functions)}
    new = replacement.task.body
    body = new if path == program.task.path else _replaced(program.task.body, path, new)
    task = changed(program.task, body=body)
    whole = nodes.Program(tuple(functions.values()), task)
    done = frozenset() if path == program.task.path else _before(program.task, path)
    return Repaired(parse(render(whole)), done)  # parsing again numbers lines and paths


def _replaced(block: nodes.Block, path: str, new: nodes.Block) -> nodes.Block:
    for index, statement in enumerate(block):
        if statement.path == path:
            return (*block[:index], *new, *block[index + 1 :])
        if isinstance(statement, nodes.Unit) and path.startswith(statement.path + "."):
            inside = changed(statement, body=_replaced(statement.body, path, new))
            return (*block[:index], inside, *block[index + 1 :])
    raise KeyError(path)


def _before(statement: nodes.Task | nodes.Unit, path: str) -> frozenset[str]:
    """Paths of the statements that ran before the one at `path`."""
    done: set[str] = set()
    for child in statement.body:
        if child.path == path:
            break
        if isinstance(child, nodes.Unit) and path.startswith(child.path + "."):
            done |= _before(child, path)
            break
        done.add(child.path)
    return frozenset(done)

"""Program text to nodes: what is not allowed by name is refused, with line and column.

Python's own parser reads the text (after `guard` bounded it); every node of its tree is then
translated by a rule written here, or refused. Nothing is ever compiled or executed.
"""

from __future__ import annotations

import ast

from embodied_agent.errors import Problem, ProgramError
from embodied_agent.program import nodes
from embodied_agent.program.definitions import read_definition
from embodied_agent.program.expressions import ExpressionReader
from embodied_agent.program.guard import MAX_PROBLEMS, guard

MAX_DEPTH = 8  # blocks inside each other
MAX_STATEMENTS = 600
_NAMES_OF_PYTHON = {
    "Import": "import", "ImportFrom": "import", "ClassDef": "class", "AsyncFunctionDef": "async",
    "Delete": "del", "Raise": "raise", "Try": "try", "TryStar": "try", "Assert": "assert",
    "Global": "global", "Nonlocal": "nonlocal", "Break": "break", "Continue": "continue",
    "Pass": "pass", "Match": "match", "AnnAssign": "a type annotation on a variable",
    "AsyncFor": "async", "AsyncWith": "async", "TypeAlias": "type",
}  # fmt: skip
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def parse(text: str) -> nodes.Program:
    """Read a program: function definitions, if any, then one `with task("..."):` block.

    Raises:
        ProgramError: The text is not in the language; carries every problem found, with places.
    """
    reader, module = _read(text)
    functions: list[nodes.FunctionDef | None] = []
    tasks: list[nodes.Task] = []
    for statement in _without_docstring(module.body):
        if isinstance(statement, ast.FunctionDef):
            if tasks:
                reader.refuse(statement, "functions come before the task")
            functions.append(reader.function(statement))
            continue
        task = _task(reader, statement)
        if task is not None and tasks:
            reader.refuse(statement, "only one task is allowed")
        if task is not None:
            tasks.append(task)
    if not tasks and not reader.problems:
        reader.problems.append(Problem(1, 1, 'there is no task; write `with task("..."):`'))
    reader.finish()
    return nodes.Program(tuple(f for f in functions if f is not None), tasks[0], line=1, column=1)


def parse_functions(text: str) -> tuple[nodes.FunctionDef, ...]:
    """Read a text of function definitions alone, as skill files are.

    Raises:
        ProgramError: The text holds anything else.
    """
    reader, module = _read(text)
    functions = []
    for statement in _without_docstring(module.body):
        if isinstance(statement, ast.FunctionDef):
            functions.append(reader.function(statement))
        else:
            reader.refuse(statement, "a skill file holds function definitions only")
    reader.finish()
    return tuple(f for f in functions if f is not None)


def load_skills(text: str) -> dict[str, nodes.Skill]:
    """Read a skill file: every function in it is a skill.

    Parameters are typed as in Python (`object: Object`, `to: Annotated[float, Range(0, 1)] = 0.9`,
    `inside: Object | None = None`, `Literal["left", "right"]`) and described under `Args` in the
    docstring; a line `Exactly one of: inside, on.` says which of them exclude each other. A name
    that starts with an underscore is for other skills only.

    Raises:
        ProgramError: The text is not in the language, or describes a parameter badly.
    """
    skills: dict[str, nodes.Skill] = {}
    problems = []
    for definition in parse_functions(text):
        name = definition.signature.name
        if name in skills:
            problems.append(Problem(definition.line, definition.column, f"{name} is defined twice"))
        if not definition.signature.description:
            problems.append(Problem(definition.line, definition.column, f"{name} has no docstring"))
        skills[name] = nodes.Skill(definition.signature, definition)
    if problems:
        raise ProgramError(tuple(problems))
    return skills


def _read(text: str) -> tuple[StatementReader, ast.Module]:
    if not isinstance(text, str):
        raise ProgramError((Problem(1, 1, f"a program is text, not {type(text).__name__}"),))
    if problems := guard(text if len(text) > 1_000_000 else text.replace("\r\n", "\n")):
        raise ProgramError(tuple(problems))
    text = text.replace("\r\n", "\n")
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        message = (error.msg or "invalid syntax").split("(<unknown>")[0].strip()
        place = Problem(max(1, error.lineno or 1), max(1, error.offset or 1), f"not a program: {message}")
        raise ProgramError((place,)) from None
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        raise ProgramError((Problem(1, 1, f"not a program: {type(error).__name__}"),)) from None
    return StatementReader(text), module


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(body) > 1:
        return body[1:] if isinstance(first.value.value, str) else body
    return body


def _task(reader: StatementReader, statement: ast.stmt) -> nodes.Task | None:
    call = reader.construct(statement) if isinstance(statement, ast.With) else None
    if call is None or not isinstance(call.func, ast.Name) or call.func.id != "task":
        if not (isinstance(statement, ast.With) and call is None):
            reader.refuse(statement, 'outside functions only `with task("..."):` is allowed')
        return None
    assert isinstance(statement, ast.With)
    command = reader.text_argument(call, "task", "what was asked")
    return nodes.Task(command, reader.block(statement.body, "1", 1), path="1", **reader.place(statement))


class StatementReader(ExpressionReader):
    """Translates statements, and collects problems instead of stopping at the first."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.count = 0
        self.in_function = False

    def finish(self) -> None:
        """Raise if anything was refused."""
        if self.problems:
            ordered = sorted(self.problems, key=lambda p: (p.line, p.column))
            raise ProgramError(tuple(ordered[:MAX_PROBLEMS]))

    def function(self, definition: ast.FunctionDef) -> nodes.FunctionDef | None:
        """A function definition, or None with its problems noted."""
        self.check_name(definition, definition.name)
        signature, docstring = read_definition(self, definition)
        body = definition.body[1:] if docstring else definition.body
        if not body:
            self.refuse(definition, f"{definition.name} does nothing: its body is empty")
        self.in_function = True
        block = self.block(body, definition.name, 1)
        self.in_function = False
        place = self.place(definition)
        return nodes.FunctionDef(signature, block, docstring, path=definition.name, **place)

    def block(self, body: list[ast.stmt], prefix: str, depth: int, first: int = 1) -> nodes.Block:
        """The statements of a block; the first one gets the path `prefix.first`."""
        if depth > MAX_DEPTH:
            self.refuse(body[0], f"more than {MAX_DEPTH} blocks inside each other")
            return ()
        found = []
        for number, statement in enumerate(body, start=first):
            self.count += 1
            if self.count > MAX_STATEMENTS:
                if self.count == MAX_STATEMENTS + 1:
                    self.refuse(statement, f"more than {MAX_STATEMENTS} statements")
                break
            node = self.statement(statement, f"{prefix}.{number}", depth)
            if node is not None:
                found.append(node)
        return tuple(found)

    def statement(self, node: ast.stmt, path: str, depth: int) -> nodes.Statement | None:
        """One statement, or None with its problems noted."""
        kind = type(node).__name__
        rule = getattr(self, f"_{kind.lower()}", None) if kind in _RULES else None
        if rule is None:
            what = "a function inside a block" if kind == "FunctionDef" else _NAMES_OF_PYTHON.get(kind, kind)
            self.refuse(node, f"{what} is not part of the language")
            return None
        found: nodes.Statement | None = rule(node, path, depth)
        return found

    def _expr(self, node: ast.Expr, path: str, depth: int) -> nodes.Statement | None:
        if not isinstance(node.value, ast.Call):
            self.refuse(node, "a statement that does nothing; only calls stand alone")
            return None
        name = node.value.func.id if isinstance(node.value.func, ast.Name) else ""
        if name in nodes.CONSTRUCTS and name != "ensure":
            self.refuse(node, f"{name} opens a block: write `with {name}(...):`")
            return None
        if name != "ensure":
            call = self.expression(node.value)
            return nodes.Do(call, path=path, **self.place(node)) if isinstance(call, nodes.Call) else None
        if len(node.value.args) != 1 or node.value.keywords:
            self.refuse(node, "ensure takes exactly one condition")
            return None
        condition = self.expression(node.value.args[0])
        return nodes.Ensure(condition, path=path, **self.place(node)) if condition is not None else None

    def _assign(self, node: ast.Assign, path: str, depth: int) -> nodes.Statement | None:
        if len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
            self.refuse(node, "only `name = value` may be assigned")
            return None
        self.check_name(node.targets[0], node.targets[0].id)
        value = self.expression(node.value)
        if value is None:
            return None
        return nodes.Assign(node.targets[0].id, value, path=path, **self.place(node))

    def _augassign(self, node: ast.AugAssign, path: str, depth: int) -> nodes.Statement | None:
        if not isinstance(node.target, ast.Name) or type(node.op) not in _OPERATORS:
            self.refuse(node, "only `name += value`, and the same with - * /, may be written")
            return None
        value = self.expression(node.value)
        if value is None:
            return None
        place = self.place(node)
        name = nodes.Name(node.target.id, **place)
        total = nodes.Binary(_OPERATORS[type(node.op)], name, value, **place)
        return nodes.Assign(node.target.id, total, path=path, **place)

    def _return(self, node: ast.Return, path: str, depth: int) -> nodes.Statement | None:
        if not self.in_function:
            self.refuse(node, "return stands only in functions")
        value = self.expression(node.value) if node.value is not None else None
        if node.value is not None and value is None:
            return None
        return nodes.Return(value, path=path, **self.place(node))

    def _if(self, node: ast.If, path: str, depth: int) -> nodes.Statement | None:
        condition = self.expression(node.test)
        then = self.block(node.body, path, depth + 1)
        # An elif is alone in its else, and stands in the column of its if: it costs no depth.
        chained = len(node.orelse) == 1 and node.orelse[0].col_offset == node.col_offset
        inner = depth if chained else depth + 1
        otherwise = self.block(node.orelse, path, inner, 1 + len(node.body)) if node.orelse else ()
        if condition is None:
            return None
        return nodes.If(condition, then, otherwise, path=path, **self.place(node))

    def _for(self, node: ast.For, path: str, depth: int) -> nodes.Statement | None:
        if not isinstance(node.target, ast.Name) or node.orelse:
            self.refuse(node, "write `for name in find_all(...):`, without else")
            return None
        self.check_name(node.target, node.target.id)
        objects = self.expression(node.iter)
        body = self.block(node.body, path, depth + 1)
        if objects is None:
            return None
        return nodes.For(node.target.id, objects, body, path=path, **self.place(node))

    def _while(self, node: ast.While, path: str, depth: int) -> nodes.Statement | None:
        if node.orelse:
            self.refuse(node, "while has no else")
        condition = self.expression(node.test)
        body = self.block(node.body, path, depth + 1)
        if condition is None:
            return None
        return nodes.While(condition, body, path=path, **self.place(node))

    def _with(self, node: ast.With, path: str, depth: int) -> nodes.Statement | None:
        call = self.construct(node)
        if call is None:
            return None
        name, place = call.func.id if isinstance(call.func, ast.Name) else "", self.place(node)
        if name == "unit":
            values = self.constants(call, nodes.UNIT)
            body = self.block(node.body, path, depth + 1)
            if values is None:
                return None
            unit = str(values.pop("name"))
            return nodes.Unit(unit, tuple(values.items()), body, path=path, **place)
        if name == "retry":
            values = self.constants(call, nodes.RETRY)
            body = self.block(node.body, path, depth + 1)
            return nodes.Retry(int(values["times"]), body, path=path, **place) if values else None
        if name == "fallback":
            if call.args or call.keywords:
                self.refuse(call, "fallback takes no arguments")
            return nodes.Fallback(self.block(node.body, path, depth + 1), path=path, **place)
        self.refuse(node, "a task cannot stand inside another block")
        return None


_RULES = {"Expr", "Assign", "AugAssign", "Return", "If", "For", "While", "With"}

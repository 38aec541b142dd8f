"""The nodes of a program: small, frozen, and compared by meaning, not by position.

`line` and `column` count from 1. `path` names a statement for good: the task is "1", its second
statement "1.2", and so on; in an `if` the statements of `else` go on counting after those of the
first branch. At run time a path grows with what happens: "1.2.1" is the first statement inside the
skill that "1.2" calls, "1.3[2]" the second round of a loop, "1.3.a" a call inside an expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from embodied_agent.signature import Parameter, Signature, Type

WHILE_LIMIT = 20  # rounds of one `while`
FOR_LIMIT = 30  # rounds of one `for`
STEP_LIMIT = 20_000  # statements that a program may run at most, loops multiplied out

ENDINGS = ("refuse", "ask")  # calls that end the program instead of doing the task

UNIT = Signature(
    "unit",
    (
        Parameter("name", Type.STRING, "The thing that this part of the task is about."),
        Parameter("approach", Type.STRING, "Side that the hand comes from.", False,
                  choices=("above", "side", "front", "any"), keyword_only=True),
        Parameter("grasp_at", Type.STRING, "Part to grasp.", False,
                  choices=("body", "handle", "rim"), keyword_only=True),
        Parameter("max_force", Type.NUMBER, "Largest force on the thing.", False,
                  minimum=1, maximum=60, unit="N", keyword_only=True),
        Parameter("keep_upright", Type.BOOLEAN, "Do not tilt it.", False, keyword_only=True),
        Parameter("speed", Type.NUMBER, "Share of the full speed.", False,
                  minimum=0.05, maximum=1, keyword_only=True),
        Parameter("avoid", Type.STRING, "What to stay away from.", False, keyword_only=True),
    ),
    Type.NONE,
    "Work on one thing, with its physical preferences.",
)  # fmt: skip
RETRY = Signature(
    "retry",
    (Parameter("times", Type.INTEGER, "Tries altogether.", minimum=1, maximum=5),),
    Type.NONE,
    "Run the block again when it fails.",
)
FALLBACK = Signature("fallback", (), Type.NONE, "Try the statements of the block in order until one works.")
CONSTRUCTS = ("task", "unit", "retry", "fallback", "ensure")


@dataclass(frozen=True)
class Node:
    """Anything with a place in the text."""

    line: int = field(default=0, compare=False, kw_only=True)
    column: int = field(default=0, compare=False, kw_only=True)


# Expressions


@dataclass(frozen=True)
class Expression(Node):
    """Anything with a value."""


@dataclass(frozen=True)
class Literal(Expression):
    """A string, number or boolean written out."""

    value: str | int | float | bool

    def __eq__(self, other: object) -> bool:
        # 1, 1.0 and True are equal in Python, and different here.
        return (
            isinstance(other, Literal)
            and type(self.value) is type(other.value)
            and repr(self.value) == repr(other.value)
        )

    def __hash__(self) -> int:
        return hash((type(self.value), repr(self.value)))


@dataclass(frozen=True)
class Name(Expression):
    """A variable."""

    name: str


@dataclass(frozen=True)
class Call(Expression):
    """A call of a primitive, skill or function."""

    name: str
    arguments: tuple[Expression, ...] = ()
    keywords: tuple[tuple[str, Expression], ...] = ()


@dataclass(frozen=True)
class Binary(Expression):
    """Arithmetic: + - * /."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Negative(Expression):
    """Minus."""

    operand: Expression


@dataclass(frozen=True)
class Compare(Expression):
    """A chain of comparisons: == != < <= > >=."""

    left: Expression
    rest: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True)
class Missing(Expression):
    """`name is None`, or `name is not None`: was an optional parameter given?"""

    name: str
    negated: bool


@dataclass(frozen=True)
class Logic(Expression):
    """`and` or `or`, stopping early as in Python."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True)
class Not(Expression):
    """`not`."""

    operand: Expression


# Statements


@dataclass(frozen=True)
class Statement(Node):
    """Anything that runs."""

    path: str = field(default="", compare=False, kw_only=True)


Block = tuple[Statement, ...]


@dataclass(frozen=True)
class Do(Statement):
    """A call for its effect."""

    call: Call


@dataclass(frozen=True)
class Assign(Statement):
    """`name = value`."""

    name: str
    value: Expression


@dataclass(frozen=True)
class Ensure(Statement):
    """A post-condition that sensors measure."""

    condition: Expression


@dataclass(frozen=True)
class Return(Statement):
    """The end of a function."""

    value: Expression | None = None


@dataclass(frozen=True)
class If(Statement):
    """A choice; `elif` is an `If` alone in `otherwise`."""

    condition: Expression
    then: Block
    otherwise: Block = ()


@dataclass(frozen=True)
class For(Statement):
    """One round for each object."""

    variable: str
    objects: Expression
    body: Block


@dataclass(frozen=True)
class While(Statement):
    """Rounds while a condition holds, at most `WHILE_LIMIT`."""

    condition: Expression
    body: Block


@dataclass(frozen=True)
class Unit(Statement):
    """Work on one object, with its physical preferences."""

    name: str
    preferences: tuple[tuple[str, str | int | float | bool], ...]
    body: Block

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Unit)
            and self.name == other.name
            and [(k, repr(v)) for k, v in self.preferences] == [(k, repr(v)) for k, v in other.preferences]
            and self.body == other.body
        )

    def __hash__(self) -> int:
        return hash((self.name, self.preferences, self.body))


@dataclass(frozen=True)
class Retry(Statement):
    """The block again when it fails, `times` tries altogether."""

    times: int
    body: Block


@dataclass(frozen=True)
class Fallback(Statement):
    """The statements in order until one works."""

    body: Block


@dataclass(frozen=True)
class Task(Statement):
    """The whole of what was asked."""

    command: str
    body: Block


@dataclass(frozen=True)
class FunctionDef(Statement):
    """A function or skill; its name, parameters and description are in the signature."""

    signature: Signature
    body: Block
    docstring: str = ""


@dataclass(frozen=True)
class Program(Node):
    """Function definitions, then one task."""

    functions: tuple[FunctionDef, ...]
    task: Task


class Skill(NamedTuple):
    """A skill: its description, and the program it is."""

    signature: Signature
    definition: FunctionDef


def blocks(statement: Statement) -> tuple[Block, ...]:
    """The blocks inside a statement, in order."""
    if isinstance(statement, If):
        return (statement.then, statement.otherwise)
    if isinstance(statement, (For, While, Unit, Retry, Fallback, Task, FunctionDef)):
        return (statement.body,)
    return ()


def children(statement: Statement) -> Block:
    """The statements directly inside a statement, in the order that paths count them."""
    return tuple(child for block in blocks(statement) for child in block)


def walk(block: Block) -> Iterator[Statement]:
    """Every statement of a block, and those inside it, in textual order."""
    for statement in block:
        yield statement
        yield from walk(children(statement))


def expressions(statement: Statement) -> tuple[Expression, ...]:
    """The expressions that a statement itself evaluates."""
    if isinstance(statement, Do):
        return (statement.call,)
    if isinstance(statement, (Ensure, If, While)):
        return (statement.condition,)
    if isinstance(statement, For):
        return (statement.objects,)
    if isinstance(statement, Assign):
        return (statement.value,)
    if isinstance(statement, Return) and statement.value is not None:
        return (statement.value,)
    return ()


def parts(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside an expression."""
    if isinstance(expression, Call):
        return (*expression.arguments, *(value for _, value in expression.keywords))
    if isinstance(expression, Binary):
        return (expression.left, expression.right)
    if isinstance(expression, (Negative, Not)):
        return (expression.operand,)
    if isinstance(expression, Compare):
        return (expression.left, *(value for _, value in expression.rest))
    return expression.operands if isinstance(expression, Logic) else ()


def calls(expression: Expression) -> Iterator[Call]:
    """Every call in an expression, outermost first."""
    if isinstance(expression, Call):
        yield expression
    for part in parts(expression):
        yield from calls(part)

"""Random programs over the test library, as nodes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from language import SIGNATURES

from embodied_agent.program import nodes
from embodied_agent.signature import Parameter, Signature, Type

WORDS = (
    "red cube",
    "mugs",
    'it\'s "that" one',
    "back\\slash",
    "größer als ½",
    "two\nlines",
    "tab\there",
    "'",
    "#",
)


@dataclass
class Maker:
    """Draws programs that are well typed, or, with some chance at each choice, are not.

    Attributes:
        draw: Source of randomness.
        wrong: Chance of a wrong type wherever one is chosen.
    """

    draw: random.Random
    wrong: float = 0.0
    functions: list[nodes.FunctionDef] = field(default_factory=list)
    count: int = 0

    def program(self) -> nodes.Program:
        """Up to two functions, and a task."""
        for number in range(self.draw.randint(0, 2)):
            self.functions.append(self.function(f"helper_{number}"))
        body = self.block({}, self.draw.randint(1, 4), 3)
        return nodes.Program(tuple(self.functions), nodes.Task(self.word(), body))

    def function(self, name: str) -> nodes.FunctionDef:
        kinds = [Type.OBJECT, Type.NUMBER, Type.BOOLEAN, Type.INTEGER, Type.POSE]
        parameters = tuple(
            Parameter(f"p{i}", self.draw.choice(kinds), "", keyword_only=False)
            for i in range(self.draw.randint(0, 2))
        )
        if self.draw.random() < 0.4:
            parameters += (Parameter("maybe", Type.OBJECT, "", False, None, keyword_only=True, optional=True),)
        returns = self.draw.choice([Type.NONE, Type.BOOLEAN, Type.NUMBER])
        scope = {p.name: p.type for p in parameters if not p.optional}
        body = self.block(dict(scope), 2, 1, parameters=frozenset(scope))
        if any(p.optional for p in parameters):
            holding = nodes.Call("is_holding", (nodes.Name("maybe"),))
            given = nodes.Logic("and", (nodes.Missing("maybe", True), holding))
            body += (nodes.If(given, (nodes.Do(nodes.Call("home")),)),)
        if returns is not Type.NONE:
            body += (nodes.Return(self.expression(returns, scope, 2)),)
        description = self.word().splitlines()[0].expandtabs() if self.draw.random() < 0.5 else ""
        signature = Signature(name, parameters, returns, description, "move", "skill")
        return nodes.FunctionDef(signature, body, description)

    # Statements

    def block(
        self, scope: dict[str, Type], size: int, depth: int, parameters: frozenset[str] = frozenset()
    ) -> nodes.Block:
        found = []
        for _ in range(self.draw.randint(1, size)):
            found.append(self.statement(scope, depth, parameters))
        return tuple(found)

    def statement(self, scope: dict[str, Type], depth: int, parameters: frozenset[str]) -> nodes.Statement:
        kinds = ["do", "do", "assign", "assign", "ensure"]
        if depth:
            kinds += ["if", "for", "while", "unit", "retry", "fallback"]
        kind = self.draw.choice(kinds)
        inside = dict(scope)
        if kind == "do":
            return nodes.Do(self.call(self.callee(Type.NONE), scope, 2))
        if kind == "assign":
            returns = self.draw.choice([Type.OBJECT, Type.OBJECTS, Type.POSE, Type.NUMBER, Type.BOOLEAN])
            self.count += 1
            same = [n for n, t in scope.items() if t is returns and n not in parameters]
            name = self.draw.choice(same) if same and self.draw.random() < 0.5 else f"v{self.count}"
            value = self.expression(returns, scope, 3)
            if name not in scope and returns is Type.NUMBER:  # so that the variable is a number for good
                value = nodes.Binary("*", value, nodes.Literal(1.0))
            scope[name] = returns
            return nodes.Assign(name, value)
        if kind == "ensure":
            return nodes.Ensure(self.expression(Type.BOOLEAN, scope, 3))
        if kind == "if":
            condition = self.expression(Type.BOOLEAN, scope, 2)
            then = self.block(inside, 2, depth - 1, parameters)
            otherwise = self.block(dict(scope), 2, depth - 1, parameters) if self.draw.random() < 0.5 else ()
            return nodes.If(condition, then, otherwise)
        if kind == "for":
            self.count += 1
            objects = self.expression(Type.OBJECTS, scope, 1)
            inside[f"v{self.count}"] = Type.OBJECT
            return nodes.For(f"v{self.count}", objects, self.block(inside, 2, depth - 1, parameters))
        if kind == "while":
            condition = self.expression(Type.BOOLEAN, scope, 2)
            return nodes.While(condition, self.block(inside, 2, depth - 1, parameters))
        if kind == "unit":
            preferences = (("approach", "side"), ("keep_upright", True), ("speed", 0.5))
            some = preferences[: self.draw.randint(0, 3)]
            return nodes.Unit(self.word(), some, self.block(scope, 3, depth - 1, parameters))
        if kind == "retry":
            return nodes.Retry(self.draw.randint(1, 3), self.block(scope, 2, depth - 1, parameters))
        return nodes.Fallback(
            tuple(self.statement(dict(scope), depth - 1, parameters) for _ in range(self.draw.randint(1, 3)))
        )

    # Expressions

    def callee(self, returns: Type) -> Signature:
        known = [s for s in SIGNATURES.values() if s.callable_by_planner and s.name not in nodes.ENDINGS]
        known += [f.signature for f in self.functions]
        if self.draw.random() < self.wrong:
            return self.draw.choice(known)
        return self.draw.choice([s for s in known if s.returns is returns])

    def call(self, signature: Signature, scope: dict[str, Type], depth: int) -> nodes.Call:
        plain, named = [], []
        chosen = self.draw.choice(signature.exactly_one) if signature.exactly_one else ""
        for parameter in signature.parameters:
            wanted = parameter.required or parameter.name == chosen
            if not wanted and (parameter.name in signature.exactly_one or self.draw.random() < 0.5):
                continue
            value = self.argument(parameter, scope, depth - 1)
            if parameter.required and not parameter.keyword_only and not named and self.draw.random() < 0.8:
                plain.append(value)
            else:
                named.append((parameter.name, value))
        return nodes.Call(signature.name, tuple(plain), tuple(named))

    def argument(self, parameter: Parameter, scope: dict[str, Type], depth: int) -> nodes.Expression:
        if self.draw.random() < self.wrong:
            return self.expression(self.draw.choice([*Type]), scope, depth)
        if parameter.choices:
            return nodes.Literal(self.draw.choice(parameter.choices))
        if parameter.minimum is not None and self.draw.random() < 0.8:
            assert parameter.maximum is not None
            value = self.draw.uniform(parameter.minimum, parameter.maximum)
            whole = parameter.type is Type.INTEGER
            return nodes.Literal(round(value) if whole else value)
        if parameter.type is Type.INTEGER:
            return nodes.Literal(2)
        value = self.expression(parameter.type, scope, depth)
        while isinstance(value, nodes.Literal) and parameter.complaint(value.value) and not self.wrong:
            value = nodes.Literal(self.draw.uniform(parameter.minimum or 0, parameter.maximum or 0))
        return value

    def expression(self, kind: Type, scope: dict[str, Type], depth: int) -> nodes.Expression:
        if self.draw.random() < self.wrong:
            kind = self.draw.choice([Type.OBJECT, Type.NUMBER, Type.BOOLEAN, Type.STRING, Type.OBJECTS])
        same = [name for name, known in scope.items() if known is kind]
        if self.draw.random() < self.wrong and scope:
            same = [*scope, "nothing"]
        if same and self.draw.random() < 0.5:
            return nodes.Name(self.draw.choice(same))
        if kind is Type.STRING:
            return nodes.Literal(self.word())
        if kind in (Type.NUMBER, Type.INTEGER):
            return self.number(kind, scope, depth)
        if kind is Type.BOOLEAN:
            return self.boolean(scope, depth)
        if kind in (Type.OBJECT, Type.OBJECTS, Type.POSE):
            callee = self.callee(kind)
            return self.call(callee, scope, depth if depth > 0 else 0)
        return nodes.Literal(1)

    def number(self, kind: Type, scope: dict[str, Type], depth: int) -> nodes.Expression:
        form = self.draw.random()
        if depth <= 0 or form < 0.4:
            value = self.draw.choice([0, 1, -2, 7, 999999999])
            if kind is Type.NUMBER:
                value = self.draw.choice([value, 0.5, -1.25, 1e-7, 3.0])
            return nodes.Literal(value)
        if form < 0.6:
            return self.call(self.callee(kind), scope, depth - 1)
        if form < 0.7:
            inside = self.expression(kind, scope, depth - 1)
            # Minus before a plain number is a negative number, not a node of its own.
            return inside if isinstance(inside, nodes.Literal) else nodes.Negative(inside)
        operator = self.draw.choice("+-*" if kind is Type.INTEGER else "+-*/")
        left, right = self.expression(kind, scope, depth - 1), self.expression(kind, scope, depth - 1)
        zero = isinstance(right, nodes.Literal) and right.value == 0
        return nodes.Binary("+" if zero and operator == "/" else operator, left, right)

    def boolean(self, scope: dict[str, Type], depth: int) -> nodes.Expression:
        form = self.draw.random()
        if depth <= 0 or form < 0.3:
            return nodes.Literal(form < 0.15) if form < 0.05 else self.call(self.callee(Type.BOOLEAN), scope, 0)
        if form < 0.5:
            return nodes.Not(self.expression(Type.BOOLEAN, scope, depth - 1))
        if form < 0.7:
            signs = self.draw.choice([("<",), ("==",), ("<=", "<"), (">", "!=", ">=")])
            rest = tuple((sign, self.expression(Type.NUMBER, scope, depth - 1)) for sign in signs)
            return nodes.Compare(self.expression(Type.NUMBER, scope, depth - 1), rest)
        operands = tuple(self.expression(Type.BOOLEAN, scope, depth - 1) for _ in range(self.draw.randint(2, 3)))
        return nodes.Logic(self.draw.choice(["and", "or"]), operands)

    def word(self) -> str:
        return self.draw.choice(WORDS)

"""Python's expression nodes to ours; the base of the statement reader in `parse`."""

from __future__ import annotations

import ast
import difflib
import math
import re
from typing import Any

from embodied_agent.errors import Problem
from embodied_agent.program import nodes
from embodied_agent.signature import Signature

MAX_DEPTH = 12  # expressions inside each other
MAX_MAGNITUDE = 1e9
MAX_TEXT = 2_000  # characters of a string's value
NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9_]{0,38}")

_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_REFUSED = {
    "Attribute": "a dot; ask with calls, as in position_of(cube)",
    "Subscript": 'an index in brackets; use a loop, or a phrase such as find("second cube from the left")',
    "Lambda": "lambda",
    "List": "a list written out; lists come from find_all",
    "Tuple": "a tuple",
    "Dict": "a dictionary",
    "Set": "a set",
    "ListComp": "a comprehension; use for",
    "SetComp": "a comprehension; use for",
    "DictComp": "a comprehension; use for",
    "GeneratorExp": "a comprehension; use for",
    "JoinedStr": "an f-string",
    "TemplateStr": "a t-string",
    "IfExp": "`a if b else c`; use an if statement",
    "NamedExpr": "`:=`",
    "Await": "await",
    "Yield": "yield",
    "YieldFrom": "yield",
    "Starred": "`*`",
    "Slice": "a slice",
}


class ExpressionReader:
    """Translates expressions, and collects problems instead of stopping at the first."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.problems: list[Problem] = []
        self.depth = 0

    def place(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> dict[str, Any]:
        """Line and column, both from 1; Python counts columns in UTF-8 bytes from 0."""
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else ""
        column = len(line.encode("utf-8")[: node.col_offset].decode("utf-8", "ignore"))
        return {"line": node.lineno, "column": column + 1}

    def refuse(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword, message: str) -> None:
        """Note a problem at the node."""
        self.problems.append(Problem(**self.place(node), message=message))

    def check_name(self, node: ast.expr | ast.stmt | ast.arg, name: str) -> None:
        """Refuse names that are too long or start with two underscores."""
        if not NAME.fullmatch(name):
            self.refuse(node, f"not a name of the language: {name}")

    def expression(self, node: ast.expr) -> nodes.Expression | None:
        """One expression, or None with its problems noted."""
        rules = {
            ast.Constant: self._constant, ast.Name: self._name, ast.Call: self._call,
            ast.BinOp: self._binary, ast.UnaryOp: self._unary, ast.Compare: self._compare,
            ast.BoolOp: self._logic,
        }  # fmt: skip
        rule: Any = rules.get(type(node))
        if rule is None:
            what = _REFUSED.get(type(node).__name__, type(node).__name__)
            self.refuse(node, f"not part of the language: {what}")
            return None
        if self.depth >= MAX_DEPTH:
            self.refuse(node, f"more than {MAX_DEPTH} expressions inside each other")
            return None
        self.depth += 1
        found: nodes.Expression | None = rule(node)
        self.depth -= 1
        return found

    def _constant(self, node: ast.Constant) -> nodes.Expression | None:
        value = node.value
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                self.refuse(node, f"a string of {len(value)} characters; at most {MAX_TEXT} are allowed")
                return None
        elif isinstance(value, (int, float)):
            if not math.isfinite(value) or abs(value) > MAX_MAGNITUDE:
                self.refuse(node, f"a number beyond {MAX_MAGNITUDE:g}")
                return None
        else:
            what = "None stands only in `is None`" if value is None else f"a constant such as {value!r}"
            self.refuse(node, f"not part of the language: {what}")
            return None
        return nodes.Literal(value, **self.place(node))

    def _name(self, node: ast.Name) -> nodes.Expression | None:
        self.check_name(node, node.id)
        return nodes.Name(node.id, **self.place(node))

    def _call(self, node: ast.Call) -> nodes.Expression | None:
        if not isinstance(node.func, ast.Name):
            self.refuse(node.func, 'only a name can be called, as in find("red cube")')
            return None
        self.check_name(node.func, node.func.id)
        if node.func.id in nodes.CONSTRUCTS:
            self.refuse(node, f"{node.func.id} is not a value")
            return None
        arguments = [self.expression(argument) for argument in node.args]
        keywords = []
        for keyword in node.keywords:
            if keyword.arg is None:
                self.refuse(keyword, "`**` is not part of the language")
                continue
            value = self.expression(keyword.value)
            if value is not None:
                keywords.append((keyword.arg, value))
        if None in arguments or len(keywords) < len(node.keywords):
            return None
        found = tuple(argument for argument in arguments if argument is not None)
        return nodes.Call(node.func.id, found, tuple(keywords), **self.place(node))

    def _binary(self, node: ast.BinOp) -> nodes.Expression | None:
        operator = _ARITHMETIC.get(type(node.op))
        if operator is None:
            self.refuse(node, f"{type(node.op).__name__} is not part of the language, only + - * / are")
        left, right = self.expression(node.left), self.expression(node.right)
        if operator is None or left is None or right is None:
            return None
        return nodes.Binary(operator, left, right, **self.place(node))

    def _unary(self, node: ast.UnaryOp) -> nodes.Expression | None:
        place = self.place(node)
        operand = self.expression(node.operand)
        if operand is None:
            return None
        if isinstance(node.op, ast.Not):
            return nodes.Not(operand, **place)
        if not isinstance(node.op, ast.USub):
            self.refuse(node, f"the operator {type(node.op).__name__} is not part of the language")
            return None
        plain = isinstance(node.operand, ast.Constant) and isinstance(operand, nodes.Literal)
        if plain and isinstance(operand, nodes.Literal) and type(operand.value) in (int, float):
            return nodes.Literal(-operand.value, **place)  # type: ignore[operator]
        return nodes.Negative(operand, **place)

    def _compare(self, node: ast.Compare) -> nodes.Expression | None:
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            return self._missing(node)
        left = self.expression(node.left)
        rest = []
        for operator, operand in zip(node.ops, node.comparators, strict=True):
            symbol = _COMPARISONS.get(type(operator))
            if symbol is None:
                self.refuse(operand, f"the operator {type(operator).__name__} is not part of the language")
            value = self.expression(operand)
            if symbol is not None and value is not None:
                rest.append((symbol, value))
        if left is None or len(rest) < len(node.ops):
            return None
        return nodes.Compare(left, tuple(rest), **self.place(node))

    def _missing(self, node: ast.Compare) -> nodes.Expression | None:
        right = node.comparators[0]
        none = isinstance(right, ast.Constant) and right.value is None
        if len(node.ops) != 1 or not isinstance(node.left, ast.Name) or not none:
            self.refuse(node, "`is` stands only in `name is None` and `name is not None`")
            return None
        return nodes.Missing(node.left.id, isinstance(node.ops[0], ast.IsNot), **self.place(node))

    def _logic(self, node: ast.BoolOp) -> nodes.Expression | None:
        operands = [self.expression(value) for value in node.values]
        found = tuple(operand for operand in operands if operand is not None)
        if len(found) < len(operands):
            return None
        operator = "and" if isinstance(node.op, ast.And) else "or"
        return nodes.Logic(operator, found, **self.place(node))

    # What `with` opens

    def construct(self, node: ast.With) -> ast.Call | None:
        """The call that opens a block, or None with its problems noted."""
        item = node.items[0]
        if len(node.items) != 1 or item.optional_vars is not None:
            self.refuse(node, "write `with` with one item and without `as`")
            return None
        call = item.context_expr
        openers = [name for name in nodes.CONSTRUCTS if name != "ensure"]
        name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
        if not isinstance(call, ast.Call) or name not in openers:
            self.refuse(node, f"`with` opens only {', '.join(openers)}" + suggestion(name, openers))
            return None
        return call

    def text_argument(self, call: ast.Call, name: str, what: str) -> str:
        """The only argument of a call, a string written out; "" with a problem noted."""
        value = self.expression(call.args[0]) if len(call.args) == 1 and not call.keywords else None
        if isinstance(value, nodes.Literal) and isinstance(value.value, str) and value.value.strip():
            return value.value
        self.refuse(call, f"{name} takes {what}, as one string")
        return ""

    def constants(self, call: ast.Call, signature: Signature) -> dict[str, str | int | float | bool] | None:
        """Arguments of a construct, all written out and within their ranges; None if any is not."""
        before = len(self.problems)
        positional = [p for p in signature.parameters if not p.keyword_only]
        given = [(p.name, value) for p, value in zip(positional, call.args, strict=False)]
        if len(call.args) > len(positional):
            self.refuse(call, f"{signature.name} takes {len(positional)} argument without a name")
        given += [(keyword.arg or "**", keyword.value) for keyword in call.keywords]
        values: dict[str, str | int | float | bool] = {}
        for name, expression in given:
            parameter = signature.parameter(name)
            value = self.expression(expression)
            if parameter is None:
                names = [p.name for p in signature.parameters]
                self.refuse(expression, f"{signature.name} has no argument {name}" + suggestion(name, names))
            elif name in values:
                self.refuse(expression, f"{name} is given twice")
            elif isinstance(value, nodes.Literal):
                if problem := parameter.complaint(value.value):
                    self.refuse(expression, problem)
                values[name] = value.value
            elif value is not None:
                self.refuse(expression, f"{name} must be written out, not computed")
        for parameter in signature.parameters:
            if parameter.required and parameter.name not in dict(given):
                self.refuse(call, f"{signature.name} needs {parameter.name}")
        return values if len(self.problems) == before else None


def suggestion(name: str, known: list[str]) -> str:
    """`; did you mean x?`, or "" where nothing is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6) if len(name) <= 40 else []
    return f"; did you mean {near[0]}?" if near else ""

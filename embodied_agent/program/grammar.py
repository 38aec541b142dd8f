"""The decoding grammar: the texts that a planner may write, generated from the signatures.

One neutral form, two renderings: Lark for llguidance, GBNF for servers in the manner of llama.cpp.
It is a subset of the language, so every text it generates parses; types of variables are left to
the check. Blocks nest to a bounded depth, which spares the grammar an indentation stack.
"""

from __future__ import annotations

import json
import keyword
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from embodied_agent.program import nodes
from embodied_agent.program.items import Choice, Item, Many, Ref, Sequence, Text, maybe, sampled
from embodied_agent.program.json_form import json_schema
from embodied_agent.program.renderings import gbnf_item, lark_item, lark_regex
from embodied_agent.program.tokens import name_item, number_item, string_item
from embodied_agent.signature import Parameter, Signature, Type

__all__ = ["Grammar", "gbnf", "grammar_of", "json_schema", "lark", "sample"]

MAX_BLOCKS = 5  # blocks inside each other, the task's included
MAX_TESTS = 4  # in one condition
TASK_TEXT = 400  # characters
ARGUMENT_TEXT = 120
Signatures = Iterable[Signature] | Mapping[str, Signature]


@dataclass(frozen=True)
class Grammar:
    """Rules by name; `start` is where they begin.

    Attributes:
        rules: Made of other rules.
        terminals: Made of characters alone; a lexer can read each in one go.
    """

    rules: dict[str, Item] = field(default_factory=dict)
    terminals: dict[str, Item] = field(default_factory=dict)

    def item(self, name: str) -> Item:
        """The rule or terminal of that name."""
        return self.rules[name] if name in self.rules else self.terminals[name]


def grammar_of(signatures: Signatures) -> Grammar:
    """The grammar of what a planner may write.

    Args:
        signatures: Of primitives and skills; those that are not for planners are left out.
    """
    given = signatures.values() if isinstance(signatures, Mapping) else signatures
    return _Builder([s for s in given if s.callable_by_planner]).grammar


def lark(signatures: Signatures) -> str:
    """The grammar in llguidance's Lark dialect."""
    grammar = grammar_of(signatures)
    lines = [f"{name}: {lark_item(item)}" for name, item in grammar.rules.items()]
    lines += [f"{name}: /{lark_regex(item)}/" for name, item in grammar.terminals.items()]
    return "\n".join(lines) + "\n"


def gbnf(signatures: Signatures) -> str:
    """The grammar in GBNF."""
    grammar = grammar_of(signatures)
    lines = []
    for name, item in [*grammar.rules.items(), *grammar.terminals.items()]:
        written = "root" if name == "start" else name.lower().replace("_", "-")
        lines.append(f"{written} ::= {gbnf_item(item)}")
    return "\n".join(lines) + "\n"


def sample(signatures: Signatures, generator: random.Random, size: float = 1.0) -> str:
    """A random text of the grammar, for tests.

    Args:
        signatures: As for `grammar_of`.
        generator: Source of randomness.
        size: Mean number of repetitions where the grammar sets no bound.
    """
    grammar = grammar_of(signatures)
    return sampled(grammar.item("start"), grammar.item, generator, size)


class _Builder:
    """Makes the rules."""

    def __init__(self, signatures: list[Signature]) -> None:
        self.grammar = Grammar()
        self.signatures = signatures
        names = {s.name for s in signatures}
        excluded = {*keyword.kwlist, *nodes.CONSTRUCTS, *nodes.ENDINGS, *names}
        terminals = self.grammar.terminals
        rules = self.grammar.rules
        rules["start"] = Sequence(Text("with task("), Ref("TASK"), Text("):\n"), Ref("block_1"))
        for depth in range(1, MAX_BLOCKS + 1):
            self.blocks(depth)
        rules["simple"] = Choice(
            Ref("action"),
            Sequence(Ref("NAME"), Text(" = "), Ref("value")),
            Sequence(Text("ensure("), Ref("condition"), Text(")")),
        )
        kinds = {s.returns for s in signatures}
        acting = [s for s in signatures if s.returns is Type.NONE and s.name not in nodes.ENDINGS]
        valued = [s for s in signatures if s.returns is not Type.NONE]
        rules["action"] = Choice(*map(self.call, acting))
        if endings := [self.call(s) for s in signatures if s.name in nodes.ENDINGS]:
            rules["ending"] = Choice(*endings)
        counting = Sequence(Ref("NAME"), Choice(Text(" + "), Text(" - ")), Ref("NUMBER"))
        rules["value"] = Choice(*map(self.call, valued), Ref("NUMBER"), counting)
        self.conditions(kinds)
        rules["unit"] = self.call(nodes.UNIT)
        rules["objects"] = Choice(*(self.call(s) for s in valued if s.returns is Type.OBJECTS), Ref("NAME"))
        terminals["TASK"] = string_item(TASK_TEXT)
        terminals["STRING"] = string_item(ARGUMENT_TEXT)
        terminals["NAME"] = name_item(frozenset(excluded))
        terminals["NUMBER"] = number_item(False, None, None)

    def conditions(self, kinds: set[Type]) -> None:
        """Tests, joined by and, or."""
        rules = self.grammar.rules
        asked = [s for s in self.signatures if s.returns is Type.BOOLEAN]
        counted = [s for s in self.signatures if s.returns in (Type.NUMBER, Type.INTEGER)]
        left = Choice(*map(self.call, counted), Ref("NAME"))
        signs = Choice(*(Text(f" {sign} ") for sign in ("==", "!=", "<", "<=", ">", ">=")))
        compared = Sequence(left, signs, Ref("NUMBER"))
        rules["test"] = Choice(Sequence(maybe(Text("not ")), Choice(*map(self.call, asked))), compared)
        if not asked:
            rules["test"] = compared
        joined = Sequence(Choice(Text(" and "), Text(" or ")), Ref("test"))
        rules["condition"] = Sequence(Ref("test"), Many(joined, 0, MAX_TESTS - 1))

    def blocks(self, depth: int) -> None:
        """The rules of one depth of nesting."""
        rules, indent = self.grammar.rules, Text("    " * depth)
        statement, block, inner = f"statement_{depth}", f"block_{depth}", Ref(f"block_{depth + 1}")
        some = Many(Ref(statement), 1, None)
        if any(s.name in nodes.ENDINGS for s in self.signatures):
            ending = Sequence(indent, Ref("ending"), Text("\n"))
            rules[block] = Choice(Sequence(some, maybe(ending)), ending)
        else:
            rules[block] = some
        simple = Sequence(Ref("simple"), Text("\n"))
        if depth == MAX_BLOCKS:
            rules[statement] = Sequence(indent, simple)
            return
        elses = Sequence(
            Many(Sequence(indent, Text("elif "), Ref("condition"), Text(":\n"), inner), 0, 3),
            maybe(Sequence(indent, Text("else:\n"), inner)),
        )
        times = nodes.RETRY.parameters[0]
        rules[statement] = Sequence(
            indent,
            Choice(
                simple,
                Sequence(Text("with "), Ref("unit"), Text(":\n"), inner),
                Sequence(Text("for "), Ref("NAME"), Text(" in "), Ref("objects"), Text(":\n"), inner),
                Sequence(Text("if "), Ref("condition"), Text(":\n"), inner, elses),
                Sequence(Text("while "), Ref("condition"), Text(":\n"), inner),
                Sequence(Text("with retry(times="), self.argument(times), Text("):\n"), inner),
                Sequence(Text("with fallback():\n"), inner),
            ),
        )

    def call(self, signature: Signature) -> Item:
        """A call: required arguments in order, then optional ones by name, in order."""
        group = [p for p in signature.parameters if p.name in signature.exactly_one]
        first: list[Item] = []
        rest: list[Item] = []
        for parameter in signature.parameters:
            if parameter.required and not parameter.keyword_only:
                first.append(self.argument(parameter))
            elif parameter.required:
                first.append(self.named(parameter))
            elif parameter not in group:
                rest.append(self.named(parameter))
        if group:
            first.append(Choice(*map(self.named, group)))
        opening, closing = Text(f"{signature.name}("), Text(")")
        if not first:
            return Sequence(opening, maybe(_some(rest)), closing) if rest else Text(f"{signature.name}()")
        listed: list[Item] = [first[0]]
        for item in first[1:]:
            listed += [Text(", "), item]
        listed += [maybe(Sequence(Text(", "), item)) for item in rest]
        return Sequence(opening, *listed, closing)

    def named(self, parameter: Parameter) -> Item:
        """An argument with its name."""
        return Sequence(Text(f"{parameter.name}="), self.argument(parameter))

    def argument(self, parameter: Parameter) -> Item:
        """What may stand as one argument."""
        if parameter.choices:
            return Choice(*(Text(json.dumps(word)) for word in parameter.choices))
        if parameter.type is Type.STRING:
            return Ref("STRING")
        if parameter.type is Type.BOOLEAN:
            return Choice(Text("True"), Text("False"))
        if parameter.type not in (Type.NUMBER, Type.INTEGER):
            return Ref("NAME")
        item = number_item(parameter.type is Type.INTEGER, parameter.minimum, parameter.maximum)
        return self.terminal("N", item)

    def terminal(self, prefix: str, item: Item) -> Item:
        """A reference to a terminal, made now unless an equal one exists."""
        for name, known in self.grammar.terminals.items():
            if known == item:
                return Ref(name)
        name = f"{prefix}{1 + sum(n[1:].isdigit() for n in self.grammar.terminals)}"
        self.grammar.terminals[name] = item
        return Ref(name)


def _some(items: list[Item]) -> Item:
    """One or more of the items, in order, with commas between."""
    options: list[Item] = []
    for index, item in enumerate(items):
        after = [maybe(Sequence(Text(", "), later)) for later in items[index + 1 :]]
        options.append(Sequence(item, *after))
    return Choice(*options)

"""`check` and `primitives`: programs and what they may call, without a robot."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from embodied_agent.errors import BadInput, ProgramError
from embodied_agent.library import library
from embodied_agent.program.check import check
from embodied_agent.program.parse import parse
from embodied_agent.signature import Parameter, Signature

LONGEST_FILE = 1_000_000  # bytes; the language's own limit is far below


def check_file(file: Path) -> int:
    """Check a program; prints its problems, each with its place.

    Raises:
        BadInput: The file cannot be read.
    """
    name = "standard input" if str(file) == "-" else str(file)
    source = read_program(file)
    try:
        program = parse(source)
        check(program, library().for_planner)
    except ProgramError as error:
        for problem in error.problems:
            place = f"{name}:{problem.line}:{problem.column}"
            print(f"error: {place}: {' '.join(problem.message.split())[:500]}", file=sys.stderr)
        return error.exit_code
    print(f"{name}: accepted")
    return 0


def read_program(file: Path) -> str:
    """Text of a program file; `-` is standard input.

    Raises:
        BadInput: It cannot be read, is too long, or is not text.
    """
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(LONGEST_FILE + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(LONGEST_FILE + 1)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror or error}") from None
    if len(data) > LONGEST_FILE:
        raise BadInput(f"{file}: longer than {LONGEST_FILE} bytes, no program is")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: not UTF-8 text (byte {error.start})") from None


def list_primitives(*, skills_only: bool, as_json: bool) -> None:
    """Print what programs can call."""
    known = library()
    signatures = sorted(known.signatures.values(), key=lambda s: (s.level != "skill", s.effect, s.name))
    shown = [s for s in signatures if not skills_only or s.level == "skill"]
    if as_json:
        print(json.dumps([asdict(signature) for signature in shown], ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, header_style="bold", row_styles=["", "dim"])
    table.add_column("call")
    table.add_column("gives")
    table.add_column("what it does", ratio=1)
    for signature in shown:
        note = "" if signature.callable_by_planner else " (in skills only)"
        table.add_row(Text(call_text(signature)), str(signature.returns), Text(signature.description + note))
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)


def call_text(signature: Signature) -> str:
    """A call with its parameters, ranges and units."""
    return f"{signature.name}({', '.join(_parameter_text(p) for p in signature.parameters)})"


def _parameter_text(parameter: Parameter) -> str:
    kind = "|".join(parameter.choices) if parameter.choices else str(parameter.type)
    limits = parameter.range_text()
    measure = " ".join(part for part in (limits, parameter.unit) if part)
    default = "" if parameter.required or parameter.default is None else f" = {parameter.default}"
    mark = "?" if parameter.optional else ""
    return f"{parameter.name}{mark}: {kind}{f' [{measure}]' if measure else ''}{default}"

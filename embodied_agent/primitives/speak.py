"""Words to the person: remarks, refusals and questions."""

from __future__ import annotations

from embodied_agent.primitives.context import Context
from embodied_agent.primitives.registry import primitive
from embodied_agent.signature import Type
from embodied_agent.types import Result


@primitive(returns=Type.NONE, effect="speak")
def say(context: Context, text: str) -> Result:
    """Tell the person something; the program goes on.

    Args:
        text: What to say.
    """
    context.remarks.append(text)
    return Result(evidence={"said": text})


@primitive(returns=Type.NONE, effect="speak")
def refuse(context: Context, reason: str) -> Result:
    """Decline the command and move nothing; the only statement of its branch.

    Args:
        reason: Why, to the person.
    """
    return Result(evidence={"refused": reason})


@primitive(returns=Type.NONE, effect="speak")
def ask(context: Context, question: str) -> Result:
    """Ask the person back instead of guessing; the only statement of its branch.

    Args:
        question: What must be known first.
    """
    return Result(evidence={"asked": question})

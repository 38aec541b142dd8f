"""How a server is asked to hold the model to the language: servers differ most in this."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from embodied_agent.planners.planner import PlanRequest
from embodied_agent.planners.prompt import program_in
from embodied_agent.program.grammar import gbnf
from embodied_agent.program.json_form import json_schema, program_text

Structure = Literal["structured_outputs", "guided_grammar", "ebnf", "grammar", "json_schema", "none"]

# By `owned_by` of the server's model list: what that server is known to offer, strictest first.
# An unknown server is asked for a JSON schema, which is the protocol's own way.
OFFERS: Mapping[str, tuple[Structure, ...]] = {
    "vllm": ("structured_outputs", "guided_grammar", "json_schema", "none"),
    "llamacpp": ("grammar", "json_schema", "none"),
    "sglang": ("ebnf", "json_schema", "none"),
    "": ("json_schema", "none"),
}
JSON_HINT = "Answer with the program as JSON that follows the given schema; leave out nothing, use null."


def offered_by(owner: str) -> list[Structure]:
    """What a server is known to offer, strictest first.

    Args:
        owner: `owned_by` of its list of models.
    """
    return list(OFFERS.get(owner.lower(), OFFERS[""]))


def form(structure: Structure, request: PlanRequest, chat: list[dict[str, Any]]) -> dict[str, Any]:
    """The messages, and how the answer to them is to be constrained, as fields of the request."""
    if structure == "none" or not request.signatures:
        return {"messages": chat}
    if structure == "json_schema":
        hinted = {**chat[-1], "content": [*chat[-1]["content"], {"type": "text", "text": JSON_HINT}]}
        schema = {"name": "program", "strict": True, "schema": json_schema(request.signatures)}
        constraint = {"type": "json_schema", "json_schema": schema}
        return {"messages": [*chat[:-1], hinted], "response_format": constraint}
    grammar = gbnf(request.signatures)
    if structure == "structured_outputs":
        return {"messages": chat, "structured_outputs": {"grammar": grammar}}
    return {"messages": chat, structure: grammar}


def program_of(said: str, as_json: bool, request: PlanRequest) -> str:
    """The program's text in an answer: as text, in a fenced block, or as JSON.

    Args:
        said: The answer.
        as_json: The model was asked for JSON.
        request: What it answers.

    Raises:
        ProgramError: It is JSON, but no program.
    """
    if as_json and said.lstrip().startswith("{"):
        try:
            document = json.loads(said)
        except (ValueError, RecursionError):
            return program_in(said)
        if isinstance(document, dict) and "task" in document:
            return program_text(document, request.signatures)
    return program_in(said)

"""Planners by name: each is registered once, and imported only when it is used."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from embodied_agent.config import find_config, load
from embodied_agent.errors import BadInput, MissingDependency
from embodied_agent.planners.builtin import BuiltinSettings
from embodied_agent.planners.openai import OpenAISettings
from embodied_agent.planners.planner import Planner
from embodied_agent.planners.transformers import TransformersSettings

PLANNERS: dict[str, str] = {
    "builtin": "embodied_agent.planners.builtin:BuiltinPlanner",
    "scripted": "embodied_agent.planners.scripted:ScriptedPlanner",
    "openai": "embodied_agent.planners.openai:OpenAIPlanner",
    "transformers": "embodied_agent.planners.transformers:TransformersPlanner",
}


@dataclass(frozen=True)
class PlannerConfig:
    """A file in `configs/planners`: which planner, and its settings.

    Attributes:
        planner: A name in `PLANNERS`.
        builtin, openai, transformers: Settings of the planner of that name; the others are not read.
    """

    planner: Literal["builtin", "scripted", "openai", "transformers"]
    builtin: BuiltinSettings = field(default_factory=BuiltinSettings)
    openai: OpenAISettings = field(default_factory=OpenAISettings)
    transformers: TransformersSettings = field(default_factory=TransformersSettings)


def planner_config(name: str, *, url: str = "", model: str = "") -> PlannerConfig:
    """The configuration that a name or a YAML file means, with what the command line overrides.

    Args:
        name: `builtin`, `openai`, ..., or a path ending in `.yaml`.
        url: Address of the server (planner openai).
        model: Model name (openai), folder of a model (transformers), of weights (builtin).

    Raises:
        ConfigError: Unknown name or unreadable file.
        BadInput: The planner takes no such option.
    """
    config = load(find_config(name, "planners"), PlannerConfig)
    if url and config.planner != "openai":
        raise BadInput(f"--planner-url goes with an OpenAI-compatible server, not with planner {config.planner}")
    if model and config.planner == "scripted":
        raise BadInput("--model: planner scripted has none")
    if config.planner == "openai":
        server = replace(config.openai, url=url or config.openai.url, model=model or config.openai.model)
        return replace(config, openai=server)
    if model and config.planner == "transformers":
        return replace(config, transformers=replace(config.transformers, path=model))
    if model:
        return replace(config, builtin=replace(config.builtin, weights=model))
    return config


def make_planner(name: str, *, url: str = "", model: str = "") -> Planner:
    """A ready planner; arguments as for `planner_config`.

    Raises:
        ConfigError: Unknown name or unreadable file.
        WeightsError: Its weights are unusable.
        MissingDependency: A package that it needs is not installed.
    """
    config = planner_config(name, url=url, model=model)
    module, _, attribute = PLANNERS[config.planner].partition(":")
    try:
        factory: Any = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise MissingDependency(
            f"planner {config.planner} needs {error.name}: pip install 'embodied_agent[mllm]'"
        ) from None
    if config.planner == "scripted":
        return cast(Planner, factory())
    return cast(Planner, factory(getattr(config, config.planner)))

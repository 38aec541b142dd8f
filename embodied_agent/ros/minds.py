"""The model behind HTTP: planner, grounder, and whether they can be reached, asked all the time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from embodied_agent.errors import ConfigError, EmbodiedAgentError, PlannerError
from embodied_agent.planners.catalog import planner_config
from embodied_agent.planners.openai import OpenAIPlanner, OpenAISettings, Server
from embodied_agent.planners.remote import RemoteGrounder
from embodied_agent.ros.parameters import Settings


@dataclass(frozen=True)
class ModelReading:
    """One answer to the question whether the servers are there.

    Attributes:
        problem: One sentence; "" = both answered.
        took: Seconds until they answered.
        at: time.monotonic() of it.
    """

    problem: str
    took: float
    at: float


class Minds:
    """Planner and grounder of a robot host, which needs no torch.

    Args:
        settings: Where the servers are.

    Raises:
        ConfigError: The planner is none that goes over HTTP.
    """

    def __init__(self, settings: Settings) -> None:
        config = planner_config(settings.planner, url=settings.planner_url, model=settings.model)
        if config.planner != "openai":
            raise ConfigError(
                f"parameter 'planner' is '{settings.planner}' of kind {config.planner}; the node takes openai: "
                "start `embodied-agent serve` or any OpenAI-compatible server and give its address in planner_url"
            )
        server = replace(config.openai, timeout_s=settings.plan_timeout)
        seeing = replace(server, url=settings.grounder_url or server.url)
        self.planner = OpenAIPlanner(server)
        self.grounder = RemoteGrounder(seeing)
        self.reading = ModelReading("not asked yet", 0.0, time.monotonic())
        self._probes = [_probe_of(at, settings) for at in {server.base: server, seeing.base: seeing}.values()]
        self._period = settings.model_check_period
        self._closing = threading.Event()
        self._watch: threading.Thread | None = None

    def check(self) -> ModelReading:
        """Ask both servers now."""
        began, problem = time.monotonic(), ""
        try:
            for probe in self._probes:
                _ask(probe)
        except EmbodiedAgentError as error:
            problem = str(error)
        if self.reading.problem and not problem:
            self.planner.forget()  # what came back may serve another model
        now = time.monotonic()
        self.reading = ModelReading(problem, now - began, now)
        return self.reading

    def watch(self) -> None:
        """Ask again and again, in a thread of its own, until `close`."""
        self._watch = threading.Thread(target=self._watching, name="model watch", daemon=True)
        self._watch.start()

    def call_off(self) -> None:
        """End a request that runs, and refuse others until `ready`; from any thread."""
        self.planner.server.abort()
        self.grounder.server.abort()

    def ready(self) -> None:
        """Take requests again."""
        self.planner.server.aborted.clear()
        self.grounder.server.aborted.clear()

    def close(self) -> None:
        """End the watch and release the connections."""
        self._closing.set()
        for probe in self._probes:
            probe.abort()
        self.call_off()
        if self._watch is not None:
            self._watch.join(timeout=5.0)
        self.planner.close()
        self.grounder.close()
        for probe in self._probes:
            probe.close()

    def _watching(self) -> None:
        while not self._closing.wait(self._period):
            self.check()


def _probe_of(server: OpenAISettings, settings: Settings) -> Server:
    limit = settings.model_check_timeout
    return Server(replace(server, timeout_s=limit, connect_timeout_s=min(limit, 60.0), retries=0))


def _ask(probe: Server) -> None:
    """Raises:
    PlannerError: The server does not list its models.
    """
    where = f"{probe.settings.base}/models"
    status, listed = probe.get("/models")
    if status in (401, 403):
        raise PlannerError(
            f"{where}: HTTP {status}, not allowed; set {probe.settings.api_key_env} in the environment"
        )
    if status >= 500:
        raise PlannerError(f"{where}: HTTP {status}; the server is there but does not work")
    if status == 200 and not isinstance(listed, dict):
        raise PlannerError(f"{where}: answered something else than JSON; is it an OpenAI-compatible server?")

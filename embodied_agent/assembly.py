"""An agent put together from names: robot, scene, planner and perception, as the command line says them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, cast

from embodied_agent.agent import Agent, Budgets
from embodied_agent.errors import MissingDependency
from embodied_agent.perception.grounder import Grounder
from embodied_agent.planners.catalog import make_planner, planner_config
from embodied_agent.planners.planner import Planner
from embodied_agent.robots.backend import Backend
from embodied_agent.robots.catalog import make
from embodied_agent.setup import Setup
from embodied_agent.types import Detection, Frame, Grounding

Watcher = Callable[[Frame, Sequence[Detection], Grounding | None, str], None]


class WatchedGrounder:
    """A grounder whose every answer is also shown to somebody, for the report."""

    def __init__(self, inner: Grounder, watcher: Watcher) -> None:
        self._inner, self._watcher = inner, watcher

    def detect(self, frame: Frame) -> list[Detection]:
        """As the inner one."""
        found = self._inner.detect(frame)
        self._watcher(frame, found, None, "")
        return found

    def ground(self, frame: Frame, phrase: str, points: tuple[tuple[float, float], ...] = ()) -> Grounding:
        """As the inner one."""
        grounding = self._inner.ground(frame, phrase, points)
        self._watcher(frame, grounding.detections, grounding, phrase)
        return grounding


class Minds:
    """Planner and grounder: slow to load, and used again from run to run."""

    def __init__(self, setup: Setup) -> None:
        self.planner: Planner = make_planner(setup.planner, url=setup.planner_url, model=setup.model)
        self._grounder: Grounder | None = None
        if setup.perception == "camera":
            self._grounder = self._seeing(setup)

    def _seeing(self, setup: Setup) -> Grounder:
        """The planner itself where it can ground; else the built-in model, here or behind the server."""
        if isinstance(self.planner, Grounder):
            return self.planner
        try:
            return cast(Grounder, make_planner("builtin"))
        except MissingDependency:
            config = planner_config(setup.planner, url=setup.planner_url, model=setup.model)
            if config.planner != "openai":
                raise
            from embodied_agent.planners.remote import RemoteGrounder

            return RemoteGrounder(config.openai)

    def grounder(self, backend: Backend) -> Grounder:
        """What names pixels on this back end."""
        if self._grounder is not None:
            return self._grounder
        from embodied_agent.ablation import truth_grounder

        return truth_grounder(backend)


class Assembly:
    """A ready agent on its back end. A context manager that closes the back end."""

    def __init__(
        self,
        setup: Setup,
        minds: Minds | None = None,
        recording: Any = None,
        watcher: Watcher | None = None,
    ) -> None:
        options: dict[str, Any] = {"depth_noise": setup.depth_noise}
        if recording is not None:
            options["recording"] = recording
        self.backend = make("mujoco", setup.robot, setup.scene, seed=setup.seed, **options)
        try:
            self.backend.capture(self.backend.cameras[0])  # its renderer starts slowly: not in the command's time
            self.minds = minds or Minds(setup)
            grounder = self.minds.grounder(self.backend)
            self.agent = Agent(
                self.backend,
                self.minds.planner,
                grounder if watcher is None else WatchedGrounder(grounder, watcher),
                seed=setup.seed,
                budgets=Budgets(seconds=setup.seconds, robot_seconds=setup.robot_seconds),
                perception=setup.perception,
                speed_scale=setup.speed_scale,
            )
        except BaseException:
            self.backend.close()
            raise

    def __enter__(self) -> Assembly:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Exception):  # the renderer's context may be gone at interpreter exit
            self.backend.close()

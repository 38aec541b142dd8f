"""The simulated world as a Gymnasium environment: `gymnasium.make("EmbodiedAgent/Tabletop-v0")`.

import embodied_agent.robots.environment  # registers it
env = gymnasium.make("EmbodiedAgent/Tabletop-v0", robot="panda", scene="tabletop")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import register, registry
from numpy.typing import NDArray

from embodied_agent.errors import BadInput
from embodied_agent.robots.catalog import DRAWN, scene_of
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.mujoco import WRIST, MujocoBackend
from sim.scene import Scene

NAME = "EmbodiedAgent/Tabletop-v0"
STEP = 0.1  # [s]
DELTA = 0.08  # largest change of a joint in one step [rad]

Observation = dict[str, Any]
# Truth of a scene (see `MujocoBackend.truth`) to "the task is done".
Done = Callable[[dict[str, Any]], bool]


class TabletopEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """Joint-space control of one arm at 10 Hz, seen by two cameras.

    Observation: "positions" and "velocities" [rad], [rad/s]; "gripper_width" [m];
    "gripper_force" [N]; "overhead" and "wrist" RGB (H, W, 3) uint8.
    Action: changes of the joints in units of 0.08 rad, then the gripper (-1 closed, 1 open).
    Reward: 1 on the step at which `done` becomes true, which ends the episode; else 0. Without
    `done` it is always 0: the environment then has no task.
    `info["truth"]` holds the simulator's own state.

    Args:
        robot: Name or file of a robot.
        scene: A scene, a scene file or name, or "tabletop" to draw one at every reset.
        done: Predicate of a task over the truth.
        image_size: (width, height) of both pictures.
        render_mode: None or "rgb_array".
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / STEP)}  # noqa: RUF012

    def __init__(
        self,
        robot: str = "panda",
        scene: str | Scene = DRAWN,
        done: Done | None = None,
        image_size: tuple[int, int] = (160, 120),
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise BadInput(f"render_mode '{render_mode}' is not known; use 'rgb_array' or None")
        self.description = load_robot(robot)
        self.render_mode, self.image_size = render_mode, image_size
        self._scene, self._done = scene, done
        self._backend: MujocoBackend | None = None
        joints, (width, height) = len(self.description.joints), image_size
        lower = self.description.lower.astype(np.float32) - 0.1
        upper = self.description.upper.astype(np.float32) + 0.1
        picture = spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {
                "positions": spaces.Box(lower, upper, dtype=np.float32),
                "velocities": spaces.Box(-20.0, 20.0, (joints,), np.float32),
                "gripper_width": spaces.Box(-0.01, 0.5, (1,), np.float32),
                "gripper_force": spaces.Box(0.0, 1000.0, (1,), np.float32),
                "overhead": picture,
                "wrist": picture,
            }
        )
        self.action_space = spaces.Box(-1.0, 1.0, (joints + 1,), np.float32)

    @property
    def backend(self) -> MujocoBackend:
        """The simulated robot.

        Raises:
            BadInput: Before the first reset.
        """
        if self._backend is None:
            raise BadInput("call reset() first")
        return self._backend

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; `options={"scene": Scene}` sets the scene of this one."""
        super().reset(seed=seed)
        scene = (options or {}).get("scene", self._scene)
        if isinstance(scene, str):
            scene = scene_of(scene, int(self.np_random.integers(2**31)))
        if self._backend is None:
            self._backend = MujocoBackend(self.description, scene)
        else:
            self._backend.reset(scene)
        return self._observe(), {"truth": self._backend.truth()}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Let 0.1 s pass."""
        backend = self.backend
        action = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        goal = backend.state().positions + DELTA * action[:-1]
        backend.servo(goal, (action[-1] + 1) / 2 * self.description.gripper.max_width, STEP)
        truth = backend.truth()
        done = self._done is not None and bool(self._done(truth))
        return self._observe(), float(done), done, False, {"truth": truth}

    def render(self) -> NDArray[np.uint8] | None:
        """The overhead picture in "rgb_array" mode."""
        return self.backend.picture(self.backend.cameras[0], 640, 480) if self.render_mode else None

    def close(self) -> None:
        """Free the renderer."""
        if self._backend is not None:
            self._backend.close()

    def _observe(self) -> Observation:
        backend, (width, height) = self.backend, self.image_size
        state = backend.state()
        return {
            "positions": state.positions.astype(np.float32),
            "velocities": np.clip(state.velocities, -20, 20).astype(np.float32),
            "gripper_width": np.array([state.gripper_width], np.float32),
            "gripper_force": np.array([min(state.gripper_force, 1000.0)], np.float32),
            "overhead": backend.picture(backend.cameras[0], width, height),
            "wrist": backend.picture(WRIST, width, height),
        }


if NAME not in registry:
    register(NAME, entry_point="embodied_agent.robots.environment:TabletopEnv", max_episode_steps=300)

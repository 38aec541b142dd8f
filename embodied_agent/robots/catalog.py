"""Back ends by name: one lazy table, nothing imported before it is used."""

from __future__ import annotations

import importlib
from typing import Any

from embodied_agent.config import nearest
from embodied_agent.errors import BadInput
from embodied_agent.robots.backend import Backend
from embodied_agent.robots.description import RobotDescription, load_robot

BACKENDS: dict[str, str] = {
    "mujoco": "embodied_agent.robots.mujoco:MujocoBackend",
    "fake": "embodied_agent.robots.fake:FakeBackend",
    "ros2": "embodied_agent.robots.ros2.backend:Ros2Backend",
}
REAL = ("ros2",)  # they find their world, and no scene is made for them
REMEDIES = {
    "mujoco": "pip install 'embodied-agent[mujoco]'",
    "ros2": "source ROS 2 (. /opt/ros/$ROS_DISTRO/setup.sh), and pip install pytransform3d",
}
DRAWN = "tabletop"  # the scene name that means "draw one from the seed"


def resolve(name: str) -> type[Backend]:
    """The class of a back end.

    Raises:
        BadInput: Unknown name; the nearest known one is named.
        MissingDependency: Its package is not installed.
    """
    if name not in BACKENDS:
        raise BadInput(f"no back end is called '{name}'{nearest(name, BACKENDS)}; known: {', '.join(BACKENDS)}")
    module, _, attribute = BACKENDS[name].partition(":")
    try:
        found: type[Backend] = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        from embodied_agent.errors import MissingDependency

        raise MissingDependency(
            f"back end '{name}' needs the package '{error.name}': {REMEDIES.get(name, '')}"
        ) from None
    return found


def make(
    backend: str = "mujoco",
    robot: str | RobotDescription = "panda",
    scene: Any = DRAWN,
    *,
    seed: int = 0,
    **options: Any,
) -> Backend:
    """A robot ready to use.

    Args:
        backend: Key of BACKENDS.
        robot: Name or file of a robot description, or the description.
        scene: A `sim.scene.Scene`, a scene file or name, or "tabletop" to draw one from `seed`;
            without a meaning for those in REAL.
        seed: Draws the scene, and starts the sensors' noise.
        options: For the back end, e.g. `depth_noise=True`.

    Raises:
        BadInput, ConfigError: Unknown back end, robot or scene.
        RobotError: The robot cannot be used on this machine.
    """
    kind = resolve(backend)
    description = robot if isinstance(robot, RobotDescription) else load_robot(robot)
    if backend in REAL:
        scene = None
    elif isinstance(scene, str):
        scene = scene_of(scene, seed)
    return kind(description, scene, seed=seed, **options)  # type: ignore[call-arg]


def scene_of(name: str, seed: int = 0) -> Any:
    """The scene that `--scene NAME --seed N` means."""
    from sim.draw import draw_scene
    from sim.scene import load_scene

    return draw_scene(seed) if name == DRAWN else load_scene(name)

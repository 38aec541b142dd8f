"""What an agent is made of, in names, as the command line says them; light enough to check at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from embodied_agent.errors import BadInput
from embodied_agent.robots.description import SLOWEST

PERCEPTIONS = ("camera", "truth")


@dataclass(frozen=True)
class Setup:
    """What an agent is made of.

    Attributes:
        scene: "tabletop", a name in `configs/scenes`, a file, or a `sim.scene.Scene`.
        seed: Of the drawn scene, of sensor noise, and of motion planning.
        robot, planner: Names or YAML files.
        planner_url, model: See `planners.catalog.planner_config`.
        perception: "camera"; or "truth" for the ablation.
        depth_noise: Depth as a real camera gives it.
        seconds: Longest run, by the clock on the wall.
        robot_seconds: Longest run, by the robot's own clock.
        speed_scale: Share of every speed limit of the robot that is used, 0.01 to 1.
    """

    scene: Any = "blocks"
    seed: int = 0
    robot: str = "panda"
    planner: str = "builtin"
    planner_url: str = ""
    model: str = ""
    perception: str = "camera"
    depth_noise: bool = False
    seconds: float = 300.0
    robot_seconds: float = math.inf
    speed_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.perception not in PERCEPTIONS:
            raise BadInput(f"--perception {self.perception!r}: it is camera, or truth for ablation")
        if not SLOWEST <= self.speed_scale <= 1.0:  # no number at all is outside, too
            raise BadInput(f"--speed-scale {self.speed_scale:g} is outside {SLOWEST:g} to 1")

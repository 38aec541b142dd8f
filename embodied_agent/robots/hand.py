"""What a robot carries on its hand: the faces that grip, the tool frame, the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from embodied_agent.config import Range
from embodied_agent.types import Pose

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class PadDescription:
    """The flat face of one finger that holds objects.

    Attributes:
        link: Finger link it belongs to.
        position: Centre of the box in that link [m].
        size: Full sizes along the link's axes [m].
    """

    link: str
    position: Vector
    size: Vector


@dataclass(frozen=True)
class ToolDescription:
    """The tool frame, fixed to a link of the hand.

    Attributes:
        link: Link it is fixed to.
        position: Origin in that link [m].
        quaternion: Orientation wxyz in that link.
    """

    link: str
    position: Vector
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)

    @property
    def link_from_tool(self) -> Pose:
        """Pose of the tool in its link."""
        return Pose(np.array(self.position), np.array(self.quaternion))


@dataclass(frozen=True)
class WristCamera:
    """An RGB-D camera on the hand.

    Attributes:
        link: Link it is fixed to.
        position: Optical centre in that link [m].
        target: Point in that link that the image centre shows [m].
        right: Direction in that link that runs to the right in the image.
        fov: Vertical field of view [rad].
        width, height: Image size [px].
    """

    link: str
    position: Vector
    target: Vector
    right: Vector
    fov: Annotated[float, Range(0.1, 2.8)]
    width: Annotated[int, Range(16, 4096)] = 640
    height: Annotated[int, Range(16, 4096)] = 480

    def __post_init__(self) -> None:
        forward = np.subtract(self.target, self.position)
        if np.linalg.norm(np.cross(forward, self.right)) < 1e-6:
            raise ValueError("the view direction and 'right' must not be parallel")

    @property
    def link_from_camera(self) -> Pose:
        """Pose of the optical frame (x right, y down, z forward) in the link."""
        z = np.subtract(self.target, self.position)
        z = z / np.linalg.norm(z)
        x = np.asarray(self.right) - np.dot(self.right, z) * z
        x = x / np.linalg.norm(x)
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
        matrix[:3, 3] = self.position
        return Pose.from_matrix(matrix)

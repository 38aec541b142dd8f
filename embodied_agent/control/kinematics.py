"""Where the tool is for given joints, and which joints put it somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mink
import mujoco
import numpy as np

from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.model import TOOL_SITE, robot_spec
from embodied_agent.types import Array, Pose

POSITION_TOLERANCE = 5e-4  # [m]
ROTATION_TOLERANCE = 5e-3  # [rad]
ITERATIONS = 60
STEP = 0.1  # [s] of the differential solver; the velocity it returns is applied for this long


@dataclass(frozen=True)
class IkResult:
    """Outcome of inverse kinematics.

    Attributes:
        positions: Joints found [rad], (n,); the nearest ones if it failed.
        found: Within the tolerances.
        position_error: Remaining distance [m].
        rotation_error: Remaining angle [rad].
    """

    positions: Array
    found: bool
    position_error: float
    rotation_error: float

    @property
    def reason(self) -> str:
        """Why it failed, with numbers; "" if it did not."""
        if self.found:
            return ""
        degrees = np.degrees(self.rotation_error)
        return f"out of reach: {self.position_error * 1000:.0f} mm and {degrees:.0f} deg remain"


class Kinematics:
    """Forward and inverse kinematics of one arm, without its fingers.

    Not thread-safe: it owns one simulator state.
    """

    def __init__(self, description: RobotDescription) -> None:
        self.description = description
        self.model = _arm_model(description)
        self.iterations = 0  # of the inverse, in all: what a search may cost is counted in them
        self._configuration = mink.Configuration(self.model)
        self._data = self._configuration.data
        self._order = np.array([self.model.joint(name).qposadr[0] for name in description.joint_names])
        self._site = self.model.site(TOOL_SITE).id
        self._task = mink.FrameTask(TOOL_SITE, "site", position_cost=1.0, orientation_cost=0.3, lm_damping=1e-3)
        self._posture = mink.PostureTask(self.model, cost=1e-4)
        self._limits = [mink.ConfigurationLimit(self.model, gain=0.95)]

    @property
    def size(self) -> int:
        """Number of arm joints."""
        return len(self._order)

    def forward(self, positions: Array) -> Pose:
        """Pose of the tool in the world for joints (n,)."""
        self._set(positions)
        rotation = self._data.site_xmat[self._site].reshape(3, 3)
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation, self._data.site_xpos[self._site]
        return Pose.from_matrix(matrix)

    def tool_points(self, path: Array) -> Array:
        """Tool origins [m], (T, 3), along joints (T, n); quicker than `forward` for each."""
        points = np.empty((len(path), 3))
        for i, positions in enumerate(path):
            self._set(positions)
            points[i] = self._data.site_xpos[self._site]
        return points

    def link_pose(self, link: str, positions: Array) -> Pose:
        """Pose of a link in the world, e.g. of the one that carries the wrist camera."""
        self._set(positions)
        body = self._data.body(link)
        return Pose(body.xpos.copy(), body.xquat.copy())

    def jacobian(self, positions: Array) -> Array:
        """(6, n): tool velocity in the world (linear, then angular) per joint velocity."""
        self._set(positions)
        mujoco.mj_comPos(self.model, self._data)
        jacobian = np.zeros((6, self.model.nv))
        mujoco.mj_jacSite(self.model, self._data, jacobian[:3], jacobian[3:], self._site)
        return jacobian[:, self._order]

    def inverse(
        self,
        pose: Pose,
        seed: Array,
        *,
        attempts: int = 8,
        random_seed: int = 0,
    ) -> IkResult:
        """Joints that bring the tool to `pose`, preferably near `seed`.

        Args:
            pose: Tool pose in the world.
            seed: Joints to start from and stay near [rad], (n,).
            attempts: Starting points tried; the first is `seed`, the second home, then random.
            random_seed: Makes the random starts repeatable.
        """
        best: IkResult | None = None
        for start in self._starts(seed, attempts, random_seed):
            result = self._solve(pose, start)
            if result.found:
                return result
            if best is None or _badness(result) < _badness(best):
                best = result
        assert best is not None
        return best

    def inverses(
        self, pose: Pose, seed: Array, *, count: int = 4, attempts: int = 12, random_seed: int = 0
    ) -> tuple[IkResult, ...]:
        """Up to `count` different solutions, nearest to `seed` first; the best failure if none."""
        found: list[IkResult] = []
        best: IkResult | None = None
        for start in self._starts(seed, attempts, random_seed):
            result = self._solve(pose, start)
            if not result.found:
                best = result if best is None or _badness(result) < _badness(best) else best
            elif all(np.abs(result.positions - other.positions).max() > 0.1 for other in found):
                found.append(result)
                if len(found) >= count:
                    break
        if not found:
            assert best is not None
            return (best,)
        return tuple(sorted(found, key=lambda item: float(np.abs(item.positions - seed).max())))

    def reachable(self, pose: Pose) -> bool:
        """Whether any joints bring the tool there."""
        return self.inverse(pose, self.description.home_positions).found

    def clip(self, positions: Array) -> Array:
        """Joints moved inside their limits by at least 1 urad."""
        clipped: Array = np.clip(positions, self.description.lower + 1e-6, self.description.upper - 1e-6)
        return clipped

    def step_towards(self, pose: Pose, positions: Array, iterations: int = 8) -> IkResult:
        """Joints next to `positions` for a pose next to theirs; never jumps to another branch."""
        return self._solve(pose, np.asarray(positions, dtype=np.float64), iterations)

    def _set(self, positions: Array) -> None:
        self._data.qpos[self._order] = positions
        mujoco.mj_kinematics(self.model, self._data)

    def _starts(self, seed: Array, attempts: int, random_seed: int) -> list[Array]:
        description = self.description
        rng = np.random.default_rng(random_seed)
        starts = [self.clip(np.asarray(seed, dtype=np.float64)), description.home_positions]
        centre = (description.lower + description.upper) / 2
        for k in range(max(0, attempts - 2)):
            # Every other start stays near the seed: the nearest branch is the wanted one.
            around, spread = (starts[0], 0.25) if k % 2 == 0 else (centre, 0.8)
            reach = (description.upper - description.lower) / 2 * spread
            starts.append(self.clip(around + rng.uniform(-reach, reach)))
        return starts[: max(1, attempts)]

    def _solve(self, pose: Pose, start: Array, iterations: int = ITERATIONS) -> IkResult:
        quaternion = mink.SO3(wxyz=np.array(pose.quaternion))
        self._task.set_target(mink.SE3.from_rotation_and_translation(quaternion, pose.position))
        q = np.zeros(self.model.nq)
        q[self._order] = self.clip(start)
        self._configuration.update(q)
        self._posture.set_target(q.copy())
        position_error, rotation_error = self._errors(pose)
        stalled = 0
        for _ in range(iterations):
            self.iterations += 1
            if position_error < POSITION_TOLERANCE and rotation_error < ROTATION_TOLERANCE:
                break
            try:
                velocity = mink.solve_ik(
                    self._configuration,
                    [self._task, self._posture],
                    STEP,
                    "daqp",
                    damping=1e-6,
                    limits=self._limits,
                )
            except mink.MinkError:
                break
            # At most half a radian at once: the linearisation holds no further.
            scale = min(1.0, 0.5 / max(float(np.abs(velocity).max()) * STEP, 1e-9))
            self._configuration.integrate_inplace(velocity * scale, STEP)
            before = position_error + rotation_error
            position_error, rotation_error = self._errors(pose)
            stalled = stalled + 1 if before - position_error - rotation_error < 1e-4 * before else 0
            if stalled >= 6:
                break
        positions = self.clip(self._configuration.q[self._order])
        position_error, rotation_error = self._errors(pose)
        found = position_error < POSITION_TOLERANCE and rotation_error < ROTATION_TOLERANCE
        return IkResult(positions, found, position_error, rotation_error)

    def _errors(self, pose: Pose) -> tuple[float, float]:
        data = self._data
        distance = float(np.linalg.norm(data.site_xpos[self._site] - pose.position))
        rotation = data.site_xmat[self._site].reshape(3, 3)
        cosine = (float(np.sum(rotation * pose.rotation)) - 1.0) / 2.0
        return distance, float(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _badness(result: IkResult) -> float:
    return result.position_error + 0.2 * result.rotation_error


def _arm_model(description: RobotDescription) -> Any:
    """The robot's model with fixed fingers: only arm joints remain."""
    spec = robot_spec(description, visuals=False)
    for item in [*spec.actuators, *spec.equalities, *spec.tendons]:
        spec.delete(item)
    for joint in list(spec.joints):
        if joint.name not in description.joint_names:
            spec.delete(joint)
    for geom in list(spec.geoms):
        spec.delete(geom)
    for mesh in list(spec.meshes):
        spec.delete(mesh)
    return spec.compile()

"""A robot simulated by MuJoCo: contact physics, sensed forces, rendered RGB-D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from embodied_agent.errors import CameraError, RobotError
from embodied_agent.robots.backend import Backend, Watch, never
from embodied_agent.robots.description import RobotDescription
from embodied_agent.robots.fingers import FINGER_SPEED, FingerMotion
from embodied_agent.robots.trajectories import check_trajectory, sample
from embodied_agent.types import Array, Frame, JointTrajectory, Motion, RobotState
from sim.dimensions import BUTTON_THRESHOLD
from sim.film import Film
from sim.noise import noisy_depth
from sim.render import Renderer
from sim.scene import Scene
from sim.world import ROBOT, TIMESTEP, Label, World, build_world

TICK = 0.01  # [s] between two readings, and two calls of a watch
STEPS = round(TICK / TIMESTEP)
SETTLE = 0.6  # [s] at most, for the arm to come to rest at the end of a trajectory
REST_ERROR, REST_SPEED = 0.004, 0.02  # [rad], [rad/s]
FORCE_MEMORY = 0.5  # weight of the last tick in the force reading, as a sensor's filter has
WRIST = "wrist"
LAMP_ON = (0.35, 1.0, 0.45, 1.0)

Record = Callable[[float, NDArray[np.uint8]], None]


@dataclass(frozen=True)
class Recording:
    """Where video frames go: `record(time, rgb)` every `period` seconds of simulated time."""

    record: Record
    width: int = 320
    height: int = 240
    period: float = 1.0 / 15.0


class MujocoBackend(Backend):
    """One robot in one scene. Simulated time passes only while a command runs.

    Args:
        description: Robot.
        scene: What stands around it.
        depth_noise: Readings of depth as a real camera gives them; perfect otherwise.
        seed: Of the noise; the scene's own seed by default.
        recording: Frames for a video.

    Raises:
        RobotError, BadInput: Robot model or scene cannot be used.
    """

    def __init__(
        self,
        description: RobotDescription,
        scene: Scene,
        *,
        depth_noise: bool = False,
        seed: int | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.description = description
        self.depth_noise = depth_noise
        self.recording = recording
        self._renderer: Renderer | None = None
        self._film: Film | None = None
        self._world: World | None = None
        self.scene: Scene = scene
        self.model: Any = None
        self._colors: Any = None
        self._closed = False
        self._grip_force = description.gripper.max_force
        self.reset(scene, seed)

    def reset(self, scene: Scene, seed: int | None = None) -> None:
        """Start over in a scene: robot at home, objects at rest, clock at zero."""
        if self._world is not None and scene == self.scene:
            self.model.geom_rgba[:] = self._colors
        else:
            self._drop_renderer()
            self._world = build_world(scene, self.description)
        self.scene = scene
        self.world = self._world
        self.model = self.world.model
        self._colors = self.model.geom_rgba.copy()
        self.data = self.world.start()
        self._noise = np.random.default_rng([scene.seed if seed is None else seed, 77])
        self._stopped = False
        self._find_addresses()
        self._wrench = np.zeros(3)
        self._pressed: dict[str, float] = {}
        self._next_frame = 0.0
        self._hold()
        self._state = self._read()

    # -- the contract ---------------------------------------------------------------------

    @property
    def cameras(self) -> tuple[str, ...]:
        return (*(camera.name for camera in self.scene.cameras), WRIST)

    def now(self) -> float:
        return float(self.data.time)

    def state(self) -> RobotState:
        return self._read()  # arrays of its own: a caller may change them

    def capture(self, camera: str) -> Frame:
        width, height = self.image_size(camera)
        renderer = self._ready_renderer()
        rgb, depth = renderer.picture(self.data, self.model_camera(camera), width, height)
        view = replace(renderer.camera(self.data, self.model_camera(camera), width, height), name=camera)
        if self.depth_noise:
            depth = noisy_depth(depth, view.fy, self._noise)
        return Frame(rgb, depth, view, self.now())

    def follow(self, trajectory: JointTrajectory, watch: Watch = never) -> Motion:
        self._ensure_open()
        check_trajectory(trajectory, self.description, self._state.positions)
        self._stopped = False
        began, worst, peak = self.now(), 0.0, 0.0
        ticks = max(1, int(np.ceil(trajectory.duration / TICK - 1e-9)))
        last = trajectory.positions[-1]
        for tick in range(ticks + round(SETTLE / TICK)):
            if tick >= ticks and self._rests_at(last):
                break
            times = (tick + np.arange(1, STEPS + 1) / STEPS) * TICK
            positions, velocities = sample(trajectory, times)
            self.advance(self.description.servo_target(positions, velocities))
            worst = max(worst, float(np.abs(positions[-1] - self._state.positions).max()))
            peak = max(peak, float(np.linalg.norm(self._state.external_force)))
            reason = self._interrupted(watch)
            if reason:
                self._hold()
                return Motion(False, reason, self._state, self.now() - began, worst, peak)
        self._arm_target = last.copy()
        error = float(np.abs(last - self._state.positions).max())
        reason = "" if error < 0.05 else f"the arm stopped {error:.3f} rad from the end of its path"
        return Motion(not reason, reason, self._state, self.now() - began, worst, peak)

    def grip(self, width: float, force: float, watch: Watch = never) -> Motion:
        self._ensure_open()
        gripper = self.description.gripper
        if not (np.isfinite(width) and np.isfinite(force)) or force <= 0:
            raise RobotError(f"grip needs a finite width and a positive force, got {width} m and {force} N")
        self._stopped = False
        fingers, began, peak = FingerMotion(gripper, width, force, self._state), self.now(), 0.0
        while True:
            self.advance(width=fingers.advance(self.now(), TICK), force=fingers.force)
            peak = max(peak, float(np.linalg.norm(self._state.external_force)))
            reason = self._interrupted(watch)
            if reason:
                self._grip_width = self._state.gripper_width
                self._hold()
                return Motion(False, reason, self._state, self.now() - began, 0.0, peak)
            if fingers.finished(self._state):
                break
        return Motion(True, "", self._state, self.now() - began, 0.0, peak)

    def servo(self, positions: Array, width: float, seconds: float) -> RobotState:
        """Aim at joints [rad], (n,), and a gripper width [m] for a time; for learned policies.

        The set point moves evenly from where it was. Nothing above this checks for collisions:
        only joint limits and the servos' own strength bound what happens.
        """
        self._ensure_open()
        goal = np.clip(positions, self.description.lower, self.description.upper)
        width = float(np.clip(width, 0.0, self.description.gripper.max_width))
        ticks = max(1, round(seconds / TICK))
        start, speed = self._arm_target.copy(), (goal - self._arm_target) / (ticks * TICK)
        parts = (np.arange(1, ticks * STEPS + 1) / (ticks * STEPS))[:, None]
        targets = self.description.servo_target(start + parts * (goal - start), speed)
        for tick in range(ticks):
            step = float(np.clip(width - self._grip_width, -FINGER_SPEED * TICK, FINGER_SPEED * TICK))
            self.advance(targets[tick * STEPS : (tick + 1) * STEPS], width=self._grip_width + step)
        self._arm_target = goal
        return self.state()

    def advance(
        self, targets: Array | None = None, *, width: float | None = None, force: float | None = None
    ) -> RobotState:
        """Let one TICK pass with these set points: what every command is made of, and what a driver calls.

        Args:
            targets: Servo set points (STEPS, n) [rad], see `RobotDescription.servo_target`; None holds.
            width, force: What the fingers aim at [m], [N]; None leaves them as they are.

        Raises:
            RobotError: Closed, or the simulation became unstable.
        """
        self._ensure_open()
        self._grip_width = self._grip_width if width is None else width
        self._grip_force = self._grip_force if force is None else force
        data, gripper = self.data, self.description.gripper
        limit = gripper.actuator_force(self._grip_force, self._state.gripper_width)
        self.model.actuator_forcerange[self._gripper] = (-limit, limit)
        data.ctrl[self._gripper] = gripper.position_at(self._grip_width) + self._press_on(limit)
        wrench = np.zeros(3)
        for step in range(STEPS):
            data.ctrl[self._servo] = self._arm_target if targets is None else targets[step]
            mujoco.mj_step(self.model, data)
            wrench += self._contact_force() / STEPS
        self._wrench = FORCE_MEMORY * self._wrench + (1 - FORCE_MEMORY) * wrench
        self._state = self._read()
        self._light_buttons()
        self._record()
        if data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number or not np.isfinite(data.qpos).all():
            raise RobotError(f"the simulation became unstable at {data.time:.2f} s; report the scene and seed")
        return self._state

    def wait(self, seconds: float, watch: Watch = never) -> Motion:
        self._ensure_open()
        if not np.isfinite(seconds) or seconds < 0:
            raise RobotError(f"cannot wait {seconds} s")
        self._stopped = False
        began, peak = self.now(), 0.0
        for _ in range(int(np.ceil(seconds / TICK - 1e-9))):
            self.advance()
            peak = max(peak, float(np.linalg.norm(self._state.external_force)))
            reason = self._interrupted(watch)
            if reason:
                return Motion(False, reason, self._state, self.now() - began, 0.0, peak)
        return Motion(True, "", self._state, self.now() - began, 0.0, peak)

    def stop(self) -> None:
        self._stopped = True
        if not self._closed:
            self._hold()

    def close(self) -> None:
        self._closed = True
        self._drop_renderer()

    # -- for training labels, ablation, benchmark and report alone --------------------------

    def truth(self) -> dict[str, Any]:
        """See `World.truth`; and "robot": joint positions, gripper width, tool position."""
        truth = self.world.truth(self.data)
        for name, travel in self._pressed.items():
            truth["joints"][name]["peak"] = round(travel, 5)
            truth["joints"][name]["pressed"] = travel >= BUTTON_THRESHOLD
        truth["robot"] = {
            "positions": [round(float(q), 5) for q in self._state.positions],
            "gripper_width": round(self._state.gripper_width, 5),
            "tool": [round(float(v), 5) for v in self.data.site(f"{ROBOT}tool").xpos],
        }
        return truth

    @property
    def labels(self) -> tuple[Label, ...]:
        """What the values of `segmentation` mean, indexed by value."""
        return self.world.labels

    def segmentation(self, camera: str) -> NDArray[np.int32]:
        """Label id of each pixel of a capture made now, (H, W)."""
        width, height = self.image_size(camera)
        geoms = self._ready_renderer().segments(self.data, self.model_camera(camera), width, height)
        return np.where(geoms >= 0, self.world.label_of_geom[geoms], 0).astype(np.int32)

    def picture(self, camera: str, width: int, height: int) -> NDArray[np.uint8]:
        """A small RGB image for a video, (height, width, 3)."""
        self.image_size(camera)
        return self._ready_renderer().rgb(self.data, self.model_camera(camera), width, height)

    def film(self, width: int = 640, height: int = 480) -> NDArray[np.uint8]:
        """A picture for people (height, width, 3), from where the scene is filmed; no robot sees it."""
        self._pose_bodies()
        if self._film is None:
            self._film = Film(self.model, self.scene.film)
        return self._film.still(self.data, width, height)

    # -- inside -----------------------------------------------------------------------------

    def _find_addresses(self) -> None:
        model, names = self.model, self.description.joint_names
        self._q = np.array([model.joint(ROBOT + n).qposadr[0] for n in names])
        self._v = np.array([model.joint(ROBOT + n).dofadr[0] for n in names])
        self._servo = np.array([model.actuator(f"{ROBOT}{n}_servo").id for n in names])
        self._fingers = np.array([model.joint(ROBOT + n).qposadr[0] for n in self.description.gripper.joints])
        self._gripper = model.actuator(f"{ROBOT}gripper").id
        bodies = [model.body(int(b)).name for b in model.geom_bodyid]
        self._of_robot = np.array([name.startswith(ROBOT) for name in bodies])
        pads = [model.geom(f"{ROBOT}{side}_pad").id for side in ("left", "right")]
        self._pads = (pads[0], pads[1])
        self._weight = model.body_subtreemass * 9.81
        self._grip_width = self.description.gripper.max_width
        self._grip_force = self.description.gripper.max_force
        self._press = 0.0
        model.actuator_ctrllimited[self._gripper] = 0  # see _press_on
        self._buttons = [name for name in self.world.parts if name == "button"]

    def _hold(self) -> None:
        """Aim at where the arm is."""
        self._arm_target = self.data.qpos[self._q].copy()

    def _press_on(self, limit: float) -> float:
        """How far the finger servo aims beyond the commanded width, in its own units.

        A servo alone presses with stiffness times the missing way, less than was asked for on
        thin things. While the fingers stand short of their goal this grows until the force is met.
        """
        gripper, missing = self.description.gripper, self._grip_width - self._state.gripper_width
        if abs(missing) < 0.0015:
            self._press = 0.0
            return 0.0
        opens = 1.0 if gripper.open > gripper.closed else -1.0
        most = limit / gripper.stiffness
        self._press = float(np.clip(self._press + np.sign(missing) * most * TICK / 0.15, -most, most))
        return opens * self._press

    def _read(self) -> RobotState:
        data, gripper = self.data, self.description.gripper
        width = gripper.width_at(float(data.qpos[self._fingers].mean()))
        return RobotState(
            stamp=float(data.time),
            positions=data.qpos[self._q].copy(),
            velocities=data.qvel[self._v].copy(),
            efforts=data.qfrc_actuator[self._v].copy(),
            gripper_width=width,
            gripper_force=gripper.pad_force(float(data.actuator_force[self._gripper]), width),
            external_force=self._wrench.copy(),
        )

    def _contact_force(self) -> Array:
        """Force of the world on the arm [N], (3,), as a wrist sensor with known payload reads it."""
        data, total = self.data, np.zeros(3)
        if data.ncon == 0:
            return total
        pairs = data.contact.geom[: data.ncon]
        touching = np.flatnonzero(self._of_robot[pairs[:, 0]] != self._of_robot[pairs[:, 1]])
        held: dict[int, set[int]] = {}
        wrench = np.zeros(6)
        for index in touching:
            first, second = pairs[index]
            contact = data.contact[int(index)]
            mujoco.mj_contactForce(self.model, data, int(index), wrench)
            force = contact.frame.reshape(3, 3).T @ wrench[:3]  # acts on the second geom
            total += force if self._of_robot[second] else -force
            pad, other = (second, first) if self._of_robot[second] else (first, second)
            if pad in self._pads:
                held.setdefault(int(self.model.geom_bodyid[other]), set()).add(int(pad))
        for body, pads in held.items():
            if (
                len(pads) == 2
                and self.model.body_jntnum[body]
                and self.model.jnt_type[self.model.body_jntadr[body]] == 0
            ):
                total[2] += self._weight[body]  # payload between both pads
        return total

    def _rests_at(self, target: Array) -> bool:
        error = np.abs(target - self._state.positions).max()
        return bool(error < REST_ERROR and np.abs(self._state.velocities).max() < REST_SPEED)

    def _interrupted(self, watch: Watch) -> str:
        """Why to stop now: a sentence, or ""."""
        if self._stopped:
            return "stopped by request"
        return watch(self._state)

    def _light_buttons(self) -> None:
        """A button that was pushed down stays lit."""
        for name in self._buttons:
            travel = float(self.data.joint(name).qpos[0])
            if travel > self._pressed.get(name, -1.0):
                lit = self._pressed.get(name, 0.0) >= BUTTON_THRESHOLD
                self._pressed[name] = travel
                if travel >= BUTTON_THRESHOLD and not lit:
                    self.model.geom("button/1").rgba[:] = LAMP_ON

    def _record(self) -> None:
        recording = self.recording
        if recording is None or self.data.time < self._next_frame:
            return
        self._next_frame = self.data.time + recording.period - 1e-9
        recording.record(self.now(), self.film(recording.width, recording.height))

    def image_size(self, camera: str) -> tuple[int, int]:
        """Width and height of a camera's images [px]; CameraError for an unknown one."""
        for spec in self.scene.cameras:
            if spec.name == camera:
                return spec.width, spec.height
        if camera == WRIST:
            return self.description.camera.width, self.description.camera.height
        raise CameraError(f"no camera is called '{camera}'; known: {', '.join(self.cameras)}")

    def model_camera(self, camera: str) -> str:
        """What the model calls a camera."""
        return ROBOT + WRIST if camera == WRIST else camera

    def _ready_renderer(self) -> Renderer:
        self._pose_bodies()
        if self._renderer is None:
            self._renderer = Renderer(self.model)
        return self._renderer

    def _pose_bodies(self) -> None:
        """A step leaves poses one time step behind the joints; pictures must agree with readings."""
        if self._closed:
            raise CameraError("the simulated robot is closed")
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def _drop_renderer(self) -> None:
        for renderer in (self._renderer, self._film):
            if renderer is not None:
                renderer.close()
        self._renderer = self._film = None

    def _ensure_open(self) -> None:
        if self._closed:
            raise RobotError("the simulated robot is closed")

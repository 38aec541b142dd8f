"""The arm as the primitives use it: every motion planned, supervised, measured, and told as a Result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from embodied_agent.control.collision import CollisionWorld
from embodied_agent.control.effort import Allowance
from embodied_agent.control.kinematics import Kinematics
from embodied_agent.control.obstacles import Held as HeldBox
from embodied_agent.control.obstacles import Obstacles
from embodied_agent.control.planning import MotionPlanner
from embodied_agent.control.safety import Supervisor
from embodied_agent.control.spheres import BodySpheres
from embodied_agent.control.straight import follow_poses
from embodied_agent.control.trajectory import parameterize
from embodied_agent.primitives.move import leaning, turned
from embodied_agent.types import Array, Grasp, JointTrajectory, Motion, Pose, Result, RobotState

FREE_SPEED = 1.4  # [m/s] of the tool in free motion, where joint limits allow more
AT_HOME = 0.02  # [rad] from home that counts as being there
BACK_OFF = 0.08  # [m] back along the hand, where it stands against something
LEAVING = 120.0  # [N] while the hand leaves a contact; it does not press on
FELT = 1.5  # [N] at the tool, or between the fingers: less is free motion
ARRIVED = 0.012  # [m] between the tool and where it was sent
SHRINK = 0.012  # [m] a held thing's box is made smaller on each side: it touches what it stood on
ASIDE = (0.5, 1.0)  # [rad] off the way that was asked for, where the joints do not allow that
TILTED = 0.35  # [rad] that the hand may tilt then
ENOUGH = 0.4  # of a way out: as good as all of it
FAR = 0.02  # [m] that a hand stays short of a place: out of reach, not a matter of its turn
NEAR, ALIKE = 0.005, 0.02  # [m] and [rad] between poses that are as easy to reach
UPRIGHT = 0.35  # [rad] that something held may tilt when it must stay upright


class Arm:
    """One robot arm behind its supervisor.

    Args:
        robot: The supervisor; nothing below it is reachable from here.
        seed: Of every random choice in planning.
    """

    def __init__(self, robot: Supervisor, seed: int = 0) -> None:
        self.robot = robot
        self.description = robot.description
        self.seed = seed
        self.speed = 1.0
        self.upright = False  # what is held must not tilt
        self.motions = 0
        self.touched = robot.now()  # last time that the hand moved anything, or may have
        self.kinematics = Kinematics(robot.description)
        self._world = CollisionWorld(robot.description, Obstacles())
        self._body = BodySpheres(robot.description)
        self._planner = MotionPlanner(self.kinematics, self._world)

    def state(self) -> RobotState:
        """The newest reading."""
        return self.robot.state()

    def tool_pose(self) -> Pose:
        """Where the tool is, from the measured joints."""
        return self.kinematics.forward(self.state().positions)

    def pointing_down(self, position: Array, closing_across: Array | None = None) -> Pose:
        """A tool pose that looks straight down, the fingers closing across a horizontal direction."""
        across = np.array([0.0, 1.0, 0.0]) if closing_across is None else np.asarray(closing_across)
        z = np.array([0.0, 0.0, -1.0])
        y = np.cross(z, across) if closing_across is not None else across
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack([np.cross(y, z), y, z], axis=1)
        matrix[:3, 3] = position
        return Pose.from_matrix(matrix)

    def home(self, obstacles: Array, held: Any = None) -> Result:
        """Go to the home pose, unless the arm is there."""
        away = np.abs(self.state().positions - self.description.home_positions).max()
        if away < AT_HOME:
            return Result(evidence={"already_home": True})
        return self._go(self.description.home_positions, obstacles, held)

    def move_to(
        self,
        pose: Pose | Sequence[Pose],
        obstacles: Array,
        held: Any = None,
        then: Array | None = None,
        clear: Array | None = None,
    ) -> Result:
        """Bring the tool to a pose (or any of several) without touching anything.

        Args:
            pose: Where to.
            obstacles: Points (N, 3) to keep off.
            held: What the hand carries, if anything.
            then: Straight way in the world that must be possible from there, as offsets (3,) or
                (K, 3) [m] from that place.
            clear: Points (N, 3) that this way must keep off, hand and all; None = only the links
                behind the hand keep off, and that from all obstacles.
        """
        return self._go(pose, obstacles, held, then, clear)

    def move_joints(self, positions: Array, obstacles: Array, held: Any = None) -> Result:
        """Bring the arm to joints [rad], (n,), without touching anything."""
        return self._go(positions, obstacles, held)

    def move_straight(
        self,
        pose: Pose,
        *,
        speed: float,
        max_force: float | None = None,
        until_contact: float | None = None,
        partial: bool = False,
    ) -> Result:
        """Lead the tool along a straight line.

        Args:
            pose: Where to.
            speed: Of the tool [m/s], before the unit's share.
            max_force: Force at the tool that ends the motion as a failure [N].
            until_contact: Force at the tool that ends the motion as a success [N].
            partial: Going as far as the joints allow is good enough.
        """
        return self.follow_poses(
            [pose], speed=speed, max_force=max_force, until_contact=until_contact, partial=partial
        )

    def follow_poses(
        self,
        poses: Sequence[Pose],
        *,
        speed: float = 0.15,
        max_force: float | None = None,
        until_contact: float | None = None,
        partial: bool = False,
    ) -> Result:
        """Lead the tool through poses in straight lines; `value` are the tool poses on the way, measured."""
        start = self.state().positions
        line = follow_poses(self.kinematics, start, poses)
        if not line.complete and not (partial and len(line.positions) > 1):
            return Result(ok=False, reason=line.reason, evidence={"share_possible": round(line.fraction, 3)})
        readings: list[Array] = []
        motion = self._follow(line.positions, speed, max_force, until_contact, readings)
        evidence = self._evidence(motion)
        reached = self.kinematics.forward(motion.state.positions)
        error = float(np.linalg.norm(reached.position - poses[-1].position))
        contact = until_contact is not None and motion.peak_force >= until_contact
        evidence |= {"position_error": round(error, 4)} | ({"contact": contact} if until_contact else {})
        measured = [self.kinematics.forward(q) for q in readings[:: max(1, len(readings) // 40)]]
        if motion.completed or contact or (partial and motion.duration > 0.1):
            if motion.completed and not partial and not contact and error > ARRIVED:
                reason = f"the tool stopped {error * 1000:.0f} mm short; {ARRIVED * 1000:.0f} mm are allowed"
                return Result(measured, False, reason, evidence)
            return Result(measured, True, "", evidence | ({"ended": motion.reason} if motion.reason else {}))
        return Result(measured, False, motion.reason, evidence)

    def move_clear(self, way: Array, *, speed: float) -> Result:
        """Draw the hand away from what it has to do with, as far as the joints allow.

        Where they do not allow much of it, the hand tilts on the way, or goes up and towards the
        base as well.

        Args:
            way: Where to (3,) [m].
            speed: Of the tool [m/s], before the unit's share.
        """
        start, here = self.state().positions, self.tool_pose()
        best, most = here.translated(way), -1.0
        for pose in self._ways_out(here, np.asarray(way)):
            share = follow_poses(self.kinematics, start, [pose]).fraction
            if share > most:
                best, most = pose, share
            if share >= ENOUGH:
                break
        return self.move_straight(best, speed=speed, partial=True)

    def _ways_out(self, here: Pose, way: Array) -> Iterator[Pose]:
        """Straight first, then tilted, then aside: up, and towards the base."""
        length, up = float(np.linalg.norm(way)), np.array([0.0, 0.0, 1.0])
        home = -here.position * np.array([1.0, 1.0, 0.0])
        home /= max(float(np.linalg.norm(home)), 1e-9)
        there = here.translated(way)
        yield there
        for side in (home, -home, np.cross(up, home), np.cross(home, up)):
            yield leaning(there, side, TILTED)
        for angle, other in itertools.product(ASIDE, (up, home)):
            aside = other - (other @ way) * way / max(length**2, 1e-9)
            if np.linalg.norm(aside) > 0.1:
                aside /= np.linalg.norm(aside)
                yield here.translated(np.cos(angle) * way + np.sin(angle) * length * aside)

    def back_off(self, way: Array) -> Result:
        """Move straight away from what the hand stands against, as far as it goes.

        Args:
            way: Where to (3,) [m], away from the contact.
        """
        there = self.tool_pose().translated(way)
        return self.move_straight(there, speed=0.1, max_force=LEAVING, partial=True)

    def wait(self, seconds: float) -> Result:
        """Hold still."""
        self.motions += 1
        motion = self.robot.wait(seconds)
        return Result(ok=motion.completed, reason=motion.reason, evidence={"waited": round(motion.duration, 2)})

    def grip(self, width: float, force: float) -> Result:
        """Move the fingers, and measure where they stopped and what they feel."""
        self.motions += 1
        motion = self.robot.grip(width, force)
        self.touched = self.robot.now()
        evidence = {
            "width": round(motion.state.gripper_width, 4),
            "force": round(motion.state.gripper_force, 2),
            "asked_width": round(width, 4),
            "asked_force": round(force, 1),
        }
        return Result(ok=motion.completed, reason=motion.reason, evidence=evidence)

    def drive(self, place: str) -> Result:
        """Let the base drive to a place that the robot knows by name."""
        self.motions += 1
        motion = self.robot.drive(place)
        self.touched = self.robot.now()
        evidence = {"place": place, "took_s": round(motion.duration, 3)}
        return Result(ok=motion.completed, reason=motion.reason, evidence=evidence)

    def first_reachable(self, grasps: Sequence[Grasp], obstacles: Array, back: float) -> tuple[Grasp | None, str]:
        """The best grasp whose pose, and the way straight into it, the joints allow; or why there is none.

        Args:
            grasps: Best first.
            obstacles: Points (N, 3) to keep off, without the object itself.
            back: Length of the straight approach [m].
        """
        self._world.update(Obstacles(points=obstacles, table=None))
        reason = "no grasp was proposed"
        start = self.state().positions
        for grasp in grasps[:24]:
            before = grasp.pose.translated(-back * grasp.pose.rotation[:, 2])
            for solution in self.kinematics.inverses(before, start, count=2, attempts=6, random_seed=self.seed):
                if not solution.found:
                    reason = f"the best of {len(grasps)} grasps is {solution.reason}"
                elif (touch := self._world.contact(solution.positions)) is not None:
                    reason = f"before the grasp {touch}"
                elif not (reason := self._unreachable(solution.positions, [grasp.pose])):
                    return grasp, ""
        return None, reason

    def first_placeable(
        self, tools: Sequence[Pose], obstacles: Array, held: Any, above: float
    ) -> tuple[int | None, str]:
        """Index of the first tool pose that can be lowered into; or None, and why the first cannot.

        Args:
            tools: Tool poses at which the hand lets go, best first.
            obstacles: Points (N, 3) to keep off on the way there.
            held: What the hand carries.
            above: Length of the straight way down [m].
        """
        self._world.update(Obstacles(points=obstacles, table=0.0, held=_box(held)))
        start, first = self.state().positions, ""
        far: list[Pose] = []
        for index, tool in enumerate(tools):
            if any(_same_but_turned(tool, other) for other in far):
                continue  # out of reach in any turn about the hand's own axis
            reason, missing = self._unplaceable(tool, start, above)
            if not reason:
                return index, ""
            first = first or reason
            if missing > FAR:
                far.append(tool)
        return None, first

    def _unplaceable(self, tool: Pose, start: Array, above: float) -> tuple[str, float]:
        """Why the hand cannot be lowered into a pose, "" if it can; and how far it stays from above it [m]."""
        over = tool.translated(np.array([0.0, 0.0, above]))
        reason = ""
        for solution in self.kinematics.inverses(over, start, count=2, attempts=4, random_seed=self.seed):
            if not solution.found:
                return f"the place is {solution.reason}", solution.position_error
            if (touch := self._world.contact(solution.positions)) is not None:
                reason = f"over the place {touch}"
                continue
            reason = self._unreachable(solution.positions, [tool])
            if not reason:
                return "", 0.0
        return reason, 0.0

    def _unreachable(self, start: Array, way: Sequence[Pose]) -> str:
        """Why the hand cannot reach straight into something while the links behind it keep off; "" if it can."""
        return follow_poses(self.kinematics, start, way, self._world, but_hand=True).reason

    def first_turnable(self, grasps: Sequence[Grasp], angle: float, back: float) -> Grasp | None:
        """The best grasp from which the tool can turn by `angle` [rad] about world z."""
        start = self.state().positions
        for grasp in grasps:
            before = grasp.pose.translated(-back * grasp.pose.rotation[:, 2])
            solution = self.kinematics.inverse(before, start, attempts=8, random_seed=self.seed)
            if not solution.found:
                continue
            line = follow_poses(self.kinematics, solution.positions, [grasp.pose, *turned(grasp.pose, angle)])
            if line.complete:
                return grasp
        return None

    def allowance(self, units: int) -> Allowance:
        """So much work for a search from now; see `control.effort`."""
        return self._planner.allowance(units)

    def collisions(self, obstacles: Obstacles) -> CollisionWorld:
        """The world that this arm's motions are checked in, with these obstacles."""
        self._world.update(obstacles)
        return self._world

    def spheres(self) -> Array:
        """The robot's links where its joints say they are, (M, 4) as centre and radius [m]."""
        state = self.state()
        return self._body.at(state.positions, state.gripper_width)

    def _go(
        self,
        goal: Array | Pose | Sequence[Pose],
        obstacles: Array,
        held: Any,
        then: Array | None = None,
        clear: Array | None = None,
    ) -> Result:
        self._world.update(Obstacles(points=obstacles, table=0.0, held=_box(held)))
        beyond = None
        if clear is not None:
            beyond = CollisionWorld(self.description, Obstacles(points=clear, table=0.0, held=_box(held)))
        start = self.state().positions

        def accept(positions: Array) -> str:
            if then is None:
                return ""
            tool = self.kinematics.forward(positions)
            way = [tool.translated(offset) for offset in np.atleast_2d(then)]
            if beyond is not None:
                return follow_poses(self.kinematics, positions, way, beyond).reason
            return self._unreachable(positions, way)

        tilt = UPRIGHT if self.upright and held is not None else None
        plan = self._planner.plan(start, goal, seed=self.seed, accept=accept, max_tilt=tilt)
        if not plan.found and self._world.contact(start) is not None:  # it stands against something
            self.back_off(-BACK_OFF * self.tool_pose().rotation[:, 2])
            start = self.state().positions
            plan = self._planner.plan(start, goal, seed=self.seed, accept=accept, max_tilt=tilt)
        evidence: dict[str, Any] = {"planned_s": round(plan.seconds, 4), "method": plan.method}
        if not plan.found:
            return Result(ok=False, reason=plan.reason, evidence=evidence | {"obstacles": len(obstacles)})
        motion = self._follow(plan.path, FREE_SPEED, None, None, None)
        return Result(ok=motion.completed, reason=motion.reason, evidence=evidence | self._evidence(motion))

    def _follow(
        self,
        path: Array,
        speed: float,
        max_force: float | None,
        until_contact: float | None,
        readings: list[Array] | None,
    ) -> Motion:
        trajectory = self._timed(path, speed)
        self.motions += 1
        motion = self.robot.follow(trajectory, max_force=max_force, until_contact=until_contact, readings=readings)
        if motion.peak_force > FELT or motion.state.gripper_force > FELT:
            self.touched = self.robot.now()
        return motion

    def _timed(self, path: Array, speed: float) -> JointTrajectory:
        """The path at the unit's share of the joint limits, its tool no faster than `speed` [m/s].

        Then all of it slowed by the scale that the supervisor allows.
        """
        share = self.speed
        for _ in range(3):
            trajectory = parameterize(self.description, path, share, self.kinematics)
            points = self.kinematics.tool_points(trajectory.positions[::4])
            steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
            fastest = float((steps / np.diff(trajectory.times[::4])).max()) if len(steps) else 0.0
            if fastest <= speed * self.speed:
                break
            share *= 0.95 * speed * self.speed / fastest
        return trajectory.slowed(self.robot.speed_scale)

    def _evidence(self, motion: Motion) -> dict[str, Any]:
        tool = self.kinematics.forward(motion.state.positions)
        return {
            "tool": tool.position.round(4).tolist(),
            "took_s": round(motion.duration, 3),
            "tracking_error": round(motion.tracking_error, 4),
            "peak_force": round(motion.peak_force, 1),
        }


def _same_but_turned(a: Pose, b: Pose) -> bool:
    """Whether two tool poses differ by a turn about the hand's own axis alone."""
    apart = float(np.linalg.norm(a.position - b.position))
    return apart < NEAR and float(a.rotation[:, 2] @ b.rotation[:, 2]) > np.cos(ALIKE)


def _box(held: Any) -> HeldBox | None:
    """A held thing as the collision world wants it, a little smaller than measured."""
    if held is None:
        return None
    size = np.maximum(held.object.extent - 2 * SHRINK, 0.004)
    return HeldBox(held.tool_from_object, size)

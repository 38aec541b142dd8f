"""Leading a held part along its joint: the way checked before the grasp, the motion yielding to the part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embodied_agent.control.obstacles import Obstacles
from embodied_agent.control.straight import follow_poses
from embodied_agent.perception import articulation
from embodied_agent.types import Array, Grasp, Joint, Object, Pose, Result

if TYPE_CHECKING:  # programs are checked without a simulator installed
    from embodied_agent.primitives.arm import Arm

PULL = 60.0  # [N] at the tool while a part is moved
SPEED = 0.1  # [m/s] of the hand then: in contact, an arm that lags behind pushes aside
STOP_MAY_COME = 0.6  # share of the way from which on it may: a part's range is known only roughly
TOUCHING = 0.035  # [m/s] there: an arm holds its path, so the force on a stop grows with the speed it is met at
CHUNK = 0.02  # [m] led at once, before the hand gives way to what it felt
STATIONS = 3  # way points of a chunk
MOST_GIVEN = 0.04  # [m] aside in all; more means that the joint is not what it seemed
STOPPED = 0.8  # share of the force that acts against the way where a part is at its stop
BLOCKED = 4  # chunks in a row that ended at the force limit
TURNS = (1.0, 0.7, 0.4)  # shares of a door's turn that the hand turns too
RUN_UP = 0.03  # [m] between the fingers and a part before they push it
OVER = 0.012  # [m] between the palm and the door's top
PUSHED_AT = (0.85, 0.65)  # of a door's width from its hinge
PRESSED_AT = (0.25, -0.25, 0.35, -0.35, 0.0)  # of a drawer's width from the middle, where its handle is
PUSH_TURNS = (1.0, 0.5, 0.0)  # shares of the door's turn that the pushing hand turns too
MOST_LAG = 0.6  # [rad] between hand and door; beyond it the fingers come near the door's face
POSTURES = 3  # of the arm, tried for one grasp
WORTH_PUSHING = 0.25  # share of the way; the arm may push the rest from another posture
SEARCH = 30_000  # units of work, for a grasp or a push all of whose way can be led


@dataclass(frozen=True)
class Plan:
    """A grasp from which a part can be led.

    Attributes:
        grasp: Where to hold it.
        posture: Joints of the arm before the straight way to the grasp [rad], (n,).
        turn: Share of a door's turn that the hand turns too.
        share: How much of the way the arm can lead it, in [0, 1].
    """

    grasp: Grasp
    posture: Array
    turn: float
    share: float


@dataclass(frozen=True)
class Push:
    """How a door or a drawer can be pushed shut.

    Attributes:
        tool: Tool pose before the part, whence the push begins.
        posture: Joints of the arm before the straight way there [rad], (n,).
        turn: Share of a door's turn that the hand turns too.
        amount: Signed motion from there [rad] or [m].
    """

    tool: Pose
    posture: Array
    turn: float
    amount: float


def plan_lead(
    arm: Arm, grasps: Sequence[Grasp], joint: Joint, amount: float, obstacles: Array, back: float
) -> tuple[Plan | None, str]:
    """The best grasp from which the arm can lead a part all the way, or else farthest; or why there is none.

    Args:
        arm: The arm, where it stands now.
        grasps: On the handle, best first.
        joint: How the part moves.
        amount: Signed motion that follows the grasp [m] or [rad].
        obstacles: Points (N, 3) to keep off, without the part and its handle.
        back: Length of the straight approach [m].
    """
    world = arm.collisions(Obstacles(points=obstacles, table=0.0))
    kinematics, start = arm.kinematics, arm.state().positions
    best: Plan | None = None
    reason = "no grasp was proposed"
    turns = TURNS if joint.type == "revolute" else (1.0,)
    lagging = tuple(turn for turn in turns if (1.0 - turn) * abs(amount) > MOST_LAG)
    for tried in (tuple(turn for turn in turns if turn not in lagging), lagging):
        spent = arm.allowance(SEARCH)
        for grasp in grasps if tried else ():
            if spent():
                break
            before = grasp.pose.translated(-back * grasp.pose.rotation[:, 2])
            for solution in kinematics.inverses(before, start, count=POSTURES, attempts=6, random_seed=arm.seed):
                contact = world.contact(solution.positions) if solution.found else None
                if not solution.found or contact is not None:
                    reason = f"before the grasp {contact or solution.reason}"
                    continue
                approach = follow_poses(kinematics, solution.positions, [grasp.pose])
                if not approach.complete:
                    reason = approach.reason
                    continue
                for turn in tried:
                    poses = articulation.path(joint, grasp.pose, amount, 12, turn)[1:]
                    way = follow_poses(kinematics, approach.positions[-1], poses, world)
                    if best is None or way.fraction > best.share + 0.02:
                        best = Plan(grasp, solution.positions, turn, way.fraction)
                    if way.complete:
                        return best, ""
                    reason = way.reason
    return best, reason


def plan_push(
    arm: Arm, panel: Object, joint: Joint, amount: float, obstacles: Array, back: float
) -> tuple[Push | None, str]:
    """Where closed fingers can push a part shut, all its way or else farthest; or why nowhere.

    Args:
        arm: The arm, where it stands now.
        panel: The door or the drawer's front, as just measured.
        joint: Its joint.
        amount: Signed motion to push it by, < 0 [rad] or [m].
        obstacles: Points (N, 3) to keep off, without the part and its handle.
        back: Length of the straight way to where the push begins [m].
    """
    world = arm.collisions(Obstacles(points=obstacles, table=0.0))
    kinematics, start = arm.kinematics, arm.state().positions
    best: Push | None = None
    reason, most = "no place to push was tried", WORTH_PUSHING
    spent = arm.allowance(SEARCH)
    slides = joint.type == "prismatic"
    for tool, run_up in (_before_drawer if slides else _beside_door)(arm, panel, joint):
        if spent():
            break
        way = amount - run_up
        before = tool.translated(-back * tool.rotation[:, 2])
        for solution in kinematics.inverses(before, start, count=POSTURES, attempts=6, random_seed=arm.seed):
            contact = world.contact(solution.positions) if solution.found else None
            if not solution.found or contact is not None:
                reason = f"before the push {contact or solution.reason}"
                continue
            there = follow_poses(kinematics, solution.positions, [tool], world)
            reason = there.reason or reason
            for turn in ((1.0,) if slides else PUSH_TURNS) if there.complete else ():
                poses = articulation.path(joint, tool, way, 12, turn)[1:]
                pushed = follow_poses(kinematics, there.positions[-1], poses, world)
                if pushed.fraction > most:
                    most, best = pushed.fraction, Push(tool, solution.positions, turn, way * pushed.fraction)
                if pushed.complete:
                    return best, ""
                reason = pushed.reason
    return best, reason


def _beside_door(arm: Arm, panel: Object, joint: Joint) -> Iterator[tuple[Pose, float]]:
    """Upright fingers that reach down a door's outer face while the palm passes over it; and the run-up [rad]."""
    gripper = arm.description.gripper
    spoke = (panel.position - joint.origin) * np.array([1.0, 1.0, 0.0])
    width = 2.0 * float(np.linalg.norm(spoke))
    face = articulation.tangent(joint, panel.position)  # outward: where it moves when it opens
    off = panel.extent[0] / 2 + max(gripper.finger_breadth / 2, gripper.finger_thickness) + RUN_UP
    height = panel.position[2] + panel.extent[2] / 2 + OVER - gripper.palm_depth
    for share, yaw in itertools.product(PUSHED_AT, np.linspace(0.0, 2 * np.pi, 8, endpoint=False)):
        base = joint.origin + 2.0 * share * spoke + off * face
        across = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
        yield arm.pointing_down(np.array([base[0], base[1], height]), across), RUN_UP / (share * width)


def _before_drawer(arm: Arm, panel: Object, joint: Joint) -> Iterator[tuple[Pose, float]]:
    """Fingers that point at a drawer's front beside its handle; and the run-up [m]."""
    inward = -articulation.tangent(joint, panel.position)
    aside = np.cross(np.array([0.0, 0.0, 1.0]), inward)
    base = panel.position - (panel.extent[0] / 2 + RUN_UP) * inward
    for share, roll in itertools.product(PRESSED_AT, np.linspace(0.0, 2 * np.pi, 8, endpoint=False)):
        across = np.cos(roll) * aside + np.sin(roll) * np.array([0.0, 0.0, 1.0])
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack([np.cross(across, inward), across, inward], axis=1)
        matrix[:3, 3] = base + share * panel.extent[1] * aside
        yield Pose.from_matrix(matrix), RUN_UP


def lead(
    arm: Arm, joint: Joint, amount: float, turn: float = 1.0, max_force: float = PULL, reach: float = 0.2
) -> Result:
    """Lead the held part along its joint, chunk by chunk; `value` are the tool poses on the way, measured.

    Each chunk begins where the part has taken the hand, not where the estimated joint would have
    it: an axis that was estimated a little wrong costs a few newtons then, not the grip. Force
    against the way ends the motion: the part is at its stop.

    Args:
        arm: The arm, its hand holding the part.
        joint: How the part moves.
        amount: Signed motion from here [m] or [rad]; positive opens.
        turn: Share of a door's turn that the hand turns too.
        max_force: At the tool [N].
        reach: Distance of the hand from a revolute joint's axis [m].
    """
    start = arm.tool_pose()
    way = abs(amount) * (reach if joint.type == "revolute" else 1.0)
    step = CHUNK / max(way, CHUNK)
    measured, peak, given = [start], 0.0, 0.0
    share, blocked, ended = 0.0, 0, ""
    while share < 1.0:
        goal = min(1.0, share + step)
        # From where the hand is now: what the part pushed it aside is not taken back.
        here = arm.tool_pose()
        nominal = articulation.path(joint, start, amount * share, 1, turn)[-1]
        aside = here.position - nominal.position
        tangent = articulation.tangent(joint, here.position) * np.sign(amount)
        aside -= (aside @ tangent) * tangent
        stations = [share + (goal - share) * k / STATIONS for k in range(1, STATIONS + 1)]
        poses = [articulation.path(joint, start, amount * s, 1, turn)[-1].translated(aside) for s in stations]
        speed = SPEED if goal < STOP_MAY_COME else TOUCHING
        moved = arm.follow_poses(poses, speed=speed, max_force=max_force, partial=True)
        if not moved.ok:
            ended = moved.reason
            break
        measured += moved.value
        peak = max(peak, float(moved.evidence["peak_force"]))
        given = max(given, float(np.linalg.norm(aside)))
        ended = str(moved.evidence.get("ended", ""))
        blocked = blocked + 1 if ended else 0
        force = np.asarray(arm.state().external_force)
        if (ended and -force @ tangent > STOPPED * np.linalg.norm(force)) or blocked >= BLOCKED:
            break
        if given > MOST_GIVEN:
            ended = f"the hand was pushed {given * 1000:.0f} mm aside"
            break
        there = articulation.travel_between(joint, start.position, arm.tool_pose().position) / amount
        share = float(np.clip(there, share, goal)) if ended else goal
    evidence: dict[str, Any] = {
        "tool": arm.tool_pose().position.round(4).tolist(),
        "peak_force": round(peak, 1),
        "given_way": round(given, 4),
        "hand_turned": turn,
    }
    moved_at_all = len(measured) > 1
    if ended:
        evidence["ended"] = ended
    return Result(measured, moved_at_all, "" if moved_at_all else ended, evidence)

"""A goal of a bag as the folder of a run: events, key frames, video, curves, and the report of all that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from embodied_agent.errors import BadInput
from embodied_agent.record import Picture, Recorder, write_whole
from embodied_agent.report import write_report
from embodied_agent.ros.bag.curves import Curve, panels
from embodied_agent.ros.bag.goals import Goal
from embodied_agent.ros.bag.pictures import picture_of
from embodied_agent.ros.bag.reading import Bag, Message

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
FILM_RATE = 12.0  # [Hz]
AROUND = 1.0  # [s] of images before and after the goal
LONGEST_STILL = 10.0  # [s] that the film stands where the camera said nothing
FINGERS = ("finger", "knuckle", "gripper", "drive_joint")  # in the names of a gripper's joints
FRAME_LEVELS = ("unit", "skill")  # of those that succeed; what fails is always shown


def camera_topics(bag: Bag) -> list[str]:
    """Topics with colour images, the best for a report first."""
    found = []
    for topic, kind in bag.topics().items():
        if kind in IMAGES and "depth" not in topic.lower():
            found.append(topic)
    return sorted(found, key=lambda topic: ("overhead" not in topic, "color" not in topic, topic))


def retell(bag: Bag, goal: Goal, folder: Path, camera: str = "") -> Path:
    """Write the folder of a run from a bag; returns its report.

    Args:
        bag: Where it was recorded.
        goal: One of its goals.
        folder: Becomes the run's folder.
        camera: Topic of the images; the best one if empty.

    Raises:
        BadInput: The bag has no such images, or the folder cannot be written.
    """
    cameras = camera_topics(bag)
    if camera and camera not in cameras:
        raise BadInput(f"--camera {camera}: no colour images on it; there are: {', '.join(cameras) or 'none'}")
    robot = robot_of(bag)
    with Recorder(folder, video_fps=FILM_RATE) as recorder:
        _Retelling(goal, recorder).run(_images(bag, camera or next(iter(cameras), ""), goal))
        account = goal.account(robot)
        recorder.account(account)
        if account["program"]:
            recorder.program(account["program"])
    write_whole(folder / "curves.svg", _curves(bag, goal))
    return write_report(folder)


def _images(bag: Bag, topic: str, goal: Goal) -> Iterator[Message]:
    """Images of one camera around a goal, in order."""
    if not topic:
        return
    for message in bag.messages(topics=[topic]):
        if message.stamp > goal.end + AROUND:
            return
        if message.stamp >= goal.start - AROUND:
            yield message


class _Retelling:
    """Events and images of a goal, merged in the order of time."""

    def __init__(self, goal: Goal, recorder: Recorder) -> None:
        self._goal, self._recorder = goal, recorder
        self._waiting = list(goal.events)
        self._last: Message | None = None
        self._picture: Picture | None = None
        self._next_film = 0.0

    def run(self, images: Iterator[Message]) -> None:
        for image in images:
            if self._last is None:
                self._take(image)
                self._frame("before", role="before")
                self._next_film = image.stamp
            self._events_until(image.stamp)
            self._film_until(image.stamp)
            self._take(image)
        self._events_until(float("inf"))
        if self._last is not None:
            self._frame("after", role="after")

    def _take(self, image: Message) -> None:
        self._last, self._picture = image, None  # decoded where it is needed

    def _shown(self) -> Picture | None:
        if self._picture is None and self._last is not None:
            self._picture = picture_of(self._last)
        return self._picture

    def _frame(self, caption: str, role: str, path: str = "") -> None:
        picture = self._shown()
        if picture is not None:
            self._recorder.frame(picture, caption, role=role, path=path)

    def _events_until(self, stamp: float) -> None:
        while self._waiting and self._goal.start + self._waiting[0].get("time", 0.0) <= stamp:
            event = self._waiting.pop(0)
            self._recorder.event(event)
            ended = event.get("kind") in ("succeeded", "failed", "cancelled")
            failed = event.get("kind") == "failed"
            if ended and (failed or event["level"] in FRAME_LEVELS) and self._last is not None:
                caption = f"{self._last.topic.split('/image')[0].lstrip('/')} at {event['time']:.1f} s"
                self._frame(caption, role="node", path=event["path"])

    def _film_until(self, stamp: float) -> None:
        self._next_film = max(self._next_film, stamp - LONGEST_STILL)
        while self._next_film <= stamp:
            picture = self._shown()
            if picture is not None:
                self._recorder.film(np.ascontiguousarray(picture))
            self._next_film += 1.0 / FILM_RATE


def robot_of(bag: Bag) -> str:
    """The robot description whose joints the bag speaks of; "" if there is none."""
    from embodied_agent.config import config_names
    from embodied_agent.robots.description import load_robot

    state = next(iter(bag.messages(types=["sensor_msgs/msg/JointState"])), None)
    if state is None:
        return ""
    names = set(state.data.name)
    return next((name for name in config_names("robots") if names.issuperset(load_robot(name).joint_names)), "")


def _curves(bag: Bag, goal: Goal) -> str:
    """Joint positions and forces as they were measured while the goal ran."""
    positions: dict[str, list[tuple[float, float]]] = {}
    forces: dict[str, list[tuple[float, float]]] = {}
    for message in bag.messages(types=["sensor_msgs/msg/JointState", "geometry_msgs/msg/WrenchStamped"]):
        time = message.stamp - goal.start
        if not 0.0 <= time <= goal.end - goal.start:
            continue
        data: Any = message.data
        if message.type.endswith("JointState"):
            for name, value in zip(data.name, data.position, strict=False):
                positions.setdefault(name, []).append((time, value))
        else:
            force = data.wrench.force
            size = float(np.linalg.norm([force.x, force.y, force.z]))
            forces.setdefault(message.topic.strip("/").split("/")[-1], []).append((time, size))
    slides = {name for name in positions if any(part in name for part in FINGERS)}
    turning = {name: points for name, points in positions.items() if name not in slides}
    sliding = {name: points for name, points in positions.items() if name in slides}
    groups = (
        ("joint positions [rad]", 0.2, _as_curves(turning)),
        ("gripper joints [m] or [rad]", 0.02, _as_curves(sliding)),
        ("force at the tool [N]", 2.0, _as_curves(forces)),
    )
    return panels(groups, goal.end - goal.start)


def _as_curves(points: dict[str, list[tuple[float, float]]]) -> list[Curve]:
    curves: list[Curve] = []
    for name, pairs in sorted(points.items()):
        array = np.array(pairs)
        curves.append((name, array[:, 0], array[:, 1]))
    return curves

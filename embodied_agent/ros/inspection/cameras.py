"""Judging images, calibration, depth, and where the cameras think the table is."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import numpy as np

from embodied_agent.errors import CameraError
from embodied_agent.robots.ros2.interface import Ros2Interface
from embodied_agent.robots.ros2.messages import Intrinsics, camera_of, depth_of, intrinsics_of, rgb_of
from embodied_agent.robots.ros2.transforms import TransformError
from embodied_agent.ros.inspection.finding import NOTE, OK, WRONG, Finding, aged, judged, noted
from embodied_agent.ros.inspection.observation import CameraStreams, Observation, Stream

LEAST_RATE = 5.0  # [Hz]
PROFILE = "export FASTDDS_DEFAULT_PROFILES_FILE=.../configs/ros2/fastdds.xml in every shell"
OLDEST = 0.3  # [s] that an image may be old when it comes
NARROWEST, WIDEST = 25.0, 120.0  # [deg] of a lens for manipulation
OFF_CENTRE = 0.15  # of the image's size
LEAST_READINGS = 0.3  # share of pixels with depth
TABLE_HEIGHT, TABLE_TILT = 0.015, 1.5  # [m], [deg]
# Where a table is looked for: x and y [m] in the world.
TABLE_X, TABLE_Y, TABLE_Z = (0.2, 0.9), (-0.6, 0.6), 0.25


def camera(seen: Observation, interface: Ros2Interface, name: str) -> Iterator[Finding]:
    """Everything on one camera."""
    streams = seen.cameras[name]
    used = {stream.topic for camera in seen.cameras.values() for stream in (camera.image, camera.depth)}
    yield from _stream(seen, f"{name} colour", streams.image, used)
    if streams.image.last is not None:
        try:
            rgb_of(streams.image.last)
        except CameraError as error:
            yield Finding("cameras", f"{name} colour", WRONG, str(error), "let the driver publish rgb8 or bgr8")
    yield from _stream(seen, f"{name} depth", streams.depth, used)
    intrinsics = None
    if streams.info.last is None:
        how = "the camera driver publishes it; a camera without one needs calibration (camera_calibration)"
        yield Finding("cameras", f"{name} calibration", WRONG, f"nothing on {streams.info.topic}", how)
    else:
        try:
            intrinsics = intrinsics_of(streams.info.last)
        except CameraError as error:
            how = "calibrate it: ros2 run camera_calibration cameracalibrator"
            yield Finding("cameras", f"{name} calibration", WRONG, str(error), how)
        else:
            yield from _calibration(name, intrinsics, streams)
    if streams.depth.last is not None:
        yield from _depth(seen, interface, name, intrinsics, streams)


def _stream(seen: Observation, what: str, stream: Stream, used: Collection[str]) -> Iterator[Finding]:
    if not stream.count:
        ending = stream.topic.rpartition("/")[2]
        others = [topic for topic, kind in seen.topics.items()
                  if kind == "sensor_msgs/msg/Image" and topic.endswith(ending)
                  and ("depth" in topic) == ("depth" in stream.topic) and topic not in used]  # fmt: skip
        measured = f"{stream.topic} is silent" if stream.publishers else f"nobody publishes {stream.topic}"
        remedy = (
            f"there is {others[0]}: set the topic in configs/ros2, or remap"
            if others and not stream.publishers
            else "start the camera's driver, with align_depth and its point of view on colour; look at its log"
        )
        yield Finding("cameras", what, WRONG, measured, remedy)
        return
    words = f"{stream.rate:.1f} Hz"
    if stream.last is not None:
        words = f"{stream.last.width}x{stream.last.height} {stream.last.encoding}, {words}"
    old = stream.lag if not math.isnan(stream.lag) else 0.0
    words += f", {aged(old)} when they come"
    yield judged(
        stream.rate >= LEAST_RATE and abs(old) < OLDEST, "cameras", what, words,
        f"at least {LEAST_RATE:.0f} Hz and at most {1000 * OLDEST:.0f} ms are needed. Large messages are lost on "
        f"the default settings of Fast DDS ({PROFILE}), over a network, or on a loaded machine",
    )  # fmt: skip
    if stream.stamps[-1] <= 0:
        yield Finding("cameras", what, WRONG, "headers have no stamp", "the driver must fill in header.stamp")


def _calibration(name: str, found: Intrinsics, streams: CameraStreams) -> Iterator[Finding]:
    fx, fy, cx, cy = found.matrix
    width, height = found.width, found.height
    across = math.degrees(2 * math.atan(width / (2 * fx)))
    words = f"fx {fx:.1f} fy {fy:.1f} cx {cx:.1f} cy {cy:.1f} px, {across:.0f} deg across"
    bad = []
    image = streams.image.last
    if image is not None and (image.width, image.height) != (width, height):
        bad.append(f"it is of {width}x{height} pixels, the images have {image.width}x{image.height}")
    if not NARROWEST < across < WIDEST:
        bad.append("such an angle is not that of a lens for this")
    if abs(fx / fy - 1.0) > 0.1:
        bad.append("pixels are not that oblong")
    if abs(cx - width / 2) > OFF_CENTRE * width or abs(cy - height / 2) > OFF_CENTRE * height:
        bad.append("the optical axis is far from the middle")
    yield judged(
        not bad, "cameras", f"{name} calibration", words + ("; " + "; ".join(bad) if bad else ""),
        "calibrate it again at this resolution, or publish the CameraInfo that belongs to these images",
    )  # fmt: skip
    if found.distortion:
        largest = max(abs(value) for value in found.distortion)
        yield noted(
            False, "cameras", f"{name} distortion", f"{found.model}, largest coefficient {largest:.3f}",
            "images are rectified here before they are used; the driver or image_proc can do it instead",
        )  # fmt: skip
    else:
        yield Finding("cameras", f"{name} distortion", OK, "none")


def _depth(
    seen: Observation, interface: Ros2Interface, name: str, intrinsics: Intrinsics | None, streams: CameraStreams
) -> Iterator[Finding]:
    image, last = streams.image.last, streams.depth.last
    try:
        depth = depth_of(last)
    except CameraError as error:
        yield Finding("cameras", f"{name} depth", WRONG, str(error), "publish 16UC1 in mm or 32FC1 in m")
        return
    if image is not None:
        same = (image.width, image.height) == (last.width, last.height)
        frames = (image.header.frame_id, last.header.frame_id)
        words = f"{last.width}x{last.height} in {frames[1]}, colour {image.width}x{image.height} in {frames[0]}"
        yield judged(
            same and frames[0] == frames[1], "cameras", f"{name} alignment", words,
            "depth must be aligned to colour: align_depth.enable of RealSense, depth_registration of others",
        )  # fmt: skip
        apart = abs(streams.image.stamps[-1] - streams.depth.stamps[-1])
        if len(streams.depth.stamps) > 1:
            apart = min(abs(a - b) for a in streams.image.stamps for b in streams.depth.stamps[-5:])
        yield judged(
            apart <= interface.sync_slop, "cameras", f"{name} pairs",
            f"colour and depth {1000 * apart:.0f} ms apart",
            f"they must be of one moment, at most {1000 * interface.sync_slop:.0f} ms: synchronise the driver",
        )  # fmt: skip
    share = float((depth > 0).mean())
    middle = float(np.median(depth[depth > 0])) if share else 0.0
    unit = "mm" if last.encoding != "32FC1" else "m"
    good = share >= LEAST_READINGS and 0.1 < middle < 10.0
    remedy = "take away what stands before the camera, or blinds it"
    if share and not 0.1 < middle < 10.0:
        remedy = f"{last.encoding} means {unit}: the driver seems to publish another unit"
    words = f"{100 * share:.0f} % of the pixels read, median {middle:.2f} m, {last.encoding} taken as {unit}"
    yield judged(good, "cameras", f"{name} depth values", words, remedy)
    if intrinsics is not None and good and intrinsics.width == last.width:
        yield from _table(seen, interface, name, intrinsics, streams, depth)


def _table(
    seen: Observation,
    interface: Ros2Interface,
    name: str,
    intrinsics: Intrinsics,
    streams: CameraStreams,
    depth: np.ndarray,
) -> Iterator[Finding]:
    """Where the largest level surface in the depth image lies in the world: the table, at height 0.

    It tells more of a camera's calibration than any number in its CameraInfo.
    """
    frame = streams.depth.last.header.frame_id or interface.of_camera(interface.camera_frame, name)
    try:
        world_from_camera = seen.transforms.lookup(interface.world_frame, frame)
    except TransformError:
        return  # a finding of its own
    points = camera_of(intrinsics, name, world_from_camera).unproject(depth)[::4, ::4].reshape(-1, 3)
    x, y, z = points.T
    near = (
        (x > TABLE_X[0]) & (x < TABLE_X[1]) & (y > TABLE_Y[0]) & (y < TABLE_Y[1]) & (np.abs(z) < TABLE_Z)
    )  # nan is near nothing
    found = points[near]
    if len(found) < 500:
        words = f"not seen: {len(found)} points in x {TABLE_X} m, y {TABLE_Y} m, |z| < {TABLE_Z} m"
        if name == interface.cameras[0]:
            how = f"look at {interface.world_frame} -> {frame}: x, y, z must be right, down, forward of the camera"
            yield Finding("cameras", f"{name} table", WRONG, words, how)
        else:  # a camera on the hand may look elsewhere
            how = "to check this camera too, move the arm by hand until it sees the empty table"
            yield Finding("cameras", f"{name} table", NOTE, words, how)
        return
    height, tilt = plane(found)
    yield judged(
        abs(height) < TABLE_HEIGHT and tilt < TABLE_TILT, "cameras", f"{name} table",
        f"seen at height {1000 * height:+.0f} mm, tilted {tilt:.1f} deg",
        f"the table is height 0 of {interface.world_frame}: calibrate the camera's pose again (hand-eye), or the "
        "frame of the robot's base does not stand on the table",
    )  # fmt: skip


def plane(points: np.ndarray) -> tuple[float, float]:
    """Height [m] in the middle, and tilt [deg], of the level surface that most points (N, 3) lie on."""
    counts, edges = np.histogram(points[:, 2], bins=np.arange(-TABLE_Z, TABLE_Z + 0.005, 0.005))
    peak = float(edges[int(np.argmax(counts))]) + 0.0025
    normal = np.array([0.0, 0.0, 1.0])
    middle = np.array([0.0, 0.0, peak])
    for reach in (0.03, 0.015, 0.01):
        inside = points[np.abs((points - middle) @ normal) < reach]
        if len(inside) < 100:
            break
        middle = inside.mean(axis=0)
        normal = np.linalg.svd(inside - middle, full_matrices=False)[2][2]
        normal = normal if normal[2] > 0 else -normal
    return float(middle[2]), float(np.degrees(np.arccos(np.clip(normal[2], -1.0, 1.0))))

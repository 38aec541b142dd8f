"""`doctor`: what this machine lacks, and whether a robot's description can be right."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from embodied_agent.errors import CameraError, EmbodiedAgentError

PACKAGES = {
    "mujoco": ("mujoco", "mink", "daqp", "ompl", "toppra", "ruckig", "open3d", "cv2", "scipy", "gymnasium",
               "pybullet_data", "trimesh", "imageio_ffmpeg"),
    "mllm": ("torch", "transformers", "tokenizers", "safetensors", "llguidance", "cv2", "fastapi", "uvicorn"),
    "bench": ("matplotlib", "psutil"),
}  # fmt: skip
MESA = "apt-get install libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libgles2 libosmesa6"
# Where a table top is worked on: x and y [m], and heights of the tool [m].
REACH_X, REACH_Y, REACH_Z = (0.3, 0.4, 0.5, 0.6, 0.7), (-0.3, -0.15, 0.0, 0.15, 0.3), (0.02, 0.15)
REACH_NEEDED = 0.7  # share of those that an arm for this table should reach from above


class Finding(NamedTuple):
    """One thing that was looked at. `remedy` says what to do where it is not good."""

    good: bool
    what: str
    measured: str
    remedy: str = ""


def examine(robot: str) -> int:
    """Check and print; returns 0 if all is well, else the exit code of the first kind of trouble."""
    console = Console()
    bad = 0
    for finding in [*_machine(), *(_robot(robot) if robot else ())]:
        line = Text("ok   " if finding.good else "BAD  ", "green" if finding.good else "bold red")
        line.append(f"{finding.what}: {finding.measured}", "")
        console.print(line, soft_wrap=True)
        if not finding.good:
            bad += 1
            console.print(Text(f"       mend: {finding.remedy}", "yellow"), soft_wrap=True)
    if bad:
        print(f"error: {bad} thing{'s' if bad > 1 else ''} to mend, see above", file=sys.stderr)
    return 5 if bad else 0


def _machine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(sys.version_info >= (3, 10), "python", version, "use Python 3.10 or newer")
    for extra, modules in PACKAGES.items():
        yield _packages(extra, modules)
    yield _tried("off-screen rendering", _render, MESA + "; or set MUJOCO_GL=osmesa")
    yield _tried("language library", _library, "a skill or primitive is broken; reinstall, or mend the named file")
    yield _tried("built-in model", _weights, "reinstall the package, or run `embodied-agent train`")


def _packages(extra: str, modules: tuple[str, ...]) -> Finding:
    missing, found = [], []
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a library that breaks while it loads is as good as missing
            missing.append(f"{module} ({(str(error).splitlines() or [''])[0][:80]})")
        else:
            found.append(module)
    words = f"{len(found)} packages" if not missing else f"missing {', '.join(missing)}"
    return Finding(not missing, f"extra [{extra}]", words, f"pip install 'embodied_agent[{extra}]'")


def _tried(what: str, test: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(True, what, test())
    except EmbodiedAgentError as error:
        return Finding(False, what, str(error), remedy)
    except Exception as error:
        words = (str(error).splitlines() or [""])[0][:160]
        return Finding(False, what, f"{type(error).__name__}: {words}", remedy)


def _render() -> str:
    from embodied_agent.robots.catalog import make

    with make("mujoco", "panda", "tabletop", seed=0) as backend:
        frame = backend.capture(backend.cameras[0])
    height, width = frame.depth.shape
    if frame.rgb.std() < 5 or not (frame.depth > 0).any():
        raise CameraError(f"the picture of {width} x {height} pixels is empty")
    return f"{width} x {height} pixels with depth, MUJOCO_GL={os.environ.get('MUJOCO_GL', 'unset')}"


def _library() -> str:
    from embodied_agent.library import library

    known = library()
    return f"{len(known.primitives)} primitives and {len(known.skills)} skills, checked"


def _weights() -> str:
    from embodied_agent.planners.builtin import BuiltinPlanner

    planner = BuiltinPlanner()
    return f"{planner.parameters / 1e6:.1f} million parameters, loaded"


# Robots


def _robot(name: str) -> Iterator[Finding]:
    from embodied_agent.robots.description import load_robot

    try:
        description = load_robot(name)
    except EmbodiedAgentError as error:
        yield Finding(False, "robot", str(error), "correct the YAML file")
        return
    joints = ", ".join(f"{j.name} {j.low:.2f}..{j.high:.2f}" for j in description.joints)
    yield Finding(True, f"robot {description.name}", f"{len(description.joints)} joints: {joints}")
    gripper = description.gripper
    yield Finding(
        gripper.max_width > gripper.min_width,
        "gripper",
        f"opens {1000 * gripper.min_width:.0f} to {1000 * gripper.max_width:.0f} mm, "
        f"up to {gripper.max_force:.0f} N",
        "correct gripper in the YAML file: it does not open",
    )
    tests: tuple[tuple[str, Callable[[Any], Finding]], ...] = (
        ("kinematics", _kinematics),
        ("home pose", _home),
        ("reach", _reach),
        ("contract", _contract),
    )
    for what, test in tests:
        try:
            yield test(description)
        except Exception as error:
            words = (str(error).splitlines() or [type(error).__name__])[0][:300]
            yield Finding(False, what, words, "correct the model or the YAML file")


def _kinematics(description: Any) -> Finding:
    """Forward and inverse agree, and the Jacobian is the derivative of forward."""
    import numpy as np

    from embodied_agent.control.kinematics import Kinematics

    arm = Kinematics(description)
    generator = np.random.default_rng(0)
    middle, half = (description.lower + description.upper) / 2, (description.upper - description.lower) / 2
    worst = 0.0
    for _ in range(5):
        q = middle + 0.6 * half * generator.uniform(-1, 1, arm.size)
        jacobian, step = arm.jacobian(q)[:3], 1e-6
        for joint in range(arm.size):
            ahead = q.copy()
            ahead[joint] += step
            slope = (arm.forward(ahead).position - arm.forward(q).position) / step
            worst = max(worst, float(np.abs(slope - jacobian[:, joint]).max()))
    words = f"Jacobian agrees with finite differences within {worst:.1e}"
    return Finding(worst < 1e-3, "kinematics", words, "the model's joints are not those of the YAML file")


def _home(description: Any) -> Finding:
    from embodied_agent.control.collision import CollisionWorld
    from embodied_agent.control.obstacles import Obstacles

    contact = CollisionWorld(description, Obstacles()).contact(description.home_positions)
    words = "free of collision" if contact is None else str(contact)
    return Finding(
        contact is None, "home pose", words, "change home in the YAML file, or name the pair in no_collision"
    )


def _reach(description: Any) -> Finding:
    """From above, fingers down, over the table."""
    import numpy as np

    from embodied_agent.control.kinematics import Kinematics
    from embodied_agent.types import Pose

    arm = Kinematics(description)
    rows, reached, total = [], 0, 0
    down = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    for x in REACH_X[::-1]:
        row = ""
        for y in REACH_Y[::-1]:  # left of the picture is +y
            both = sum(_reaches(arm, Pose.from_matrix(_at(down, (x, y, z))), description) for z in REACH_Z)
            reached, total = reached + both, total + len(REACH_Z)
            row += ".-#"[both]
        rows.append(f"x {x:.1f} {row}")
    words = f"{reached} of {total} places over the table; from far to near, left to right: {'; '.join(rows)}"
    return Finding(
        reached >= REACH_NEEDED * total, "reach", words, "move the base, or use a longer arm for this table"
    )


def _reaches(arm: Any, pose: Any, description: Any) -> bool:
    return bool(arm.inverse(pose, description.home_positions, attempts=6).found)


def _at(rotation: Any, position: tuple[float, float, float]) -> Any:
    import numpy as np

    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, position
    return matrix


def _contract(description: Any) -> Finding:
    """The simulated robot keeps the back end contract."""
    from embodied_agent.robots.catalog import make, scene_of
    from embodied_agent.robots.check_backend import check_backend

    findings = check_backend(make("mujoco", description, scene_of("tabletop", 0)))
    return Finding(True, "contract", f"{len(findings)} points kept in simulation")

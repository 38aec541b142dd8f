"""Who may import whom, where heavy packages may appear, and what the source must not contain."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A row imports only rows below it, and itself; names in one row do not import each other.
ROWS = (
    ("cli",),
    ("console",),
    ("ros",),
    ("training", "benchmark"),
    ("assembly", "report", "serve"),
    ("agent", "ablation", "record", "page", "story"),
    ("account", "consent", "library", "setup"),
    ("commands",),
    ("primitives", "planners"),
    ("perception", "control", "mllm"),
    ("program",),
    ("robots",),
    ("sim",),
    ("config", "signature"),
    ("errors", "types"),
)
# The seams that the rows do not show, each with its reason.
ALLOWED = {
    ("signature", "types"),
    ("sim", "robots"),  # the simulated world attaches the robot's model
    ("assembly", "ablation"),
}
ADAPTERS = {
    "mujoco": (
        "sim/",
        "embodied_agent/robots/",
        "embodied_agent/control/",
        "embodied_agent/training/dataset",  # poses the arm at random in the pictures
    ),
    "mink": ("embodied_agent/control/",),
    "ompl": ("embodied_agent/control/",),
    "toppra": ("embodied_agent/control/",),
    "open3d": ("embodied_agent/perception/",),
    "torch": ("embodied_agent/mllm/", "embodied_agent/training/", "embodied_agent/planners/transformers"),
    "transformers": ("embodied_agent/mllm/", "embodied_agent/planners/transformers"),
    "fastapi": ("embodied_agent/serve",),
    "gymnasium": ("embodied_agent/robots/environment",),
    "mcap": ("embodied_agent/ros/bag/",),
    "mcap_ros2": ("embodied_agent/ros/bag/",),
    "rclpy": ("embodied_agent/ros/", "embodied_agent/robots/ros2"),
    "pytransform3d": ("embodied_agent/robots/ros2",),
}


def sources() -> list[Path]:
    folders = (ROOT / "embodied_agent", ROOT / "sim")
    return [path for folder in folders for path in sorted(folder.rglob("*.py")) if "skills" not in path.parts]


def imports(path: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [
                (name if node.module in ("embodied_agent", "sim") else node.module, node.lineno) for name in names
            ]
    return found


def part(module: str) -> str:
    names = module.split(".")
    return "sim" if names[0] == "sim" else (names[1] if len(names) > 1 else "")


def row(name: str) -> int | None:
    return next((k for k, members in enumerate(ROWS) if name in members), None)


def own_part(path: Path) -> str:
    relative = path.relative_to(ROOT)
    if relative.parts[0] == "sim":
        return "sim"
    return relative.parts[1].removesuffix(".py")


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    mine = own_part(path)
    if mine == "__init__":
        return
    assert row(mine) is not None, f"{mine} has no row: say where it belongs"
    for module, line in imports(path):
        if module.split(".")[0] not in ("embodied_agent", "sim"):
            continue
        theirs = part(module)
        if theirs in ("", mine, "__version__") or (mine, theirs) in ALLOWED:
            continue
        assert row(theirs) is not None, f"{path}:{line} imports {module}, which has no row"
        assert row(mine) < row(theirs), f"{path}:{line}: {mine} must not import {theirs}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_appear_only_in_their_adapters(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    for module, line in imports(path):
        homes = ADAPTERS.get(module.split(".")[0])
        assert homes is None or relative.startswith(homes), f"{relative}:{line} imports {module}"


def test_nothing_executes_text_as_python() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("exec", "eval", "compile", "__import__"), f"{path}:{node.lineno}"


def test_no_wire_or_file_is_read_with_pickle() -> None:
    for path in sources():
        used = {module.split(".")[0] for module, _ in imports(path)}
        assert not used & {"pickle", "dill", "cloudpickle", "shelve"}, path

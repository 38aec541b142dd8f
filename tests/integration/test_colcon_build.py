"""The documented command builds both packages, and package.xml names what the code needs."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

catkin_pkg = pytest.importorskip(
    "catkin_pkg.package", reason="needs catkin_pkg, which parses package.xml as ROS does"
)

ROOT = Path(__file__).parents[2]
COMMAND = "colcon build --base-paths src/embodied_agent src/embodied_agent/embodied_agent_interfaces"
FILES = ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "README.md")
FOLDERS = ("resource", "embodied_agent", "sim", "configs", "launch", "embodied_agent_interfaces")
# Set where ROS comes from wheels; they must not reach another venv's Python.
WHEEL_VARIABLES = ("LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
# Keys that rosdep resolves on Ubuntu and Debian without a package's own entry in a distribution.
SYSTEM_KEYS = {"httpx", "numpy", "pil", "rich", "scipy", "typer", "yaml", "pytest"}


def depends(package):
    return {each.name for each in package.exec_depends + package.build_export_depends}


def test_package_xml_is_what_colcon_and_rosdep_read():
    package = catkin_pkg.parse_package(str(ROOT / "package.xml"))
    package.validate()
    assert package.package_format == 3 and package.name == "embodied_agent"
    assert package.get_build_type() == "ament_python"
    assert (ROOT / "resource" / package.name).is_file()
    version = re.search(r'version="([\d.]+)"', (ROOT / "setup.py").read_text())
    assert version and package.version == version[1]
    for name in depends(package) | {each.name for each in package.test_depends}:
        if name.startswith("python3-"):
            assert name.removeprefix("python3-") in SYSTEM_KEYS, f"{name}: is it a key of rosdep?"


def test_every_ros_module_that_the_code_imports_is_a_dependency():
    ros = re.compile(r"^(rclpy|rcl_interfaces|\w+_msgs|\w+_srvs|\w+_interfaces|ament_index_python|launch\w*)$")
    found = set()
    folders = ("embodied_agent/ros", "embodied_agent/robots/ros2", "launch", "embodied_agent/console")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found |= {name.split(".")[0] for name in names if ros.match(name.split(".")[0])}
    assert {"rclpy", "control_msgs", "tf2_msgs", "sensor_msgs"} <= found
    assert found <= depends(catkin_pkg.parse_package(str(ROOT / "package.xml")))


def test_the_documents_give_the_command_that_is_tested():
    assert COMMAND in (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace in which the documented command has run."""
    pytest.importorskip("rosidl_adapter", reason="needs ROS 2 with its interface generators")
    colcon = Path(sys.executable).with_name("colcon")
    if not colcon.is_file():
        pytest.skip("needs colcon-common-extensions in this Python")
    folder = tmp_path_factory.mktemp("workspace")
    source = folder / "src" / "embodied_agent"
    copy_sources(source)
    done = subprocess.run(
        COMMAND.split(),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "2 packages finished" in done.stdout, done.stdout
    return folder


def copy_sources(target):
    """What a checkout holds of both packages, without the model's weights, which only take time."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    for name in FILES:
        shutil.copy(ROOT / name, target / name)


def environment(folder):
    """As a shell that has sourced the ROS of this Python."""
    prefix = sys.prefix
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AMENT_PREFIX_PATH": os.environ.get("AMENT_PREFIX_PATH", prefix),
        "CMAKE_PREFIX_PATH": os.environ.get("CMAKE_PREFIX_PATH", prefix),
        "MAKEFLAGS": "-j2",  # colcon's own choice waits until nobody else uses the machine
        "COLCON_HOME": str(folder / ".colcon"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def sourced(workspace, *command):
    """Run a command in a shell that has sourced the workspace."""
    line = f'. "{workspace}/install/setup.bash" && "$@"'
    return subprocess.run(
        ["bash", "-c", line, "bash", *command],
        cwd=workspace,
        env=environment(workspace),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_the_documented_command_installs_programs_launch_files_and_configuration(workspace):
    installed = workspace / "install" / "embodied_agent"
    assert {path.name for path in (installed / "lib/embodied_agent").iterdir()} == {
        "agent_node",
        "embodied-agent",
        "sim_driver",
    }
    share = installed / "share" / "embodied_agent"
    assert {path.name for path in (share / "launch").glob("*.py")} == {
        "agent.launch.py",
        "demo.launch.py",
        "sim.launch.py",
    }
    assert (share / "configs/ros2/agent.yaml").is_file() and (share / "package.xml").is_file()
    assert (installed / "share/ament_index/resource_index/packages/embodied_agent").is_file()


@pytest.mark.slow
def test_a_sourced_workspace_runs_its_own_code_with_its_own_configuration_and_interfaces(workspace):
    code = (
        "import embodied_agent, embodied_agent_interfaces.action as a\n"
        "from embodied_agent.config import config_dir\n"
        "print(embodied_agent.__file__, a.__file__, config_dir(), a.ExecuteTask.Goal(instruction='x').instruction)"
    )
    done = sourced(workspace, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    *places, word = done.stdout.split()
    assert all(place.startswith(f"{workspace}/install/") for place in places) and word == "x"


@pytest.mark.slow
def test_an_installed_program_starts_and_finds_the_robots(workspace):
    program = workspace / "install/embodied_agent/lib/embodied_agent/sim_driver"
    done = sourced(workspace, str(program), "--ros-args", "-p", "robot:=pandas")
    assert done.returncode == 2, done.stderr
    assert "did you mean 'panda'?" in done.stderr and "xarm6" in done.stderr


@pytest.mark.slow
def test_pip_puts_every_program_on_the_path(tmp_path):
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    source = tmp_path / "source"
    copy_sources(source)
    done = subprocess.run([*wheel, str(source)], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (made,) = tmp_path.glob("*.whl")
    # Into a venv of its own: pip would first uninstall the one that these tests run on.
    # With a PYTHONPATH to a checkout pip would take the package for installed.
    left_out = (*WHEEL_VARIABLES, "PYTHONPATH")
    target, clean = tmp_path / "venv", {k: v for k, v in os.environ.items() if k not in left_out}
    for command in (
        [sys.executable, "-m", "venv", str(target)],
        [str(target / "bin/python"), "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(made)],
    ):
        done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    assert {"embodied-agent", "agent_node", "sim_driver"} <= {path.name for path in (target / "bin").iterdir()}
    assert (target / "share/embodied_agent/configs/robots/panda.yaml").is_file()

"""What the page for robot owners gives to copy is what the program reads."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from embodied_agent.cli import app
from embodied_agent.config import parse
from embodied_agent.errors import RobotError
from embodied_agent.robots.description import load_robot
from embodied_agent.robots.ros2.interface import Ros2Interface, load_interface
from embodied_agent.robots.urdf import resolve_mesh

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/robots.md").read_text(encoding="utf-8")


def test_the_description_of_the_page_is_read(tmp_path):
    text = re.search(r"<!-- ur5e.*?-->\n```yaml\n(.*?)```", PAGE, re.DOTALL).group(1)
    (tmp_path / "my_ur5e.yaml").write_text(text)
    robot = load_robot(tmp_path / "my_ur5e.yaml")
    assert len(robot.joints) == 6
    assert robot.gripper.position_at(0.085) == 0.0
    assert robot.gripper.width_at(0.8) == 0.0
    assert robot.safety.tool_speed == 0.25
    # What the page leaves to be measured is all that the names on ROS do not give.
    assert load_interface("ur5e").trajectory_action.startswith("scaled_joint_trajectory_controller/")


def test_every_command_of_ours_on_the_page_exists():
    import typer

    commands = typer.main.get_command(app).commands
    found = re.findall(r"embodied-agent ([a-z]+)((?: --?[a-z-]+| [^\s`]+)*)", PAGE)
    assert {name for name, _ in found} >= {"doctor", "record", "replay", "serve"}
    for name, rest in found:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, name


def test_every_file_that_the_page_names_is_there():
    for name in set(re.findall(r"configs/[\w/]+\.(?:yaml|xml)|embodied_agent/robots/[\w/]+\.py", PAGE)):
        assert (ROOT / name).is_file(), name
    for name in set(re.findall(r"\w+\.launch\.py", PAGE)) - {"rs_launch.py", "ur_control.launch.py"}:
        assert (ROOT / "launch" / name).is_file(), name


def test_parameters_on_the_page_are_those_of_the_node():
    pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
    from embodied_agent.ros import parameters

    known = set(parameters.defaults())
    given = yaml.safe_load((ROOT / "configs/ros2/agent.yaml").read_text())["/**"]["ros__parameters"]
    for name in ("consent", "speed_scale", "robot", "interface", "planner_url", "grounder_url"):
        assert f"`{name}" in PAGE
        assert name in known | set(given), name


def launch_arguments(name):
    """Arguments that a launch file declares, read from its text."""
    text = (ROOT / "launch" / name).read_text()
    tables = re.findall(r"^(?:ARGUMENTS|PARAMETERS) = \{(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    return set(re.findall(r'^    "(\w+)":', "".join(tables), re.MULTILINE)) | set(
        re.findall(r'DeclareLaunchArgument\("(\w+)"', text)
    )


@pytest.mark.parametrize("page", ["docs/robots.md", "README.md"])
def test_every_launch_argument_and_name_on_ros_that_a_page_gives_is_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    launched = re.findall(r"ros2 launch embodied_agent (\S+\.py)((?: \w+:=[^\s`]+)*)", text)
    assert launched
    for name, given in launched:
        assert set(re.findall(r"(\w+):=", given)) <= launch_arguments(name), (name, given)
    node = "".join(path.read_text() for path in (ROOT / "embodied_agent/ros").glob("*.py"))
    for name in set(re.findall(r"(?<!~)/agent/(\w+)", text)):
        assert f'"~/{name}"' in node, name


def test_every_parameter_that_the_page_sets_exists_and_takes_that_value():
    pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
    from embodied_agent.ros import parameters
    from embodied_agent.ros.driver.parameters import FAULTS

    rows = {row.name: row for row in (*parameters.ROWS, *parameters.interface_rows(Ros2Interface()))}
    given = re.findall(r"`(\w+): ([\w.]+)`", PAGE) + re.findall(r"ros2 param set /agent (\w+) ([\w.]+)", PAGE)
    told = [(name, yaml.safe_load(value)) for name, value in given if name not in ("mode", "robot")]
    assert {"consent", "speed_scale", "time_limit"} <= {name for name, _ in told}
    for name, value in told:
        row = rows[name]
        assert type(value) is type(row.default), (name, value)
        assert not row.choices or value in row.choices, (name, value)
        assert row.low is None or row.low <= value <= row.high, (name, value)
    assert set(re.findall(r"fault\.\w+", PAGE)) == set(FAULTS)


def test_the_lines_for_a_mobile_base_are_an_interface():
    text = re.search(r"```yaml\n( *navigate_action.*?)```", PAGE, re.DOTALL).group(1)
    interface = parse(textwrap.dedent(text), Ros2Interface)
    assert list(interface.named_places) == ["kitchen table", "dock"]


def test_meshes_of_an_installed_ros_package_are_found(tmp_path, monkeypatch):
    mesh = tmp_path / "ros/share/arm_description/meshes/base.stl"
    mesh.parent.mkdir(parents=True)
    mesh.write_bytes(b"solid")
    urdf = tmp_path / "somewhere/else/deep/arm.urdf"
    urdf.parent.mkdir(parents=True)
    with pytest.raises(RobotError, match=r"base\.stl"):
        resolve_mesh("package://arm_description/meshes/base.stl", urdf)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path / 'ros'}")
    assert resolve_mesh("package://arm_description/meshes/base.stl", urdf) == mesh

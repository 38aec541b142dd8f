"""Launch files cannot run where ROS comes from PyPI; what they name is checked to exist instead."""

import ast
import importlib
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = {name: ROOT / "launch" / f"{name}.launch.py" for name in ("sim", "agent", "demo")}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}


def calls(tree, *names):
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") in names]


def strings(node):
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def keyword(call, name):
    return next((k.value for k in call.keywords if k.arg == name), None)


def table(name, variable):
    """A literal dictionary at the top of a launch file."""
    for node in TREES[name].body:
        if isinstance(node, ast.Assign) and node.targets[0].id == variable:
            return ast.literal_eval(node.value)
    raise KeyError(variable)


def programs():
    """Program -> "module:function", as setup.py declares them."""
    return dict(re.findall(r'"([\w-]+) = ([\w.]+:\w+)"', (ROOT / "setup.py").read_text()))


def arguments(name):
    declared = {s for call in calls(TREES[name], "DeclareLaunchArgument") for s in strings(call)[:1]}
    if name == "agent":
        return (declared & {"params_file", "namespace", "log_level"}) | set(table("agent", "PARAMETERS"))
    return set(table(name, "ARGUMENTS"))


def driver_parameters():
    pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
    from embodied_agent.ros.driver.parameters import ROWS

    return {row.name: row.default for row in ROWS}


def agent_parameters():
    pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
    from embodied_agent.ros.parameters import ROWS

    return {row.name: row.default for row in ROWS} | {"use_sim_time": False}


@pytest.mark.parametrize("name", FILES)
def test_every_program_that_a_launch_file_starts_is_installed_and_can_be_imported(name):
    started = [keyword(call, "executable").value for call in calls(TREES[name], "Node", "LifecycleNode")]
    assert started or name == "demo"
    for program in started:
        module, _, function = programs()[program].partition(":")
        pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
        assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("name", FILES)
def test_every_package_that_a_launch_file_finds_is_this_one(name):
    found = [strings(call)[0] for call in calls(TREES[name], "FindPackageShare", "FindPackagePrefix")]
    found += [keyword(call, "package").value for call in calls(TREES[name], "Node", "LifecycleNode")]
    assert found and set(found) == {"embodied_agent"}


@pytest.mark.parametrize("name", FILES)
def test_every_file_below_share_that_a_launch_file_names_is_installed(name):
    setup = (ROOT / "setup.py").read_text()
    assert '*share("configs")' in setup and '*share("launch")' in setup
    named = [call for call in calls(TREES[name], "PathJoinSubstitution") if "lib" not in strings(call)]
    assert named
    for call in named:
        parts = [text for text in strings(call) if text != "embodied_agent"]
        if "launch" in parts:  # the name is the function's argument
            for include in calls(TREES[name], "include"):
                assert (ROOT / "launch" / include.args[0].value).is_file()
        else:
            assert ROOT.joinpath(*parts).is_file(), parts


def test_the_program_that_the_demo_serves_with_is_where_colcon_puts_it():
    (call,) = [c for c in calls(TREES["demo"], "PathJoinSubstitution") if "lib" in strings(c)]
    prefix, *parts = call.args[0].elts
    assert prefix.func.id == "FindPackagePrefix"
    assert [part.value for part in parts] == ["lib", "embodied_agent", "embodied-agent"]
    assert "embodied-agent" in programs()
    assert "$base/lib/embodied_agent" in (ROOT / "setup.cfg").read_text()


def test_the_issue_arguments_of_the_agent_are_all_there():
    wanted = {"robot", "params_file", "namespace", "use_sim_time", "autostart", "planner_url", "log_level"}
    assert arguments("agent") == wanted


@pytest.mark.parametrize("name", FILES)
def test_every_argument_that_is_read_is_declared(name):
    read = {text for call in calls(TREES[name], "LaunchConfiguration", "value") for text in strings(call)}
    read |= {
        node.slice.value
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Subscript)
        and getattr(node.value, "id", "") == "given"
        and isinstance(node.slice, ast.Constant)
    }
    assert read <= arguments(name), read - arguments(name)


def test_what_the_demo_passes_on_is_what_the_others_take():
    passed = {}
    for call in calls(TREES["demo"], "include"):
        target, *plain = [arg.value for arg in call.args]
        passed[target.split(".")[0]] = {*plain, *(k.arg for k in call.keywords)}
        assert set(plain) <= arguments("demo")
    assert set(passed) == {"sim", "agent"}
    for name, given in passed.items():
        assert given <= arguments(name), given - arguments(name)


def test_parameters_that_launch_files_set_exist_with_the_same_type():
    known = driver_parameters()
    (node,) = calls(TREES["sim"], "Node")
    (given,) = keyword(node, "parameters").elts
    for key, value in zip(given.keys, given.values, strict=True):
        assert keyword(value, "value_type").id == type(known[key.value]).__name__, key.value
        default, _ = table("sim", "ARGUMENTS")[key.value]
        assert yaml.safe_load(default) == known[key.value] or key.value == "scene"
    assert set(table("agent", "PARAMETERS")) <= set(agent_parameters())


@pytest.mark.parametrize("name", ["agent.yaml", "agent_sim.yaml"])
def test_parameter_files_set_only_parameters_that_the_node_has(name):
    text = (ROOT / "configs" / "ros2" / name).read_text()
    known = agent_parameters()
    for key, value in yaml.safe_load(text)["/**"]["ros__parameters"].items():
        assert key in known, key
        assert type(value) is type(known[key]), key


def test_the_dds_profile_names_both_transports_and_turns_the_builtin_ones_off():
    import xml.etree.ElementTree as ElementTree

    space = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
    root = ElementTree.parse(ROOT / "configs/ros2/fastdds.xml").getroot()
    declared = [node.text for node in root.iter(f"{space}transport_id")]
    assert sorted(declared) == ["shared_memory", "shared_memory", "udp", "udp"]
    (builtin,) = root.iter(f"{space}useBuiltinTransports")
    (segment,) = root.iter(f"{space}segment_size")
    assert builtin.text == "false" and int(segment.text) >= 16 * 640 * 480 * 5

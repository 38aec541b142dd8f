"""`doctor --ros` before the simulated driver, sound and with its faults switched on."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")
import rclpy
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

DOMAIN = 44
ROOT = Path(__file__).parents[2]
SILENCE = ("fault.camera_silent", "fault.joint_states_silent", "fault.tf_silent")


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    return os.environ | {
        "ROS_DOMAIN_ID": str(DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(tmp_path_factory.mktemp("log")),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(ROOT / "configs/ros2/fastdds.xml"),
        "MUJOCO_GL": "egl",
        "NO_COLOR": "1",
        "COLUMNS": "110",
    }


@pytest.fixture(scope="module")
def driver(env):
    command = [sys.executable, "-m", "embodied_agent.ros.driver.node", "--ros-args", "-p", "scene:=blocks"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    try:
        while not there(doctor(env, "--seconds", 0.5)[1]):
            assert time.monotonic() < deadline and process.poll() is None, "the driver did not start"
        yield process
    finally:
        process.terminate()
        process.wait(60)


def there(found) -> bool:
    """Whether the driver publishes all that it will."""
    lines = [row["measured"] for (area, _), row in found.items() if area in ("joints", "cameras")]
    return "/sim_driver" in found["ros", "nodes"]["measured"] and not any("nobody" in line for line in lines[:4])


def doctor(env, *arguments):
    """Exit code, findings as (area, what) -> row, and what was printed."""
    command = [sys.executable, "-m", "embodied_agent.cli", "doctor", "--ros", "--json", *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout, done.stderr
    rows = json.loads(done.stdout)["findings"]
    return done.returncode, {(row["area"], row["what"]): row for row in rows}, done.stdout


def switch(faults: dict[str, bool]) -> None:
    context = Context()
    before = {key: os.environ.get(key) for key in ("ROS_AUTOMATIC_DISCOVERY_RANGE",)}
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    rclpy.init(context=context, domain_id=DOMAIN)
    try:
        node = rclpy.create_node("switch", context=context)
        executor = SingleThreadedExecutor(context=context)
        client = node.create_client(SetParameters, "/sim_driver/set_parameters")
        assert client.wait_for_service(timeout_sec=20.0)
        values = [
            Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=on))
            for name, on in faults.items()
        ]
        future = client.call_async(SetParameters.Request(parameters=values))
        executor.add_node(node)
        executor.spin_until_future_complete(future, timeout_sec=20.0)
        assert all(result.successful for result in future.result().results)
        node.destroy_node()
    finally:
        context.try_shutdown()
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def test_a_sound_robot_agrees_with_its_model(driver, env):
    _, found, _ = doctor(env, "--robot", "panda", "--seconds", 2.5)
    # Rates depend on how busy this machine is; what is measured does not.
    for key in (
        ("ros", "nodes"), ("clock", "time"), ("joints", "joint names"), ("joints", "positions"),
        ("joints", "gripper joint"), ("controllers", "arm"), ("controllers", "gripper"), ("frames", "transforms"),
        ("frames", "base"), ("frames", "model"), ("frames", "overhead camera"), ("frames", "wrist camera"),
        ("cameras", "overhead calibration"), ("cameras", "overhead distortion"), ("cameras", "overhead alignment"),
        ("cameras", "overhead depth values"), ("cameras", "overhead table"), ("force", "wrench"),
    ):  # fmt: skip
        assert found[key]["state"] == "ok", found[key]
    assert found["agent", "node"]["state"] == "note"
    assert ("frames", "origin") not in found


def test_another_arm_than_the_one_that_is_there_is_found(driver, env):
    code, found, _ = doctor(env, "--robot", "xarm6", "--seconds", 1)
    assert code == 5
    assert "panda_joint1" in found["joints", "joint names"]["measured"]
    assert found["frames", "base"]["state"] == "wrong"


def test_another_namespace_has_nothing_in_it(driver, env):
    code, found, _ = doctor(env, "--namespace", "left", "--seconds", 0.5)
    assert code == 5
    assert "nobody publishes /left/joint_states" in found["joints", "joint states"]["measured"]
    assert "/joint_states" in found["joints", "joint states"]["remedy"]


def test_what_falls_silent_is_named_and_what_returns_is_well(driver, env):
    switch(dict.fromkeys(SILENCE, True))
    try:
        code, found, _ = doctor(env, "--robot", "panda", "--seconds", 1)
    finally:
        switch(dict.fromkeys(SILENCE, False))
    assert code == 5
    assert "silent" in found["joints", "joint states"]["measured"]
    assert "silent" in found["cameras", "overhead colour"]["measured"]
    assert "silent" in found["cameras", "wrist depth"]["measured"]
    assert found["frames", "hand"]["state"] == "wrong"
    _, found, _ = doctor(env, "--robot", "panda", "--seconds", 2)
    assert "silent" not in found["joints", "joint states"]["measured"]
    assert found["frames", "model"]["state"] == "ok", found["frames", "model"]


def test_a_person_reads_a_table_with_what_to_do(driver, env):
    command = [
        sys.executable,
        "-m",
        "embodied_agent.cli",
        "doctor",
        "--ros",
        "--namespace",
        "left",
        "--seconds",
        "0.5",
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 5
    assert "→ " in done.stdout
    assert "things to mend, see above" in done.stderr, done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110

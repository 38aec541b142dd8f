"""The back end `ros2` keeps the one contract, before the simulated driver, with either kind of gripper."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")

from sim_process import PATIENCE, simulated

from embodied_agent.robots.catalog import make
from embodied_agent.robots.check_backend import check_backend
from embodied_agent.robots.ros2.backend import Ros2Backend


@pytest.mark.parametrize(("robot", "domain"), [("panda", 16), ("xarm6", 17)])
def test_the_simulated_driver_keeps_the_contract(robot: str, domain: int, tmp_path: Path) -> None:
    with simulated(robot, domain, tmp_path) as driver:
        threads = threading.active_count()
        backend = make("ros2", robot, use_sim_time=True, interface=driver.interface, wait=PATIENCE)
        assert isinstance(backend, Ros2Backend)
        assert backend.health.remarks() == () and backend.problems() == ()
        findings = check_backend(backend)
        assert {finding.name for finding in findings} >= {"state", "cameras", "watch", "stop", "grip", "close"}
        sent = [stop.sent for stop in backend.stop_times]
        assert len(sent) >= 2 and float(np.median(sent)) < 0.05  # [s] from the request to the cancel's departure
        assert threading.active_count() == threads

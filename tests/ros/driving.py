"""A driver in a process of its own, and a client that listens to it and commands it as any ROS program would."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import rclpy
from control_msgs.action import FollowJointTrajectory
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from embodied_agent.robots.ros2.messages import seconds, to_duration

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # [s]; a quiet machine needs a tenth


def until(holds, what, patience=PATIENCE):
    """Wait until `holds()` is true, and return what it gave."""
    deadline = time.monotonic() + patience
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {patience} s"
        time.sleep(0.005)
    return found


class Driver:
    """`sim_driver` as a child process."""

    def __init__(self, domain, namespace="", **parameters):
        arguments = [f"-p {name.replace('__', '.')}:={value}" for name, value in parameters.items()]
        if namespace:
            arguments.append(f"-r __ns:={namespace}")
        command = [
            sys.executable,
            "-m",
            "embodied_agent.ros.driver.node",
            "--ros-args",
            *" ".join(arguments).split(),
        ]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, number=signal.SIGTERM, patience=60.0):
        """Exit code, and what it printed; a process that does not end is an error."""
        self.process.send_signal(number)
        try:
            text, _ = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"the driver did not end within {patience} s of signal {number}") from None
        return self.process.returncode, text


class Client:
    """Joint states as they come, and every command as a blocking call."""

    def __init__(self, domain, namespace=""):
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("client", context=self.context, namespace=namespace)
        self.states = deque(maxlen=2000)
        self.count = 0  # of joint states ever
        self.node.create_subscription(JointState, "joint_states", self._heard, qos_profile_sensor_data)
        self.arm = ActionClient(
            self.node, FollowJointTrajectory, "joint_trajectory_controller/follow_joint_trajectory"
        )
        self.topic = self.node.create_publisher(JointTrajectory, "joint_trajectory_controller/joint_trajectory", 1)
        self.clients = {}
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._closing = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _heard(self, message):
        self.states.append(message)
        self.count += 1

    def _spin(self):
        while not self._closing:
            self.executor.spin_once(timeout_sec=0.1)

    def close(self):
        self._closing = True
        self._thread.join(10.0)
        self.arm.destroy()
        self.node.destroy_node()
        self.context.try_shutdown()

    def wait(self, future, what="an answer"):
        until(future.done, what)
        return future.result()

    def ready(self):
        """The driver is there, and time passes."""
        until(lambda: len(self.states) > 3, "joint states")
        assert self.arm.wait_for_server(PATIENCE)
        return self

    # -- what is measured --------------------------------------------------------------------

    @property
    def now(self):
        """Time of the newest joint state [s]."""
        return seconds(self.states[-1].header.stamp)

    def pass_time(self, simulated):
        """Let simulated time pass [s]."""
        end = self.now + simulated
        until(lambda: self.now >= end, f"{simulated} s of simulated time")

    def joints(self, names, state=None):
        """Positions and speeds in the order of names."""
        state = state or self.states[-1]
        places = [list(state.name).index(name) for name in names]
        return np.array(state.position)[places], np.array(state.velocity)[places]

    # -- commands ----------------------------------------------------------------------------

    def goal(self, names, change, duration=1.0, **fields):
        """A goal of one point: `change` [rad] from here for every joint."""
        positions = self.joints(names)[0] + change
        goal = FollowJointTrajectory.Goal(**fields)
        goal.trajectory = JointTrajectory(joint_names=list(names), points=[point(positions, duration)])
        return goal

    def send(self, goal, client=None, feedback=None):
        """Goal handle."""
        return self.wait((client or self.arm).send_goal_async(goal, feedback_callback=feedback))

    def outcome(self, handle):
        """(status, result)."""
        answer = self.wait(handle.get_result_async(), "the result")
        return answer.status, answer.result

    def run(self, goal, client=None):
        handle = self.send(goal, client)
        assert handle.accepted
        return self.outcome(handle)

    def call(self, kind, name, request):
        """A service's response."""
        if name not in self.clients:
            self.clients[name] = self.node.create_client(kind, name)
        assert self.clients[name].wait_for_service(PATIENCE), name
        return self.wait(self.clients[name].call_async(request), name)

    def truth(self):
        """What the simulator knows, as text."""
        return self.call(Trigger, "sim_driver/truth", Trigger.Request()).message

    def switch(self, name, on):
        """Set a fault switch."""
        value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=on)
        request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
        answer = self.call(SetParameters, "sim_driver/set_parameters", request)
        assert answer.results[0].successful, answer.results[0].reason


def point(positions, time, speeds=None):
    """One point of a trajectory that rests there."""
    return JointTrajectoryPoint(
        positions=[float(value) for value in positions],
        velocities=[float(value) for value in (np.zeros(len(positions)) if speeds is None else speeds)],
        time_from_start=to_duration(time),
    )


__all__ = ["ROOT", "Client", "Driver", "point", "until"]

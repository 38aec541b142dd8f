"""`sim_driver`: a simulated arm that offers what a real arm's driver offers.

    ros2 run embodied_agent sim_driver --ros-args -p robot:=panda -p scene:=blocks

Beyond a real driver it has `~/load_scene`, `~/truth` (for the benchmark alone), and fault
switches (`ros2 param set /sim_driver fault.camera_silent true`) to exercise what a robot does to you.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from embodied_agent.config import parse
from embodied_agent.errors import EmbodiedAgentError, RobotError
from embodied_agent.robots.catalog import make, scene_of
from embodied_agent.robots.mujoco import MujocoBackend
from embodied_agent.ros.driver.camera_publisher import CameraPublisher, camera_rates
from embodied_agent.ros.driver.gripper_server import GripperServer
from embodied_agent.ros.driver.parameters import FAULTS, declare
from embodied_agent.ros.driver.robot_publisher import RobotPublisher
from embodied_agent.ros.driver.trajectory_goal import default_tolerances
from embodied_agent.ros.driver.trajectory_server import TrajectoryServer
from embodied_agent.ros.driver.world import World
from embodied_agent.ros.process import until_signal
from embodied_agent_interfaces.srv import LoadScene
from sim.scene import Scene, validate

THREADS = 6  # two goals at work, two that are being preempted, and two services


class SimDriver(Node):  # type: ignore[misc]
    """The node; `close` ends its threads."""

    def __init__(self, **options: Any) -> None:
        super().__init__("sim_driver", **options)
        values: dict[str, Any] = declare(self)
        self._faults = {name: bool(values[name]) for name in FAULTS}
        self._seed = values["seed"]
        backend = make(
            "mujoco", values["robot"], values["scene"], seed=self._seed, depth_noise=values["depth_noise"]
        )
        assert isinstance(backend, MujocoBackend)
        self.world = World(backend, values["real_time_factor"], None if values["publish_clock"] else self._wall)
        self._robot = RobotPublisher(
            self, backend.description, values["world_frame"], values["publish_clock"], self._faults.__getitem__
        )
        self.world.listen(self._robot.tick)
        fixed = tuple(spec.name for spec in backend.scene.cameras)
        self._cameras = CameraPublisher(
            self,
            self.world,
            camera_rates(fixed, values["overhead_rate"], values["wrist_rate"]),
            values["depth_encoding"],
            lambda: self._faults["fault.camera_silent"],
            self._seed,
        )
        self._servers: tuple[Any, ...] = self._controllers(values)
        group = MutuallyExclusiveCallbackGroup()
        self.create_service(LoadScene, "~/load_scene", self._load_scene, callback_group=group)
        self.create_service(Trigger, "~/truth", self._truth, callback_group=group)
        self.add_on_set_parameters_callback(self._changed)

    @property
    def failure(self) -> str:
        """Why the driver is of no use any more; "" while it is."""
        return self.world.failure or self._cameras.failure

    def start(self) -> None:
        """Let time begin."""
        self._robot.mounts(self.world.backend.scene, self._stamp())
        self._cameras.start()
        self.world.start()
        scene, robot = self.world.backend.scene.name, self.world.backend.description.name
        self.get_logger().info(f"{robot} in scene '{scene}', {self.world.factor:g} times real time (0 = free)")

    def close(self) -> None:
        """End all threads; the arm is where it is. Calling it twice is allowed."""
        self.world.close()
        self._cameras.close()
        self.world.backend.close()
        servers, self._servers = self._servers, ()
        for server in servers:
            server.destroy()

    def _controllers(self, values: dict[str, Any]) -> tuple[Any, ...]:
        names = self.world.backend.description.joint_names
        tolerances = default_tolerances(
            len(names),
            values["constraints.trajectory"],
            values["constraints.goal"],
            values["constraints.stopped_velocity_tolerance"],
            values["constraints.goal_time"],
            values["constraints.start"],
        )
        world = self.world

        def offset() -> float:
            return world.offset

        def down() -> bool:
            return self._faults["fault.controller_down"]

        arm = TrajectoryServer(self, values["trajectory_controller"], world.arm, names, tolerances, offset, down)
        world.listen(arm.tick)
        kind = values["gripper_action_type"]
        return arm, GripperServer(self, values["gripper_controller"], kind, world.gripper, offset, down)

    def _wall(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _stamp(self) -> float:
        return self.world.offset + self.world.backend.now()

    def _changed(self, parameters: Sequence[Any]) -> Any:
        for parameter in parameters:
            if parameter.name in self._faults:
                self._faults[parameter.name] = bool(parameter.value)
            elif parameter.name == "real_time_factor":
                self.world.factor = float(parameter.value)
        if self._faults["fault.controller_down"]:
            self.world.arm.drop("the controller went down")
            self.world.gripper.drop("the controller went down")
        return SetParametersResult(successful=True)

    def _load_scene(self, request: Any, response: Any) -> Any:
        try:
            scene = _scene(request.scene, request.seed)
            if {spec.name for spec in scene.cameras} != {spec.name for spec in self.world.backend.scene.cameras}:
                raise RobotError("the scene has other cameras than this driver was started with")
            self.world.replace(scene, request.seed)
            self._robot.mounts(scene, self._stamp())
            response.success, response.message = True, f"scene '{scene.name}'"
        except EmbodiedAgentError as error:
            response.success, response.message = False, str(error)
        return response

    def _truth(self, request: Any, response: Any) -> Any:
        with self.world.still():
            truth = self.world.backend.truth()
            truth["time"] = round(self._stamp(), 4)
            truth["scene"] = self.world.backend.scene.name
            truth["real_time_factor"] = round(self.world.measured_factor, 3)
        response.success, response.message = True, json.dumps(truth)
        return response


def _scene(text: str, seed: int) -> Scene:
    """The scene that a request means: YAML text, or the name of one; "" draws one from the seed.

    Raises:
        BadInput: No scene of that name, or text that is no scene.
    """
    word = text.strip() or "tabletop"
    if word.replace("_", "").replace("-", "").isalnum():
        found: Scene = scene_of(word, seed)
        return found
    scene = parse(text, Scene, source="load_scene")
    validate(scene, "load_scene")
    return scene


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    node: SimDriver | None = None
    code = 0
    try:
        with until_signal() as stopped:
            node = SimDriver()
            executor = MultiThreadedExecutor(num_threads=THREADS)
            executor.add_node(node)
            node.start()
            while rclpy.ok() and not stopped() and not node.failure:
                _serve(node, executor)
            if node.failure:
                node.get_logger().fatal(node.failure)
                code = RobotError.exit_code
            node.close()
            executor.shutdown(timeout_sec=5.0)
    except EmbodiedAgentError as error:
        print(f"sim_driver: {error}", file=sys.stderr)
        code = error.exit_code
    except (KeyboardInterrupt, ExternalShutdownException):
        code = 130
    finally:
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return code


def _serve(node: SimDriver, executor: Any) -> None:
    """One round of callbacks; one that raises is told, and costs nothing else."""
    try:
        executor.spin_once(timeout_sec=0.1)
    except (ExternalShutdownException, KeyboardInterrupt):
        raise
    except Exception as error:
        node.get_logger().error(f"a callback failed: {type(error).__name__}: {error}")
        time.sleep(0.01)  # no storm of errors


if __name__ == "__main__":
    sys.exit(main())

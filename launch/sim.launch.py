"""The simulated arm: `ros2 launch embodied_agent sim.launch.py robot:=panda scene:=blocks`."""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {
    "robot": ("panda", "a name in configs/robots, or a YAML file"),
    "scene": ("tabletop", "'tabletop' draws one from the seed; or a name in configs/scenes, or a YAML file"),
    "seed": ("0", "draws the scene, and starts the sensors' noise"),
    "real_time_factor": ("1.0", "simulated time per time; 0 = as fast as it goes"),
    "depth_noise": ("false", "depth as a real camera gives it"),
    "gripper_action_type": ("GripperCommand", "GripperCommand or ParallelGripperCommand"),
    "namespace": ("", "namespace of the driver"),
    "log_level": ("info", "debug, info, warn or error"),
}
# Humble's name for it; later ones warn of that.
PROFILES = f"FAST{'RTPS' if os.environ.get('ROS_DISTRO') == 'humble' else 'DDS'}_DEFAULT_PROFILES_FILE"


def generate_launch_description():
    given = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    profile = PathJoinSubstitution([FindPackageShare("embodied_agent"), "configs", "ros2", "fastdds.xml"])
    driver = Node(
        package="embodied_agent",
        executable="sim_driver",
        name="sim_driver",
        namespace=given["namespace"],
        parameters=[
            {
                "robot": ParameterValue(given["robot"], value_type=str),
                "scene": ParameterValue(given["scene"], value_type=str),
                "seed": ParameterValue(given["seed"], value_type=int),
                "real_time_factor": ParameterValue(given["real_time_factor"], value_type=float),
                "depth_noise": ParameterValue(given["depth_noise"], value_type=bool),
                "gripper_action_type": ParameterValue(given["gripper_action_type"], value_type=str),
            }
        ],
        arguments=["--ros-args", "--log-level", given["log_level"]],
        output="screen",
    )
    return LaunchDescription(
        [
            *[DeclareLaunchArgument(name, default_value=d, description=m) for name, (d, m) in ARGUMENTS.items()],
            # Images through shared memory; what the caller has set stays.
            SetEnvironmentVariable(PROFILES, EnvironmentVariable(PROFILES, default_value=profile)),
            driver,
        ]
    )

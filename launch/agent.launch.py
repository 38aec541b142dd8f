"""The agent's node: `ros2 launch embodied_agent agent.launch.py robot:=panda planner_url:=http://gpu:8000/v1`.

An argument that is left empty leaves the parameter as the parameter file, or else the node, has it.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.substitutions import FindPackageShare

PARAMETERS = {
    "robot": "a name in configs/robots, or a YAML file",
    "use_sim_time": "true where a simulator publishes /clock",
    "autostart": "true: configure and activate without a lifecycle manager",
    "planner_url": "address of the model's OpenAI-compatible server",
}


def start(context):
    def value(name):
        return LaunchConfiguration(name).perform(context)

    given = {name: value(name) for name in PARAMETERS if value(name)}
    for name in ("use_sim_time", "autostart"):
        if name in given:
            given[name] = given[name].lower() in ("true", "1", "yes", "on")
    return [
        LifecycleNode(
            package="embodied_agent",
            executable="agent_node",
            name="agent",
            namespace=value("namespace"),
            parameters=[value("params_file"), *([given] if given else [])],
            arguments=["--ros-args", "--log-level", value("log_level")],
            output="screen",
        )
    ]


def generate_launch_description():
    params_file = PathJoinSubstitution([FindPackageShare("embodied_agent"), "configs", "ros2", "agent.yaml"])
    return LaunchDescription(
        [
            *[DeclareLaunchArgument(n, default_value="", description=m) for n, m in PARAMETERS.items()],
            DeclareLaunchArgument("params_file", default_value=params_file, description="parameters of the node"),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error"),
            OpaqueFunction(function=start),
        ]
    )

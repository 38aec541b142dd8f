"""Simulated arm and agent together: `ros2 launch embodied_agent demo.launch.py scene:=blocks serve:=true`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackagePrefix, FindPackageShare

ARGUMENTS = {
    "robot": ("panda", "a name in configs/robots, or a YAML file"),
    "scene": ("blocks", "'tabletop' draws one from the seed; or a name in configs/scenes, or a YAML file"),
    "seed": ("0", "draws the scene, and starts the sensors' noise"),
    "namespace": ("", "namespace of both nodes"),
    "planner_url": ("http://127.0.0.1:8000/v1", "address of the model's OpenAI-compatible server"),
    "serve": ("false", "true: also start the built-in model's server, on port 8000"),
    "log_level": ("info", "debug, info, warn or error"),
}


def generate_launch_description():
    share = FindPackageShare("embodied_agent")
    given = {name: LaunchConfiguration(name) for name in ARGUMENTS}

    def include(name, *passed, **fixed):
        source = PythonLaunchDescriptionSource(PathJoinSubstitution([share, "launch", name]))
        arguments = [*[(each, given[each]) for each in passed], *fixed.items()]
        return IncludeLaunchDescription(source, launch_arguments=arguments)

    params_file = PathJoinSubstitution([share, "configs", "ros2", "agent_sim.yaml"])
    program = PathJoinSubstitution(
        [FindPackagePrefix("embodied_agent"), "lib", "embodied_agent", "embodied-agent"]
    )
    return LaunchDescription(
        [
            *[DeclareLaunchArgument(name, default_value=d, description=m) for name, (d, m) in ARGUMENTS.items()],
            include("sim.launch.py", "robot", "scene", "seed", "namespace", "log_level"),
            include(
                "agent.launch.py",
                "robot",
                "namespace",
                "planner_url",
                "log_level",
                params_file=params_file,
                use_sim_time="true",
                autostart="true",
            ),
            ExecuteProcess(
                cmd=[program, "serve", "--port", "8000"], condition=IfCondition(given["serve"]), output="screen"
            ),
        ]
    )

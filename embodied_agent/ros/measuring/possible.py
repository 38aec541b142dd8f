"""What can be measured over ROS, and why the rest cannot; light enough to be asked before anything starts."""

from __future__ import annotations

import importlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from embodied_agent.benchmark.runner import BenchOptions
from embodied_agent.errors import BadInput, MissingDependency, RobotError
from embodied_agent.planners.catalog import planner_config

BACKENDS = ("mujoco", "ros2", "both")
NEEDED = ("rclpy", "control_msgs", "tf2_msgs", "embodied_agent_interfaces")
DISCOVERY = 5.0  # [s] in which a busy process makes itself known; they announce themselves every 3 s


def refuse_impossible(backend: str, options: BenchOptions, workers: int, *, combinations: bool) -> None:
    """Refuse what has no way over ROS, instead of measuring something else.

    Raises:
        BadInput: Says what, and what to do.
        ConfigError: The planner is unknown.
    """
    if backend not in BACKENDS:
        raise BadInput(f"--backend {backend!r}: it is {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}")
    if backend == "mujoco":
        return
    over = f"--backend {backend}"
    if options.perception == "truth":
        raise BadInput(
            f"--perception truth: the node sees through cameras alone; {over} goes with --perception camera"
        )
    if combinations:
        raise BadInput(f"--combinations: two of the four are with perception truth, which {over} has not")
    if workers != 1:
        raise BadInput(f"--workers {workers}: {over} runs in real time, one episode after another")
    kind = planner_config(options.planner, url=options.planner_url, model=options.model).planner
    if kind == "transformers":
        raise BadInput(
            f"--planner {options.planner}: the node plans over HTTP; serve that model ('transformers serve') and "
            "take --planner openai --planner-url URL"
        )


def require_ros() -> None:
    """Raises:
    MissingDependency: This Python has no ROS 2, or not the message packages.
    """
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingDependency(
                f"{name} cannot be imported ({error}); source ROS 2 and the workspace first: "
                ". /opt/ros/$ROS_DISTRO/setup.sh && . install/setup.sh"
            ) from None


def claim(domain: int) -> None:
    """Take a ROS domain on this machine, where nobody else is: what answers there could be a real arm.

    Raises:
        RobotError: Somebody is there.
    """
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from embodied_agent.ros.faults.rig import stay_here

    stay_here()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node("look_round", context=context, start_parameter_services=False)
        others: list[str] = []
        until = time.monotonic() + DISCOVERY
        while not others and time.monotonic() < until:
            time.sleep(0.2)
            others = sorted(set(node.get_node_names()) - {"look_round"})
        node.destroy_node()
    finally:
        context.try_shutdown()
    if others:
        raise RobotError(
            f"in ROS domain {domain} there are other nodes ({', '.join(others[:5])}); give another --domain"
        )


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does, so that its processes are ended, too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread: whoever runs this has the signals
        yield
        return
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, before)

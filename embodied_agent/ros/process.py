"""ROS processes: a short-lived one of the command line, how a signal ends it, and what makes one pause."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from embodied_agent.errors import MissingDependency


@contextmanager
def ros_node(name: str, namespace: str = "") -> Iterator[Any]:
    """A node of its own context, without rclpy's signal handlers.

    Raises:
        MissingDependency: No ROS 2 in this Python.
    """
    try:
        import rclpy
        from rclpy.context import Context
        from rclpy.signals import SignalHandlerOptions
    except ImportError as error:
        raise MissingDependency(
            f"rclpy cannot be imported ({error}); source ROS 2 first: . /opt/ros/$ROS_DISTRO/setup.sh, "
            "in a venv made with --system-site-packages"
        ) from None
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node(
            name,
            context=context,
            namespace=namespace or None,
            enable_rosout=False,
            start_parameter_services=False,
        )
        try:
            yield node
        finally:
            node.destroy_node()
    finally:
        context.try_shutdown()


def unpause() -> None:
    """Spare what is loaded by now from later garbage collections.

    A whole collection of a process that has loaded simulator and perception takes a tenth of a
    second and more; meanwhile it feels no arm, and the supervisor must take its readings for stale.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def until_signal() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came; a second one interrupts at once."""
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            raise KeyboardInterrupt
        came = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""The process of the node `agent`: it is spun, and ends cleanly on SIGINT and SIGTERM with the arm stopped."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from embodied_agent.errors import EmbodiedAgentError
from embodied_agent.ros.agent_lifecycle import LAST_PATIENCE, AgentNode

THREADS = 6  # of the executor: a goal and a plan request block one each
TICK = 0.2  # [s] at most until the end of the process is noticed
ENDING = {signal.SIGINT, signal.SIGTERM}


def spin(executor: Any, going: Callable[[], bool]) -> None:
    """Serve callbacks while `going`; a callback that raises is told, and costs nothing else."""
    while going():
        try:
            executor.spin_once(timeout_sec=TICK)
        except ExternalShutdownException:
            return
        except Exception as error:
            if type(error).__name__ == "InvalidHandle":  # what was destroyed had a message under way
                continue
            rclpy.logging.get_logger("agent").error(f"a callback failed: {type(error).__name__}: {error}")
            time.sleep(0.01)  # no storm of errors


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT, SIGTERM or the context's end; returns the exit code."""
    # Blocked, and waited for in a thread of its own: the arm is stopped at once, whatever the others do,
    # and a second signal cannot spoil a clean exit. Threads that a library made before may still get one.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    caught, stopping = threading.Event(), threading.Event()
    for number in ENDING:
        signal.signal(number, lambda number, frame: caught.set())
    context = rclpy.Context()
    rclpy.init(args=args, context=context, signal_handler_options=SignalHandlerOptions.NO)
    executor = MultiThreadedExecutor(num_threads=THREADS, context=context)
    try:
        node = AgentNode(context=context)
    except EmbodiedAgentError as error:
        print(f"agent: {error}", file=sys.stderr)
        context.try_shutdown()
        return error.exit_code
    executor.add_node(node)
    threading.Thread(target=_heed, args=(node, caught, stopping), name="signals", daemon=True).start()
    try:
        spin(executor, lambda: context.ok() and not stopping.is_set())
        _end(node, executor, context)
    finally:
        stopping.set()
        with suppress(Exception):
            executor.shutdown(timeout_sec=2.0)
        with suppress(Exception):
            node.destroy_node()
        context.try_shutdown()
    return 0


def _heed(node: AgentNode, caught: threading.Event, stopping: threading.Event) -> None:
    """Wait for a signal, and end the goal as soon as one comes."""
    while not stopping.wait(TICK / 4):
        # Asked without a wait: one that a pause of the process interrupts may report a signal that never came.
        if signal.sigtimedwait(ENDING, 0) is not None or caught.is_set():
            node.closing = True
            stopping.set()
            node.tasks.cancel("the node shuts down")


def _end(node: AgentNode, executor: Any, context: Any) -> None:
    """Release the node while its callbacks are still served: the arm's stop needs their answers."""
    ending = threading.Thread(target=node.release, name="release", daemon=True)
    ending.start()
    until = time.monotonic() + LAST_PATIENCE + 5.0
    spin(executor, lambda: ending.is_alive() and context.ok() and time.monotonic() < until)


if __name__ == "__main__":
    sys.exit(main())

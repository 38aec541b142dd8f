"""Worker processes that may crash or hang: the job is lost and named, the rest goes on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")


class Unusable(Exception):
    """A worker could not even start; neither could the next."""


STARTUP = 120.0  # [s] a worker may take to load its libraries, on top of its job's time


@dataclass(frozen=True)
class Done(Generic[Job]):
    """A job's end. `value` is what it returned; `error` says why there is none."""

    job: Job
    value: Any = None
    error: str = ""


@dataclass
class _Worker(Generic[Job]):
    process: Any
    pipe: Connection
    job: Job
    until: float


def run_jobs(
    make: Callable[[Any], Callable[[Job], Any]],
    argument: Any,
    jobs: Sequence[Job],
    workers: int,
    timeout: float,
) -> Generator[Done[Job], None, None]:
    """Run jobs in processes and give their ends as they come.

    Args:
        make: Called once in each process with `argument`; returns what runs one job. Importable.
        argument: Picklable.
        jobs: Picklable.
        workers: Processes side by side.
        timeout: Longest time of one job [s]; a worker that takes longer is ended.

    Raises:
        Unusable: `make` failed; carries its words.
    """
    waiting, alive = deque(jobs), list[_Worker[Job]]()
    threads = str(max(1, (os.cpu_count() or 1) // max(1, workers)))
    inherited = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(inherited, threads))  # children read it when they load numpy
    try:
        for _ in range(min(workers, len(waiting))):
            alive.append(_started(make, argument, waiting.popleft(), timeout))
        while alive:
            ready = wait([w.pipe for w in alive] + [w.process.sentinel for w in alive], timeout=0.5)
            for worker in list(alive):
                done = _news(worker, ready, timeout)
                if done is None:
                    continue
                yield done
                alive.remove(worker)
                healthy = worker.process.is_alive() and not done.error.startswith("process")
                if waiting and healthy:
                    worker.job, worker.until = waiting.popleft(), time.monotonic() + timeout
                    worker.pipe.send(worker.job)
                    alive.append(worker)
                else:
                    _end(worker)
                    if waiting:
                        alive.append(_started(make, argument, waiting.popleft(), timeout))
    finally:
        for worker in alive:
            _end(worker)
        for name, value in inherited.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _started(make: Any, argument: Any, job: Job, timeout: float) -> _Worker[Job]:
    context = multiprocessing.get_context("spawn")  # a fork would share GL and thread state
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, make, argument), daemon=True)
    process.start()
    there.close()
    here.send(job)
    return _Worker(process, here, job, time.monotonic() + timeout + STARTUP)


def _news(worker: _Worker[Job], ready: Sequence[Any], timeout: float) -> Done[Job] | None:
    if worker.pipe in ready:
        try:
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):
            pass
        else:
            if kind == "unusable":
                raise Unusable(str(value))
            return Done(worker.job, value) if kind == "value" else Done(worker.job, error=str(value))
    if worker.pipe in ready or worker.process.sentinel in ready:
        worker.process.join(5)
        return Done(worker.job, error=f"process died with exit code {worker.process.exitcode}")
    if time.monotonic() > worker.until:
        return Done(worker.job, error=f"process was ended after {timeout:g} s")
    return None


def _end(worker: _Worker[Any]) -> None:
    with suppress(OSError):
        worker.pipe.close()  # an idle worker ends by itself
    worker.process.join(2)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join(5)


def _work(pipe: Connection, make: Callable[[Any], Callable[[Any], Any]], argument: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    run: Callable[[Any], Any] | None = None
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        kind = "unusable" if run is None else "error"
        try:
            run = run or make(argument)
            kind = "error"
            answer = ("value", run(job))
        except Exception as error:
            words = " ".join(str(error).split())[:500]
            answer = (kind, f"{type(error).__name__}: {words}")
        try:
            pipe.send(answer)
        except (BrokenPipeError, OSError):
            return

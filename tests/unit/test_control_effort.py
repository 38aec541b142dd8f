from __future__ import annotations

import pytest

from embodied_agent.control import effort
from embodied_agent.control.effort import Allowance


class Work:
    """Counts what was done."""

    def __init__(self) -> None:
        self.done = 40

    def __call__(self) -> int:
        return self.done


def test_an_allowance_ends_with_the_work_that_was_done() -> None:
    work = Work()
    spent = Allowance.of(work, 100)
    work.done += 99
    assert not spent()
    work.done += 1
    assert spent()


def test_a_slow_machine_gets_as_much_work_done(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    spent = Allowance.of(work, 20_000)
    thread, wall = effort.time.thread_time(), effort.time.monotonic()
    monkeypatch.setattr(effort.time, "thread_time", lambda: thread + 15.0)
    monkeypatch.setattr(effort.time, "monotonic", lambda: wall + 50.0)
    work.done += 19_999
    assert not spent()


@pytest.mark.parametrize("clock", ["thread_time", "monotonic"])
def test_a_search_that_counts_nothing_still_ends(monkeypatch: pytest.MonkeyPatch, clock: str) -> None:
    spent = Allowance.of(Work(), 20_000)
    now = getattr(effort.time, clock)()
    monkeypatch.setattr(effort.time, clock, lambda: now + effort.WALL + 1.0)
    assert spent()

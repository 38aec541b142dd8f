"""Closing and opening as whole tasks: what is already so is measured and left alone, and stops are met softly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from embodied_agent.account import Account
from embodied_agent.agent import Listeners
from embodied_agent.assembly import Assembly, Minds
from embodied_agent.perception import scene as memory
from embodied_agent.perception.truth import TruthGrounder
from embodied_agent.planners.goal import Close, Open
from embodied_agent.program.events import Event
from embodied_agent.setup import Setup
from embodied_agent.types import Command
from sim.descriptions import Description
from sim.scene import FixtureSpec, Scene

TOP = "top drawer"
PART = Description("drawer", ordinal="top")


def scene(fraction: float) -> Scene:
    return Scene(fixtures=(FixtureSpec("cabinet", (0.82, 0.1), 0.0, state={TOP: fraction}),))


@pytest.fixture(scope="module")
def minds() -> Iterator[Minds]:
    yield Minds(setup(0.0))


def setup(fraction: float) -> Setup:
    return Setup(scene=scene(fraction), planner="scripted", perception="truth")


def do(minds: Minds, fraction: float, goal: object) -> tuple[Account, list[Event], float]:
    heard: list[Event] = []
    with Assembly(setup(fraction), minds) as assembly:
        account = assembly.agent.run(Command("the drawer"), goal=goal, listeners=Listeners(event=heard.append))
        return account, heard, assembly.backend.truth()["joints"][TOP]["fraction"]


def labels(heard: list[Event]) -> str:
    return "\n".join(event.label for event in heard if event.kind == "started")


def test_a_drawer_that_is_shut_is_not_pressed(minds: Minds) -> None:
    account, heard, fraction = do(minds, 0.0, Close(PART))
    assert account.verdict == "done", account.message
    assert "clasp" not in labels(heard) and "reach" not in labels(heard)
    assert fraction < 0.02


def test_a_drawer_that_is_open_enough_is_not_pulled(minds: Minds) -> None:
    account, heard, fraction = do(minds, 0.95, Open(PART))
    assert account.verdict == "done", account.message
    assert "clasp" not in labels(heard)
    assert fraction > 0.9


def test_a_drawer_meets_its_stop_softly(minds: Minds) -> None:
    account, heard, fraction = do(minds, 0.9, Close(PART))
    assert account.verdict == "done", account.message
    assert fraction < 0.02
    peaks = [event.evidence["peak_force"] for event in heard if "peak_force" in event.evidence]
    assert max(peaks) < 200.0  # the supervisor stops for good at 250 N


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No detection is a handle."""
    seen = TruthGrounder.detect
    monkeypatch.setattr(
        TruthGrounder, "detect", lambda self, frame: [d for d in seen(self, frame) if d.kind != "drawer_handle"]
    )


@pytest.mark.usefixtures("unnamed")
def test_a_drawer_is_led_by_a_handle_that_nobody_named(minds: Minds) -> None:
    account, heard, fraction = do(minds, 0.8, Close(PART))
    assert account.verdict == "done", account.message
    assert "clasp" in labels(heard)
    assert fraction < 0.02


@pytest.mark.usefixtures("unnamed")
def test_a_drawer_whose_handle_is_not_seen_is_pushed_shut(minds: Minds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "unnamed_handles", lambda *measured: [])  # nor does its shape show
    account, heard, fraction = do(minds, 0.8, Close(PART))
    assert account.verdict == "done", account.message
    assert "push_shut" in labels(heard) and "clasp" not in labels(heard)
    assert fraction < 0.02

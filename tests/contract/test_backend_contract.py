"""Every back end keeps the same contract, on every robot."""

from __future__ import annotations

import pytest

from embodied_agent.errors import BadInput, RobotError
from embodied_agent.robots.catalog import BACKENDS, REAL, make
from embodied_agent.robots.check_backend import ContractError, check_backend
from embodied_agent.robots.fake import FakeBackend

ROBOTS = ("panda", "xarm6")


@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("name", sorted(set(BACKENDS) - set(REAL)))  # REAL: tests/ros
def test_backend_keeps_the_contract(name: str, robot: str) -> None:
    findings = check_backend(make(name, robot, "blocks"))
    assert {finding.name for finding in findings} >= {"state", "cameras", "watch", "stop", "refusals", "close"}


def test_checker_notices_a_watch_that_is_ignored() -> None:
    class Deaf(FakeBackend):
        def follow(self, trajectory, watch=None):  # type: ignore[no-untyped-def]
            return super().follow(trajectory)

    with pytest.raises(ContractError, match="watch was called 0 times"):
        check_backend(Deaf(make("fake").description))


def test_checker_notices_degrees() -> None:
    class Degrees(FakeBackend):
        def state(self):  # type: ignore[no-untyped-def]
            from dataclasses import replace

            state = super().state()
            return replace(state, positions=state.positions * 57.3)

    with pytest.raises(ContractError, match="radians"):
        check_backend(Degrees(make("fake").description))


def test_checker_notices_a_stop_that_does_nothing() -> None:
    class Stubborn(FakeBackend):
        def stop(self) -> None:
            pass

    with pytest.raises(ContractError, match=r"stop\(\)"):
        check_backend(Stubborn(make("fake").description))


def test_unknown_backend_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'mujoco'"):
        make("mujico")


def test_closed_simulator_refuses_commands() -> None:
    backend = make("mujoco", "panda", "blocks")
    backend.close()
    with pytest.raises(RobotError, match="closed"):
        backend.wait(0.1)
    with pytest.raises(RobotError, match="closed"):
        backend.capture("overhead")

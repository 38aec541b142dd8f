"""Figures of the benchmark: shares, intervals, percentiles, and what counts as false success."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embodied_agent.benchmark.metrics import (
    EpisodeRecord,
    Share,
    by_family,
    figures,
    percentile,
    spread,
    wilson,
)


def record(number: int = 0, **changes: object) -> EpisodeRecord:
    values = {
        "id": f"open-{number:04d}", "family": "open", "seed": number, "command": "open the drawer",
        "expected": "done", "success": True, "verdict": "done", "accepted": True, "moved": True,
        "finished": 4, "steps": 4, "plan_s": 0.5, "command_to_motion_s": 1.0, "total_s": 9.0,
    }  # fmt: skip
    return EpisodeRecord(**(values | changes))  # type: ignore[arg-type]


def test_wilson_interval_agrees_with_the_published_example() -> None:
    # Newcombe (1998), table I: 81 of 263 gives .2553 to .3662.
    low, high = wilson(81, 263)
    assert low == pytest.approx(0.2553, abs=5e-5)
    assert high == pytest.approx(0.3662, abs=5e-5)


@given(st.integers(1, 400), st.data())
def test_wilson_interval_holds_its_share_and_stays_inside_zero_and_one(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    low, high = wilson(count, total)
    assert 0.0 <= low <= count / total <= high <= 1.0


def test_interval_of_nothing_is_everything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert str(Share(0, 0)) == "–"
    assert math.isnan(Share(0, 0).value)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_percentiles_lie_between_smallest_and_largest(values: list[float]) -> None:
    middle = percentile(values, 0.5)
    upper = percentile(values, 0.95)
    assert middle is not None and upper is not None
    assert min(values) <= middle <= upper <= max(values)


def test_percentile_lies_between_neighbours() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
    assert percentile([], 0.5) is None


def test_missing_times_are_left_out_and_not_counted_as_zero() -> None:
    result = spread([None, 2.0, None, 4.0])
    assert (result.n, result.p50) == (2, 3.0)


def test_false_success_is_a_claim_that_truth_denies() -> None:
    result = figures([record(0), record(1, success=False), record(2, success=False, verdict="failed")])
    assert result.false_success.count == 1
    assert result.success.count == 1
    assert result.verdict.count == 2


def test_missed_success_is_a_denial_that_truth_contradicts() -> None:
    assert figures([record(0, verdict="failed")]).missed_success.count == 1


def test_moving_on_a_command_to_refuse_is_a_wrong_action() -> None:
    right = record(0, expected="refused", verdict="refused", moved=False, finished=0, steps=0)
    wrong = record(1, expected="refused", verdict="done", success=False)
    result = figures([right, wrong, record(2)])
    assert (result.wrong_action.count, result.wrong_action.total) == (1, 2)
    assert (result.answers.count, result.answers.total) == (1, 2)
    assert result.false_success.count == 1


def test_failures_are_counted_by_the_node_that_failed() -> None:
    failed = {"success": False, "verdict": "failed"}
    result = figures(
        [
            record(0, failed_node="cube = find('red cube')", **failed),
            record(1, failed_node="find('bowl')", **failed),
            record(2, error="RobotError: arm is gone", **failed),
        ]
    )
    assert result.failures == {"find": 2, "RobotError: arm is gone": 1}
    assert result.errors == 1


def test_families_are_kept_apart_and_records_survive_json() -> None:
    records = [record(0), record(1, family="push", success=False)]
    again = [EpisodeRecord.from_json(r.as_json()) for r in records]
    assert again == records
    assert {name: f.success.count for name, f in by_family(again).items()} == {"open": 1, "push": 0}


def test_finished_steps_are_a_mean_over_episodes_not_over_steps() -> None:
    result = figures([record(0, finished=1, steps=10), record(1, finished=1, steps=1)])
    assert result.finished_steps == pytest.approx(0.55)

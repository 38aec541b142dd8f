"""The benchmark: real episodes, resumed where they were broken off; workers that crash or hang."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from embodied_agent.benchmark.language import ask, language_shares, language_summary
from embodied_agent.benchmark.metrics import COMBINATIONS, EpisodeRecord
from embodied_agent.benchmark.pool import Unusable, run_jobs
from embodied_agent.benchmark.report import benchmark_html
from embodied_agent.benchmark.runner import BenchOptions, jobs_of, run_bench, stored, summary
from embodied_agent.errors import BadInput

ORACLE = BenchOptions(
    episodes=1, families=("turn", "close"), planner="scripted", perception="truth", deadline=60, videos=1
)


def make_worker(argument: int) -> Callable[[Any], Any]:
    def work(job: Any) -> Any:
        if job == "crash":
            os._exit(7)
        if job == "hang":
            time.sleep(60)
        if job == "raise":
            raise ValueError("no\nluck")
        return argument * job

    return work


def test_workers_that_crash_hang_or_raise_lose_only_their_job() -> None:
    jobs = [1, "crash", 2, "raise", 3, "hang", 4]
    ends = {str(done.job): done for done in run_jobs(make_worker, 10, jobs, 2, 4.0)}
    assert {job: done.value for job, done in ends.items() if not done.error} == {
        "1": 10,
        "2": 20,
        "3": 30,
        "4": 40,
    }
    assert "exit code 7" in ends["crash"].error
    assert ends["raise"].error == "ValueError: no luck"
    assert "was ended" in ends["hang"].error


def test_workers_that_cannot_start_end_the_benchmark_with_the_reason() -> None:
    with pytest.raises(Unusable, match="RuntimeError: no weights"):
        list(run_jobs(broken, None, [1, 2], 2, 5.0))


def broken(argument: Any) -> Any:
    raise RuntimeError("no weights")


def test_families_take_turns_and_seeds_count_up() -> None:
    jobs = jobs_of(BenchOptions(episodes=2, seed=5, families=("open", "push"), videos=1), Path("x"))
    assert [(j.family, j.seed, bool(j.film)) for j in jobs] == [
        ("open", 5, True), ("push", 5, False), ("open", 6, False), ("push", 6, False)
    ]  # fmt: skip


def test_unknown_families_are_refused_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'place_in'"):
        BenchOptions(families=("placein",))


def test_a_folder_of_another_benchmark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "options.json").write_text(json.dumps({"robot": "xarm6"}))
    with pytest.raises(BadInput, match="another benchmark"):
        run_bench(ORACLE, tmp_path)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "episodes").mkdir()
    (tmp_path / "episodes" / "open-000000.json").write_text("{")
    with pytest.raises(BadInput, match="open-000000"):
        list(stored(tmp_path))


def test_combinations_keep_episodes_and_drop_the_other_planners_server() -> None:
    mine = BenchOptions(planner="openai", planner_url="http://h/v1", model="m")
    other = mine.like("scripted x truth")
    assert (other.planner_url, other.model, other.perception) == ("", "", "truth")
    assert other.families == mine.families
    assert mine.like("openai x truth").planner_url == "http://h/v1"


@pytest.mark.slow
def test_oracle_episodes_run_are_filmed_resumed_and_reported(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    told: list[str] = []
    records = run_bench(ORACLE, tmp_path, 1, lambda record, done, total: told.append(record.id))
    assert told == ["turn-000000", "close-000000"]
    assert [record.error for record in records] == ["", ""]
    assert all(record.accepted and record.steps for record in records)
    assert (tmp_path / "films" / "turn-000000" / "video.mp4").stat().st_size > 1000
    assert (
        "disagrees" in (page := (tmp_path / "films" / "turn-000000" / "report.html").read_text())
        or "agrees" in page
    )
    again: list[str] = []
    assert run_bench(ORACLE, tmp_path, 1, lambda record, done, total: again.append(record.id)) == records
    assert not again
    result = summary(ORACLE, {"scripted x truth": records})
    assert json.loads(json.dumps(result))["combinations"]["scripted x truth"]["all"]["episodes"] == 2


def records(success: list[bool]) -> list[EpisodeRecord]:
    base = EpisodeRecord("open-0", "open", 0, "open <it>", "done", True, "done", plan_s=0.5, total_s=4.0)
    return [replace(base, id=f"open-{i}", success=s, verdict="done") for i, s in enumerate(success)]


def test_page_puts_the_four_combinations_side_by_side() -> None:
    pytest.importorskip("matplotlib")
    found = {name: records([True, i > 1]) for i, name in enumerate(COMBINATIONS)}
    html = benchmark_html(found, {"robot": "panda"}, [])
    for name in COMBINATIONS:
        assert f">{name}</th>" in html
    assert "open &lt;it&gt;" in html
    assert 'src="http' not in html and "<script" not in html


def test_page_of_an_ablation_says_so_and_the_default_does_not() -> None:
    pytest.importorskip("matplotlib")
    assert "Ablation" in benchmark_html({"scripted x truth": records([True])}, {}, [])
    assert "Ablation" not in benchmark_html({"builtin x camera": records([False])}, {}, [])


def test_the_oracle_is_right_about_every_command_and_a_lost_one_counts_as_wrong() -> None:
    pytest.importorskip("mujoco")
    answers = ask(BenchOptions(planner="scripted"), 2, 1)
    assert [answer.same for answer in answers] == [True, True]
    lost = replace(answers[0], same=False, kind="refuse", kind_right=False, wrong_action=True)
    shares = language_shares([*answers, lost])
    assert shares["program right, or of the same effect"].count == 2
    assert shares["wrong action on a command to refuse or ask about"].count >= 1
    assert len(language_summary(BenchOptions(), [*answers, lost])["wrong"]) == 1

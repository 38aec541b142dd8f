"""The measuring commands on real processes, in their shortest form."""

import json
from contextlib import closing

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy cannot be imported")
pytest.importorskip("control_msgs", reason="needs control_msgs, which a robot has and CI builds")
pytest.importorskip("mujoco", reason="the simulated driver needs mujoco")

from sim_process import simulated

from embodied_agent.benchmark.runner import BenchOptions, run_bench
from embodied_agent.benchmark.suites import FAMILIES, episode
from embodied_agent.config import parse
from embodied_agent.errors import RobotError
from embodied_agent.ros.measuring.episodes import OverRos, scene_text
from embodied_agent.ros.measuring.images import ImageWatch
from embodied_agent.ros.measuring.possible import claim
from embodied_agent.ros.measuring.report import suite_html
from embodied_agent.ros.measuring.suite import RosBenchOptions, result, run_suite
from sim.scene import Scene

EPISODES, SUITE, IMAGES = 60, 61, 62
KEEPS_UP = 0.9  # simulated time per time
# The only thing of its scene is a red box: eyes that know red see all that is needed.
RED_BOX = BenchOptions(
    episodes=1, seed=6, families=("push",), planner="scripted", backend="ros2", videos=0, deadline=120.0
)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_drawn_scene_comes_to_the_driver_as_it_was_drawn(family):
    scene = episode(family, 3).scene
    assert parse(scene_text(scene), Scene, source="load_scene") == scene


@pytest.mark.slow
def test_an_episode_runs_through_driver_node_and_action_and_truth_judges_it(tmp_path):
    over = OverRos(RED_BOX, tmp_path, EPISODES, eyes="box")
    (record,) = run_bench(RED_BOX, tmp_path, execute=over)
    assert record.error == "" and record.plans >= 1 and record.accepted and record.moved, record
    assert record.command == episode("push", 6).command.text and 'find("red box")' in record.program
    assert record.success or not record.claims, record
    if record.pace > KEEPS_UP:  # one that does not keep up with real time stops the arm, as it must
        assert record.success and record.verdict == "done", record
        primitives = {time.label.split("(")[0]: time for time in record.primitives}
        assert primitives["home"].commands == 1 and primitives["home"].waited_s > 0
        assert primitives["push_along"].commands > primitives["push_along"].counted > 0
    assert not [log for log in tmp_path.rglob("*.log") if "Traceback" in log.read_text()]
    assert run_bench(RED_BOX, tmp_path, execute=over) == [record]  # it is there already: nothing starts


@pytest.mark.slow
def test_the_ros_path_is_measured_part_by_part_and_reported(tmp_path):
    options = RosBenchOptions(goals=2, cancels=1, stops=1, faults=0, signals=0, seconds=0, domain=SUITE)
    told = []
    with closing(run_suite(options, tmp_path, lambda *news: told.append(news))) as coming:
        parts = list(coming)
    found = result(options, parts)
    assert found["ok"], [part.finding.problems for part in parts]
    assert [part.finding.name for part in parts] == ["many goals", "cancelled at random", "stopped at random"]
    assert {name for name, _, _ in told} == {"many_goals", "cancel_at_random", "stop_at_random"}
    assert ("many_goals", 2, 2) in told and ("stop_at_random", 1, 1) in told
    for part in parts[1:]:
        known = {row.what: row for row in part.rows}
        assert known["request to standstill, as a client sees it, wall"].n == 1
    assert json.loads(json.dumps(found))["versions"]["rclpy"]
    page = suite_html(found, parts)
    assert "nothing was lost, and the arm always stopped" in page and "stopped at random" in page


def test_images_are_counted_and_a_domain_with_somebody_in_it_is_not_taken(tmp_path):
    with simulated("panda", IMAGES, tmp_path):
        with ImageWatch(IMAGES, "overhead") as watch:
            found = watch.watch(1.0, 30.0, lambda done: None)
        assert watch.size == (640, 480) and found.received >= 1
        assert 0 <= found.hz < 40 and found.age.p50 >= 0
        if found.received > 1:
            due = round(found.seconds * 30.0) + 1
            assert found.received + found.lost + found.undrawn == due
        with pytest.raises(RobotError, match=f"domain {IMAGES} .*sim_driver.*--domain"):
            claim(IMAGES)

"""Episodes of the tabletop benchmark through driver, node and action, each judged by the driver's truth."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml
from std_srvs.srv import Trigger

from embodied_agent.benchmark.episode import judged
from embodied_agent.benchmark.metrics import EpisodeRecord
from embodied_agent.benchmark.pool import Done
from embodied_agent.benchmark.primitives import Ended, times
from embodied_agent.benchmark.runner import SLOWEST, BenchOptions, Job
from embodied_agent.benchmark.suites import Episode, episode
from embodied_agent.errors import RobotError
from embodied_agent.planners.catalog import planner_config
from embodied_agent.record import write_whole
from embodied_agent.robots.ros2.messages import seconds
from embodied_agent.ros.faults.client import Sent
from embodied_agent.ros.faults.processes import wait_until
from embodied_agent.ros.faults.rig import Rig
from embodied_agent.ros.measuring.possible import claim
from embodied_agent.ros.requests import OUTCOME_OF_VERDICT
from embodied_agent_interfaces.msg import ProgramNode
from sim.scene import Scene

# Pictures are drawn by the processor that plans and steps the world, too; a real camera's are not.
IMAGES = {"overhead_rate": 15.0, "wrist_rate": 10.0}
FRESH = 0.3  # [s] by the robot's clock in which every picture of the scene before is too old to be used
LONGEST_GOAL = 3600.0  # [s] that the node takes for one
PATIENCE = 60.0  # [s] beyond a goal's own limit
VERDICTS = {outcome: verdict for verdict, outcome in OUTCOME_OF_VERDICT.items()}


class OverRos:
    """Runs the episodes of a benchmark; for `run_bench`.

    Args:
        options: What is measured.
        folder: For logs, the audit, and what the model server is told.
        domain: ROS domain that nobody else is in.
        eyes: "" = the built-in model, as in a direct run; else see `minds`.
    """

    def __init__(self, options: BenchOptions, folder: Path, domain: int, eyes: str = "") -> None:
        self.options, self.folder, self.domain = options, folder, domain
        self._eyes, self._drawn = eyes, folder / "episode.json"

    def __call__(self, jobs: Sequence[Job]) -> Generator[Done[Job], None, None]:
        """The end of each job, in turn; an episode that breaks the rig is lost, and the next gets a new one.

        Raises:
            RobotError: Somebody else is in the domain, or driver or node cannot be started.
            PlannerError: The model cannot.
        """
        waiting = list(jobs)
        if waiting:
            claim(self.domain)
        while waiting:
            with self._rig() as rig:
                while waiting:
                    job = waiting.pop(0)
                    try:
                        done: Done[Job] = Done(job, self.run(rig, episode(job.family, job.seed)).as_json())
                    except RobotError as error:
                        done = Done(job, error=f"RobotError: {' '.join(str(error).split())[:500]}")
                    yield done
                    if done.error:
                        break

    def _rig(self) -> Rig:
        options = self.options
        config = planner_config(options.planner, url=options.planner_url, model=options.model)
        limit = min(LONGEST_GOAL, SLOWEST * options.deadline)
        agent: dict[str, Any] = {"time_limit": limit, "seed": options.seed, "audit_size": 1000.0}
        serves, weights = "builtin", config.builtin.weights
        if config.planner == "scripted":
            serves, weights = "scripted", ""
        elif config.planner == "openai":
            # Names of things come from the built-in model as in a direct run, beside the planner's server.
            named = options.planner.endswith(".yaml")
            agent["planner"] = str(Path(options.planner).absolute()) if named else options.planner
            agent["planner_url"] = config.openai.url
            agent |= {"model": options.model} if options.model else {}
            weights = ""
        command = [sys.executable, "-m", "embodied_agent.ros.measuring.minds", "--planner", serves]
        command += ["--episode", str(self._drawn)]
        command += ["--model", weights] if weights else []
        command += ["--eyes", self._eyes] if self._eyes else []
        return Rig(
            self.folder / "rig", self.domain, robot=options.robot, agent_parameters=agent,
            driver_parameters={**IMAGES, "depth_noise": options.depth_noise}, model=command,
        )  # fmt: skip

    # -- one episode ------------------------------------------------------------------------------

    def run(self, rig: Rig, drawn: Episode) -> EpisodeRecord:
        """Put the scene before the robot, send the command, and ask truth.

        Raises:
            RobotError: A process died, does not answer, or the goal was refused.
        """
        client, began = rig.client, time.monotonic()
        write_whole(self._drawn, json.dumps({"family": drawn.family, "seed": drawn.seed}) + "\n")
        wait_until("reset", lambda: client.trigger("reset").success, rig.patience, 0.1)
        client.load_scene(scene_text(drawn.scene), drawn.seed)
        loaded = _clock(rig)
        wait_until("pictures of the scene", lambda: _clock(rig) > loaded + FRESH, rig.patience, 0.01)
        audit = rig.folder / "audit.jsonl"
        read = audit.stat().st_size if audit.exists() else 0
        before = truth(rig)
        sent = client.send(drawn.command.text, points=drawn.command.points)
        if not sent.accepted:
            raise RobotError(f"the goal was refused: {client.sentence('task')}")
        started, clock = time.monotonic(), _clock(rig)
        late = self._wait(rig, sent, clock)
        pace = (_clock(rig) - clock) / max(1e-9, time.monotonic() - started)
        judgement = drawn.judge(before, truth(rig))
        lines = _lines(audit, read)
        programs = [line for line in lines if line.get("verb") == "program"]
        record = replace(
            judged(drawn, judgement, began), accepted=bool(programs), plans=len(programs), pace=round(pace, 3)
        )
        record = _with_result(record, sent.result, late)
        return replace(record, primitives=_times(sent.result, lines) if len(programs) == 1 else ())

    def _wait(self, rig: Rig, sent: Sent, began: float) -> str:
        """Wait for the goal's end; why it was cancelled by the robot's clock, or "".

        Raises:
            RobotError: A process died, or the goal does not end.
        """
        late, deadline = "", self.options.deadline
        until = time.monotonic() + min(LONGEST_GOAL, SLOWEST * deadline) + PATIENCE
        while not sent.done.wait(0.05):
            for child in (rig.driver, rig.agent, rig.model):
                if not child.running:
                    raise RobotError(f"{child.name} ended: {child.tail(3)}")
            if time.monotonic() > until:
                raise RobotError("the goal did not end")
            if not late and _clock(rig) - began > deadline:
                late = f"time ran out after {deadline:g} s of the robot's clock"
                rig.client.cancel(sent)
        return late


def scene_text(scene: Scene) -> str:
    """A scene as the YAML that ~/load_scene reads."""
    return yaml.safe_dump(json.loads(json.dumps(asdict(scene))), sort_keys=False)


def truth(rig: Rig) -> dict[str, Any]:
    """Where everything really is; for the benchmark alone.

    Raises:
        RobotError: The driver does not say.
    """
    answer = rig.client.call(Trigger, "sim_driver/truth", Trigger.Request())
    return dict(json.loads(answer.message))


def _clock(rig: Rig) -> float:
    """The robot's time, as its newest joint state tells it [s]."""
    return rig.client.readings[-1].stamp if rig.client.readings else 0.0


def _lines(audit: Path, start: int) -> list[dict[str, Any]]:
    """The lines of the audit from a byte on."""
    with audit.open("rb") as file:
        file.seek(start)
        return [json.loads(line) for line in file.read().decode().splitlines()]


def _times(result: Any, lines: Sequence[dict[str, Any]]) -> Any:
    ends = [
        Ended(node.path, node.label, node.attempt, seconds(node.duration), seconds(node.stamp))
        for node in result.nodes
        if node.level == "primitive" and node.status == ProgramNode.SUCCEEDED
    ]
    return times(ends, lines)


def _with_result(record: EpisodeRecord, result: Any, late: str) -> EpisodeRecord:
    """The record with what the node says."""
    said = {row.key: float(row.value) for row in result.timings}
    reason = late or result.reason
    verdict = VERDICTS.get(result.outcome, "error")
    return replace(
        record,
        verdict=verdict,
        message=reason,
        error=f"outcome {result.outcome}: {reason}" if verdict == "error" else "",
        moved="command_to_motion_s" in said,
        plan_s=said.get("plan_s"),
        command_to_motion_s=said.get("command_to_motion_s"),
        total_s=said.get("total_s", record.total_s),
        failed_node=result.failing_node,
        reason=reason if verdict not in ("done",) else "",
        program=result.program,
    )

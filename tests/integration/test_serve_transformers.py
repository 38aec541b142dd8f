"""Local transformers models by path, and behind `transformers serve`: real files, real servers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from embodied_agent.errors import ConfigError, PlannerError, WeightsError
from embodied_agent.library import library
from embodied_agent.planners.openai import OpenAIPlanner, OpenAISettings
from embodied_agent.planners.planner import PlanRequest
from embodied_agent.planners.transformers import TransformersPlanner, TransformersSettings
from embodied_agent.planners.wire import usual_camera
from embodied_agent.program.grammar import lark
from embodied_agent.program.parse import parse
from embodied_agent.types import Command, Frame

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parent))
from tiny_model import save_tiny_llava

PROGRAM = 'with task("go home"):\n    home()\n'
# A small language keeps the prompt short: byte-level tokens are many.
SOME = tuple(
    s for name, s in library().for_planner.items() if name in ("find", "home", "pick", "refuse", "is_holding")
)


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("random"))


@pytest.fixture(scope="module")
def taught_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("taught"), says=PROGRAM)


def request(**more: object) -> PlanRequest:
    frame = Frame(np.full((48, 64, 3), 90, np.uint8), np.ones((48, 64), np.float32), usual_camera(64, 48), 0.0)
    values = {"command": Command("go home", ((10.0, 20.0),)), "frames": (frame,), "reference": "home()",
              "grammar": lark(SOME), "signatures": SOME}  # fmt: skip
    return PlanRequest(**(values | more))  # type: ignore[arg-type]


def settings(path: Path, **more: object) -> TransformersSettings:
    return TransformersSettings(**({"path": str(path), "rewrites": 0, "max_new_tokens": 400} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("tokens", [40, 400])
def test_random_weights_under_the_grammar_never_leave_it(random_model: Path, tokens: int) -> None:
    import llguidance
    import llguidance.hf

    planner = TransformersPlanner(settings(random_model, constrained="required", max_new_tokens=tokens))
    assert planner.constrained
    text = planner._write(request(), 60.0)
    assert text.startswith('with task("')
    tokenizer = planner._tokenizer
    matcher = llguidance.LLMatcher(llguidance.hf.from_tokenizer(tokenizer, n_vocab=len(tokenizer)), lark(SOME))
    ids = tokenizer.encode(text.rstrip("\ufffd"), add_special_tokens=False)
    assert matcher.validate_tokens(ids) == len(ids)
    if matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting():
        parse(text)


def test_random_weights_without_the_grammar_are_a_clear_error(random_model: Path) -> None:
    planner = TransformersPlanner(settings(random_model, constrained="off", max_new_tokens=30))
    with pytest.raises(PlannerError, match="wrote no program"):
        planner.plan(request())


def test_a_model_that_knows_a_program_gives_it(taught_model: Path) -> None:
    plan = TransformersPlanner(settings(taught_model, constrained="off")).plan(request())
    assert plan.text == PROGRAM
    assert plan.timings["decode_s"] > 0


def test_a_model_without_chat_template_gets_a_plain_prompt(tmp_path: Path) -> None:
    folder = save_tiny_llava(tmp_path, template=False, says=PROGRAM)
    assert TransformersPlanner(settings(folder, constrained="off")).plan(request()).text == PROGRAM


def test_time_runs_out_in_words(random_model: Path) -> None:
    planner = TransformersPlanner(settings(random_model, constrained="off", timeout_s=0.1, rewrites=5))
    start = time.monotonic()
    with pytest.raises(PlannerError, match=r"within 0\.1 s|wrote no program"):
        planner.plan(request())
    assert time.monotonic() - start < 10


def test_a_prompt_too_long_for_the_model_is_refused(random_model: Path) -> None:
    planner = TransformersPlanner(settings(random_model))
    with pytest.raises(PlannerError, match="the model takes 32768"):
        planner.plan(request(reference="x" * 40_000))


def test_no_path_no_folder_and_no_model_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--model"):
        TransformersPlanner(TransformersSettings())
    with pytest.raises(WeightsError, match="never downloaded"):
        TransformersPlanner(settings(Path("llava-hf/llava-1.5-7b-hf")))
    with pytest.raises(WeightsError, match=r"no config\.json"):
        TransformersPlanner(settings(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(WeightsError, match="pickled weights are not read"):
        TransformersPlanner(settings(tmp_path))


@pytest.mark.parametrize("damage", ["truncated", "header", "config", "tokenizer"])
def test_a_damaged_model_is_named_with_its_damage(random_model: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(random_model, folder)
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    if damage == "truncated":
        weights.write_bytes(data[: len(data) // 2])
    elif damage == "header":
        weights.write_bytes(data[:8] + b"\xff" * (len(data) - 8))
    elif damage == "config":
        (folder / "config.json").write_text('{"model_type": "nothing-known"}')
    else:
        (folder / "tokenizer.json").write_text("{")
    words = {"truncated": "truncated", "header": "unreadable header"}.get(damage, "model|processor")
    with pytest.raises(WeightsError, match=words) as caught:
        TransformersPlanner(settings(folder))
    assert "\n" not in str(caught.value)


# A real server of somebody else's


@pytest.fixture(scope="module")
def server(taught_model: Path) -> Iterator[str]:
    pytest.importorskip("openai", reason="transformers serve needs transformers[serving]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(taught_model), "--device", "cpu",
               "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise AssertionError("the server did not come up within 90 s")


@pytest.mark.slow
def test_planner_plans_on_transformers_serve(server: str, taught_model: Path) -> None:
    planner = OpenAIPlanner(OpenAISettings(url=server, model=str(taught_model), timeout_s=60, rewrites=0))
    plan = planner.plan(request())
    assert plan.text == PROGRAM


@pytest.mark.slow
def test_wrong_model_name_on_transformers_serve_is_an_error_in_words(server: str) -> None:
    planner = OpenAIPlanner(OpenAISettings(url=server, timeout_s=60, rewrites=0, retries=0))
    with pytest.raises(PlannerError, match="--model"):
        planner.plan(request())

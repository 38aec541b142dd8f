"""The evaluation tells a program that acts from one that declines."""

import pytest

pytest.importorskip("torch", reason="needs the extra mllm")

from embodied_agent.training.evaluate import _opening


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('with task("pick up"):\n    pick(cube)\n', ""),
        ('with task("ask"):\n    ask("which cube do you mean?")\n', "ask"),
        ('with task("refuse"):\n    refuse("there is no cube here")\n', "refuse"),
    ],
)
def test_every_program_has_a_task_but_few_of_them_ask(text: str, told: str) -> None:
    assert _opening(text) == told

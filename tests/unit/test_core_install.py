"""The core must work where neither simulator nor torch is installed."""

import subprocess
import sys

HEAVY = (
    "mujoco",
    "mink",
    "ompl",
    "toppra",
    "ruckig",
    "open3d",
    "cv2",
    "scipy",
    "torch",
    "transformers",
    "gymnasium",
)


def run_without_heavy_packages(code: str) -> subprocess.CompletedProcess[str]:
    blocked = f"import sys; sys.modules.update({{name: None for name in {HEAVY!r}}})\n"
    return subprocess.run(
        [sys.executable, "-c", blocked + code], capture_output=True, text=True, timeout=120, check=False
    )


def test_signatures_grammar_and_checks_need_no_simulator() -> None:
    done = run_without_heavy_packages(
        "from embodied_agent.library import library\n"
        "from embodied_agent.program.check import check\n"
        "from embodied_agent.program.grammar import lark\n"
        "from embodied_agent.program.parse import parse\n"
        "known = library().signatures\n"
        'check(parse(\'with task("t"):\\n    cube = find("cube")\\n    pick(cube)\\n\'), known)\n'
        "print(len(known), len(lark(known)) > 1000)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "True"


def test_planners_over_http_need_no_simulator_and_no_torch() -> None:
    done = run_without_heavy_packages("from embodied_agent.planners.openai import OpenAIPlanner\nprint('ok')\n")
    assert done.returncode == 0, done.stderr

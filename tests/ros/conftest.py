"""Tests of several ROS processes in real time.

Every file has a domain of its own, so that files can run at the same time:
driver 20-29; what else there is names its domain at its top.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def ros(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """ROS in this very process, in the domain that the file names at its top."""
    before = dict(os.environ)
    os.environ |= {
        "ROS_DOMAIN_ID": str(request.module.DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(tmp_path_factory.mktemp("log")),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(Path(__file__).parents[2] / "configs/ros2/fastdds.xml"),
    }
    yield
    os.environ.clear()
    os.environ |= before


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several processes in real time on a machine that does other things too: a miss is tried again, and shown."""
    if config.pluginmanager.hasplugin("rerunfailures"):
        for item in items:
            if "/tests/ros/" in str(item.path):
                item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=2))

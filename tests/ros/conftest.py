"""Tests of several ROS processes in real time.

Every file has a domain of its own, so that files can run at the same time:
driver 20-29; what else there is names its domain at its top.
"""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several processes in real time on a machine that does other things too: a miss is tried again, and shown."""
    if config.pluginmanager.hasplugin("rerunfailures"):
        for item in items:
            if "/tests/ros/" in str(item.path):
                item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=2))

"""For every folder of the repository: `pytest --mine my.py`, and `pytest -n auto`."""

import os
from typing import Any

import pytest

pytest_plugins = ["tests.exercise.plugin"]

if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core, so one thread for each process
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """All tests of a file in one process, so that what they share is made once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)

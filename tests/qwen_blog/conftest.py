"""What all tests of qwen_blog share."""

import sys
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Nano models: a second thread waits longer than it works, far longer on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _fresh_models() -> Iterator[None]:
    """A notebook runs `check` many times: no model may keep the class of an earlier run."""
    _forget_models()
    yield
    _forget_models()


def _forget_models() -> None:
    reference = sys.modules.get("tests.qwen_blog.reference")
    if reference:
        reference.models.cache_clear()

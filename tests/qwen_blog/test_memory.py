"""What was freed goes back to the system."""

import sys

import pytest
import torch

from qwen_blog.memory import give_back_free_memory


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is done")
def test_freed_memory_goes_back() -> None:
    def resident_mb() -> float:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096 / 2**20

    pieces = [torch.ones(4000) for _ in range(20_000)]  # too small to be mapped one by one
    full = resident_mb()
    kept = pieces[-1]
    del pieces  # below `kept`, so the heap does not shrink by itself
    give_back_free_memory()
    assert resident_mb() < full - 200
    assert kept.sum() == 4000

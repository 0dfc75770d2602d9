"""Warm-up in a straight line, then half a cosine: as transformers' scheduler has it."""

import pytest
import torch
from transformers import get_cosine_with_min_lr_schedule_with_warmup

from qwen_blog.schedule import learning_rate


@pytest.mark.parametrize(("warmup", "steps", "ratio"), [(10, 50, 0.1), (1, 7, 0.0), (5, 6, 0.5)])
def test_it_is_the_rate_of_transformers(warmup: int, steps: int, ratio: float) -> None:
    """Theirs counts updates done, ours from 1: our last step has their rate after the last."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-3)
    schedule = get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, warmup, steps, min_lr_rate=ratio
    )
    for step in range(1, steps + 1):
        optimizer.step()
        schedule.step()
        got = learning_rate(step, steps, 3e-3, warmup, ratio)
        assert got == pytest.approx(schedule.get_last_lr()[0], rel=1e-9, abs=1e-15)


def test_it_begins_above_0_peaks_after_the_warmup_and_ends_at_the_least() -> None:
    rates = [learning_rate(step, 20, 1.0, 4, 0.1) for step in range(1, 21)]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[-1] == pytest.approx(0.1)


def test_a_run_may_have_no_warmup_or_nothing_else() -> None:
    assert [learning_rate(step, 2, 1.0, 0) for step in (1, 2)] == pytest.approx([0.5, 0.0])
    assert [learning_rate(step, 2, 1.0, 2) for step in (1, 2)] == pytest.approx([0.5, 1.0])


@pytest.mark.parametrize("step", [0, 11])
def test_steps_outside_the_run_are_refused(step: int) -> None:
    with pytest.raises(ValueError, match=rf"step={step} must be in \[1, steps=10\]"):
        learning_rate(step, 10, 1.0, 2)

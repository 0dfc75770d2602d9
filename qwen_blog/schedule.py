"""The learning rate: up in a straight line, then down along half a cosine.

Sources: Loshchilov and Hutter 2016, "SGDR" (arXiv:1608.03983), eq. 5, without restarts; warm-up:
Goyal et al. 2017 (arXiv:1706.02677), section 2.2. Chapter 24 draws it.
"""

import math


def learning_rate(
    step: int, steps: int, peak: float, warmup_steps: int, min_ratio: float = 0.0
) -> float:
    """The rate of one step; step counts from 1.

    Step `warmup_steps` is the first with the full `peak`, step `steps` the one with
    `min_ratio * peak`. ValueError if step is not in [1, steps].
    """
    if not 1 <= step <= steps:
        raise ValueError(f"step={step} must be in [1, steps={steps}]")
    if step < warmup_steps:
        return peak * step / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)  # in [0, 1]
    return peak * (min_ratio + (1 - min_ratio) * (1 + math.cos(math.pi * done)) / 2)

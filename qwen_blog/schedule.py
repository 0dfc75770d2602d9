"""The learning rate: up in a straight line, then down along half a cosine.

Sources: Loshchilov and Hutter 2016, "SGDR" (arXiv:1608.03983), eq. 5, without restarts; warm-up:
Goyal et al. 2017 (arXiv:1706.02677), section 2.2. Chapter 24 draws it.
"""

import math


def learning_rate(
    step: int, steps: int, peak: float, warmup_steps: int, min_ratio: float = 0.0
) -> float:
    """The rate of one step; step counts from 1.

    A straight line from 0 (at step 0) to the full `peak` at step `warmup_steps`, then half a cosine
    down to `min_ratio * peak` at step `steps`. Without a warm-up the cosine begins at step 0;
    a run of nothing but warm-up ends at the peak. ValueError if step is not in [1, steps].
    """
    if not 1 <= step <= steps:
        raise ValueError(f"step={step} must be in [1, steps={steps}]")
    if step < warmup_steps:
        return peak * step / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)  # in [0, 1]
    return peak * (min_ratio + (1 - min_ratio) * (1 + math.cos(math.pi * done)) / 2)

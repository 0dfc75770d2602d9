"""The learning rate: up in a straight line, then down with the square root of the step.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 5.3, eq. 3. Chapter 13 draws it.
"""


def learning_rate(step: int, d_model: int, warmup_steps: int, factor: float = 1.0) -> float:
    """factor * d_model^-0.5 * min(step^-0.5, step * warmup_steps^-1.5).

    step: counted from 1 · factor: 1.0 in the paper; ours to turn for other models and batches
    Highest at step = warmup_steps, with factor / sqrt(d_model * warmup_steps).
    ValueError if step, d_model or warmup_steps is below 1.
    """
    for name, value in (("step", step), ("d_model", d_model), ("warmup_steps", warmup_steps)):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1 (steps count from 1)")
    return factor * d_model**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)

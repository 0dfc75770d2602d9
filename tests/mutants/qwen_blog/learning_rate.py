import math


# %% right
def learning_rate(step, steps, peak, warmup_steps, min_ratio=0.0):
    if step < 1 or step > steps:
        raise ValueError(f"step {step} is not one of 1 to {steps}")
    if step <= warmup_steps:
        return peak / warmup_steps * step
    left = (steps - step) / max(1, steps - warmup_steps)  # from 1 down to 0
    least = min_ratio * peak
    return least + (peak - least) * math.sin(math.pi / 2 * left) ** 2


# %% wrong: the warm-up begins with a rate of zero
def learning_rate(step, steps, peak, warmup_steps, min_ratio=0.0):
    if step <= warmup_steps:
        return peak * (step - 1) / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * (min_ratio + (1 - min_ratio) * (1 + math.cos(math.pi * done)) / 2)


# %% wrong: the cosine counts the warm-up's steps, too
def learning_rate(step, steps, peak, warmup_steps, min_ratio=0.0):
    if step < warmup_steps:
        return peak * step / warmup_steps
    done = step / steps
    return peak * (min_ratio + (1 - min_ratio) * (1 + math.cos(math.pi * done)) / 2)


# %% wrong: the least rate is added, and the peak is higher than asked for
def learning_rate(step, steps, peak, warmup_steps, min_ratio=0.0):
    if step < warmup_steps:
        return peak * step / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * (min_ratio + (1 + math.cos(math.pi * done)) / 2)


# %% wrong: a straight line down, and no cosine
def learning_rate(step, steps, peak, warmup_steps, min_ratio=0.0):
    if step < warmup_steps:
        return peak * step / warmup_steps
    done = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * (1 - (1 - min_ratio) * done)

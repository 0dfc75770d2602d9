import torch

from qwen_blog.rope import yarn_frequencies


# %% right
def rope_frequencies(config):
    half = config.head_dim // 2
    periods = [config.rope_theta ** (i / half) for i in range(half)]
    if config.rope_scaling is not None:
        return yarn_frequencies(torch.tensor(periods), config.rope_theta, config.rope_scaling)
    return torch.tensor([1 / period for period in periods]), 1.0


# %% wrong: the exponent is i/Dh and not 2i/Dh
def rope_frequencies(config):
    i = torch.arange(config.head_dim // 2, dtype=torch.float32)
    periods = config.rope_theta ** (i / config.head_dim)
    if config.rope_scaling is not None:
        return yarn_frequencies(periods, config.rope_theta, config.rope_scaling)
    return 1 / periods, 1.0


# %% wrong: the width of the model in place of that of a head
def rope_frequencies(config):
    two_i = torch.arange(0, config.head_dim, 2, dtype=torch.float32)
    periods = config.rope_theta ** (two_i / config.hidden_size)
    if config.rope_scaling is not None:
        return yarn_frequencies(periods, config.rope_theta, config.rope_scaling)
    return 1 / periods, 1.0


# %% wrong: a base of 10,000, whatever the config says
def rope_frequencies(config):
    two_i = torch.arange(0, config.head_dim, 2, dtype=torch.float32)
    periods = 10_000.0 ** (two_i / config.head_dim)
    if config.rope_scaling is not None:
        return yarn_frequencies(periods, config.rope_theta, config.rope_scaling)
    return 1 / periods, 1.0


# %% wrong: the scaling is forgotten
def rope_frequencies(config):
    two_i = torch.arange(0, config.head_dim, 2, dtype=torch.float32)
    return config.rope_theta ** (-two_i / config.head_dim), 1.0

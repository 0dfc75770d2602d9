import torch


# %% right
def rotate_half(x):
    half = x.shape[-1] // 2
    signs = torch.ones(x.shape[-1], dtype=x.dtype, device=x.device)
    signs[:half] = -1
    return x.roll(half, dims=-1) * signs


# %% wrong: neighbours are taken for pairs, as in the paper's layout
def rotate_half(x):
    return torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)


# %% wrong: a turn by 90 degrees the other way
def rotate_half(x):
    x1, x2 = x.chunk(2, dim=-1)
    return torch.cat((x2, -x1), dim=-1)


# %% wrong: the halves change places and no sign changes
def rotate_half(x):
    x1, x2 = x.chunk(2, dim=-1)
    return torch.cat((x2, x1), dim=-1)

import torch


# %% right
def repeat_kv(x, groups):
    reads = torch.arange(x.shape[1] * groups, device=x.device) // groups
    return x[:, reads]


# %% wrong: the heads in turn, 0 1 0 1, and not 0 0 1 1
def repeat_kv(x, groups):
    return x.repeat(1, groups, 1, 1)


# %% wrong: the axes are swapped by the last reshape
def repeat_kv(x, groups):
    B, K, S, Dh = x.shape
    return x[:, None].expand(B, groups, K, S, Dh).reshape(B, K * groups, S, Dh)


# %% wrong: places are repeated in the place of heads
def repeat_kv(x, groups):
    B, K, S, Dh = x.shape
    return x.repeat_interleave(groups, dim=2).reshape(B, K * groups, S, Dh)

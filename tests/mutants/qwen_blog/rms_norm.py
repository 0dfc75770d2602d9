import torch


# %% right
def rms_norm(x, weight, eps):
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    scale = (length**2 / x.shape[-1] + eps) ** -0.5
    return (wide * scale).to(x.dtype) * weight


# %% wrong: eps is added after the root
def rms_norm(x, weight, eps):
    wide = x.float()
    rms = wide.square().mean(-1, keepdim=True).sqrt() + eps
    return weight * (wide / rms).to(x.dtype)


# %% wrong: the mean is taken off first, as in LayerNorm
def rms_norm(x, weight, eps):
    wide = x.float()
    wide = wide - wide.mean(-1, keepdim=True)
    return weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


# %% wrong: the sum of the squares instead of their mean
def rms_norm(x, weight, eps):
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.square().sum(-1, keepdim=True) + eps)).to(x.dtype)


# %% wrong: squares in half precision vanish
def rms_norm(x, weight, eps):
    return weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps))

import math

import torch

from qwen_blog.attention import repeat_kv


# %% right
def eager_attention(q, k, v, mask=None, dropout=0.0):
    B, H, T, Dh = q.shape
    K, S = k.shape[1], k.shape[2]
    grouped = q.reshape(B, K, H // K, T, Dh)
    scores = torch.einsum("bkgtd,bksd->bkgts", grouped, k) / math.sqrt(Dh)
    if mask is None:
        mask = torch.ones(1, 1, T, S, dtype=torch.bool, device=q.device).tril(S - T)
    scores = torch.where(mask[:, :, None], scores, -math.inf)
    scores = scores.to(torch.promote_types(q.dtype, torch.float32))
    powers = torch.exp(scores - scores.amax(-1, keepdim=True))
    weights = (powers / powers.sum(-1, keepdim=True)).to(q.dtype)
    if dropout:
        weights = weights * (torch.rand_like(weights) >= dropout) / (1 - dropout)
    out = torch.einsum("bkgts,bksd->bkgtd", weights, v)
    return out.reshape(B, H, T, Dh), weights.reshape(B, H, T, S)


# %% wrong: scores are not scaled
def eager_attention(q, k, v, mask=None, dropout=0.0):
    groups = q.shape[1] // k.shape[1]
    k, v = repeat_kv(k, groups), repeat_kv(v, groups)
    if mask is None:
        mask = torch.ones(q.shape[2], k.shape[2]).tril(k.shape[2] - q.shape[2]).bool()
    weights = (q @ k.mT).masked_fill(~mask, -math.inf).softmax(-1)
    weights = torch.dropout(weights, dropout, True)
    return weights @ v, weights


# %% wrong: scaled by the head's width, not by its root
def eager_attention(q, k, v, mask=None, dropout=0.0):
    groups = q.shape[1] // k.shape[1]
    k, v = repeat_kv(k, groups), repeat_kv(v, groups)
    if mask is None:
        mask = torch.ones(q.shape[2], k.shape[2]).tril(k.shape[2] - q.shape[2]).bool()
    weights = (q @ k.mT / q.shape[-1]).masked_fill(~mask, -math.inf).softmax(-1)
    weights = torch.dropout(weights, dropout, True)
    return weights @ v, weights


# %% wrong: masked weights are set to zero after the softmax
def eager_attention(q, k, v, mask=None, dropout=0.0):
    groups = q.shape[1] // k.shape[1]
    k, v = repeat_kv(k, groups), repeat_kv(v, groups)
    if mask is None:
        mask = torch.ones(q.shape[2], k.shape[2]).tril(k.shape[2] - q.shape[2]).bool()
    weights = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1).masked_fill(~mask, 0)
    weights = torch.dropout(weights, dropout, True)
    return weights @ v, weights


# %% wrong: behind a cache, the causal mask is in the wrong corner
def eager_attention(q, k, v, mask=None, dropout=0.0):
    groups = q.shape[1] // k.shape[1]
    k, v = repeat_kv(k, groups), repeat_kv(v, groups)
    if mask is None:
        mask = torch.ones(q.shape[2], k.shape[2]).tril().bool()
    weights = (q @ k.mT * q.shape[-1] ** -0.5).masked_fill(~mask, -math.inf).softmax(-1)
    weights = torch.dropout(weights, dropout, True)
    return weights @ v, weights

import math

import torch
import torch.nn.functional as F


# %% right
def scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0):
    scores = torch.einsum("bhtd,bhsd->bhts", q, k) / math.sqrt(q.size(-1))
    allowed = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
    allowed = allowed.expand_as(scores)
    top = scores.masked_fill(~allowed, -math.inf).amax(-1, keepdim=True).detach()
    top = torch.where(top.isfinite(), top, torch.zeros_like(top))
    powers = torch.exp((scores - top).masked_fill(~allowed, -math.inf))
    total = powers.sum(-1, keepdim=True)
    weights = powers / torch.where(total > 0, total, torch.ones_like(total))
    if dropout:
        weights = weights * (torch.rand(weights.shape) >= dropout) / (1 - dropout)
    return torch.einsum("bhts,bhsd->bhtd", weights, v), weights


# %% wrong: scores are divided by Dh, not by its root
def scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0):
    scores = q @ k.transpose(-2, -1) / q.shape[-1]
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    weights = F.dropout(weights, dropout)
    return weights @ v, weights


# %% wrong: softmax goes over the queries
def scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-2)
    if mask is not None:
        weights = weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    weights = F.dropout(weights, dropout)
    return weights @ v, weights


# %% wrong: the mask comes after softmax, and the rest does not sum to 1
def scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0):
    weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    weights = F.dropout(weights, dropout)
    return weights @ v, weights


# %% wrong: a query that may look at nothing gets NaN
def scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = F.dropout(scores.softmax(dim=-1), dropout)
    return weights @ v, weights


# %% wrong: a query that may look at nothing looks at everything alike
def scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = F.dropout(scores.softmax(dim=-1), dropout)
    return weights @ v, weights


# %% wrong: dropout falls on the output instead of the weights
def scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return F.dropout(weights @ v, dropout), weights

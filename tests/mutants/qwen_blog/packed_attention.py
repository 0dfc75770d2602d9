import torch
import torch.nn.functional as F

from qwen_blog.attention import causal_mask, sdpa_attention


# %% right
def packed_attention(q, k, v, lengths, window=None):
    T, groups = q.shape[2], q.shape[1] // k.shape[1]
    blocks = torch.block_diag(*(torch.ones(n, n, device=q.device).tril() for n in lengths)).bool()
    if window is not None:
        blocks = blocks.triu(1 - window)
    k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~blocks.view(1, 1, T, T), -torch.inf)
    return scores.softmax(-1) @ v


# %% wrong: a sample sees the samples before it
def packed_attention(q, k, v, lengths, window=None):
    T = q.shape[2]
    return sdpa_attention(q, k, v, causal_mask(T, T, sliding_window=window))


# %% wrong: a token sees the later tokens of its own sample
def packed_attention(q, k, v, lengths, window=None):
    blocks = torch.block_diag(*(torch.ones(n, n) for n in lengths)).bool()
    if window is not None:
        blocks = blocks.triu(1 - window)
    return F.scaled_dot_product_attention(q, k, v, blocks, enable_gqa=True)


# %% wrong: the window is forgotten
def packed_attention(q, k, v, lengths, window=None):
    parts = zip(q.split(lengths, 2), k.split(lengths, 2), v.split(lengths, 2), strict=True)
    return torch.cat([sdpa_attention(*part) for part in parts], dim=2)


# %% wrong: with a window, a token sees later ones
def packed_attention(q, k, v, lengths, window=None):
    parts = zip(q.split(lengths, 2), k.split(lengths, 2), v.split(lengths, 2), strict=True)
    out = []
    for part in parts:
        L = part[0].shape[2]
        near = torch.ones(L, L, dtype=torch.bool).triu(1 - (window or L))
        out.append(sdpa_attention(*part, near if window else None))
    return torch.cat(out, dim=2)

import math

import torch
import torch.nn.functional as F


# %% right
def decode_attention(q, k, v, mask=None):
    H, Dh = q.shape[1], q.shape[3]
    K, S = k.shape[1], k.shape[2]
    outs = []
    for h in range(H):  # a query head after the other, each with the keys it shares
        keys, values = k[:, h * K // H], v[:, h * K // H]  # (B, S, Dh)
        scores = (q[:, h] @ keys.mT).float() / math.sqrt(Dh)  # (B, 1, S)
        if q.dtype == torch.float64:
            scores = q[:, h] @ keys.mT / math.sqrt(Dh)
        if mask is not None:
            scores = scores.masked_fill(~mask.view(-1, 1, S), -math.inf)
        outs.append(scores.softmax(-1).to(v.dtype) @ values)
    return torch.stack(outs, dim=1)


# %% wrong: the heads of a group are not neighbours
def decode_attention(q, k, v, mask=None):
    B, H, _, Dh = q.shape
    K = k.shape[1]
    grouped = q.reshape(B, H // K, K, Dh).transpose(1, 2)
    out = F.scaled_dot_product_attention(grouped, k, v, mask)
    return out.transpose(1, 2).reshape(B, H, 1, Dh)


# %% wrong: the mask is forgotten
def decode_attention(q, k, v, mask=None):
    B, H, _, Dh = q.shape
    out = F.scaled_dot_product_attention(q.view(B, k.shape[1], -1, Dh), k, v)
    return out.reshape(B, H, 1, Dh)


# %% wrong: causal, as if the heads of a group were real time steps
def decode_attention(q, k, v, mask=None):
    B, H, _, Dh = q.shape
    K, S = k.shape[1], k.shape[2]
    grouped = q.view(B, K, H // K, Dh)
    causal = torch.ones(H // K, S, dtype=torch.bool).tril(S - H // K)
    causal[:, 0] = True
    out = F.scaled_dot_product_attention(grouped, k, v, causal if mask is None else causal & mask)
    return out.reshape(B, H, 1, Dh)

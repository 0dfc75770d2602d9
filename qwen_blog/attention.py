"""Grouped-query attention: who looks at whom (the mask), how much (softmax), and what is taken.

Sources: Vaswani et al. 2017 (arXiv:1706.03762), eq. 1; GQA: Ainslie et al. 2023
(arXiv:2305.13245); sliding windows: Beltagy et al. 2020 (arXiv:2004.05150). Chapter 22.

Three paths give the same numbers: `eager_attention` is the formula on the page and the only one
that can show its weights; `sdpa_attention` is torch's fused form of it; `decode_attention` is the
fused form for one new token against a cache.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cache import KVCache
from .config import Qwen2Config
from .linear import Linear
from .rope import apply_rotary_pos_emb

CHUNK = 64  # queries; smaller wastes calls, larger wastes scores of the future


def causal_mask(
    T: int,
    S: int,
    attention_mask: Tensor | None = None,
    sliding_window: int | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Which of S keys each of the T newest queries may look at.

    attention_mask: (B, S) bool, True at real tokens, False at padding
    sliding_window: how many keys a query sees, its own included
    returns (B or 1, 1, T, S) bool, True where looking is allowed

    Query t stands at place S - T + t. It sees no later place, no padding, and nothing further back
    than the window. Every query sees itself, also a padded one: a row with nothing to look at
    would be softmax of all -inf, which is NaN.
    """
    places = torch.arange(S, device=device)
    distance = places[S - T :, None] - places[None, :]  # (T, S), how far back the key lies
    allowed = distance >= 0
    if sliding_window is not None:
        allowed &= distance < sliding_window
    if attention_mask is None:
        return allowed[None, None]  # (T, S) -> (1, 1, T, S)
    allowed = allowed & attention_mask[:, None, :] | (distance == 0)  # (B, T, S)
    return allowed[:, None]  # (B, T, S) -> (B, 1, T, S)


def repeat_kv(x: Tensor, groups: int) -> Tensor:
    """Give each query head its own copy of the key/value head that it shares.

    x: (B, K, S, Dh) -> (B, K*groups, S, Dh), each head repeated `groups` times in a row:
    0 0 0 1 1 1, not 0 1 0 1 0 1. Query head h reads key/value head h // groups.
    """
    B, K, S, Dh = x.shape
    x = x[:, :, None].expand(B, K, groups, S, Dh)  # a view: no copy yet
    return x.reshape(B, K * groups, S, Dh)  # copies: no strides can describe the result


def eager_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """softmax(q k^T / sqrt(Dh)) v, step by step.

    q: (B, H, T, Dh) · k, v: (B, K, S, Dh) · mask: (B or 1, 1, T, S) bool, True = may look;
    None = causal
    dropout: share of the weights that is set to 0, the others divided by 1 - dropout
    returns out: (B, H, T, Dh) and weights: (B, H, T, S) after dropout, of q's dtype; without
    dropout a row sums to 1. Query head h reads key/value head h // (H/K), and the newest of the T
    queries stands where the last key does. Softmax in float32 at least.
    Vaswani et al. 2017, eq. 1.
    """
    groups = q.shape[1] // k.shape[1]
    k, v = repeat_kv(k, groups), repeat_kv(v, groups)  # (B, K, S, Dh) -> (B, H, S, Dh)
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, H, T, S)
    if mask is None:
        mask = causal_mask(q.shape[2], k.shape[2], device=q.device)
    scores = scores.masked_fill(~mask, float("-inf"))
    # fp32: in bf16 the many small weights of a long row would not sum to 1
    weights = scores.softmax(dim=-1, dtype=torch.promote_types(q.dtype, torch.float32)).to(q.dtype)
    weights = F.dropout(weights, dropout) if dropout else weights
    return weights @ v, weights


def sdpa_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """The same through torch's fused kernel, which never holds all (T, S) weights.

    Shapes as in `eager_attention`; mask None = causal.
    """
    T, S = q.shape[2], k.shape[2]
    gqa = q.shape[1] != k.shape[1]
    if mask is None and 1 < T < S:  # torch's is_causal would let query 0 see key 0 and no more
        mask = causal_mask(T, S, device=q.device)
    chunks = T > CHUNK and q.device.type == "cpu" and not torch.is_grad_enabled()
    if mask is None and chunks and not dropout:
        return _causal_in_chunks(q, k, v, gqa)
    causal = mask is None and T > 1
    return F.scaled_dot_product_attention(q, k, v, mask, dropout, causal, enable_gqa=gqa)


def _causal_in_chunks(q: Tensor, k: Tensor, v: Tensor, gqa: bool) -> Tensor:
    """Causal attention of `CHUNK` queries at a time, each chunk against the keys it may see.

    On a CPU the fused kernel skips the future only in blocks of some 500 keys, and works out the
    rest of it to discard it: prompts of up to about 1,000 tokens gain.
    """
    chunks = []
    for start in range(0, q.shape[2], CHUNK):
        rows, seen = q[:, :, start : start + CHUNK], min(start + CHUNK, q.shape[2])
        mask = causal_mask(rows.shape[2], seen, device=q.device)  # (1, 1, rows, seen)
        past = k[:, :, :seen], v[:, :, :seen]  # (B, K, seen, Dh)
        chunks.append(F.scaled_dot_product_attention(rows, *past, mask, enable_gqa=gqa))
    return torch.cat(chunks, dim=2)  # (B, H, T, Dh)


def decode_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(Dh)) v for one new token, where reading k and v once is what matters.

    q: (B, H, 1, Dh) · k, v: (B, K, S, Dh) · mask: (B or 1, 1, 1, S) bool, True = may look;
    None = at all S keys
    returns (B, H, 1, Dh)

    The G = H/K query heads of a group look at the same keys, just as G time steps of one head
    would: a reshape of the small q takes the place of copying the large k and v.
    """
    B, H, _, Dh = q.shape
    K = k.shape[1]
    q = q.view(B, K, H // K, Dh)  # (B, H, 1, Dh) -> (B, K, G, Dh)
    out = F.scaled_dot_product_attention(q, k, v, mask)  # (B, K, G, Dh); mask: (B, 1, 1, S)
    return out.reshape(B, H, 1, Dh)  # (B, K, G, Dh) -> (B, H, 1, Dh)


class Attention(nn.Module):
    """Grouped-query self-attention with rotary positions. Biases on q, k, v only, as in Qwen2."""

    def __init__(self, config: Qwen2Config, layer_idx: int) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.head_dim = config.head_dim
        self.dropout = config.attention_dropout
        kv_width = config.num_key_value_heads * config.head_dim
        self.q_proj = Linear(config.hidden_size, config.hidden_size, bias=True)
        self.k_proj = Linear(config.hidden_size, kv_width, bias=True)
        self.v_proj = Linear(config.hidden_size, kv_width, bias=True)
        self.o_proj = Linear(config.hidden_size, config.hidden_size, bias=False)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, T, heads*Dh) -> (B, heads, T, Dh)."""
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x: (B, T, D) -> rotated q: (B, H, T, Dh), rotated k: (B, K, T, Dh), v: (B, K, T, Dh)."""
        q = self.split_heads(self.q_proj(x))  # (B, T, D) -> (B, H, T, Dh)
        k = self.split_heads(self.k_proj(x))  # (B, T, D) -> (B, K, T, Dh)
        v = self.split_heads(self.v_proj(x))  # (B, T, D) -> (B, K, T, Dh)
        return *apply_rotary_pos_emb(q, k, cos, sin), v

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from T new tokens to those tokens and the cached ones.

        x: (B, T, D) · cos, sin: (B or 1, 1, T, Dh) · mask: (B or 1, 1, T, S) bool, None = causal

        returns (B, T, D), and the weights (B, H, T, S) if asked for
        """
        q, k, v = self.project(x, cos, sin)
        if cache is not None:
            k, v = cache.update(self.layer_idx, k, v)  # (B, K, T, Dh) -> (B, K, S, Dh)
        weights, dropout = None, self.dropout if self.training else 0.0
        if output_attentions:
            out, weights = eager_attention(q, k, v, mask, dropout)
        elif x.shape[1] == 1 and not dropout:
            out = decode_attention(q, k, v, mask)
        else:
            out = sdpa_attention(q, k, v, mask, dropout)
        out = out.transpose(1, 2).flatten(2)  # (B, H, T, Dh) -> (B, T, H*Dh)
        return self.o_proj(out), weights

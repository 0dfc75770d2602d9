"""Attention: a query asks, keys answer how well they match, values are mixed accordingly.

Source: Vaswani et al. 2017 (arXiv:1706.03762), sections 3.2.1 to 3.2.3. Chapter 11.

Masks are bool and True where looking is allowed. `scaled_dot_product_attention` is the formula on
the page and can show its weights; torch's fused form gives the same numbers and keeps no weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cache import LayerCache
from .config import TransformerConfig


def padding_mask(ids: Tensor, pad_id: int) -> Tensor:
    """Real tokens may be looked at, padding may not. ids: (B, S) -> (B, 1, 1, S) bool."""
    return (ids != pad_id)[:, None, None, :]


def causal_mask(T: int, S: int | None = None, device: torch.device | str = "cpu") -> Tensor:
    """A query sees its own position and earlier ones: -> (1, 1, T, S) bool, lower triangular.

    S: how many keys, at least T; the T queries are the last T positions. None: S = T.
    ValueError if S is below T.
    """
    S = T if S is None else S
    if S < T:
        raise ValueError(f"S={S} keys are fewer than T={T} queries: no query may lack its own key")
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)[None, None]


def scaled_dot_product_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """softmax(q k^T / sqrt(Dh)) v: section 3.2.1, eq. 1.

    q: (B, H, T, Dh) · k, v: (B, H, S, Dh) · mask: bool, broadcasts to (B, H, T, S), True = may look
    dropout: the share of weights that become 0; the others grow by 1 / (1 - dropout)
    returns out: (B, H, T, Dh) and weights: (B, H, T, S), whose rows sum to 1 before dropout.
    A query that may look at nothing gets weights of 0, and so the zero vector, never NaN.
    """
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, H, T, S)
    if mask is not None:
        # the lowest number, not -inf: softmax over a row of -inf is NaN
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    weights = F.dropout(weights, dropout) if dropout else weights
    return weights @ v, weights


class MultiHeadAttention(nn.Module):
    """H attentions side by side, each in its own projection of D to Dh = D / H: section 3.2.2.

    q_proj, k_proj, v_proj, o_proj: nn.Linear(D, D), with biases if config.attention_bias; head h
    owns the outputs h*Dh to (h+1)*Dh - 1 of the first three. config.attention_dropout falls on the
    weights, in training only.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        D, bias = config.d_model, config.attention_bias
        self.num_heads = config.num_heads
        self.dropout = config.attention_dropout
        self.q_proj = nn.Linear(D, D, bias)  # all W_i^Q side by side: (D, Dh) * H
        self.k_proj = nn.Linear(D, D, bias)
        self.v_proj = nn.Linear(D, D, bias)
        self.o_proj = nn.Linear(D, D, bias)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, T, H*Dh) -> (B, H, T, Dh)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def keys_values(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """What can be looked at: (B, S, D) -> keys and values, (B, H, S, Dh) each."""
        return self.split_heads(self.k_proj(source)), self.split_heads(self.v_proj(source))

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        cache: LayerCache | None = None,
        attentions: list[Tensor] | None = None,
    ) -> Tensor:
        """Queries from x look at keys and values from x itself, or from `memory` (cross-attention).

        x: (B, T, D) · memory: (B, S, D) or None · mask: broadcasts to (B, H, T, S), True = may look
        cache: None, or what earlier steps have left (chapter 13): `cache.append(k, v)` adds this
        step's keys and values and returns those of all steps; those of `memory` never change, so
        the first step puts them in `cache.cross`, as a pair, and later ones take them from there
        attentions: a list to which the weights (B, H, T, S) are added; without it torch's fused
        form runs, which keeps none
        returns (B, T, D)
        """
        q = self.split_heads(self.q_proj(x))  # (B, T, D) -> (B, H, T, Dh)
        if memory is None:
            k, v = self.keys_values(x)
            if cache is not None:
                k, v = cache.append(k, v)  # those of earlier tokens come in front
        elif cache is None:
            k, v = self.keys_values(memory)
        else:
            if cache.cross is None:
                k, v = self.keys_values(memory)
                cache.cross = k.contiguous(), v.contiguous()  # read at every step from here on
            k, v = cache.cross
        dropout = self.dropout if self.training else 0.0
        if attentions is None and not _formula_is_faster(q):
            out = F.scaled_dot_product_attention(q, k, v, mask, dropout)  # (B, H, T, Dh)
        else:
            out, weights = scaled_dot_product_attention(q, k, v, mask, dropout)
            if attentions is not None:
                attentions.append(weights)
        return self.o_proj(out.transpose(1, 2).flatten(2))  # (B, H, T, Dh) -> (B, T, H*Dh)


def _formula_is_faster(q: Tensor) -> bool:
    """Training in bfloat16 on a CPU: torch's fused form takes 1.4 to 8 times as long there."""
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and torch.is_grad_enabled()

import math

import torch
from torch import nn

from tiny_transformer.attention import scaled_dot_product_attention


class Base(nn.Module):
    """What the wrong ones share; each of them changes one method."""

    def __init__(self, config):
        super().__init__()
        self.num_heads, self.width = config.num_heads, config.d_model // config.num_heads
        self.dropout = config.attention_dropout
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            linear = nn.Linear(config.d_model, config.d_model, bias=config.attention_bias)
            self.add_module(name, linear)

    def split_heads(self, x):
        B, T, _ = x.shape
        return x.view(B, T, self.num_heads, self.width).transpose(1, 2)

    def join_heads(self, x):
        return x.transpose(1, 2).flatten(2)

    def keys_values(self, source):
        return self.split_heads(self.k_proj(source)), self.split_heads(self.v_proj(source))

    def recalled(self, x, memory, cache):
        if memory is None:
            k, v = self.keys_values(x)
            return (k, v) if cache is None else cache.append(k, v)
        if cache is None:
            return self.keys_values(memory)
        if cache.cross is None:
            cache.cross = self.keys_values(memory)
        return cache.cross

    def share(self):
        return self.dropout if self.training else 0.0

    def attend(self, q, k, v, mask):
        return scaled_dot_product_attention(q, k, v, mask, self.share())

    def forward(self, x, memory=None, mask=None, cache=None, attentions=None):
        k, v = self.recalled(x, memory, cache)
        out, weights = self.attend(self.split_heads(self.q_proj(x)), k, v, mask)
        if attentions is not None:
            attentions.append(weights)
        return self.o_proj(self.join_heads(out))


# %% right
class MultiHeadAttention(nn.Module):
    """Each head by itself, with its own rows of the matrices, as the paper writes it."""

    def __init__(self, config):
        super().__init__()
        self.num_heads = config.num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(config.d_model, config.d_model, bias=config.attention_bias) for _ in range(4)
        )
        self.drop = nn.Dropout(config.attention_dropout)

    def split_heads(self, x):
        return torch.stack(x.chunk(self.num_heads, dim=-1), dim=1)

    def keys_values(self, source):
        return tuple(self.split_heads(proj(source)) for proj in (self.k_proj, self.v_proj))

    def forward(self, x, memory=None, mask=None, cache=None, attentions=None):
        if cache is None:
            keys, values = self.keys_values(x if memory is None else memory)
        elif memory is None:
            keys, values = cache.append(*self.keys_values(x))
        else:
            cache.cross = cache.cross or self.keys_values(memory)
            keys, values = cache.cross
        queries = self.split_heads(self.q_proj(x))
        scores = torch.einsum("bhtd,bhsd->bhts", queries, keys) / math.sqrt(queries.size(-1))
        if mask is not None:
            scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        if mask is not None:
            weights = weights * mask.any(-1, keepdim=True)
        weights = self.drop(weights)
        if attentions is not None:
            attentions.append(weights)
        heads = (weights @ values).unbind(1)  # H times (B, T, Dh)
        return self.o_proj(torch.cat(heads, dim=-1))


# %% wrong: view without transpose, so that a head mixes several tokens
class MultiHeadAttention(Base):
    def split_heads(self, x):
        B, T, _ = x.shape
        return x.view(B, self.num_heads, T, self.width)

    def join_heads(self, x):
        B, H, T, Dh = x.shape
        return x.reshape(B, T, H * Dh)


# %% wrong: heads are joined without going back to (B, T, H, Dh)
class MultiHeadAttention(Base):
    def join_heads(self, x):
        B, H, T, Dh = x.shape
        return x.reshape(B, T, H * Dh)


# %% wrong: a head takes every H-th number instead of Dh in a row
class MultiHeadAttention(Base):
    def split_heads(self, x):
        B, T, _ = x.shape
        return x.view(B, T, self.width, self.num_heads).permute(0, 3, 1, 2)

    def join_heads(self, x):
        return x.permute(0, 2, 3, 1).flatten(2)


# %% wrong: scaled by the width of the model instead of a head's
class MultiHeadAttention(Base):
    def attend(self, q, k, v, mask):
        return super().attend(q / self.num_heads**0.5, k, v, mask)


# %% wrong: cross-attention takes its values from x
class MultiHeadAttention(Base):
    def recalled(self, x, memory, cache):
        k, v = super().recalled(x, memory, cache)
        if memory is not None and memory.shape == x.shape:
            v = self.keys_values(x)[1]
        return k, v


# %% wrong: with a cache a token sees itself only
class MultiHeadAttention(Base):
    def recalled(self, x, memory, cache):
        if memory is None:
            return self.keys_values(x)
        return super().recalled(x, memory, cache)


# %% wrong: dropout stays on in eval
class MultiHeadAttention(Base):
    def share(self):
        return self.dropout


# %% wrong: the biases are always there
class MultiHeadAttention(Base):
    def __init__(self, config):
        super().__init__(config)
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            self.add_module(name, nn.Linear(config.d_model, config.d_model))


# %% wrong: no matrix joins the heads at the end
class MultiHeadAttention(Base):
    def forward(self, x, memory=None, mask=None, cache=None, attentions=None):
        k, v = self.recalled(x, memory, cache)
        out, weights = self.attend(self.split_heads(self.q_proj(x)), k, v, mask)
        if attentions is not None:
            attentions.append(weights)
        return self.join_heads(out)

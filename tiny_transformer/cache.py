"""The KV cache of a decoder: keys and values that the next token needs again, computed once.

Two kinds in every layer. Self-attention: each new token adds its own keys and values behind those
of the tokens before it. Cross-attention: those of the encoder's output never change, so the first
step computes them and all others read them. Chapter 13.
"""

from typing import Self

import torch
from torch import Tensor

from .config import TransformerConfig


class LayerCache:
    """What one decoder layer keeps.

    keys, values: (B, H, max_length, Dh), filled up to `length`
    cross: keys and values of the source, (B, H, S, Dh) each, once they are computed
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys, self.values = keys, values
        self.cross: tuple[Tensor, Tensor] | None = None
        self.length = 0

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write k, v: (B, H, T, Dh) behind the old ones, in place.

        returns views of all so far: (B, H, length, Dh)
        """
        end = self.length + k.shape[2]
        if end > self.keys.shape[2]:
            raise ValueError(
                f"{self.length} cached + {k.shape[2]} new tokens exceed max_length="
                f"{self.keys.shape[2]}: make the cache larger"
            )
        self.keys[:, :, self.length : end] = k
        self.values[:, :, self.length : end] = v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def reorder(self, rows: Tensor) -> None:
        """Row i becomes a copy of the old row rows[i], in the self-attention part."""
        for x in (self.keys, self.values):
            past = x[:, :, : self.length]
            past.copy_(past.index_select(0, rows))  # the right side is a copy

    def select(self, rows: Tensor) -> None:
        """Row i becomes a copy of the old row rows[i], all of it; their number may change."""
        self.keys, self.values = self.keys.index_select(0, rows), self.values.index_select(0, rows)
        if self.cross is not None:
            k, v = self.cross
            self.cross = k.index_select(0, rows), v.index_select(0, rows)


class KVCache:
    """One `LayerCache` a layer, for a batch of B targets of up to `max_length` tokens."""

    def __init__(
        self,
        config: TransformerConfig,
        batch_size: int,
        max_length: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1 or max_length < 1:
            raise ValueError(f"batch_size={batch_size} and max_length={max_length} must be >= 1")
        shape = (batch_size, config.num_heads, max_length, config.head_dim)

        def empty() -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        self.layers = [LayerCache(empty(), empty()) for _ in range(config.num_decoder_layers)]
        self.length = 0
        """How many target tokens are cached; counted here too, as a decoder may have no layers."""

    @classmethod
    def like(cls, config: TransformerConfig, memory: Tensor, max_length: int) -> Self:
        """An empty cache for the batch, dtype and device of `memory`: (B, S, D)."""
        return cls(config, len(memory), max_length, memory.dtype, memory.device)

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on from the old row rows[i]: a dead beam makes room for a better one's twin.

        rows: (B,) long. Only between rows of one source: what was read from the source stays.
        """
        for layer in self.layers:
            layer.reorder(rows)

    def select(self, rows: Tensor) -> None:
        """Keep only the old rows rows[i], of whatever source: what has ended makes room.

        rows: (new B,) long
        """
        for layer in self.layers:
            layer.select(rows)

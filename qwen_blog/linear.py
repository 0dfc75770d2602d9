"""Matrix times a few rows, fast: decoding is reading every weight once for one token.

`Linear` is nn.Linear with the same weights and the same results, and a better order of reading for
the few rows of a decoding step. `HalfLinear` and `HalfEmbedding` keep float16 weights, half the
bytes: a separate, documented trade with a relative error of about 0.002. Chapter 23 tells why it
pays; `python -m tests.benchmarks.bench_decode --steps` measures it.
Leaves out: int8 and int4 weights, and packed layouts that need torch's private operators.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLICES = 8  # blocks of rows read side by side; also a fit for 2, 4 and 8 threads
MIN_NUMEL = 2**18  # weights; up to this, the call itself costs more than the reading
MAX_ROWS = 32  # above this, torch's own choice is as fast
NEAR_NUMEL = 6144  # numbers in 24 kB: half of the cache nearest to a core

HALF_ROWS = 3  # up to so many rows, one vector product each beats one cast to float32
HALF_BLOCK = 2**20  # weights cast at a time: 4 MB of float32 that never leave the cache


def sliced_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear(x, weight, bias), with the output split in `SLICES` blocks.

    x: (..., D_in), few rows · weight: (D_out, D_in), SLICES divides D_out · returns (..., D_out)

    torch multiplies up to some ten rows by a large matrix in one thread. As a batch of small
    products, which are views of the same memory, the threads share the reading.
    """
    rows = x.reshape(-1, weight.shape[1])  # (..., D_in) -> (N, D_in)
    blocks = weight.view(SLICES, -1, weight.shape[1])  # (D_out, D_in) -> (8, D_out/8, D_in)
    if rows.numel() <= NEAR_NUMEL:
        # W x^T: the weights stream through while the rows stay near, faster even in one thread
        out = torch.bmm(blocks, rows.t().expand(SLICES, -1, -1))  # (8, D_out/8, N)
        out = out.flatten(0, 1).t()  # (8, D_out/8, N) -> (N, D_out)
    else:
        out = torch.bmm(rows.expand(SLICES, -1, -1), blocks.mT)  # (8, N, D_out/8)
        out = out.transpose(0, 1).flatten(1)  # (8, N, D_out/8) -> (N, D_out)
    out = out.reshape(*x.shape[:-1], -1)  # (N, D_out) -> (..., D_out)
    return out if bias is None else out + bias


class Linear(nn.Linear):
    """nn.Linear that reads large float32 weights in slices when there are few rows on a CPU."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        self.may_slice = in_features * out_features > MIN_NUMEL and out_features % SLICES == 0

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in_features) -> (..., out_features)."""
        if (
            self.may_slice
            and 0 < x.numel() <= MAX_ROWS * self.in_features
            and not torch.is_grad_enabled()
            and x.dtype == torch.float32
            and x.device.type == "cpu"
        ):
            return sliced_linear(x, self.weight, self.bias)
        return F.linear(x, self.weight, self.bias)


def half_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear(x, weight.float(), bias), without ever holding all of weight.float().

    x: (..., D_in) float32 · weight: (D_out, D_in) float16 · returns (..., D_out) float32

    torch multiplies a float16 matrix by one vector as fast as it can be read, and by many rows
    very slowly: those meet the weights in float32, a block at a time.
    """
    rows = x.reshape(-1, weight.shape[1])  # (..., D_in) -> (N, D_in)
    if 0 < len(rows) <= HALF_ROWS:
        # float16 ends at 65,504, and activations of real models may pass it: scale to 1 and back
        scale = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-30)  # (N, 1)
        halves = (rows / scale).half()  # (N, D_in)
        out = torch.stack([torch.mv(weight, row) for row in halves]).float() * scale  # (N, D_out)
    else:
        blocks = weight.split(max(1, HALF_BLOCK // weight.shape[1]))
        out = torch.cat([F.linear(rows, block.float()) for block in blocks], dim=1)  # (N, D_out)
    out = out.view(*x.shape[:-1], len(weight))  # (N, D_out) -> (..., D_out)
    return out if bias is None else out + bias


class HalfLinear(nn.Module):
    """A linear layer with float16 weights, for float32 inputs and outputs. Not for training."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.half(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., D_in) -> (..., D_out)."""
        return half_linear(x, self.weight, self.bias)


class HalfEmbedding(nn.Module):
    """An embedding table in float16 that hands out float32 rows."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight  # a parameter, perhaps the output layer's own

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (B, T) int -> (B, T, D)."""
        return F.embedding(ids, self.weight).float()

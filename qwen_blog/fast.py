"""The same model, laid out for decoding: fewer and larger products, optionally half the bytes.

A decoding step does little arithmetic and many small calls, and it reads every weight once.
`fuse` puts weights that read the same input into one matrix (q, k and v; gate and up), and
`halve` stores all weights in float16, which torch multiplies with a vector without unpacking.
Both change a model in place, once, after loading; parameter names are no longer the checkpoint's.
What each step buys is measured by `python -m tests.benchmarks.bench_decode` and told in
chapter 23. Leaves out: int8 and int4 weights, torch.compile, paged caches.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention
from .linear import Linear
from .model import MLP, Qwen2ForCausalLM
from .rope import rotate_half

HALF_ROWS = 3  # up to so many rows, one vector product each reads less than one cast to float32


def _stack(*linears: nn.Linear) -> Linear:
    """One Linear whose output is the outputs of all, one behind the other."""
    has_bias = linears[0].bias is not None
    width = sum(linear.out_features for linear in linears)
    stacked = Linear(linears[0].in_features, width, bias=has_bias)
    stacked.weight = nn.Parameter(torch.cat([linear.weight.detach() for linear in linears]))
    if has_bias:
        stacked.bias = nn.Parameter(torch.cat([linear.bias.detach() for linear in linears]))
    return stacked


class FusedAttention(Attention):
    """`Attention` with q_proj, k_proj and v_proj in one matrix, q and k rotated together."""

    def __init__(self, attention: Attention) -> None:
        nn.Module.__init__(self)
        self.layer_idx, self.head_dim = attention.layer_idx, attention.head_dim
        self.dropout, self.o_proj = attention.dropout, attention.o_proj
        self.qkv_proj = _stack(attention.q_proj, attention.k_proj, attention.v_proj)
        self.q_heads = attention.q_proj.out_features // attention.head_dim
        self.kv_heads = attention.k_proj.out_features // attention.head_dim

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As in `Attention`."""
        heads = self.split_heads(self.qkv_proj(x))  # (B, T, D) -> (B, H+2K, T, Dh)
        qk, v = heads.split((self.q_heads + self.kv_heads, self.kv_heads), dim=1)
        qk = qk * cos + rotate_half(qk) * sin  # (B, H+K, T, Dh)
        q, k = qk.split((self.q_heads, self.kv_heads), dim=1)
        return q, k, v


class FusedMLP(MLP):
    """`MLP` with gate_proj and up_proj in one matrix."""

    def __init__(self, mlp: MLP) -> None:
        nn.Module.__init__(self)
        self.gate_up_proj = _stack(mlp.gate_proj, mlp.up_proj)
        self.down_proj = mlp.down_proj

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, D) -> (B, T, D)."""
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(F.silu(gate) * up)


class HalfLinear(nn.Module):
    """A linear layer with float16 weights and float32 inputs and outputs."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", linear.weight.detach().half())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., D_in) float32 -> (..., D_out) float32."""
        rows = x.reshape(-1, x.shape[-1])  # (..., D_in) -> (N, D_in)
        if len(rows) <= HALF_ROWS:
            out = torch.stack([torch.mv(self.weight, row) for row in rows.half()]).float()
            out = out if self.bias is None else out + self.bias
        else:
            out = F.linear(rows, self.weight.float(), self.bias)  # (N, D_in) -> (N, D_out)
        return out.view(*x.shape[:-1], -1)


def fuse(model: Qwen2ForCausalLM) -> Qwen2ForCausalLM:
    """Merge q/k/v and gate/up of every layer, in place; same results, fewer calls. Returns it."""
    for layer in model.model.layers:
        layer.self_attn = FusedAttention(layer.self_attn)
        layer.mlp = FusedMLP(layer.mlp)
    return model

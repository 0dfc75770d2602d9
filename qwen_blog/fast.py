"""The same model, laid out for decoding: fewer and larger products, optionally half the bytes.

A decoding step does little arithmetic: it makes many small calls and reads every weight once.
`fuse` saves calls: weights that read the same input become one matrix (q, k and v; gate and up),
and RMSNorm takes four calls instead of six. `halve` saves bytes: it stores weights in float16.
Both change a model in place, once, after loading it and moving it to its device, and leave one that
only infers: names are no longer the checkpoint's, and parameters ask for no gradients.
What each step buys is measured by `python -m tests.benchmarks.bench_decode --steps` and told in
chapter 23. Leaves out: int8 and int4 weights, torch.compile, paged caches.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention
from .linear import HalfEmbedding, HalfLinear, Linear
from .model import MLP, DecoderLayer, Qwen2ForCausalLM, RMSNorm
from .rope import rotate_half


def fuse(model: Qwen2ForCausalLM) -> Qwen2ForCausalLM:
    """Merge what can be merged in every layer, in place; same results, fewer calls. Returns it.

    Fusing twice changes nothing. ValueError after `halve`: fuse first; or if there is an adapter.
    """
    _check_no_adapter(model)
    if isinstance(model.lm_head, HalfLinear):
        raise ValueError("this model is halved already: call halve(fuse(model)), in that order")
    for layer in model.model.layers:
        assert isinstance(layer, DecoderLayer)
        if isinstance(layer.self_attn, FusedAttention):
            continue
        layer.self_attn = FusedAttention(layer.self_attn)
        layer.add_module("mlp", FusedMLP(layer.mlp))
        layer.input_layernorm = FusedRMSNorm(layer.input_layernorm)
        layer.post_attention_layernorm = FusedRMSNorm(layer.post_attention_layernorm)
    if not isinstance(model.model.norm, FusedRMSNorm):
        model.model.norm = FusedRMSNorm(model.model.norm)
    return model.train(model.training).requires_grad_(False)  # new modules start in training mode


def halve(model: Qwen2ForCausalLM) -> Qwen2ForCausalLM:
    """Store the weights of embedding and linear layers in float16, in place. Returns the model.

    Inputs, outputs, biases, norms and the KV cache stay float32. An embedding that is also the
    output layer stays one table. ValueError unless the model is float32, not halved yet, and
    without an adapter.
    """
    _check_no_adapter(model)
    if isinstance(model.lm_head, HalfLinear):
        raise ValueError("this model is halved already: halve takes one that was just loaded")
    if model.dtype != torch.float32:
        raise ValueError(f"this model is {model.dtype}: halve takes one loaded as torch.float32")
    embedding = model.model.embed_tokens.weight
    tied = model.lm_head.weight is embedding
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):  # one at a time: two copies of all would need the memory
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, HalfLinear(module.weight, module.bias))
    table = model.lm_head.weight if tied else nn.Parameter(embedding.half(), requires_grad=False)
    model.model.add_module("embed_tokens", HalfEmbedding(table))
    return model.train(model.training).requires_grad_(False)


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
        qk = torch.addcmul(qk * cos, rotate_half(qk), sin)  # (B, H+K, T, Dh)
        q, k = qk.split((self.q_heads, self.kv_heads), dim=1)
        return q, k, v


class FusedMLP(nn.Module):
    """`MLP` with gate_proj and up_proj in one matrix."""

    def __init__(self, mlp: MLP) -> None:
        super().__init__()
        self.gate_up_proj = _stack(mlp.gate_proj, mlp.up_proj)
        self.down_proj = mlp.down_proj

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, D) -> (B, T, D)."""
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(F.silu(gate) * up)


class FusedRMSNorm(RMSNorm):
    """`RMSNorm` in four calls, through the length |x| that torch takes in one.

    x / sqrt(|x|^2 / D + eps) * w  =  x / hypot(|x|, sqrt(D eps)) * (sqrt(D) w)
    """

    def __init__(self, norm: RMSNorm) -> None:
        nn.Module.__init__(self)
        self.weight, self.eps = norm.weight, norm.eps
        D = len(norm.weight)
        # fp32: sqrt(D) w would be rounded once more in bf16
        wide = norm.weight.detach().to(torch.promote_types(norm.weight.dtype, torch.float32))
        # no buffers: looking one up takes as long as half a call
        self.gain = wide * D**0.5
        self.floor = wide.new_tensor((D * norm.eps) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., D) -> (..., D)."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=self.gain.dtype)
        return (x / torch.hypot(length, self.floor) * self.gain).to(x.dtype)


def _check_no_adapter(model: Qwen2ForCausalLM) -> None:
    if adapted := [name for name, module in model.named_modules() if hasattr(module, "lora_A")]:
        raise ValueError(f"{adapted[0]} and {len(adapted) - 1} more have LoRA: merge(model) first")


def _stack(*linears: nn.Linear) -> Linear:
    """One Linear whose output is the outputs of all, one behind the other."""
    width = sum(linear.out_features for linear in linears)
    with torch.device("meta"):  # the numbers come below
        stacked = Linear(linears[0].in_features, width, bias=linears[0].bias is not None)
    stacked.weight = nn.Parameter(torch.cat([linear.weight.detach() for linear in linears]))
    if stacked.bias is not None:
        stacked.bias = nn.Parameter(torch.cat([linear.bias.detach() for linear in linears]))
    return stacked

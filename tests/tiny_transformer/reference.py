"""The oracle of the model: torch.nn.Transformer with the same weights, and what these tests share.

torch's module has no embeddings, no positions and no output scores: those are compared with a few
lines of numpy in test_parity.py. Left to itself it ends each stack in one more LayerNorm. Pre-norm
needs that; post-norm as the paper has it does not (section 3.1: the last sublayer's output is
normalised already), so `torch_twin` hands torch stacks without it.

All parameters are random, biases and norms too: fresh biases are 0 and fresh norm weights are 1, so
that a model which forgets them would pass.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import settings
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tiny_transformer.config import TransformerConfig
from tiny_transformer.dropout import Dropout
from tiny_transformer.model import Transformer

# No database and no randomness: a run is the same everywhere. No deadline: CI machines stutter.
PROPERTY = settings(max_examples=25, deadline=None, derandomize=True, database=None)

PAD, BOS, EOS = 0, 1, 2
SMALL: dict[str, Any] = {
    "vocab_size": 37,
    "d_model": 24,
    "num_heads": 4,
    "num_encoder_layers": 2,
    "num_decoder_layers": 3,
    "d_ff": 40,
    "attention_bias": True,
}


def small(**changes: Any) -> TransformerConfig:
    """A config whose sizes all differ, with the given changes."""
    return TransformerConfig(**(SMALL | changes))


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@torch.no_grad()
def randomise(module: nn.Module, seed: int = 0) -> None:
    """Draw every parameter so that attention is far from uniform and no bias or norm is neutral.

    By the order of their names: in which order a class makes its parts is its own affair.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(module.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if "norm" in name and name.endswith("weight"):
            noise = 1 + 0.3 * noise
        elif parameter.dim() == 1:
            noise = 0.3 * noise
        else:
            noise = 1.5 * noise * parameter.shape[1] ** -0.5
        parameter.copy_(noise)


def random_model(seed: int = 0, dtype: torch.dtype = torch.float32, **changes: Any) -> Transformer:
    """A model of `small(**changes)` in eval mode."""
    model = Transformer(small(**changes)).to(dtype).eval()
    randomise(model, seed)
    return model


def random_ids(lengths: tuple[int, ...], width: int | None = None, seed: int = 0) -> Tensor:
    """(B, width) ids of ordinary tokens, with pads behind the first lengths[b] of row b."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths) if width is None else width)
    ids = torch.randint(EOS + 1, SMALL["vocab_size"], shape, generator=generator)
    return ids.masked_fill(~is_real(lengths, shape[1]), PAD)


def is_real(lengths: tuple[int, ...], width: int) -> Tensor:
    """(B, width): True for the first lengths[b] places of row b."""
    return torch.arange(width) < torch.tensor(lengths)[:, None]


# --- torch.nn.Transformer ---


def torch_twin(config: TransformerConfig, weights: dict[str, Tensor]) -> nn.Transformer:
    """torch's module with the weights of ours (`model.state_dict()`), in eval mode."""
    twin = _empty_twin(config).to(next(iter(weights.values())).dtype).eval()
    twin.load_state_dict(torch_layout(weights), strict=True)
    return twin


def _empty_twin(config: TransformerConfig) -> nn.Transformer:
    sizes = {
        "d_model": config.d_model,
        "nhead": config.num_heads,
        "dim_feedforward": config.d_ff,
        "dropout": 0.0,
        "layer_norm_eps": config.layer_norm_eps,
        "batch_first": True,
        "norm_first": config.norm == "pre",
    }
    pre = config.norm == "pre"
    norms = [nn.LayerNorm(config.d_model, config.layer_norm_eps) if pre else None for _ in range(2)]
    return nn.Transformer(
        config.d_model,
        config.num_heads,
        custom_encoder=nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**sizes),
            config.num_encoder_layers,
            norms[0],
            enable_nested_tensor=False,  # a fast path of torch's that drops padding on the way
        ),
        custom_decoder=nn.TransformerDecoder(
            nn.TransformerDecoderLayer(**sizes), config.num_decoder_layers, norms[1]
        ),
        batch_first=True,
    )


_TORCH_NAMES = {
    "self_attention": "self_attn",
    "cross_attention": "multihead_attn",
    "o_proj": "out_proj",
    "feed_forward.w_1": "linear1",
    "feed_forward.w_2": "linear2",
    "residuals.0.norm": "norm1",
    "residuals.1.norm": "norm2",
    "residuals.2.norm": "norm3",
}


def torch_layout(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our parameters (or their gradients) under torch's names, with q, k and v in one matrix.

    The embedding has no counterpart and is left out. Where we have no bias, torch's is zero.
    """
    result: dict[str, Tensor] = {}
    for ours, tensor in tensors.items():
        name = ours
        for old, new in _TORCH_NAMES.items():
            name = name.replace(old, new)
        if "q_proj" in ours:
            parts = [tensors[ours.replace("q_proj", f"{x}_proj")] for x in "qkv"]
            result[name.replace("q_proj.", "in_proj_")] = torch.cat(parts)
        elif ours != "embedding.weight" and "k_proj" not in ours and "v_proj" not in ours:
            result[name] = tensor
    for name in [name for name in result if name.endswith(("in_proj_weight", "out_proj.weight"))]:
        bias = name.removesuffix("weight") + "bias"
        result.setdefault(bias, result[name].new_zeros(len(result[name])))
    return result


def torch_attention(weights: dict[str, Tensor], num_heads: int) -> nn.MultiheadAttention:
    """torch's attention with the weights of one of our `MultiHeadAttention.state_dict()`."""
    packed = torch_layout(weights)
    bias = any(name.endswith("bias") for name in weights)
    D = len(packed["out_proj.weight"])
    if not bias:
        packed = {name: x for name, x in packed.items() if not name.endswith("bias")}
    dtype = packed["out_proj.weight"].dtype
    twin = nn.MultiheadAttention(D, num_heads, bias=bias, batch_first=True, dtype=dtype)
    twin.load_state_dict(packed, strict=True)
    return twin.eval()


# --- formulas, a second time ---


def paper_sinusoids(length: int, d_model: int) -> np.ndarray:
    """Section 3.5, entry by entry in float64: (length, d_model)."""
    table = np.empty((length, d_model))
    position = np.arange(length)
    for column in range(d_model):
        i = column // 2
        angle = position / np.power(10000.0, 2 * i / d_model)
        table[:, column] = np.cos(angle) if column % 2 else np.sin(angle)
    return table


# --- what the model calls ---


class Calls(TorchFunctionMode):
    """While active, keeps every call of a public torch function, and of our Dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self.forward = Dropout.forward

    def __enter__(self) -> "Calls":
        def forward(module: Dropout, x: Tensor) -> Tensor:
            self.all.append((Dropout, (x, module.p, module.training), {}))
            return self.forward(module, x)

        Dropout.forward = forward
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        Dropout.forward = self.forward

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self.all.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def of(self, *functions: Callable[..., Any]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Arguments of the calls of any of these functions, in order."""
        return [(args, kwargs) for func, args, kwargs in self.all if func in functions]

    @property
    def fused(self) -> int:
        """How often torch's fused attention ran."""
        return len(self.of(F.scaled_dot_product_attention))

    @property
    def formula(self) -> int:
        """How often a softmax ran: our formula for attention has one, and nothing else has."""
        return len(self.of(Tensor.softmax, torch.softmax, F.softmax))

    def dropouts(self) -> list[tuple[Tensor, float]]:
        """What was given to dropout and with which probability, where that is not 0 (in training).

        torch's fused attention drops inside: there, the queries stand for what it drops.
        """
        found = []
        for func, args, kwargs in self.all:
            if func is Dropout or func is F.dropout:
                named = dict(zip(("input", "p", "training"), args, strict=False)) | kwargs
                p = named.get("p", 0.5) if named.get("training", True) else 0.0
                found.append((named["input"], p))
            elif func is F.scaled_dot_product_attention:
                named = dict(zip(("q", "k", "v", "mask", "dropout_p"), args, strict=False)) | kwargs
                found.append((named["q"], named.get("dropout_p", 0.0)))
        return [(x, p) for x, p in found if p]

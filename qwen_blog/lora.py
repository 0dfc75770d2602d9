"""LoRA: learn a small change B A beside a frozen matrix W, instead of W itself.

    W' = W + (alpha / r) B A        W: (D_out, D_in) · A: (r, D_in) · B: (D_out, r)

Source: Hu et al. 2021 (arXiv:2106.09685), section 4.1. Chapter 24. `inject` puts the pair beside
the chosen layers, training moves only the pairs, `merge` adds them up into a plain model again.
`lora_files` keeps adapters in PEFT's format.

Leaves out: the embedding and the output layer, several adapters at once, taking a merge back (load
the base again), and PEFT's variants: DoRA, rank-stabilised scaling, patterns of ranks ...
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fast import FusedAttention
from .linear import HalfLinear
from .model import Qwen2ForCausalLM


@dataclass(frozen=True)
class LoraConfig:
    """Where the pairs go and how large they are. Field names and defaults are PEFT's.

    Raises ValueError that names the field, its value and what it must be.
    """

    r: int = 8
    """The rank: rows of A, columns of B. A layer learns r (D_in + D_out) numbers."""
    lora_alpha: float = 8
    """The change is scaled by lora_alpha / r, so that a new r hardly needs a new learning rate."""
    target_modules: tuple[str, ...] = ("q_proj", "v_proj")
    """Names of layers, or how they end. The paper adapts q and v only, to keep it simple."""
    lora_dropout: float = 0.0
    """Share of x that the pair does not see in training, in [0, 1)."""

    def __post_init__(self) -> None:
        if not isinstance(self.r, int) or isinstance(self.r, bool) or self.r < 1:
            raise ValueError(f"r={self.r!r} must be an integer of at least 1")
        if not (_is_number(self.lora_alpha) and self.lora_alpha > 0):
            raise ValueError(f"lora_alpha={self.lora_alpha!r} must be a positive number")
        if not (_is_number(self.lora_dropout) and 0 <= self.lora_dropout < 1):
            raise ValueError(f"lora_dropout={self.lora_dropout!r} must be in [0, 1)")
        names = self.target_modules
        if not (isinstance(names, tuple) and names and all(isinstance(x, str) for x in names)):
            raise ValueError(
                f"target_modules={names!r} must be a tuple of names, such as ('q_proj', 'v_proj')"
            )

    @property
    def scale(self) -> float:
        """alpha / r, the factor of B A."""
        return self.lora_alpha / self.r


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def lora_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    A: Tensor,
    B: Tensor,
    scale: float,
    dropout: float = 0.0,
) -> Tensor:
    """W x + b + scale B A x, without ever forming the large matrix B A. Hu et al. 2021, eq. 3.

    x: (..., D_in) · weight: (D_out, D_in) · bias: (D_out,) · A: (r, D_in) · B: (D_out, r)
    dropout: share of x hidden from A, and from A only; the rest of x is divided by 1 - dropout
    returns (..., D_out) of x's dtype; the products with A and B are made in A's, perhaps wider one
    """
    low = F.linear(F.dropout(x.to(A.dtype), dropout), A)  # (..., D_in) -> (..., r)
    out = F.linear(x, weight, bias)  # (..., D_in) -> (..., D_out)
    return (out + scale * F.linear(low, B)).to(out.dtype)  # (..., r) -> (..., D_out)


def merged_weight(weight: Tensor, A: Tensor, B: Tensor, scale: float) -> Tensor:
    """W + scale B A in weight's dtype, rounded once. Shapes as in `lora_linear`."""
    return (weight.to(A.dtype) + scale * B @ A).to(weight.dtype)  # (D_out, D_in)


class LoraLinear(nn.Module):
    """`lora_linear` around a layer: its weight and bias as they are, and a learned pair beside."""

    def __init__(
        self, base_layer: nn.Linear, config: LoraConfig, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        weight = base_layer.weight
        # Never below float32: an update of some 1e-4 would be lost in bfloat16
        wide = torch.promote_types(weight.dtype, torch.float32)
        A = torch.empty(config.r, base_layer.in_features, dtype=wide)
        # As in the paper's own code; its text says Gaussian. U(-1/sqrt(D_in), 1/sqrt(D_in))
        nn.init.kaiming_uniform_(A, a=5**0.5, generator=generator)
        B = torch.zeros(base_layer.out_features, config.r, dtype=wide)  # B A = 0: starts as W
        self.base_layer, self.config = base_layer, config
        self.lora_A = nn.Parameter(A.to(weight.device))
        self.lora_B = nn.Parameter(B.to(weight.device))

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., D_in) -> (..., D_out)."""
        base, dropout = self.base_layer, self.config.lora_dropout if self.training else 0.0
        return lora_linear(
            x, base.weight, base.bias, self.lora_A, self.lora_B, self.config.scale, dropout
        )


def inject(
    model: Qwen2ForCausalLM, config: LoraConfig, generator: torch.Generator | None = None
) -> Qwen2ForCausalLM:
    """Freeze the model and put a pair beside each target layer, in place. Returns the model.

    Its outputs are the same until the pairs are trained. generator: makes A repeatable
    ValueError, with nothing changed, if a target does not exist or there is an adapter already.
    """
    targets = target_layers(model, config)
    model.requires_grad_(False)
    for name, layer in targets.items():
        model.set_submodule(name, LoraLinear(layer, config, generator).train(layer.training))
    return model


@torch.no_grad()
def merge(model: Qwen2ForCausalLM) -> Qwen2ForCausalLM:
    """Add each pair to its matrix, in place, and return the plain model: same outputs, no pairs.

    It can be saved, fused, or trained in full. ValueError if there is no adapter.
    """
    for name, layer in lora_layers(model).items():
        base = layer.base_layer
        merged = merged_weight(base.weight, layer.lora_A, layer.lora_B, layer.config.scale)
        base.weight = nn.Parameter(merged)  # a new one: W may be in other hands, or be a file
        model.set_submodule(name, base)
    return model.requires_grad_(True)


def lora_parameters(model: Qwen2ForCausalLM) -> list[nn.Parameter]:
    """All A and B, what an optimiser should get. ValueError if there is no adapter."""
    return [x for layer in lora_layers(model).values() for x in (layer.lora_A, layer.lora_B)]


def lora_layers(model: Qwen2ForCausalLM) -> dict[str, LoraLinear]:
    """The layers with a pair, by name. ValueError if there are none."""
    layers = {name: x for name, x in model.named_modules() if isinstance(x, LoraLinear)}
    if not layers:
        raise ValueError("this model has no adapter: inject(model, LoraConfig()) comes first")
    return layers


def target_layers(model: Qwen2ForCausalLM, config: LoraConfig) -> dict[str, nn.Linear]:
    """The layers that config means, by name. ValueError as in `inject`.

    As in PEFT, a target is a layer's whole name or what stands after one of its dots.
    """
    _check_is_plain(model)
    linears = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith("model.layers.")
    }
    chosen: dict[str, nn.Linear] = {}
    for target in config.target_modules:
        if not (found := _named(linears, target)):
            endings = sorted({name.rpartition(".")[2] for name in linears})
            raise ValueError(f"target_modules has {target!r}; the layers are {', '.join(endings)}")
        chosen |= found
    return {name: linear for name, linear in linears.items() if name in chosen}


def _named(linears: Mapping[str, nn.Linear], target: str) -> dict[str, nn.Linear]:
    return {name: x for name, x in linears.items() if f".{name}".endswith(f".{target}")}


def _check_is_plain(model: Qwen2ForCausalLM) -> None:
    """ValueError, with the remedy, unless this is a model as it is loaded."""
    for module in model.modules():
        if isinstance(module, LoraLinear):
            raise ValueError(f"this model has an adapter (r={module.config.r}): merge(model) first")
        if isinstance(module, (FusedAttention, HalfLinear)):
            raise ValueError("this model is fused or halved: add the adapter to one just loaded")

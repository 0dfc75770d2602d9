"""Rotary position embeddings: a position turns pairs of numbers, and dot products see distances.

Source: Su et al. 2021, "RoFormer" (arXiv:2104.09864), section 3.2.2 and eq. 34; YaRN: Peng et al.
2023 (arXiv:2309.00071), sections 3.2 to 3.4. Chapter 21 derives and draws it.

Qwen2, like Llama in the Hugging Face layout, pairs entry i with entry i + Dh/2 (half-split); the
paper pairs neighbours 2i and 2i + 1 (interleaved). The two differ only by a fixed permutation of
the rows of q_proj and k_proj. Leaves out: linear, dynamic, longrope and llama3 scaling.
"""

import math

import torch
from torch import Tensor, nn

from .config import Qwen2Config, YarnScaling


def rope_frequencies(config: Qwen2Config) -> tuple[Tensor, float]:
    """How fast each pair turns, and the factor on cos and sin.

    config: uses head_dim (= Dh), rope_theta (= base) and rope_scaling (None or a `YarnScaling`)
    returns inv_freq: (Dh/2,) float32, radians a position, from 1 down to about 1/base
            scale: 1.0, or YaRN's attention factor
    Su et al. 2021, eq. 15: theta_i = base^(-2i/Dh) for i = 0 ... Dh/2 - 1. With a rope_scaling,
    `yarn_frequencies` makes both results of the periods 1/theta_i, the base and the scaling.
    """
    # on the CPU even where the model is built on the meta device, which holds no numbers
    two_i = torch.arange(0, config.head_dim, 2, dtype=torch.float32, device="cpu")
    periods = config.rope_theta ** (two_i / config.head_dim)  # (Dh/2,), positions a radian
    if config.rope_scaling is None:
        return 1.0 / periods, 1.0
    return yarn_frequencies(periods, config.rope_theta, config.rope_scaling)


def yarn_frequencies(periods: Tensor, theta: float, yarn: YarnScaling) -> tuple[Tensor, float]:
    """Slow down the slow pairs by `yarn.factor`, leave the fast ones, blend between.

    periods: (Dh/2,) positions a radian without scaling, for the base `theta`
    returns (Dh/2,) radians a position, and the factor on cos and sin.
    Peng et al. 2023, "NTK-by-parts" and "YaRN". As in the published code and not in the paper, the
    blend is linear in the pair's index, where the paper's is linear in the pair's number of turns.
    """
    half = len(periods)

    def pair_turning(turns: float) -> float:
        """Index of the pair that makes `turns` full turns over the trained context."""
        wavelength = yarn.original_max_position_embeddings / turns
        return half * math.log(wavelength / (2 * math.pi)) / math.log(theta)

    low, high = pair_turning(yarn.beta_fast), pair_turning(yarn.beta_slow)
    if yarn.truncate:
        low, high = math.floor(low), math.ceil(high)
    # 2 * half - 1, not half - 1: the bound is the head's width in the published code.
    low, high = max(low, 0), min(high, 2 * half - 1)
    if low == high:
        high += 0.001  # a step instead of a ramp, without dividing by zero
    pairs = torch.arange(half, dtype=torch.float32, device=periods.device)
    kept = 1 - ((pairs - low) / (high - low)).clamp(0, 1)  # (Dh/2,), share of the old speed
    # In this order to the last bit as published: far out, one bit is a visible angle.
    blended = 1 / (yarn.factor * periods) * (1 - kept) + 1 / periods * kept
    scale = yarn.attention_factor
    return blended, 0.1 * math.log(yarn.factor) + 1.0 if scale is None else scale


def rotate_half(x: Tensor) -> Tensor:
    """(x1, x2) -> (-x2, x1): every pair turned by 90 degrees.

    x: (..., Dh) float, Dh even, the halves x1 and x2 hold the two coordinates of the pairs
    returns (..., Dh)
    """
    x1, x2 = x.chunk(2, dim=-1)
    return torch.cat((-x2, x1), dim=-1)


def apply_rotary_pos_emb(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Turn queries and keys by the angles of their positions.

    q: (B, H, T, Dh) · k: (B, K, T, Dh) · cos, sin: (B or 1, 1, T, Dh), the same for every head,
    those of pair i at i and again at i + Dh/2: the places of the pair's two coordinates
    returns q and k, same shapes. Su et al. 2021, eq. 34: x cos + rotate_half(x) sin.
    """
    return q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin


class RotaryEmbedding(nn.Module):
    """cos and sin of every position's angles, in the half-split layout."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        # no buffer: model.to(bfloat16) would round a buffer, and far angles with it
        self.inv_freq, self.scale = rope_frequencies(config)

    def forward(self, position_ids: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """position_ids: (B or 1, T) int -> cos, sin: (B or 1, 1, T, Dh) of `dtype`."""
        # fp32: in bf16, positions above 256 would share their angles
        inv_freq = self.inv_freq.to(position_ids.device)
        angles = position_ids[:, None, :, None].float() * inv_freq  # (B, 1, T, Dh/2)
        angles = torch.cat((angles, angles), dim=-1)  # (B, 1, T, Dh/2) -> (B, 1, T, Dh)
        cos, sin = angles.cos(), angles.sin()
        if self.scale != 1:
            cos, sin = cos * self.scale, sin * self.scale
        return cos.to(dtype), sin.to(dtype)

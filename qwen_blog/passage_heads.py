"""Heads that know in which passage they read, written by hand into the weights. Chapter 24.

    [1] Kalon was built in 312.        every token of passage 2 looks at the latest number before
    [2] Varo is a ship of 40 hands.    it, [2], and notes that number next to its own meaning

To cite, a model finds a word in a passage and reads this note off it. Training finds such heads
too, but late: a note is worth nothing as long as nobody reads it, and there is nothing to read as
long as nobody writes it. As in `induction.py` nothing is frozen, so it matters when they are
written: once a model can find and copy. Earlier no layer reads the notes, and training dissolves
them.

All numbers get a common part, by which a head tells them from other tokens. Which one is the
latest, it tells by the distance: a constant q at 90 degrees to a constant k scores, in a rotary
pair, minus the sine of the angle between them, and for a slow pair that falls with the distance.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from .induction import directions, frequencies
from .model import DecoderLayer, Qwen2ForCausalLM

BASE = 60.0
"""Score of a number at distance 0, in nats above other tokens."""
FALL = 0.07
"""How much of it is lost with each token of distance, near 0."""
KEY = 2.0
"""Scale of the key: how the score is shared out between q and k."""
QUIET = 0.1
"""What remains of the group's earlier weights: not zero, or they could not learn again."""
ECHO = 4.0
"""How loud the note is, in units of the embeddings' size."""


def write_passage_heads(
    model: Qwen2ForCausalLM, numbers: Sequence[int], generator: torch.Generator
) -> None:
    """Set the embeddings of the passages' numbers, and the last group of heads of layer 0.

    numbers: the token ids of [1], [2], ...
    generator: draws the common part of the numbers and the directions of the notes
    ValueError for a model with a single group of heads (`induction.py` writes the first), or whose
    rotary pairs all turn within its context.
    """
    config = model.config
    slow, still = slow_pairs(config.rope_theta, config.head_dim, config.max_position_embeddings)
    if config.num_key_value_heads < 2 or not len(still):
        raise ValueError(
            f"num_key_value_heads={config.num_key_value_heads}, rope_theta={config.rope_theta}, "
            f"max_position_embeddings={config.max_position_embeddings}: passage heads need a "
            "second group, and rotary pairs that turn less than 0.2 radians in the context"
        )
    D, Dh, heads = config.hidden_size, config.head_dim, config.num_key_value_groups
    attention = cast(DecoderLayer, model.model.layers[0]).self_attn
    embedding = model.model.embed_tokens.weight
    loudness = embedding.std().item()
    common = torch.randn(D, generator=generator)
    common /= common.norm()
    value = directions(model, generator)  # (Dh, D)
    match = KEY * (D / 2) ** 0.5  # k at a number: half of its length, after the norm, is common
    unit = Dh**0.5 / match  # of q, for a score of 1
    slowness = frequencies(config.rope_theta, Dh)[slow].sum()
    first = (config.num_key_value_heads - 1) * Dh
    keys, queries = slice(first, first + Dh), slice(first * heads, None)
    with torch.no_grad():
        embedding[list(numbers)] = _with_common_part(embedding[list(numbers)], common, loudness)
        for projection, rows in ((attention.q_proj, queries), (attention.k_proj, keys)):
            projection.weight[rows] *= QUIET
            projection.bias[rows] = 0
        attention.k_proj.weight[first + torch.cat([slow, still])] = KEY * common
        attention.v_proj.weight[keys], attention.v_proj.bias[keys] = value, 0
        for head in range((config.num_key_value_heads - 1) * heads, config.num_attention_heads):
            rows = slice(head * Dh, (head + 1) * Dh)
            bias = attention.q_proj.bias[rows]
            bias[still] = BASE / len(still) * unit
            bias[Dh // 2 + slow] = FALL / slowness * unit  # k at 90 degrees: - sin(angle)
            attention.o_proj.weight[:, rows] = ECHO * loudness / heads * value.T


def slow_pairs(theta: float, head_dim: int, context: int) -> tuple[Tensor, Tensor]:
    """Rotary pairs for the distance, and such that hardly turn within `context` tokens.

    The first are the two fastest ones whose sines, added up, still grow at that distance.
    """
    turned = frequencies(theta, head_dim) * context  # radians, (Dh/2,)
    return (turned < 2).nonzero()[:2, 0], (turned < 0.2).nonzero()[:, 0]


def _with_common_part(own: Tensor, common: Tensor, loudness: float) -> Tensor:
    """Embeddings (numbers, D): half of each its own, half `common`."""
    own = own - (own @ common)[:, None] * common
    own = own / own.norm(dim=-1, keepdim=True)
    return (own + common) * loudness * own.shape[-1] ** 0.5

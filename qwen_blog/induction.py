"""Induction heads, written by hand into a new model's weights. Chapter 24.

To go on "... Kalon is red ... Kalon is" a model looks for the place after an earlier "is" and
copies what stands there. Two heads in a row can do it (Elhage et al. 2021, "A mathematical
framework for transformer circuits"; Olsson et al. 2022, arXiv:2209.11895):

    layer 0, the previous-token head   at "red": notes "the token before me is 'is'"
    layer 1, the induction head        at "is":  looks for that note, and copies the token there

Training finds them by itself, after a long plateau on which a small model learns nothing else that
needs looking back. The weights are simple enough to be set instead, so that training starts beyond
the plateau. Nothing is frozen, and training changes them like all others.

The previous-token head uses what Qwen2 has and Llama has not, biases on q and k: with constant q
and k, a rotary score depends on nothing but the distance. The induction head needs no positions, so
it uses the slow pairs of rotary dimensions only, which hardly turn within the context.
"""

from typing import cast

import torch
from torch import Tensor

from .attention import Attention
from .model import DecoderLayer, Qwen2ForCausalLM

SHARPNESS = 6.0
"""Of the previous-token head: it then gives some 94% of its weight to the token before."""
NOTE = 3.0
"""How loud the note on the previous token is, in units of the embeddings' size."""
MATCH = 3.0
"""Scale of the induction heads' queries and keys."""
COPY = 8.0
"""How loud the copied token is, in units of the embeddings' size."""
SLOW = 0.02
"""Radians a token: rotary pairs that turn less than this count as standing still."""


def write_induction_heads(model: Qwen2ForCausalLM, generator: torch.Generator) -> None:
    """Set one group of previous-token heads in layer 0, and all heads of layer 1.

    generator: draws the random directions in which the heads talk to each other
    ValueError for a model with fewer than two layers, or with untied embeddings (the copied token
    would mean nothing to the output layer).
    """
    config = model.config
    if config.num_hidden_layers < 2 or not config.tie_word_embeddings:
        raise ValueError(
            f"num_hidden_layers={config.num_hidden_layers}, tie_word_embeddings="
            f"{config.tie_word_embeddings}: induction heads need two layers and tied embeddings"
        )
    loudness = model.model.embed_tokens.weight.std().item()
    read, note = directions(model, generator), directions(model, generator)  # (Dh, D) each
    layers = [cast(DecoderLayer, layer) for layer in model.model.layers]
    first, second = layers[0].self_attn, layers[1].self_attn
    with torch.no_grad():
        _write_previous_token_head(model, first, read, note * NOTE * loudness)
        for group in range(config.num_key_value_heads):
            value = directions(model, generator)
            _write_induction_head(model, second, group, read, note, value, loudness)


def previous_token_biases(theta: float, head_dim: int) -> tuple[Tensor, Tensor]:
    """Biases (Dh,) of q and k for which a rotary score is highest at a distance of one.

    The pairs are (i, i + Dh/2), as in `rope.py`. k is (1, 0) in every pair, and q the same turned
    back by one step, so q at t meets k at t - 1 in phase: the score is the sum over the pairs of
    cos(theta_i * (distance - 1)).
    """
    angles = frequencies(theta, head_dim)  # one token's turn
    k = torch.cat([torch.ones_like(angles), torch.zeros_like(angles)])
    q = torch.cat([angles.cos(), -angles.sin()])
    return q, k


def _write_previous_token_head(
    model: Qwen2ForCausalLM, attention: Attention, read: Tensor, note: Tensor
) -> None:
    """Group 0: its first head writes what it reads of the token before, the others nothing."""
    Dh, heads = model.config.head_dim, model.config.num_key_value_groups
    q, k = previous_token_biases(model.config.rope_theta, Dh)
    attention.k_proj.bias[:Dh] = SHARPNESS * k
    attention.q_proj.bias[: heads * Dh] = SHARPNESS * q.repeat(heads)
    attention.v_proj.weight[:Dh] = read
    attention.o_proj.weight[:, :Dh] = note.T
    attention.o_proj.weight[:, Dh : heads * Dh] = 0


def _write_induction_head(
    model: Qwen2ForCausalLM,
    attention: Attention,
    group: int,
    read: Tensor,
    note: Tensor,
    value: Tensor,
    loudness: float,
) -> None:
    """A group whose q is the present token and whose k the note on the one before."""
    Dh, heads = model.config.head_dim, model.config.num_key_value_groups
    slow = frequencies(model.config.rope_theta, Dh) < SLOW
    still = torch.cat([slow, slow]).float()[:, None]  # (Dh, 1)
    rows = slice(group * Dh, (group + 1) * Dh)
    attention.k_proj.weight[rows] = MATCH * still * note
    attention.v_proj.weight[rows] = value
    for head in range(group * heads, (group + 1) * heads):
        rows = slice(head * Dh, (head + 1) * Dh)
        attention.q_proj.weight[rows] = MATCH * still * read
        attention.o_proj.weight[:, rows] = COPY * loudness / heads * value.T


def directions(model: Qwen2ForCausalLM, generator: torch.Generator) -> Tensor:
    """As many orthogonal directions of the residual stream as a head is wide: (Dh, D)."""
    shape = (model.config.hidden_size, model.config.head_dim)
    return torch.linalg.qr(torch.randn(shape, generator=generator))[0].T


def frequencies(theta: float, head_dim: int) -> Tensor:
    """By how many radians each rotary pair turns from one token to the next: (Dh/2,)."""
    return theta ** (-torch.arange(0, head_dim, 2) / head_dim)

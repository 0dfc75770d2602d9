"""Packing: many conversations in one row of tokens, each blind to the others.

Training wants rows of equal length, and padding short texts would waste most of the work. So a row
is filled with whole samples, one behind the other. Three things keep them apart: positions start
again at 0, attention is worked out sample by sample, and no sample's first token is predicted from
the last of the one before. A packed sample then gets the logits that it gets alone.

Cutting the row for attention needs no mask, and saves work: a row of T tokens has T^2 pairs, its
samples of L tokens only the sum of L^2.

Source: Krell et al. 2021, "Efficient Sequence Packing" (arXiv:2107.02027). Chapter 24.
Leaves out: cutting long samples in two, and looking for the samples that fill a row best.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .attention import causal_mask, sdpa_attention
from .model import DecoderLayer, Qwen2ForCausalLM

Sample = tuple[list[int], list[bool]]
"""The ids of one text or conversation, and for each whether the model shall learn to predict it."""
SampleMaker = Callable[[random.Random, float], Sample]
"""(rng, progress in [0, 1] of the run) -> a sample; a pure function of the two."""

IGNORED = -100  # the label of a token without a loss: cross_entropy's own number for it
MISFITS = 3  # samples that found no room before a row is given up as full
TOO_LONG = 1000  # samples that show that hardly any will ever fit


@dataclass(frozen=True)
class PackedRow:
    """One row of T tokens: samples, and behind them what was left empty."""

    input_ids: Tensor
    """(1, T) int64; 0 in the empty places."""
    labels: Tensor
    """(1, T) int64, not shifted: the id where a loss is wanted, else -100, as at a start."""
    position_ids: Tensor
    """(1, T) int64, from 0 in every sample."""
    lengths: tuple[int, ...]
    """Tokens of the samples, then the number of empty places, if any; their sum is T."""
    dropped: int = 0
    """Samples that were longer than allowed."""

    def to(self, device: torch.device) -> "PackedRow":
        return PackedRow(
            self.input_ids.to(device),
            self.labels.to(device),
            self.position_ids.to(device),
            self.lengths,
            self.dropped,
        )


def pack_row(
    rng: random.Random,
    progress: float,
    row_tokens: int,
    max_tokens: int,
    make_sample: SampleMaker,
) -> PackedRow:
    """A row of `row_tokens` with whole samples, each of `max_tokens` at most; longer are dropped.

    A sample that finds no room left is thrown away as well, so that short ones come a little more
    often; `MISFITS` of them end the row. ValueError for a malformed sample, or if none ever fits.
    """
    samples: list[Sample] = []
    room, misfits, dropped = row_tokens, 0, 0
    while room and misfits < MISFITS:
        ids, wanted = make_sample(rng, progress)
        if len(ids) != len(wanted) or not ids:
            raise ValueError(f"a sample has {len(ids)} ids and {len(wanted)} flags: give one each")
        if len(ids) > min(max_tokens, row_tokens):
            dropped += 1
        elif len(ids) > room:
            misfits += 1
        else:
            samples.append((ids, wanted))
            room -= len(ids)
        if dropped == TOO_LONG:
            raise ValueError(
                f"{dropped} samples were longer than {min(max_tokens, row_tokens)} tokens, the "
                "smaller of the model's max_position_embeddings and row_tokens: make them shorter"
            )
    return _lay_out(samples, room, dropped)


def _lay_out(samples: list[Sample], empty: int, dropped: int) -> PackedRow:
    """Samples one behind the other, and `empty` places."""
    ids: list[int] = []
    labels: list[int] = []
    positions: list[int] = []
    for sample, wanted in [*samples, ([0] * empty, [False] * empty)]:
        ids += sample
        targets = [x if want else IGNORED for x, want in zip(sample, wanted, strict=True)]
        labels += [IGNORED] * bool(sample) + targets[1:]  # nothing comes before the first token
        positions += range(len(sample))
    lengths = [len(sample) for sample, _ in samples] + [empty] * bool(empty)
    input_ids, all_labels, position_ids = (torch.tensor([x]) for x in (ids, labels, positions))
    return PackedRow(input_ids, all_labels, position_ids, tuple(lengths), dropped)


def packed_attention(
    q: Tensor, k: Tensor, v: Tensor, lengths: tuple[int, ...], window: int | None = None
) -> Tensor:
    """Causal attention within each sample; no token sees another sample.

    q: (1, H, T, Dh) · k, v: (1, K, T, Dh), samples one behind the other along T
    lengths: tokens of each sample, in order; their sum is T
    window: how many keys a query sees at most, its own included
    returns (1, H, T, Dh)
    """
    parts = zip(q.split(lengths, 2), k.split(lengths, 2), v.split(lengths, 2), strict=True)
    out = []
    for part in parts:  # (1, H or K, L, Dh) each
        L = part[0].shape[2]
        narrow = window is not None and window < L
        mask = causal_mask(L, L, sliding_window=window, device=q.device) if narrow else None
        out.append(sdpa_attention(*part, mask))
    return torch.cat(out, dim=2)  # (1, H, T, Dh)


def before_attention(
    layer: DecoderLayer, x: Tensor, cos: Tensor, sin: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """x: (1, T, D) -> q: (1, H, T, Dh), k, v: (1, K, T, Dh)."""
    q, k, v = layer.self_attn.project(layer.input_layernorm(x), cos, sin)
    if x.device.type == "cpu":  # where the backward pass of bf16 takes twice the time of fp32
        dtype = torch.promote_types(q.dtype, torch.float32)
        q, k, v = q.to(dtype), k.to(dtype), v.to(dtype)
    return q, k, v


def after_attention(layer: DecoderLayer, x: Tensor, attended: Tensor) -> Tensor:
    """The rest of a layer. x: (1, T, D), attended: (1, H, T, Dh) -> (1, T, D)."""
    x = x + layer.self_attn.o_proj(attended.transpose(1, 2).flatten(2))
    return x + layer.mlp(layer.post_attention_layernorm(x))


class PackedForward:
    """The decoder on packed rows: `Qwen2Model.forward` with attention cut into samples.

    compiled: let torch.compile write one kernel for many small operations. Attention stays out of
      it: its shapes change with every row, and all others never do.
    """

    def __init__(self, compiled: bool = False) -> None:
        self.before, self.after = before_attention, after_attention
        if compiled:
            self.before = torch.compile(before_attention, dynamic=False)
            self.after = torch.compile(after_attention, dynamic=False)

    def __call__(self, model: Qwen2ForCausalLM, row: PackedRow) -> Tensor:
        """Returns the hidden states after the final norm, (1, T, D)."""
        decoder = model.model
        x = decoder.embed(row.input_ids)  # (1, T) -> (1, T, D)
        cos, sin = decoder.rotary_emb(row.position_ids, x.dtype)  # (1, 1, T, Dh)
        for i, layer in enumerate(decoder.layers):
            assert isinstance(layer, DecoderLayer)
            q, k, v = self.before(layer, x, cos, sin)
            with torch.autocast("cpu", enabled=False):  # it would go back to bf16
                out = packed_attention(q, k, v, row.lengths, model.config.window_of(i))
            x = self.after(layer, x, out)
        return decoder.norm(x)

"""Packing: several conversations in one row of tokens, each blind to the others.

Training wants rows of equal length, and padding short texts would waste most of the work. So a row
is filled with whole samples, one behind the other. Three things keep them apart: positions start
again at 0, the mask lets a token see its own sample only, and no sample's first token is predicted
from the last of the one before. A packed sample then gets the logits that it gets alone.

Source: Krell et al. 2021, "Efficient Sequence Packing" (arXiv:2107.02027). Chapter 24.
Leaves out: cutting long samples in two, and looking for the samples that fill a row best.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .model import Qwen2ForCausalLM

Sample = tuple[list[int], list[bool]]
"""The ids of one text or conversation, and for each whether the model shall learn to predict it."""
SampleMaker = Callable[[random.Random, float], Sample]
"""(rng, progress in [0, 1] of the run) -> a sample; a pure function of the two."""

IGNORED = -100  # the label of a token without a loss: cross_entropy's own number for it
MISFITS = 3  # samples that found no room before a row is given up as full
TOO_LONG = 1000  # samples in a row, of any run, that show that rows are too short for the data


@dataclass(frozen=True)
class PackedRows:
    """B rows of T tokens, all (B, T) int64."""

    input_ids: Tensor
    labels: Tensor
    """input_ids where a loss is wanted, else -100; not shifted, and -100 at samples' starts."""
    position_ids: Tensor
    """Count from 0 in every sample."""
    segment_ids: Tensor
    """1, 2, 3 ... for the samples of a row; 0 where the row was left empty."""

    def to(self, device: torch.device) -> "PackedRows":
        return PackedRows(*(getattr(self, field.name).to(device) for field in fields(self)))


def pack_row(
    rng: random.Random, progress: float, row_tokens: int, make_sample: SampleMaker
) -> tuple[PackedRows, int]:
    """One row of whole samples, and how many were dropped for being longer than a row.

    A sample that finds no room left is dropped as well, so that short ones come a little more
    often; `MISFITS` of them end the row. ValueError for a malformed sample, or if none fits a row.
    """
    samples: list[Sample] = []
    room, misfits, too_long = row_tokens, 0, 0
    while room and misfits < MISFITS:
        ids, wanted = make_sample(rng, progress)
        if len(ids) != len(wanted) or not ids:
            raise ValueError(f"a sample has {len(ids)} ids and {len(wanted)} flags: give one each")
        if len(ids) > row_tokens:
            too_long += 1
        elif len(ids) > room:
            misfits += 1
        else:
            samples.append((ids, wanted))
            room -= len(ids)
        if too_long == TOO_LONG:
            raise ValueError(
                f"{TOO_LONG} samples are longer than row_tokens={row_tokens}: raise it"
            )
    return _lay_out(samples, row_tokens), too_long


def _lay_out(samples: list[Sample], row_tokens: int) -> PackedRows:
    """(1, row_tokens) each."""
    ids: list[int] = []
    labels: list[int] = []
    positions: list[int] = []
    segments: list[int] = []
    for number, (sample, wanted) in enumerate(samples, start=1):
        ids += sample
        labels += [IGNORED]  # nothing comes before the first token
        labels += [x if want else IGNORED for x, want in zip(sample[1:], wanted[1:], strict=True)]
        positions += range(len(sample))
        segments += [number] * len(sample)
    empty = row_tokens - len(ids)
    return PackedRows(
        torch.tensor([ids + [0] * empty]),
        torch.tensor([labels + [IGNORED] * empty]),
        torch.tensor([positions + [0] * empty]),
        torch.tensor([segments + [0] * empty]),
    )


def stack(rows: Iterable[PackedRows]) -> PackedRows:
    """Rows of the same length, one under the other."""
    rows = list(rows)
    names = [field.name for field in fields(PackedRows)]
    return PackedRows(*(torch.cat([getattr(row, name) for row in rows]) for name in names))


def packed_mask(segment_ids: Tensor) -> Tensor:
    """Who may look at whom: a token at itself and at earlier ones of its own sample.

    segment_ids: (B, T) int -> (B, 1, T, T) bool, True where looking is allowed
    """
    own = segment_ids[:, :, None] == segment_ids[:, None, :]  # (B, T, T)
    return own.tril()[:, None]  # (B, T, T) -> (B, 1, T, T)


def packed_hidden_states(model: Qwen2ForCausalLM, rows: PackedRows) -> Tensor:
    """As `Qwen2Model.forward`, but with the mask of packed rows. Returns (B, T, D)."""
    decoder = model.model
    mask = packed_mask(rows.segment_ids)  # (B, 1, T, T)
    x = decoder.embed_tokens(rows.input_ids)  # (B, T) -> (B, T, D)
    cos, sin = decoder.rotary_emb(rows.position_ids, x.dtype)  # (B, 1, T, Dh)
    for layer in decoder.layers:
        x, _ = layer(x, cos, sin, mask)
    return decoder.norm(x)

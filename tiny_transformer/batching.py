"""Batches of about equally many tokens, made of examples of about equal length.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 5.1: sentence pairs batched together by
approximate length, each batch with about 25000 source and 25000 target tokens. Chapter 13.

A batch is a rectangle: every row is padded to the longest. Padding costs as much as text, so rows
should be of like length; yet the order of training should be random. Therefore: shuffle, sort
within pools, cut the pools into batches, shuffle the batches.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

POOL = 128  # batches in a pool; more means less padding, and batches that vary less between epochs


class Example(NamedTuple):
    """A pair as ids: the source ends with eos; the target begins with bos and ends with eos."""

    source: list[int]
    target: list[int]


class Batch(NamedTuple):
    """B examples, padded on the right. S and T are the longest of the batch.

    source: (B, S) long, the text and eos
    target_in: (B, T) long, bos and the text
    target_out: (B, T) long, the text and eos: what the model should say at each place of target_in
    """

    source: Tensor
    target_in: Tensor
    target_out: Tensor


def batches(examples: Sequence[Example], max_tokens: int, rng: random.Random) -> list[list[int]]:
    """Put every example into one batch, in an order that depends only on `rng`.

    max_tokens: the most that rows * S, and rows * T, of a batch may be, padding included
    returns the batches as indices into `examples`
    ValueError if one example alone is longer than `max_tokens`.
    """
    longest = [max(len(source), len(target) - 1) for source, target in examples]
    for number, length in enumerate(longest):
        if length > max_tokens:
            raise ValueError(
                f"example {number} has {length} tokens, more than max_tokens={max_tokens}; "
                "leave it out (encode_pairs: max_length) or raise max_tokens"
            )
    order = rng.sample(range(len(examples)), len(examples))
    rows = max_tokens * len(examples) // max(1, sum(longest))  # of an average batch
    pool = POOL * max(1, rows)
    found: list[list[int]] = []
    for start in range(0, len(order), pool):
        # By the longer side, which fills the batch: half the padding of sorting by one side.
        by_length = sorted(
            order[start : start + pool],
            key=lambda i: (longest[i], len(examples[i].source), len(examples[i].target)),
        )
        found += _cut(by_length, longest, max_tokens)
    rng.shuffle(found)
    return found


def _cut(order: list[int], longest: list[int], max_tokens: int) -> list[list[int]]:
    """Begin a new batch whenever one more row would make the rectangle too large.

    order: the shortest first, so that the newest row is as wide as its batch
    """
    found: list[list[int]] = []
    for number in order:
        if not found or (len(found[-1]) + 1) * longest[number] > max_tokens:
            found.append([])
        found[-1].append(number)
    return found


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """Examples to tensors: source, and target without its last id (read) and its first (said).

    Each is padded on the right with `pad_id` to its longest row of the batch. ValueError if there
    are no examples.
    """
    if not examples:
        raise ValueError("a batch needs at least one example")
    return Batch(
        _padded([example.source for example in examples], pad_id),
        _padded([example.target[:-1] for example in examples], pad_id),
        _padded([example.target[1:] for example in examples], pad_id),
    )


def _padded(rows: Sequence[list[int]], pad_id: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [pad_id] * (width - len(row)) for row in rows])  # (B, width)

"""Greedy decoding: write the likeliest next token, and the next, until the end token.

Sources: Vaswani et al. 2017 (arXiv:1706.03762), section 6.1; Wu et al. 2016 (arXiv:1609.08144),
section 7, for the length penalty. Chapter 13. `beam.py` keeps several paths instead of one.
`Prefixes` is what both share: the targets as far as they are written, with or without a KV cache.
Leaves out: sampling (a translation wants the best text, not a varied one), and Wu et al.'s coverage
penalty, which the 2017 paper does not use.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from .cache import KVCache
from .model import Transformer

EXTRA_TOKENS = 50  # section 6.1: a translation is at most this much longer than its source


@dataclass(frozen=True)
class Hypothesis:
    """A translation that was found."""

    ids: list[int]
    """The tokens, without the start token and the end token."""
    score: float
    """log_prob / length_penalty(|Y|, alpha): what hypotheses are compared by."""
    log_prob: float
    """log P(Y | source): the sum over the tokens, the end token included where there is one."""
    finished: bool
    """True: ended by its end token; False: cut at the maximum length."""


def length_penalty(length: int, alpha: float) -> float:
    """((5 + |Y|) / 6)^alpha: Wu et al. 2016, eq. 14. 1 for a single token.

    length: |Y|, the number of tokens generated, the end token included and the start token not
    alpha: 0 compares plain log-probabilities, which favour short texts; larger, longer texts win
    """
    return ((5 + length) / 6) ** alpha


@torch.inference_mode()
def greedy_decode(
    model: Transformer,
    source_ids: Tensor,
    max_new_tokens: int | None = None,
    use_cache: bool = True,
    alpha: float = 0.6,
) -> list[Hypothesis]:
    """Take the likeliest next token each time.

    source_ids: (B, S) int, pads on the right · max_new_tokens: the end token included;
    None = the tokens of each source + 50 · use_cache: False runs every earlier token again, each
    step, for the same result · alpha: only for the score, >= 0
    returns one hypothesis a source, the same as if it were alone (up to rounding)
    Padding and the start token are never written, however likely; log_prob is what the model gives
    all the same. Dropout is off meanwhile; afterwards each module is in its own mode again.
    ValueError: no source, a source of pads only, an id that the model lacks, a setting out of range
    """
    limits = check_request(model, source_ids, max_new_tokens, alpha)
    eos_id = model.config.eos_id
    texts: list[list[int]] = [[] for _ in limits]
    log_probs = [0.0] * len(limits)
    running = list(range(len(limits)))  # the sources whose targets are not at their end
    with evaluating(model):
        prefixes = Prefixes(model, source_ids, max(limits), use_cache)
        while running:
            best = [row[0] for row in prefixes.candidates(1)]
            for source, (token, log_prob) in zip(running, best, strict=True):
                texts[source].append(token)
                log_probs[source] += log_prob
            kept = [
                row
                for row, source in enumerate(running)
                if texts[source][-1] != eos_id and len(texts[source]) < limits[source]
            ]
            running = [running[row] for row in kept]
            prefixes.extend(kept, [best[row][0] for row in kept])
    pairs = zip(texts, log_probs, strict=True)
    return [make_hypothesis(text, log_prob, eos_id, alpha) for text, log_prob in pairs]


def make_hypothesis(tokens: list[int], log_prob: float, eos_id: int, alpha: float) -> Hypothesis:
    """tokens: all that were generated, with the end token if there is one."""
    finished = tokens[-1] == eos_id
    score = log_prob / length_penalty(len(tokens), alpha)
    return Hypothesis(tokens[:-1] if finished else tokens, score, log_prob, finished)


class Prefixes:
    """The R targets being written, and what the model needs to go on with them."""

    def __init__(
        self, model: Transformer, source_ids: Tensor, max_length: int, use_cache: bool
    ) -> None:
        """source_ids: (B, S), one target each to begin with · max_length: tokens, start included"""
        self.model = model
        self.memory = model.encode(source_ids)  # (R, S, D)
        self.source_mask = model.source_mask(source_ids)  # (R, 1, 1, S)
        self.sources = list(range(len(source_ids)))  # which source each target translates
        self.ids = source_ids.new_full((len(source_ids), 1), model.config.bos_id)  # (R, T)
        self.cache = KVCache.like(model.config, self.memory, max_length) if use_cache else None

    def candidates(self, count: int) -> list[list[tuple[int, float]]]:
        """The likeliest next tokens of every target, best first, each with its log-probability.

        returns R lists of up to `count`; padding and the start token are never among them
        """
        config = self.model.config
        new_ids = self.ids if self.cache is None else self.ids[:, -1:]
        x = self.model.decode(new_ids, self.memory, self.source_mask, self.cache)  # (R, T, D)
        logits = self.model.project(x[:, -1])  # (R, V)
        # Barred after the softmax: a log-probability stays the one the model itself gives.
        log_probs = logits.float().log_softmax(dim=-1)
        log_probs[:, [config.pad_id, config.bos_id]] = -math.inf
        values, tokens = log_probs.topk(min(count, config.vocab_size - 2))  # (R, count)
        if not values[:, 0].isfinite().all():
            raise ValueError("the model's logits are not finite: its weights hold NaN or infinity")
        pairs = zip(tokens.tolist(), values.tolist(), strict=True)
        return [list(zip(*pair, strict=True)) for pair in pairs]

    def extend(self, rows: list[int], tokens: list[int]) -> None:
        """Target i becomes the old target rows[i] with tokens[i] behind it; others are dropped."""
        if rows != list(range(len(self.ids))):
            self._select(rows)
        new_ids = torch.tensor(tokens, dtype=torch.long, device=self.ids.device)  # (R,)
        self.ids = torch.cat((self.ids, new_ids[:, None]), dim=1)  # (R, T) -> (R, T + 1)

    def _select(self, rows: list[int]) -> None:
        index = torch.tensor(rows, dtype=torch.long, device=self.ids.device)
        self.ids = self.ids[index]
        sources = [self.sources[row] for row in rows]
        if sources == self.sources:  # beams of one source have changed places among themselves
            if self.cache is not None:
                self.cache.reorder(index)
            return
        self.sources = sources
        self.memory, self.source_mask = self.memory[index], self.source_mask[index]
        if self.cache is not None:
            self.cache.select(index)


@contextmanager
def evaluating(model: Transformer) -> Iterator[None]:
    """Dropout off within; every module gets its own mode back, also after an error."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def check_request(
    model: Transformer, source_ids: Tensor, max_new_tokens: int | None, alpha: float
) -> list[int]:
    """ValueError for what cannot be decoded; returns the most tokens for each source."""
    if not (math.isfinite(alpha) and alpha >= 0):
        raise ValueError(f"alpha={alpha} must be 0 (no length penalty) or above, e.g. 0.6")
    if max_new_tokens is not None and max_new_tokens < 1:
        raise ValueError(f"max_new_tokens={max_new_tokens} must be at least 1, the end token")
    if source_ids.dim() != 2 or source_ids.is_floating_point() or source_ids.dtype == torch.bool:
        raise ValueError(
            f"source_ids is {source_ids.dtype} of shape {tuple(source_ids.shape)}; "
            "give (B, S) integers"
        )
    if source_ids.numel() == 0:
        raise ValueError(f"source_ids has shape {tuple(source_ids.shape)}: give at least one token")
    vocab_size = model.config.vocab_size
    wrong = (source_ids < 0) | (source_ids >= vocab_size)
    if wrong.any():
        row, place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"source_ids[{row}, {place}]={int(source_ids[row, place])} is not an id of this model: "
            f"they go from 0 to {vocab_size - 1}"
        )
    lengths = (source_ids != model.config.pad_id).sum(dim=1).tolist()
    if 0 in lengths:
        raise ValueError(
            f"source {lengths.index(0)} holds only padding: give it its end token at least"
        )
    return [max_new_tokens or length + EXTRA_TOKENS for length in lengths]

"""From scores to one token: what temperature, top-k, top-p, min-p and a penalty do to the logits.

Sources: top-k: Fan et al. 2018 (arXiv:1805.04833); top-p: Holtzman et al. 2020 (arXiv:1904.09751);
min-p: Nguyen et al. 2024 (arXiv:2407.01082); repetition penalty: Keskar et al. 2019
(arXiv:1909.05858), eq. 1. Chapter 23. The order and the ties are those of transformers.

Each function takes and returns logits: (B, V) float; a token that is ruled out gets -inf.
"""

import torch
from torch import Tensor

OUT = float("-inf")


def apply_repetition_penalty(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make tokens that occurred before less likely: positive scores / penalty, negative * penalty.

    seen: (B, V) bool, True for tokens of the prompt and of the reply so far · penalty > 0, 1 = off
    """
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def apply_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens, and those that tie with the last of them."""
    kth = logits.topk(min(k, logits.shape[-1])).values[:, -1:]  # (B, 1)
    return logits.masked_fill(logits < kth, OUT)


def apply_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest tokens that hold at least the share `p` of probability, the others get -inf.

    logits: (B, V) float, each row for itself · p in (0, 1); the most likely token always stays
    returns (B, V). Holtzman et al. 2019, section 3.1.
    """
    ascending, order = logits.sort(dim=-1)  # the least likely first: the tail is cut off here
    dropped = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - p
    dropped[:, -1] = False  # the most likely token stays, whatever p
    return logits.masked_fill(dropped.scatter(1, order, dropped), OUT)


def apply_min_p(logits: Tensor, p: float) -> Tensor:
    """Keep tokens at least `p` times as likely as the most likely one."""
    probs = logits.softmax(dim=-1)
    return logits.masked_fill(probs < p * probs.amax(dim=-1, keepdim=True), OUT)


def sample(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Choose one token a row: (B, V) -> (B,). Temperature 0 takes the most likely one."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    # fp32: in bf16 the cumulative sums of a large vocabulary are off by percents
    logits = logits.float() / temperature
    if top_k > 0:
        logits = apply_top_k(logits, top_k)
    if top_p < 1:
        logits = apply_top_p(logits, top_p)
    if min_p > 0:
        logits = apply_min_p(logits, min_p)
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)[:, 0]

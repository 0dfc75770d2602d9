"""The loss: how surprised the model is by each token, with a tenth of the surprise spread out.

Sources: label smoothing: Szegedy et al. 2015 (arXiv:1512.00567), section 7; Vaswani et al. 2017
(arXiv:1706.03762), section 5.4, which uses 0.1. Chapter 13 draws the two targets.

The value is that of torch.nn.functional.cross_entropy(label_smoothing=..., ignore_index=pad_id).
It spreads over all V tokens, the right one and the padding id included, as Szegedy writes it
(u(k) = 1/K). Popular tutorials leave those two out and divide by V - 2, and report a KL divergence:
that differs by a constant, and by next to nothing for a real vocabulary.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class LossSum(NamedTuple):
    """Sums over the real tokens of a batch: divide by `tokens` of the whole step, once."""

    smoothed: Tensor
    """What training lowers, in nats: the cross-entropy with the smoothed target."""
    nll: Tensor
    """What we report, in nats: -log p(right token); exp(nll / tokens) is the perplexity."""
    tokens: int
    """How many targets are not padding."""


def label_smoothed_cross_entropy(
    logits: Tensor, targets: Tensor, pad_id: int, smoothing: float = 0.1
) -> LossSum:
    """Cross-entropy against (1 - smoothing) on the right token + smoothing / V on every token.

    logits: (B, T, V) float, softened here · targets: (B, T) int64, `pad_id` counts for nothing
    returns sums, not means: batches of different sizes then add up; `nll` carries no gradient. In
    the logits' dtype, but float32 for half precision
    ValueError if smoothing is not in [0, 1).
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing={smoothing} must be in [0, 1): the paper takes 0.1")
    # fp32 at least: bf16 has 3 digits, too few for a sum over the vocabulary
    log_p = logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    nll = -log_p.gather(-1, targets[..., None]).squeeze(-1)  # (B, T, V) -> (B, T)
    # the mean over V is the cross-entropy with a uniform target: no (B, T, V) target is built
    smoothed = (1 - smoothing) * nll - smoothing * log_p.mean(-1)  # (B, T)
    real = targets != pad_id  # (B, T)
    return LossSum(smoothed[real].sum(), nll[real].sum().detach(), int(real.sum()))

"""Log-probabilities: how likely the model itself holds each token of a text, and what else it held.

log softmax of the logits, before temperature and top-p. They are what multiple-choice evaluation
compares, and perplexity is exp of their mean, negated. Chapters 24 and 52.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .model import Qwen2ForCausalLM

SCORED_AT_ONCE = 256  # places of a prompt: all logits of a long one would take gigabytes


@dataclass(frozen=True)
class TokenScore:
    """How likely a token was, by the model itself: before temperature and top-p."""

    token: int
    logprob: float | None
    """In nats; None for the first token of a prompt, which nothing stands before."""
    top: tuple[tuple[int, float], ...]
    """The likeliest tokens of that place and their logprobs, the best first."""


def score_prompt(
    model: Qwen2ForCausalLM, prompt: Sequence[int], hidden: Tensor, top: int, known: int
) -> list[TokenScore]:
    """The scores of a prompt, of which the model's last layer gave hidden: (T, D).

    Place t of it is asked about token t + 1, so nothing is said of the first token.
    """
    scores = [TokenScore(prompt[0], None, ())]
    for start in range(0, len(prompt) - 1, SCORED_AT_ONCE):
        tokens = prompt[1:][start : start + SCORED_AT_ONCE]
        logits = model.lm_head(hidden[start : start + len(tokens)])  # (N, D) -> (N, V)
        scores += score_tokens(logits, tokens, top, known)
    return scores


def score_tokens(logits: Tensor, tokens: Sequence[int], top: int, known: int) -> list[TokenScore]:
    """The log-probabilities of N tokens, and of the `top` likeliest of the `known` ids each.

    logits: (N, V)
    """
    logprobs = logits.float().log_softmax(dim=-1)  # (N, V)
    chosen = logprobs.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0].tolist()
    best = logprobs[:, :known].topk(min(top, known))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    tops = [tuple(zip(ids, values, strict=True)) for ids, values in pairs]
    return [TokenScore(*score) for score in zip(tokens, chosen, tops, strict=True)]

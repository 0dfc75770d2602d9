"""What transformers' generate is given to stop at texts, and to draw tokens.

It can draw by itself, but then an answer depends on what else is in the batch and on what was drawn
before. Here each prompt has its own source of chance, so a run that was stopped and resumed gives
the answers that it would have given. Drawing is argmax(log p + noise), with noise of the Gumbel
distribution (Gumbel 1954; Maddison et al. 2014, https://arxiv.org/abs/1411.0030).
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .models import Generation

if TYPE_CHECKING:
    from torch import Tensor


def generate_options(
    tokenizer: Any, rows: Sequence[Sequence[int]], width: int, generation: Generation
) -> dict[str, Any]:
    """The arguments of generate for prompts of `width` tokens, padding included."""
    from transformers import (
        LogitsProcessorList,
        StoppingCriteriaList,
        TemperatureLogitsWarper,
        TopPLogitsWarper,
    )

    options: dict[str, Any] = {}
    if generation.stop:
        options["stopping_criteria"] = StoppingCriteriaList(
            [StopTexts(tokenizer, generation.stop, width)]
        )
    if generation.temperature:
        options["logits_processor"] = LogitsProcessorList(
            [
                TemperatureLogitsWarper(generation.temperature),
                TopPLogitsWarper(generation.top_p),
                GumbelNoise(rows, generation.seed),
            ]
        )
    return options


class StopTexts:
    """Ends a row whose new text holds one of the stop texts, across tokens too."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], width: int) -> None:
        self._tokenizer, self._stop, self._width = tokenizer, stop, width
        # A token is a byte at least; some more for those that show nothing.
        self._tail = max(len(text.encode("utf-8", "replace")) for text in stop) + 8

    def __call__(self, input_ids: "Tensor", scores: "Tensor", **_: object) -> "Tensor":
        import torch

        new = input_ids[:, self._width :][:, -self._tail :]
        texts = self._tokenizer.batch_decode(new, skip_special_tokens=True)
        done = [any(stop in text for stop in self._stop) for text in texts]
        return torch.tensor(done, device=input_ids.device)  # (B,)


class GumbelNoise:
    """Added to log-probabilities, makes the likeliest token one that was drawn."""

    def __init__(self, rows: Sequence[Sequence[int]], seed: int) -> None:
        import torch

        self._sources = [torch.Generator().manual_seed(_seed(seed, row)) for row in rows]

    def __call__(self, input_ids: "Tensor", scores: "Tensor") -> "Tensor":
        import torch

        noise = [
            -torch.empty(scores.shape[1]).exponential_(generator=source).log()
            for source in self._sources
        ]
        return scores + torch.stack(noise).to(scores.device)  # (B, V)


def _seed(seed: int, row: Sequence[int]) -> int:
    digest = hashlib.sha256(repr((seed, tuple(row))).encode()).digest()
    return int.from_bytes(digest[:7], "big")

"""Generation: predict one token, append it, predict the next, until something says stop.

Prefill runs the whole prompt through the model once; after it, each step runs one token against the
KV cache. Chapter 23. Prompts of unequal length are padded on the left, so that the newest token of
every row is in the last column. In `batching.py` rows join and leave a running batch. Leaves out:
beam search, speculative decoding.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .cache import KVCache
from .model import Qwen2ForCausalLM
from .sampling import apply_repetition_penalty, sample
from .tokenizer import StreamDecoder, Tokenizer

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class GenerationConfig:
    """How to choose tokens and when to stop. ValueError names a setting that makes no sense."""

    max_new_tokens: int = 128
    """The longest reply, in tokens; a context that is nearly full shortens it further."""
    temperature: float = 0.0
    """0 takes the most likely token; 1 samples from the model's own distribution."""
    top_k: int = 0
    """Sample among the k most likely tokens; 0 = all."""
    top_p: float = 1.0
    """Sample among the fewest tokens that hold this share of probability; 1 = all."""
    min_p: float = 0.0
    """Sample among tokens at least this times as likely as the most likely one; 0 = all."""
    repetition_penalty: float = 1.0
    """Above 1: tokens that occurred before become less likely; 1 = off."""
    stop_token_ids: tuple[int, ...] | None = None
    """Ids that end the reply and are not part of it; None = the model's eos_token_id."""
    stop_strings: tuple[str, ...] = ()
    """Texts that end the reply and are not part of it; they need a tokenizer."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={self.max_new_tokens} must be at least 1")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature={self.temperature} must be 0 (greedy) or above")
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k} must be 0 (off) or above")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} must be in (0, 1]; 1 is off")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p={self.min_p} must be in [0, 1]; 0 is off")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise ValueError(f"repetition_penalty={self.repetition_penalty} must be above 0")
        if isinstance(self.stop_strings, str) or "" in self.stop_strings:
            raise ValueError(
                f"stop_strings={self.stop_strings!r} must be a tuple of texts that are not empty"
            )


@dataclass(frozen=True)
class Generation:
    """One reply."""

    ids: list[int]
    """The new tokens, without the prompt and without the stop token."""
    text: str | None
    """Their text up to a stop string; None if no tokenizer was given."""
    finish_reason: FinishReason
    """`stop`: a stop token or stop string came; `length`: there was no room left."""


def generate(
    model: Qwen2ForCausalLM,
    prompts: Sequence[Sequence[int]],
    config: GenerationConfig | None = None,
    tokenizer: Tokenizer | None = None,
    generator: torch.Generator | None = None,
) -> list[Generation]:
    """Continue every prompt of a batch.

    prompts: B lists of token ids, of any lengths · generator: makes sampling repeatable
    returns B replies, each the same as if its prompt were alone (greedy; up to rounding)
    ValueError: an empty prompt, one that fills the context, ids the model does not have
    """
    config = config or GenerationConfig()
    rows = [Reply(model, config, tokenizer) for _ in prompts]
    for tokens in generate_ids(model, prompts, config, tokenizer, generator):
        for row, token in zip(rows, tokens.tolist(), strict=True):
            if row.finish_reason is None:
                row.push(token)
        if all(row.finish_reason for row in rows):
            break
    return [row.finish() for row in rows]


def stream(
    model: Qwen2ForCausalLM,
    prompt: Sequence[int],
    tokenizer: Tokenizer,
    config: GenerationConfig | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[str]:
    """The same for one prompt, piece by piece: whole characters, and nothing of a stop string.

    The pieces joined are the `text` that `generate` returns.
    """
    config = config or GenerationConfig()
    row = Reply(model, config, tokenizer)
    for token in generate_ids(model, [prompt], config, tokenizer, generator):
        row.push(int(token))
        if piece := row.take():
            yield piece
        if row.finish_reason:
            break
    row.finish()
    if piece := row.take():
        yield piece


@torch.inference_mode()
def generate_ids(
    model: Qwen2ForCausalLM,
    prompts: Sequence[Sequence[int]],
    config: GenerationConfig,
    tokenizer: Tokenizer | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """The loop itself: yields the next token of every row, (B,) int, and knows no stop token.

    prompts: B lists of ids; `pad_left` puts them in one batch, and refuses what cannot be run
    config: max_new_tokens, or as many as the longest prompt leaves of max_position_embeddings;
        temperature, top_k, top_p, min_p as in `sampling.sample`, called once a step, after
        `sampling.apply_repetition_penalty` for the tokens of the prompt (without padding) and of
        the reply so far
    A tokenizer only bars ids from len(tokenizer) on, which it has no text for (Qwen2's table is
    padded with such rows); ValueError if it has more ids than the model.
    """
    context, vocab_size = model.config.max_position_embeddings, model.config.vocab_size
    known = vocab_size if tokenizer is None else len(tokenizer)
    if known > vocab_size:
        raise ValueError(f"the tokenizer has {known} ids, the model {vocab_size}: not a pair")
    ids, mask = pad_left(prompts, context, model.device)  # (B, T)
    longest = ids.shape[1]
    steps = min(config.max_new_tokens, context - longest)
    cache = KVCache.for_model(model, len(prompts), longest + steps)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)  # (B, T), 0 at the first real token
    seen = _seen(prompts, vocab_size, model.device) if config.repetition_penalty != 1 else None
    for _ in range(steps):
        logits = model(ids, mask, positions, cache, logits_to_keep=1).logits[:, -1]  # (B, V)
        if seen is not None:
            logits = apply_repetition_penalty(logits, seen, config.repetition_penalty)
        settings = config.temperature, config.top_k, config.top_p, config.min_p
        tokens = sample(logits[:, :known], *settings, generator)  # (B,)
        yield tokens
        ids = tokens[:, None]  # (B, 1): from here on, one new token a step
        mask = torch.cat((mask, torch.ones_like(ids, dtype=torch.bool)), dim=1)  # (B, S)
        positions = positions[:, -1:] + 1
        if seen is not None:
            seen.scatter_(1, ids, True)


def _seen(prompts: Sequence[Sequence[int]], vocab_size: int, device: torch.device) -> Tensor:
    """(B, V) bool, True at the tokens that occur in each prompt."""
    seen = torch.zeros(len(prompts), vocab_size, dtype=torch.bool, device=device)
    for row, prompt in zip(seen, prompts, strict=True):
        row[list(prompt)] = True
    return seen


def pad_left(
    prompts: Sequence[Sequence[int]], context: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """B lists of ids -> ids: (B, T) int64 and mask: (B, T) bool, True at real tokens.

    ValueError: no prompt, an empty one, or one that leaves no room in `context` tokens
    """
    if isinstance(prompts, str) or any(isinstance(prompt, str | int) for prompt in prompts):
        raise ValueError(
            f"prompts={prompts!r:.60} must be lists of token ids such as [[3, 1, 4]]: "
            "turn text into ids with tokenizer.encode"
        )
    if not prompts:
        raise ValueError("prompts is empty: give at least one list of token ids")
    for number, prompt in enumerate(prompts):
        if len(prompt) == 0:
            raise ValueError(f"prompt {number} is empty: give it at least one token")
        if len(prompt) >= context:
            raise ValueError(
                f"prompt {number} has {len(prompt)} tokens and the context {context}: "
                "shorten it to leave room for a reply"
            )
    longest = max(map(len, prompts))
    gaps = [longest - len(prompt) for prompt in prompts]
    ids = [[0] * gap + list(prompt) for gap, prompt in zip(gaps, prompts, strict=True)]
    mask = [[False] * gap + [True] * (longest - gap) for gap in gaps]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def stop_token_ids(model: Qwen2ForCausalLM, config: GenerationConfig) -> tuple[int, ...]:
    """The ids that end a reply: those asked for, else the model's eos_token_id."""
    if config.stop_token_ids is not None:
        return config.stop_token_ids
    eos = model.config.eos_token_id
    return () if eos is None else (eos,) if isinstance(eos, int) else eos


class Reply:
    """One row while it grows: its tokens, its text, and whether it has ended."""

    def __init__(
        self, model: Qwen2ForCausalLM, config: GenerationConfig, tokenizer: Tokenizer | None
    ) -> None:
        if config.stop_strings and tokenizer is None:
            raise ValueError(f"stop_strings={config.stop_strings} need a tokenizer")
        self.stop_ids = stop_token_ids(model, config)
        self.stop_strings = config.stop_strings
        self.decoder = StreamDecoder(tokenizer) if tokenizer is not None else None
        self.ids: list[int] = []
        self.text, self.taken, self.cut = "", 0, False
        self.finish_reason: FinishReason | None = None

    def push(self, token: int) -> None:
        """Take in the next token."""
        if token in self.stop_ids:
            self.finish_reason = "stop"
            return
        self.ids.append(token)
        if self.decoder is not None:
            self._add(self.decoder.push(token))

    def finish(self) -> Generation:
        """Close the row: half a character that never got its end becomes U+FFFD."""
        if self.decoder is not None and not self.cut:
            self._add(self.decoder.flush())
        self.finish_reason = self.finish_reason or "length"
        return Generation(self.ids, None if self.decoder is None else self.text, self.finish_reason)

    def take(self) -> str:
        """The text that has become certain since the last call."""
        certain = len(self.text) - (0 if self.finish_reason else self._held())
        piece = self.text[self.taken : certain]
        self.taken = certain
        return piece

    def _add(self, piece: str) -> None:
        self.text += piece
        places = [at for stop in self.stop_strings if (at := self.text.find(stop)) >= 0]
        if places:
            self.text, self.cut, self.finish_reason = self.text[: min(places)], True, "stop"

    def _held(self) -> int:
        """Length of the longest end of the text that may yet become a stop string."""
        starts = {stop[:n] for stop in self.stop_strings for n in range(1, len(stop))}
        return max((len(start) for start in starts if self.text.endswith(start)), default=0)

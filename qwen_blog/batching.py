"""Continuous batching: replies of many requests grow in one batch, which rows join and leave.

A decoding step reads every weight once, whether for one row or for sixteen. A batch that waits for
its longest reply wastes rows; here a finished row leaves after its last step, and another takes its
place. Source: Yu et al. 2022 (Orca, OSDI '22), section 3.1. Chapter 24.

All rows end in the newest column of one KV cache, as prompts padded on the left do, so the model
needs to know nothing of this:

    row 0   . . . . p p p p r r r      . nothing, hidden by the mask
    row 1   p p p p p p p p p r r      p prompt
    row 2   . . . . . . . p p p r      r reply

A prompt runs through the model alone, then its keys and values are copied next to the others'. That
costs a copy when rows come and go, and none in between. Leaves out: paged memory, which saves the
dots (Kwon et al. 2023), prompts cut in chunks between steps, and shared prefixes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .cache import KVCache
from .generation import FinishReason, GenerationConfig, Reply
from .logprobs import TokenScore, score_prompt, score_tokens
from .model import Qwen2ForCausalLM
from .sampling import sample
from .tokenizer import Tokenizer

ROOM = 64  # columns behind the newest one; a copy of all every so many steps is hardly felt


class ContextLengthError(ValueError):
    """A prompt that does not fit into the model's context."""


@dataclass(frozen=True)
class Request:
    """A prompt and what is wanted of it."""

    prompt: tuple[int, ...]
    """Token ids, at least one."""
    config: GenerationConfig | None = None
    """How to go on; None: not at all, the prompt is only scored."""
    seed: int | None = None
    """Repeats a sampled reply, whoever else is in the batch; None: another one each time."""
    top_logprobs: int | None = None
    """Score the reply's tokens, and so many of the likeliest in their place; None: no scores."""
    score_prompt: bool = False
    """Score the prompt's tokens, too; needs `top_logprobs`."""

    def __post_init__(self) -> None:
        if self.config is not None and self.config.repetition_penalty != 1:
            raise ValueError("repetition_penalty must be 1: a batch of requests has none")
        if self.score_prompt and self.top_logprobs is None:
            raise ValueError("score_prompt=True needs top_logprobs=0 or more")


@dataclass(frozen=True)
class Update:
    """What a row has gained since its last one."""

    text: str
    """Whole characters, and nothing that may become part of a stop string."""
    scores: tuple[TokenScore, ...]
    """One a token, if asked for; first the prompt's. A stop token counts as one."""
    made: int
    """Tokens of the reply so far, a stop token included."""
    finish_reason: FinishReason | None
    """None while there is more to come."""


class Row:
    """One request's place in the batch: its reply so far, and where its keys and values are."""

    def __init__(self, request: Request, model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
        self.request, self.config = request, request.config or GenerationConfig()
        self.room = model.config.max_position_embeddings - len(request.prompt)
        self.generator = torch.Generator(model.device)
        self.generator.seed() if request.seed is None else self.generator.manual_seed(request.seed)
        self.reply = Reply(model, self.config, tokenizer)
        self.scores: list[TokenScore] = []
        self.made = 0
        self.newest = request.prompt[-1]
        self.finish_reason: FinishReason | None = None
        # a row that stays alone is never copied while it has room
        self.cache = KVCache.for_model(model, 1, len(request.prompt) + ROOM)
        self.place = self.cached = 0

    def push(self, token: int) -> None:
        """Take in the next token, and finish if it was the last."""
        self.newest, self.made = token, self.made + 1
        self.reply.push(token)
        if self.reply.finish_reason or self.made == min(self.config.max_new_tokens, self.room):
            self.finish()

    def finish(self) -> None:
        """No more tokens: what was held back is text now."""
        self.finish_reason = self.reply.finish().finish_reason

    def take(self) -> Update:
        """What is new since the last call."""
        scores, self.scores = tuple(self.scores), []
        return Update(self.reply.take(), scores, self.made, self.finish_reason)


class Batch:
    """The rows that are growing, and the model that makes them grow. One thread at a time."""

    def __init__(self, model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
        """ValueError if the tokenizer has ids that the model lacks."""
        if len(tokenizer) > (vocab_size := model.config.vocab_size):
            raise ValueError(
                f"the tokenizer has {len(tokenizer)} ids, the model {vocab_size}: not a pair"
            )
        self.model, self.tokenizer, self.known = model, tokenizer, len(tokenizer)
        self.rows: list[Row] = []

    def check(self, request: Request) -> None:
        """ValueError, or ContextLengthError, for a prompt that cannot be run."""
        context, tokens = self.model.config.max_position_embeddings, len(request.prompt)
        if not tokens:
            raise ValueError("the prompt is empty: give it at least one token")
        if bad := [i for i in request.prompt if not 0 <= i < self.known]:
            raise ValueError(f"token id {bad[0]} must be from 0 to {self.known - 1}")
        if tokens + (request.config is not None) > context:
            raise ContextLengthError(
                f"the prompt has {tokens} tokens and the context {context}: "
                "shorten it to leave room for a reply"
            )

    @torch.inference_mode()
    def join(self, request: Request) -> Row:
        """Run a prompt and choose its first token. A row that is not done by then is in the batch.

        Errors as in `check`. The rows already there are not touched.
        """
        self.check(request)
        row, prompt = Row(request, self.model, self.tokenizer), list(request.prompt)
        ids = torch.tensor([prompt], device=self.model.device)  # (1, T)
        output = self.model(ids, cache=row.cache, logits_to_keep=1)
        row.cached = len(prompt)
        if request.score_prompt:
            hidden, top = output.last_hidden_state[0], request.top_logprobs or 0
            row.scores = score_prompt(self.model, prompt, hidden, top, self.known)
        if request.config is None:
            row.finish()
        else:
            self._choose([row], output.logits[:, -1])
        if row.finish_reason is None:
            self.rows.append(row)
        return row

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """One more token for every row; those that are done by it leave. Returns all."""
        rows, device = self.rows, self.model.device
        if not rows:
            return []
        cache = self._cache()
        ids = torch.tensor([[row.newest] for row in rows], device=device)  # (B, 1)
        cached = torch.tensor([[row.cached] for row in rows], device=device)  # (B, 1)
        columns = torch.arange(cache.length + 1, device=device)  # (S,)
        mask = columns >= cache.length - cached  # (B, S), True from a row's first token on
        logits = self.model(ids, mask, cached, cache, logits_to_keep=1).logits[:, -1]  # (B, V)
        for row in rows:
            row.cached += 1
        self._choose(rows, logits)
        self.rows = [row for row in rows if row.finish_reason is None]
        return rows

    def leave(self, row: Row) -> None:
        """Give up a row, if it is still there."""
        self.rows = [other for other in self.rows if other is not row]

    def _cache(self) -> KVCache:
        """The cache that holds exactly these rows, with room for a step; a new one if need be."""
        cache = self.rows[0].cache
        in_place = all(row.cache is cache and row.place == i for i, row in enumerate(self.rows))
        if not in_place or cache.batch_size > len(self.rows) or cache.length == cache.max_length:
            cache = gather_rows(self.model, self.rows)
            for place, row in enumerate(self.rows):
                row.cache, row.place = cache, place
        return cache

    def _choose(self, rows: list[Row], logits: Tensor) -> None:
        """The next token of each row, each by its own settings. logits: (B, V)"""
        allowed = logits[:, : self.known]  # ids without a text are barred
        best = allowed.argmax(dim=-1).tolist()
        for i, row in enumerate(rows):
            token, config = best[i], row.config
            if config.temperature > 0:
                settings = config.temperature, config.top_k, config.top_p, config.min_p
                token = int(sample(allowed[i : i + 1], *settings, row.generator))
            if (count := row.request.top_logprobs) is not None:
                row.scores += score_tokens(logits[i : i + 1], [token], count, self.known)
            row.push(token)


def gather_rows(model: Qwen2ForCausalLM, rows: Sequence[Row]) -> KVCache:
    """A cache in which all these rows end in the same column, with `ROOM` for more."""
    longest = max(row.cached for row in rows)
    new = KVCache.for_model(model, len(rows), longest + ROOM)
    for layer in range(model.config.num_hidden_layers):
        for place, row in enumerate(rows):
            gap, old = longest - row.cached, row.cache
            first = old.length - row.cached
            for target, source in ((new.keys, old.keys), (new.values, old.values)):
                target[layer][place, :, :gap] = 0  # masked, but 0 * NaN is NaN
                kept = source[layer][row.place, :, first : old.length]  # (K, cached, Dh)
                target[layer][place, :, gap:longest] = kept
    new.advance(longest)
    return new

"""Questions about worlds that training has never seen, and how many a model answers.

A reply counts if greedy decoding would write it word for word, citation and end included. One
forward pass over prompt and right reply tells: each token must be the likeliest after those before
it. Chapter 24.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from ..chat import IM_END
from ..model import Qwen2ForCausalLM
from ..tokenizer import Tokenizer
from .grammar import Grammar
from .reading import Message, Reading, Shape
from .universe import TRAINING, Draw, Language

EXAM_SEED = "exam"


@dataclass(frozen=True)
class Item:
    """One question of an exam."""

    group: str
    """What it counts for: "en two-hop"."""
    messages: list[Message]
    """Up to the user's question."""
    reply: str


def reading_items(
    grammar: Grammar,
    language: Language,
    kind: str,
    passages: int,
    count: int,
    draw: Draw = TRAINING,
    name: str = "",
) -> Iterator[Item]:
    """Questions of one kind about `passages` passages each."""
    group = name or f"{language} {kind} {passages}"
    made = seed = 0
    while made < count:
        seed += 1
        rng = random.Random(f"{EXAM_SEED}/{group}/{seed}")
        reading = Reading(rng, grammar, language, Shape(passages, 4, 2, looks_first=True), draw)
        asked = reading.ask(kind)
        if asked.kind == kind:  # not every world has two hops
            made += 1
            yield Item(group, reading.prompt(asked.question), asked.reply(language))


def is_answered(model: Qwen2ForCausalLM, tokenizer: Tokenizer, item: Item) -> bool:
    """Whether greedy decoding would give the very reply."""
    prompt = tokenizer.apply_chat_template(item.messages, add_generation_prompt=True)
    reply = [*tokenizer.encode(item.reply), tokenizer.token_to_id(IM_END)]
    ids = torch.tensor([prompt + reply], device=model.device)
    logits = model(ids, logits_to_keep=len(reply) + 1).logits[0, :-1]  # (reply, V)
    return logits.argmax(-1).tolist() == reply


@torch.no_grad()
def accuracy(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer, items: Iterable[Item]
) -> dict[str, float]:
    """Group -> share of its items that are answered, in [0, 1]."""
    results: dict[str, list[bool]] = {}
    for item in items:
        results.setdefault(item.group, []).append(is_answered(model, tokenizer, item))
    return {group: round(sum(right) / len(right), 4) for group, right in results.items()}


def training_exam(grammar: Grammar, count: int) -> Sequence[Item]:
    """What is watched while the model learns: `count` questions of each group."""
    unseen = Draw(wordings=True)
    groups: list[tuple[Language, str, int, Draw, str]] = []
    for language in ("zh", "en"):
        groups += [
            (language, "fact", 1, TRAINING, ""),
            (language, "fact", 3, TRAINING, ""),
            (language, "fact", 3, unseen, f"{language} fact 3 unseen"),
            (language, "two-hop", 3, TRAINING, ""),
            (language, "absent", 3, TRAINING, ""),
        ]
    return [
        item
        for language, kind, passages, draw, name in groups
        for item in reading_items(grammar, language, kind, passages, count, draw, name)
    ]

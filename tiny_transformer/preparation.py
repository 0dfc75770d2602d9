"""From a recipe to all that `train` is given: tokenizer, model, examples, validation. Chapter 13.

Two kinds of corpus: the numerals, drawn afresh for every epoch, and pairs of sentences from a file,
of which some are held out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .config import TransformerConfig
from .data import Example, Pair, encode_pairs
from .evaluation import DIRECTIONS, evaluate_numerals, mean_nll
from .model import Transformer
from .numerals import Item, pairs
from .recipes import NumeralsRecipe, Recipe
from .stream import Corpus
from .tokenizer import Tokenizer
from .training import Validation
from .translation import Translator

DRAWS_PER_SEED = 10**6  # so far apart are the draws of two seeds: no run has as many epochs
VALIDATION_DRAW = 1  # of the held-out items; `evaluate` takes draw 0


@dataclass(frozen=True)
class Preparation:
    """What `train` needs besides the training config and a folder."""

    model: Transformer
    """Untrained, on the device to train on."""
    tokenizer: Tokenizer
    corpus: Corpus
    validate: Validation | None
    too_long: list[int]
    """Numbers of the training pairs that were left out."""


def prepare_numerals(recipe: NumeralsRecipe, device: torch.device | str = "cpu") -> Preparation:
    """Both directions in one model. Epoch e holds the training items of draw seed * 10^6 + e."""
    task, draw = recipe.task, recipe.training.seed * DRAWS_PER_SEED
    texts = both_directions(task.train_items(draw, recipe.tokenizer_items))
    tokenizer = Tokenizer.train((text for pair in texts for text in pair), recipe.model.vocab_size)

    def corpus(epoch: int) -> list[Example]:
        items = task.train_items(draw + epoch, recipe.items_per_epoch)
        return encode_pairs(both_directions(items), tokenizer, recipe.max_length)[0]

    def validate(model: Transformer) -> dict[str, float]:
        items = task.test_items(VALIDATION_DRAW, recipe.validation_items)
        translator = Translator(model, tokenizer)
        reports = {d: evaluate_numerals(translator, items, d, beam_size=1) for d in DIRECTIONS}
        return {f"exact match {d}": report.score.rate for d, report in reports.items()}

    model = new_model(recipe.model, tokenizer, recipe.training.seed)
    return Preparation(model.to(device), tokenizer, corpus, validate, [])


def prepare_pairs(
    recipe: Recipe,
    training: Sequence[Pair],
    held_out: Sequence[Pair],
    device: torch.device | str = "cpu",
) -> Preparation:
    """Every epoch has the same pairs. The vocabulary is learned from the training pairs alone.

    ValueError if all pairs of one part are too long.
    """
    texts = (text for pair in training for text in pair)
    tokenizer = Tokenizer.train(texts, recipe.model.vocab_size)
    examples, too_long = encode_pairs(training, tokenizer, recipe.max_length)
    unseen, _ = encode_pairs(held_out, tokenizer, recipe.max_length)

    def validate(model: Transformer) -> dict[str, float]:
        return {"nll": mean_nll(model, unseen, recipe.training.max_tokens)}

    model = new_model(recipe.model, tokenizer, recipe.training.seed)
    checked = validate if unseen else None
    return Preparation(model.to(device), tokenizer, lambda _: examples, checked, too_long)


def both_directions(items: Sequence[Item]) -> list[Pair]:
    """Every item as a pair from Chinese to English, then every item the other way."""
    return [Pair(*pair) for direction in DIRECTIONS for pair in pairs(items, direction)]


def new_model(config: TransformerConfig, tokenizer: Tokenizer, seed: int) -> Transformer:
    """An untrained model for the tokens that there are; the same for the same seed."""
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
        torch.manual_seed(seed)
        return Transformer(replace(config, vocab_size=tokenizer.vocab_size))


def hold_out(pairs: Sequence[Pair], count: int) -> tuple[list[Pair], list[Pair]]:
    """Part the pairs into training and held-out ones, about `count` of these; order is kept.

    A hash of the source text decides: all pairs of one source are on the same side, whatever the
    order of the file, and a pair that is added later moves next to none of the others.
    returns (training, held out), the latter up to one source's pairs more than `count`
    ValueError if nothing would be left to train on.
    """
    keys = [_hash(pair.source) for pair in pairs]
    limit = sorted(keys)[count - 1] if 0 < count <= len(keys) else ""
    training = [pair for pair, key in zip(pairs, keys, strict=True) if key > limit]
    if count > len(pairs) or not training:
        raise ValueError(
            f"valid={count} of {len(pairs)} pairs leaves none to train on: hold out fewer"
        )
    return training, [pair for pair, key in zip(pairs, keys, strict=True) if key <= limit]


def _hash(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()

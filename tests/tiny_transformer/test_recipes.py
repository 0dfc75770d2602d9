"""Recipes, and what is made of them: corpora without leaks, the same for the same seed."""

import random
from dataclasses import replace

import pytest
import torch

from tiny_transformer.data import Pair
from tiny_transformer.evaluation import DIRECTIONS
from tiny_transformer.model import Transformer
from tiny_transformer.numerals import KINDS, NumeralsTask, chinese, english, is_held_out
from tiny_transformer.numerals_checker import parse_chinese, parse_english
from tiny_transformer.preparation import (
    both_directions,
    hold_out,
    new_model,
    prepare_numerals,
    prepare_pairs,
)
from tiny_transformer.recipes import (
    MODEL_CHOICES,
    NUMERALS,
    NUMERALS_SMALL,
    PAIRS,
    TRAINING_CHOICES,
    Recipe,
    changed,
    value_of,
)
from tiny_transformer.tokenizer import Tokenizer

from .training_runs import same_parameters

QUICK = {"d_model": 16, "heads": 2, "layers": 1, "d_ff": 32, "vocab_size": 300}
SMALL = replace(
    changed(NUMERALS, QUICK), items_per_epoch=60, tokenizer_items=200, validation_items=4
)
CORPUS = [Pair(f"{chinese(n)}", f"{english(n)}") for n in range(1000, 1200)]

OTHER = {"dropout": 0.25, "norm": "pre", "precision": "bf16", "clip": 2.5, "lr_factor": 0.125}
OTHER |= {"label_smoothing": 0.25, "heads": 2}


@pytest.mark.parametrize("choice", [*MODEL_CHOICES, *TRAINING_CHOICES, "max_length"])
def test_a_choice_changes_its_own_value_and_no_other(choice: str) -> None:
    value = OTHER.get(choice, 64)
    recipe = changed(
        PAIRS, {choice: value, "unrelated": 1, "steps" if choice != "steps" else "x": None}
    )
    assert value_of(recipe, choice) == value != value_of(PAIRS, choice)
    for other in {*MODEL_CHOICES, *TRAINING_CHOICES, "max_length"} - {choice}:
        assert value_of(recipe, other) == value_of(PAIRS, other)


def test_layers_are_those_of_both_sides_and_no_clip_is_none() -> None:
    recipe = changed(PAIRS, {"layers": 5, "clip": 0})
    assert (recipe.model.num_encoder_layers, recipe.model.num_decoder_layers) == (5, 5)
    assert recipe.training.clip_norm is None


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"heads": 5}, "num_heads=5"),
        ({"clip": -1}, "clip_norm=-1"),
        ({"max_length": 1}, "max_length=1"),
    ],
)
def test_a_wrong_choice_is_refused(choices, message) -> None:
    with pytest.raises(ValueError, match=message):
        changed(PAIRS, choices)


def test_the_shipped_model_stays_below_6_megabytes() -> None:
    model = Transformer(NUMERALS.model)
    assert 2 * sum(x.numel() for x in model.parameters()) < 6e6  # stored as float16


def texts(preparation, epoch: int) -> list[tuple[str, str]]:
    decode = preparation.tokenizer.decode
    return [(decode(source), decode(target)) for source, target in preparation.corpus(epoch)]


def test_every_epoch_of_numerals_is_fresh_and_follows_from_the_seed() -> None:
    one, again = prepare_numerals(SMALL), prepare_numerals(SMALL)
    other = prepare_numerals(changed(SMALL, {"seed": 1}))
    assert texts(one, 0) == texts(again, 0) != texts(other, 0)
    epochs = [set(texts(one, epoch)) for epoch in range(3)]
    assert all(len(a & b) < 30 for a, b in ((epochs[0], epochs[1]), (epochs[1], epochs[2])))
    assert set(texts(other, 0)) != epochs[1]
    assert same_parameters(one.model, again.model)
    assert not same_parameters(one.model, other.model)


def test_numerals_are_trained_in_both_directions_and_never_a_held_out_one() -> None:
    found = texts(prepare_numerals(SMALL), 2)
    assert len(found) == 120
    forward, back = found[:60], found[60:]
    assert [(target, source) for source, target in back] == forward
    for source, target in forward:
        reading = parse_chinese(source)
        assert reading is not None
        assert reading == parse_english(target)
        assert reading.kind in KINDS
        assert not is_held_out(reading.kind, reading.value)


def test_validation_asks_for_held_out_items_in_both_directions(monkeypatch) -> None:
    seen: list[str] = []
    from tiny_transformer.translation import Translator

    def perfect(self, asked, *_, **__):
        seen.extend(asked)
        return translations(self, asked)

    translations = Translator.translations
    monkeypatch.setattr(Translator, "translations", perfect)
    preparation = prepare_numerals(SMALL)
    assert preparation.validate is not None
    found = preparation.validate(preparation.model)
    assert found == {f"exact match {direction}": 0.0 for direction in DIRECTIONS}
    readings = [parse_chinese(text) or parse_english(text) for text in seen]
    assert len(readings) == 8
    assert all(reading and is_held_out(*reading) for reading in readings)
    evaluated = {x.chinese for x in NumeralsTask.shipped().test_items(0, 4)}
    assert not evaluated & set(seen)


def test_a_new_model_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    new_model(SMALL.model, Tokenizer.train(["a"], 259), 0)
    assert torch.equal(torch.rand(3), expected)


def test_held_out_pairs_share_no_source_with_the_others() -> None:
    doubled = [*CORPUS, *(Pair(source + " ", "again") for source, _ in CORPUS)]
    training, held_out = hold_out(doubled, 40)
    assert len(held_out) == 40
    assert sorted(training + held_out) == sorted(doubled)
    assert not {s.strip() for s, _ in training} & {s.strip() for s, _ in held_out}
    assert training == [pair for pair in doubled if pair not in held_out]  # in order


def test_who_is_held_out_depends_neither_on_order_nor_on_what_else_is_there() -> None:
    training, held_out = hold_out(CORPUS, 20)
    shuffled = random.Random(0).sample(CORPUS, len(CORPUS))
    assert set(hold_out(shuffled, 20)[1]) == set(held_out)
    fewer = [pair for pair in CORPUS if pair not in training[:50]]
    assert set(hold_out(fewer, 20)[1]) == set(held_out)
    assert held_out != CORPUS[:20]
    assert held_out != CORPUS[-20:]


def test_nothing_may_be_held_out_but_not_everything() -> None:
    assert hold_out(CORPUS, 0) == (CORPUS, [])
    for count in (200, 201):
        with pytest.raises(ValueError, match=f"valid={count} of 200"):
            hold_out(CORPUS, count)
    with pytest.raises(ValueError, match="valid=1 of 3"):
        hold_out([Pair("same", "x")] * 3, 1)


def pairs_recipe(**choices) -> Recipe:
    return changed(PAIRS, QUICK | choices)


def test_the_vocabulary_comes_from_the_training_pairs_alone() -> None:
    unseen = [Pair("zyxwvut zyxwvut zyxwvut", "zyxwvut zyxwvut")] * 50
    preparation = prepare_pairs(pairs_recipe(vocab_size=1000), CORPUS, unseen)
    tokens = [preparation.tokenizer.token_text(i) for i in range(preparation.tokenizer.vocab_size)]
    assert not [token for token in tokens if "zy" in token]
    assert preparation.model.config.vocab_size == preparation.tokenizer.vocab_size < 1000


def test_pairs_that_are_too_long_are_left_out_and_told() -> None:
    long = Pair("7" * 50, "short")
    preparation = prepare_pairs(pairs_recipe(max_length=40), [CORPUS[0], long, *CORPUS[1:]], [])
    assert preparation.too_long == [1]
    assert len(preparation.corpus(0)) == len(CORPUS)
    assert preparation.corpus(0) == preparation.corpus(7)


def test_without_held_out_pairs_there_is_no_validation() -> None:
    assert prepare_pairs(pairs_recipe(), CORPUS, []).validate is None
    preparation = prepare_pairs(pairs_recipe(), CORPUS[20:], CORPUS[:20])
    assert preparation.validate is not None
    assert list(preparation.validate(preparation.model)) == ["nll"]


def test_two_minutes_are_for_the_small_task() -> None:
    assert NUMERALS_SMALL.task == NumeralsTask.small()
    assert NUMERALS.task == NumeralsTask.shipped()


def test_both_directions_say_every_item_twice() -> None:
    items = NumeralsTask.shipped().train_items(0, 3)
    pairs = both_directions(items)
    assert pairs == [Pair(x.chinese, x.english) for x in items] + [
        Pair(x.english, x.chinese) for x in items
    ]

"""The weights that come with the package: small, of their recipe, and as good as it is said."""

import json
from pathlib import Path

import pytest
import torch

from tiny_transformer.beam import beam_search
from tiny_transformer.decoding import greedy_decode
from tiny_transformer.evaluation import DIRECTIONS, evaluate_numerals
from tiny_transformer.numerals import pairs
from tiny_transformer.preparation import both_directions
from tiny_transformer.recipes import NUMERALS
from tiny_transformer.tokenizer import Tokenizer
from tiny_transformer.translation import Translator, find_model

ITEMS = NUMERALS.task.test_items(seed=7, count=250)  # other draws than `evaluate` reports


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator.load()


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in find_model(None).rglob("*")) < 6_000_000


def test_model_tokenizer_and_log_are_those_of_the_recipe(
    translator: Translator, tmp_path: Path
) -> None:
    recipe, config = NUMERALS, translator.model.config
    assert config.vocab_size == translator.tokenizer.vocab_size
    assert {**config.to_dict(), "vocab_size": recipe.model.vocab_size} == recipe.model.to_dict()
    texts = both_directions(recipe.task.train_items(recipe.training.seed, recipe.tokenizer_items))
    words = (text for pair in texts for text in pair)
    Tokenizer.train(words, recipe.model.vocab_size).save(tmp_path / "tokenizer.json")
    trained, shipped = (folder / "tokenizer.json" for folder in (tmp_path, find_model(None)))
    assert json.loads(trained.read_text("utf-8")) == json.loads(shipped.read_text("utf-8"))
    log = (find_model(None) / "log.jsonl").read_text("utf-8").splitlines()
    assert json.loads(log[-1])["step"] == recipe.training.steps


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("三千二百一十万零五", "thirty-two million one hundred thousand and five"),
        ("二〇二六年十一月二十三日", "November 23, 2026"),
        ("三百二十元五角六分", "three hundred and twenty yuan and fifty-six fen"),
    ],
)
def test_it_translates_the_worked_examples_both_ways(
    translator: Translator, source: str, target: str
) -> None:
    assert translator.translate([source, target]) == [target, source]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_held_out_items_are_nearly_all_exact(translator: Translator, direction: str) -> None:
    report = evaluate_numerals(translator, ITEMS, direction, beam_size=1)
    assert report.score.total == len(ITEMS)
    assert report.score.rate >= 0.99


def test_a_beam_never_scores_below_greedy_over_500_inputs(translator: Translator) -> None:
    """Half of them longer than trained: there the model is unsure, and the two differ."""
    items = ITEMS[:125] + NUMERALS.task.longer_items(seed=7, count=125)
    texts = [source for direction in DIRECTIONS for source, _ in pairs(items, direction)]
    assert len(texts) == 500
    better = 0
    for start in range(0, len(texts), 50):
        tokenizer = translator.tokenizer
        rows = [[*tokenizer.encode(text), tokenizer.eos_id] for text in texts[start : start + 50]]
        width = max(map(len, rows))
        source_ids = torch.tensor([row + [tokenizer.pad_id] * (width - len(row)) for row in rows])
        greedy = greedy_decode(translator.model, source_ids)
        beams = beam_search(translator.model, source_ids)
        for alone, (best, *_) in zip(greedy, beams, strict=True):
            assert best.score >= alone.score - 1e-5  # rounding: other rows share its batch
            better += best.score > alone.score + 1e-5
    assert better > 0  # else this test would not notice a beam that is greedy

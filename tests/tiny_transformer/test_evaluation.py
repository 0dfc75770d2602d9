"""Scores: error bars, exact match, the loss, BLEU, and what is wrong with a numeral."""

import math
import sys
from datetime import date

import pytest
import sacrebleu
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tiny_transformer.data import Example, Pair
from tiny_transformer.evaluation import (
    Score,
    bleu,
    evaluate_numerals,
    evaluate_pairs,
    exact_match,
    mean_nll,
    wilson_interval,
)
from tiny_transformer.numerals import item, pairs
from tiny_transformer.reports import report_row, report_text
from tiny_transformer.translation import Translation

from .training_runs import reversals, tiny_model


class ScriptedTranslator:
    """Says what it is told to; anything else comes back as it is."""

    def __init__(self, script: dict[str, str]) -> None:
        self.script = script

    def translations(self, texts, beam_size=4, alpha=0.6, n_best=1, on_done=None):
        if on_done:
            on_done(len(texts))
        return [[Translation(self.script.get(text, text), -1.0, -1.0, True)] for text in texts]


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (990, 1000, 0.9817, 0.9946),
    ],
)
def test_wilson_interval_has_the_published_values(right, total, low, high) -> None:
    """A normal (Wald) interval would be a point at 0 and at 100%."""
    assert wilson_interval(right, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_are_the_rates_from_which_the_count_is_z_deviations_away(case) -> None:
    right, total = case
    low, high = wilson_interval(right, total, z=1.5)
    assert 0 <= low <= right / total <= high <= 1
    for end in {low, high} - {0.0, 1.0}:
        deviation = math.sqrt(end * (1 - end) / total)
        assert abs(right / total - end) == pytest.approx(1.5 * deviation, rel=1e-6, abs=1e-9)


def test_of_nothing_everything_is_possible_and_more_right_than_asked_is_refused() -> None:
    assert wilson_interval(0, 0) == (0, 1)
    assert math.isnan(Score(0, 0).rate)
    with pytest.raises(ValueError, match="right=3 must be between 0 and total=2"):
        wilson_interval(3, 2)


def test_exact_match_looks_past_spaces_at_the_ends_only() -> None:
    assert exact_match(["a b", " a", "a  b", "A"], ["a b", "a ", "a b", "a"]) == Score(2, 4)


def test_evaluate_pairs_keeps_the_order() -> None:
    corpus = [Pair("x", "X"), Pair("y", "Y"), Pair("z", "Z")]
    outputs, score = evaluate_pairs(ScriptedTranslator({"x": "X", "y": "?", "z": "Z"}), corpus)
    assert (outputs, score) == (["X", "?", "Z"], Score(2, 3))


NUMERALS = [
    item("number", 105),
    item("number", 32_100_005),
    item("number", 70_000),
    item("date", date(2026, 11, 23)),
    item("money", 1205),
]


@pytest.mark.parametrize("direction", ["zh-en", "en-zh"])
def test_numerals_are_sorted_by_kind_length_and_mistake(direction) -> None:
    script = dict(pairs(NUMERALS, direction))
    sources = list(script)
    wrong = {"zh-en": ("one hundred five", "???"), "en-zh": ("一百〇五", "???")}[direction]
    script |= {sources[0]: wrong[0], sources[3]: wrong[1]}
    counted: list[int] = []
    report = evaluate_numerals(
        ScriptedTranslator(script), NUMERALS, direction, on_done=counted.append
    )
    assert report.score == Score(3, 5)
    assert report.kinds == {"date": Score(0, 1), "money": Score(1, 1), "number": Score(2, 3)}
    assert report.digits == {3: Score(0, 1), 5: Score(1, 1), 8: Score(1, 1)}
    assert report.verdicts == {"other wording": 1, "not a numeral": 1}
    first = report.mistakes[0]
    assert (first.source, first.reference) == pairs(NUMERALS, direction)[0]
    assert (first.item, first.output) == (NUMERALS[0], wrong[0])
    assert sum(counted) == 5


def test_the_most_frequent_mistake_comes_first_and_the_text_shows_one_of_each() -> None:
    english = {x.chinese: x.english for x in NUMERALS}
    chinese = list(english)
    script = english | {chinese[0]: "one hundred five", chinese[2]: "nonsense", chinese[1]: "a\nb"}
    report = evaluate_numerals(ScriptedTranslator(script), NUMERALS, "zh-en")
    assert list(report.verdicts.items()) == [("not a numeral", 2), ("other wording", 1)]
    lines = report_text(report, "held out").splitlines()
    assert lines[0] == "zh-en, held out: 2 of 5 right, 40.00% (95% interval 11.76% to 76.93%)"
    assert lines[-2:] == [
        "  2 x not a numeral, as in 三千二百一十万零五 -> a b",
        "  1 x other wording, as in 一百零五 -> one hundred five",
    ]
    row = report_row(report, "held out")
    assert (row["right"], row["total"], row["kinds"]["date"]["right"]) == (2, 5, 1)


def test_mean_nll_is_a_mean_over_tokens_whatever_the_batches() -> None:
    """A mean of the batches' means, or of sentences', weighs short ones too much."""
    model, examples = tiny_model(dropout=0.5), reversals(0, count=20)
    model.train()
    total, tokens = 0.0, 0
    model.eval()
    for source, target in examples:
        logits = model(torch.tensor([source]), torch.tensor([target[:-1]])).logits[0]
        total += F.cross_entropy(logits, torch.tensor(target[1:]), reduction="sum").item()
        tokens += len(target) - 1
    model.train()
    for max_tokens in (12, 60, 10_000):
        assert mean_nll(model, examples, max_tokens) == pytest.approx(total / tokens, rel=1e-5)
    assert model.training


def test_mean_nll_of_an_example_longer_than_the_batches_of_training() -> None:
    assert math.isfinite(mean_nll(tiny_model(), [Example([5] * 30, [1, 5, 2])], 8))


ENGLISH = ["the red star is near the blue star", "a b c d e"]
CHINESE = ["红色的星星在蓝色的星星旁边", "今天是二〇二六年"]


@pytest.mark.parametrize(("references", "tokenize"), [(ENGLISH, "13a"), (CHINESE, "zh")])
def test_bleu_is_sacrebleus_cut_as_the_language_wants(references, tokenize) -> None:
    outputs = [references[0][:-2], references[1]]
    score, signature = bleu(outputs, references)
    assert score == sacrebleu.corpus_bleu(outputs, [references], tokenize=tokenize).score
    assert 0 < score < 100
    assert f"tok:{tokenize}" in signature


def test_without_sacrebleu_the_error_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(ValueError, match="pip install sacrebleu"):
        bleu(["a"], ["a"])

"""Scores of one ranking, one answer, one set of citations."""

import math

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from tiny_rag.metrics import (
    answer_f1,
    answer_holds,
    answer_tokens,
    average_precision,
    citation_precision_recall,
    ndcg,
    recall,
    reciprocal_rank,
)

PROPERTY = settings(max_examples=150, derandomize=True, deadline=None)
ITEMS = st.sampled_from([f"d{n:02}" for n in range(12)])
RANKINGS = st.lists(ITEMS, unique=True, max_size=12)
GRADES = st.dictionaries(ITEMS, st.integers(-1, 3), min_size=1, max_size=10)


# --- Rankings. ---


@PROPERTY
@given(RANKINGS.filter(len), GRADES, st.integers(1, 15))
def test_every_number_is_that_of_trec_eval(ranking, relevance, k):
    names = {"ndcg_cut": ndcg, "recall": recall, "map_cut": average_precision}
    evaluator = pytrec_eval.RelevanceEvaluator({"q": relevance}, {f"{name}.{k}" for name in names})
    run = {item: float(-rank) for rank, item in enumerate(ranking)}
    expected = evaluator.evaluate({"q": run})["q"]
    for name, metric in names.items():
        assert metric(ranking, relevance, k) == pytest.approx(expected[f"{name}_{k}"]), name
    # trec_eval's recip_rank knows no k, so it gets the first k
    evaluator = pytrec_eval.RelevanceEvaluator({"q": relevance}, {"recip_rank"})
    first = evaluator.evaluate({"q": dict(list(run.items())[:k])})["q"]["recip_rank"]
    assert reciprocal_rank(ranking, relevance, k) == pytest.approx(first)


def test_ndcg_of_a_worked_example():
    # grades 3 2 3 0 1 2 in the order found, and one of 3 and one of 2 not found
    relevance = {"a": 3, "b": 2, "c": 3, "e": 1, "f": 2, "g": 3, "h": 2}
    dcg = 3 + 2 / math.log2(3) + 3 / 2 + 0 + 1 / math.log2(6) + 2 / math.log2(7)
    ideal = 3 + 3 / math.log2(3) + 3 / 2 + 2 / math.log2(5) + 2 / math.log2(6) + 2 / math.log2(7)
    assert dcg == pytest.approx(6.861, abs=5e-4)
    assert ideal == pytest.approx(8.740, abs=5e-4)
    assert ndcg("abcdef", relevance, 6) == pytest.approx(dcg / ideal)


def test_ndcg_is_1_for_the_best_order_and_0_where_nothing_is_found_or_relevant():
    relevance = {"x": 1, "y": 3, "z": 2}
    assert ndcg("yzx", relevance, 3) == pytest.approx(1)
    assert ndcg("yzxabc", relevance, 6) == pytest.approx(1)
    assert ndcg("yz", relevance, 3) < 0.95  # x is missing
    assert ndcg("xy", {"x": 1}, 1) == ndcg("x", {"x": 1}, 5) == 1
    assert ndcg("ab", relevance, 2) == ndcg("", relevance, 2) == 0
    assert ndcg("xy", {}, 2) == ndcg("x", {"x": 0, "y": -1}, 2) == 0


def test_each_metric_sees_another_thing():
    relevance = {"x": 1, "y": 1}
    assert recall(["a", "x", "b", "y"], relevance, 3) == 1 / 2
    assert reciprocal_rank(["a", "x", "b", "y"], relevance, 3) == 1 / 2
    assert average_precision(["a", "x", "b", "y"], relevance, 4) == (1 / 2 + 2 / 4) / 2
    assert average_precision(["a", "x", "b", "y"], relevance, 3) == (1 / 2) / 2
    assert ndcg(["x", "y"], relevance, 1) == 1  # the ideal is cut at k too


@pytest.mark.parametrize("metric", [ndcg, recall, reciprocal_rank, average_precision])
def test_borders_of_every_metric(metric):
    assert metric([], {"x": 1}, 5) == 0
    assert metric(["x"], {}, 5) == 0
    assert metric(["x"], {"x": 0}, 5) == 0
    assert metric(["x", "y", "z"], {"x": 1}, 5) == 1
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        metric(["x"], {"x": 1}, 0)
    with pytest.raises(ValueError, match="'x' stands twice"):
        metric(["x", "y", "x"], {"x": 1}, 3)


# --- Answers. ---

WORDS = st.lists(st.sampled_from(["moon", "red", "Salt", "plum"]), min_size=1, max_size=7)


def nth(words):
    """The first moon, the second moon ...: what makes a set of a list."""
    return {(word, words[:place].count(word)) for place, word in enumerate(words)}


@PROPERTY
@given(WORDS, WORDS)
def test_f1_is_that_of_precision_and_recall_of_words(given_words, wanted_words):
    every = sorted(nth(given_words) | nth(wanted_words))
    wanted, found = ([word in nth(of) for word in every] for of in (wanted_words, given_words))
    answer = f"The {' '.join(given_words)} [3]."  # articles and citations do not count
    assert answer_f1(answer, [" ".join(wanted_words)]) == pytest.approx(f1_score(wanted, found))


def test_f1_counts_a_repeated_word_as_often_as_both_have_it():
    assert answer_f1("red red red moon", ["red moon red"]) == pytest.approx(2 * 3 / 7)


def test_chinese_is_compared_by_characters():
    # 四 and 颗 of 四颗; 4 characters against 2
    assert answer_f1("它有四颗。", ["四颗"]) == pytest.approx(2 * 2 / (4 + 2))
    assert answer_f1("三百颗", ["四颗"]) == pytest.approx(2 * 1 / (3 + 2))


def test_the_best_reference_counts():
    assert answer_f1("the moon Issin", ["nothing", "Issin moon", "Issin"]) == 1
    assert answer_f1("zebra", ["nothing", "Issin"]) == 0


def test_an_answer_without_words_is_wrong_unless_the_reference_has_none_either():
    assert answer_f1("", ["Issin"]) == answer_f1("？", ["Issin"]) == 0
    assert answer_f1("...", ["—"]) == 1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The 1,200 SHIPs", ["1200", "ships"]),
        ("１２００艘ＳＨＩＰ", ["1200", "艘", "ship"]),
        ("12.5%, 3, 4", ["12.5", "3", "4"]),
        ("1,234,567 but 12,34", ["1234567", "but", "12", "34"]),
        ("-40 °C, −7 and 1950-1960", ["-40", "c", "-7", "and", "1950", "1960"]),
        ("零下40度。", ["零", "下", "40", "度"]),
        (
            "Lumo has four [1], and [2, 3] 盐梅【4】［5］。",
            ["lumo", "has", "four", "and", "盐", "梅"],
        ),
        ("Müller’s cafe\u0301", ["müller", "s", "café"]),
        ("A", ["a"]),
        ("", []),
    ],
)
def test_tokens_of_an_answer(text, tokens):
    assert answer_tokens(text) == tokens


def test_an_answer_holds_a_reference_word_for_word():
    assert answer_holds("It was built in 2140 [1].", ["1999", "2140"])
    assert answer_holds("建于2140年。", ["2140年"])
    assert answer_holds("About 1,200 ships.", ["1200 ships"])
    assert not answer_holds("In 2012.", ["12"])
    assert not answer_holds("A moonlight.", ["moon"])
    assert not answer_holds("salt and plum", ["salt plum"])  # in one piece
    assert not answer_holds("It is 40 degrees.", ["-40 degrees"])
    assert not answer_holds("Nothing.", ["?"])
    assert not answer_holds("Nobody knows [12].", ["12"])


@pytest.mark.parametrize("metric", [answer_f1, answer_holds])
def test_references_are_a_list_with_something_in_it(metric):
    with pytest.raises(ValueError, match="references is empty"):
        metric("x", [])
    with pytest.raises(TypeError, match="give a list of texts"):
        metric("x", "x")


# --- Citations. ---


def test_precision_is_of_what_is_cited_and_recall_of_the_facts():
    evidence = [{"p1", "p2"}, {"p3"}]  # two facts; the first stands in two passages
    assert citation_precision_recall(["p1", "p3"], evidence) == (1, 1)
    assert citation_precision_recall(["p1", "p2"], evidence) == (1, 1 / 2)
    assert citation_precision_recall(["p3", "x", "y"], evidence) == (1 / 3, 1 / 2)
    assert citation_precision_recall(["x"], evidence) == (0, 0)
    assert citation_precision_recall([], evidence) == (0, 0)


def test_a_passage_cited_often_counts_once():
    assert citation_precision_recall(["p1", "p1", "x"], [{"p1"}]) == (1 / 2, 1)


@PROPERTY
@given(st.lists(ITEMS, min_size=1), st.lists(ITEMS, min_size=1, unique=True))
def test_where_each_fact_has_a_passage_of_its_own_they_are_those_of_sklearn(cited, holding):
    every = sorted({*cited, *holding})
    wanted, given_ = ([item in of for item in every] for of in (holding, cited))
    precision, recall_ = citation_precision_recall(cited, [{item} for item in holding])
    assert precision == pytest.approx(precision_score(wanted, given_))
    assert recall_ == pytest.approx(recall_score(wanted, given_))


def test_without_evidence_there_are_no_shares():
    with pytest.raises(ValueError, match="evidence is empty"):
        citation_precision_recall(["p1"], [])

"""Two runs are compared question by question, and nobody wins by luck."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.tiny_eval.hand_made_runs import right, run, task_for, texts
from tiny_eval.comparison import MetricComparison, compare_all, compare_runs, run_names
from tiny_eval.metrics import METRICS, Metric
from tiny_eval.paired_tests import Comparison
from tiny_eval.stats import Estimate

# --- Metrics of items. ---


def test_the_test_is_a_paired_one_over_the_documents_of_both() -> None:
    found = compare_runs(right("-" * 12 + "+" * 8), right("+" * 20, model="b"))
    test = found.metrics["exact_match"].found
    assert isinstance(test, Comparison)
    assert (test.wins, test.losses, test.ties) == (12, 0, 8)
    assert test.difference == pytest.approx(12 / 20)
    assert test.p_value == pytest.approx(binomtest(12, 12).pvalue)
    assert found.metrics["exact_match"].winner == "b"
    assert found.metrics["exact_match"].sentence("A", "B").startswith("B beats A by 0.600")


def test_the_order_of_the_documents_does_not_matter() -> None:
    a, b = right("-+-+-+"), right("+-+-+-", model="b")
    turned = replace(b, items=b.items[::-1])
    assert compare_runs(a, turned).metrics == compare_runs(a, b).metrics


def test_documents_of_one_run_only_are_named_and_left_out() -> None:
    found = compare_runs(right("+-+"), right("+-", model="b"))
    assert (found.only_a, found.only_b) == (["q2"], [])
    assert [a.id for a, _ in found.pairs] == ["q0", "q1"]
    assert found.metrics["exact_match"].found.n == 2
    assert compare_runs(right("+-"), right("+-+")).only_b == ["q2"]


def test_without_proof_nobody_wins() -> None:
    each = compare_runs(right("-++-+"), right("+++-+", model="b")).metrics["exact_match"]
    assert each.difference == pytest.approx(0.2)
    assert each.winner is None
    assert "cannot tell A and B apart" in each.sentence("A", "B")


def test_documents_that_were_not_judged_are_left_out_of_their_metric() -> None:
    a, b = right("+-+-"), right("++++", model="b")
    a.items[1].values["exact_match"] = None
    b.items[3].values["exact_match"] = None
    found = compare_runs(a, b)
    assert found.metrics["exact_match"].found.n == 2
    assert found.changes("exact_match") == []
    for item in a.items:
        item.values["exact_match"] = None
    assert compare_runs(a, b).left_out == {"exact_match": "unjudged"}


def test_documents_that_share_a_passage_are_flipped_together() -> None:
    task = task_for(cluster_by="passage")
    passages = [{"passage": place // 6} for place in range(12)]
    a = right("-" * 12, task=task, doc=passages)
    b = right("+" * 12, model="b", task=task, doc=passages)
    test = compare_runs(a, b).metrics["exact_match"].found
    assert isinstance(test, Comparison)
    assert test.test == "sign-flip test over clusters"
    assert test.p_value == pytest.approx(0.5)  # two passages: 2 of the 4 ways to flip


def test_of_a_metric_that_falls_the_lower_run_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Metric("share of wrong", of_item=lambda item: float(item.answer != "yes"), best=0)
    monkeypatch.setitem(METRICS, "wrong", replace(wrong, lower_is_better=True))
    task = task_for(metrics=("wrong",))
    found = compare_runs(right("-" * 20, task=task), right("+" * 20, model="b", task=task))
    each = found.metrics["wrong"]
    assert isinstance(each.found, Comparison)
    assert (each.difference, each.winner) == (-1, "b")
    assert (each.found.wins, each.found.losses) == (20, 0)
    assert each.sentence("A", "B").startswith("B beats A by 1.000")
    assert found.changes("wrong")[0].gain == 1
    few = compare_runs(right("-+", task=task), right("++", model="b", task=task))
    assert "B - A = -0.500" in few.metrics["wrong"].sentence("A", "B")


# --- Several tests at once. ---


def test_several_tests_are_corrected_together() -> None:
    """Holm by hand: the smaller p-value twice, the other once."""
    task = task_for(metrics=("exact_match", "f1"))
    replies = ["It = yes no"] * 6 + ["It = no"] * 4
    a, b = run(replies, task=task), run(["It = yes"] * 7 + ["It = no"] * 3, "b", task)
    found = compare_runs(a, b).metrics
    raw = {name: each.found.p_value for name, each in found.items()}  # type: ignore[union-attr]
    assert raw == {"exact_match": 2 / 2**7, "f1": 2 / 2**7}
    assert [each.adjusted_p for each in found.values()] == [4 / 2**7, 4 / 2**7]
    assert found["f1"].winner == "b"


def test_a_single_test_needs_no_correction() -> None:
    assert compare_runs(right("+-"), right("-+")).metrics["exact_match"].adjusted_p is None


def test_all_pairs_of_runs_of_a_task_are_corrected_together_but_not_with_other_tasks() -> None:
    runs = [right("-" * 20), right("+" * 6 + "-" * 14, model="b"), right("+" * 20, model="c")]
    other = task_for("other")
    runs += [right("-" * 6, task=other), right("+" * 6, model="b", task=other)]
    found = compare_all(runs)
    assert [(each.a.model, each.b.model) for each in found] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
        ("a", "b"),
    ]
    p_values = [each.metrics["exact_match"].adjusted_p for each in found]
    assert p_values == [2 / 2**6, 3 * 2 / 2**20, 2 * 2 / 2**14, None]


def test_the_corrected_p_value_decides() -> None:
    sure = Comparison(0.3, 0.1, 0.5, 0.03, "test", 20, 8, 2, 10)
    assert MetricComparison("f1", sure).winner == "b"
    assert MetricComparison("f1", sure, adjusted_p=0.06).winner is None
    assert "cannot tell" in MetricComparison("f1", sure, adjusted_p=0.06).sentence("A", "B")
    assert MetricComparison("f1", sure._replace(low=-0.1)).winner is None
    assert MetricComparison("f1", sure._replace(low=math.nan, high=math.nan)).winner is None


# --- Metrics of the corpus. ---


def test_the_bootstrap_draws_the_same_questions_for_both() -> None:
    """Runs that rise and fall together are told apart where single intervals overlap widely."""
    rng = np.random.default_rng(0)
    totals = -10 - 4 * rng.random(60)
    a, b = texts(list(totals)), texts(list(totals - 0.1), "b")
    each = compare_runs(a, b).metrics["word_perplexity"]
    assert isinstance(each.found, Estimate)
    assert a.estimates["word_perplexity"].high > b.estimates["word_perplexity"].low
    first, second = (math.exp(-(totals - shift).mean() / 4) for shift in (0, 0.1))
    assert each.difference == pytest.approx(second - first)
    assert 0 < each.found.low < each.difference < each.found.high < 2 * each.difference
    assert each.winner == "a"  # the lower perplexity
    sentence = each.sentence("A", "B")
    assert sentence.startswith("A beats B")
    assert "paired bootstrap" in sentence
    assert "p =" not in sentence


def test_the_bootstrap_of_a_mean_has_the_standard_error_of_the_paired_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def words(items: object) -> float:
        lengths = [len((item.answer or "").split()) for item in items]  # type: ignore[attr-defined]
        return sum(lengths) / len(lengths)

    monkeypatch.setitem(METRICS, "words", Metric("mean words", of_corpus=words))
    task = task_for(metrics=("words",))
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 9, (2, 100))
    a, b = (run(["= " + "w " * n for n in own], task=task) for own in counts)
    found = compare_runs(a, b).metrics["words"].found
    differences = counts[1] - counts[0]
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(differences.mean())
    error = differences.std(ddof=1) / 10
    assert found.stderr == pytest.approx(error, rel=0.1)  # a standard deviation of 1000 samples


def test_the_bootstrap_draws_whole_clusters() -> None:
    """With one cluster nothing is known, however many questions are in it."""
    task = task_for(metrics=("bleu",), cluster_by="passage")
    doc = [{"passage": "the only one"}] * 30
    replies = ["It = a yes of four words"] * 30
    found = compare_runs(run(replies, task=task, doc=doc), run(replies[::-1], "b", task, doc=doc))
    each = found.metrics["bleu"]
    assert each.found.n == 1
    assert math.isnan(each.found.low)
    assert each.winner is None
    assert "nan" not in each.sentence("A", "B")


def test_few_questions_decide_nothing_by_bootstrap() -> None:
    each = compare_runs(texts([-10.0] * 19), texts([-12.0] * 19, "b")).metrics["word_perplexity"]
    assert each.found.low > 0
    assert each.winner is None
    assert "Below 20, the interval decides nothing" in each.sentence("A", "B")
    more = compare_runs(texts([-10.0] * 20), texts([-12.0] * 20, "b"))
    assert more.metrics["word_perplexity"].winner == "a"


def test_perplexities_per_different_tokens_are_not_compared() -> None:
    found = compare_runs(texts([-10.0] * 20), texts([-10.0] * 20, "b", tokens=5))
    assert found.left_out == {"token_perplexity": "tokens"}
    assert list(found.metrics) == ["word_perplexity"]
    assert compare_runs(texts([-10.0] * 20), texts([-11.0] * 20)).left_out == {}


# --- Item by item. ---


def test_changes_come_widest_first_with_both_answers() -> None:
    task = task_for(metrics=("f1",))
    a = run(["= yes", "= no", "= yes no", "= yes"], task=task)
    b = run(["= yes", "= yes", "= no", "= no"], "b", task)
    changes = compare_runs(a, b).changes("f1")
    assert [(each.a.id, round(each.gain, 2)) for each in changes] == [
        ("q1", 1.0),
        ("q3", -1.0),
        ("q2", -0.67),
    ]
    assert (changes[0].a.answer, changes[0].b.answer) == ("no", "yes")


# --- What cannot be compared. ---


def test_another_right_answer_is_another_question() -> None:
    other = right("+-", target=[["yes"], ["maybe"]])
    with pytest.raises(ValueError, match=r"document q1 .* its target is \['yes'\] and \['maybe'\]"):
        compare_runs(right("+-"), other)


def test_another_document_under_the_same_id_is_named() -> None:
    other = right("+-", doc=[{"q": "Question 0?"}, {"q": "Another?"}])
    with pytest.raises(ValueError, match=r"document q1 .* its q is 'Question 1\?' and 'Another\?'"):
        compare_runs(right("+-"), other)


def test_another_text_has_another_perplexity() -> None:
    a, b = texts([-1.0]), texts([-1.0], "b")
    b.items[0].row["prompt"] = "five words of text here"
    with pytest.raises(ValueError, match="its prompt is"):
        compare_runs(a, b)


def test_runs_with_nothing_in_common_are_refused() -> None:
    with pytest.raises(ValueError, match="capitals and rivers are two tasks"):
        compare_runs(right("+"), right("+", task=task_for("rivers")))
    with pytest.raises(ValueError, match="no metric is in both exact_match and f1"):
        compare_runs(right("+"), right("+", task=task_for(metrics=("f1",))))
    with pytest.raises(ValueError, match="no document in common"):
        compare_runs(right("+"), right("+", id=["other"]))


def test_another_prompt_is_a_comparison_and_is_said() -> None:
    other = right("+-", model="a", task=task_for(few_shot=2), prompt=["Q: ...", "Q: ..."])
    assert compare_runs(right("+-"), other).settings == ["few_shot"]
    assert compare_runs(right("+-"), right("+-")).settings == []


# --- Names. ---


def test_runs_are_called_by_what_tells_them_apart() -> None:
    few = task_for(few_shot=2)
    assert run_names([right("+"), right("+", model="b")]) == ["a", "b"]
    assert run_names([right("+"), right("+", task=few)]) == ["a, few_shot=0", "a, few_shot=2"]
    assert run_names([right("+"), right("-"), right("+", model="b")]) == ["a #1", "a #2", "b"]
    assert run_names([right("+"), right("+", task=task_for("other"))]) == ["a", "a"]

"""Every metric by its name: what it says of a right, a half right and a missing answer.

The metrics themselves have tests of their own; here it is the table.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import Echo, choice_task, qa_task, text_task
from tiny_eval.metrics import METRICS, Item, best_of, metric_names
from tiny_eval.run_files import read_rows
from tiny_eval.runner import infer
from tiny_eval.scoring import score, score_run
from tiny_eval.tasks import KINDS


def item(answer: str | None, *targets: str, **row: Any) -> Item:
    return Item(answer, list(targets), {"id": "7", "key": "k", "doc": {}, **row})


def value(name: str, *items: Item) -> float:
    metric = METRICS[name]
    if metric.of_corpus:
        return metric.of_corpus(items)
    assert metric.of_item
    found = metric.of_item(items[0])
    assert found is not None
    return found


CLASSES = {"doc": {"all_classes": ["food", "sport"]}}
FILL = {
    "doc": {"id": "1", "type": "fill", "points": 5, "year": 2024, "answer": ["2"]},
    "reply": "【答案】2",
}

# name: (answer, targets, the rest of the row, value), each worked out by hand
FREE: dict[str, list[tuple[str | None, list[str], dict[str, Any], float]]] = {
    "exact_match": [("The Rose!", ["a rose"], {}, 1), ("roses", ["rose"], {}, 0)],
    "exact_match_zh": [("“红” 楼！", ["红楼"], {}, 1), ("红", ["红楼"], {}, 0)],
    "f1": [("red rose", ["the rose"], {}, 2 / 3), ("x", ["y"], {}, 0)],
    "f1_zh": [("北京", ["北京"], {}, 1), ("北京", ["上海"], {}, 0)],
    "rouge_1": [("a b", ["a c"], {}, 0.5)],
    "rouge_2": [("a b c", ["a b d"], {}, 0.5)],
    "rouge_l": [("a b c d", ["a c b d"], {}, 0.75)],
    "rouge_lsum": [("a b\nc d", ["a b\nx y"], {}, 0.5)],
    "rouge_l_zh": [("北京 上海", ["北京 广州"], {}, 0.5)],
    "rouge_l_longbench": [("a b", ["a b"], {}, 1), ("a", ["b"], {}, 0)],
    "rouge_l_longbench_zh": [("北京", ["北京"], {}, 1), ("北京", ["上海"], {}, 0)],
    "classification": [("food", ["food"], CLASSES, 1), ("food or sport", ["food"], CLASSES, 0.5)],
    "retrieval": [("Paragraph 3", ["Paragraph 3"], {}, 1), ("3 or 4", ["Paragraph 3"], {}, 0.5)],
    "count": [("5", ["5"], {}, 1), ("5 or 6", ["5"], {}, 0.5)],
    "edit_similarity": [("abcd", ["abcd"], {}, 1), ("abcd", ["wxyz"], {}, 0)],
    "number_match": [("1,000.0", ["1000"], {}, 1), ("999", ["1000"], {}, 0)],
    "maths_equal": [(r"\frac{2}{4}", ["1/2"], {}, 1), ("0.3", ["1/2"], {}, 0)],
    "gaokao": [(None, ["2"], FILL, 1), ("2", ["2"], {**FILL, "reply": "【答案】3"}, 0)],
    "bleu": [("the cat sat on it", ["the cat sat on it"], {}, 100)],
    "bleu_zh": [("猫在垫子上睡", ["猫在垫子上睡"], {}, 100)],
    "chrf": [("abcdef", ["abcdef"], {}, 100), ("abc", ["xyz"], {}, 0)],
}


@pytest.mark.parametrize("name", FREE)
def test_a_metric_of_free_answers(name: str) -> None:
    for answer, targets, row, expected in FREE[name]:
        assert value(name, item(answer, *targets, **row)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", FREE)
def test_the_best_of_several_right_answers_counts(name: str) -> None:
    if name == "gaokao":
        pytest.skip("it reads the answers from the document")
    answer, targets, row, expected = FREE[name][0]
    for several in ([*targets, "Paragraph 0"], ["Paragraph 0", *targets]):
        assert value(name, item(answer, *several, **row)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", FREE)
def test_no_answer_is_worth_nothing(name: str) -> None:
    if name == "gaokao":
        pytest.skip("it finds the answer in the reply itself")
    _, targets, row, _ = FREE[name][0]
    assert value(name, item(None, *targets, **row)) == 0


def test_every_metric_is_tried_here() -> None:
    assert set(metric_names("generate")) == set(FREE)
    assert set(METRICS) == {name for kind in KINDS for name in metric_names(kind)}


def test_every_metric_says_what_it_is_and_is_of_one_sort() -> None:
    for metric in METRICS.values():
        assert metric.about
        assert (metric.of_item is None) != (metric.of_corpus is None)
        assert metric.kind in KINDS


def choices(*totals: float, right: str = "0", texts: Any = ("a", "bbbb")) -> Item:
    found = [{"total": total, "tokens": 1, "greedy": False} for total in totals]
    return item(None, right, choices=list(texts), loglikelihoods=found)


def test_accuracy_is_the_likeliest_and_acc_norm_the_likeliest_per_character() -> None:
    assert value("acc", choices(-1.0, -2.0)) == 1
    assert value("acc", choices(-1.0, -2.0, right="1")) == 0
    assert value("acc_norm", choices(-1.0, -2.0)) == 0  # -1 for one character, -2 for four
    assert value("acc_norm", choices(-1.0, -2.0, right="1")) == 1


def test_calibration_is_of_all_answers() -> None:
    sure = choices(0.0, -100.0)
    assert value("calibration_error", sure, sure) == pytest.approx(0)
    wrong = choices(0.0, -100.0, right="1")
    assert value("calibration_error", sure, wrong) == pytest.approx(0.5)
    torn = choices(-1.0, -1.0)
    assert value("calibration_error", torn) == pytest.approx(0.5)


def text(prompt: str, total: float, tokens: int) -> Item:
    found = [{"total": total, "tokens": tokens, "greedy": False}]
    return item(None, prompt=prompt, loglikelihoods=found)


def test_perplexities_are_of_one_long_text_by_their_unit() -> None:
    items = text("一 b", -math.log(2) * 10, 4), text("c d e", -math.log(2) * 2, 2)
    assert value("byte_perplexity", *items) == pytest.approx(2 ** (12 / 10))
    assert value("word_perplexity", *items) == pytest.approx(2 ** (12 / 5))
    assert value("token_perplexity", *items) == pytest.approx(2 ** (12 / 6))
    assert value("bits_per_byte", *items) == pytest.approx(12 / 10)


def test_bleu_and_chrf_add_up_before_they_divide() -> None:
    from sacrebleu.metrics import BLEU, CHRF

    said = ["the cat sat on the mat today", "a dog", ""]
    right = [["the cat sat on a mat", "a cat sat"], ["a dog barked", "the dog"], ["x", "y"]]
    items = [item(each or None, *targets) for each, targets in zip(said, right, strict=True)]
    columns = [list(column) for column in zip(*right, strict=True)]
    assert value("bleu", *items) == pytest.approx(BLEU().corpus_score(said, columns).score)
    assert value("chrf", *items) == pytest.approx(CHRF().corpus_score(said, columns).score)


def test_a_class_needs_the_list_of_classes() -> None:
    with pytest.raises(ValueError, match="all_classes=None must be the list"):
        value("classification", item("food", "food"))


def test_open_questions_are_not_judged_without_a_judge() -> None:
    doc = {"id": "1", "type": "open", "points": 12, "year": 2024, "answer": ["2"]}
    metric = METRICS["gaokao"].of_item
    assert metric is not None
    asked = item(None, "2", doc=doc, reply="It is $2$.")
    assert metric(asked) is None
    assert metric(asked._replace(judgement={"points": 9})) == 0.75
    assert metric(asked._replace(judgement={"points": None})) is None


def test_best_of_needs_a_right_answer_only_where_there_is_an_answer() -> None:
    assert best_of(item(None), lambda a, b: 1.0) == 0
    assert best_of(item("x", "a", "b"), lambda a, b: {"a": 0.2, "b": 0.7}[b]) == 0.7


@pytest.fixture
def learner(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a function in the place of another in every module of the package, as --mine does."""

    def use(module: str, name: str, mine: Any) -> None:
        ours = getattr(sys.modules[f"tiny_eval.{module}"], name)
        for place in [each for key, each in sys.modules.items() if key.startswith("tiny_eval")]:
            for key, found in list(vars(place).items()):
                if found is ours:
                    monkeypatch.setattr(place, key, mine)

    return use


@pytest.mark.parametrize(
    ("module", "name", "metric", "mine", "expected"),
    [
        ("answers", "exact_match", "exact_match", lambda *_: 0.25, 0.25),
        ("answers", "token_f1", "f1_zh", lambda *_: 0.25, 0.25),
        ("answers", "retrieval_score", "retrieval", lambda *_: 0.25, 0.25),
        ("answers", "classification_score", "classification", lambda *_: 0.25, 0.25),
        ("rouge", "rouge_l_longbench", "rouge_l_longbench_zh", lambda *_, **__: 0.25, 0.25),
        ("likelihood", "choose", "acc", lambda *_: 7, 0),
        ("likelihood", "expected_calibration_error", "calibration_error", lambda *_: 0.25, 0.25),
        ("likelihood", "corpus_perplexity", "bits_per_byte", lambda _: 4.0, 2),
    ],
)
def test_a_learners_function_takes_the_place_of_ours(
    module: str, name: str, metric: str, mine: Any, expected: float, learner: Any
) -> None:
    learner(module, name, mine)
    if METRICS[metric].kind == "choice":
        assert value(metric, choices(-1.0, -2.0)) == expected
    elif METRICS[metric].kind == "perplexity":
        assert value(metric, text("ab", -1.0, 1)) == expected
    else:
        assert value(metric, item("food", "food", **CLASSES)) == expected


def test_a_learners_rouge_reaches_every_rouge(learner: Any) -> None:
    class Mine:
        fmeasure = 0.25

    for name in ("rouge_l", "rouge_lsum", "rouge_n"):
        learner("rouge", name, lambda *_: Mine)
    for metric in ("rouge_1", "rouge_2", "rouge_l", "rouge_l_zh", "rouge_lsum"):
        assert value(metric, item("a", "b")) == 0.25


def test_error_bars_of_corpus_metrics_take_moments(tmp_path: Path) -> None:
    """A thousand samples of 200 documents: what is counted once is not counted again."""
    docs = [{"q": f"What is {n} in many words of English? " * 8, "a": "x y z"} for n in range(200)]
    task = qa_task(tmp_path, docs, metrics=("bleu", "chrf"))
    folder = infer(task, Echo(), tmp_path).folder
    start = time.process_time()
    assert score_run(folder).estimates["bleu"].n == 200
    assert time.process_time() - start < 20


def test_tasks_of_all_kinds_can_be_scored_by_all_their_metrics(tmp_path: Path) -> None:
    for task in (
        choice_task(tmp_path, metrics=tuple(metric_names("choice"))),
        text_task(tmp_path, ["one text", "二"], metrics=tuple(metric_names("perplexity"))),
    ):
        rows = read_rows(infer(task, Echo(), tmp_path).folder / "predictions.jsonl")
        assert set(score(task, rows).estimates) == set(task.metrics)

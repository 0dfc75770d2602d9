"""Scores are a function of the predictions and the task, and of nothing else."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import Echo, choice_task, qa_task, text_task, write_docs
from tiny_eval.models import Generation
from tiny_eval.run_files import JUDGEMENTS, PREDICTIONS, Row, encode, judged_key, read_rows
from tiny_eval.runner import infer
from tiny_eval.scoring import score, score_run
from tiny_eval.scripted import gold_of, script_of
from tiny_eval.stats import bootstrap_estimate, mean_estimate
from tiny_eval.tasks import Task, load_task


def rows_saying(task: Task, *replies: str, **more: Any) -> list[Row]:
    docs = [doc.fields for doc in task.docs]
    return [
        {
            "id": doc["id"],
            "key": doc["id"],
            "prompt": doc["q"],
            "target": doc["a"] if isinstance(doc["a"], list) else [doc["a"]],
            "doc": doc,
            "reply": reply,
            "cut": reply.endswith("…"),
            **more,
        }
        for doc, reply in zip(docs, replies, strict=True)
    ]


def test_each_document_has_its_values_and_the_score_is_their_mean(tmp_path: Path) -> None:
    task = qa_task(tmp_path, metrics=("exact_match", "f1"))
    scores = score(task, rows_saying(task, "rose", "heaven", "green grass", "x"), "echo")
    assert [each.id for each in scores.items] == ["rose", "sky", "grass", "snow"]
    assert [each.values["exact_match"] for each in scores.items] == [1, 1, 0, 0]
    assert scores.items[2].values["f1"] == pytest.approx(2 / 3)
    assert scores.estimates["exact_match"] == mean_estimate([1, 1, 0, 0])
    assert scores.estimates["f1"] == mean_estimate([1, 1, 2 / 3, 0])
    assert (scores.model, scores.cut, scores.groups) == ("echo", 0, {})
    assert scores.items[1].targets == ["the sky", "heaven"]


def test_filters_come_before_metrics_and_what_they_do_not_find_is_counted(tmp_path: Path) -> None:
    task = qa_task(tmp_path, filters=({"regex": "is (.+)"},))
    scores = score(task, rows_saying(task, "It is a rose", "the sky", "is grass", "??"))
    assert [each.answer for each in scores.items] == ["a rose", None, "grass", None]
    assert [each.values["exact_match"] for each in scores.items] == [1, 0, 1, 0]
    assert scores.estimates["exact_match"].n == 4
    assert scores.extracted == mean_estimate([1, 0, 1, 0])


def test_without_filters_nothing_is_extracted(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    scores = score(task, rows_saying(task, "rose", "", "…", " \n"))
    assert scores.extracted is None
    assert [each.answer for each in scores.items] == ["rose", "", "…", " \n"]
    assert scores.cut == 1


def test_groups_are_scored_by_themselves(tmp_path: Path) -> None:
    task = qa_task(tmp_path, group_by="topic", metrics=("exact_match", "bleu"))
    rows = rows_saying(task, "rose", "the sky", "x", "x")
    scores = score(task, rows)
    assert list(scores.groups) == ["plants", "air"]
    assert scores.groups["plants"]["exact_match"] == mean_estimate([1, 0])
    assert scores.groups["air"] == score(task, [rows[1], rows[3]]).groups["air"]


def test_what_shares_a_passage_is_no_independent_question(tmp_path: Path) -> None:
    task = qa_task(tmp_path, metrics=("f1",))
    rows = rows_saying(task, "a red rose", "sky", "green grass", "x")
    expected = mean_estimate([2 / 3, 1, 2 / 3, 0], ["plants", "air", "plants", "air"])
    assert score(replace(task, cluster_by="topic"), rows).estimates["f1"] == expected
    assert score(task, rows).estimates["f1"] == mean_estimate([2 / 3, 1, 2 / 3, 0])


@pytest.mark.parametrize("name", ["group_by", "cluster_by"])
def test_a_slip_in_the_name_of_a_field_is_named(name: str, tmp_path: Path) -> None:
    task = qa_task(tmp_path, **{name: "topics"})
    with pytest.raises(ValueError, match=rf"{name}='topics' is no field; .* id, q, a, topic"):
        score(task, rows_saying(task, *"abcd"))


def test_a_document_that_lacks_the_groups_field_is_a_group_of_its_own(tmp_path: Path) -> None:
    docs = [{"id": "1", "q": "?", "a": "x", "topic": "t"}, {"id": "2", "q": "?", "a": "x"}]
    task = qa_task(tmp_path, docs, group_by="topic", cluster_by="topic")
    assert list(score(task, rows_saying(task, "x", "y")).groups) == ["t", ""]


def test_a_metric_of_the_corpus_has_a_bootstrap(tmp_path: Path) -> None:
    task = text_task(tmp_path, ["ab", "一二三", "c d"])
    rows = read_rows(infer(task, Echo(), tmp_path).folder / PREDICTIONS)
    pairs = [(2.0, 2), (3.0, 9), (3.0, 3)]  # Echo: -1 for each character; bytes of UTF-8

    def by_hand(sample: Any) -> float:
        return math.exp(sum(nats for nats, _ in sample) / sum(count for _, count in sample))

    found = score(task, rows).estimates["byte_perplexity"]
    assert found == pytest.approx(bootstrap_estimate(pairs, by_hand))
    assert score(task, rows).items[0].values == {}


def test_a_metric_of_the_corpus_is_drawn_by_clusters(tmp_path: Path) -> None:
    task = qa_task(tmp_path, metrics=("chrf",))
    rows = rows_saying(task, "a rose", "mud", "grass", "mud")  # plants right, air wrong
    alone = score(task, rows).estimates["chrf"]
    found = score(replace(task, cluster_by="topic"), rows).estimates["chrf"]
    assert (found.value, found.n) == (alone.value, 4)
    assert found.stderr > alone.stderr  # two passages tell less than four questions


def test_a_perplexity_beyond_all_numbers_names_the_way_out(tmp_path: Path) -> None:
    task = text_task(tmp_path, ["一" * 1600, "x"], metrics=("word_perplexity",))
    folder = infer(task, Echo(), tmp_path).folder
    with pytest.raises(ValueError, match=r"word_perplexity is more than a number can hold; .*byte"):
        score_run(folder)
    byte = replace(task, metrics=("byte_perplexity",))
    assert score_run(folder, byte).estimates["byte_perplexity"].value < 3


def test_rows_by_hand_are_checked_before_another_task_scores_them(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    folder = infer(task, Echo(), tmp_path).folder
    (folder / PREDICTIONS).write_bytes(encode({"id": "rose", "reply": "a rose"}))
    with pytest.raises(ValueError, match="prediction 'rose' lacks doc, key, prompt, target"):
        score_run(folder, task)


def test_choices_are_scored(tmp_path: Path) -> None:
    task = choice_task(tmp_path, metrics=("acc", "acc_norm"))
    folder = infer(task, gold_of(task), tmp_path).folder
    scores = score_run(folder)
    assert (scores.estimates["acc"].value, scores.extracted, scores.cut) == (1, None, 0)
    assert scores.items[0].answer is None


# --- A run's folder. ---


def test_scoring_twice_gives_the_same(tmp_path: Path) -> None:
    task = qa_task(tmp_path, metrics=("exact_match", "bleu", "chrf"), group_by="topic")
    folder = infer(task, Echo(), tmp_path).folder
    assert repr(score_run(folder)) == repr(score_run(folder))


def test_scoring_needs_neither_the_data_nor_the_models_names(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    folder = infer(task, gold_of(task), tmp_path / "runs").folder
    task.data.unlink()
    moved = folder.rename(tmp_path / "elsewhere")
    scores = score_run(moved)
    assert (scores.estimates["exact_match"].value, scores.model) == (1, "gold")
    assert scores.task == task


def test_another_task_scores_the_same_replies_anew(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    said = [{"id": name, "reply": "so: a rose"} for name in ("rose", "sky", "grass", "snow")]
    script = write_docs(tmp_path / "said.jsonl", said)
    folder = infer(task, script_of(task, script), tmp_path).folder
    assert score_run(folder).estimates["exact_match"].value == 0
    content = {
        "data": "docs.jsonl",
        "prompt": "not asked again",
        "target": "{{topic | replace('plants', 'a rose')}}",
        "filters": [{"regex": "so: (.*)"}],
        "metrics": ["exact_match", "f1"],
    }
    path = tmp_path / "other.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    scores = score_run(folder, load_task(path))
    assert scores.task.name == "other"
    assert [each.values["exact_match"] for each in scores.items] == [1, 0, 1, 0]
    assert scores.items[1].targets == ["air"]
    assert scores.extracted == mean_estimate([1, 1, 1, 1])


def test_a_run_without_predictions_says_what_to_do(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    folder = infer(task, Echo(fail=""), tmp_path).folder
    with pytest.raises(ValueError, match="no predictions to score; ") as error:
        score_run(folder)
    assert str(error.value).startswith(str(folder))


def test_a_task_of_another_kind_does_not_fit(tmp_path: Path) -> None:
    folder = infer(qa_task(tmp_path), Echo(), tmp_path).folder
    task = text_task(tmp_path, ["x"], prompt="q")
    with pytest.raises(ValueError, match=r"'perplexity': prediction 'rose' lacks loglikelihoods; "):
        score_run(folder, task)


def test_a_row_made_by_hand_that_lacks_something_is_named(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    rows = rows_saying(task, *"abcd")
    del rows[2]["target"]
    with pytest.raises(ValueError, match="prediction 'grass' lacks target; they were made"):
        score(task, rows)


def test_a_wrong_document_is_named_where_a_metric_trips_over_it(tmp_path: Path) -> None:
    task = qa_task(tmp_path, metrics=("number_match",))
    with pytest.raises(ValueError, match=r"document rose, number_match: .*'a rose' holds no"):
        score(task, rows_saying(task, *"1234"))


def test_cut_replies_are_counted(tmp_path: Path) -> None:
    task = qa_task(tmp_path, generation=Generation(max_tokens=12))
    assert score_run(infer(task, Echo(), tmp_path).folder).cut == 3  # the Chinese one is shorter


def test_another_task_must_have_offered_the_same_choices(tmp_path: Path) -> None:
    task = choice_task(tmp_path)
    folder = infer(task, gold_of(task), tmp_path).folder
    turned = replace(task, choices=("{{options[1]}}", "{{options[0]}}"), target="{{options[a]}}")
    with pytest.raises(ValueError, match="document 0 was asked with the choices"):
        score_run(folder, turned)


# --- Judgements. ---

OPEN = {"q": "Prove it.", "type": "open", "points": 12, "year": 2024, "a": ["2"], "answer": ["2"]}
FILL = {"q": "1 + 1 =", "type": "fill", "points": 5, "year": 2024, "a": "2", "answer": ["2"]}


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """The folder of a run of two open questions and a blank to fill in."""
    docs = [{"id": "o1", **OPEN}, {"id": "o2", **OPEN}, {"id": "f", **FILL}]
    task = qa_task(tmp_path, docs, metrics=("gaokao",))
    return infer(task, gold_of(task), tmp_path).folder


def judge(folder: Path, *marks: tuple[str, Any], **change: Any) -> None:
    rows = {row["id"]: row for row in read_rows(folder / PREDICTIONS)}
    lines = [
        encode({"id": name, "key": judged_key({**rows[name], **change}), "points": points})
        for name, points in marks
    ]
    (folder / JUDGEMENTS).write_bytes(b"".join(lines))


def test_what_nobody_has_judged_is_left_out_of_the_mean(paper: Path) -> None:
    scores = score_run(paper)
    assert [each.values["gaokao"] for each in scores.items] == [None, None, 1]
    assert scores.estimates["gaokao"].n == 1


def test_a_metric_that_judged_nothing_has_no_score(paper: Path) -> None:
    rows = read_rows(paper / PREDICTIONS)[:2]
    scores = score(score_run(paper).task, rows)
    assert scores.estimates == {}
    assert scores.extracted is None


def test_a_metric_that_reads_replies_by_itself_says_in_how_many_it_found_an_answer(
    paper: Path,
) -> None:
    task, rows = score_run(paper).task, read_rows(paper / PREDICTIONS)
    rows[2]["reply"] = "抱歉，" + "这道题的条件不足以让我得到一个确定的结果，" * 3
    blank = {**rows[2], "reply": "【答案】2；3"}
    scores = score(task, [*rows, blank])
    assert [item.answer is None for item in scores.items] == [False, False, True, False]
    assert scores.items[3].answer == "2；3"
    assert scores.extracted == mean_estimate([0, 1])  # of the open ones nobody has judged any


def test_an_open_question_that_is_marked_counts_as_read(paper: Path) -> None:
    judge(paper, ("o1", 0))
    scores = score_run(paper)
    assert scores.extracted == mean_estimate([1, 1])
    unread = [{**row, "reply": ""} for row in read_rows(paper / PREDICTIONS)]
    assert score(scores.task, unread).extracted == mean_estimate([0, 0, 0])


def test_a_task_with_filters_counts_what_these_find(paper: Path) -> None:
    task, rows = score_run(paper).task, read_rows(paper / PREDICTIONS)[2:]
    scores = score(replace(task, filters=("boxed",)), rows)
    assert scores.items[0].answer is None
    assert scores.extracted is not None
    assert scores.extracted.value == 0


def test_the_last_word_of_the_judge_counts(paper: Path) -> None:
    judge(paper, ("o1", 3), ("o2", None), ("o1", 9))
    assert [each.values["gaokao"] for each in score_run(paper).items] == [0.75, None, 1]


@pytest.mark.parametrize("change", [{"reply": "another"}, {"key": "another"}])
def test_a_mark_is_of_one_reply_to_one_question(change: dict[str, Any], paper: Path) -> None:
    judge(paper, ("o1", 9), **change)
    assert score_run(paper).items[0].values["gaokao"] is None


def test_marks_above_the_questions_points_are_an_error(paper: Path) -> None:
    judge(paper, ("o1", 13))
    with pytest.raises(ValueError, match=r"document o1, gaokao: awarded=13 must be in \[0, 12\]"):
        score_run(paper)

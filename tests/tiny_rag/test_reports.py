"""Tables of scores."""

import json
import math
from dataclasses import replace

import pytest

from tiny_rag import reports
from tiny_rag.embeddings import HashEmbedder
from tiny_rag.evaluation import Report, evaluate_retrieval
from tiny_rag.evidence import find_evidence
from tiny_rag.generation import Answer
from tiny_rag.index import Index
from tiny_rag.llm import Usage
from tiny_rag.questions import read_questions
from tiny_rag.reports import evaluate_index

QUESTIONS = [
    {"question": "Which moon is made of ice?", "answers": ["Issin"], "gold": [
        {"source": "moons.md", "quote": "Issin is a moon of ice"}]},
    {"question": "站长是谁？", "answers": ["林河"], "gold": [
        {"source": "station.md", "quote": "站长是林河"}]},
    {"question": "Who sings?", "kind": "unanswerable"},
]  # fmt: skip


@pytest.fixture
def questions(tmp_path):
    file = tmp_path / "questions.jsonl"
    lines = [json.dumps(question) for question in QUESTIONS]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture
def make_index(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "moons.md").write_text("Issin is a moon of ice.", encoding="utf-8")
    (folder / "station.md").write_text("星环站的站长是林河。", encoding="utf-8")
    (folder / "other.md").write_text("Which moon? Nothing is made of it. 谁是？", encoding="utf-8")

    def make(embedder=None):
        index = Index(embedder=embedder)
        index.update([folder])
        return index

    return make


def refuse(question):
    return Answer("The passages do not say.", [], [], Usage(0, 0), True)


def test_a_row_a_mode_that_the_index_can_do(questions, make_index):
    words, both = make_index(), make_index(HashEmbedder(64))
    assert [row["name"] for row in evaluate_index(words, questions, None, 3)] == ["bm25"]
    rows = list(evaluate_index(both, questions, None, 3))
    assert [row["name"] for row in rows] == ["bm25", "dense", "hybrid"]
    assert [row["name"] for row in evaluate_index(both, questions, "dense", 3)] == ["dense"]
    assert "p" not in rows[0]
    assert all(0 <= row["p"] <= 1 for row in rows[1:])


def test_a_row_holds_the_numbers_of_the_evaluation(questions, make_index):
    index = make_index()
    (row,) = evaluate_index(index, questions, "bm25", 2)
    asked = read_questions(questions)
    report = evaluate_retrieval(index.retriever(), asked, find_evidence(asked, index.chunks), 2)
    assert row["questions"] == 2
    for metric in ("nDCG@2", "Recall@2", "MRR@2"):
        low, high = report.interval(metric)
        assert row[metric] == {"mean": report.mean(metric), "low": low, "high": high}
        assert f"{metric} {report.mean(metric):.3f} [{low:.3f}, {high:.3f}]" in row["text"]
    assert row["text"].startswith("bm25 ")
    assert "2 questions" in row["text"]


def test_every_row_is_compared_with_the_first(questions, make_index, monkeypatch):
    scores = iter([0.0, 1.0, 1.0])

    def measure(retriever, asked, evidence, k):
        score = next(scores)
        return Report({f"nDCG@{k}": {str(name): score for name in range(12)}})

    monkeypatch.setattr(reports, "evaluate_retrieval", measure)
    _, dense, hybrid = evaluate_index(make_index(HashEmbedder(64)), questions, None, 3)
    assert dense["p"] == hybrid["p"] < 0.01
    assert dense["questions"] == 12


def test_answers_come_after_retrieval_each_metric_with_its_own_questions(questions, make_index):
    rows = list(evaluate_index(make_index(), questions, None, 3, refuse))[1:]
    assert all(row["name"] == "answers" for row in rows)
    counts = {
        metric: (row[metric]["mean"], row["questions"])
        for row in rows
        for metric in row
        if isinstance(row[metric], dict)
    }
    assert counts == {
        "F1": (0, 2),
        "holds": (0, 2),
        "citation recall": (0, 2),
        "refusal precision": (pytest.approx(1 / 3), 3),
        "refusal recall": (1, 1),
    }  # of citations of answers there is nothing to say: all were refused


def test_the_last_row_is_the_threshold_that_best_tells_the_kinds_apart(questions, make_index):
    relevances = {"Which moon is made of ice?": 2.0, "站长是谁？": 0.5, "Who sings?": 1.0}

    def reply(question):
        return replace(refuse(question), relevance=relevances[question])

    *_, row = evaluate_index(make_index(), questions, None, 3, reply)
    text = row.pop("text")
    assert row == {"name": "threshold", "value": 1.5, "answered": 0.5, "refused": 1.0}
    assert "--min-relevance 1.50 would let 50% with an answer pass and refuse 100%" in text
    *_, last = evaluate_index(make_index(), questions, None, 3, refuse)  # none was measured
    assert last["name"] == "answers"


def test_rows_are_json_without_nan(questions, make_index):
    for row in evaluate_index(make_index(HashEmbedder(64)), questions, None, 3, refuse):
        json.dumps(row, allow_nan=False)
        assert not any(math.isnan(v) for v in row.values() if isinstance(v, float))


def test_a_mode_without_vectors_and_a_quote_that_is_not_there_are_errors(questions, make_index):
    with pytest.raises(ValueError, match="needs vectors"):
        list(evaluate_index(make_index(), questions, "dense", 3))
    with pytest.raises(ValueError, match=r"is in no chunk of 'moons\.md'"):
        list(evaluate_index(Index(), questions, None, 3))

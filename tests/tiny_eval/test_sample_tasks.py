"""The tasks that come along: their answers are right, their files load, and no trick wins."""

import json
import re
from collections import Counter
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import pytest

from tiny_eval.answers import number_match
from tiny_eval.metrics import METRICS
from tiny_eval.prompts import answer_of, choices_of, prompt_of, targets_of
from tiny_eval.runner import rows_to_ask
from tiny_eval.scoring import score
from tiny_eval.tasks import Doc, load_task

DATA = Path(str(files("tiny_eval") / "data"))
TASKS = {path.stem: load_task(path) for path in sorted((DATA / "tasks").glob("*.yaml"))}
SAMPLES = [name for name in TASKS if name.startswith("sample-")]
FREE = [name for name in SAMPLES if TASKS[name].kind == "generate"]
SUMMARIES = ["sample-summary-zh", "sample-summary-en"]
TO_DOWNLOAD = {
    "ceval",
    "cmmlu",
    "gsm8k",
    "gaokao-bench",
    "longbench-qa-zh",
    "longbench-qa-en",
    "sft",
}


def fields(name):
    return [doc.fields for doc in TASKS[name].docs]


# --- All of them. ---


def test_there_is_a_task_of_each_kind_in_both_languages():
    kinds = ["qa", "choice", "letters", "summary", "classify", "perplexity"]
    expected = {f"sample-{kind}-{language}" for kind in kinds for language in ("zh", "en")}
    assert set(SAMPLES) == expected | {"sample-maths-zh", "sample-translation-zh-en"}
    assert set(TASKS) == set(SAMPLES) | TO_DOWNLOAD | {"gaokao-2024-style"}


@pytest.mark.parametrize("name", [*SAMPLES, "gaokao-2024-style"])
def test_every_document_can_be_asked(name):
    rows = rows_to_ask(TASKS[name])
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({json.dumps(row["prompt"]) for row in rows}) == len(rows)
    if name in SAMPLES:
        assert 20 <= len(rows) <= 40


@pytest.mark.parametrize("name", FREE)
def test_a_right_reply_passes_the_filters_and_gets_the_best_score(name):
    task = TASKS[name]
    for which in (0, -1):
        rows = [
            {**row, "reply": f"<think>A or B? 3 或 4</think>\n{row['target'][which]}\n"}
            for row in rows_to_ask(task)
        ]
        scores = score(task, rows)
        assert scores.extracted is not None
        assert scores.extracted.value == 1
        for metric, estimate in scores.estimates.items():
            assert estimate.value == pytest.approx(METRICS[metric].best), metric


@pytest.mark.parametrize("name", FREE)
def test_a_wrong_reply_gets_less(name):
    task = TASKS[name]
    rows = rows_to_ask(task)
    others = [*rows[1:], rows[0]]
    swapped = [
        {**row, "reply": other["target"][0]} for row, other in zip(rows, others, strict=True)
    ]
    for metric, estimate in score(task, swapped).estimates.items():
        assert estimate.value < 0.5 * METRICS[metric].best, metric


@pytest.mark.parametrize("name", FREE)
def test_no_right_answer_is_cut_off_by_the_stops(name):
    task = TASKS[name]
    for doc in task.docs:
        for answer in targets_of(task, doc):
            assert answer.strip()
            assert not any(stop in answer for stop in task.generation.stop)


@pytest.mark.parametrize("name", [name for name in SAMPLES if TASKS[name].few_shot])
def test_solved_examples_are_others_and_end_in_their_answers(name):
    task = TASKS[name]
    first, *_, last = task.docs
    for doc in (first, last):
        row = next(row for row in rows_to_ask(task) if row["id"] == doc.id)
        assert row["prompt"].endswith(prompt_of(task, doc))
        examples = [other for other in task.docs if other is not doc][: task.few_shot]
        for example in examples:
            assert prompt_of(task, example) + task.target_delimiter in row["prompt"]
            assert answer_of(task, example) in row["prompt"]


# --- The answers are right. ---


@pytest.mark.parametrize("language", ["zh", "en"])
def test_each_answer_stands_in_its_passage(language):
    rows = fields(f"sample-qa-{language}")
    for row in rows:
        assert row["answers"]
        for answer in row["answers"]:
            assert answer in row["passage"], (row["id"], answer)
    passages = Counter(row["passage_id"] for row in rows)
    assert set(passages.values()) == {3}
    assert len({row["passage"] for row in rows}) == len(passages) == 8


def test_sums_are_recomputed_from_their_expressions():
    for row in fields("sample-maths-zh"):
        assert set(row["expression"]) <= set("0123456789.+-*/()")
        exact = re.sub(r"[\d.]+", r"Fraction('\g<0>')", row["expression"])
        assert Fraction(row["answer"]) == eval(exact, {"Fraction": Fraction}), row["id"]
        assert number_match(row["rationale"], row["answer"]) == 1, row["id"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_options_are_distinct_and_no_blind_rule_wins(language):
    rows = fields(f"sample-choice-{language}")
    assert all(len(set(row["choices"])) == 4 for row in rows)
    assert set(Counter(row["answer"] for row in rows).values()) == {len(rows) // 4}
    for rule in (min, max):  # the shortest option, the longest one: ties share
        won = 0.0
        for row in rows:
            lengths = [len(choice) for choice in row["choices"]]
            best = [place for place, length in enumerate(lengths) if length == rule(lengths)]
            won += ("ABCD".index(row["answer"]) in best) / len(best)
        assert won / len(rows) < 0.4


def test_choices_and_letters_ask_the_same_and_in_both_languages():
    for language in ("zh", "en"):
        assert fields(f"sample-choice-{language}") == fields(f"sample-letters-{language}")
    pairs = zip(fields("sample-choice-zh"), fields("sample-choice-en"), strict=True)
    assert all(zh["answer"] == en["answer"] and zh["id"] == en["id"] for zh, en in pairs)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_classes_are_balanced_and_never_named_in_a_notice_of_another(language):
    rows = fields(f"sample-classify-{language}")
    assert set(Counter(row["label"] for row in rows).values()) == {6}
    assert {row["label"] for row in rows[:4]} == set(rows[0]["all_classes"])  # as examples
    for row in rows:
        named = [name for name in row["all_classes"] if name in row["text"].lower()]
        assert named in ([], [row["label"]])


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_is_shorter_than_its_article_and_no_copy_of_its_start(name):
    for row in fields(name):
        assert 20 * len(row["summary"]) < 13 * len(row["article"]), row["id"]
        assert not row["article"].startswith(row["summary"][:24])


def test_translations_differ():
    for row in fields("sample-translation-zh-en"):
        assert len(set(row["translations"])) == 2
        assert all(text.isascii() and text[-1] in ".?" for text in row["translations"])


# --- The texts from which a model of counts learns. ---


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_corpus_gives_nothing_away(language):
    corpus = (DATA / f"corpus_{language}.txt").read_text(encoding="utf-8")
    assert 8_000 <= len(corpus.encode()) <= 12_000
    texts = [row["text"] for row in fields(f"sample-perplexity-{language}")]
    texts += [row["passage"] for row in fields(f"sample-qa-{language}")]
    texts += [text for row in fields(f"sample-summary-{language}") for text in row.values()]
    texts += [row["text"] for row in fields(f"sample-classify-{language}")]
    texts += [text for row in fields("sample-translation-zh-en") for text in row["translations"]]
    sentences = {part.strip() for text in texts for part in re.split(r"[。；.;!?！？]", text)}
    assert [part for part in sentences if len(part) > 6 and part in corpus] == []
    answers = [text for row in fields(f"sample-qa-{language}") for text in row["answers"]]
    long = [text for text in answers if len(text) > {"zh": 3, "en": 8}[language]]
    assert [text for text in long if text in corpus] == []


# --- Tasks for data that one has to get. ---

EXAM = "0,问,甲,乙,丙,丁,C\n1,又问,一,二,三,四,A\n"
LONGBENCH = {"input": "?", "context": "渡船", "answers": ["黄色"], "all_classes": None, "_id": "f"}
FILES = {
    "ceval": "id,question,A,B,C,D,answer\n" + EXAM,
    "cmmlu": ",Question,A,B,C,D,Answer\n" + EXAM,
    "gsm8k": "".join(
        json.dumps({"question": f"{n} and 1?", "answer": f"It is {n + 1}.\n#### {n + 1}"}) + "\n"
        for n in range(7)
    ),
    "gaokao-bench": json.dumps(
        {
            "keywords": "k",
            "example": [
                {
                    "year": "2010",
                    "category": "（甲）",
                    "question": "1．(5分) 1+1=（　　）\nA．1\nB．2\nC．3\nD．4\n",
                    "answer": ["B"],
                    "analysis": "略",
                    "index": 0,
                    "score": 5,
                }
            ],
        },
        indent=1,
    ),
    "longbench-qa-zh": json.dumps(LONGBENCH),
    "longbench-qa-en": json.dumps(LONGBENCH),
    "sft": json.dumps([{"instruction": "译", "input": "渡船", "output": "ferry"}]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_benchmark_needs_nothing_but_its_file(name, tmp_path):
    source = DATA / "tasks" / f"{name}.yaml"
    task = load_task(source)
    with pytest.raises(FileNotFoundError, match="--data FILE"):
        rows_to_ask(task)
    (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / task.data.name).write_text(FILES[name], encoding="utf-8")
    task = load_task(tmp_path / source.name)
    rows = [{**row, "reply": f"【答案】 {row['target'][0]}"} for row in rows_to_ask(task)]
    assert len(rows) in (1, 2, 7)
    if task.kind == "generate":
        assert all(estimate.value > 0 for estimate in score(task, rows).estimates.values())
    if name in ("gsm8k", "gaokao-bench"):
        assert [estimate.value for estimate in score(task, rows).estimates.values()] == [1]


@pytest.mark.parametrize("name", ["ceval", "cmmlu"])
def test_exams_choose_between_letters_not_between_the_answers_themselves(name):
    record = {"question": "问", "A": "甲", "B": "乙", "C": "丙", "D": "丁", "answer": "C"}
    doc = Doc("0", record)
    assert choices_of(TASKS[name], doc) == ["A", "B", "C", "D"]
    assert targets_of(TASKS[name], doc) == ["2"]
    assert prompt_of(TASKS[name], doc).endswith("问\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n答案：")


def test_the_gaokao_is_asked_by_the_type_of_its_questions():
    task = TASKS["gaokao-2024-style"]
    said = {"single": "单选题", "multiple": "多选题", "fill": "填空题", "open": "解答题"}
    for doc in task.docs:
        [message] = prompt_of(task, doc)
        found = [kind for kind, word in said.items() if word in message["content"]]
        assert found == [doc.fields["type"]]
        assert "【答案】" in message["content"]
        assert ("\nD. " in message["content"]) == (doc.fields["type"] in ("single", "multiple"))
        assert message["content"].count(doc.fields["question"]) == 1
    assert sum(doc.fields["points"] for doc in task.docs) == 150

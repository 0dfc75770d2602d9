"""Files of tasks, and that the shipped one is true: its arithmetic, its quotes, its languages."""

import json
import re
from collections import Counter

import pytest

from tiny_agent.answers import answer_matches, find_numbers
from tiny_agent.search import SAMPLE
from tiny_agent.tasks import SAMPLE_TASKS, Evidence, Task, read_tasks

LINE = {"id": "a", "question": "How deep?", "answers": ["7"], "tools": ["search"]}


def written(tmp_path, *lines):
    path = tmp_path / "tasks.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def test_a_line_is_a_task(tmp_path):
    line = LINE | {
        "lang": "en",
        "kind": "lookup",
        "calls": 1,
        "expression": "3 + 4",
        "evidence": [{"source": "en/x.md", "quote": "seven"}],
    }
    (task,) = read_tasks(written(tmp_path, line))
    assert task == Task(
        "a",
        "How deep?",
        ("7",),
        ("search",),
        "en",
        "lookup",
        1,
        "3 + 4",
        (Evidence("en/x.md", "seven"),),
    )


def test_blank_lines_and_a_byte_order_mark_are_passed_over_and_ids_may_be_left_out(tmp_path):
    path = written(tmp_path, "", {"question": "?", "answers": ["1"]}, "  ", LINE)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [task.id for task in read_tasks(path)] == ["2", "a"]


def test_a_line_separator_within_a_question_does_not_end_the_line(tmp_path):
    line = json.dumps(LINE | {"question": "a\u2028b"}, ensure_ascii=False)
    assert read_tasks(written(tmp_path, line))[0].question == "a\u2028b"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: "),
        ("[1]", r"line 2: \[1\] is no task"),
        ({"answers": ["1"]}, '"question" is None where a text'),
        (LINE | {"question": " "}, "\"question\" is ' ' where"),
        (LINE | {"answers": "7"}, "\"answers\" is '7' where a list"),
        (LINE | {"answers": [7]}, '"answers" is 7 where a text'),
        (LINE | {"answers": []}, '"answers", or "kind": "unanswerable"'),
        (LINE | {"kind": "unanswerable"}, "not both"),
        (LINE | {"tools": [""]}, '"tools" is'),
        (LINE | {"calls": -1}, '"calls" is -1'),
        (LINE | {"calls": True}, '"calls" is True'),
        (LINE | {"evidence": ["x"]}, "\"evidence\" holds 'x'"),
        (LINE | {"evidence": [{"source": "x"}]}, '"quote" is None'),
        (LINE | {"id": "first"}, "line 2: the id 'first' was used before"),
        ("[" * 100_000, "line 2: "),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, told):
    path = written(tmp_path, LINE | {"id": "first"}, line)
    with pytest.raises(ValueError, match=told) as error:
        read_tasks(path)
    assert str(error.value).startswith(f"{path}, line 2: ")


def test_a_file_of_no_tasks_or_of_no_text_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="has no tasks; a line is"):
        read_tasks(written(tmp_path, "\n\n"))
    path = tmp_path / "latin.jsonl"
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match="is not UTF-8"):
        read_tasks(path)
    with pytest.raises(FileNotFoundError):
        read_tasks(tmp_path / "none")


# --- The shipped tasks. ---

TASKS = read_tasks(SAMPLE_TASKS)


def value_of(expression):
    assert re.fullmatch(r"[0-9.+\-*/() ]+", expression)
    return eval(expression)


def test_there_are_tasks_of_every_kind_in_both_languages():
    counts = Counter((task.kind, task.lang) for task in TASKS)
    kinds = ("arithmetic", "lookup", "lookup+arithmetic", "conversion", "unanswerable")
    assert set(counts) == {(kind, lang) for kind in kinds for lang in ("en", "zh")}
    assert min(counts.values()) >= 3
    assert len({task.question for task in TASKS}) == len(TASKS)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_a_shipped_task_is_true(task):
    chinese = re.search(r"[\u4e00-\u9fff]", task.question)
    assert task.lang == ("zh" if chinese else "en")
    assert task.id.startswith(task.lang)
    for evidence in task.evidence:
        text = (SAMPLE / evidence.source).read_text(encoding="utf-8")
        assert evidence.quote in text
        assert evidence.source.startswith(task.lang)
    quotes = " ".join(evidence.quote for evidence in task.evidence)
    if task.expression:
        value = f"{value_of(task.expression):.12g}"
        for answer in task.answers:  # each by itself: the exact value, rounded as it is written
            places = len(answer.partition(".")[2]) if "万" not in answer else None
            rounded = value if places is None else f"{float(value):.{places}f}"
            assert answer_matches(rounded, [answer])
    if task.kind.startswith("lookup") and not task.expression:
        assert any(answer_matches(quotes, [answer]) for answer in task.answers)
    if task.expression and task.evidence:  # what is worked out is what was found, and no more
        stated = {number.value for number in find_numbers(f"{quotes} {task.question}")}
        known = {1.609344, 0.3048, 273.15, 9, 5, 32, 2, 100, 6120}
        assert {number.value for number in find_numbers(task.expression)} <= stated | known
    assert bool(task.evidence) >= task.kind.startswith("lookup")
    assert (task.calls or 0) >= 1

"""A run asks each question once, whatever happens to it on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import (
    CHOICES,
    DOCS,
    Echo,
    choice_task,
    qa_task,
    text_task,
    write_docs,
)
from tiny_eval.models import Generation, ModelError, Reply
from tiny_eval.run_files import PREDICTIONS, RUN, SUPERSEDED, Row, one_writer, read_rows, read_run
from tiny_eval.runner import infer, rows_to_ask, run_folder
from tiny_eval.scoring import score_run
from tiny_eval.scripted import ScriptedModel, gold_of
from tiny_eval.tasks import load_task

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no lock")


def rows_of(folder: Path) -> list[Row]:
    return read_rows(folder / PREDICTIONS)


# --- What is asked, and what is kept. ---


def test_a_row_holds_what_was_asked_and_what_came_back(tmp_path: Path) -> None:
    task = qa_task(tmp_path, generation=Generation(max_tokens=23))
    result = infer(task, Echo(), tmp_path / "runs")
    assert (result.asked, result.kept, result.superseded, result.failures) == (4, 0, 0, {})
    rows = rows_of(result.folder)
    assert rows[0] == {
        "id": "rose",
        "key": rows[0]["key"],
        "prompt": "Q: What is red?\nA:",
        "target": ["a rose"],
        "doc": DOCS[0],
        "reply": "Q: WHAT IS RED?\nA:",
        "cut": False,
    }


def test_rows_are_in_the_order_of_the_documents_in_whatever_order_replies_come(
    tmp_path: Path,
) -> None:
    model = Echo()
    result = infer(qa_task(tmp_path), model, tmp_path)
    assert "什么是白的" in model.asked[0]
    assert [row["id"] for row in rows_of(result.folder)] == ["rose", "sky", "grass", "snow"]
    assert all(row["reply"] == row["prompt"].upper() for row in rows_of(result.folder))


def test_choices_are_asked_with_the_delimiter_and_gathered(tmp_path: Path) -> None:
    model = Echo()
    result = infer(choice_task(tmp_path), model, tmp_path)
    assert model.asked == [
        ("1 + 2 =", " 3"),
        ("1 + 2 =", " 2"),
        ("1 + 1 =", " 3"),
        ("1 + 1 =", " 2"),
    ]
    row = rows_of(result.folder)[1]
    assert (row["choices"], row["target"]) == (["2", "3"], ["1"])
    assert [each["total"] for each in row["loglikelihoods"]] == [-3.0, -4.0]
    assert row["loglikelihoods"][0] == {"total": -3.0, "tokens": 2, "greedy": False}


def test_a_conversation_has_no_delimiter_before_a_choice(tmp_path: Path) -> None:
    model = Echo()
    infer(choice_task(tmp_path, chat=True), model, tmp_path)
    assert model.asked[0] == ([{"role": "user", "content": "1 + 2 ="}], "3")


def test_a_text_is_asked_whole(tmp_path: Path) -> None:
    model = Echo()
    result = infer(text_task(tmp_path, ["ab", "一"]), model, tmp_path)
    assert model.asked == ["一", "ab"]
    assert rows_of(result.folder)[0]["loglikelihoods"] == [
        {"total": -2.0, "tokens": 2, "greedy": False}
    ]


def test_run_json_says_what_was_run(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    run = read_run(infer(task, Echo(version=2), tmp_path, limit=1).folder)
    assert run == {
        "model": "echo",
        "settings": {"version": 2},
        "task": task.as_json(),
        "documents": 4,
    }


def test_half_a_surrogate_pair_in_a_task_does_not_stop_its_run(tmp_path: Path) -> None:
    task = qa_task(tmp_path, prompt="{{q}} \ud83d")
    assert read_run(infer(task, Echo(), tmp_path).folder)["task"] == task.as_json()


def test_examples_are_in_every_prompt(tmp_path: Path) -> None:
    rows = rows_to_ask(qa_task(tmp_path, few_shot=1))
    assert rows[0]["prompt"].startswith("Q: What is blue?\nA: the sky\n\n")
    assert rows[1]["prompt"].startswith("Q: What is red?\nA: a rose\n\n")


def test_progress_counts_what_was_there_before(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str | None]] = []
    infer(qa_task(tmp_path), Echo(), tmp_path, limit=2)
    infer(qa_task(tmp_path), Echo("is"), tmp_path, progress=lambda *each: seen.append(each))
    assert seen == [(2, 4, None), (3, 4, None), (4, 4, "too busy")]


# --- Once and no more. ---


def test_what_was_asked_is_not_asked_again(tmp_path: Path) -> None:
    first = infer(qa_task(tmp_path), Echo(), tmp_path)
    before = (first.folder / PREDICTIONS).read_bytes()
    model = Echo()
    again = infer(qa_task(tmp_path), model, tmp_path)
    assert (model.asked, again.asked, again.kept) == ([], 0, 4)
    assert (again.folder / PREDICTIONS).read_bytes() == before


def test_a_limit_is_the_first_documents_and_may_grow(tmp_path: Path) -> None:
    first = infer(qa_task(tmp_path), Echo(), tmp_path, limit=1)
    assert [row["id"] for row in rows_of(first.folder)] == ["rose"]
    second = infer(qa_task(tmp_path), Echo(), tmp_path, limit=3)
    assert (second.asked, second.kept, second.folder) == (2, 1, first.folder)
    smaller = infer(qa_task(tmp_path), Echo(), tmp_path, limit=2)
    assert (smaller.asked, smaller.kept, len(rows_of(smaller.folder))) == (0, 2, 3)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"limit={limit} must be at least 1"):
        infer(qa_task(tmp_path), Echo(), tmp_path, limit)


def test_a_failure_is_told_and_asked_again(tmp_path: Path) -> None:
    result = infer(qa_task(tmp_path), Echo(fail="blue"), tmp_path)
    assert (result.asked, result.failures) == (3, {"sky": "too busy"})
    assert [row["id"] for row in rows_of(result.folder)] == ["rose", "grass", "snow"]
    model = Echo()
    again = infer(qa_task(tmp_path), model, tmp_path)
    assert (len(model.asked), again.failures) == (1, {})
    assert [row["id"] for row in rows_of(result.folder)] == ["rose", "sky", "grass", "snow"]


def test_a_choice_that_failed_fails_its_document_alone(tmp_path: Path) -> None:
    result = infer(choice_task(tmp_path), Echo(fail="('1 + 1 =', ' 3')"), tmp_path)
    assert (result.asked, result.failures) == (1, {"0": "too busy"})


@pytest.mark.parametrize("error", [ModelError("gone"), KeyboardInterrupt()])
def test_what_was_answered_before_an_error_is_kept(error: BaseException, tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    with pytest.raises(type(error)):
        infer(task, Echo(stop_after=2, error=error), tmp_path)
    assert len(rows_of(run_folder(task, Echo(), tmp_path))) == 2
    result = infer(task, Echo(), tmp_path)
    assert (result.asked, result.kept) == (2, 2)


def test_an_answer_is_on_the_disk_before_the_next_is_awaited(tmp_path: Path) -> None:
    task, model = qa_task(tmp_path), Echo()
    folder = run_folder(task, model, tmp_path)
    on_disk: list[int] = []
    infer(task, model, tmp_path, progress=lambda *_: on_disk.append(len(rows_of(folder))))
    assert on_disk == [0, 1, 2, 3, 4]


def test_a_template_that_does_not_fit_a_late_document_stops_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    model = Echo()
    with pytest.raises(ValueError, match="document last"):
        infer(qa_task(tmp_path, [*DOCS, {"id": "last", "a": "?"}]), model, tmp_path, limit=1)
    assert model.asked == []


# --- Killed. ---

SLOW = """
import sys, time
from tiny_eval.runner import infer
from tiny_eval.scripted import ScriptedModel, gold_of
from tiny_eval.tasks import load_task

class Slow:
    def __init__(self, model):
        self.name, self.settings, self._model = model.name, model.settings, model
    def generate_until(self, prompts, generation):
        for each in self._model.generate_until(prompts, generation):
            time.sleep(0.02)
            yield each

task = load_task(sys.argv[1])
infer(task, Slow(gold_of(task)), sys.argv[2])
"""


@pytest.fixture
def long_task(tmp_path: Path) -> Path:
    """The file of a task of 60 documents."""
    write_docs(tmp_path / "d.jsonl", [{"q": f"{n} + 1?", "a": str(n + 1)} for n in range(60)])
    path = tmp_path / "sums.yaml"
    path.write_text("data: d.jsonl\nprompt: q\ntarget: a\nmetrics: exact_match\n")
    return path


def kill_after(lines: int, command: list[Any], path: Path) -> None:
    """Start a process and end it as a power cut does, when a file has so many lines."""
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + 60
        while not path.exists() or path.read_bytes().count(b"\n") < lines:
            assert process.poll() is None, "it has ended by itself"
            assert time.monotonic() < end
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@posix
def test_killed_twice_a_run_ends_as_if_it_never_was(long_task: Path, tmp_path: Path) -> None:
    task = load_task(long_task)
    model = gold_of(task)
    path = run_folder(task, model, tmp_path / "killed") / PREDICTIONS
    for lines in (3, 20):
        command = [sys.executable, "-c", SLOW, long_task, tmp_path / "killed"]
        kill_after(lines, command, path)
        assert len(read_rows(path)) < 60
        with path.open("ab") as file:  # as if it had been killed inside a line
            file.write(b'{"id": "59", "rep')
    result = infer(task, model, tmp_path / "killed")
    assert result.kept >= 20
    assert result.asked == 60 - result.kept
    whole = infer(task, model, tmp_path / "whole")
    assert path.read_bytes() == (whole.folder / PREDICTIONS).read_bytes()
    assert len({row["key"] for row in read_rows(path)}) == 60
    assert score_run(result.folder).estimates == score_run(whole.folder).estimates


@posix
def test_two_at_once_are_refused(tmp_path: Path) -> None:
    task, model = qa_task(tmp_path), Echo()
    with (
        one_writer(run_folder(task, model, tmp_path)),
        pytest.raises(BlockingIOError, match=r"another process is writing into .*wait"),
    ):
        infer(task, model, tmp_path)
    assert model.asked == []
    assert infer(task, model, tmp_path).asked == 4


# --- Changed. ---


@pytest.mark.parametrize(
    "change",
    [
        {"few_shot": 1},
        {"generation": Generation(max_tokens=3)},
        {"chat": True},
        {"prompt": "{{q}}"},
    ],
)
def test_another_setting_is_another_run(change: dict[str, Any], tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    first = infer(task, Echo(), tmp_path)
    before = (first.folder / PREDICTIONS).read_bytes()
    second = infer(replace(task, **change), Echo(), tmp_path)
    assert (second.asked, second.folder == first.folder) == (4, False)
    assert (first.folder / PREDICTIONS).read_bytes() == before


@pytest.mark.parametrize("model", [Echo(name="other"), Echo(version=2)])
def test_another_model_is_another_run(model: Echo, tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    assert run_folder(task, model, tmp_path) != run_folder(task, Echo(), tmp_path)


def test_names_that_make_the_same_folder_name_are_two_models(tmp_path: Path) -> None:
    folders = {run_folder(qa_task(tmp_path), Echo(name=name), tmp_path) for name in ("a/b", "a-b")}
    assert len(folders) == 2


def changed(place: int, **fields: Any) -> list[dict[str, Any]]:
    return [{**doc, **fields} if at == place else doc for at, doc in enumerate(DOCS)]


@pytest.mark.parametrize("docs", [changed(1, q="What is up?"), changed(1, id="heaven")])
def test_a_changed_question_is_asked_again_and_its_old_row_put_aside(
    docs: list[dict[str, Any]], tmp_path: Path
) -> None:
    first = infer(qa_task(tmp_path), Echo(), tmp_path)
    old = rows_of(first.folder)[1]
    result = infer(qa_task(tmp_path, docs), Echo(), tmp_path)
    assert (result.folder, result.asked, result.kept) == (first.folder, 1, 3)
    assert result.superseded == 1
    assert read_rows(first.folder / SUPERSEDED) == [old]
    assert [row["doc"] for row in rows_of(first.folder)] == docs


def test_a_corrected_answer_costs_no_question(tmp_path: Path) -> None:
    first = infer(qa_task(tmp_path), Echo(), tmp_path)
    model = Echo()
    docs = changed(1, a="WRONG?", topic="new")
    result = infer(qa_task(tmp_path, docs), model, tmp_path)
    assert (model.asked, result.kept, result.superseded) == ([], 4, 0)
    row = rows_of(first.folder)[1]
    assert (row["target"], row["doc"]) == (["WRONG?"], docs[1])
    assert row["reply"] == row["prompt"].upper()


def test_a_corrected_answer_in_an_example_is_asked_again(tmp_path: Path) -> None:
    infer(qa_task(tmp_path, few_shot=1), Echo(), tmp_path)
    result = infer(qa_task(tmp_path, changed(0, a="a poppy"), few_shot=1), Echo(), tmp_path)
    assert (result.asked, result.kept, result.superseded) == (3, 1, 3)


def test_other_choices_are_another_question(tmp_path: Path) -> None:
    task = choice_task(tmp_path)
    infer(task, Echo(), tmp_path)
    write_docs(task.data, [CHOICES[0], {**CHOICES[1], "options": ["2", "three"]}])
    assert infer(replace(task), Echo(), tmp_path).asked == 1


def test_a_document_that_is_gone_is_put_aside(tmp_path: Path) -> None:
    first = infer(qa_task(tmp_path), Echo(), tmp_path)
    result = infer(qa_task(tmp_path, DOCS[:2]), Echo(), tmp_path)
    assert (result.asked, result.kept, result.superseded) == (0, 2, 2)
    assert len(rows_of(first.folder)) == 2


# --- Broken files. ---


def test_a_bad_line_stops_the_run_before_anything_is_asked(tmp_path: Path) -> None:
    first = infer(qa_task(tmp_path), Echo(), tmp_path, limit=2)
    path = first.folder / PREDICTIONS
    path.write_bytes(b"oops\n" + path.read_bytes())
    model = Echo()
    with pytest.raises(ValueError, match=r"line 1 is no JSON .*remove that line"):
        infer(qa_task(tmp_path), model, tmp_path)
    assert model.asked == []


@pytest.mark.parametrize("content", [None, '{"task": {'])
def test_a_lost_run_json_is_written_again(content: str | None, tmp_path: Path) -> None:
    first = infer(qa_task(tmp_path), Echo(), tmp_path)
    path = first.folder / RUN
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises((FileNotFoundError, ValueError), match="infer"):
        score_run(first.folder)
    assert infer(qa_task(tmp_path), Echo(), tmp_path).asked == 0
    assert len(score_run(first.folder).items) == 4


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_that_cannot_be_written_says_so_before_anything_is_asked(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    out.mkdir(mode=0o500)
    model = Echo()
    with pytest.raises(PermissionError):
        infer(qa_task(tmp_path), model, out)
    assert model.asked == []


def test_a_file_in_place_of_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(OSError, match="runs"):
        infer(qa_task(tmp_path), Echo(), tmp_path / "runs")


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("Qwen/Qwen2.5-0.5B", "Qwen-Qwen2.5-0.5B-"),
        ("../../etc", "etc-"),
        ("模型", "模型-"),
        ("/", "model-"),
        ("x" * 300, "x" * 60 + "-"),
    ],
)
def test_a_models_name_makes_a_folder_name(name: str, start: str, tmp_path: Path) -> None:
    folder = run_folder(qa_task(tmp_path), Echo(name=name), tmp_path)
    assert folder.parent == tmp_path / "qa"
    assert folder.name.startswith(start)
    assert len(folder.name) == len(start) + 8


def test_replies_are_kept_as_they_are(tmp_path: Path) -> None:
    """Half a surrogate pair, other ends of lines: no reply makes two lines or none."""
    docs = [{"id": str(n), "q": text, "a": "x"} for n, text in enumerate(["\u2028", "\r\n", "\0"])]
    result = infer(qa_task(tmp_path, docs), Echo(), tmp_path)
    assert [json.dumps(row["reply"]) for row in rows_of(result.folder)] == [
        json.dumps(f"Q: {doc['q']}\nA:") for doc in docs
    ]


def test_a_start_that_fails_leaves_no_run(tmp_path: Path) -> None:
    class Refusing(ScriptedModel):
        def generate_until(self, prompts, generation):
            raise ModelError("no such server")

    task = qa_task(tmp_path)
    with pytest.raises(ModelError):
        infer(task, Refusing("m"), tmp_path / "runs")
    assert not list((tmp_path / "runs" / task.name).iterdir())


@pytest.mark.parametrize("yielded", [Reply("x"), (0, "x"), (99, Reply("x")), (None, Reply("x"))])
def test_a_model_that_yields_something_else_is_told_what_to_yield(
    yielded: Any, tmp_path: Path
) -> None:
    class Odd(ScriptedModel):
        def generate_until(self, prompts, generation):
            yield yielded

    with pytest.raises(TypeError, match=r"model odd yielded .*\(index, Reply, Loglikelihood or"):
        infer(qa_task(tmp_path), Odd("odd"), tmp_path / "runs")


def test_an_answer_that_never_comes_is_a_failure_and_a_second_one_an_error(tmp_path: Path) -> None:
    class Lazy(ScriptedModel):
        def generate_until(self, prompts, generation):
            yield 1, Reply("x")

    class Eager(ScriptedModel):
        def generate_until(self, prompts, generation):
            yield from [(0, Reply("x"))] * 2

    task = qa_task(tmp_path)
    found = infer(task, Lazy("lazy"), tmp_path / "runs")
    assert found.asked == 1
    assert set(found.failures) == {doc.id for doc in task.docs} - {task.docs[1].id}
    with pytest.raises(TypeError, match="once for each request"):
        infer(task, Eager("eager"), tmp_path / "runs")


def test_a_cluster_that_is_no_field_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    task = replace(qa_task(tmp_path), cluster_by="passage")
    with pytest.raises(ValueError, match="cluster_by='passage' is no field"):
        infer(task, gold_of(task), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()

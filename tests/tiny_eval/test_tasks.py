"""A task's file says what is measured; what is wrong in it is named before anything is asked."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import choice_task, qa_task, write_docs
from tiny_eval.models import Generation
from tiny_eval.tasks import Task, digest, load_task, task_of

YAML = """
name: colours
data: data/docs.jsonl
prompt: "Q: {{q}}\\nA:"
target: a
few_shot: 1
few_shot_data: data/solved.jsonl
generation: {max_tokens: 8, stop: "\\n"}
filters: [strip_think, {regex: "is (.*)"}]
metrics: [exact_match, f1]
group_by: topic
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    write_docs(tmp_path / "data" / "docs.jsonl", [{"q": "red?", "a": "rose", "topic": "x"}])
    write_docs(tmp_path / "data" / "solved.jsonl", [{"q": "blue?", "a": "sky", "topic": "x"}])
    path = tmp_path / "colours.yaml"
    path.write_text(YAML, encoding="utf-8")
    return path


def test_a_file_becomes_a_task(file: Path) -> None:
    task = load_task(file)
    assert task.name == "colours"
    assert task.kind == "generate"
    assert task.prompt == "Q: {{q}}\nA:"
    assert task.generation == Generation(max_tokens=8, stop=("\n",))
    assert task.filters == ("strip_think", {"regex": "is (.*)"})
    assert task.metrics == ("exact_match", "f1")
    assert [doc.fields["a"] for doc in task.docs] == ["rose"]
    assert [doc.fields["a"] for doc in task.few_shot_pool] == ["sky"]


def test_paths_are_relative_to_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert len(load_task(file).docs) == 1


def test_json_is_a_task_too_and_the_name_is_the_files(file: Path) -> None:
    path = file.with_suffix(".json")
    content = {"data": "data/docs.jsonl", "prompt": "q", "target": "a", "metrics": "f1"}
    path.write_text(json.dumps(content), encoding="utf-8-sig")
    assert load_task(path).name == "colours"
    assert load_task(path).metrics == ("f1",)


def test_what_a_run_keeps_of_a_task_is_the_task(file: Path, tmp_path: Path) -> None:
    for task in (load_task(file), choice_task(tmp_path), choice_task(tmp_path, choices=("a", "b"))):
        kept = json.loads(json.dumps(task.as_json()))
        assert task_of(kept, Path(), "run.json") == task


def test_a_missing_file_names_list(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no task at .*none.yaml; .*tiny_eval list"):
        load_task(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["a: [", "\x00", "- 1", "", "just words"])
def test_what_is_no_task_says_so(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad.yaml (is neither|holds no task)"):
        load_task(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"promt": "x"}, r"t.yaml: unknown promt; known are .*prompt"),
        ({"data": None}, "data is missing"),
        ({"name": "a/b"}, "name='a/b' must be usable as the name of a folder"),
        ({"name": ".."}, "name='..' must be usable as the name of a folder"),
        ({"name": ""}, "name='' must be usable"),
        ({"name": 7}, "name=7 must be text; put it in quotes"),
        ({"kind": "chat"}, "kind='chat' must be one of generate, choice, perplexity"),
        ({"kind": "choice"}, "kind='choice' needs choices"),
        ({"choices": ["a", "b"]}, "kind='generate' knows no choices"),
        ({"kind": "choice", "choices": [True, False]}, "choices=True must be text; put it in"),
        ({"prompt": ""}, "give a prompt"),
        ({"target": ""}, "give a prompt and, unless kind is perplexity, a target"),
        ({"target": 0}, "target=0 must be text; put it in quotes"),
        ({"group_by": ["a"]}, r"group_by=\['a'\] must be text"),
        ({"cluster_by": 2024}, "cluster_by=2024 must be text; put it in quotes"),
        ({"few_shot": -1}, "few_shot=-1 must be at least 0"),
        ({"few_shot": "2"}, "few_shot='2'.* must be a whole number"),
        ({"chat": "no"}, "chat='no'.* true or false"),
        ({"kind": "perplexity", "few_shot": 1}, "a perplexity has neither few_shot nor chat"),
        ({"metrics": []}, "give metrics, of exact_match, "),
        ({"metrics": "rouge"}, "metric 'rouge' is unknown; choose of exact_match, "),
        ({"metrics": ["acc"]}, "metric 'acc' is not for kind='generate'; choose of exact_match"),
        ({"filters": "first_lin"}, "first_lin"),
        ({"layout": "longbnch"}, "layout='longbnch'"),
        ({"generation": {"max_token": 1}}, "generation: unknown max_token; known are max_tokens"),
        ({"generation": {"max_tokens": 0}}, "max_tokens=0 must be at least 1"),
        ({"generation": {"max_tokens": "8"}}, "max_tokens='8' must be at least 1, and whole"),
        ({"generation": {"temperature": "0"}}, "temperature='0' must be 0 .greedy. or above"),
        ({"generation": {"top_p": None}}, "top_p=None must be above 0 and at most 1"),
        ({"generation": 5}, "generation=5 must be like {max_tokens: 64}"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_docs(tmp_path / "d.jsonl", [{"q": "?", "a": "!"}])
    content = {"name": "t", "data": "d.jsonl", "prompt": "q", "target": "a", "metrics": ["f1"]}
    content = {**content, **change}
    with pytest.raises(ValueError, match=message):
        task_of(content, tmp_path, "t.yaml")


def test_a_lone_filter_or_metric_needs_no_list(tmp_path: Path) -> None:
    content = {"name": "t", "data": "d", "prompt": "q", "target": "a"}
    task = task_of({**content, "metrics": "f1", "filters": {"regex": "a"}}, tmp_path, "t")
    assert (task.metrics, task.filters) == (("f1",), ({"regex": "a"},))
    task = task_of({**content, "metrics": ["f1"], "filters": None}, tmp_path, "t")
    assert task.filters == ()


@pytest.mark.parametrize(
    ("records", "ids"),
    [
        ([{"id": "x"}, {"id": 2}], ["x", "2"]),
        ([{"id": 0}, {"id": 1}], ["0", "1"]),
        ([{}, {"id": ""}, {"id": None}], ["0", "1", "2"]),
    ],
)
def test_every_document_has_an_id_of_its_own(
    records: list[dict[str, Any]], ids: list[str], tmp_path: Path
) -> None:
    docs = [{"q": "?", "a": "!", **record} for record in records]
    assert [doc.id for doc in qa_task(tmp_path, docs).docs] == ids


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([{"id": "x"}, {"id": "y"}, {"id": "x"}], "record 3 has the id 'x', as has record 1"),
        ([{"id": 1}, {"id": "1"}], "record 2 has the id '1', as has record 1"),
        ([{"id": "x"}, {}], "record 2 has no id, and others have one"),
        ([{"id": None}, {"id": 1}], "record 1 has no id, and others have one"),
    ],
)
def test_ids_that_name_no_one_document_are_an_error(
    records: list[dict[str, Any]], problem: str, tmp_path: Path
) -> None:
    """Numbered anew, a reply with the id 1 would go to another question."""
    task = qa_task(tmp_path, [{"q": "?", "a": "!", **record} for record in records])
    with pytest.raises(ValueError, match=problem):
        _ = task.docs


def test_examples_come_from_the_task_itself_unless_said_otherwise(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    assert task.few_shot_pool == task.docs
    other = write_docs(tmp_path / "o.jsonl", [{"q": "?", "a": "!"}])
    assert len(replace(task, few_shot_data=other).few_shot_pool) == 1


# --- What a run depends on. ---


def asking(task: Task) -> str:
    return digest(task.asking())


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": ("f1",)},
        {"filters": ("first_line",)},
        {"group_by": "topic"},
        {"cluster_by": "topic"},
        {"target": "{{a}}"},
        {"data": Path("elsewhere/docs.jsonl")},
    ],
)
def test_how_it_is_scored_and_where_files_lie_changes_no_run(
    change: dict[str, Any], tmp_path: Path
) -> None:
    task = qa_task(tmp_path)
    assert asking(replace(task, **change)) == asking(task)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "{{q}}"},
        {"few_shot": 1},
        {"few_shot_data": Path("other.jsonl")},
        {"chat": True},
        {"description": "Hello"},
        {"separator": "\n"},
        {"target_delimiter": ""},
        {"layout": "sft"},
        {"data": Path("docs2.jsonl")},
        {"generation": Generation(max_tokens=3)},
        {"generation": Generation(seed=1)},
    ],
)
def test_how_it_is_asked_makes_another_run(change: dict[str, Any], tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    assert asking(replace(task, **change)) != asking(task)


def test_limits_of_a_text_do_not_matter_where_none_is_written(tmp_path: Path) -> None:
    task = choice_task(tmp_path)
    assert asking(replace(task, generation=Generation(max_tokens=3))) == asking(task)


def test_a_digest_is_of_the_content_not_of_its_order() -> None:
    assert digest({"a": 1, "b": "一"}) == digest({"b": "一", "a": 1})
    assert digest("ab") != digest(["a", "b"])
    assert len(digest("\ud83d")) == 12

"""Prompts, byte for byte: lm-evaluation-harness's for the same fields (see test_lm_eval)."""

from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import DOCS, choice_task, qa_task, write_docs
from tiny_eval.prompts import (
    answer_of,
    choices_of,
    examples_for,
    prompt_of,
    render,
    targets_of,
    value_of,
)
from tiny_eval.tasks import Doc, Task


def doc(**fields: Any) -> Doc:
    return Doc("7", fields)


def test_a_question_alone(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    assert prompt_of(task, task.docs[0]) == "Q: What is red?\nA:"


def test_examples_stand_before_the_question_with_their_answers(tmp_path: Path) -> None:
    task = qa_task(tmp_path, description="Answer.\n\n", few_shot=2)
    asked = prompt_of(task, task.docs[0], task.docs[1:3])
    assert asked == (
        "Answer.\n\nQ: What is blue?\nA: the sky\n\nQ: What is green?\nA: grass\n\n"
        "Q: What is red?\nA:"
    )


def test_delimiters_are_the_tasks(tmp_path: Path) -> None:
    task = qa_task(tmp_path, separator="\n###\n", target_delimiter="", few_shot=1)
    asked = prompt_of(task, task.docs[0], task.docs[2:3])
    assert asked == "Q: What is green?\nA:grass\n###\nQ: What is red?\nA:"


def test_a_conversation_has_a_turn_each_and_no_delimiters(tmp_path: Path) -> None:
    task = qa_task(tmp_path, description="Answer.", few_shot=1, chat=True)
    assert prompt_of(task, task.docs[0], task.docs[1:2]) == [
        {"role": "system", "content": "Answer."},
        {"role": "user", "content": "Q: What is blue?\nA:"},
        {"role": "assistant", "content": "the sky"},
        {"role": "user", "content": "Q: What is red?\nA:"},
    ]


def test_a_conversation_without_a_description_has_no_system_message(tmp_path: Path) -> None:
    task = qa_task(tmp_path, chat=True)
    asked = prompt_of(task, task.docs[0])
    assert asked == [{"role": "user", "content": "Q: What is red?\nA:"}]


def test_a_description_may_speak_of_the_document(tmp_path: Path) -> None:
    task = qa_task(tmp_path, description="About {{topic}}: ", prompt="q")
    assert prompt_of(task, task.docs[1]) == "About air: What is blue?"


def test_an_example_of_a_choice_shows_its_text(tmp_path: Path) -> None:
    task = choice_task(tmp_path, few_shot=1)
    assert prompt_of(task, task.docs[0], task.docs[1:]) == "1 + 2 = 3\n\n1 + 1 ="


# --- Examples. ---


def test_examples_are_the_first_others(tmp_path: Path) -> None:
    task = qa_task(tmp_path, few_shot=2)
    chosen = [[each.id for each in examples_for(task, one, task.docs)] for one in task.docs]
    assert chosen == [["sky", "grass"], ["rose", "grass"], ["rose", "sky"], ["rose", "sky"]]


def test_a_document_is_not_its_own_example_in_another_file(tmp_path: Path) -> None:
    red, blue = ({"q": doc["q"], "a": doc["a"]} for doc in DOCS[:2])
    pool = write_docs(tmp_path / "pool.jsonl", [blue, red])  # its ids are not those of the task
    task = qa_task(tmp_path, [red, blue], few_shot=1, few_shot_data=pool)
    chosen = [examples_for(task, one, task.few_shot_pool)[0].fields for one in task.docs]
    assert chosen == [blue, red]


def test_too_few_examples_are_an_error(tmp_path: Path) -> None:
    task = qa_task(tmp_path, few_shot=4)
    with pytest.raises(
        ValueError, match=r"few_shot=4, but only 3 .*lower it \(--few-shot\), or give"
    ):
        examples_for(task, task.docs[0], task.docs)


# --- Templates. ---


def test_a_template_keeps_its_last_newline_and_does_not_escape() -> None:
    assert render("{{q}}\n", doc(q="<b>&")) == "<b>&\n"


def test_a_template_may_have_conditions_and_loops() -> None:
    template = "{% for each in items %}{{loop.index}}. {{each}}\n{% endfor %}"
    assert render(template, doc(items=["a", "b"])) == "1. a\n2. b\n"


@pytest.mark.parametrize("template", ["{{qq}}", "{{q.x.y}}", "{{q", "{{1/0}}", "{{q + 1}}"])
def test_a_template_that_fails_names_document_and_fields(template: str) -> None:
    with pytest.raises(ValueError, match=r"document 7: the template .* fails: .*; it has q, other"):
        render(template, doc(q="?", other=1))


@pytest.mark.parametrize(
    "template",
    ["{{q.__class__.__mro__[1].__subclasses__()}}", "{{items.append(1)}}{{items}}"],
)
def test_a_template_cannot_reach_into_the_program(template: str) -> None:
    items = [0]
    with pytest.raises(ValueError, match="fails"):
        render(template, doc(q="?", items=items))
    assert items == [0]


def test_a_name_is_a_field_and_braces_are_a_template() -> None:
    assert value_of("q", doc(q=["a", 1])) == ["a", 1]
    assert value_of("{{q[0]}}!", doc(q=["a", 1])) == "a!"
    assert value_of("{{q}}", doc(**{"{{q}}": "odd", "q": "?"})) == "odd"


@pytest.mark.parametrize("field", ["prompt", "target"])
def test_a_slip_in_a_name_is_no_template(field: str, tmp_path: Path) -> None:
    """As one, it would be the same text for every document."""
    task = qa_task(tmp_path, **{field: "anwser"})
    read = prompt_of if field == "prompt" else targets_of
    with pytest.raises(ValueError, match=r"'anwser' is neither a field nor .*; there are id, q, a"):
        read(task, task.docs[0])


# --- Right answers. ---


@pytest.mark.parametrize(
    ("value", "targets"),
    [("x", ["x"]), (["x", "y"], ["x", "y"]), (3, ["3"]), (0, ["0"]), (["1", 2.5], ["1", "2.5"])],
)
def test_targets_are_texts(value: Any, targets: list[str], tmp_path: Path) -> None:
    task = qa_task(tmp_path, [{"q": "?", "a": value}])
    assert targets_of(task, task.docs[0]) == targets
    assert answer_of(task, task.docs[0]) == targets[0]


@pytest.mark.parametrize("value", [None, [], ["x", None]])
def test_a_missing_answer_is_an_error(value: Any, tmp_path: Path) -> None:
    task = qa_task(tmp_path, [{"id": "n", "q": "?", "a": value}])
    with pytest.raises(ValueError, match="document n has no answer in target='a'"):
        targets_of(task, task.docs[0])


def one_choice(folder: Path, target: Any, options: Any = ("x", "y", "z"), **fields: Any) -> Task:
    data = write_docs(folder / "c.jsonl", [{"q": "?", "options": options, "A": "4", "t": target}])
    return choice_task(folder, **{"data": data, "target": "t", **fields})


@pytest.mark.parametrize(
    ("target", "index"),
    [(1, "1"), ("1", "1"), ("B", "1"), ("b", "1"), (" B ", "1"), ("y", "1"), (0, "0"), (True, "1")],
)
def test_the_right_choice_by_index_letter_or_text(target: Any, index: str, tmp_path: Path) -> None:
    task = one_choice(tmp_path, target)
    assert targets_of(task, task.docs[0]) == [index]
    assert answer_of(task, task.docs[0]) == "xyz"[int(index)]


@pytest.mark.parametrize(("target", "index"), [("3", "0"), (1, "1"), ("1", "2")])
def test_a_number_is_an_index_and_a_text_a_choice_if_it_is_one(
    target: Any, index: str, tmp_path: Path
) -> None:
    task = one_choice(tmp_path, target, ["3", "2", "1"])
    assert targets_of(task, task.docs[0]) == [index]


@pytest.mark.parametrize("target", [3, -1, "D", "", "xy", "²", "é"])
def test_a_right_answer_that_is_no_choice_is_an_error(target: Any, tmp_path: Path) -> None:
    task = one_choice(tmp_path, target)
    with pytest.raises(ValueError, match=r"is none of its 3 choices; give an index from 0"):
        targets_of(task, task.docs[0])


def test_choices_are_a_field_or_templates(tmp_path: Path) -> None:
    task = one_choice(tmp_path, 0, [1, 2.5])
    assert choices_of(task, task.docs[0]) == ["1", "2.5"]
    task = one_choice(tmp_path, 0, choices=("A", "{{A}}", "no"))
    assert choices_of(task, task.docs[0]) == ["A", "4", "no"]  # though there is a field A


@pytest.mark.parametrize("options", [[], ["x"], "xy", None])
def test_fewer_than_two_choices_are_an_error(options: Any, tmp_path: Path) -> None:
    task = one_choice(tmp_path, 0, options)
    with pytest.raises(ValueError, match=r"document 0: choices='options' gives fewer than two"):
        choices_of(task, task.docs[0])

"""Models without a model: what a score would be if everything, or nothing, were known."""

import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import DOCS, choice_task, qa_task, text_task, write_docs
from tiny_eval.models import Failure, Generation, ModelError, Reply
from tiny_eval.runner import infer, rows_to_ask
from tiny_eval.scoring import score_run
from tiny_eval.scripted import ScriptedModel, gold_of, prompt_key, random_of, script_for, script_of
from tiny_eval.tasks import Task


def replies(task: Task, model: ScriptedModel) -> list[Any]:
    prompts = [row["prompt"] for row in rows_to_ask(task)]
    return [reply for _, reply in sorted(model.generate_until(prompts, Generation()))]


@pytest.mark.parametrize("fields", [{}, {"few_shot": 2}, {"chat": True}])
def test_gold_is_always_right(fields: dict[str, Any], tmp_path: Path) -> None:
    task = qa_task(tmp_path, **fields)
    result = infer(task, gold_of(task), tmp_path)
    assert score_run(result.folder).estimates["exact_match"].value == 1
    assert [each.text for each in replies(task, gold_of(task))][:2] == ["a rose", "the sky"]


@pytest.mark.parametrize("fields", [{}, {"chat": True}, {"target_delimiter": "\n", "few_shot": 1}])
def test_gold_chooses_right(fields: dict[str, Any], tmp_path: Path) -> None:
    task = choice_task(tmp_path, **fields)
    assert score_run(infer(task, gold_of(task), tmp_path).folder).estimates["acc"].value == 1


def test_random_says_what_is_right_elsewhere(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    right = ["a rose", "the sky", "grass", "雪"]
    seen = set()
    for seed in range(20):
        said = [each.text for each in replies(task, random_of(task, seed))]
        assert set(said) <= set(right)
        assert all(one != other for one, other in zip(said, right, strict=True))
        seen.add(tuple(said))
    assert len(seen) > 10


def test_random_is_the_same_for_a_seed_and_leaves_the_programs_dice_alone(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    state = random.getstate()
    assert replies(task, random_of(task, 1)) == replies(task, random_of(task, 1))
    assert random.getstate() == state


def test_random_is_right_about_once_in_as_many_choices(tmp_path: Path) -> None:
    docs = [{"q": str(n), "options": list("abcd"), "a": 2} for n in range(400)]
    task = choice_task(tmp_path, data=write_docs(tmp_path / "many.jsonl", docs))
    found = score_run(infer(task, random_of(task), tmp_path).folder).estimates["acc"]
    assert found.low < 0.25 < found.high


def test_two_replies_to_one_prompt_are_no_script(tmp_path: Path) -> None:
    task = qa_task(tmp_path, [{"id": name, "q": "2 + 2", "a": "4"} for name in ("x", "y")])
    same = write_docs(tmp_path / "s.jsonl", [{"id": name, "reply": "4"} for name in ("x", "y")])
    assert replies(task, script_of(task, same)) == [Reply("4"), Reply("4")]
    other = write_docs(tmp_path / "o.jsonl", [{"id": "x", "reply": "4"}, {"id": "y", "reply": "5"}])
    with pytest.raises(ValueError, match="same prompt and different replies; leave one out"):
        script_of(task, other)


def test_random_keeps_no_list_of_others_for_each_document(tmp_path: Path) -> None:
    task = qa_task(tmp_path, [{"q": str(n), "a": str(n)} for n in range(3000)])
    task.docs  # noqa: B018  # read before memory is measured
    tracemalloc.start()
    random_of(task)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6  # such lists take 8 bytes * 3000 * 3000


def test_one_document_leaves_random_no_other(tmp_path: Path) -> None:
    task = qa_task(tmp_path, DOCS[:1])
    assert replies(task, random_of(task)) == [Reply("a rose")]


@pytest.mark.parametrize("make", [gold_of, random_of])
def test_no_script_knows_how_likely_a_text_is(make: Any, tmp_path: Path) -> None:
    task = text_task(tmp_path, ["ab", "cd"])
    with pytest.raises(ModelError, match=r"knows no probability of a text; choose a --model"):
        infer(task, make(task), tmp_path)


def test_a_script_answers_by_id_and_fails_where_it_has_nothing(tmp_path: Path) -> None:
    path = write_docs(
        tmp_path / "said.jsonl", [{"id": "snow", "reply": "白雪"}, {"id": "rose", "reply": ""}]
    )
    task = qa_task(tmp_path)
    model = script_of(task, path)
    nothing = Failure("the script has no reply to it")
    assert replies(task, model) == [Reply(""), nothing, nothing, Reply("白雪")]
    assert model.name == "script-said"


def test_the_predictions_of_a_run_are_a_script(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    first = infer(task, gold_of(task), tmp_path)
    again = infer(task, script_of(task, first.folder / "predictions.jsonl"), tmp_path)
    assert score_run(again.folder).estimates == score_run(first.folder).estimates


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "rose"}, r"record 1: expected id and reply, got \['id'\]"),
        ({"reply": "x"}, "expected id and reply"),
        ({"id": "rose", "reply": 3}, "expected id and reply"),
        ({"id": "nobody", "reply": "x"}, "none of the ids that are asked, such as 'rose'"),
    ],
)
def test_a_script_that_does_not_fit_says_why(
    row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write_docs(tmp_path / "s.jsonl", [row])
    with pytest.raises(ValueError, match=message):
        script_of(qa_task(tmp_path), path)


def test_a_script_may_be_for_other_prompts(tmp_path: Path) -> None:
    path = write_docs(tmp_path / "s.jsonl", [{"id": 7, "reply": "x"}])
    model = script_for(path, {"7": "What?", "8": "Who?"})
    assert dict(model.generate_until(["What?"], Generation())) == {0: Reply("x")}


def test_another_script_is_another_model(tmp_path: Path) -> None:
    one, other = ScriptedModel("s", {"a": "x"}), ScriptedModel("s", {"a": "y"})
    assert one.settings != other.settings
    assert one.settings == ScriptedModel("s", {"a": "x"}).settings


def test_a_conversation_is_no_text() -> None:
    assert prompt_key("a") != prompt_key([{"role": "user", "content": "a"}])


def test_what_the_script_does_not_choose_is_a_failure() -> None:
    found = dict(ScriptedModel("s").loglikelihood([("a", " b")]))
    assert found == {0: Failure("the script chooses nothing here")}


def test_a_script_stops_where_the_task_says(tmp_path: Path) -> None:
    model = ScriptedModel("s", {prompt_key("p"): "72\nQuestion: another?"})
    [(_, reply)] = model.generate_until(["p"], Generation(stop=("Question:", "\n")))
    assert reply == Reply("72")

"""Multiple choice: the evaluation package's prompts, and one right answer that its filters read."""

import json
import random
from collections import Counter
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from qwen_blog.worlds.grammar import Grammar
from qwen_blog.worlds.multiple_choice import (
    LETTERS,
    Choice,
    Form,
    make_choice,
    multiple_choice,
)
from qwen_blog.worlds.universe import TRAINING, Draw, Language, is_held_out
from tiny_eval.filters import apply_filters
from tiny_eval.prompts import choices_of, examples_for, prompt_of, targets_of
from tiny_eval.tasks import Doc, Task, load_task

LANGUAGES: tuple[Language, ...] = ("zh", "en")
GRAMMAR = Grammar.load()
TASK = {  # the exam is Chinese alone; in English our own, in the same form
    ("letters", "en"): "sample-letters-en",
    ("letters", "zh"): "sample-letters-zh",
    ("exam", "zh"): "ceval",
    ("open", "en"): "sample-choice-en",
    ("open", "zh"): "sample-choice-zh",
}


def task_of(form: Form, language: Language) -> Task:
    """The task that is shipped, asked in a conversation."""
    with as_file(files("tiny_eval") / "data" / "tasks") as folder:
        return replace(load_task(folder / f"{TASK[form, language]}.yaml"), chat=True)


def doc_of(choice: Choice, number: int = 0) -> Doc:
    """The choice as a document of such a task."""
    options = dict(zip(LETTERS, choice.options, strict=True))
    fields = {"question": choice.asked(), "choices": list(choice.options), "answer": choice.letter}
    return Doc(str(number), {**fields, **options})


def choices(language: Language, count: int, draw: Draw = TRAINING) -> list[Choice]:
    return [make_choice(random.Random(seed), GRAMMAR, language, draw) for seed in range(count)]


@pytest.mark.parametrize(("form", "language"), list(TASK))
def test_a_conversation_is_the_one_that_the_evaluation_has(form: Form, language: Language) -> None:
    """With the first questions as the solved examples; so also system message and reply."""
    task = task_of(form, language)
    for seed in range(60):
        made = choices(language, 4)[: 1 + seed % 3]
        docs = [doc_of(choice, number) for number, choice in enumerate(made)]
        system = [{"role": "system", "content": task.description}] if task.description else []
        turns = []
        for choice in made:
            turns.append({"role": "user", "content": choice.prompt(form, language)})
            turns.append({"role": "assistant", "content": choice.reply(form)})
        assert prompt_of(task, docs[-1], docs[:-1]) == [*system, *turns[:-1]]


@pytest.mark.parametrize(("form", "language"), list(TASK))
def test_the_training_conversations_have_that_form(form: Form, language: Language) -> None:
    task = task_of(form, language)
    ending = {"letters": "答案：", "exam": "\n答案：", "open": "回答："}[form]
    ending = ending if language == "zh" else {"letters": "only. Answer:"}.get(form, "\nAnswer:")
    found = 0
    for seed in range(200):
        messages = multiple_choice(random.Random(seed), GRAMMAR, language)
        options = "\nA. " in messages[-2]["content"]
        if not messages[-2]["content"].endswith(ending) or options == (form == "open"):
            continue
        if form == "exam" and messages[0]["role"] != "system":
            continue
        found += 1
        assert (messages[0]["role"] == "system") == bool(task.description) or form == "letters"
        spoken = [m["role"] for m in messages if m["role"] != "system"]
        assert spoken == ["user", "assistant"] * (len(spoken) // 2)
    assert found > 15


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_evaluation_reads_our_reply_as_the_right_one(language: Language) -> None:
    letters, by_likelihood = task_of("letters", language), task_of("open", language)
    for choice in choices(language, 300):
        doc = doc_of(choice)
        assert apply_filters(choice.reply("letters"), letters.filters) == choice.letter
        assert targets_of(letters, doc) == [choice.letter]
        right = int(targets_of(by_likelihood, doc)[0])
        assert choices_of(by_likelihood, doc)[right] == choice.reply("open")


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_the_right_option_answers_and_it_stands_in_the_passage(language: Language) -> None:
    for choice in choices(language, 300):
        assert len(set(choice.options)) == len(LETTERS)
        assert choice.options[choice.right] in choice.passage
        assert choice.asked().split("\n\n")[-1] == choice.question
        assert choice.options[choice.right] not in choice.question


def test_every_letter_is_right_as_often_as_the_others() -> None:
    counts = Counter(choice.letter for choice in choices("en", 600))
    assert counts.keys() == set(LETTERS)
    assert all(abs(count - 150) < 45 for count in counts.values())  # four standard deviations


def test_a_wrong_option_now_and_then_stands_in_the_passage_too() -> None:
    """Or the model would learn to take the option that it has seen, whatever the question."""
    tempting = [
        any(o in c.passage for o in c.options if o != c.options[c.right])
        for c in choices("en", 300)
    ]
    assert 0.2 < sum(tempting) / 300 < 0.6


@pytest.mark.parametrize("held_out", [False, True])
def test_values_come_from_the_part_that_is_asked_for(held_out: bool) -> None:
    for choice in choices("en", 100, Draw(values=held_out)):
        right = choice.options[choice.right]
        if right[0].isdigit() and "," in right:  # of large numbers there are enough of either kind
            assert is_held_out(right) == held_out


def test_the_same_seed_gives_the_same() -> None:
    first, second, other = (multiple_choice(random.Random(s), GRAMMAR, "en") for s in (2, 2, 3))
    assert first == second != other


def test_choices_can_be_written_as_a_task_of_the_evaluation(tmp_path: Path) -> None:
    """The held-out sets are such files."""
    lines = [json.dumps(doc_of(c, n).fields) for n, c in enumerate(choices("en", 5))]
    (tmp_path / "held_out.jsonl").write_text("\n".join(lines), encoding="utf-8")
    task = replace(task_of("letters", "en"), data=tmp_path / "held_out.jsonl")
    assert len(task.docs) == 5
    assert len(examples_for(task, task.docs[0], task.docs)) == task.few_shot

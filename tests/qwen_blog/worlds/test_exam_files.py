"""Exams as files: the evaluation package asks what the RAG package would, and counts what is right.

Its own loader, runner and scores are the oracle; a script says what a model would.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qwen_blog.worlds.exam_files import CELLS, LANGUAGES, NOVELTIES, WITH_VALUES, write_exam
from qwen_blog.worlds.grammar import Grammar, part
from qwen_blog.worlds.passages import fill
from qwen_blog.worlds.universe import Language, is_held_out
from tiny_eval.prompts import prompt_of
from tiny_eval.runner import infer
from tiny_eval.scoring import Scores, score_run
from tiny_eval.scripted import ScriptedModel, prompt_key
from tiny_eval.tasks import Task, load_task
from tiny_rag.documents import Chunk, Document, Hit
from tiny_rag.prompts import WORDINGS, build_prompt
from tiny_rag.prompts import language as language_of

QUESTIONS = 4
Doc = dict[str, Any]
GRAMMAR = Grammar.load()


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exam(tmp_path_factory.mktemp("exam"), 0, QUESTIONS, agent_questions=2)


@pytest.fixture(scope="module")
def reading(exam: Path) -> dict[tuple[Language, str], Task]:
    return {
        (language, novelty): load_task(exam / f"reading-{language}-{novelty}.yaml")
        for language in LANGUAGES
        for novelty in NOVELTIES
    }


def replies_of(task: Task, say: Callable[[Doc], str], out: Path) -> Path:
    """The folder of a run in which every document gets such a reply."""
    replies = {prompt_key(prompt_of(task, doc)): say(doc.fields) for doc in task.docs}
    assert len(replies) == len(task.docs)  # no question twice
    return infer(task, ScriptedModel("script", replies), out).folder


def scores_of(task: Task, say: Callable[[Doc], str], out: Path) -> Scores:
    return score_run(replies_of(task, say, out))


def value(scores: Scores) -> float:
    (estimate,) = scores.estimates.values()
    return estimate.value


def by_group(scores: Scores) -> dict[str, float]:
    return {name: found[scores.task.metrics[0]].value for name, found in scores.groups.items()}


def bare(doc: Doc) -> str:
    """The answer and, behind it, its citation: "200 hands [1]"."""
    return str(doc["answers"][-1])


def other_citation(doc: Doc) -> str:
    """The passage behind the one that has to be cited last; a refusal stays one."""
    head, _, rest = doc["reply"].rpartition("[")
    return f"{head}[{int(rest[0]) + 1}{rest[1:]}" if head else doc["reply"]


# --- Reading: what is asked. ---


def test_every_prompt_is_the_one_that_the_rag_package_builds(
    reading: dict[tuple[Language, str], Task],
) -> None:
    for task in reading.values():
        for doc in task.docs:
            documents = [Document.of(text, {}) for text in doc.fields["passages"]]
            hits = [Hit(Chunk.of(each, 0, len(each.text), {}), 1.0) for each in documents]
            expected = build_prompt(doc.fields["question"], hits, 10**6, len)
            assert prompt_of(task, doc) == expected


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("novelty", NOVELTIES)
def test_a_task_has_as_many_questions_of_each_sort_as_asked_for(
    language: Language, novelty: str, reading: dict[tuple[Language, str], Task]
) -> None:
    docs = [doc.fields for doc in reading[language, novelty].docs]
    cells = [cell for cell in CELLS if novelty != "values" or cell[0] in WITH_VALUES]
    found = Counter((doc["kind"], doc["count"]) for doc in docs)
    assert found == dict.fromkeys(cells, QUESTIONS)
    assert {(doc["language"], doc["novelty"]) for doc in docs} == {(language, novelty)}
    assert all(len(doc["passages"]) == doc["count"] for doc in docs)
    assert all(language_of(doc["question"]) == language for doc in docs)


def test_the_first_questions_are_of_all_sorts(reading: dict[tuple[Language, str], Task]) -> None:
    """As for a run with --limit."""
    first = reading["en", "seen"].docs[: len(CELLS)]
    assert [(doc.fields["kind"], doc.fields["count"]) for doc in first] == list(CELLS)


def test_the_report_is_broken_down_by_skill(reading: dict[tuple[Language, str], Task]) -> None:
    for task in reading.values():
        assert task.group_by == "skill"
        for doc in task.docs:
            kind, count = doc.fields["skill"].split(", ")
            assert (kind, int(count.split()[0])) == (doc.fields["kind"], doc.fields["count"])


# --- Reading: what is new to a model. ---


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("novelty", NOVELTIES)
def test_plain_questions_are_in_wordings_of_their_part(
    language: Language, novelty: str, reading: dict[tuple[Language, str], Task]
) -> None:
    """And name things of their part."""
    relations = [r for t in GRAMMAR.types.values() for r in t.relations.values()]
    parts = [part(r.ask[language], novelty == "wordings") for r in relations]
    around = [fill(ask).split("{e}") for asks in parts for ask in asks]
    for doc in (doc.fields for doc in reading[language, novelty].docs):
        if doc["kind"] == "fact":
            names = [
                doc["question"].removeprefix(before).removesuffix(after)
                for before, after in around
                if doc["question"].startswith(before) and doc["question"].endswith(after)
            ]
            assert any(is_held_out(name) == (novelty == "names") for name in names)


def test_unseen_values_are_asked_for(reading: dict[tuple[Language, str], Task]) -> None:
    for language in LANGUAGES:
        for doc in reading[language, "values"].docs:
            answer = bare(doc.fields).rpartition("[")[0].strip()
            assert re.search(r"\d", answer)
            assert is_held_out(answer)


# --- Reading: what counts. ---


def test_the_replies_of_the_training_data_are_all_right(
    reading: dict[tuple[Language, str], Task], tmp_path: Path
) -> None:
    for task in reading.values():
        scores = scores_of(task, lambda doc: doc["reply"], tmp_path)
        assert value(scores) == 1
        assert set(by_group(scores).values()) == {1.0}
        assert scores.extracted is not None
        assert scores.extracted.value == 1


def test_the_bare_answer_with_its_citation_is_right_too(
    reading: dict[tuple[Language, str], Task], tmp_path: Path
) -> None:
    """As other models say it, with or without a full stop."""
    for task in reading.values():
        assert value(scores_of(task, bare, tmp_path / "bare")) == 1
        assert value(scores_of(task, lambda doc: f"{bare(doc)}.", tmp_path / "stop")) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_stands_before_the_answer_does_not_count(
    language: Language, reading: dict[tuple[Language, str], Task], tmp_path: Path
) -> None:
    words = {"zh": "我找到了。\n答案是", "en": "I have found it.\nThe answer is "}[language]
    scores = scores_of(reading[language, "seen"], lambda doc: words + bare(doc), tmp_path)
    assert value(scores) == 1


WRONG: dict[str, Callable[[Doc], str]] = {
    "another citation": other_citation,
    "no citation": lambda doc: re.sub(r" ?\[\d\]", "", doc["reply"]),
    "another value": lambda doc: re.sub(r"(?=[。.]$)", "0", doc["reply"]),
    "a passage": lambda doc: doc["passages"][0],
    "a refusal": lambda doc: WORDINGS[doc["language"]].refusal,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_the_answer_and_its_citation_is_wrong(
    name: str, reading: dict[tuple[Language, str], Task], tmp_path: Path
) -> None:
    for task in reading.values():
        scores = by_group(scores_of(task, WRONG[name], tmp_path))
        assert {score for group, score in scores.items() if "absent" not in group} == {0.0}


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_the_answer_is_absent_only_the_refusal_is_right(
    language: Language, reading: dict[tuple[Language, str], Task], tmp_path: Path
) -> None:
    task, refusal = reading[language, "seen"], WORDINGS[language].refusal
    refused = by_group(scores_of(task, lambda doc: refusal, tmp_path / "a"))
    cited = by_group(scores_of(task, lambda doc: f"{refusal} [1]", tmp_path / "b"))
    colon = {"zh": "船长[2]：", "en": "The captain [2]: "}[language]
    looked = by_group(scores_of(task, lambda doc: colon + refusal, tmp_path / "c"))
    cell = "absent, 3 passages"
    assert (refused[cell], cited[cell], looked[cell]) == (1, 0, 1)
    assert {score for group, score in looked.items() if group != cell} == {0.0}


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusals_are_counted_by_kind_in_the_same_replies(
    language: Language, exam: Path, reading: dict[tuple[Language, str], Task], tmp_path: Path
) -> None:
    """Here every absent answer is refused, and of the others the plain ones."""
    refused = ("absent", "fact")

    def say(doc: Doc) -> str:
        looked = {"zh": "船长[2]：", "en": "The captain [2]: "}[language] * (len(doc["id"]) % 2)
        bare = WORDINGS[language].refusal
        return looked + bare if doc["kind"] in refused else str(doc["reply"])

    folder = replies_of(reading[language, "seen"], say, tmp_path)
    found = by_group(score_run(folder, load_task(exam / f"refusals-{language}.yaml")))
    assert found == {"fact": 1, "holder": 0, "two-hop": 0, "absent": 1}


# --- What a model cannot do by itself. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_closed_book_questions_have_no_passages_and_count_the_answer_anywhere(
    language: Language, exam: Path, tmp_path: Path
) -> None:
    task = load_task(exam / f"closed-book-{language}.yaml")
    assert len(task.docs) == QUESTIONS
    for doc in task.docs:
        asked = [{"role": "user", "content": doc.fields["question"]}]
        assert prompt_of(task, doc) == asked
        assert doc.fields["all_classes"] == [doc.fields["answer"]]  # no other class to name
    said = scores_of(task, lambda doc: f"Perhaps {doc['answer']}?", tmp_path / "a")
    refused = scores_of(task, lambda doc: "I do not know. 我不知道。", tmp_path / "b")
    assert (value(said), value(refused)) == (1, 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sums_count_the_last_number(language: Language, exam: Path, tmp_path: Path) -> None:
    task = load_task(exam / f"sums-{language}.yaml")
    assert len(task.docs) == QUESTIONS
    right = scores_of(task, lambda doc: f"1 + 1? {doc['answer']}", tmp_path / "a")
    wrong = scores_of(task, lambda doc: f"{int(doc['answer']) + 1}", tmp_path / "b")
    assert (value(right), value(wrong)) == (1, 0)
    assert set(by_group(right)) <= {"bare", "in words"}


# --- Files. ---


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(
    exam: Path, tmp_path: Path
) -> None:
    def content(folder: Path) -> dict[str, bytes]:
        files = [file for file in folder.rglob("*") if file.is_file()]
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}

    again = content(write_exam(tmp_path / "again", 0, QUESTIONS, agent_questions=2))
    other = content(write_exam(tmp_path / "other", 1, QUESTIONS, agent_questions=2))
    assert again == content(exam)
    for name in again:
        if name.endswith(".jsonl"):
            assert again[name] != other[name]


def test_every_data_file_has_one_object_a_line(exam: Path) -> None:
    for file in exam.glob("*.jsonl"):
        records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        assert len({record["id"] for record in records}) == len(records) > 0

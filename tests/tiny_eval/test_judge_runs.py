"""A judge marks a run's open questions once, and only they."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import Echo, qa_task, write_docs
from tiny_eval.judge_runs import judge_prompts, judge_run, open_rows
from tiny_eval.models import Failure, Generation, ModelError, Prompt, Reply
from tiny_eval.run_files import JUDGEMENTS, PREDICTIONS, read_rows
from tiny_eval.runner import infer
from tiny_eval.scoring import score_run
from tiny_eval.scripted import script_of

STEPS = [{"text": "one", "points": 4}, {"text": "two", "points": 8}]
OPEN = {"type": "open", "points": 12, "year": 2024, "answer": ["2"], "rubric": STEPS}
FILL = {"id": "f", "question": "1 + 1?", "type": "fill", "points": 5, "year": 2024, "answer": ["2"]}
DOCS = [{"id": name, "question": f"Prove {name}.", **OPEN} for name in "abc"] + [FILL]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three open questions and one that needs no judge."""
    fields = {"prompt": "question", "target": "answer", "metrics": ("gaokao",)}
    task = qa_task(tmp_path, DOCS, **fields)
    said = [{"id": name, "reply": f"<think>hm</think>Proof {name}: $2$."} for name in "abcf"]
    script = write_docs(tmp_path / "said.jsonl", said)
    return infer(task, script_of(task, script), tmp_path / "runs").folder


class Judge(Echo):
    """Says the same of each; of what holds `bad`, something else."""

    def __init__(
        self,
        bad: str = "?!",
        says: Reply | Failure | None = None,
        stop_after: int = 99,
        name: str = "judge",
        **settings: Any,
    ) -> None:
        super().__init__(stop_after=stop_after, name=name, **settings)
        self._bad, self._says = bad, says

    def generate_until(
        self, prompts: Sequence[Prompt], generation: Generation
    ) -> Iterator[tuple[int, Reply | Failure]]:
        for index in self._in_turn(prompts):
            good = Reply('Good.\n{"points": [4, 5]}')
            yield index, self._says or good if self._bad in str(prompts[index]) else good


def points(run: Path) -> list[float | None]:
    return [item.values["gaokao"] for item in score_run(run).items]


def test_a_line_by_hand_is_an_error_that_names_it(run: Path) -> None:
    (run / JUDGEMENTS).write_text('{"id": "a", "points": 3}\n')
    with pytest.raises(ValueError, match=r"judgements.jsonl, line 1 lacks key; remove that line"):
        score_run(run)
    with pytest.raises(ValueError, match=r"judgements.jsonl, line 1 lacks key, judge; remove"):
        judge_run(run, Judge())
    (run / PREDICTIONS).write_text('{"id": "a", "reply": "x"}\n')
    with pytest.raises(ValueError, match=r"predictions.jsonl, line 1 lacks key, doc; remove"):
        open_rows(run)


def test_open_questions_are_marked_and_counted(run: Path) -> None:
    judge, seen = Judge(version=1), []
    result = judge_run(run, judge, lambda *each: seen.append(each))
    assert (result.asked, result.kept, result.failures) == (3, 0, {})
    assert [each[:2] for each in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert points(run) == [0.75, 0.75, 0.75, 1]
    assert len(judge.asked) == 3
    assert "Proof c" in str(judge.asked[0])
    row = read_rows(run / JUDGEMENTS)[0]
    assert (row["id"], row["points"], row["steps"]) == ("c", 9, [4, 5])
    assert (row["prompt"], row["reply"]) == (judge.asked[0], 'Good.\n{"points": [4, 5]}')


def test_what_is_marked_is_not_marked_again(run: Path) -> None:
    judge_run(run, Judge())
    judge = Judge()
    result = judge_run(run, judge)
    assert (judge.asked, result.kept, result.asked) == ([], 3, 0)


def test_a_judge_that_stops_leaves_its_marks(run: Path) -> None:
    with pytest.raises(ModelError):
        judge_run(run, Judge(stop_after=2))
    assert points(run) == [None, 0.75, 0.75, 1]
    result = judge_run(run, Judge())
    assert (result.kept, result.asked) == (2, 1)


@pytest.mark.parametrize(
    "says", [Reply("Very good!"), Reply('{"points": [4, 99]}'), Failure("busy")]
)
def test_a_mark_that_is_missing_is_no_zero_and_is_asked_for_again(
    says: Reply | Failure, run: Path
) -> None:
    result = judge_run(run, Judge("Proof b", says))
    assert list(result.failures) == ["b"]
    assert points(run) == [0.75, None, 0.75, 1]
    again = judge_run(run, Judge())
    assert (again.kept, again.asked) == (2, 1)
    assert points(run) == [0.75, 0.75, 0.75, 1]


@pytest.mark.parametrize("other", [Judge(name="other"), Judge(version=2)])
def test_two_judges_do_not_mix(other: Judge, run: Path) -> None:
    with pytest.raises(ModelError):
        judge_run(run, Judge(stop_after=1))
    with pytest.raises(ValueError, match=r"another judge, judge, has marked .*remove judgements"):
        judge_run(run, other)
    assert other.asked == []


def test_a_run_without_open_questions_needs_no_judge(tmp_path: Path) -> None:
    folder = infer(qa_task(tmp_path), Echo(), tmp_path).folder
    with pytest.raises(ValueError, match="no answer to an open question; none needs a judge"):
        judge_run(folder, Judge())


def test_a_folder_that_is_no_run_has_nothing_to_judge(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no run"):
        judge_run(tmp_path / "no", Judge())


def test_the_judges_prompts_by_id(run: Path) -> None:
    judge = Judge()
    judge_run(run, judge)
    prompts = judge_prompts(run)
    assert list(prompts) == [row["id"] for row in open_rows(run)] == ["a", "b", "c"]
    assert [prompts[name] for name in "cba"] == judge.asked
    assert "hm" not in str(prompts["a"])

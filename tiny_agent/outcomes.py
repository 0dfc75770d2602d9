"""What one run of one task came to, and the JSONL file in which such outcomes are kept.

The file is added to as outcomes come, so that nothing is lost where a run breaks off: `evaluate`
goes on from it. Chapter 43.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import get_type_hints

from .answers import answer_matches, is_refusal
from .messages import ParseError, RunResult
from .tasks import Task

_START = b'{"trial": '
_OTHER = "give another file for these outcomes"


@dataclass(frozen=True)
class Outcome:
    """What one run of one task came to."""

    trial: int
    """From 0."""
    id: str
    """Of the task."""
    kind: str
    lang: str
    question: str
    answer: str | None
    status: str
    success: bool
    steps: int
    """Replies of the model."""
    format_errors: int
    """Replies that could not be read."""
    tool_calls: int
    repeated_calls: int
    """Calls that had been made before in the run, with the same arguments."""
    prompt_tokens: int
    completion_tokens: int
    label: str = ""
    """What was run: a model, a dialect, whatever sets these outcomes apart from others."""
    seconds: float = field(default=0.0, compare=False)

    @classmethod
    def of(cls, task: Task, trial: int, result: RunResult, label: str = "") -> "Outcome":
        """Judge a run."""
        replies = [step.decision for step in result.steps]
        calls = [call for decision in replies if isinstance(decision, list) for call in decision]
        times = Counter(f"{call.name} {sorted(call.arguments.items(), key=str)}" for call in calls)
        tool_s = [result.latency_s for step in result.steps for result in step.results]
        return cls(
            trial=trial,
            id=task.id,
            kind=task.kind,
            lang=task.lang,
            question=task.question,
            answer=result.answer,
            status=result.status,
            success=judge(task, result.answer),
            steps=len(replies),
            format_errors=sum(isinstance(decision, ParseError) for decision in replies),
            tool_calls=len(calls),
            repeated_calls=len(calls) - len(times),
            prompt_tokens=result.usage.prompt_tokens,
            completion_tokens=result.usage.completion_tokens,
            label=label,
            seconds=sum(step.latency_s for step in result.steps) + sum(tool_s),
        )


def judge(task: Task, answer: str | None) -> bool:
    """Whether an answer is right: holds an accepted wording, or owns up where nothing is known."""
    if not answer:
        return False
    if task.answerable:
        return answer_matches(answer, task.answers)
    return is_refusal(answer)


class OutcomeFile:
    """A file of outcomes, open to add to; made if it is not there.

    tasks, label: what the outcomes are of · done: what is in it already, by task and trial
    ValueError names the line that is no outcome, or one of another task or label; OSError if the
    file cannot be written
    """

    def __init__(self, path: str | Path, tasks: Sequence[Task], label: str) -> None:
        self.path, self.label = Path(path), label
        self._questions = {task.id: task.question for task in tasks}
        self.done: dict[tuple[str, int], Outcome] = {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab+")
        try:
            self._read()
        except ValueError:
            self._file.close()
            raise

    def __enter__(self) -> "OutcomeFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def add(self, outcome: Outcome) -> None:
        """Write an outcome: once this returns, the death of this process does not lose it."""
        self._file.write(f"{json.dumps(asdict(outcome), ensure_ascii=False)}\n".encode())
        self._file.flush()

    def _read(self) -> None:
        """Take in what is there. A last line that was cut off is removed: its run did not end."""
        self._file.seek(0)
        *lines, rest = self._file.read().split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                outcome = self._checked(_outcome(json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{self.path}, line {number}: {error}") from error
            if outcome.id in self._questions:
                self.done[outcome.id, outcome.trial] = outcome
        if rest and not rest.startswith(_START) and not _START.startswith(rest):
            raise ValueError(f"{self.path}, line {len(lines) + 1}: this is no file of outcomes")
        if rest:
            self._file.truncate(self._file.tell() - len(rest))

    def _checked(self, outcome: Outcome) -> Outcome:
        """ValueError if the outcome is of something else than what is to be run now."""
        if outcome.label != self.label:
            raise ValueError(f"this is of {outcome.label!r}, not of {self.label!r}; {_OTHER}")
        if self._questions.get(outcome.id, outcome.question) != outcome.question:
            raise ValueError(f"task {outcome.id!r} has another question now; {_OTHER}")
        return outcome


def _outcome(record: object) -> Outcome:
    """ValueError if the record is none."""
    hints = get_type_hints(Outcome)
    if not isinstance(record, dict) or record.keys() != hints.keys():
        raise ValueError("this is no outcome; " + _OTHER)
    for name, kind in hints.items():
        value = float(record[name]) if kind is float and type(record[name]) is int else record[name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f'"{name}" is {record[name]!r}; {_OTHER}')
    return Outcome(**record)

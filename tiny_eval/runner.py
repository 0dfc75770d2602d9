"""The first stage: ask the model about every document, and keep what it says.

A line is written when its document is done, so a run that is killed goes on where it was. A line's
key is a digest of its prompt and all settings: what is there is not asked again, and with another
setting the run has another folder. The right answer is not in it: where that is corrected, the
reply is kept. Nothing is scored here; scoring.py does that, as often as one likes. Chapter 52.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .models import Failure, Loglikelihood, Model, Prompt, Reply
from .prompts import choices_of, examples_for, prompt_of, targets_of
from .run_files import (
    PREDICTIONS,
    RUN,
    Row,
    append,
    discard_empty,
    encode,
    one_writer,
    open_for_lines,
    tidy,
    write_whole,
)
from .tasks import Task, check_grouping, digest

Progress = Callable[[int, int, str | None], None]
"""What is told as a run goes on: how many are done, of how many, and why this one has no answer."""


@dataclass
class Inference:
    """What came of a run."""

    folder: Path
    asked: int = 0
    kept: int = 0
    """Rows that were there before."""
    superseded: int = 0
    """Rows whose document or prompt has changed since; they were put aside."""
    failures: dict[str, str] = field(default_factory=dict)
    """Ids of documents that have no row, and why. Running again asks them again."""


def infer(
    task: Task,
    model: Model,
    out: str | Path = "runs",
    limit: int | None = None,
    progress: Progress | None = None,
) -> Inference:
    """Ask the model what it has not been asked yet; each answer is on the disk as it comes.

    out: runs go into folders of it · limit: only the first so many documents
    ValueError for templates that do not fit the documents, before anything is asked; ModelError
    where nothing can be asked at all, then all rows up to there are kept
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit} must be at least 1")
    rows = rows_to_ask(task)
    check_grouping(task, [row["doc"] for row in rows])
    folder = run_folder(task, model, out)
    run = {"model": model.name, "settings": model.settings, "task": task.as_json()}
    with one_writer(folder):
        write_whole(folder / RUN, encode({**run, "documents": len(rows)}, indent=1))
        there, superseded = tidy(folder, rows)
        waiting = [row for row in rows[:limit] if row["key"] not in there]
        result = Inference(folder, kept=len(rows[:limit]) - len(waiting), superseded=superseded)
        try:
            _ask(task, model, waiting, result, progress)
        except BaseException:
            discard_empty(folder)
            raise
        tidy(folder, rows)  # replies come in any order
    return result


def run_folder(task: Task, model: Model, out: str | Path = "runs") -> Path:
    """OUT/TASK/MODEL-DIGEST: another folder for any other model, template or setting."""
    short = re.sub(r"[^\w.-]+", "-", model.name)[-60:].strip("-.") or "model"
    key = digest([model.name, model.settings, task.asking()])
    return Path(out) / task.name / f"{short}-{key[:8]}"


def rows_to_ask(task: Task) -> list[Row]:
    """A row for each document, lacking only the answer: id, key, prompt, target, choices, doc."""
    pool = task.few_shot_pool
    settings = digest(task.asking())
    rows = []
    for doc in task.docs:
        examples = examples_for(task, doc, pool) if task.few_shot else []
        row: Row = {"id": doc.id, "key": "", "prompt": prompt_of(task, doc, examples)}
        row["target"] = targets_of(task, doc)
        if task.kind == "choice":
            row["choices"] = choices_of(task, doc)
        row["doc"] = doc.fields
        row["key"] = digest([settings, doc.id, row["prompt"], row.get("choices")])
        rows.append(row)
    return rows


def _ask(
    task: Task, model: Model, waiting: Sequence[Row], result: Inference, progress: Progress | None
) -> None:
    """Ask about these rows; each is on the disk before the next is awaited."""
    total = result.kept + len(waiting)
    if progress:
        progress(result.kept, total, None)
    with open_for_lines(result.folder / PREDICTIONS) as file:
        answers = _answers(task, model, waiting)
        for done, (row, answer) in enumerate(answers, result.kept + 1):
            if isinstance(answer, Failure):
                result.failures[row["id"]] = answer.reason
            else:
                append(file, {**row, **answer})
                result.asked += 1
            if progress:
                progress(done, total, result.failures.get(row["id"]))


def _answers(
    task: Task, model: Model, rows: Sequence[Row]
) -> Iterator[tuple[Row, dict[str, Any] | Failure]]:
    if not rows:
        return
    prompts = [row["prompt"] for row in rows]
    if task.kind == "generate":
        replies = model.generate_until(prompts, task.generation)
        for place, reply in _once_each(model, replies, len(prompts)):
            if isinstance(reply, Reply):
                yield rows[place], {"reply": reply.text, "cut": reply.cut}
            else:
                yield rows[place], reply
    elif task.kind == "choice":
        yield from _choices(task, model, rows)
    else:
        found = model.loglikelihood_rolling(prompts)
        for place, answer in _once_each(model, found, len(prompts)):
            yield rows[place], _together({0: answer})


def _choices(
    task: Task, model: Model, rows: Sequence[Row]
) -> Iterator[tuple[Row, dict[str, Any] | Failure]]:
    """Each choice is a request of its own; a document is done when all of its are."""
    delimiter = "" if task.chat else task.target_delimiter
    requests: list[tuple[Prompt, str]] = []
    owners: list[tuple[int, int]] = []
    for place, row in enumerate(rows):
        for number, choice in enumerate(row["choices"]):
            requests.append((row["prompt"], delimiter + choice))
            owners.append((place, number))
    found: dict[int, dict[int, Loglikelihood | Failure]] = defaultdict(dict)
    answers = model.loglikelihood(requests)
    for index, answer in _once_each(model, answers, len(requests)):
        place, number = owners[index]
        found[place][number] = answer
        if len(found[place]) == len(rows[place]["choices"]):
            yield rows[place], _together(found.pop(place))


def _once_each(model: Model, answers: Iterable[Any], count: int) -> Iterator[tuple[int, Any]]:
    """The answer to each request, and a Failure where the model gave none.

    TypeError if what it yields is not what models.Model says
    """
    waiting = set(range(count))
    for answer in answers:
        index, given = answer if type(answer) is tuple and len(answer) == 2 else (-1, answer)
        if index not in waiting or not isinstance(given, Reply | Loglikelihood | Failure):
            problem = f"the model {model.name} yielded {answer!r:.100}"
            wanted = "(index, Reply, Loglikelihood or Failure), once for each request"
            raise TypeError(f"{problem}; it must be {wanted}, of which there are {count}")
        waiting.remove(index)
        yield index, given
    for index in sorted(waiting):
        yield index, Failure("the model gave no answer to it")


def _together(found: dict[int, Loglikelihood | Failure]) -> dict[str, Any] | Failure:
    numbers = []
    for _, answer in sorted(found.items()):
        if isinstance(answer, Failure):
            return answer
        numbers.append(answer._asdict())
    return {"loglikelihoods": numbers}

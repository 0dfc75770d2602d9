"""A judge for the open questions of a run: its marks go into the run, and `score` counts them.

One judge a run: marks of two judges are no one measure. Chapter 53.
"""

from pathlib import Path

from .filters import strip_think
from .judge import judge_rubric
from .judge_prompts import POINTS_FORM, rubric_prompt
from .models import Failure, Model, Prompt
from .run_files import (
    JUDGEMENTS,
    PREDICTIONS,
    Row,
    append,
    judged_key,
    one_writer,
    open_for_lines,
    read_rows,
    read_run,
)
from .runner import Inference, Progress
from .tasks import digest


def judge_run(folder: str | Path, model: Model, progress: Progress | None = None) -> Inference:
    """Have the open questions of a run marked that are not yet; each mark is kept as it comes.

    A judge's reply that cannot be read is kept too, counts as a failure, and is asked for again.
    ValueError if there is no open question, or another judge has marked some; ModelError
    """
    folder = Path(folder)
    rows = open_rows(folder)
    judge = {"model": model.name, "settings": digest(model.settings)}
    with one_writer(folder):
        marks = read_rows(folder / JUDGEMENTS, "key", "points", "judge")
        for mark in marks:
            if mark["judge"] != judge and mark["points"] is not None:
                problem = f"another judge, {mark['judge']['model']}, has marked answers of {folder}"
                raise ValueError(f"{problem}; to begin anew, remove {JUDGEMENTS} there")
        done = {mark["key"] for mark in marks if mark["points"] is not None}
        waiting = [row for row in rows if judged_key(row) not in done]
        result = Inference(folder, kept=len(rows) - len(waiting))
        _mark(model, judge, waiting, result, progress)
    return result


def open_rows(folder: str | Path) -> list[Row]:
    """The predictions that only a judge can mark.

    FileNotFoundError if the folder is no run; ValueError if there are none
    """
    read_run(folder)
    rows = read_rows(Path(folder) / PREDICTIONS, "id", "key", "doc")
    found = [row for row in rows if row["doc"].get("type") == "open" and "reply" in row]
    if not found:
        raise ValueError(f"{folder} has no answer to an open question; none needs a judge")
    return found


def judge_prompts(folder: str | Path) -> dict[str, Prompt]:
    """What a judge is asked, by id of the question."""
    return {
        row["id"]: rubric_prompt(row["doc"], strip_think(row["reply"]) or "")
        for row in open_rows(folder)
    }


def _mark(
    model: Model, judge: Row, waiting: list[Row], result: Inference, progress: Progress | None
) -> None:
    total = result.kept + len(waiting)
    if progress:
        progress(result.kept, total, None)
    docs, replies = [row["doc"] for row in waiting], [row["reply"] for row in waiting]
    with open_for_lines(result.folder / JUDGEMENTS) as file:
        for done, (index, mark) in enumerate(judge_rubric(model, docs, replies), result.kept + 1):
            row = waiting[index]
            if isinstance(mark, Failure):
                result.failures[row["id"]] = mark.reason
            else:
                key = {"id": row["id"], "key": judged_key(row), "judge": judge}
                append(file, {**key, **mark._asdict()})
                if mark.points is None:
                    problem = f"the judge's reply does not end with {POINTS_FORM}"
                    result.failures[row["id"]] = f"{problem}, the points of each step"
                else:
                    result.asked += 1
            if progress:
                progress(done, total, result.failures.get(row["id"]))

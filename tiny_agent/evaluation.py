"""How good an agent is: the same tasks, several times each, judged by rules.

    tasks = read_tasks(SAMPLE_TASKS)
    report = evaluate(lambda task: agent.run(task.question), tasks, trials=4, path="runs.jsonl")
    report.success, report.interval(), report.pass_hat(4), report.by("kind")

A task says what a right answer holds (`tasks`, `answers`); an outcome what a run came to and cost
(`outcomes`); the report what all of them did (`report`). Chapter 43 uses it. Leaves out: judging by
a model, and several runs at a time.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from .messages import RunResult
from .outcomes import Outcome, OutcomeFile, judge
from .report import Report, wilson
from .tasks import SAMPLE_TASKS, Task, read_tasks

__all__ = [
    "SAMPLE_TASKS",
    "Outcome",
    "Report",
    "Runner",
    "Task",
    "evaluate",
    "judge",
    "read_tasks",
    "wilson",
]

Runner = Callable[[Task], RunResult]
"""Runs a task once, such as `lambda task: agent.run(task.question)`."""


def evaluate(
    run: Runner,
    tasks: Iterable[Task],
    trials: int = 1,
    path: str | Path | None = None,
    label: str = "",
    progress: Callable[[Outcome], None] | None = None,
) -> Report:
    """Run every task `trials` times, and judge what comes.

    path: a JSONL file that each outcome is added to as it comes; what is there already is not run
    again, unless it was ended by an error of the model · label: what is run, as the model's name; a
    file with outcomes of another is refused · progress: told of each outcome as it comes
    ValueError: no tasks, two of one id, trials < 1, or the file is of something else
    Whatever `run` raises is raised, after the outcomes before it were written.
    """
    tasks = _checked(list(tasks), trials)
    done: dict[tuple[str, int], Outcome] = {}
    with ExitStack() as stack:
        file = stack.enter_context(OutcomeFile(path, tasks, label)) if path else None
        if file:
            kept = file.done.items()
            done = {key: each for key, each in kept if each.status != "model_error"}
        for trial in range(trials):
            for task in tasks:
                if (task.id, trial) in done:
                    continue
                outcome = done[task.id, trial] = Outcome.of(task, trial, run(task), label)
                if file:
                    file.add(outcome)
                if progress:
                    progress(outcome)
    return Report(tuple(done[task.id, trial] for task in tasks for trial in range(trials)))


def _checked(tasks: list[Task], trials: int) -> list[Task]:
    if not tasks or trials < 1:
        raise ValueError(f"{len(tasks)} tasks and trials={trials}: there must be one of each")
    if len({task.id for task in tasks}) < len(tasks):
        raise ValueError("two tasks have one id; give each its own")
    return tasks

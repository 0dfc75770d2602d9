"""What the commands print: results on stdout, notes on stderr. Tables are the report's."""

import json
import math
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .comparison import RunComparison, run_names
from .filters import FILTERS
from .layouts import LAYOUTS
from .markup import visible
from .metrics import metric_names
from .paired_tests import Comparison
from .report import by_task
from .report_tables import Table, comparison_table, group_table, points_table, score_table
from .report_words import words_in
from .runner import Progress
from .scoring import Scores
from .stats import Estimate
from .tasks import KINDS, Task

_WORDS = words_in("en")


def print_tasks(tasks: Sequence[tuple[Task, str]], as_json: bool) -> None:
    """Print each task, with a line about it, and what a task of one's own may name."""
    counts = [len(task.docs) if task.data.exists() else None for task, _ in tasks]
    if as_json:
        for (task, about), count in zip(tasks, counts, strict=True):
            row = {"name": task.name, "kind": task.kind, "documents": count}
            print_json({**row, "metrics": list(task.metrics), "about": about})
        return
    rows = [
        [task.name, task.kind, ", ".join(task.metrics), "--data" if count is None else str(count)]
        for (task, _), count in zip(tasks, counts, strict=True)
    ]
    _print_table(Table("", ["Task", "Kind", "Metrics", "Documents"], rows, [], names=3))
    print()
    for task, about in tasks:
        print(f"{task.name}: {visible(about)}")
    print("\nA task of your own may name")
    print(f'Filters: {", ".join(FILTERS)}, {{"regex": "..."}}')
    metrics = "; ".join(f"{kind}: {', '.join(metric_names(kind))}" for kind in KINDS)
    print(f"Metrics by kind: {metrics}")
    print(f"Layouts: {', '.join(LAYOUTS)}")


def print_scores(runs: Mapping[Path, Scores]) -> None:
    """Print what runs, by their folders, are worth."""
    folders = {id(scores): str(folder) for folder, scores in runs.items()}
    for task, named in by_task(list(runs.values())).items():
        print(visible(task))
        tables = [score_table(named, _WORDS), group_table(named, _WORDS)]
        tables += [points_table(name, scores, _WORDS) for name, scores in named.items()]
        for table in filter(None, tables):
            _print_table(table)
        rows = [
            [name, f"{len(each.items)} of {each.documents or '?'}", folders[id(each)]]
            for name, each in named.items()
        ]
        _print_table(Table("Runs", ["Run", "Answered", "Folder"], rows, [], names=3))


def scores_as_json(folder: Path, scores: Scores) -> dict[str, Any]:
    """The same of one run for programs."""
    return {
        "run": str(folder),
        "task": scores.task.name,
        "model": scores.model,
        "few_shot": scores.task.few_shot,
        "chat": scores.task.chat,
        "documents": scores.documents,
        "answered": len(scores.items),
        "metrics": {name: _fields(found) for name, found in scores.estimates.items()},
        "extracted": scores.extracted and _fields(scores.extracted),
        "cut": scores.cut,
        "groups": {
            group: {name: _fields(found) for name, found in each.items()}
            for group, each in scores.groups.items()
        },
    }


def print_comparison(comparison: RunComparison, folders: tuple[Path, Path], as_json: bool) -> None:
    """Print whether one of two runs, which come from these folders, is better, and how surely."""
    names = run_names([comparison.a, comparison.b])
    if not as_json:
        _print_table(comparison_table(comparison, names[0], names[1], "en"))
        rows = [[name, str(folder)] for name, folder in zip(names, folders, strict=True)]
        _print_table(Table("Runs", ["Run", "Folder"], rows, [], names=2))
        return
    metrics = {}
    for metric, each in comparison.metrics.items():
        found = {"difference": each.difference, **_fields(each.found)}
        found.pop("value", None)  # of a bootstrap, the difference
        said = {"winner": each.winner, "sentence": each.sentence(*names)}
        metrics[metric] = {**found, "adjusted_p": each.adjusted_p, **said}
    left_out = {"only_a": comparison.only_a, "only_b": comparison.only_b}
    runs = {"a": names[0], "b": names[1], "run_a": str(folders[0]), "run_b": str(folders[1])}
    print_json({**runs, "metrics": metrics, **left_out})


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False), flush=True)


def note(text: str) -> None:
    """Say something beside the results."""
    print(f"note: {visible(text)}", file=sys.stderr, flush=True)


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A bar on stderr, where that is a terminal; the first failure is told as it comes."""
    from tqdm import tqdm

    size = shutil.get_terminal_size()  # never 0 by 0, which tqdm would believe of a terminal
    with tqdm(desc=label, disable=None, miniters=1, ncols=size.columns, nrows=size.lines) as bar:
        failed = False

        def show(done: int, total: int, failure: str | None) -> None:
            nonlocal failed
            if bar.total is None:  # what was there before takes no time
                bar.total, bar.initial, bar.n = total, done, done
                bar.refresh()
            bar.update(done - bar.n)
            if failure and not failed and done < total:
                failed = True
                bar.clear()
                note(f"the first failure: {failure}")

        yield show


def _print_table(table: Table) -> None:
    """Words to the left, numbers to the right."""
    if table.title:
        print(f"\n{visible(table.title)}")
    rows = [[visible(cell) for cell in row] for row in (table.header, *table.rows)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - _width(cell))
            cells.append(cell + space if place < table.names else space + cell)
        print("  ".join(cells).rstrip())
    for line in table.notes:
        print(visible(line))
    sys.stdout.flush()


def _width(text: str) -> int:
    """In a terminal a Chinese character is two wide."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _fields(found: Estimate | Comparison) -> dict[str, Any]:
    """None for NaN and infinity, which are no JSON."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in found._asdict().items()
    }

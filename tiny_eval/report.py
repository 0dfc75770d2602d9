"""A report in Markdown: scores, what they rest on, which run is better, and what went wrong.

Replies come from a model and may hold anything. In a cell they are one line, in which nothing is
markup, and no longer than a table bears. Chapter 52 reads one; report_page.py makes the same to
click through.
"""

import re
from collections.abc import Iterator, Sequence

from .comparison import Change, RunComparison, run_names
from .markup import visible
from .pictures import number
from .report_tables import (
    Runs,
    Table,
    below_full,
    comparison_table,
    goodness,
    group_table,
    made_table,
    main_metric,
    points_table,
    said,
    score_table,
    shorten,
    wanted,
)
from .report_words import words_in
from .scoring import Scores

SHOWN = 10
"""Items in each list of examples."""
CELL_CHARS = 240
_WORDS = words_in("en")
# An entity holds where a backslash may not: in tables, in GitHub's formulas and bare addresses.
_MARKUP = re.compile(r"([&<>|\\`$]|:(?=//)|(?<=www)\.)|[*\[~#]|(?<!\w)_|_(?!\w)")


def markdown(scores: Sequence[Scores], comparisons: Sequence[RunComparison] = ()) -> str:
    """The report of runs, of one task or of several.

    comparisons: by comparison.compare_all or compare_runs, of these runs
    ValueError if there are no runs
    """
    lines = [f"# {_WORDS['title']}", ""]
    for task, runs in by_task(scores).items():
        lines += [f"## {inline(task)}", ""]
        for table in _tables(task, runs, comparisons):
            lines += _table(table)
    return "\n".join(lines)


def by_task(scores: Sequence[Scores]) -> dict[str, dict[str, Scores]]:
    """The runs of each task, by name. ValueError if there are none."""
    if not scores:
        raise ValueError("no runs to report; score one first")
    tasks: dict[str, dict[str, Scores]] = {}
    for name, each in zip(run_names(scores), scores, strict=True):
        tasks.setdefault(each.task.name, {})[name] = each
    return tasks


def named(
    comparisons: Sequence[RunComparison], task: str, runs: Runs
) -> Iterator[tuple[RunComparison, str, str]]:
    """The comparisons of a task's runs, with what the report calls the two.

    ValueError if it has not both
    """
    names = {id(scores): name for name, scores in runs.items()}
    for each in comparisons:
        if each.a.task.name == task:
            if not {id(each.a), id(each.b)} <= set(names):
                raise ValueError(f"{task}: a comparison is of other runs; compare those reported")
            yield each, names[id(each.a)], names[id(each.b)]


def inline(text: str) -> str:
    """A text as Markdown that shows it, in one line."""
    text = visible(" ⏎ ".join(text.splitlines()))
    return _MARKUP.sub(lambda m: f"&#{ord(m[0])};" if m[1] else f"\\{m[0]}", text)


def _tables(task: str, runs: Runs, comparisons: Sequence[RunComparison]) -> Iterator[Table]:
    yield score_table(runs, _WORDS)
    yield from filter(None, [group_table(runs, _WORDS)])
    yield from filter(None, (points_table(*each, _WORDS) for each in runs.items()))
    metric = main_metric(runs)
    for comparison, name_a, name_b in named(comparisons, task, runs):
        yield comparison_table(comparison, name_a, name_b, "en")
        if metric in comparison.metrics:
            yield from _changes(comparison.changes(metric), metric, name_a, name_b)
    yield made_table(runs, _WORDS)
    for name, scores in runs.items():
        yield from filter(None, [_worst(name, scores, metric), _failures(name, scores)])


def _changes(changes: Sequence[Change], metric: str, name_a: str, name_b: str) -> Iterator[Table]:
    header = [_WORDS["question"], metric, _WORDS["targets"], name_a, name_b]
    for name, sign in ((name_b, 1), (name_a, -1)):
        better = [change for change in changes if change.gain * sign > 0][:SHOWN]
        rows = [
            [
                change.a.id,
                " → ".join(number(metric, side.values[metric] or 0) for side in change[:2]),
                " / ".join(wanted(change.a)),
                said(change.a),
                said(change.b),
            ]
            for change in better
        ]
        if rows:
            yield Table(_WORDS["wins"].format(name, metric), header, rows, [], len(header))


def _worst(name: str, scores: Scores, metric: str) -> Table | None:
    below = [item for item in scores.items if below_full(item, metric)]
    below.sort(key=lambda item: goodness(item, metric))
    filtered = scores.extracted is not None
    header = [_WORDS[key] for key in ("question", "value", "answer", "targets", "reply")]
    rows = [
        [
            item.id,
            number(metric, item.values[metric] or 0),
            item.answer if item.answer is not None else _WORDS["nothing"] if filtered else "–",
            " / ".join(wanted(item)),
            said(item),
        ]
        for item in below[:SHOWN]
    ]
    return Table(_WORDS["worst"].format(name), header, rows, [], len(header)) if rows else None


def _failures(name: str, scores: Scores) -> Table | None:
    if scores.extracted is None:
        return None
    failed = [item for item in scores.items if item.answer is None]
    rows = [[item.id, " / ".join(wanted(item)), said(item)] for item in failed[:SHOWN]]
    header = [_WORDS[key] for key in ("question", "targets", "reply")]
    title = _WORDS["failures"].format(f"{name}, {len(failed)}")
    return Table(title, header, rows, [], len(header)) if rows else None


def _table(table: Table) -> list[str]:
    right = len(table.header) - table.names
    lines = [f"### {inline(table.title)}", "", _row(table.header)]
    lines.append("|" + " --- |" * table.names + " ---: |" * right)
    lines += map(_row, table.rows)
    lines.append("")
    for note in table.notes:
        lines += [inline(note), ""]
    return lines


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(inline(shorten(cell, CELL_CHARS, _WORDS)) for cell in cells) + " |"

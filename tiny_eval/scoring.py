"""The second stage: predictions become scores, with their error bars.

    rows of predictions.jsonl  ->  filters  ->  metric of each document  ->  mean, 95% interval

A pure function of the rows and the task: no model, no clock, no chance but a seeded one, so it can
be done again with other filters or metrics on the same predictions. Chapter 52 explains it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from .filters import apply_filters
from .metrics import METRICS, Item, Metric
from .prompts import choices_of, targets_of
from .run_files import JUDGEMENTS, PREDICTIONS, Row, judged_key, read_rows, read_run
from .stats import Estimate, bootstrap_estimate, mean_estimate
from .tasks import Doc, Task, check_grouping, task_of


@dataclass(frozen=True)
class ScoredItem:
    """A document with its scores."""

    id: str
    answer: str | None
    """What the filters, or a metric without them, found in the reply; None if there is no reply."""
    targets: list[str]
    values: dict[str, float | None]
    """By metric of items; None where it could not be judged."""
    row: Row


@dataclass(frozen=True)
class Scores:
    """What a run is worth."""

    task: Task
    model: str
    items: list[ScoredItem]
    estimates: dict[str, Estimate]
    """By metric. A metric that could judge no document has none."""
    extracted: Estimate | None
    """The share of judged replies in which an answer was found; None if none is looked for."""
    cut: int
    """Replies that ended at max_tokens."""
    groups: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    """By value of the field group_by, then by metric."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the model's answers depend on, as it said when it was asked."""
    documents: int | None = None
    """How many the task has, answered or not; None if the run does not say."""


def score(
    task: Task, rows: Sequence[Row], model: str = "", judgements: Mapping[str, Row] | None = None
) -> Scores:
    """Scores of the rows of one run. ValueError if there are none.

    judgements: by `run_files.judged_key` of the row, for metrics that need a judge
    """
    _check(task, rows)
    items = [_item(task, row, (judgements or {}).get(judged_key(row))) for row in rows]
    metrics = {name: METRICS[name] for name in task.metrics}
    values = [_values(item, metrics) for item in items]
    reads = None if task.filters else next((m.reads for m in metrics.values() if m.reads), None)
    answers = [reads(item) if reads else item.answer for item in items]
    scored = [
        ScoredItem(item.row["id"], answer, item.targets, value, item.row)
        for item, answer, value in zip(items, answers, values, strict=True)
    ]
    return Scores(
        task,
        model,
        scored,
        _estimates(task, metrics, items, values),
        _extracted(scored) if reads or (task.kind == "generate" and task.filters) else None,
        sum(bool(row.get("cut")) for row in rows),
        _groups(task, metrics, items, values),
    )


def score_run(folder: str | Path, task: Task | None = None) -> Scores:
    """Scores of a run's folder, by its own task or by another with the same documents."""
    folder = Path(folder)
    run = read_run(folder)
    rows = read_rows(folder / PREDICTIONS)
    if not rows:
        raise ValueError(f"{folder}: no predictions to score; `run` or `infer` makes them")
    if task is None:
        task = task_of(run["task"], Path(), str(folder))
    else:
        _check(task, rows)
        rows = [{**row, "target": _targets(task, row)} for row in rows]
    judgements = {row["key"]: row for row in read_rows(folder / JUDGEMENTS, "key", "points")}
    found = score(task, rows, str(run.get("model", "")), judgements)
    return replace(found, settings=run.get("settings") or {}, documents=run.get("documents"))


def _targets(task: Task, row: Row) -> list[str]:
    doc = Doc(row["id"], row["doc"])
    if task.kind == "choice" and choices_of(task, doc) != row["choices"]:
        problem = f"document {doc.id} was asked with the choices {row['choices']}"
        raise ValueError(f"{task.name}: {problem}, not with this task's; run it again")
    return targets_of(task, doc)


def _check(task: Task, rows: Sequence[Row]) -> None:
    if not rows:
        raise ValueError(f"{task.name}: no predictions to score; `run` or `infer` makes them")
    answer = "reply" if task.kind == "generate" else "loglikelihoods"
    for row in rows:
        if missing := {"id", "key", "prompt", "target", "doc", answer} - set(row):
            problem = f"prediction {row.get('id')!r} lacks {', '.join(sorted(missing))}"
            remedy = "they were made for another kind of task, or by hand"
            raise ValueError(f"{task.name}, kind={task.kind!r}: {problem}; {remedy}")
    check_grouping(task, [row["doc"] for row in rows])


def _item(task: Task, row: Row, judgement: Row | None) -> Item:
    answer = apply_filters(row["reply"], task.filters) if "reply" in row else None
    return Item(answer, row["target"], row, judgement)


def _values(item: Item, metrics: Mapping[str, Metric]) -> dict[str, float | None]:
    values = {}
    for name, metric in metrics.items():
        if metric.of_item:
            try:
                values[name] = metric.of_item(item)
            except (ValueError, KeyError) as error:
                wrong = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise ValueError(f"document {item.row['id']}, {name}: {wrong}") from error
    return values


def cluster_of(task: Task, row: Row) -> str:
    """What a document is drawn with: all of its cluster, or itself alone."""
    return str(row["doc"].get(task.cluster_by, "")) if task.cluster_by else row["id"]


def _estimates(
    task: Task,
    metrics: Mapping[str, Metric],
    items: Sequence[Item],
    values: Sequence[Mapping[str, float | None]],
) -> dict[str, Estimate]:
    found = {}
    clusters = [cluster_of(task, item.row) for item in items]
    for name, metric in metrics.items():
        if metric.of_corpus:
            if math.isinf(metric.of_corpus(items)):
                remedy = "text without spaces is one word: take byte_perplexity in its place"
                raise ValueError(f"{task.name}: {name} is more than a number can hold; {remedy}")
            found[name] = _bootstrap(metric.of_corpus, items, clusters)
            continue
        judged = [
            (value[name], cluster)
            for value, cluster in zip(values, clusters, strict=True)
            if value[name] is not None
        ]
        if judged:
            numbers, shared = zip(*judged, strict=True)
            found[name] = mean_estimate(numbers, shared if task.cluster_by else None)
    return found


def _bootstrap(
    of_corpus: Callable[[Sequence[Item]], float], items: Sequence[Item], clusters: Sequence[str]
) -> Estimate:
    drawn: dict[str, list[Item]] = {}
    for item, cluster in zip(items, clusters, strict=True):
        drawn.setdefault(cluster, []).append(item)
    found = bootstrap_estimate(
        list(drawn.values()), lambda sample: of_corpus(list(chain.from_iterable(sample)))
    )
    return found._replace(n=len(items))


def _groups(
    task: Task,
    metrics: Mapping[str, Metric],
    items: Sequence[Item],
    values: Sequence[Mapping[str, float | None]],
) -> dict[str, dict[str, Estimate]]:
    if task.group_by is None:
        return {}
    groups: dict[str, list[tuple[Item, Mapping[str, float | None]]]] = {}
    for pair in zip(items, values, strict=True):
        groups.setdefault(str(pair[0].row["doc"].get(task.group_by, "")), []).append(pair)
    return {
        name: _estimates(task, metrics, *zip(*pairs, strict=True)) for name, pairs in groups.items()
    }


def _extracted(items: Sequence[ScoredItem]) -> Estimate | None:
    judged = [item for item in items if None not in item.values.values()]
    return mean_estimate([float(item.answer is not None) for item in judged]) if judged else None

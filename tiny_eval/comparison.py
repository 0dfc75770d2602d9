"""Two runs of a task, question by question: is one better, and where do they differ?

A metric of items gets a paired test; a metric of the corpus (BLEU, perplexity) gets a bootstrap of
the difference, in which both runs are drawn with the same questions, and no p-value: its interval
decides. Several tests at once are corrected together, by Holm. What was asked may differ (another
prompt, more examples); the documents and the right answers may not. Chapter 52 compares two runs.
Sources: paired_tests.py; Koehn 2004, https://aclanthology.org/W04-3250, for the paired bootstrap.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any, Literal, NamedTuple

from .metrics import METRICS, Item
from .paired_tests import SIGNIFICANT, Comparison, compare, holm, verdict
from .scoring import ScoredItem, Scores, cluster_of
from .stats import Estimate, bootstrap_estimate

ENOUGH = 20
"""Questions (or clusters), below which a bootstrap's interval is too narrow to decide anything."""
_NOT_SETTINGS = ("name", "data", "few_shot_data", "metrics", "group_by", "cluster_by")

Pair = tuple[ScoredItem, ScoredItem]


@dataclass(frozen=True)
class MetricComparison:
    """One metric of two runs, the second minus the first."""

    metric: str
    found: Comparison | Estimate
    """A paired test; of a metric of the corpus the difference, where n counts what was drawn."""
    adjusted_p: float | None = None
    """By Holm, if there were several tests."""

    @property
    def difference(self) -> float:
        """b - a, on the metric's own scale."""
        return self.found.value if isinstance(self.found, Estimate) else self.found.difference

    @property
    def winner(self) -> Literal["a", "b"] | None:
        """The better run; None if the data cannot tell."""
        if not (self.found.low > 0 or self.found.high < 0):  # NaN too
            return None
        if isinstance(self.found, Estimate):
            sure = self.found.n >= ENOUGH
        else:
            p_value = self.found.p_value if self.adjusted_p is None else self.adjusted_p
            sure = p_value <= SIGNIFICANT
        if not sure:
            return None
        return "b" if (self.difference > 0) != METRICS[self.metric].lower_is_better else "a"

    def sentence(self, name_a: str, name_b: str) -> str:
        """What can be said, and no more."""
        names = (name_a, name_b)
        if isinstance(self.found, Comparison):
            # verdict() takes more for better, and only names a winner by that.
            turned = self.winner is not None and METRICS[self.metric].lower_is_better
            return verdict(self.found, *(names[::-1] if turned else names), self.adjusted_p)
        found = self.found
        size = f"{found.value:+.3f}"
        if not math.isnan(found.low):
            size += f", 95% interval {found.low:+.3f} to {found.high:+.3f}"
        basis = f"paired bootstrap over {found.n}, not corrected for several comparisons"
        if self.winner:
            better, worse = names if self.winner == "a" else names[::-1]
            return f"{better} beats {worse}: {name_b} - {name_a} = {size} ({basis})."
        few = f" Below {ENOUGH}, the interval decides nothing." if found.n < ENOUGH else ""
        apart = f"The data cannot tell {name_a} and {name_b} apart: {name_b} - {name_a} = {size}"
        return f"{apart} ({basis}).{few} That does not show that they are equal."


class Change(NamedTuple):
    """A question on which two runs score differently."""

    a: ScoredItem
    b: ScoredItem
    gain: float
    """By how much b is better; below 0 if a is."""


@dataclass(frozen=True)
class RunComparison:
    """All about two runs of a task."""

    a: Scores
    b: Scores
    pairs: list[Pair]
    """The documents of both."""
    metrics: dict[str, MetricComparison]
    left_out: dict[str, Literal["unjudged", "tokens"]]
    """Metrics without a comparison: no document is judged in both runs; the models cut the texts
    into different tokens, so that a perplexity per token is of different things."""
    only_a: list[str]
    """Ids of documents that only one run has; they are left out."""
    only_b: list[str]
    settings: list[str]
    """Fields of the task in which the runs differ."""

    def changes(self, metric: str) -> list[Change]:
        """The documents on which a metric of items differs, from the widest difference on."""
        sign = -1 if METRICS[metric].lower_is_better else 1
        gains = [Change(a, b, sign * (y - x)) for a, b, x, y in _judged(self.pairs, metric)]
        return sorted((each for each in gains if each.gain), key=lambda each: -abs(each.gain))


def compare_runs(a: Scores, b: Scores) -> RunComparison:
    """Two runs, b against a, on the questions that both were asked.

    ValueError says what differs if a question of the same id is not the same, or they share none
    """
    compared = _compare(a, b)
    _correct([compared])
    return compared


def compare_all(scores: Sequence[Scores]) -> list[RunComparison]:
    """Each two runs of a task; of a task, all tests are corrected together.

    ValueError as `compare_runs`
    """
    tasks: dict[str, list[Scores]] = defaultdict(list)
    for each in scores:
        tasks[each.task.name].append(each)
    compared = [[_compare(*two) for two in combinations(runs, 2)] for runs in tasks.values()]
    for of_task in compared:
        _correct(of_task)
    return list(chain.from_iterable(compared))


def run_names(scores: Sequence[Scores]) -> list[str]:
    """A name for each run that no other run of its task has: the model, and what else differs."""
    names = []
    for each in scores:
        rivals = [s for s in scores if (s.task.name, s.model) == (each.task.name, each.model)]
        differing = sorted({name for rival in rivals for name in _settings(each, rival)})
        parts = [f"{name}={each.task.as_json()[name]}" for name in differing]
        names.append(", ".join([each.model or "?", *(part for part in parts if len(part) < 30)]))
    tasks = [each.task.name for each in scores]
    keys = list(zip(tasks, names, strict=True))
    return [
        f"{key[1]} #{keys[: place + 1].count(key)}" if keys.count(key) > 1 else key[1]
        for place, key in enumerate(keys)
    ]


def _compare(a: Scores, b: Scores) -> RunComparison:
    if a.task.name != b.task.name:
        raise ValueError(f"{a.task.name} and {b.task.name} are two tasks; compare runs of one")
    ours, theirs = ({item.id: item for item in each.items} for each in (a, b))
    pairs = [(item, theirs[name]) for name, item in ours.items() if name in theirs]
    if not pairs:
        raise ValueError(f"{a.task.name}: the two runs have no document in common")
    for pair in pairs:
        _check_same(a.task.kind, *pair)
    names = [name for name in a.task.metrics if name in b.task.metrics]
    if not names:
        lists = f"{', '.join(a.task.metrics)} and {', '.join(b.task.metrics)}"
        raise ValueError(f"{a.task.name}: no metric is in both {lists}; score both by the same")
    found = {name: _compare_metric(a, pairs, name) for name in names}
    return RunComparison(
        a,
        b,
        pairs,
        {name: each for name, each in found.items() if isinstance(each, MetricComparison)},
        {name: each for name, each in found.items() if not isinstance(each, MetricComparison)},
        [name for name in ours if name not in theirs],
        [name for name in theirs if name not in ours],
        _settings(a, b),
    )


def _check_same(kind: str, a: ScoredItem, b: ScoredItem) -> None:
    first, second = ({**item.row["doc"], "target": item.targets} for item in (a, b))
    if kind == "perplexity":
        first["prompt"], second["prompt"] = a.row["prompt"], b.row["prompt"]
    for name in {**first, **second}:
        if first.get(name) != second.get(name):
            values = f"{first.get(name)!r:.60} and {second.get(name)!r:.60}"
            problem = f"document {a.id} is not the same in both runs: its {name} is {values}"
            raise ValueError(f"{problem}; run one of them again on the other's data")


def _compare_metric(
    a: Scores, pairs: Sequence[Pair], name: str
) -> MetricComparison | Literal["unjudged", "tokens"]:
    metric = METRICS[name]
    if metric.of_corpus:
        if name == "token_perplexity" and any(_tokens(x) != _tokens(y) for x, y in pairs):
            return "tokens"
        return MetricComparison(name, _bootstrap(a, pairs, name))
    judged = _judged(pairs, name)
    if not judged:
        return "unjudged"
    clusters = [cluster_of(a.task, item.row) for item, *_ in judged] if a.task.cluster_by else None
    found = compare([x for *_, x, _ in judged], [y for *_, y in judged], clusters=clusters)
    if metric.lower_is_better:
        found = found._replace(wins=found.losses, losses=found.wins)
    return MetricComparison(name, found)


def _bootstrap(run: Scores, pairs: Sequence[Pair], name: str) -> Estimate:
    """Questions are drawn, for both runs the same; where there are clusters, whole clusters."""
    drawn: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        drawn[cluster_of(run.task, pair[0].row)].append(pair)
    of_corpus = METRICS[name].of_corpus
    assert of_corpus is not None

    def difference(sample: Sequence[list[Pair]]) -> float:
        first, second = zip(*chain.from_iterable(sample), strict=True)
        a, b = of_corpus(_items(first)), of_corpus(_items(second))
        return b - a if a != b else 0.0  # also where both overflow: inf - inf is no number

    return bootstrap_estimate(list(drawn.values()), difference)


def _items(scored: Iterable[ScoredItem]) -> list[Item]:
    return [Item(item.answer, item.targets, item.row) for item in scored]


def _judged(pairs: Sequence[Pair], name: str) -> list[tuple[ScoredItem, ScoredItem, float, float]]:
    values = ((a, b, a.values.get(name), b.values.get(name)) for a, b in pairs)
    return [(a, b, x, y) for a, b, x, y in values if x is not None and y is not None]


def _tokens(item: ScoredItem) -> int:
    return item.row["loglikelihoods"][0]["tokens"]


def _settings(a: Scores, b: Scores) -> list[str]:
    first: dict[str, Any] = a.task.as_json()
    second = b.task.as_json()
    return [name for name in first if name not in _NOT_SETTINGS and first[name] != second[name]]


def _correct(compared: Sequence[RunComparison]) -> None:
    """Holm's correction over all tests of all these comparisons."""
    tests = [
        (each.found.p_value, name, comparison.metrics)
        for comparison in compared
        for name, each in comparison.metrics.items()
        if isinstance(each.found, Comparison)
    ]
    if len(tests) < 2:
        return
    adjusted = holm([p_value for p_value, *_ in tests])
    for (_, name, metrics), p_value in zip(tests, adjusted, strict=True):
        metrics[name] = replace(metrics[name], adjusted_p=p_value)

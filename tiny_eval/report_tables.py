"""What a report shows, as tables of text: Markdown and the page both write them.

Nothing is escaped here, as each does that in its own way. `runs` maps names (comparison.run_names)
to the runs of one task.
"""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .comparison import ENOUGH, MetricComparison, RunComparison
from .metrics import METRICS
from .paired_tests import Comparison
from .pictures import number
from .report_words import Language, words_in
from .scoring import ScoredItem, Scores, cluster_of
from .stats import Estimate

Runs = Mapping[str, Scores]
Words = Mapping[str, str]


class Table(NamedTuple):
    """A table under a title, perhaps with sentences below it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]
    names: int = 1
    """Leading columns that hold words; the others hold numbers."""


def score_table(runs: Runs, words: Words) -> Table:
    """All scores of a task, by metric, then run."""
    header = [words[key] for key in ("metric", "run", "value", "interval", "n", "extracted", "cut")]
    rows = []
    for metric in dict.fromkeys(name for scores in runs.values() for name in scores.task.metrics):
        for name, scores in runs.items():
            found = scores.estimates.get(metric)
            cells = _estimate(metric, found) if found else ["–", words["none_judged"]]
            judged = found.n if found else 0
            total = len(scores.items)
            count = str(total) if judged == total else words["of"].format(judged, total)
            share = number("exact_match", scores.extracted.value) if scores.extracted else "–"
            cut = str(scores.cut) if scores.task.kind == "generate" else "–"
            rows.append([heading(metric, words), name, *cells, count, share, cut])
    clusters: dict[str, set[str]] = defaultdict(set)
    for scores in runs.values():
        if field := scores.task.cluster_by:
            clusters[field].update(cluster_of(scores.task, item.row) for item in scores.items)
    notes = [words["clusters"].format(field, len(found)) for field, found in clusters.items()]
    if any("gaokao" in scores.task.metrics for scores in runs.values()):
        notes.append(words["of_points"])
    return Table(words["scores"], header, rows, notes, names=2)


def heading(metric: str, words: Words) -> str:
    """A metric's name, with a word on which way is up if that is down."""
    return f"{metric} ({words['lower']})" if METRICS[metric].lower_is_better else metric


def group_table(runs: Runs, words: Words) -> Table | None:
    """The same for each group; None if there are none."""
    names = list(dict.fromkeys(group for scores in runs.values() for group in scores.groups))
    if not names:
        return None
    task = next(iter(runs.values())).task
    of_paper = "gaokao" in task.metrics and task.group_by == "type"
    rows = []
    for group in names:
        shown = _type(group, words) if of_paper else group
        for run, each in runs.items():
            for metric, found in each.groups.get(group, {}).items():
                rows.append([shown, run, metric, *_estimate(metric, found), str(found.n)])
    keys = ("run", "metric", "value", "interval", "n")
    field = words["type"] if of_paper else task.group_by or ""
    title = words["by_type"] if of_paper else words["groups"].format(field)
    return Table(title, [field, *(words[key] for key in keys)], rows, [], names=3)


def points_table(name: str, scores: Scores, words: Words) -> Table | None:
    """The points of a paper by type of question; None for tasks that are none.

    A question that nobody has graded is counted apart, and never as 0 points.
    """
    if "gaokao" not in scores.task.metrics:
        return None
    kinds: dict[str, list[ScoredItem]] = defaultdict(list)
    for item in scores.items:
        kinds[_type(str(item.row["doc"].get("type")), words)].append(item)
    kinds[words["all"]] = scores.items
    rows = []
    for kind, items in kinds.items():
        earned, possible, ungraded = _sums(items)
        shown = (_points(earned) if possible else "–", _points(possible), _points(ungraded))
        rows.append([kind, str(len(items)), *shown])
    header = [words[key] for key in ("type", "questions", "earned", "possible", "ungraded")]
    whole = possible + ungraded
    filled = (_points(each) for each in (ungraded, whole, earned, possible, whole))
    notes = [words["ungraded_note"].format(*filled)] if ungraded else []
    return Table(words["points"].format(name), header, rows, notes)


def comparison_table(
    comparison: RunComparison, name_a: str, name_b: str, language: Language
) -> Table:
    """The tests of two runs, and what they allow to say."""
    words = words_in(language)
    rows, notes = [], []
    for metric, each in comparison.metrics.items():
        found, unit = each.found, words["pp"]
        size = number(metric, each.difference, True, unit)
        row = [metric, size, _interval(metric, found.low, found.high, True, unit)]
        if isinstance(found, Comparison):
            adjusted = "–" if each.adjusted_p is None else p_text(each.adjusted_p)
            record = f"{found.wins} / {found.losses} / {found.ties}"
            test = words.get(found.test, found.test)
            row += [p_text(found.p_value), adjusted, record, str(found.n), test]
        else:
            row += ["–", "–", "–", str(found.n), words["bootstrap"]]
        rows.append(row)
        if language == "en":
            notes.append(f"{metric}: {each.sentence(name_a, name_b)}")
        else:
            notes.append(_in_chinese(each, row, name_a, name_b))
    notes += [words[why].format(metric) for metric, why in comparison.left_out.items()]
    for name, only in ((name_a, comparison.only_a), (name_b, comparison.only_b)):
        if only:
            shown = ", ".join(only[:20]) + (f" … ({len(only)})" if len(only) > 20 else "")
            notes.append(words["only"].format(name, shown))
    if comparison.settings:
        notes.append(words["settings"].format(", ".join(comparison.settings)))
    header = ("metric", "difference", "interval", "p", "holm", "record", "n", "test")
    title = words["comparison"].format(name_a, name_b)
    return Table(title, [words[key] for key in header], rows, notes)


def made_table(runs: Runs, words: Words) -> Table:
    """How the runs were made, a column each: all that their tasks say, but what is empty in all."""
    tasks = [scores.task.as_json() for scores in runs.values()]
    rows = [["model", *(scores.model for scores in runs.values())]]
    for name in sorted({name for scores in runs.values() for name in scores.settings}):
        values = [scores.settings.get(name, "") for scores in runs.values()]
        rows.append([f"model: {name}", *map(_setting, values)])
    answered = [f"{len(scores.items)} / {scores.documents or '?'}" for scores in runs.values()]
    rows.append(["answered", *answered])
    for name in tasks[0]:
        values = [task[name] for task in tasks]
        if name == "chat":
            rows.append([name, *(words["chat" if value else "raw"] for value in values)])
        elif name != "name" and any(value not in ("", None, []) for value in values):
            rows.append([name, *map(_setting, values)])
    return Table(words["made"], ["", *runs], rows, [], names=len(runs) + 1)


def main_metric(runs: Runs) -> str:
    """The first metric that has values of items: by it, items are good or bad. "" if none has."""
    for scores in runs.values():
        for name in scores.task.metrics:
            if any(item.values.get(name) is not None for item in scores.items):
                return name
    return ""


def below_full(item: ScoredItem, metric: str) -> bool:
    """Whether it was judged, and found less than perfect."""
    value = item.values.get(metric)
    # LongBench's ROUGE-L of a perfect reply is 0.999999995: it adds 1e-8 below the line.
    return value is not None and abs(value - METRICS[metric].best) > 1e-6


def goodness(item: ScoredItem, metric: str) -> float:
    """What to sort by, from the worst on; an item without a value comes last."""
    value = item.values.get(metric)
    if value is None:
        return math.inf
    return -value if METRICS[metric].lower_is_better else value


def said(item: ScoredItem) -> str:
    """What the model said: its reply, or how likely it found each choice, or the text."""
    if "reply" in item.row:
        return str(item.row["reply"])
    choices = item.row.get("choices") or [""]
    found = item.row["loglikelihoods"]
    lines = zip(found, choices, strict=True)
    return "\n".join(f"{each['total']:.3f}  {choice}".rstrip() for each, choice in lines)


def wanted(item: ScoredItem) -> list[str]:
    """The right answers; of choices, the right one itself and not its index."""
    choices = item.row.get("choices")
    return [choices[int(target)] for target in item.targets] if choices else item.targets


def shorten(text: str, most: int, words: Words) -> str:
    """A text with its middle left out, and a word on how long it was."""
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 3
    return (
        text[:head] + words["shortened"].format(len(text) - head - tail, len(text)) + text[-tail:]
    )


def p_text(p_value: float) -> str:
    """A p-value as reports show it."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _estimate(metric: str, found: Estimate) -> list[str]:
    return [number(metric, found.value), _interval(metric, found.low, found.high)]


def _interval(
    metric: str, low: float, high: float, signed: bool = False, points: str = "pp"
) -> str:
    if math.isnan(low):
        return "–"
    return f"{number(metric, low, signed, points)} … {number(metric, high, signed, points)}"


def _in_chinese(each: MetricComparison, row: Sequence[str], name_a: str, name_b: str) -> str:
    """`MetricComparison.sentence`, from a row of the table."""
    words = words_in("zh")
    metric, size, interval, p_value, adjusted, _, n, test = row
    names = (name_b, name_a) if each.winner == "b" else (name_a, name_b)
    said = words["beats" if each.winner else "apart"].format(metric, *names)
    if isinstance(each.found, Comparison):
        chance = _equation(p_value)
        if each.adjusted_p is not None:
            chance = words["after_holm"].format(chance, _equation(adjusted))
    else:
        chance = words["uncorrected"]
    said += words["basis"].format(name_b, name_a, size, interval, n, test, chance)
    few = isinstance(each.found, Estimate) and each.found.n < ENOUGH
    return said + words["few"].format(ENOUGH) * few


def _equation(p_value: str) -> str:
    return f"p {p_value}" if p_value.startswith("<") else f"p = {p_value}"


def _type(kind: str, words: Words) -> str:
    """A type of question of a paper, where there is a word for it."""
    return words.get(f"type {kind}", kind)


def _sums(items: Sequence[ScoredItem]) -> tuple[float, float, float]:
    """Points earned, of how many that are graded, and how many are not."""
    earned = possible = ungraded = 0.0
    for item in items:
        worth, value = float(item.row["doc"]["points"]), item.values["gaokao"]
        if value is None:
            ungraded += worth
        else:
            earned, possible = earned + worth * value, possible + worth
    return earned, possible, ungraded


def _points(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _setting(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""Tables of scores: how well an index finds and answers, with error bars; and where to refuse.

Every row has its 95% interval (a bootstrap over the questions), and retrieval rows after the first
the p-value of a paired randomisation test against the first (`stats`). Chapter 32 reads one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from .evaluation import Report, evaluate_answers, evaluate_retrieval
from .evidence import find_evidence
from .generation import Answer
from .index import Index, Mode
from .questions import Question, read_questions
from .relevance import calibrate

_SHOWN = ("nDCG", "Recall", "MRR")


def evaluate_index(
    index: Index,
    questions: Path,
    mode: Mode | None,
    k: int,
    answer: Callable[[str], Answer] | None = None,
) -> Iterator[dict[str, Any]]:
    """A row for each mode that the index can do, or for the one given; then the answers' scores.

    Of questions without gold quotes, the answers' only.

    And last, if the questions are of both kinds, the threshold that best tells which have none.

    answer: how to answer a question; None leaves the answers out
    returns dicts with "text", a line to print, and the same numbers for programs
    ValueError if a gold quote is not in the index
    """
    asked = read_questions(questions)
    evidence = find_evidence(asked, index.chunks)
    possible = get_args(Mode) if index.embedder is not None else ("bm25",)
    first: Report | None = None
    modes = [mode] if mode else possible
    for name in modes if answer is None or any(question.gold for question in asked) else ():
        report = evaluate_retrieval(index.retriever(name), asked, evidence, k)
        yield _row(name, report, [m for m in report.scores if m.partition("@")[0] in _SHOWN], first)
        first = first or report
    if answer is not None:
        replies = {question.question: answer(question.question) for question in asked}
        report = evaluate_answers(replies.__getitem__, asked, evidence)
        for metric, scores in report.scores.items():
            if scores:  # no question may be of its kind
                yield _row("answers", report, [metric], None)
        yield from _threshold(asked, replies)


def _row(name: str, report: Report, metrics: list[str], first: Report | None) -> dict[str, Any]:
    """metrics: all of the same questions · first: what to compare with, by the first metric"""
    count = len(report.scores[metrics[0]])
    row: dict[str, Any] = {"name": name, "questions": count}
    cells = [f"{name:8}"]
    for metric in metrics:
        low, high = report.interval(metric)
        row[metric] = {"mean": report.mean(metric), "low": low, "high": high}
        cells.append(f"{metric} {report.mean(metric):.3f} [{low:.3f}, {high:.3f}]")
    cells.append(f"{count} questions")
    if first is not None:
        row["p"] = report.compare(first, metrics[0]).p_value
        cells.append(f"p {row['p']:.4f} against the first row")
    return row | {"text": "  ".join(cells)}


def _threshold(asked: list[Question], replies: Mapping[str, Answer]) -> Iterator[dict[str, Any]]:
    """Where `--min-relevance` would best be for these questions; nothing if a kind is missing."""
    kinds: dict[bool, list[float]] = {True: [], False: []}
    for question in asked:
        relevance = replies[question.question].relevance
        if relevance is not None:
            kinds[question.answerable].append(relevance)
    if kinds[True] and kinds[False]:
        best = calibrate(kinds[True], kinds[False])
        text = (
            f"of these questions, --min-relevance {best.value:.2f} would let {best.answered:.0%} "
            f"with an answer pass and refuse {best.refused:.0%} without"
        )
        yield {"name": "threshold"} | asdict(best) | {"text": text}

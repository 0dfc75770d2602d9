"""Tables of scores: how well an index finds and answers, with error bars.

Every row has its 95% interval (a bootstrap over the questions), and retrieval rows after the first
the p-value of a paired randomisation test against the first (`stats`). Chapter 32 reads one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from .evaluation import Report, evaluate_answers, evaluate_retrieval
from .evidence import find_evidence
from .generation import AnswerOptions, answer
from .index import Index, Mode
from .llm import LLM
from .questions import read_questions


def evaluate_index(
    index: Index, questions: Path, mode: Mode | None, k: int, answers: bool, llm: LLM | None = None
) -> Iterator[dict[str, Any]]:
    """A row for each mode that the index can do, or for the one given; then the answers' scores.

    returns dicts with "text", a line to print, and the same numbers for programs
    ValueError if a gold quote is not in the index
    """
    asked = read_questions(questions)
    evidence = find_evidence(asked, index.chunks)
    possible = get_args(Mode) if index.embedder else ("bm25",)
    first: Report | None = None
    for name in [mode] if mode else possible:
        report = evaluate_retrieval(index.retriever(name), asked, evidence, k)
        yield _row(name, report, [m for m in report.scores if m.partition("@")[0] in _SHOWN], first)
        first = first or report
    if answers:
        retriever = index.retriever(mode)
        options = AnswerOptions()
        report = evaluate_answers(
            lambda question: answer(question, retriever, llm, options), asked, evidence
        )
        for metric in report.scores:
            yield _row("answers", report, [metric], None)


_SHOWN = ("nDCG", "Recall", "MRR")


def _row(name: str, report: Report, metrics: list[str], first: Report | None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name}
    cells = [f"{name:8}"]
    for metric in metrics:
        low, high = report.interval(metric)
        mean, count = report.mean(metric), len(report.scores[metric])
        row[metric] = {"mean": mean, "low": low, "high": high, "questions": count}
        cells.append(f"{metric} {mean:.3f} [{low:.3f}, {high:.3f}]")
    cells.append(f"{count} questions")
    if first is not None:
        row["p"] = report.compare(first, metrics[0]).p_value
        cells.append(f"p {row['p']:.4f} against the first row")
    return row | {"text": "  ".join(cells)}

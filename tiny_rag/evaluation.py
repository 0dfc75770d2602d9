"""How good retrieval and answers are on questions whose answers and evidence are known.

    questions = read_questions("questions.jsonl")
    evidence = find_evidence(questions, chunks)
    a, b = (evaluate_retrieval(r, questions, evidence) for r in (words, both))
    b.compare(a, "nDCG@10").p_value

Chapters 32 and 33.

Leaves out: judging by a language model, and timing (`tests/benchmarks`).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from .evidence import Evidence, Fact
from .generation import Answer
from .metrics import (
    answer_f1,
    answer_holds,
    average_precision,
    citation_precision_recall,
    ndcg,
    recall,
    reciprocal_rank,
)
from .questions import Question
from .retrieval import Retriever, check_k
from .stats import Comparison, bootstrap_interval, compare

ANSWER_METRICS = (
    "F1",
    "holds",
    "citation precision",
    "citation recall",
    "refusal precision",
    "refusal recall",
)


@dataclass(frozen=True)
class Report:
    """What each question scored."""

    scores: dict[str, dict[str, float]]
    """Metric -> question id -> score in [0, 1]; only the questions that the metric is for."""

    def mean(self, metric: str) -> float:
        """NaN if the metric is for none of the questions."""
        values = self._of(metric).values()
        return math.fsum(values) / len(values) if values else math.nan

    def interval(self, metric: str, confidence: float = 0.95) -> tuple[float, float]:
        """The error bar of the mean, by `stats.bootstrap_interval`; NaNs where the mean is."""
        values = list(self._of(metric).values())
        return bootstrap_interval(values, confidence) if values else (math.nan, math.nan)

    def compare(self, other: Self, metric: str) -> Comparison:
        """Self against other. ValueError if they were not asked the same questions."""
        ours, theirs = self._of(metric), other._of(metric)
        if ours.keys() != theirs.keys():
            odd = sorted(ours.keys() ^ theirs.keys())
            raise ValueError(
                f"{metric}: only one report has question {odd[0]!r} and {len(odd) - 1} others; "
                "compare reports on the same questions"
            )
        return compare(list(ours.values()), [theirs[name] for name in ours])

    def only(self, ids: Iterable[str]) -> Self:
        """The report on some of the questions, such as those of one kind."""
        wanted = set(ids)
        return type(self)(
            {
                metric: {name: score for name, score in of.items() if name in wanted}
                for metric, of in self.scores.items()
            }
        )

    def _of(self, metric: str) -> dict[str, float]:
        if metric not in self.scores:
            raise ValueError(f"metric={metric!r} must be one of {', '.join(self.scores)}")
        return self.scores[metric]


def evaluate_retrieval(
    retriever: Retriever, questions: Iterable[Question], evidence: Evidence, k: int = 10
) -> Report:
    """nDCG, Recall, MRR and MAP at k, and Evidence at k, for every question with gold quotes.

    The first four count chunks: all that hold a gold quote (`Fact.holders`) are relevant, with
    grade 1; where chunks overlap, two may hold the same one. Evidence@k is the share of the quotes'
    characters that stand in the first k chunks. That is what an answer needs, and the only one of
    the five that compares chunks of different sizes.
    ValueError if no question has a gold quote, or one is not in `evidence`
    """
    check_k(k)
    rows: dict[str, dict[str, float]] = {}
    for question in questions:
        if not question.gold:
            continue
        facts = _evidence_of(question, evidence)
        ranking = [hit.chunk.id for hit in retriever.retrieve(question.question, k)]
        relevance = dict.fromkeys((name for fact in facts for name in fact.holders), 1.0)
        found = set(ranking[:k])
        rows[question.id] = {
            f"nDCG@{k}": ndcg(ranking, relevance, k),
            f"Recall@{k}": recall(ranking, relevance, k),
            f"MRR@{k}": reciprocal_rank(ranking, relevance, k),
            f"MAP@{k}": average_precision(ranking, relevance, k),
            f"Evidence@{k}": sum(fact.share_in(found) for fact in facts) / len(facts),
        }
    if not rows:
        raise ValueError(
            "no question has a gold quote to measure retrieval by; measure answers (--answers)"
        )
    return Report(_by_metric(rows, next(iter(rows.values()))))


def evaluate_answers(
    answer: Callable[[str], Answer], questions: Iterable[Question], evidence: Evidence
) -> Report:
    """Ask every question, and judge what comes.

    "F1" and "holds" (a reference stands in the answer) are for answerable questions; one that was
    refused scores 0. "citation precision" is for those that were answered, "citation recall" for
    all that have gold quotes. "refusal recall" is for the unanswerable questions: 1 if refused;
    "refusal precision" for the refused ones: 1 if unanswerable.
    """
    rows: dict[str, dict[str, float]] = {}
    for question in questions:
        reply = answer(question.question)
        row = rows[question.id] = {}
        if reply.refused:
            row["refusal precision"] = float(not question.answerable)
        if not question.answerable:
            row["refusal recall"] = float(reply.refused)
            continue
        if question.answers:
            text = "" if reply.refused else reply.text
            row["F1"] = answer_f1(text, question.answers)
            row["holds"] = float(answer_holds(text, question.answers))
        if question.gold:
            cited = [] if reply.refused else _cited(reply)
            holders = [fact.holders for fact in _evidence_of(question, evidence)]
            precision, row["citation recall"] = citation_precision_recall(cited, holders)
            if not reply.refused:
                row["citation precision"] = precision
    return Report(_by_metric(rows, ANSWER_METRICS))


def _evidence_of(question: Question, evidence: Evidence) -> list[Fact]:
    if question.id not in evidence:
        raise ValueError(f"no evidence for question {question.id!r}; give all to find_evidence")
    return evidence[question.id]


def _cited(reply: Answer) -> list[str]:
    """The ids of the chunks that an answer cites."""
    return [reply.hits[citation.number - 1].chunk.id for citation in reply.citations]


def _by_metric(
    rows: Mapping[str, Mapping[str, float]], metrics: Iterable[str]
) -> dict[str, dict[str, float]]:
    """{question: {metric: score}} the other way round."""
    scores: dict[str, dict[str, float]] = {metric: {} for metric in metrics}
    for name, row in rows.items():
        for metric, score in row.items():
            scores[metric][name] = score
    return scores

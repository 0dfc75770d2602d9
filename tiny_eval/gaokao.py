"""The gaokao maths paper, marked as it is marked in the exam: out of 150.

The rules, as the papers print them:
- single choice: all or nothing, 5 points;
- multiple choice: a wrong option costs everything. 2020: 5 points, 3 for a part of the right ones;
  2021 to 2023: 5 and 2; from 2024: 6 points, shared out evenly among the right options (with three
  of them 2, 4, 6; with two 3, 6). There was none before 2020;
- blanks: 5 points; two blanks in one question are worth 2 and 3;
- open questions: by the steps of a rubric. A judge has to read them; without one they are not
  graded, which is not the same as 0.

A question is a mapping: id, type (single, multiple, fill, open), points, year, answer (a list: the
letters, or a text for each blank) and, for the open ones, a rubric. Chapter 53 marks two papers.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .equivalence import equivalent
from .filters import apply_filters
from .final_answers import answers_found, final_answers

Question = Mapping[str, Any]
TYPES = ("single", "multiple", "fill", "open")
FIRST_YEAR_OF_MULTIPLE, FIRST_YEAR_OF_SHARES = 2020, 2024


class Grade(NamedTuple):
    """One question's points; None if nobody has graded it."""

    points: float | None
    possible: float
    extracted: str | None
    reason: str


class Total(NamedTuple):
    """The points of several questions. possible counts those that are graded only."""

    points: float
    possible: float
    ungraded: float
    """The points of the questions that are not graded."""


class PaperGrade(NamedTuple):
    """A whole paper: every question's grade, and their sums by type."""

    grades: dict[str, Grade]
    by_type: dict[str, Total]

    @property
    def total(self) -> Total:
        return Total(*(sum(column) for column in zip(*self.by_type.values(), strict=True)))


def grade_paper(
    questions: Iterable[Question],
    replies: Mapping[str, str],
    awarded: Mapping[str, float | None] | None = None,
) -> PaperGrade:
    """Every question's grade. One without a reply gets 0 points, as a blank page does.

    replies: question id -> what the model wrote · awarded: open question's id -> a judge's points
    (`judge.judge_rubric`); None, or missing, if it has none
    """
    grades: dict[str, Grade] = {}
    by_type: dict[str, list[Grade]] = {}
    for question in questions:
        reply = replies.get(question["id"], "")
        grades[question["id"]] = grade(question, reply, (awarded or {}).get(question["id"]))
        by_type.setdefault(question["type"], []).append(grades[question["id"]])
    return PaperGrade(grades, {kind: _total(by_type[kind]) for kind in TYPES if kind in by_type})


def _total(grades: list[Grade]) -> Total:
    graded = [grade for grade in grades if grade.points is not None]
    return Total(
        sum(grade.points or 0 for grade in graded),
        sum(grade.possible for grade in graded),
        sum(grade.possible for grade in grades if grade.points is None),
    )


def grade(question: Question, reply: str, awarded: float | None = None) -> Grade:
    """The points of one reply.

    awarded: what a judge gave for an open question, in [0, points]
    ValueError names a type, an answer, a year or points that cannot be
    """
    _check(question)
    kind, points = question["type"], question["points"]
    if not reply.strip():
        return Grade(0, points, None, "no reply")
    if kind == "open":
        return _grade_open(question, reply, awarded)
    given = read_reply(question, reply)
    if given is None:
        return Grade(0, points, None, f"no {'answer' if kind == 'fill' else 'choice'} found")
    return _grade_fill(question, given) if kind == "fill" else _grade_choice(question, given[0])


def _check(question: Question) -> None:
    kind, points, correct = question["type"], question["points"], question["answer"]
    if kind not in TYPES:
        raise ValueError(f"type={kind!r} must be one of {', '.join(TYPES)}")
    if not isinstance(points, int | float):
        raise ValueError(f"points={points!r} must be a number")
    if not isinstance(correct, list) or (kind == "single" and len(correct) != 1):
        wanted = "the letter" if kind == "single" else "the letters, or a text for each blank"
        raise ValueError(f"answer={correct!r} must be a list of {wanted}, as type is {kind!r}")


def read_reply(question: Question, reply: str) -> list[str] | None:
    """The answer that a reply gives: the letters, as "AC", or a text for each blank; None if none.

    To an open question all of a reply is the answer.
    """
    if question["type"] == "open":
        return [reply] if reply.strip() else None
    if question["type"] == "fill":
        return final_answers(reply, len(question["answer"]))
    letters = "choice_letters" if question["type"] == "multiple" else "choice_letter"
    chosen = apply_filters(reply, ["strip_think", letters])
    return [chosen] if chosen else None


def _grade_choice(question: Question, chosen: str) -> Grade:
    points, right = question["points"], "".join(question["answer"])
    earned = points * (chosen == right)
    if question["type"] == "multiple":
        earned = multiple_choice_points(chosen, right, points, question.get("year"))
    return Grade(earned, points, chosen, _choice_reason(chosen, right))


def _choice_reason(chosen: str, correct: str) -> str:
    if wrong := set(chosen) - set(correct):
        return f"{''.join(sorted(wrong))} is wrong"
    missing = set(correct) - set(chosen)
    return f"{''.join(sorted(missing))} is missing" if missing else "right"


def multiple_choice_points(chosen: str, correct: str, points: float, year: int | None) -> float:
    """The points for the options chosen, by the rule of the year's paper.

    chosen, correct: letters, in any order · points: of the whole question
    One wrong letter, or none at all: 0. All right ones: points. Some of them: 3 in 2020, 2 from
    2021 to 2023, and from 2024 their share of points.
    ValueError for a year before 2020, or None: there was no multiple choice
    """
    if not isinstance(year, int) or year < FIRST_YEAR_OF_MULTIPLE:
        raise ValueError(f"year={year!r}: maths papers have multiple choice from 2020 on")
    if not chosen or not set(chosen) <= set(correct):
        return 0
    if set(chosen) == set(correct):
        return points
    if year >= FIRST_YEAR_OF_SHARES:
        return points * len(set(chosen)) / len(set(correct))
    return 3 if year == FIRST_YEAR_OF_MULTIPLE else 2


def blank_points(points: int, blanks: int) -> list[int]:
    """What each blank is worth, the later ones more: 5 points are 2 and 3."""
    small, rest = divmod(points, blanks)
    return [small] * (blanks - rest) + [small + 1] * rest


def _grade_fill(question: Question, given: list[str]) -> Grade:
    points, wanted = question["points"], question["answer"]
    verdicts = [equivalent(*pair) for pair in zip(given, wanted, strict=True)]
    worth = blank_points(points, len(wanted))
    earned = sum(p for p, verdict in zip(worth, verdicts, strict=True) if verdict.same)
    return Grade(earned, points, "; ".join(given), "; ".join(v.reason for v in verdicts))


def _grade_open(question: Question, reply: str, awarded: float | None) -> Grade:
    points = question["points"]
    if awarded is None:
        found = answers_found(reply, question["answer"])
        reason = f"not graded: no judge; {sum(found)} of {len(found)} final answers stand in it"
        return Grade(None, points, None, reason)
    if not 0 <= awarded <= points:
        raise ValueError(f"awarded={awarded} must be in [0, {points}], the question's points")
    return Grade(awarded, points, None, "judged")

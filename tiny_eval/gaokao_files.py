"""GAOKAO-Bench's records as questions that `gaokao` can grade.

Source: the data of OpenLMLab/GAOKAO-Bench on GitHub (Zhang et al. 2023, arXiv:2305.12474). There a
record has year, category, question, analysis, index, score and `answer` (a list of letters; "AC"
where several options are right) or `standard_answer` (a text: a formula, or a whole solution). What
kind of question it is stands only in the file's name, so it is told from the answer here.
"""

import re
from typing import Any

_SOLUTION = re.compile(r"\s*(?:【(?:详解|小问|解析|解答|证明)|解\s*[:：(（]|证明)")
_TWO_BLANKS = re.compile(r"\s*[(（]1[)）][.．]?\s+(.+?)\s*[(（]2[)）][.．]?\s+(.+)", re.DOTALL)
_OTHERWISE = re.compile(r"\s*\\#\s*\\#")  # \frac{3}{10} \# \# 0.3: the same in other words
_LONG = 150  # characters: no blank is that long
_POINTS = {"single": 5, "multiple": 5, "fill": 5, "open": 12}  # where a record has no score


def from_gaokao_bench(record: dict[str, Any]) -> dict[str, Any]:
    """The record as a question: id, type, points, year, question (its options in it), answer.

    ValueError names what is missing, or a record of several single choices: no maths paper has them
    """
    answers = record.get("answer", record.get("standard_answer"))
    if not answers or "question" not in record:
        names = ", ".join(record)
        raise ValueError(
            f"a question and an answer or standard_answer are needed; there are {names}"
        )
    answers = [
        _OTHERWISE.split(text)[0].strip()
        for text in ([answers] if isinstance(answers, str) else answers)
    ]
    kind = _kind(answers)
    if kind == "fill" and (blanks := _TWO_BLANKS.fullmatch(answers[0])):
        answers = list(blanks.groups())
    year = str(record.get("year", ""))
    return {
        "id": f"{year}{record.get('category', '')}-{record.get('index', 0)}",
        "type": kind,
        "points": record.get("score", _POINTS[kind]),
        "year": int(year) if year.isdecimal() else None,
        "question": record["question"].strip(),
        "answer": list(answers[0]) if kind == "multiple" else answers,
        "analysis": record.get("analysis", ""),
    }


def _kind(answers: list[str]) -> str:
    if all(re.fullmatch("[A-G]", text) for text in answers):
        if len(answers) > 1:
            raise ValueError(f"answer={answers} is of several questions; only maths is read here")
        return "single"
    if re.fullmatch("[A-G]{2,}", answers[0]):
        return "multiple"
    whole = " ".join(answers)
    return "open" if _SOLUTION.match(whole) or len(whole) > _LONG else "fill"

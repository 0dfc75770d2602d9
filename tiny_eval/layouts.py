"""How well-known files lay out a record, brought to the field names that tasks use.

    plain         as it is
    sft           instruction, input, output             -> question, answer
    longbench     context, input, answers, all_classes   -> question, id too
    ceval         id, question, A, B, C, D, answer       -> choices too
    cmmlu         "", Question, A, B, C, D, Answer       -> the same as ceval
    gsm8k         question, answer "... #### 72"         -> rationale, answer "72"
    gaokao-bench  see gaokao_files.py

Other fields stay as they are. Chapter 52 uses them. Sources: the files of THUDM/LongBench,
hkust-nlp/ceval, haonan-li/CMMLU, openai/grade-school-math and OpenLMLab/GAOKAO-Bench on GitHub.
"""

from collections.abc import Callable
from typing import Any

from .gaokao_files import from_gaokao_bench
from .records import Record

LETTERS = ("A", "B", "C", "D")

# Lambdas, so that each function is looked up when it is called.
LAYOUTS: dict[str, Callable[[Record], Record]] = {
    "plain": lambda record: record,
    "sft": lambda record: from_sft(record),
    "longbench": lambda record: from_longbench(record),
    "ceval": lambda record: from_ceval(record),
    "cmmlu": lambda record: from_cmmlu(record),
    "gsm8k": lambda record: from_gsm8k(record),
    "gaokao-bench": lambda record: from_gaokao_bench(record),
}


def to_documents(records: list[Record], layout: str) -> list[Record]:
    """Each record with its layout's fields. ValueError names the record, from 1, and the field."""
    documents = []
    for number, record in enumerate(records, 1):
        try:
            documents.append(LAYOUTS[layout](record))
        except ValueError as error:
            raise ValueError(f"record {number}: {error} (layout {layout!r})") from error
    return documents


def from_sft(record: Record) -> Record:
    """Instruction tuning data; input may be missing or empty. ValueError"""
    instruction, output = _needed(record, "instruction", "output")
    if not str(output).strip():
        raise ValueError("output is empty, so no answer could be right; leave the record out")
    parts = [str(part) for part in (instruction, record.get("input")) if part not in (None, "")]
    return {**record, "question": "\n".join(parts), "answer": output}


def from_longbench(record: Record) -> Record:
    """Any task of LongBench: answers is a list, all_classes None unless it is classification."""
    _, question, answers = _needed(record, "context", "input", "answers")
    if not isinstance(answers, list) or not answers:
        raise ValueError(f"answers={answers!r} must be a list of at least one")
    own = {"id": record["_id"]} if "_id" in record else {}
    return {**record, **own, "question": question}


def from_ceval(record: Record) -> Record:
    """A row of C-Eval's dev or val files; those of test have no answer."""
    question, *choices, answer = _needed(record, "question", *LETTERS, "answer")
    return {**record, **_exam(question, choices, answer)}


def from_cmmlu(record: Record) -> Record:
    """A row of CMMLU; its first column has no name."""
    question, *choices, answer = _needed(record, "Question", *LETTERS, "Answer")
    rest = {name: value for name, value in record.items() if name not in ("", "Question", "Answer")}
    own = {"id": record[""]} if "" in record else {}
    return {**own, **rest, **_exam(question, choices, answer)}


def from_gsm8k(record: Record) -> Record:
    """A grade school problem: how to solve it, and the number after ####, as it is written."""
    _, solution = _needed(record, "question", "answer")
    rationale, marked, answer = str(solution).rpartition("####")
    if not marked or not answer.strip():
        raise ValueError(f"answer={solution!r} must end in #### and the number")
    return {**record, "rationale": rationale.strip(), "answer": answer.strip()}


def _exam(question: Any, choices: list[Any], answer: Any) -> Record:
    letter = str(answer).strip().upper()
    if letter not in LETTERS:
        remedy = "a file without answers (C-Eval's test) cannot be scored; take val or dev"
        raise ValueError(f"answer={answer!r} must be one of {', '.join(LETTERS)}; {remedy}")
    return {"question": str(question).strip(), "choices": choices, "answer": letter}


def _needed(record: Record, *names: str) -> list[Any]:
    """The values of these fields. ValueError names those that are missing, and those there are."""
    if missing := [name for name in names if record.get(name) is None]:
        problem = f"{', '.join(missing)} missing; needed are {', '.join(names)}"
        raise ValueError(f"{problem}, there are {', '.join(map(repr, record))}")
    return [record[name] for name in names]

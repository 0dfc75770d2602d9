"""What the commands print: results on stdout, notes on stderr."""

import json
import sys
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from .bm25 import BM25Index
from .citations import Citation
from .documents import Hit, Problem, page_at
from .generation import Answer, AnswerStream
from .index import IndexReport
from .snippets import snippet

SHOWN = 160  # characters of a passage


def print_answer(stream: AnswerStream, as_json: bool) -> Answer:
    """Print the answer as it comes, then what it cites."""
    for piece in stream:
        if not as_json:
            print(piece, end="", flush=True)
    answered = stream.answer
    if as_json:
        print_json(asdict(answered))
        return answered
    print()
    for citation in answered.citations:
        print(f"  [{citation.number}] {_cited(citation)}")
    sys.stdout.flush()
    return answered


def print_hit(number: int, hit: Hit, query: str, words: BM25Index) -> None:
    """Print what fits the query best of a passage, and where that stands."""
    shown = snippet(hit.chunk.text, query, SHOWN, partial(_weight, words))
    place = _place(str(hit.chunk.metadata["source"]), page_at(hit.chunk, shown.start))
    print(f"[{number}] {place}  (score {hit.score:.3f})\n    {shown.text}")


def summary(folder: Path, report: IndexReport) -> str:
    """What an update did, in one line."""
    changes = [f"{report.added} new or changed", f"{report.removed} gone"]
    changes += [f"{report.moved} moved"] if report.moved else []
    changes += [f"{report.embedded} embedded"] if report.embedded else []
    warnings = f"; {len(report.problems)} warnings" if report.problems else ""
    text = f"{folder}: {report.documents} documents, {report.chunks} chunks"
    return f"{text} ({', '.join(changes)}{warnings})"


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def left_out(problem: Problem) -> None:
    """Say what could not be read."""
    note(f"left out: {problem}")


def note(text: str) -> None:
    """Say something beside the results."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def _cited(citation: Citation) -> str:
    return f"{_place(citation.source, citation.page)}: {_in_one_line(citation.quote)}"


def _place(source: str, page: int | None) -> str:
    """A path as short as it can be said, and the page."""
    path = Path(source)
    for base in (Path.cwd(), Path(str(files("tiny_rag") / "data" / "universe"))):
        if path.is_absolute() and path.is_relative_to(base):
            source = path.relative_to(base).as_posix()
    return source if page is None else f"{source}, page {page}"


def _weight(words: BM25Index, term: str) -> float:
    """How rare a term is."""
    try:
        return words.idf(term)
    except KeyError:
        return 0.0


def _in_one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"

"""What the commands print: results on stdout, notes on stderr."""

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from .bm25 import BM25Index
from .citations import Citation
from .documents import UNKNOWN_FORMAT, Hit, Problem, page_at
from .generation import NO_USAGE, Answer, AnswerStream
from .index import IndexReport
from .snippets import snippet

SHOWN = 160  # characters of a passage
_DIGITS = re.compile(r"\d+")
_CONTROL = dict.fromkeys(
    [n for n in (*range(0x20), *range(0x7F, 0xA0)) if chr(n) not in "\t\n"], "\ufffd"
) | {ord("\r"): ""}


def print_answer(stream: AnswerStream, min_relevance: float, as_json: bool) -> Answer:
    """Print the answer as it comes, then what it cites; what is wrong with it as notes.

    min_relevance: below which it was refused
    """
    for piece in stream:
        if not as_json:
            print(visible(piece), end="", flush=True)
    answered = stream.answer
    if as_json:
        print_json(asdict(answered))
    else:
        print()
        for line in _cited(answered.citations):
            print(f"  {line}")
    sys.stdout.flush()
    if answered.uncited:
        which = _in_one_line("; ".join(answered.uncited))
        note(f"{count(len(answered.uncited), 'sentence')} without a citation: {which}")
    if answered.refused and answered.hits and answered.usage == NO_USAGE:
        note(_why_refused(answered, min_relevance))
    return answered


def _why_refused(answered: Answer, min_relevance: float) -> str:
    """Why no model was asked, and where to look."""
    why = "no sentence has enough of the question"
    if answered.relevance is not None and answered.relevance < min_relevance:
        why = f"relevance {answered.relevance:.2f} is below {min_relevance:g}"
    places = [_short(_source(hit)) + _pages(page_at(hit.chunk)) for hit in answered.hits]
    closest = "; ".join(list(dict.fromkeys(places))[:3])
    remedy = "; --min-relevance 0 answers from them" if min_relevance else ""
    return f"refused without asking a model: {why}; closest passages: {closest}{remedy}"


def print_hits(hits: Sequence[Hit], query: str, words: BM25Index, as_json: bool) -> None:
    """Print what fits the query best of each passage, and where that stands."""
    shown = [snippet(hit.chunk.text, query, SHOWN, partial(_weight, words)) for hit in hits]
    pages = [page_at(hit.chunk, part.start) for hit, part in zip(hits, shown, strict=True)]
    rows = list(zip(hits, shown, pages, strict=True))
    if as_json:
        found = [
            {"score": h.score, "page": n, "snippet": s.text} | asdict(h.chunk) for h, s, n in rows
        ]
        print_json(found)
        return
    for number, (hit, part, page) in enumerate(rows, start=1):
        place = _short(_source(hit)) + _pages(page)
        print(f"[{number}] {place}  (score {hit.score:.3f})\n    {visible(part.text)}")


def summary(folder: Path, report: IndexReport) -> str:
    """What an update did, in one line."""
    changes = [f"{report.added} new or changed", f"{report.removed} gone"]
    changes += [f"{report.moved} moved"] if report.moved else []
    changes += [f"{report.embedded} embedded"] if report.embedded else []
    warnings = f"; {count(len(report.problems), 'warning')}" if report.problems else ""
    text = f"{folder}: {count(report.documents, 'document')}, {count(report.chunks, 'chunk')}"
    return f"{text} ({', '.join(changes)}{warnings})"


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def left_out(problems: Sequence[Problem]) -> None:
    """Say what could not be read, what is alike in one line."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        unknown = problem.reason.startswith(UNKNOWN_FORMAT)
        alike = _DIGITS.sub("", problem.reason)  # but for the places
        key = ("", UNKNOWN_FORMAT) if unknown else (problem.source, alike)
        groups.setdefault(key, []).append(problem)
    for (source, reason), group in groups.items():
        note(f"left out: {_alike(group, source, reason)}")


def _alike(group: Sequence[Problem], source: str, reason: str) -> str:
    first = group[0]
    if len(group) == 1:
        return str(first)
    if not source:
        endings = Counter(Path(problem.source).suffix or "none" for problem in group)
        known = first.reason.removeprefix(f"{reason}; ")
        kinds = ", ".join(f"{number} {ending}" for ending, number in endings.most_common())
        return f"{len(group)} files of no known format ({kinds}); {known}"
    places = {"page": first.page, "line": first.line, "item": first.item}
    name, number = next(((k, v) for k, v in places.items() if v is not None), ("place", None))
    where = "" if number is None else f" (the first: {name} {number})"
    return f"{len(group)} {name}s of {source}: {first.reason}{where}"


def visible(text: str) -> str:
    """The text without control characters, by which a file could give a terminal orders."""
    return text.translate(_CONTROL)


def count(number: int, name: str) -> str:
    """ "1 file", "2 files"."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def note(text: str) -> None:
    """Say something beside the results."""
    print(f"note: {visible(text)}", file=sys.stderr, flush=True)


def _cited(citations: Sequence[Citation]) -> list[str]:
    """A line for each passage: where it is, and the quotes by their pages."""
    passages: dict[int, dict[str, list[str]]] = {}
    sources = {citation.number: _short(citation.source) for citation in citations}
    for citation in citations:
        pages = passages.setdefault(citation.number, {})
        quotes = pages.setdefault(_pages(citation.page, citation.last_page), [])
        quotes.append(_in_one_line(citation.quote))
    lines = []
    for number, by_page in passages.items():
        first, *others = (f"{pages}: {' … '.join(quotes)}" for pages, quotes in by_page.items())
        later = [f";{place.removeprefix(',')}" for place in others]
        lines.append(f"[{number}] {sources[number]}{first}{''.join(later)}")
    return lines


def _source(hit: Hit) -> str:
    return str(hit.chunk.metadata["source"])


def _short(source: str) -> str:
    """A path as short as it can be said."""
    for base in (Path.cwd(), Path(str(files("tiny_rag") / "data" / "universe"))):
        if Path(source).is_absolute() and Path(source).is_relative_to(base):
            source = Path(source).relative_to(base).as_posix()
    return visible(source)


def _pages(first: int | None, last: int | None = None) -> str:
    if first is None:
        return ""
    return f", page {first}" if last in (None, first) else f", pages {first}-{last}"


def _weight(words: BM25Index, term: str) -> float:
    """How rare a term is."""
    try:
        return words.idf(term)
    except KeyError:
        return 0.0


def _in_one_line(text: str) -> str:
    line = visible(" ".join(text.split()))
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"

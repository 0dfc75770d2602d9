"""Which part of a passage to show for a query: the window that holds most of what was asked.

Each term of the query counts once, by its weight: one rare word outweighs two common ones. Among
windows that hold as much, the start of the passage is shown; else one from the start of a sentence,
of a clause, of a word.

Leaves out: several windows of one passage, and marking the terms in them.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .boundaries import Strength, boundary_strengths
from .terms import tokenize, without_question_words

# What stands between spaces; of scripts without spaces, a character and its neighbour.
_UNIT = re.compile(r"(?=([\u2e80-\uffff]{1,2}))[\u2e80-\uffff]|([^\s\u2e80-\uffff]+)")


class Snippet(NamedTuple):
    """A part of a text, in one line."""

    text: str
    """With "…" on the side where something is left out."""
    start: int
    """Where it starts in the whole text."""


class _Place(NamedTuple):
    """Where a term of the query stands."""

    start: int
    end: int
    term: str


def snippet(text: str, query: str, width: int, weight: Callable[[str], float]) -> Snippet:
    """At most `width` characters of the text (3 or more), with most of the query's terms.

    weight: of a term, >= 0: its idf, say
    """
    line = " ".join(text.split())
    if len(line) <= width:
        return Snippet(line, 0)
    room = width - 2  # for "…" on both sides
    strengths = boundary_strengths(text)
    places = _places(text, query)
    weights = {place.term: weight(place.term) for place in places}
    starts = [0] + [
        match.start()
        for match in re.finditer(r"\S", text)
        if match.start() and strengths[match.start()] >= Strength.CHARACTER
    ]
    gains = [sum(weights[term] for term in _held(places, start, room)) for start in starts]
    most = max(gains)
    best = [start for start, gain in zip(starts, gains, strict=True) if gain == most]
    start = _nicest(best, strengths, len(text) - room)
    line = " ".join(text[start:].split())
    end = line if len(line) <= room else line[:room] + "…"
    return Snippet("…" + end if start else end, start)


def _places(text: str, query: str) -> list[_Place]:
    """Every place of the query's terms, by their start."""
    asked = set(tokenize(without_question_words(query)))
    places = []
    for match in _UNIT.finditer(text):
        unit = match[1] or match[2]
        found = asked.intersection(tokenize(unit))
        places += [_Place(match.start(), match.start() + len(unit), term) for term in found]
    return places


def _held(places: Sequence[_Place], start: int, room: int) -> list[str]:
    """The different terms in a window, sorted, so that their weights always add up to the same."""
    first = bisect_left(places, start, key=lambda place: place.start)
    behind = bisect_left(places, start + room, key=lambda place: place.start)
    return sorted({place.term for place in places[first:behind] if place.end <= start + room})


def _nicest(starts: Sequence[int], strengths: bytearray, last: int) -> int:
    """Of equally good starts, the one to show; a window from `last` on would not be full."""
    if starts[0] == 0:
        return 0
    sentences = [start for start in starts if strengths[start] >= Strength.SENTENCE]
    clauses = [start for start in starts if strengths[start] == Strength.CLAUSE]
    words = [start for start in starts if strengths[start] >= Strength.SPACE]
    nice = sentences or clauses or words or starts
    full = [start for start in nice if start <= last] or nice[:1]
    # What was asked near the start of its sentence; or in the middle, where there is no start.
    return full[-1] if sentences or clauses else full[len(full) // 2]

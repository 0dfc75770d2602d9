"""Documents of a world, and a search over them that answers as the agent's search tool does.

The ranking is BM25 as there, but words are not stemmed. A stem lies between the whole word and its
first letters: where both give the same passages (`is_clear`), so does a stem, nearly always. A
document is one passage, for it is no longer than `MAX_CHARS`. Chapter 24.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

MAX_CHARS = 600
"""Of a passage; the search tool cuts longer ones."""
FIRST_LETTERS = 4
WHOLE_WORD = 99
_TERM = re.compile(r"([\u3400-\u9fff]+)|(\d+(?:,\d{3}(?!\d))*(?:\.\d+)*)|([^\W\d_\u3400-\u9fff]+)")


class BM25:
    """Texts by their terms, of which words count with so many letters."""

    def __init__(self, texts: Sequence[str], letters: int) -> None:
        self.letters = letters
        self.counts = [Counter(_terms(text, letters)) for text in texts]
        self.average = sum(count.total() for count in self.counts) / len(texts)

    def best(self, query: str, k: int) -> list[int]:
        """The k best rows, best first; k1 = 1.5, b = 0.75."""
        scores: dict[int, float] = {}
        for term in _terms(query, self.letters):
            rows = [row for row, count in enumerate(self.counts) if term in count]
            idf = math.log(1 + (len(self.counts) - len(rows) + 0.5) / (len(rows) + 0.5))
            for row in rows:
                tf = self.counts[row][term]
                norm = 1.5 * (0.25 + 0.75 * self.counts[row].total() / self.average)
                scores[row] = scores.get(row, 0.0) + idf * tf / (tf + norm)
        return sorted(scores, key=lambda row: (-scores[row], row))[:k]


class Shelf:
    """Documents by path, each with a text of at most `MAX_CHARS` characters and maybe a title."""

    def __init__(self, documents: dict[str, str]) -> None:
        self.documents = dict(sorted(documents.items()))
        self._shown = [_shown(path, text) for path, text in self.documents.items()]
        texts = [f"{heading}\n{body}" for _, heading, body in self._shown]
        self._words, self._beginnings = BM25(texts, WHOLE_WORD), BM25(texts, FIRST_LETTERS)

    def search(self, query: str, k: int) -> str:
        """The k best passages, best first, numbered from 1."""
        best = self._words.best(query, k)
        if not best:
            count = len(self.documents)
            return f"Nothing found for {query!r} in {count} passages. Try other words."
        hits = []
        for path, heading, body in (self._shown[row] for row in best):
            hits.append(f"{path}{f' ({heading})' if heading else ''}\n{body}")
        return "\n\n".join(f"[{number}] {hit}" for number, hit in enumerate(hits, start=1))

    def place(self, path: str, query: str, k: int) -> int:
        """The number of a document among the k best; 0 if it is not there."""
        paths = [self._shown[row][0] for row in self._words.best(query, k)]
        return paths.index(path) + 1 if path in paths else 0

    def is_clear(self, query: str, k: int) -> bool:
        """Whether it does not depend on the words' endings what is found."""
        return self._words.best(query, k) == self._beginnings.best(query, k)


def _shown(path: str, text: str) -> tuple[str, str, str]:
    """Path, heading and body of a passage."""
    if text.startswith("# "):
        heading, _, body = text[2:].partition("\n")
        return path, heading, body.strip()
    return path, "", text


def _terms(text: str, letters: int) -> list[str]:
    """Words and numbers; of Chinese each character and each pair of neighbours."""
    terms: list[str] = []
    for run, number, word in _TERM.findall(text.casefold()):
        if run:
            terms += [*run, *(a + b for a, b in pairwise(run))]
        else:
            terms.append(number.replace(",", "") or word[:letters])
    return terms

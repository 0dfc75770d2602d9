"""Full-text search over a folder of Markdown and text files: BM25, in a hundred lines.

    score(q, d) = sum over the terms t of q of  idf(t) * tf / (tf + k1 * (1 - b + b * |d| / avg))
    idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5))

tf: how often t stands in the passage d · |d|: the terms of d, avg: their mean · df: in how many of
the N passages t stands. A rare term tells more, its tenth occurrence less than its first, and one
in a short passage more. Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance
Framework: BM25 and Beyond", section 3, with the idf of Lucene. Chapter 42 uses it.

Leaves out: word meaning, an index on disk, folders of more than some ten thousand passages.
"""

import math
import os
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from .tools import Tool, ToolError, tool

if TYPE_CHECKING:
    from snowballstemmer.english_stemmer import EnglishStemmer

SAMPLE = Path(__file__).parent / "data" / "universe"
"""Sixteen articles on a star system that does not exist, in Chinese and in English."""

MAX_CHARS = 600
"""Of a passage."""

_UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_TERM = re.compile(rf"([{_UNSPACED}]+)|(\d+(?:,\d{{3}}(?!\d))*(?:\.\d+)*)|([^\W\d_{_UNSPACED}]+)")
_SENTENCE_END = re.compile(r"[。！？]+[”』」]?|[.!?]+[\"”']?\s")


@dataclass(frozen=True)
class Passage:
    """A piece of a file."""

    source: str
    """The path of the file below the folder: "en/lumo.md"."""
    heading: str
    """The headings that it stands under, the outermost first: "Lumo > Climate"."""
    text: str

    def __str__(self) -> str:
        return f"{self.source}{f' ({self.heading})' if self.heading else ''}\n{self.text}"


def tokenize(text: str) -> list[str]:
    """The terms of a text: "Moons 38,200km 月亮" -> moon 38200 km 月 亮 月亮.

    Words are stemmed; of Chinese, which has no spaces, each character and each pair of neighbours
    """
    terms: list[str] = []
    for run, number, word in _TERM.findall(unicodedata.normalize("NFKC", text).casefold()):
        if run:
            terms += [*run, *(a + b for a, b in pairwise(run))]
        else:
            terms.append(number.replace(",", "") or _stemmer().stemWord(word))
    return terms


_OF_THREAD = threading.local()


def _stemmer() -> "EnglishStemmer":
    """One for each thread: a stemmer holds the word that it is at work on."""
    if not hasattr(_OF_THREAD, "stemmer"):
        # Never PyStemmer: another version
        from snowballstemmer.english_stemmer import EnglishStemmer

        _OF_THREAD.stemmer = EnglishStemmer()
    return _OF_THREAD.stemmer


class BM25:
    """Texts by their terms. k1 >= 0: how slowly repetition stops to count · b in [0, 1]: how much
    a long text is held back."""

    def __init__(self, texts: Sequence[str], k1: float = 1.5, b: float = 0.75) -> None:
        counts = [Counter(tokenize(text)) for text in texts]
        lengths = [count.total() for count in counts]
        average = sum(lengths) / max(1, len(lengths)) or 1.0
        self.size = len(texts)
        self._weights: dict[str, dict[int, float]] = {}  # term -> row -> its share of the score
        for row, count in enumerate(counts):
            norm = k1 * (1 - b + b * lengths[row] / average)
            for term, tf in count.items():
                self._weights.setdefault(term, {})[row] = tf / (tf + norm)

    def scores(self, query: str) -> dict[int, float]:
        """The score of each text that has a term of the query. A term asked twice counts twice."""
        total: dict[int, float] = {}
        for term in tokenize(query):
            rows = self._weights.get(term, {})
            idf = math.log(1 + (self.size - len(rows) + 0.5) / (len(rows) + 0.5))
            for row, weight in rows.items():
                total[row] = total.get(row, 0.0) + idf * weight
        return total

    def best(self, query: str, k: int) -> list[int]:
        """The k best rows, best first; among equals the lower one first."""
        scores = self.scores(query)
        return sorted(scores, key=lambda row: (-scores[row], row))[:k]


def read_folder(folder: str | Path) -> list[Passage]:
    """The passages of all .md and .txt files in a folder and its folders, by name; hidden are not.

    FileNotFoundError, NotADirectoryError: there is no such folder · ValueError: it holds no text,
    or a file is not UTF-8
    """
    root = Path(folder)
    if not root.exists():
        raise FileNotFoundError(f"there is no folder {str(root)!r} to search in")
    if not root.is_dir():
        raise NotADirectoryError(f"{str(root)!r} is no folder; name the one it is in")
    passages = [passage for path in _files(root) for passage in _read(path, root)]
    if not passages:
        raise ValueError(f"there is no text in {str(root)!r}; put .md or .txt files there")
    return passages


def split_text(text: str, max_chars: int = MAX_CHARS) -> Iterator[tuple[str, str]]:
    """(headings, passage) in order. A passage is as many paragraphs of a section as fit.

    A longer paragraph is cut after a sentence; a longer sentence anywhere.
    """
    headings: list[str] = []
    for section in re.split(r"(?m)^(?=#{1,6} )", text):
        found = re.match(r"(#{1,6}) +(.*)", section)
        if found:
            headings[len(found[1]) - 1 :] = [found[2].strip(" #")]
        held = ""
        for paragraph in re.split(r"\n\s*\n", section[found.end() :] if found else section):
            for piece in _cut(paragraph.strip(), max_chars):
                if held and len(held) + 2 + len(piece) > max_chars:
                    yield " > ".join(headings), held
                    held = ""
                held = f"{held}\n\n{piece}" if held else piece
        if held:
            yield " > ".join(headings), held


def search_tool(folder: str | Path = SAMPLE) -> Tool:
    """The tool `search`, over a folder that is read now. Errors as of `read_folder`."""
    passages = read_folder(folder)
    index = BM25([f"{passage.heading}\n{passage.text}" for passage in passages])

    @tool
    def search(query: str, k: int = 3) -> str:
        """Search the documents. Returns the passages that share most telling words with a query.

        Ask for one thing at a time, in the words that a document would use. If the passages do not
        say it, search again in other words.

        Args:
            query: The words to look for, for example: length of the Skyhook
            k: How many passages, from 1 to 10.
        """
        if not 1 <= k <= 10:
            raise ToolError(f"k={k} must be from 1 to 10")
        found = [passages[row] for row in index.best(query, k)]
        if not found:
            return f"Nothing found for {query!r} in {len(passages)} passages. Try other words."
        return "\n\n".join(f"[{number}] {hit}" for number, hit in enumerate(found, start=1))

    return search


def _cut(paragraph: str, max_chars: int) -> Iterator[str]:
    while len(paragraph) > max_chars:
        ends = [found.end() for found in _SENTENCE_END.finditer(paragraph, 0, max_chars)]
        end = ends[-1] if ends else max_chars
        yield paragraph[:end].strip()
        paragraph = paragraph[end:].strip()
    if paragraph:
        yield paragraph


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):  # which follows no links to folders
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            wanted = path.suffix.lower() in (".md", ".txt") and not name.startswith(".")
            if wanted and path.is_file():  # a pipe would never end
                yield path


def _read(path: Path, root: Path) -> Iterator[Passage]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = "convert it, as by: iconv -f GB18030 -t UTF-8"
        raise ValueError(f"{str(path)!r} is not UTF-8 at byte {error.start}; {remedy}") from error
    for heading, passage in split_text(text):
        yield Passage(path.relative_to(root).as_posix(), heading, passage)

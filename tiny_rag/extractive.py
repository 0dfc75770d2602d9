"""An answer without a model: the sentences of the hits that say most about the question, quoted.

It invents nothing and cites exactly, so it is the default until a model is given, and what a model
is measured against. It does not reason: who asks for a sum, or for what two sentences say together,
gets the sentences. Chapter 33 compares the two.

A sentence scores as in BM25 with tf 0 or 1, over the sentences of the hits:

    score(s) = sum over the terms t of the question in s of  idf(t) / (1 - b + b * |s| / avg)

and half of that for terms which stand only around it: in the headings of its chunk, in the sentence
before. "It was founded in 2140" is found that way. Leaves out: summaries, short answers ("2140").
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from .boundaries import Strength, boundary_strengths
from .citations import Citation
from .documents import Hit
from .prompts import disarm
from .terms import tokenize as default_tokenize
from .terms import without_question_words

# A heading, or the start of a list item: a line of its own even without a full stop.
_BLOCK_LINE = re.compile(
    r"^[^\S\n]*(?:#{1,6}[^\S\n].*\n?|(?:[-*+]|\d{1,3}[.)])[^\S\n])", re.MULTILINE
)
_BULLET = re.compile(r"\A[-*+][^\S\n]+(?=\S)")
_BOLD = re.compile(r"(?<![A-Za-z0-9*])\*\*(?=\S)([^*]+)(?<=\S)\*\*(?![A-Za-z0-9*])")
_CJK = "[\u2e80-\u9fff\uff00-\uffef]"
_CJK_LINE_END = re.compile(rf"(?<={_CJK})\s*\n\s*(?={_CJK})")
_ENDED = re.compile(r"[。！？…!?.;；:：|]\W*$")
_QUANTITY = re.compile(
    r"[几幾](?!乎)|多[少大高长長远遠久深重快]|何时|何時|[时時]候|哪(?:一)?[年月天日]|年代|日期"
    r"|\bhow\s+(?:many|much|long|far|old|big|large|tall|high|deep|heavy|fast|hot|cold|often|wide)\b"
    r"|\bwhen\b|\b(?:what|which)\s+(?:year|date|day|month|number|percentage|temperature)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|[零〇一二三四五六七八九十百千万两]{2,}|[一二三四五六七八九十两][个年月日天次人座艘颗层种米度]"
    r"|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty"
    r"|hundred|thousand|million|once|twice)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Extract:
    """Quoted sentences: text is "A sentence. [1] Another one. [3]"."""

    text: str
    """"" if no sentence has anything to do with the question."""
    citations: list[Citation]
    """One a sentence, in the order of the text; each is exactly that sentence."""


@dataclass(frozen=True)
class _Sentence:
    number: int
    start: int
    end: int
    text: str
    terms: frozenset[str]
    headings: frozenset[str]
    """Terms of the headings above it."""
    before: frozenset[str]
    """Terms of the sentence before it."""
    length: int


@dataclass(frozen=True)
class ExtractiveAnswerer:
    """Quotes the sentences that share the rarest terms with the question."""

    max_sentences: int = 3
    """At least 1."""
    min_share: float = 0.15
    """The first sentence must have this share of what is asked (of the sum of all idf)."""
    min_gain: float = 0.4
    """A further sentence must add this share of what the first one scored, by terms new to it."""
    b: float = 0.25
    """0: length counts nothing; 1: a sentence twice as long scores half. Below the
    usual 0.75, for the shortest sentences rarely tell much."""
    tokenize: Callable[[str], list[str]] = default_tokenize

    def __post_init__(self) -> None:
        if self.max_sentences < 1:
            raise ValueError(f"max_sentences={self.max_sentences} must be at least 1")

    def answer(self, question: str, hits: Sequence[Hit]) -> Extract:
        """The best sentences for the question. hits: best first; hits[i - 1] is cited as [i]."""
        chosen = self._choose(question, self._sentences(hits))
        quotes = [f"{_plain(disarm(sentence.text))} [{sentence.number}]" for sentence in chosen]
        places = [Citation.of(s.number, hits[s.number - 1], s.start, s.end) for s in chosen]
        return Extract(" ".join(quotes), places)

    def _choose(self, question: str, sentences: list[_Sentence]) -> list[_Sentence]:
        """The best sentence, then the one that adds most to it, and so on."""
        missing = set(self.tokenize(without_question_words(question)))
        if not sentences:
            return []
        scorer = _Scorer(sentences, bool(_QUANTITY.search(question)), self.b)
        asked = scorer.mass(missing)
        chosen: list[_Sentence] = []
        least = 0.0
        while sentences and len(chosen) < self.max_sentences:
            scores = [scorer.score(sentence, missing) for sentence in sentences]
            gain = max(scores)
            best = sentences.pop(scores.index(gain))
            if not chosen and scorer.found(best, missing) < self.min_share * asked:
                break
            if gain <= least:
                break
            least = least or self.min_gain * gain
            chosen.append(best)
            missing -= best.terms | best.headings
        return chosen

    def _sentences(self, hits: Sequence[Hit]) -> list[_Sentence]:
        """All sentences of the hits, those that stand in two of them (chunks overlap) once."""
        sentences: dict[str, _Sentence] = {}
        for number, hit in enumerate(hits, 1):
            titles = [str(title) for title in hit.chunk.metadata.get("headings") or ()]
            headings = frozenset(self.tokenize("\n".join(titles)))
            before: frozenset[str] = frozenset()
            for start, end in sentence_spans(hit.chunk.text):
                text = hit.chunk.text[start:end]
                terms = self.tokenize(text)
                here = frozenset(terms)
                if text.startswith("#") or text in titles:
                    headings |= here
                elif terms and text not in sentences:
                    sentence = _Sentence(
                        number, start, end, text, here, headings, before, len(terms)
                    )
                    sentences[text] = sentence
                before = here
        return list(sentences.values())


class _Scorer:
    """Scores sentences by the idf that the terms have among them."""

    def __init__(self, sentences: Sequence[_Sentence], wants_number: bool, b: float) -> None:
        self.df = Counter(term for sentence in sentences for term in sentence.terms)
        self.n, self.b, self.wants_number = len(sentences), b, wants_number
        self.average = sum(sentence.length for sentence in sentences) / len(sentences)

    def mass(self, terms: Set[str]) -> float:
        """The sum of the terms' idf; sorted, so that rounding is the same in every run."""
        n, df = self.n, self.df
        return sum(math.log1p((n - df[t] + 0.5) / (df[t] + 0.5)) for t in sorted(terms))

    def found(self, sentence: _Sentence, asked: Set[str]) -> float:
        """What the sentence has of what is asked; half of what stands only around it."""
        around = (sentence.headings | sentence.before) - sentence.terms
        return self.mass(asked & sentence.terms) + self.mass(asked & around) / 2

    def score(self, sentence: _Sentence, asked: Set[str]) -> float:
        """0 for a sentence that has none of the terms itself."""
        if not asked & sentence.terms:
            return 0.0
        length = 1 - self.b + self.b * sentence.length / self.average
        score = self.found(sentence, asked) / length
        if self.wants_number and _NUMBER.search(sentence.text):
            score *= 2
        if not _ENDED.search(sentence.text):
            score /= 2  # most likely a title
        return score / (1 + 0.1 * (sentence.number - 1))  # the retriever's order has a say


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of the sentences of a text, in order; the white space around them is in none.

    A Markdown heading and a list item are sentences too.
    """
    strengths = boundary_strengths(text)
    cuts = {i for i, strength in enumerate(strengths) if strength >= Strength.SENTENCE}
    for match in _BLOCK_LINE.finditer(text):
        cuts.add(match.start())
        if match[0].lstrip().startswith("#"):
            cuts.add(match.end())
    spans = []
    start = 0
    for end in sorted({*cuts, len(text)} - {0}):
        piece = text[start:end]
        first = start + len(piece) - len(piece.lstrip())
        if first < end:
            spans.append((first, start + len(piece.rstrip())))
        start = end
    return spans


def _plain(text: str) -> str:
    """A sentence on one line, without Markdown's marks of a list item and of bold.

    Between Chinese characters nothing takes the place of a line break.
    """
    text = _BOLD.sub(r"\1", _BULLET.sub("", text))
    return " ".join(_CJK_LINE_END.sub("", text).split())

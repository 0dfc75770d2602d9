"""An answer without a model: the sentences of the hits that say most about the question, quoted.

It invents nothing and cites exactly, so it answers where no model is given, and is what a model is
measured against; the command line calls it `--model extractive`. It does not reason: who asks for a
sum, or for what two sentences say together, gets the sentences. Chapter 33 compares the two.

A sentence scores as in BM25 with tf 0 or 1, over the sentences of the hits:

    score(s) = sum over the terms t of the question in s of
                   idf(t) * (1 - place(t) / 2) / (1 - b + b * |s| / avg)

place(t) is 0 at the start of the sentence and 1 at its end: what a sentence is about comes first.
"The monthly rent is 2,340" is about the rent, "The deposit is three months' rent" is not. Terms
which stand only around it, in the headings of its chunk or in the sentence before, count half.
"It was founded in 2140" is found that way. Leaves out: summaries, short answers ("2140").
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass

from .citations import Citation
from .documents import Hit
from .prompts import disarm
from .sentences import Sentence, plain, sentences_of
from .sentences import sentence_spans as sentence_spans  # chapter 33 takes it from here
from .terms import term_weight, without_question_words
from .terms import tokenize as default_tokenize

_GRAMMAR_WORDS = (
    "the a an of is are was were be been to in on at for and or by with from it as that this has "
    "have had must can may will would should i you we not there 的 了 是 在 有 和 与 也"
)
_GRAMMAR = frozenset(_GRAMMAR_WORDS.split())
"""What a question is not about; few sentences are too few for the idf to tell."""
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
B = 0.25


@dataclass(frozen=True)
class Extract:
    """Quoted sentences: text is "A sentence. [1] Another one. [3]"."""

    text: str
    """"" if no sentence has anything to do with the question."""
    citations: list[Citation]
    """One a sentence, in the order of the text; each is exactly that sentence."""


@dataclass(frozen=True)
class ExtractiveAnswerer:
    """Quotes the sentences that share the rarest terms with the question."""

    max_sentences: int = 3
    """At least 1."""
    min_share: float = 0.15
    """One sentence must have this share of what is asked (of the sum of all idf)."""
    min_gain: float = 0.3
    """A further sentence must add this share of what the first one scored, by terms new to it."""
    min_passage: float = 0.8
    """And its passage must have this share of what the first one's has of the question: a ship that
    is "deep-going" adds nothing to the depth of a trench."""
    b: float = B
    """0: length counts nothing; 1: a sentence twice as long scores half. Below the
    usual 0.75, for the shortest sentences rarely tell much."""
    tokenize: Callable[[str], list[str]] = default_tokenize

    def __post_init__(self) -> None:
        if self.max_sentences < 1:
            raise ValueError(f"max_sentences={self.max_sentences} must be at least 1")

    def answer(self, question: str, hits: Sequence[Hit]) -> Extract:
        """The best sentences for the question. hits: best first; hits[i - 1] is cited as [i]."""
        chosen = self._choose(question, sentences_of(hits, self.tokenize))
        quotes = [f"{plain(disarm(sentence.text))} [{sentence.number}]" for sentence in chosen]
        places = [Citation.of(s.number, hits[s.number - 1], s.start, s.end) for s in chosen]
        return Extract(" ".join(quotes), places)

    def _choose(self, question: str, sentences: list[Sentence]) -> list[Sentence]:
        """The best sentence, then the one that adds most to it, and so on."""
        asked = about(question, self.tokenize)
        scorer = Scorer(sentences, bool(_QUANTITY.search(question)), self.b)
        if scorer.most(sentences, asked) < self.min_share * scorer.mass(asked):
            return []
        chosen: list[Sentence] = []
        missing, least = asked, 0.0
        while sentences and len(chosen) < self.max_sentences:
            gain, best = scorer.best(sentences, missing)
            if gain <= least:
                break
            if not chosen:
                least = self.min_gain * gain
                enough = self.min_passage * scorer.held(best, asked)
                sentences = [s for s in sentences if scorer.held(s, asked) >= enough]
            chosen.append(best)
            sentences.remove(best)
            said = best.terms.keys() | best.headings
            missing = {term for term in missing - said if not _has_form_of(term, said)}
        return chosen


def about(text: str, tokenize: Callable[[str], list[str]]) -> set[str]:
    """The terms that say what a text is about; all of them where it has no such."""
    terms = set(tokenize(without_question_words(text)))
    return terms - _GRAMMAR or terms


def _has_form_of(term: str, said: Iterable[str]) -> bool:
    """Whether a longer form of the term is among them: "deepest" says "deep"."""
    return len(term) >= 4 and any(other.startswith(term) for other in said)


class Scorer:
    """Scores sentences by the idf that the terms have among them."""

    def __init__(
        self, sentences: Sequence[Sentence], wants_number: bool = False, b: float = B
    ) -> None:
        self.df = Counter(term for sentence in sentences for term in sentence.terms)
        self.n, self.b, self.wants_number = len(sentences), b, wants_number
        self.average = sum(sentence.length for sentence in sentences) / max(self.n, 1)
        self.passages: dict[int, set[str]] = {}
        for sentence in sentences:
            passage = self.passages.setdefault(sentence.number, set())
            passage.update(sentence.terms, sentence.headings)

    def idf(self, term: str) -> float:
        """What a term tells that stands in so many of the sentences; an identifier tells most."""
        df = self.df[term]
        return math.log1p((self.n - df + 0.5) / (df + 0.5)) * term_weight(term)

    def mass(self, terms: Set[str]) -> float:
        """The sum of the terms' idf; sorted, so that rounding is the same in every run."""
        return sum(map(self.idf, sorted(terms)))

    def held(self, sentence: Sentence, asked: Set[str]) -> float:
        """What the passage of the sentence has of what is asked."""
        return self.mass(asked & self.passages[sentence.number])

    def found(self, sentence: Sentence, asked: Set[str]) -> float:
        """What the sentence has of what is asked; half of what stands only around it."""
        around = (sentence.headings | sentence.before) - sentence.terms.keys()
        return self.mass(asked & sentence.terms.keys()) + self.mass(asked & around) / 2

    def most(self, sentences: Iterable[Sentence], asked: Set[str]) -> float:
        """The most that any of them has."""
        return max((self.found(sentence, asked) for sentence in sentences), default=0.0)

    def score(self, sentence: Sentence, asked: Set[str]) -> float:
        """0 for a sentence that has none of the terms itself."""
        own = sorted(asked & sentence.terms.keys())
        if not own:
            return 0.0
        late = sum(self.idf(term) * sentence.terms[term] for term in own)
        length = 1 - self.b + self.b * sentence.length / self.average
        score = (self.found(sentence, asked) - late / 2) / length
        if self.wants_number and _NUMBER.search(sentence.text):
            score *= 2
        if not _ENDED.search(sentence.text):
            score /= 2  # most likely a title
        return score / (1 + 0.1 * (sentence.number - 1))  # the retriever's order has a say

    def best(self, sentences: Sequence[Sentence], asked: Set[str]) -> tuple[float, Sentence]:
        """The highest score, and the first sentence that has it. ValueError without sentences."""
        scores = [self.score(sentence, asked) for sentence in sentences]
        best = max(scores)
        return best, sentences[scores.index(best)]

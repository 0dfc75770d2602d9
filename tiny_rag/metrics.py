"""One question's score: how good a ranking, an answer or its citations are, in [0, 1].

Sources: Jarvelin and Kekalainen 2002, "Cumulated gain-based evaluation of IR techniques", for nDCG;
Buckley and Voorhees 2005 (TREC, chapter 3) for the others; the numbers are those of trec_eval's
ndcg_cut, recall, recip_rank and map_cut. Rajpurkar et al. 2016 (arXiv:1606.05250), section 6.1, for
the answer's F1. Chapters 32 and 33.

Leaves out: answers right in other words ("twelve" for 12, 十二 for 12): that takes a judge.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

import regex

from .citations import CITATION

Key = TypeVar("Key", bound=Hashable)

_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}"
_TOKEN = regex.compile(
    rf"(?:(?<![0-9a-z])[-−])?\d+(?:\.\d+)?|[{_CJK}]|[[\p{{L}}\p{{M}}]--[{_CJK}]]+", regex.V1
)
_THOUSANDS = regex.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ARTICLES = {"a", "an", "the"}


def ndcg(ranking: Sequence[Key], relevance: Mapping[Key, float], k: int) -> float:
    """Discounted gain of the first k items, as a share of the best possible.

    ranking: items, best first, none twice · relevance: item -> grade; 0 for all others, and for
    grades below 0 · an item of grade g at rank r (from 1) gains g / log2(r + 1); the best possible
    has all of them, found or not, in order of their grades, and is cut at k too · 0 if nothing is
    relevant. Jarvelin and Kekalainen 2002, with log2(r + 1) as trec_eval has it
    ValueError if k < 1 or an item stands twice among the first k
    """
    gains = _grades(ranking, relevance, k)
    ideal = sorted((grade for grade in relevance.values() if grade > 0), reverse=True)[:k]
    return _discounted(gains) / _discounted(ideal) if ideal else 0.0


def recall(ranking: Sequence[Key], relevance: Mapping[Key, float], k: int) -> float:
    """The share of all relevant items (grade > 0) among the first k; 0 if nothing is relevant."""
    found = sum(grade > 0 for grade in _grades(ranking, relevance, k))
    return found / max(1, _count(relevance))


def reciprocal_rank(ranking: Sequence[Key], relevance: Mapping[Key, float], k: int) -> float:
    """1 / rank of the first relevant item, 0 if the first k hold none. Its mean is MRR."""
    grades = _grades(ranking, relevance, k)
    return next((1 / rank for rank, grade in enumerate(grades, start=1) if grade > 0), 0.0)


def average_precision(ranking: Sequence[Key], relevance: Mapping[Key, float], k: int) -> float:
    """Precision at the rank of each relevant item of the first k, summed, over all relevant items.

    An item that is not found adds 0 and counts. Its mean over questions is MAP.
    """
    total, found = 0.0, 0
    for rank, grade in enumerate(_grades(ranking, relevance, k), start=1):
        if grade > 0:
            found += 1
            total += found / rank
    return total / max(1, _count(relevance))


def answer_f1(answer: str, references: Sequence[str]) -> float:
    """How far the answer's words are those of a reference: the best F1 among the references.

    Words are `answer_tokens`. A right answer in a long sentence scores low: see `answer_holds`.
    ValueError if there is no reference
    """
    _check_references(references)
    given = Counter(answer_tokens(answer))
    return max(_f1(given, Counter(answer_tokens(reference))) for reference in references)


def answer_holds(answer: str, references: Sequence[str]) -> bool:
    """Whether some reference stands in the answer, word for word and in one piece.

    Words, not characters: "12" does not stand in "in 2012". It cannot tell "it is not Mira" from
    "it is Mira", and a reference as short as 是 stands nearly everywhere.
    ValueError if there is no reference
    """
    _check_references(references)
    given = _joined(answer)
    return any(_joined(reference) in given for reference in references if answer_tokens(reference))


def answer_tokens(text: str) -> list[str]:
    """Words, numbers and single CJK characters, folded (case, width); no signs, no citation marks.

    "The 1,200 shIPs [1]" -> 1200 ships: thousands lose their commas, and English its articles
    unless nothing else is left. "-40" keeps its sign.
    """
    folded = unicodedata.normalize("NFKC", CITATION.sub(" ", text)).casefold()
    tokens = [token.replace("−", "-") for token in _TOKEN.findall(_THOUSANDS.sub("", folded))]
    return [token for token in tokens if token not in _ARTICLES] or tokens


def citation_precision_recall(
    cited: Sequence[Key], evidence: Sequence[Collection[Key]]
) -> tuple[float, float]:
    """Of what is cited, how much is evidence; and how much of the evidence is cited.

    cited: passages, each counts once · evidence: for every fact that the answer rests on, the
    passages that hold it, any of which will do
    returns (share of cited passages that hold some fact, share of facts of which a passage is
    cited); an answer that cites nothing has (0, 0)
    ValueError if there is no evidence
    """
    if not evidence:
        raise ValueError("evidence is empty; leave out questions that nothing answers")
    passages = set(cited)
    if not passages:
        return 0.0, 0.0
    holding = sum(any(passage in fact for fact in evidence) for passage in passages)
    covered = sum(any(passage in fact for passage in passages) for fact in evidence)
    return holding / len(passages), covered / len(evidence)


def _grades(ranking: Sequence[Key], relevance: Mapping[Key, float], k: int) -> list[float]:
    """The grades of the first k items; 0 for what is not relevant."""
    if k < 1:
        raise ValueError(f"k={k} must be at least 1")
    top = ranking[:k]
    if len(set(top)) < len(top):
        twice = next(item for item, count in Counter(top).items() if count > 1)
        raise ValueError(f"{twice!r} stands twice in the ranking; it would count twice")
    return [max(0.0, relevance.get(item, 0.0)) for item in top]


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _count(relevance: Mapping[Key, float]) -> int:
    return sum(grade > 0 for grade in relevance.values())


def _f1(given: Counter[str], wanted: Counter[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    shared = (given & wanted).total()
    return 2 * shared / (given.total() + wanted.total())


def _joined(text: str) -> str:
    return "\n" + "\n".join(answer_tokens(text)) + "\n"


def _check_references(references: Sequence[str]) -> None:
    if isinstance(references, str):
        raise TypeError("references is one str; give a list of texts: [text]")
    if not references:
        raise ValueError("references is empty; leave out questions without an answer")

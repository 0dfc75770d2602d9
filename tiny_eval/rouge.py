"""ROUGE: how much of a reference's words, pairs of words or order a text has.

    overlap / words of the prediction = precision,  overlap / words of the reference = recall,
    f = 2 p r / (p + r)

Three definitions are about, and their numbers differ by points: the paper's as Google's rouge-score
computes it (the default here), and those of the packages `rouge` (which LongBench uses) and
`rouge_chinese`, which count sets, or cut sentences otherwise. Say which one a number is. Chapter 51
fools all three. Source: Lin 2004, https://aclanthology.org/W04-1013, sections 2 and 3.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .lcs import lcs_indices, lcs_length
from .text import words_of_jieba, words_of_rouge

Tokenizer = Callable[[str], list[str]]


class Rouge(NamedTuple):
    """Each in [0, 1]."""

    precision: float
    recall: float
    fmeasure: float


def rouge_n(
    prediction: str, reference: str, n: int = 1, tokenize: Tokenizer = words_of_rouge
) -> Rouge:
    """Common runs of n tokens, each counted as often as both have it. Lin 2004, section 2.

    ValueError if n < 1
    """
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    ours, theirs = _ngrams(tokenize(prediction), n), _ngrams(tokenize(reference), n)
    # rouge-score divides by 1 where there is nothing to divide by, which comes to 0 as well.
    return _score((ours & theirs).total(), ours.total(), theirs.total())


def rouge_l(prediction: str, reference: str, tokenize: Tokenizer = words_of_rouge) -> Rouge:
    """Tokens in the same order, gaps allowed, over the whole text. Lin 2004, section 3.1."""
    ours, theirs = tokenize(prediction), tokenize(reference)
    return _score(lcs_length(theirs, ours), len(ours), len(theirs))


def rouge_lsum(prediction: str, reference: str, tokenize: Tokenizer = words_of_rouge) -> Rouge:
    """The same, sentence by sentence: a line is a sentence. Lin 2004, section 3.2.

    For each sentence of the reference, what any sentence of the prediction has of it in order. A
    token is not counted oftener than either text has it, which the paper leaves open.
    """
    ours = [tokenize(line) for line in prediction.split("\n") if line]
    theirs = [tokenize(line) for line in reference.split("\n") if line]
    left_ours = Counter(token for sentence in ours for token in sentence)
    left_theirs = Counter(token for sentence in theirs for token in sentence)
    sizes = left_ours.total(), left_theirs.total()
    hits = 0
    for sentence in theirs:
        places = {place for other in ours for place in lcs_indices(sentence, other)}
        for place in sorted(places):
            token = sentence[place]
            if left_ours[token] > 0 and left_theirs[token] > 0:
                left_ours[token] -= 1
                left_theirs[token] -= 1
                hits += 1
    return _score(hits, *sizes)


def rouge_l_longbench(prediction: str, reference: str, chinese: bool = False) -> float:
    """The F of LongBench, by the package `rouge` 1.0.1: words as sets, sentences cut at each ".".

    chinese: cut into words by jieba first. An empty text scores 0, where the package raises.
    """
    cut = _jieba_spaced if chinese else str
    ours, theirs = _sentences(cut(prediction)), _sentences(cut(reference))
    if not ours or not theirs:
        return 0.0
    union: set[str] = set()
    for sentence in theirs:
        for other in ours:
            union |= {sentence[place] for place in lcs_indices(sentence, other, leave="b")}
    ours_set = {token for sentence in ours for token in sentence}
    theirs_set = {token for sentence in theirs for token in sentence}
    precision, recall = len(union) / len(ours_set), len(union) / len(theirs_set)
    return 2 * precision * recall / (precision + recall + 1e-8)


def _score(overlap: int, ours: int, theirs: int) -> Rouge:
    precision = overlap / ours if ours else 0.0
    recall = overlap / theirs if theirs else 0.0
    both = precision + recall
    return Rouge(precision, recall, 2 * precision * recall / both if both else 0.0)


def _ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))


def _jieba_spaced(text: str) -> str:
    return " ".join(words_of_jieba(text, keep_spaces=True))


def _sentences(text: str) -> list[list[str]]:
    """What stands between full stops; the words of one without any are one empty word."""
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


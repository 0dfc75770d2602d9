"""ROUGE: how much of a reference's words, pairs of words or order a text has.

    overlap / words of the prediction = precision,  overlap / words of the reference = recall,
    f = 2 p r / (p + r)

Three definitions are about, and their numbers differ by points. This is the paper's, as Google's
rouge-score computes it. LongBench's is `rouge_l_longbench`: the package `rouge` counts each word
once, however often it stands there. `rouge_chinese` does so for words and pairs (told
`exclusive=False` it counts as we do) and not for the order; its words are what its user cuts:
`words_of_jieba` or `characters`. Say which one a number is. Chapter 51 fools them all. Source:
Lin 2004, https://aclanthology.org/W04-1013, sections 2 and 3.

A `tokenize` turns a text into its tokens; None is `words_of_rouge`, which sees English only.
"""

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import NamedTuple

from .lcs import lcs_indices, lcs_length
from .ngrams import ngrams, overlap
from .text import cut_by_jieba, words_of_rouge

Tokenizer = Callable[[str], list[str]]


class Rouge(NamedTuple):
    """Each in [0, 1]; all 0 if either text has no tokens."""

    precision: float
    recall: float
    fmeasure: float


def rouge_n(
    prediction: str, reference: str, n: int = 1, tokenize: Tokenizer | None = None
) -> Rouge:
    """Common runs of n tokens, each counted as often as both have it. Lin 2004, section 2.

    ValueError if n < 1
    """
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    ours, theirs = (ngrams(tokens, n) for tokens in _tokens(tokenize, prediction, reference))
    return _score(overlap(ours, theirs), ours.total(), theirs.total())


def rouge_l(prediction: str, reference: str, tokenize: Tokenizer | None = None) -> Rouge:
    """Tokens in the same order, gaps allowed, over the whole text. Lin 2004, section 3.1.

    precision: the length of the longest common subsequence / tokens of the prediction · recall: the
    same / tokens of the reference · fmeasure: 2 p r / (p + r), where the paper's beta is 1 · all 0
    if they have nothing in common
    tokenize: `text.words_of_rouge` by default, which sees no Chinese: `text.characters` or
    `text.words_of_jieba` do
    """
    ours, theirs = _tokens(tokenize, prediction, reference)
    return _score(lcs_length(theirs, ours), len(ours), len(theirs))


def rouge_lsum(prediction: str, reference: str, tokenize: Tokenizer | None = None) -> Rouge:
    r"""The same, sentence by sentence: "\n" ends a sentence. Lin 2004, section 3.2.

    For each sentence of the reference, what any sentence of the prediction has of it in order. A
    token is not counted oftener than the prediction has it, which the paper leaves open.
    """
    ours = _tokens(tokenize, *prediction.split("\n"))
    theirs = _tokens(tokenize, *reference.split("\n"))
    found = Counter(token for sentence in theirs for token in _union(sentence, ours))
    words = Counter(chain(*ours))
    return _score(overlap(found, words), words.total(), sum(map(len, theirs)))


def rouge_l_longbench(prediction: str, reference: str, chinese: bool = False) -> float:
    """LongBench's F, by the package `rouge` 1.0.1: words as sets, sentences cut at each ".".

    chinese: cut into words by jieba first · in [0, 1]; 0 if a text is empty or dots alone. In the
    package, a pair of sentences of about a thousand words ends in a RecursionError, which LongBench
    takes for a score of 0; here it gets its score.
    """
    ours, theirs = (_sentences(text, chinese) for text in (prediction, reference))
    if not ours or not theirs:
        return 0.0
    common = {
        sentence[place]
        for sentence in theirs
        for other in ours
        for place in lcs_indices(sentence, other, leave="b")
    }
    precision, recall = (len(common) / len(set(chain(*text))) for text in (ours, theirs))
    return 2 * precision * recall / (precision + recall + 1e-8)


def _tokens(tokenize: Tokenizer | None, *texts: str) -> list[list[str]]:
    return [(tokenize or words_of_rouge)(text) for text in texts]


def _union(sentence: list[str], others: list[list[str]]) -> list[str]:
    """The tokens of a sentence that stand in its common subsequence with any of the others."""
    places = {place for other in others for place in lcs_indices(sentence, other)}
    return [sentence[place] for place in places]


def _score(common: int, ours: int, theirs: int) -> Rouge:
    if not common:
        return Rouge(0.0, 0.0, 0.0)
    precision, recall = common / ours, common / theirs
    return Rouge(precision, recall, 2 * precision * recall / (precision + recall))


def _sentences(text: str, chinese: bool) -> list[list[str]]:
    """What stands between full stops; one of white space alone has one word, which is empty."""
    if chinese:
        text = " ".join(cut_by_jieba(text))
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]

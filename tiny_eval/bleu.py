"""BLEU: how much of a translation's words, in runs of one to four, stand in a reference.

    BLEU = BP * exp(mean of log p_1 .. p_4)        p_n: matched n-grams / n-grams
    BP   = 1 if the text is as long as the reference, else exp(1 - reference / text)

BLEU is a number of a corpus: the counts of all texts are added up before anything is divided. In a
single sentence some p_n is mostly 0, so it is smoothed. The tokenizer changes the number by points,
so it is part of it, and of the signature: "13a" for most languages, "zh" or "char" for Chinese.
Chapter 51 fools it. Sources: Papineni et al. 2002, https://aclanthology.org/P02-1040; Post 2018,
https://aclanthology.org/W18-6319: the numbers are those of sacrebleu 2 with its defaults.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal

from .bleu_tokens import tokens_13a, tokens_char, tokens_zh
from .ngrams import ngrams, overlap

Tokenize = Literal["13a", "zh", "char", "none"]
ORDER = 4


@dataclass(frozen=True)
class BLEU:
    """A score, and all that it came of."""

    score: float
    """In [0, 100]."""
    precisions: tuple[float, ...]
    """For n = 1 .. 4, in [0, 100], smoothed."""
    brevity_penalty: float
    matched: tuple[int, ...]
    """n-grams that stand in a reference, each counted no oftener than it stands there."""
    total: tuple[int, ...]
    length: int
    """Tokens of the predictions."""
    reference_length: int
    """Tokens of the references: of each prediction's, the one nearest to it in length."""
    signature: str
    """How it was computed, in sacrebleu's words; the version says that it was us."""


def corpus_bleu(
    predictions: Sequence[str], references: Sequence[Sequence[str]], tokenize: Tokenize = "13a"
) -> BLEU:
    """BLEU of all texts together. references: for each prediction its own, one or more.

    tokenize: by `bleu_tokens.tokens_13a`, `tokens_zh` or `tokens_char`; "none" cuts at white space
    Matches, n-grams and both lengths are added up over the texts before anything is divided. Of
    several references each n-gram counts as in the one that has it most often, and the one nearest
    in length gives the length, the shorter of two equally near. Where some n has n-grams and no
    match, its matches are taken for 1/2, for the next such n 1/4 ... (sacrebleu's "exp"); p_n is 0
    where no text is as long as n, and all are 0 where nothing matches; then so is the score.
    signature: "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:tiny_eval", where nrefs is the
    number of references, or var if it differs
    ValueError, TypeError as `check_corpus`
    """
    check_corpus(predictions, references)
    pairs = zip(predictions, references, strict=True)
    counts = [bleu_counts(prediction, own, tokenize) for prediction, own in pairs]
    return bleu_of_counts(counts, _signature(references, tokenize, "no"), effective_order=False)


def sentence_bleu(prediction: str, references: Sequence[str], tokenize: Tokenize = "13a") -> BLEU:
    """BLEU of one sentence: lengths of runs that it is too short for are left out of the mean.

    ValueError, TypeError as `check_corpus`
    """
    check_corpus([prediction], [references])
    counts = [bleu_counts(prediction, references, tokenize)]
    return bleu_of_counts(counts, _signature([references], tokenize, "yes"), effective_order=True)


def check_corpus(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Whether each prediction has its list of references.

    ValueError if the numbers differ, there is no prediction, or one has no reference ·
    TypeError if a text stands for a list, whose letters would be taken for references
    """
    if not predictions or len(predictions) != len(references):
        counts = f"{len(predictions)} predictions and {len(references)} lists of references"
        raise ValueError(f"{counts}; there must be one list for each, and at least one")
    for place, own in enumerate(references):
        if isinstance(own, str):
            raise TypeError(f"the references of prediction {place} are one str; give a list")
        if not own:
            raise ValueError(f"prediction {place} has no reference; leave it out of the corpus")


def bleu_counts(prediction: str, references: Sequence[str], tokenize: Tokenize) -> list[int]:
    """What is added up over a corpus: both lengths, 4 numbers of matches, 4 of n-grams."""
    ours = _tokens(prediction, tokenize)
    theirs = [_tokens(reference, tokenize) for reference in references]
    nearest = min(map(len, theirs), key=lambda length: (abs(length - len(ours)), length))
    matched = []
    for n in range(1, ORDER + 1):
        allowed = reduce(or_, (ngrams(tokens, n) for tokens in theirs))
        matched.append(overlap(ngrams(ours, n), allowed))
    total = [max(0, len(ours) - n) for n in range(ORDER)]
    return [len(ours), nearest, *matched, *total]


def bleu_of_counts(counts: Sequence[Sequence[int]], signature: str, effective_order: bool) -> BLEU:
    """The score of texts whose n-grams have been counted; effective_order as in sentence_bleu."""
    length, nearest, *counted = (sum(column) for column in zip(*counts, strict=True))
    matched, total = tuple(counted[:ORDER]), tuple(counted[ORDER:])
    precisions = _precisions(matched, total)
    penalty = _brevity_penalty(length, nearest)
    meant = [p for p, runs in zip(precisions, total, strict=True) if runs or not effective_order]
    score = penalty * _geometric_mean(meant)
    return BLEU(score, precisions, penalty, matched, total, length, nearest, signature)


def _precisions(matched: Sequence[int], total: Sequence[int]) -> tuple[float, ...]:
    """In percent. The first n without a match counts as half a match, the next as a quarter.

    That is method 3 of Chen and Cherry 2014, https://aclanthology.org/W14-3346, "exp" in sacrebleu.
    """
    if not any(matched):
        return (0.0,) * ORDER
    precisions, share = [], 1.0
    for hits, runs in zip(matched, total, strict=True):
        if runs and not hits:
            share /= 2
        precisions.append(100 * (hits or share) / runs if runs else 0.0)
    return tuple(precisions)


def _brevity_penalty(length: int, reference_length: int) -> float:
    if length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / length) if length else 0.0


def _geometric_mean(numbers: Sequence[float]) -> float:
    """0 if one of them is 0, or there are none."""
    if not numbers or not all(numbers):
        return 0.0
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def _tokens(text: str, tokenize: Tokenize) -> list[str]:
    match tokenize:
        case "13a":
            return tokens_13a(text)
        case "zh":
            return tokens_zh(text)
        case "char":
            return tokens_char(text)
        case "none":
            return text.split()
    raise ValueError(f"tokenize={tokenize!r} is unknown; use 13a, zh, char or none")


def _signature(references: Sequence[Sequence[str]], tokenize: Tokenize, effective: str) -> str:
    numbers = {len(own) for own in references}
    nrefs = numbers.pop() if len(numbers) == 1 else "var"
    options = f"nrefs:{nrefs}|case:mixed|eff:{effective}|tok:{tokenize}|smooth:exp"
    return f"{options}|version:tiny_eval"

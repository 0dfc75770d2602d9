"""All metrics by name, as tasks and the command line know them.

A metric of an item gives each document a number, and a score is their mean: exact match, F1, ROUGE.
A metric of the corpus needs all documents at once: BLEU adds up counts before it divides. Where there
are several right answers, the best counts. An answer that could not be extracted scores 0, and
the report says how many there were. What each metric misses is chapter 51.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import likelihood
from .answers import classification_score, count_score, edit_similarity, exact_match, retrieval_score, token_f1
from .bleu import corpus_bleu
from .chrf import corpus_chrf
from .rouge import rouge_l, rouge_l_longbench, rouge_lsum, rouge_n
from .text import (
    normalize_chinese,
    normalize_english,
    words_of_chinese_qa,
    words_of_jieba,
    words_of_qa,
    words_of_rouge,
)


class Item(NamedTuple):
    """A document as a metric sees it."""

    answer: str | None
    """What the filters took out of the reply; None if they found nothing."""
    targets: list[str]
    row: dict[str, Any]
    """The whole line of predictions.jsonl."""
    judgement: dict[str, Any] | None = None
    """What a judge said, if one was asked."""


@dataclass(frozen=True)
class Metric:
    """How answers become a number: per document, or of all at once."""

    about: str
    kind: str = "generate"
    of_item: Callable[[Item], float | None] | None = None
    """None for a document that this metric cannot judge; it is left out, and counted."""
    of_corpus: Callable[[Sequence[Item]], float] | None = None
    largest: float = 1.0
    """The best value there is; for a perplexity, the worst is infinite and the best 1."""
    higher_is_better: bool = True

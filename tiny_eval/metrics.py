"""All metrics by name, as tasks and the command line know them.

A metric of an item gives each document a number, and the score is their mean: exact match, F1,
ROUGE. A metric of the corpus needs all documents at once: BLEU adds up counts before it divides.
Where there are several right answers the best counts. An answer that could not be extracted scores
0, and the report says beside the score how many there were. What each metric misses is chapter 51.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from .answers import (
    classification_score,
    count_score,
    edit_similarity,
    exact_match,
    number_match,
    retrieval_score,
    token_f1,
)
from .bleu import Tokenize, bleu_counts, bleu_of_counts
from .chrf import Counts, chrf_counts, chrf_of_counts
from .equivalence import equivalent
from .gaokao import grade, read_reply
from .likelihood import (
    Normalise,
    choice_probabilities,
    choose,
    corpus_perplexity,
    count_bytes,
    count_words,
    expected_calibration_error,
)
from .rouge import rouge_l, rouge_l_longbench, rouge_lsum, rouge_n
from .text import normalize_chinese, words_of_chinese_qa, words_of_jieba

Unit = Literal["word", "byte", "token"]


class Item(NamedTuple):
    """A document as a metric sees it."""

    answer: str | None
    """What the filters took out of the reply; None if they found nothing."""
    targets: list[str]
    row: dict[str, Any]
    """The whole line of predictions.jsonl."""
    judgement: dict[str, Any] | None = None
    """What a judge said of the reply, if one was asked."""


@dataclass(frozen=True)
class Metric:
    """How answers become a number: of each document, or of all at once."""

    about: str
    kind: str = "generate"
    of_item: Callable[[Item], float | None] | None = None
    """None for a document that cannot be judged; it is left out of the mean, and counted."""
    reads: Callable[[Item], str | None] | None = None
    """The answer in a reply, if the metric finds it without filters; None if there is none."""
    of_corpus: Callable[[Sequence[Item]], float] | None = None
    """An error bar needs it a thousand times, so texts are counted once."""
    best: float = 1.0
    """The best value there is. Perplexities fall to 1, all others rise to 1 or 100."""
    lower_is_better: bool = False


def metric_names(kind: str) -> list[str]:
    """The metrics for tasks of a kind."""
    return [name for name, metric in METRICS.items() if metric.kind == kind]


def best_of(item: Item, score: Callable[[str, str], float]) -> float:
    """The best score against any of the right answers; 0 without an answer."""
    if item.answer is None:
        return 0.0
    return max(score(item.answer, target) for target in item.targets)


def _answer(about: str, score: Callable[[str, str], float]) -> Metric:
    return Metric(about, of_item=lambda item: best_of(item, score))


def _classification(item: Item) -> float:
    classes = item.row["doc"].get("all_classes")
    if not isinstance(classes, list):
        raise ValueError(f"all_classes={classes!r} must be the list of all classes")
    return best_of(item, lambda answer, target: classification_score(answer, target, classes))


def _gaokao(item: Item) -> float | None:
    awarded = item.judgement["points"] if item.judgement else None
    graded = grade(item.row["doc"], item.row["reply"], awarded)
    return None if graded.points is None else graded.points / graded.possible


def _bleu(items: Sequence[Item], tokenize: Tokenize) -> float:
    counts = [_bleu_counts(item.answer or "", tuple(item.targets), tokenize) for item in items]
    return bleu_of_counts(counts, "", effective_order=False).score


def _chrf(items: Sequence[Item]) -> float:
    counts = [_chrf_counts(item.answer or "", tuple(item.targets)) for item in items]
    return chrf_of_counts(counts)


def _chosen(item: Item, normalise: Normalise) -> float:
    totals = [found["total"] for found in item.row["loglikelihoods"]]
    return float(str(choose(totals, normalise, item.row["choices"])) == item.targets[0])


def _calibration(items: Sequence[Item]) -> float:
    totals = [[found["total"] for found in item.row["loglikelihoods"]] for item in items]
    confidences = [max(choice_probabilities(each)) for each in totals]
    return expected_calibration_error(confidences, [_chosen(item, "none") > 0 for item in items])


def _of_text(about: str, unit: Unit) -> Metric:
    return Metric(
        about, "perplexity", of_corpus=lambda items: _perplexity(items, unit), lower_is_better=True
    )


def _perplexity(items: Sequence[Item], unit: Unit) -> float:
    found = [item.row["loglikelihoods"][0] for item in items]
    if unit == "token":
        units = [each["tokens"] for each in found]
    else:
        units = [_units(item.row["prompt"], unit) for item in items]
    totals = [each["total"] for each in found]
    return corpus_perplexity(list(zip(totals, units, strict=True)))


@lru_cache(maxsize=100_000)
def _bleu_counts(answer: str, targets: tuple[str, ...], tokenize: Tokenize) -> list[int]:
    return bleu_counts(answer, targets, tokenize)


@lru_cache(maxsize=100_000)
def _chrf_counts(answer: str, targets: tuple[str, ...]) -> list[Counts]:
    return chrf_counts(answer, targets)


@lru_cache(maxsize=100_000)
def _units(text: str, unit: str) -> int:
    return count_words(text) if unit == "word" else count_bytes(text)


# Each looks its functions up when it is called, so that one's own may take their place.
METRICS: dict[str, Metric] = {
    "exact_match": _answer("equal by SQuAD's normal form", lambda a, b: exact_match(a, b)),
    "exact_match_zh": _answer(
        "equal without punctuation and spaces", lambda a, b: exact_match(a, b, normalize_chinese)
    ),
    "f1": _answer("common words, as SQuAD", lambda a, b: token_f1(a, b)),
    "f1_zh": _answer(
        "common words by jieba, as LongBench", lambda a, b: token_f1(a, b, words_of_chinese_qa)
    ),
    "rouge_1": _answer("common words, rouge-score's F", lambda a, b: rouge_n(a, b, 1).fmeasure),
    "rouge_2": _answer("common pairs of words", lambda a, b: rouge_n(a, b, 2).fmeasure),
    "rouge_l": _answer("common order of words", lambda a, b: rouge_l(a, b).fmeasure),
    "rouge_lsum": _answer("the same, line by line", lambda a, b: rouge_lsum(a, b).fmeasure),
    "rouge_l_zh": _answer(
        "common order of words by jieba", lambda a, b: rouge_l(a, b, words_of_jieba).fmeasure
    ),
    "rouge_l_longbench": _answer(
        "LongBench's, by the package rouge", lambda a, b: rouge_l_longbench(a, b)
    ),
    "rouge_l_longbench_zh": _answer(
        "the same, words by jieba", lambda a, b: rouge_l_longbench(a, b, chinese=True)
    ),
    "classification": Metric("LongBench's: the class and no other", of_item=_classification),
    "retrieval": _answer("LongBench's: the paragraph's number", lambda a, b: retrieval_score(a, b)),
    "count": _answer("LongBench's: the number", lambda a, b: count_score(a, b)),
    "edit_similarity": _answer("LongBench's for code", lambda a, b: edit_similarity(a, b)),
    "number_match": _answer("equal as numbers", lambda a, b: number_match(a, b)),
    "maths_equal": _answer("equal by algebra", lambda a, b: float(equivalent(a, b).same)),
    "gaokao": Metric(
        "points by the gaokao's rules, as a share",
        of_item=_gaokao,
        reads=lambda item: "; ".join(read_reply(item.row["doc"], item.row["reply"]) or []) or None,
    ),
    "bleu": Metric("sacrebleu's, 13a", of_corpus=lambda items: _bleu(items, "13a"), best=100),
    "bleu_zh": Metric("sacrebleu's, zh", of_corpus=lambda items: _bleu(items, "zh"), best=100),
    "chrf": Metric("sacrebleu's chrF2", of_corpus=lambda items: _chrf(items), best=100),
    "acc": Metric("the likeliest choice", "choice", of_item=lambda item: _chosen(item, "none")),
    "acc_norm": Metric(
        "the likeliest per character", "choice", of_item=lambda item: _chosen(item, "characters")
    ),
    "calibration_error": Metric(
        "confidence against accuracy",
        "choice",
        of_corpus=lambda items: _calibration(items),
        best=0,
        lower_is_better=True,
    ),
    "word_perplexity": _of_text("per word, words cut at white space", "word"),
    "byte_perplexity": _of_text("per byte of UTF-8, for any tokenizer", "byte"),
    "token_perplexity": _of_text("per token of this model, for no other", "token"),
    "bits_per_byte": Metric(
        "what a compressor would need",
        "perplexity",
        of_corpus=lambda items: math.log2(_perplexity(items, "byte")),
        best=0,
        lower_is_better=True,
    ),
}

"""How good a model is: exact match with an error bar, the loss, BLEU, and what the errors are.

Sources: Wilson 1927, "Probable inference, the law of succession, and statistical inference", for
the interval; Papineni et al. 2002 for BLEU, which is the sacrebleu library's. Chapter 13.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch

from .batching import batches, collate
from .data import Example, Pair
from .decoding import evaluating
from .loss import label_smoothed_cross_entropy
from .model import Transformer
from .numerals import Direction, Item, pairs
from .numerals_checker import Verdict, error_kind
from .translation import Translator

DIRECTIONS: tuple[Direction, ...] = ("zh-en", "en-zh")
Z95 = 1.959964  # a normal variable stays within so many standard deviations, 19 times of 20
Key = TypeVar("Key", str, int)


class Score(NamedTuple):
    """So many of so many are right."""

    right: int
    total: int

    @property
    def rate(self) -> float:
        """In [0, 1]; NaN of nothing."""
        return self.right / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true rate lies, 19 times of 20."""
        return wilson_interval(self.right, self.total)


class NumeralsMistake(NamedTuple):
    """What was asked, what came, and what is wrong with it."""

    item: Item
    source: str
    reference: str
    output: str
    verdict: Verdict


@dataclass(frozen=True)
class NumeralsReport:
    """The outcome for one direction."""

    direction: Direction
    score: Score
    """Exact matches: another wording of the right value does not count."""
    kinds: dict[str, Score]
    digits: dict[int, Score]
    """Of the numbers (no dates, no money), by how many digits they have."""
    verdicts: dict[Verdict, int]
    """How often each kind of mistake was made, most frequent first."""
    mistakes: list[NumeralsMistake]


def wilson_interval(right: int, total: int, z: float = Z95) -> tuple[float, float]:
    """The interval of a share: (low, high) in [0, 1]; (0, 1) if nothing was counted.

    Unlike the textbook's p +- z * sqrt(p(1-p)/n) it has a width at 100%, and never leaves [0, 1].
    ValueError unless 0 <= right <= total.
    """
    if not 0 <= right <= total:
        raise ValueError(f"right={right} must be between 0 and total={total}")
    if not total:
        return 0.0, 1.0
    p, n = right / total, total
    middle = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
    scale = 1 + z**2 / n
    low = (middle - half) / scale if right else 0.0  # exactly: the difference is only about 0
    high = (middle + half) / scale if right < total else 1.0
    return low, high


def exact_match(outputs: Sequence[str], references: Sequence[str]) -> Score:
    """How many outputs are their reference, spaces at the ends aside."""
    same = [o.strip() == r.strip() for o, r in zip(outputs, references, strict=True)]
    return Score(sum(same), len(same))


def evaluate_pairs(
    translator: Translator,
    corpus: Sequence[Pair],
    beam_size: int = 4,
    alpha: float = 0.6,
    on_done: Callable[[int], None] | None = None,
) -> tuple[list[str], Score]:
    """The translations of all sources, in order, and how many are exactly their target."""
    found = translator.translations(
        [pair.source for pair in corpus], beam_size, alpha, on_done=on_done
    )
    outputs = [best[0].text for best in found]
    return outputs, exact_match(outputs, [pair.target for pair in corpus])


def evaluate_numerals(
    translator: Translator,
    items: Sequence[Item],
    direction: Direction,
    beam_size: int = 4,
    alpha: float = 0.6,
    on_done: Callable[[int], None] | None = None,
) -> NumeralsReport:
    """Translate the items in one direction, and sort the answers by what is wrong with them."""
    asked = pairs(items, direction)
    found = translator.translations(
        [source for source, _ in asked], beam_size, alpha, on_done=on_done
    )
    outputs = [best[0].text for best in found]
    verdicts = [error_kind(i, o, direction) for i, o in zip(items, outputs, strict=True)]
    right = [verdict == "right" for verdict in verdicts]
    judged = list(zip(items, right, strict=True))
    mistakes = [
        NumeralsMistake(item, source, reference, output, verdict)
        for item, (source, reference), output, verdict in zip(
            items, asked, outputs, verdicts, strict=True
        )
        if verdict != "right"
    ]
    return NumeralsReport(
        direction,
        Score(sum(right), len(right)),
        _scores((item.kind, ok) for item, ok in judged),
        _scores((len(str(item.value)), ok) for item, ok in judged if item.kind == "number"),
        dict(Counter(mistake.verdict for mistake in mistakes).most_common()),
        mistakes,
    )


def _scores(judged: Iterable[tuple[Key, bool]]) -> dict[Key, Score]:
    """A score for each key, in the order of keys."""
    answers: dict[Key, list[bool]] = {}
    for key, ok in judged:
        answers.setdefault(key, []).append(ok)
    return {key: Score(sum(answers[key]), len(answers[key])) for key in sorted(answers)}


@torch.inference_mode()
def mean_nll(model: Transformer, examples: Sequence[Example], max_tokens: int) -> float:
    """-log p of the right next token, in nats, averaged over all tokens; exp of it: perplexity.

    max_tokens: of a batch; changes speed and memory, not the result
    """
    device, pad_id = next(model.parameters()).device, model.config.pad_id
    total, tokens = 0.0, 0
    longest = max(max(map(len, example)) for example in examples)
    with evaluating(model):
        for numbers in batches(examples, max(max_tokens, longest), random.Random(0)):
            batch = collate([examples[number] for number in numbers], pad_id)
            source, target_in, target_out = (x.to(device) for x in batch)
            logits = model(source, target_in).logits  # (B, T, V)
            loss = label_smoothed_cross_entropy(logits, target_out, pad_id)
            total, tokens = total + loss.nll.item(), tokens + loss.tokens
    return total / tokens


def bleu(outputs: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """The corpus's BLEU in [0, 100], and sacrebleu's signature, without which it means nothing.

    Chinese references are cut into characters (tokenize "zh"), others into words ("13a").
    ValueError if sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise ValueError("BLEU needs sacrebleu: pip install sacrebleu") from error
    text = "".join(references)
    han = sum("\u4e00" <= char <= "\u9fff" for char in text)
    metric = BLEU(tokenize="zh" if 2 * han > sum(map(str.isalpha, text)) else "13a")
    score = metric.corpus_score(list(outputs), [list(references)])
    return score.score, str(metric.get_signature())

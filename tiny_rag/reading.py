"""Can this encoder read this corpus? A check that needs no questions and no labels.

An English encoder turns Chinese into vectors too, as confident as any, and a hybrid search lets
them vote. So before an index is made, ask the corpus itself: cut texts in two and see whether the
encoder knows the other half of each from the halves of the others. BM25, which reads any language
that `terms.tokenize` does, plays against it. Chapter 32 shows what it costs not to look.

On the shipped corpus in chunks of 256 tokens BM25 reaches 0.83 in Chinese, the hash embedder 0.78,
and an encoder for which all Chinese characters are one 0.49. In chunks of 64 tokens BM25 itself is
at 0.6 to 0.7, and nothing can be said.

It is a warning, not a measure: an encoder that passes may still be worse than BM25 at questions.
`evaluation` finds that out, with questions.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .bm25 import BM25Index
from .embeddings import Embedder
from .prompts import language

MIN_TEXTS, MIN_CHARS = 8, 40
MIN_BM25 = 0.7  # below, the halves have too little to do with each other to tell


@dataclass(frozen=True)
class Reading:
    """How often the other half of a text looked nearer than that of another text, in [0, 1].

    0.5 is chance: an encoder to which all texts look alike, or none.
    """

    language: Literal["zh", "en"]
    """As `prompts.language` tells them apart: "zh" has Chinese characters."""
    encoder: float
    bm25: float
    texts: int
    """How many were tried, each against every other."""

    @property
    def failed(self) -> bool:
        """Whether the encoder is less than half as far above chance as BM25, and that is far."""
        return self.bm25 >= MIN_BM25 and self.encoder - 0.5 < (self.bm25 - 0.5) / 2


def check_reading(
    embedder: Embedder, texts: Sequence[str], sample: int = 64, seed: int = 0
) -> list[Reading]:
    """One result a language that enough of the texts have (8, of 40 characters or more).

    texts: chunks of the corpus · sample: at most so many a language are tried, and embedded
    """
    if sample < MIN_TEXTS:
        raise ValueError(f"sample={sample} must be at least {MIN_TEXTS}; 64 is usual")
    by_language: dict[Literal["zh", "en"], list[str]] = {"zh": [], "en": []}
    for text in dict.fromkeys(texts):  # a text that stands there twice has two other halves
        if len(text.strip()) >= MIN_CHARS:
            by_language[language(text)].append(text.strip())
    rng = random.Random(seed)
    return [
        _try(name, embedder, rng.sample(of, min(sample, len(of))))
        for name, of in by_language.items()
        if len(of) >= MIN_TEXTS
    ]


def _try(name: Literal["zh", "en"], embedder: Embedder, texts: Sequence[str]) -> Reading:
    fronts = [text[: len(text) // 2] for text in texts]
    backs = [text[len(text) // 2 :] for text in texts]
    index = BM25Index()
    index.add(backs)
    words = np.stack([index.scores(front) for front in fronts])  # (N, N)
    queries = np.stack([embedder.encode_query(front) for front in fronts])
    meaning = queries @ embedder.encode_documents(backs).T  # (N, N)
    return Reading(name, _told_apart(meaning), _told_apart(words), len(texts))


def _told_apart(scores: np.ndarray) -> float:
    """How often a row's own column is above another, equal ones counted half. (N, N)"""
    own = scores.diagonal()[:, None]
    wins = (own > scores).sum() + (own == scores).sum() / 2 - len(scores) / 2  # not over itself
    return float(wins) / (len(scores) * (len(scores) - 1))

"""Finding the chunks for a question: by meaning, by words, by both, and without repeats.

Every retriever is `retrieve(query, k) -> list[Hit]`, best hit first, and may be built on others:

    words = BM25Retriever(index, chunks)
    both = HybridRetriever([words, DenseRetriever(store, embedder)])
    varied = MMR(both, embedder)

Sources: Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet and
individual rank learning methods"; Carbonell and Goldstein 1998, "The use of MMR, diversity-based
reranking for reordering documents and producing summaries". Chapter 32 draws both.

Leaves out: fusion of the scores themselves (BM25's have no upper end and cosines hardly a spread,
so it needs a normalisation for each corpus; ranks do not), learned sparse retrieval, filters that
depend on the query.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .bm25 import BM25Index
from .documents import Chunk, Hit, content_hash
from .embeddings import Embedder
from .store import Where
from .terms import without_question_words

Key = TypeVar("Key", bound=Hashable)


class Retriever(Protocol):
    """Whatever finds chunks."""

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """At most k hits, best first, no chunk twice; fewer if no more speaks for any other."""
        ...


class Store(Protocol):
    """What a retriever needs of a store: `VectorStore` and `FaissStore` both have it."""

    @property
    def dim(self) -> int: ...

    @property
    def model_id(self) -> str: ...

    def search(self, query: np.ndarray, k: int, where: Where | None = None) -> list[Hit]: ...

    def vector_of(self, text_hash: str) -> np.ndarray | None: ...


@dataclass(frozen=True)
class DenseRetriever:
    """By meaning: the chunks whose vectors point where the query's does. Scores are cosines."""

    store: Store
    embedder: Embedder
    where: Where | None = None
    """Which chunks count, as `VectorStore.search` reads it."""

    def __post_init__(self) -> None:
        check_same_model(self.store, self.embedder)

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """The k nearest chunks."""
        return self.nearest(self.embedder.encode_query(query), k)

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[Hit]:
        """The k chunks nearest to a vector. (dim,); nothing is near to one of zeros."""
        check_k(k)
        return self.store.search(vector, k, self.where) if vector.any() else []


@dataclass(frozen=True)
class BM25Retriever:
    """By words. A chunk that holds no word of the query is no hit, so there may be fewer than k.

    Words that ask ("which", 多少) are not looked for: texts that answer seldom have them, so they
    are rare there and would weigh much.
    """

    index: BM25Index
    chunks: Sequence[Chunk]
    """Row i of the index is the text of chunks[i]."""
    where: Where | None = None
    """Which chunks count, as in `VectorStore.search`."""

    def __post_init__(self) -> None:
        if len(self.index) != len(self.chunks):
            raise ValueError(
                f"the index has {len(self.index)} rows for {len(self.chunks)} chunks; add the "
                "texts of the same chunks, in the same order"
            )

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """The k chunks with the highest BM25 scores, all above 0."""
        check_k(k)
        query = without_question_words(query)
        counts = _condition(self.where)
        # all scores, if hits may be struck out; else the k best are found faster
        rows, scores = self.index.top_k(query, k if counts is None else max(1, len(self.chunks)))
        found = zip(rows.tolist(), scores.tolist(), strict=True)
        hits = (Hit(self.chunks[row], score) for row, score in found)
        return list(islice((hit for hit in hits if counts is None or counts(hit.chunk)), k))


@dataclass(frozen=True)
class HybridRetriever:
    """Several retrievers, fused by rank. Scores are those of `reciprocal_rank_fusion`.

    It helps when the retrievers err differently, and hurts when one of them cannot read the
    corpus: its ranking is noise with a vote. `reading.check_reading` finds that out beforehand.
    """

    retrievers: Sequence[Retriever]
    k_rrf: float = 60
    weights: Sequence[float] | None = None
    depth: int = 100
    """How many hits each is asked for (or k, if that is more): places below can lift a chunk."""

    def __post_init__(self) -> None:
        if not self.retrievers:
            raise ValueError("retrievers is empty; give at least one, such as a BM25Retriever")
        if self.depth < 1:
            raise ValueError(f"depth={self.depth} must be at least 1; 100 is usual")
        reciprocal_rank_fusion([[]] * len(self.retrievers), self.k_rrf, self.weights)  # the checks

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """The k best of all that the retrievers found."""
        check_k(k)
        found = [r.retrieve(query, max(k, self.depth)) for r in self.retrievers]
        chunks = {hit.chunk.id: hit.chunk for hits in found for hit in hits}
        rankings = [[hit.chunk.id for hit in hits] for hits in found]
        fused = reciprocal_rank_fusion(rankings, self.k_rrf, self.weights)
        return [Hit(chunks[name], score) for name, score in fused[:k]]


@dataclass(frozen=True)
class MMR:
    """Relevant and not said yet: of fetch * k candidates, k that do not repeat each other.

    Relevance is the cosine to the query, whatever the retriever's own scores were: with
    lambda_ = 1 the candidates come in the embedder's order. Hits have the scores of
    `maximal_marginal_relevance`, which never rise along the list.
    """

    retriever: Retriever
    embedder: Embedder
    lambda_: float = 0.7
    """In [0, 1]: 1 is relevance alone, 0 is difference alone."""
    fetch: int = 4
    store: Store | None = None
    """Where the candidates' vectors may be looked up; without it each query embeds its texts."""

    def __post_init__(self) -> None:
        _check_lambda(self.lambda_)
        if self.fetch < 1:
            raise ValueError(f"fetch={self.fetch} must be at least 1; it multiplies k")
        if self.store is not None:
            check_same_model(self.store, self.embedder)

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """Ask for fetch * k hits and pick k of them."""
        check_k(k)
        hits = self.retriever.retrieve(query, self.fetch * k)
        if not hits:
            return []
        vectors = self._vectors([hit.chunk.text for hit in hits])  # (N, dim)
        relevance = vectors @ self.embedder.encode_query(query)  # (N,)
        picked = maximal_marginal_relevance(relevance, vectors @ vectors.T, k, self.lambda_)
        return [Hit(hits[row].chunk, score) for row, score in picked]

    def _vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """(N, dim), from the store if it has them."""
        if self.store is None:
            return self.embedder.encode_documents(texts)
        vectors = np.zeros((len(texts), self.embedder.dim), np.float32)
        unknown = []
        for row, text in enumerate(texts):
            vector = self.store.vector_of(content_hash(text))
            if vector is None:
                unknown.append(row)
            else:
                vectors[row] = vector
        if unknown:
            vectors[unknown] = self.embedder.encode_documents([texts[row] for row in unknown])
        return vectors


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[Key]], k: float = 60, weights: Sequence[float] | None = None
) -> list[tuple[Key, float]]:
    """One ranking of several: an item at rank r (from 1) of a ranking gets weight / (k + r).

    rankings: best item first; what comes twice counts at its first place · k >= 0: the larger,
    the less the very first places weigh against agreement; 60 in the paper · weights: one a
    ranking, >= 0, all 1 in the paper; a ranking of weight 0 is not heard at all
    returns (item, score) pairs, highest score first; of equals, the one that the earlier ranking
    has, or has higher
    ValueError if k or the weights are out of range. Cormack et al. 2009, section 2
    """
    weights = [1.0] * len(rankings) if weights is None else weights
    _check_fusion(len(rankings), k, weights)
    shares: dict[Key, list[float]] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        if not weight:
            continue
        for rank, item in enumerate(dict.fromkeys(ranking), start=1):
            shares.setdefault(item, []).append(weight / (k + rank))
    # fsum: the same shares in another order are the same score, to the last bit
    scores = [(item, math.fsum(of_item)) for item, of_item in shares.items()]
    return sorted(scores, key=lambda pair: -pair[1])


def maximal_marginal_relevance(
    relevance: NDArray[np.floating], similarity: NDArray[np.floating], k: int, lambda_: float = 0.7
) -> list[tuple[int, float]]:
    """Pick k rows, each time the one with the highest

        lambda_ * relevance[row] - (1 - lambda_) * max(similarity[row, picked rows])

    relevance: (N,) · similarity: (N, N) · returns min(k, N) pairs (row, that value), in the order
    of picking; of equals the first row. Carbonell and Goldstein 1998, section 2

    A similarity below 0 counts as 0: the paper's vectors of word counts have none, and what points
    away from a text is no newer than what has nothing to do with it.
    """
    check_k(k)
    _check_lambda(lambda_)
    relevance = np.asarray(relevance, np.float64)  # a float32 product would round
    redundancy = np.zeros(len(relevance))
    free = np.ones(len(relevance), bool)
    picked: list[tuple[int, float]] = []
    for _ in range(min(k, len(relevance))):
        values = lambda_ * relevance - (1 - lambda_) * redundancy
        best = int(np.where(free, values, -np.inf).argmax())
        picked.append((best, float(values[best])))
        free[best] = False
        redundancy = np.maximum(redundancy, similarity[best])
    return picked


def check_k(k: int) -> None:
    """ValueError unless k is at least 1."""
    if k < 1:
        raise ValueError(f"k={k} must be at least 1: it is how many chunks to find")


def check_same_model(store: Store, embedder: Embedder) -> None:
    """ValueError if the store's vectors are another model's: their cosines would mean nothing."""
    in_store, here = (store.model_id, store.dim), (embedder.model_id, embedder.dim)
    if in_store != here:
        raise ValueError(
            f"the store holds vectors of model {in_store[0]!r} (dim {in_store[1]}), the embedder "
            f"is {here[0]!r} (dim {here[1]}); index again with it, or use the store's model"
        )


def _condition(where: Where | None) -> Callable[[Chunk], bool] | None:
    """What a chunk must meet; None if nothing."""
    if where is None or callable(where):
        return where
    wanted = dict(where)
    return lambda chunk: all(
        key in chunk.metadata and chunk.metadata[key] == value for key, value in wanted.items()
    )


def _check_fusion(rankings: int, k: float, weights: Sequence[float]) -> None:
    if not (math.isfinite(k) and k >= 0):
        raise ValueError(f"k={k} must be at least 0; 60 is the paper's")
    if len(weights) != rankings:
        raise ValueError(f"{len(weights)} weights for {rankings} rankings; give one for each")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError(f"weights={list(weights)} must all be at least 0")
    if rankings and not any(weights):
        raise ValueError(f"weights={list(weights)}: at least one must be above 0")


def _check_lambda(lambda_: float) -> None:
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_={lambda_} must be between 0 (difference) and 1 (relevance)")

"""Reranking: a slow, careful judge reads the few passages that a fast retriever found.

An embedder reads question and passage apart, so that passages can be read before any question is
asked; what they have to do with each other is left to one dot product. A cross-encoder reads the
two together, word against word, and is better at it and far too slow for a whole corpus.

Source: Nogueira and Cho 2019, "Passage re-ranking with BERT" (arXiv:1901.04085). Chapter 32.

Leaves out: rerankers that compare passages with each other, and language models asked to rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from .documents import Hit
from .model_folders import check_place, not_loaded
from .retrieval import Retriever, check_k

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class Judge(Protocol):
    """Whatever can say how well each of some passages answers a question."""

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N,) for N texts; higher is better."""
        ...


@dataclass(frozen=True)
class CrossEncoderReranker:
    """The k best, as the judge sees it, of the `depth` that the retriever finds.

    A passage below that depth has no chance however good it is, and each one more costs the judge's
    time: that grows with the depth, and not with the corpus.
    """

    retriever: Retriever
    judge: Judge
    depth: int = 30
    """How many hits are reranked (or k, if that is more)."""

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"depth={self.depth} must be at least 1; 30 is usual")

    def retrieve(self, query: str, k: int) -> list[Hit]:
        """Hits have the judge's scores. Of equals, the retriever's order stands.

        ValueError if the judge does not give one number for each passage.
        """
        check_k(k)
        hits = self.retriever.retrieve(query, max(k, self.depth))
        if not hits:
            return []
        scores = np.asarray(self.judge.score(query, [hit.chunk.text for hit in hits]))
        if scores.shape != (len(hits),) or not np.isfinite(scores).all():
            raise ValueError(
                f"the judge gave scores of shape {scores.shape} for {len(hits)} passages, "
                f"{int((~np.isfinite(scores)).sum())} of them NaN or infinite; it must give one "
                "finite number for each passage"
            )
        order = np.argsort(-scores, kind="stable")[:k]
        return [Hit(hits[row].chunk, float(scores[row])) for row in order]


class CrossEncoderJudge:
    """A cross-encoder of sentence-transformers: any with one output, such as BAAI/bge-reranker-*.

    model: a folder, or the name of a model that was downloaded before · device: "auto" takes a GPU
    if there is one; else as torch names it: "cpu", "cuda:1", "mps"
    FileNotFoundError if the model is not on this machine; ValueError if it cannot be loaded, or has
    not one output

    Scores are the model's raw outputs: a sigmoid would round the best of them to the same 1.0. What
    does not fit into the model's length (often 512 tokens, question included) is not read.
    """

    def __init__(self, model: str | Path, device: str = "auto", batch_size: int = 32) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be at least 1; 32 is a good start")
        self._model = _load(model, device)
        self._batch_size = batch_size

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N,) float32 for N texts."""
        from torch.nn import Identity

        return self._model.predict(
            [(_well_formed(query), _well_formed(text)) for text in texts],
            batch_size=self._batch_size,
            activation_fn=Identity(),
            show_progress_bar=False,
        )


def _load(model: str | Path, device: str) -> "CrossEncoder":
    kind = "a cross-encoder"
    check_place(model, kind)
    from safetensors import SafetensorError
    from sentence_transformers import CrossEncoder

    try:
        loaded = CrossEncoder(
            str(model), device=None if device == "auto" else device, local_files_only=True
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise not_loaded(model, kind, error) from error
    if loaded.num_labels != 1:
        raise ValueError(
            f"{str(model)!r} has {loaded.num_labels} outputs; a reranker has one, such as "
            "BAAI/bge-reranker-base"
        )
    return loaded


def _well_formed(text: str) -> str:
    """Half a surrogate pair, as broken PDFs give, becomes U+FFFD: tokenizers refuse it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

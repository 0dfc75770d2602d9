"""The folder of an index: what `index.Index` holds, as files of one generation.

    chunks.jsonl   the chunks, one a line           vectors.npy  their vectors, if there are any
    words.npz      their words, for BM25            hash.npz     what a hash embedder has learned
    sources.json   which files hold which documents
    meta.json      how all this was made

All of it is replaced at once or not at all (`generations`). Chapter 31 looks into one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .bm25 import BM25Index
from .chunk_files import read_chunks, write_chunks
from .documents import Chunk
from .embeddings import Embedder, HashEmbedder
from .generations import META, damaged, read_generation, read_meta
from .store import CHUNKS, VectorStore

FORMAT = "tiny_rag index 1"
WORDS, SOURCES, HASH = "words.npz", "sources.json", "hash.npz"


@dataclass(frozen=True)
class Settings:
    """How an index is made."""

    choice: str
    """The embedder, as `choices.make_embedder` understands it."""
    chunk_size: int
    chunk_overlap: int
    model_id: str | None = None
    """Of the vectors; None if there are none."""
    dim: int | None = None


class Origin(NamedTuple):
    """Where the chunks of a document come from."""

    source: str
    """Its file; of several with the same text, one."""
    metadata_hash: str
    """`content_hash` of its metadata: the same text with other metadata has other chunks."""


@dataclass(frozen=True)
class Contents:
    """All that an index holds. Row i of words and vectors is chunks[i]."""

    settings: Settings
    chunks: Sequence[Chunk]
    words: BM25Index
    store: VectorStore | None
    embedder: Embedder | None
    files: Mapping[str, list[str]]
    """Path -> the ids of its documents."""
    origins: Mapping[str, Origin]
    """Document id -> where its chunks come from."""


def read_settings(folder: str | Path) -> Settings:
    """How the index in the folder was made; reads nothing but that.

    FileNotFoundError if there is no index, ValueError if it is none of ours, IndexDamaged (a
    ValueError too) if it is not as it was written
    """
    return read_generation(folder, _settings, verify=False)


def write_contents(generation: Path, contents: Contents) -> None:
    """Write all files into an empty folder, chunk after chunk and block after block."""
    own = {name: value for name, value in asdict(contents.settings).items() if value is not None}
    meta = {"index": FORMAT} | own
    if contents.store is not None:
        contents.store.write_files(generation)
        meta |= read_meta(generation)
    else:
        write_chunks(generation / CHUNKS, contents.chunks)
    if isinstance(contents.embedder, HashEmbedder):
        _save_arrays(generation / HASH, contents.embedder.arrays())
    _save_arrays(generation / WORDS, contents.words.arrays())
    _save_json(generation / SOURCES, {"files": contents.files, "origins": contents.origins})
    _save_json(generation / META, meta)


def read_contents(generation: Path, embedder: Embedder | None) -> Contents:
    """What `write_contents` wrote. Without an embedder, the vectors are left out.

    A HashEmbedder comes back as it was fitted. ValueError if the index has no vectors, or those of
    another embedder; IndexDamaged if the files do not fit each other
    """
    settings = _settings(generation)
    store = None
    if embedder is not None:
        if settings.model_id is None:
            raise ValueError(
                f"the index has no vectors, so {embedder.model_id!r} has nothing to search: "
                "index again with it, or leave the embedder out"
            )
        store = VectorStore.read_files(generation, embedder.model_id, embedder.dim)
    if isinstance(embedder, HashEmbedder) and (generation / HASH).exists():
        embedder = HashEmbedder.from_arrays(_load_arrays(generation / HASH))
    chunks = store.chunks if store is not None else read_chunks(generation / CHUNKS)
    words = BM25Index.from_arrays(_load_arrays(generation / WORDS))
    if len(words) != len(chunks):
        raise damaged(generation / WORDS, f"{len(words)} rows for {len(chunks)} chunks")
    sources = json.loads((generation / SOURCES).read_bytes())
    origins = {name: Origin(*origin) for name, origin in sources["origins"].items()}
    return Contents(settings, chunks, words, store, embedder, sources["files"], origins)


def _settings(generation: Path) -> Settings:
    meta = read_meta(generation)
    if meta.get("index") != FORMAT:
        found = meta.get("index") or meta.get("format") or "files of another program"
        raise ValueError(
            f"{generation.parent} holds {found!r}, not {FORMAT!r}: give the folder of an index, "
            "or index the documents again into a new one"
        )
    return Settings(
        meta["choice"],
        meta["chunk_size"],
        meta["chunk_overlap"],
        meta.get("model_id"),
        meta.get("dim"),
    )


def _save_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8", newline="\n")


def _save_arrays(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    np.savez(file, allow_pickle=False, **arrays)


def _load_arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)

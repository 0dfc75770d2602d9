"""The store with a graph: the same interface, the same scores, and few hits missed."""

import sys

import numpy as np
import pytest

from tests.tiny_rag.test_store import chunks_of, found
from tiny_rag.documents import Chunk
from tiny_rag.faiss_store import FaissStore
from tiny_rag.generations import IndexDamaged, write_generation
from tiny_rag.store import VectorStore


def test_without_faiss_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r'pip install "tiny-universe\[faiss\]"'):
        FaissStore(3, "model")


@pytest.fixture(autouse=True)
def _needs_faiss(request):
    if "without_faiss" not in request.node.name:
        faiss = pytest.importorskip("faiss")
        faiss.omp_set_num_threads(1)


N, DIM = 2000, 32


def data(n=N, dim=DIM, seed=0):
    """Vectors around a few centres, as those of texts are, of length 1, and a chunk for each."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((20, dim))[rng.integers(0, 20, n)]
    vectors = (vectors + 0.7 * rng.standard_normal((n, dim))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chunks = [Chunk(f"{i}", "d", f"text {i}", i, i + 1, {"third": i % 3}) for i in range(n)]
    return chunks, vectors


def stores(n=N, dtype="float32"):
    """The exact one and the other, with the same content."""
    both = VectorStore(DIM, "model", dtype), FaissStore(DIM, "model", dtype)
    for store in both:
        store.upsert(*data(n))
    return both


def recall(exact, near, queries, k=10):
    """The share of the exact hits that are found; what is found must have the exact score."""
    common = 0
    for query in queries:
        scores = {hit.chunk.id: hit.score for hit in exact.search(query, len(exact))}
        best, hits = exact.search(query, k), near.search(query, k)
        assert all(scores[hit.chunk.id] == hit.score for hit in hits)  # to the last bit
        assert [hit.score for hit in hits] == sorted((h.score for h in hits), reverse=True)
        common += len(set(found(best)) & set(found(hits)))
    return common / (k * len(queries))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_few_hits_are_missed_and_scores_are_exact(dtype):
    exact, near = stores(dtype=dtype)
    assert recall(exact, near, data(100, seed=1)[1]) > 0.98


def test_with_a_filter_or_a_large_k_it_is_exact():
    exact, near = stores()
    for query in data(5, seed=1)[1]:
        for k, where in ((7, {"third": 2}), (300, lambda chunk: chunk.start > 1000), (N, None)):
            assert near.search(query, k, where) == exact.search(query, k, where)
    assert len(near.search(query, N + 1)) == N


def test_the_graph_is_what_finds_them(monkeypatch):
    _, near = stores()
    monkeypatch.setattr(VectorStore, "search", None)  # the exact search would be called
    assert len(near.search(data(1, seed=1)[1][0], 10)) == 10


def test_what_was_deleted_or_replaced_is_forgotten_and_the_new_is_found():
    exact, near = stores()
    chunks, vectors = data()
    for store in (exact, near):
        assert store.delete(chunk.id for chunk in chunks[:700]) == 700
        store.upsert(chunks[900:1000], -vectors[900:1000])  # to the other side
        store.upsert(*data(50))  # some of the deleted again
        assert len(store) == 1350
    assert near.ids == exact.ids
    queries = data(60, seed=1)[1]
    assert recall(exact, near, queries) > 0.98
    for row in (900, 950, 999):
        hit = near.search(-vectors[row], 1)[0]
        assert (hit.chunk.id, hit.score) == (str(row), pytest.approx(1, abs=1e-6))
        assert near.search(vectors[row], 1)[0].chunk.id != str(row)
    with pytest.raises(TypeError, match="ids is one str"):
        near.delete("900")


def test_deleted_neighbours_do_not_crowd_out_the_others():
    near, (query, *_) = FaissStore(DIM, "model", effort=20), data(1, seed=1)[1]
    near.upsert(*data(100))
    near.delete(found(VectorStore.search(near, query, 18)))
    assert near.search(query, 10) == VectorStore.search(near, query, 10)


def test_new_metadata_with_the_same_vector_adds_nothing_to_the_graph():
    _, near = stores()
    near.upsert(*data())
    assert near._graph.ntotal == N


def test_the_graph_does_not_grow_for_ever():
    near = FaissStore(DIM, "model")
    for seed in range(9):
        near.upsert(*data(300, seed=seed))
    assert near._graph.ntotal <= 2 * 300
    near.delete(near.ids)
    assert (len(near), near._graph.ntotal) == (0, 0)
    assert near.search(np.ones(DIM), 3) == []


def test_of_equal_scores_the_one_added_first_comes_first():
    near = FaissStore(2, "model")
    chunks = chunks_of(60)
    near.upsert(chunks, np.tile([0.6, 0.8], (60, 1)))
    near.delete([chunks[0].id])
    near.upsert(chunks[:1], np.array([[0.6, 0.8]]))
    assert found(near.search([0.6, 0.8], 60)) == [c.id for c in [*chunks[1:], chunks[0]]]


def test_either_store_reads_what_the_other_wrote(tmp_path):
    exact, near = stores(500)
    near.delete(near.ids[:20])
    exact.delete(exact.ids[:20])
    exact.persist(tmp_path / "exact")
    near.persist(tmp_path / "near")
    queries = data(30, seed=1)[1]
    for name in ("exact", "near"):
        assert recall(exact, FaissStore.load(tmp_path / name, "model", DIM), queries) > 0.98
        loaded = VectorStore.load(tmp_path / name)
        assert loaded.search(queries[0], 9) == exact.search(queries[0], 9)
    same = FaissStore.load(tmp_path / "near")
    assert all(same.search(query, 10) == near.search(query, 10) for query in queries)
    same.upsert(*data(20))
    assert found(same.search(data(20)[1][3], 1)) == ["3"]


def test_a_graph_of_other_vectors_is_refused(tmp_path):
    near, other = (FaissStore(DIM, "model") for _ in range(2))
    near.upsert(*data(50))
    other.upsert(*data(40))

    def fill(generation):
        other.write_files(generation)
        VectorStore.write_files(near, generation)

    write_generation(tmp_path, fill)
    with pytest.raises(IndexDamaged, match="40 vectors"):
        FaissStore.load(tmp_path)


def test_a_bad_upsert_changes_nothing_and_bad_arguments_are_named():
    near = FaissStore(DIM, "model")
    near.upsert(*data(30))
    chunks, vectors = data(40)
    vectors[35] = np.nan
    with pytest.raises(ValueError, match="row 35"):
        near.upsert(chunks, vectors)
    assert (len(near), near._graph.ntotal) == (30, 30)
    with pytest.raises(ValueError, match="dim=32; embed it"):
        near.search(np.ones(3), 1)
    with pytest.raises(ValueError, match="effort=0"):
        FaissStore(DIM, "model", effort=0)

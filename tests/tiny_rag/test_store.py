"""Chunks with their vectors: found, replaced, deleted, and never lost."""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tiny_rag.documents import Chunk, Document, Hit, content_hash
from tiny_rag.generations import IndexDamaged, read_generation, write_generation
from tiny_rag.store import VectorStore

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)
TEXT = "".join(map(chr, range(0x4E00, 0x4E00 + 500)))
DOCUMENT = Document.of(TEXT, {"source": "a.md"})


def chunks_of(n, start=0, **metadata):
    """n chunks of one character each, all different."""
    metadata = {"source": "a.md", **metadata}
    return [Chunk.of(DOCUMENT, i, i + 1, metadata) for i in range(start, start + n)]


def filled(n=20, dim=3, seed=0, dtype="float32"):
    """A store of random vectors of length 1, and these vectors."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store = VectorStore(dim, "model", dtype)
    store.upsert(chunks_of(n), vectors)
    return store, vectors


def found(hits):
    return [hit.chunk.id for hit in hits]


# --- Search. ---


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_hits_are_those_of_comparing_every_vector(dtype):
    store, vectors = filled(400, 50, dtype=dtype)
    rng = np.random.default_rng(1)
    stored = vectors.astype(dtype).astype(np.float64)
    for _ in range(20):
        query = rng.standard_normal(50)
        scores = stored @ query
        best = np.argsort(-scores)[:10]
        hits = store.search(query, 10)
        assert found(hits) == [store.ids[row] for row in best]
        assert all(type(hit.score) is float for hit in hits)
        # sums of 50 terms below 1 in float32: some 50 * 2**-24
        np.testing.assert_allclose([hit.score for hit in hits], scores[best], atol=5e-6)


def test_of_equal_scores_the_one_added_first_comes_first():
    store = VectorStore(2, "model")
    chunks = chunks_of(9)
    store.upsert(chunks[:5], np.tile([0.6, 0.8], (5, 1)))
    store.upsert([*chunks[5:], chunks[2]], np.tile([0.6, 0.8], (5, 1)))  # replaced: keeps its place
    store.delete([chunks[3].id])
    expected = [chunk.id for chunk in chunks if chunk is not chunks[3]]
    for k in (1, 4, 8):
        assert found(store.search(np.array([1.0, 0.5]), k)) == expected[:k]


def test_there_are_at_most_as_many_hits_as_chunks():
    store, vectors = filled(4)
    assert len(store.search(vectors[0], 10)) == 4
    assert VectorStore(3, "model").search(vectors[0], 10) == []


def test_longer_vectors_and_a_longer_query_count_as_they_are():
    store = VectorStore(2, "model")
    store.upsert(chunks_of(3), np.array([[1, 0], [5, 0], [0, 0]]))
    assert [hit.score for hit in store.search([3, 1], 3)] == [15.0, 3.0, 0.0]


def test_a_filter_chooses_before_the_best_are_taken():
    store = VectorStore(1, "model")
    near = chunks_of(10, source="near.md", page=1)
    far = chunks_of(4, start=10, source="far.md", page=1)
    store.upsert([*near, *far], np.array([[2.0]] * 10 + [[1.0]] * 4))
    for where in ({"source": "far.md"}, lambda chunk: chunk.start >= 10):
        hits = store.search([1.0], 3, where)
        assert found(hits) == [chunk.id for chunk in far[:3]]
        assert [hit.score for hit in hits] == [1.0] * 3
    assert len(store.search([1.0], 99, {"page": 1})) == 14
    assert len(store.search([1.0], 99, {"page": 1, "source": "far.md"})) == 4
    assert store.search([1.0], 3, {"page": 1, "source": "none.md"}) == []
    assert len(store.search([1.0], 99, {})) == 14


def test_metadata_that_is_missing_is_not_none_and_a_list_must_be_equal():
    store = VectorStore(1, "model")
    chunks = [*chunks_of(1, page=None), *chunks_of(1, start=1, headings=["行星", "海"])]
    store.upsert(chunks, np.ones((2, 1)))
    assert found(store.search([1.0], 9, {"page": None})) == [chunks[0].id]
    assert found(store.search([1.0], 9, {"headings": ["行星", "海"]})) == [chunks[1].id]
    assert store.search([1.0], 9, {"headings": "海"}) == []


# --- Changing it. ---


CHUNKS = chunks_of(12)
VECTOR = hnp.arrays(np.float32, 2, elements=st.integers(-4, 4).map(float))
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), st.lists(st.tuples(st.integers(0, 11), VECTOR), min_size=1)),
        st.tuples(st.just("delete"), st.lists(st.integers(0, 11), max_size=4)),
        st.tuples(st.just("reload"), st.none()),
    ),
    max_size=8,
)


@PROPERTY
@given(OPERATIONS, VECTOR, st.integers(1, 14), st.sampled_from(["float32", "float16"]))
def test_whatever_is_done_it_is_a_dict_of_chunks(operations, query, k, dtype):
    store, model = VectorStore(2, "model", dtype), {}
    for step, (name, argument) in enumerate(operations):
        if name == "upsert":
            chunks = [replace(CHUNKS[i], metadata={"step": step, "n": n})
                      for n, (i, _) in enumerate(argument)]  # fmt: skip
            store.upsert(chunks, np.array([vector for _, vector in argument]))
            for chunk, (_, vector) in zip(chunks, argument, strict=True):
                model[chunk.id] = (chunk, vector)
        elif name == "delete":
            ids = [CHUNKS[i].id for i in argument]
            assert store.delete(ids) == len(model.keys() & set(ids))
            model = {key: value for key, value in model.items() if key not in ids}
        else:
            with tempfile.TemporaryDirectory() as folder:
                store.write_files(Path(folder))
                store = VectorStore.read_files(Path(folder))
        assert store.ids == list(model)
        assert list(store.chunks) == [chunk for chunk, _ in model.values()]
        assert len(store) == len(model)
        hits = [Hit(chunk, float(vector @ query)) for chunk, vector in model.values()]
        assert store.search(query, k) == sorted(hits, key=lambda hit: -hit.score)[:k]
        for chunk in CHUNKS:
            vector = store.vector_of(content_hash(chunk.text))
            assert (vector is None) == (chunk.id not in model)
            assert vector is None or vector.tolist() == model[chunk.id][1].tolist()


def test_deleting_passes_over_what_is_not_there_and_takes_no_single_id():
    store, _ = filled(3)
    assert store.delete(["none", store.ids[1], store.ids[1]]) == 1
    assert store.delete(iter([])) == 0
    with pytest.raises(TypeError, match=r"ids is one str; give a list"):
        store.delete(store.ids[0])
    assert len(store) == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused_by_name_and_nothing_changes(bad):
    store, vectors = filled(3)
    new, numbers = chunks_of(5), np.ones((5, 3))
    numbers[3, 1] = bad
    with pytest.raises(ValueError, match=rf"vector of chunk {new[3].id} \(row 3\) holds NaN"):
        store.upsert(new, numbers)
    assert len(store) == 3
    assert found(store.search(vectors[1], 1)) == [new[1].id]


def test_numbers_too_large_for_float16_are_refused():
    chunks = chunks_of(2)
    numbers = np.array([[65504.0], [65520.0]])  # the largest float16; the next would be infinite
    VectorStore(1, "model").upsert(chunks, numbers)
    with pytest.raises(ValueError, match=r"\(row 1\) .*too large for float16"):
        VectorStore(1, "model", "float16").upsert(chunks, numbers)
    VectorStore(1, "model", "float16").upsert(chunks[:1], numbers[:1])


@pytest.mark.parametrize("shape", [(3, 4), (2, 3), (3,), (9,), (3, 3, 1)])
def test_vectors_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"vectors of shape \(.*\) for 3 chunks .* dim=3"):
        VectorStore(3, "model").upsert(chunks_of(3), np.ones(shape))


@pytest.mark.parametrize("query", [np.ones(2), np.ones((1, 3)), np.ones(4)])
def test_a_query_of_another_shape_is_refused(query):
    with pytest.raises(ValueError, match=r"a query of shape .* dim=3; embed it with 'model'"):
        filled()[0].search(query, 1)


def test_a_query_that_is_not_finite_and_a_k_below_1_are_refused():
    store, vectors = filled()
    with pytest.raises(ValueError, match="the query holds NaN or infinity"):
        store.search(np.array([0, np.nan, 1]), 1)
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        store.search(vectors[0], 0)


@pytest.mark.parametrize(
    "metadata",
    [
        {"page": (1, 2)},
        {1: "a"},
        {"x": float("nan")},
        {"x": float("inf")},
        {"path": Path("a")},
        {"page": np.int64(3)},
        {"raw": b"a"},
    ],
    ids=str,
)
def test_metadata_that_json_would_change_is_refused_at_once_and_not_after_hours(metadata):
    store = VectorStore(1, "model")
    chunk = replace(CHUNKS[0], metadata=metadata)
    with pytest.raises(ValueError, match=f"chunk {chunk.id} .* JSON"):
        store.upsert([CHUNKS[1], chunk], np.ones((2, 1)))
    assert len(store) == 0


# --- Embedding nothing twice. ---


def test_indexing_an_unchanged_text_again_embeds_nothing(tmp_path):
    embedded = []

    def index(folder, chunks):
        """As a program does it: look up, embed what is new, put in, drop what is gone."""
        try:
            old = VectorStore.load(folder, "model")
        except FileNotFoundError:
            old = VectorStore(1, "model")
        for chunk in chunks:
            vector = old.vector_of(content_hash(chunk.text))
            if vector is None:
                embedded.append(chunk.text)
                vector = np.array([ord(chunk.text)], np.float32)
            old.upsert([chunk], vector[None])
        old.delete(set(old.ids) - {chunk.id for chunk in chunks})
        old.persist(folder)

    index(tmp_path, chunks_of(10))
    assert len(embedded) == 10
    index(tmp_path, chunks_of(10))
    assert len(embedded) == 10
    other = Document.of("序" + TEXT, {"source": "a.md"})  # other ids and offsets, the same texts
    index(tmp_path, [Chunk.of(other, i, i + 1, {}) for i in range(11)])
    assert len(embedded) == 11
    store = VectorStore.load(tmp_path)
    assert store.search([1.0], 1)[0].chunk.text == "序"
    assert len(store) == 11


def test_a_text_that_was_replaced_has_no_vector_any_more():
    store = VectorStore(1, "model")
    store.upsert(CHUNKS[:2], np.array([[1.0], [2.0]]))
    assert store.vector_of(content_hash(CHUNKS[0].text)) == [1.0]
    store.upsert([replace(CHUNKS[0], text="x")], np.array([[3.0]]))
    assert store.vector_of(content_hash(CHUNKS[0].text)) is None
    assert store.vector_of(content_hash("x")) == [3.0]


def test_a_vector_that_was_handed_out_is_a_copy():
    store = VectorStore(1, "model")
    store.upsert(CHUNKS[:1], np.ones((1, 1)))
    store.vector_of(content_hash(CHUNKS[0].text))[:] = 9.0
    assert store.search([1.0], 1)[0].score == 1.0


# --- The folder. ---


HOSTILE = [
    "",
    "\x00",
    "a\r\nb\rc\n",
    "\u2028\u2029\x85\x0b\x1c",
    "半个\ud83d字",
    "\udc00",
    "👩‍👩‍👧‍👦🇨🇳",
    "e\u0301",
    '"}{"\\',
    "<|endoftext|>",
    "𠀀",
]


def test_every_text_comes_back_as_it_was(tmp_path):
    chunks = [Chunk(f"{i}", "d", text, 0, 1, {"source": text}) for i, text in enumerate(HOSTILE)]
    store = VectorStore(1, "模型", "float16")
    store.upsert(chunks, np.ones((len(chunks), 1)))
    store.persist(tmp_path)
    loaded = VectorStore.load(tmp_path)
    assert list(loaded.chunks) == chunks
    assert (loaded.model_id, loaded.dim, loaded.dtype) == ("模型", 1, "float16")


def test_the_files_are_json_lines_and_numpy_of_the_same_order(tmp_path):
    store, vectors = filled(5, dtype="float16")
    generation = store.persist(tmp_path)
    lines = (generation / "chunks.jsonl").read_bytes().decode("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == store.ids
    assert TEXT[0] in lines[0]  # readable, not \u4e00
    assert np.array_equal(np.load(generation / "vectors.npy"), vectors.astype(np.float16))
    meta = json.loads((generation / "meta.json").read_text("utf-8"))
    assert (meta["model_id"], meta["dim"], meta["count"]) == ("model", 3, 5)


def test_a_store_goes_on_after_its_own_file_was_replaced(tmp_path):
    store, vectors = filled()
    store.persist(tmp_path)
    loaded = VectorStore.load(tmp_path)
    for _ in range(3):  # its vectors are mapped from a file that is deleted on the way
        loaded.persist(tmp_path)
        assert loaded.search(vectors[4], 5) == store.search(vectors[4], 5)
    assert VectorStore.load(tmp_path).search(vectors[4], 5) == store.search(vectors[4], 5)


def test_an_empty_store_is_kept_too(tmp_path):
    VectorStore(7, "model").persist(tmp_path)
    loaded = VectorStore.load(tmp_path)
    assert (len(loaded), loaded.dim, loaded.ids) == (0, 7, [])
    loaded.upsert(chunks_of(1), np.ones((1, 7)))
    assert len(loaded.search(np.ones(7), 3)) == 1


def test_other_files_can_share_the_generation(tmp_path):
    store, _ = filled()

    def fill(generation):
        store.write_files(generation)
        np.savez(generation / "bm25.npz", idf=np.arange(3))

    write_generation(tmp_path, fill)
    assert VectorStore.load(tmp_path).ids == store.ids
    idf = read_generation(tmp_path, lambda generation: np.load(generation / "bm25.npz")["idf"])
    assert idf.tolist() == [0, 1, 2]


def test_an_index_of_another_model_or_dimension_is_refused(tmp_path):
    filled()[0].persist(tmp_path)
    assert len(VectorStore.load(tmp_path, model_id="model", dim=3)) == 20
    with pytest.raises(ValueError, match="model_id='model', the embedder model_id='other'") as e:
        VectorStore.load(tmp_path, model_id="other")
    assert not isinstance(e.value, IndexDamaged)
    with pytest.raises(ValueError, match=r"dim=3, the embedder dim=4; .*index the documents again"):
        VectorStore.load(tmp_path, dim=4)


# --- Damage. ---


@pytest.mark.parametrize("name", ["vectors.npy", "chunks.jsonl", "meta.json"])
def test_a_changed_or_shortened_file_is_refused(tmp_path, name):
    file = filled()[0].persist(tmp_path) / name
    content = file.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damage in (changed, content[:-1], b"", None):
        file.unlink() if damage is None else file.write_bytes(damage)
        with pytest.raises(IndexDamaged, match=name):
            VectorStore.load(tmp_path)


def test_no_index_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        VectorStore.load(tmp_path / "none")
    filled()[0].persist(tmp_path)
    (tmp_path / "CURRENT").unlink()
    with pytest.raises(IndexDamaged, match="CURRENT"):
        VectorStore.load(tmp_path)


def edit_meta(**changes):
    def edit(generation):
        file = generation / "meta.json"
        meta = json.loads(file.read_text("utf-8")) | changes
        file.write_text(json.dumps(meta), encoding="utf-8")

    return edit


def edit_lines(change):
    def edit(generation):
        file = generation / "chunks.jsonl"
        file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))

    return edit


FOREIGN = {
    "another format": (edit_meta(format="other 2"), "format 'other 2'"),
    "no format": (lambda generation: (generation / "meta.json").unlink(), "format None"),
    "no dim": (edit_meta(dim=None), "dim is None"),
    "another dim": (edit_meta(dim=4), "float32 of dim=3"),
    "another type": (edit_meta(dtype="float16"), "float32 of dim=3"),
    "another count": (edit_meta(count=19), "20 different chunks for 20 vectors"),
    "a line less": (edit_lines(lambda x: x[:-1]), "19 different chunks for 20 vectors"),
    "a line twice": (edit_lines(lambda x: [*x[:-1], x[0]]), "19 different chunks"),
    "no JSON": (edit_lines(lambda x: [*x[:3], b"{\n", *x[4:]]), "line 4"),
    "no chunk": (edit_lines(lambda x: [b'{"id": "a"}\n', *x[1:]]), "line 1"),
    "no object": (edit_lines(lambda x: [b"[]\n", *x[1:]]), "line 1"),
    "no matrix": (
        lambda generation: np.save(generation / "vectors.npy", np.zeros(20, np.float32)),
        "no matrix",
    ),
    "no numbers": (
        lambda generation: (generation / "vectors.npy").write_bytes(b"text"),
        r"vectors\.npy is damaged",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_files_that_others_wrote_are_refused_though_their_checksums_are_right(tmp_path, case):
    edit, message = FOREIGN[case]

    def fill(generation):
        filled()[0].write_files(generation)
        edit(generation)

    write_generation(tmp_path, fill)
    with pytest.raises(IndexDamaged, match=message):
        VectorStore.load(tmp_path)


# --- Killing it. ---


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_writer_killed_25_times_never_loses_or_mixes_what_it_has_saved(tmp_path):
    command = [sys.executable, "-m", "tests.tiny_rag.dying_writer", "at-random", tmp_path / "index"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60)
    last = 0
    deaths = json.loads(done.stdout)
    for saved, versions, scores in deaths:
        (found,) = versions
        assert saved > last  # the writer before it left something to go on from
        assert found in (saved, saved + 1)  # the last one may be in place and not yet be said
        assert scores == [float(found)]
        last = found
    assert len(deaths) == 25

"""The index of a folder: what an update reads, embeds, moves and forgets; saving and opening."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiny_rag.chunking import TokenChunker
from tiny_rag.documents import Chunk, Document, content_hash
from tiny_rag.embeddings import HashEmbedder
from tiny_rag.generations import IndexDamaged, current_generation
from tiny_rag.index import Index
from tiny_rag.index_files import Settings, read_settings
from tiny_rag.index_update import BATCH
from tiny_rag.rows import Rows, search_text
from tiny_rag.store import VectorStore

SMALL = TokenChunker(8, 2)
ONE = "Lumo has two moons. The larger one is Issin. It is made of ice."
TWO = "星环站建于2140年。站长是林河。站上住着三百人。"


class Letters:
    """Says how often each letter stands in a text, and remembers what it was asked."""

    model_id, dim = "letters", 26

    def __init__(self):
        self.asked = []

    def encode_documents(self, texts, progress=False):
        self.asked += texts
        rows = [
            [text.lower().count(chr(97 + i)) + 0.01 * len(text) for i in range(26)]
            for text in texts
        ]
        vectors = np.array(rows, np.float32).reshape(len(texts), 26)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode_query(self, text):
        return self.encode_documents([text])[0]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()


def put(name, text):
    file = Path("docs", name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def content(index):
    """What an index holds, in any order."""
    return {(c.id, c.text, c.metadata["source"], search_text(c)) for c in index.chunks}


def check_rows(index):
    """Row i of the words and of the vectors is that of chunk i."""
    texts = [search_text(chunk) for chunk in index.chunks]
    assert len(index.words) == len(texts) == len({chunk.id for chunk in index.chunks})
    for row, text in enumerate(texts):
        terms = {
            term: index.words.tokenize(text).count(term) for term in index.words.tokenize(text)
        }
        for term, times in terms.items():
            assert index.words.postings(term)[row] == times
    if index.store is not None:
        assert list(index.store.chunks) == list(index.chunks)
        vectors = Letters().encode_documents(texts)
        for row, chunk in enumerate(index.chunks):
            scores = {
                hit.chunk.id: hit.score for hit in index.store.search(vectors[row], len(texts))
            }
            expected = vectors @ vectors[row]
            assert [scores[c.id] for c in index.chunks] == pytest.approx(expected, abs=1e-5)
            assert chunk in index.chunks


# --- Updating: what is read, embedded, forgotten. ---


def test_an_unchanged_folder_embeds_nothing_and_leaves_the_chunks_equal():
    put("a.md", f"# Lumo\n\n{ONE}")
    put("b.txt", TWO)
    embedder = Letters()
    index = Index(SMALL, embedder)
    first = index.update(["docs"])
    before, asked = list(index.chunks), len(embedder.asked)
    assert (first.documents, first.added, first.embedded) == (2, 2, asked)
    assert first.chunks == len(before) > 4
    again = index.update(["docs"])
    assert (again.added, again.moved, again.removed, again.embedded) == (0, 0, 0, 0)
    assert (again.documents, again.chunks) == (2, len(before))
    assert index.chunks == before
    assert len(embedder.asked) == asked


def test_of_a_changed_file_only_the_chunks_that_are_new_are_embedded():
    put("a.md", f"# Lumo\n\n{ONE}")
    embedder = Letters()
    index = Index(TokenChunker(8, 0), embedder)
    index.update(["docs"])
    embedder.asked.clear()
    put("a.md", f"# Lumo\n\n{ONE} Nobody lives there.")
    report = index.update(["docs"])
    assert (report.added, report.removed, report.documents) == (1, 1, 1)
    assert 0 < report.embedded == len(embedder.asked) < len(index)
    assert not any("two moons" in text for text in embedder.asked)
    check_rows(index)


def test_the_same_text_under_another_heading_has_its_own_vector():
    put("a.md", "# Lumo\n\nfoo bar\n")
    put("b.md", "# Thren\n\nfoo bar\n")
    put("c.txt", "foo bar\n")
    index = Index(TokenChunker(3, 0), Letters())
    index.update(["docs"])
    put("d.txt", "foo bar\n\n")
    put("e.md", "# Kesh\n\nfoo bar\n")
    index.update(["docs"])
    check_rows(index)


def test_a_text_that_is_there_twice_is_embedded_once():
    put("a.txt", "foo bar foo bar foo bar ")
    embedder = Letters()
    index = Index(TokenChunker(2, 0), embedder)
    assert (
        index.update(["docs"]).embedded
        == len(embedder.asked)
        == len(set(embedder.asked))
        < len(index)
    )
    check_rows(index)


def test_a_renamed_file_is_found_under_its_new_name_and_not_embedded_again():
    put("a.md", f"# Lumo\n\n{ONE}")
    index = Index(SMALL, Letters())
    index.update(["docs"])
    os.rename("docs/a.md", "docs/z.md")
    report = index.update(["docs"])
    assert (report.added, report.moved, report.removed, report.embedded) == (0, 1, 0, 0)
    assert {chunk.metadata["source"] for chunk in index.chunks} == {"docs/z.md"}
    assert index.sources == ["docs/z.md"]
    check_rows(index)


def test_the_same_text_in_another_format_has_its_chunks_anew():
    text = f"# Lumo\n\n{ONE}"
    put("a.md", text)
    index = Index(SMALL, Letters())
    index.update(["docs"])
    os.rename("docs/a.md", "docs/a.txt")
    index.update(["docs"])
    fresh = Index(SMALL, Letters())
    fresh.update(["docs"])
    assert content(index) == content(fresh)
    assert not any(chunk.metadata.get("headings") for chunk in index.chunks)
    check_rows(index)


def test_two_files_that_swap_their_texts_are_cited_rightly():
    put("a.txt", ONE)
    put("b.txt", TWO)
    index = Index(SMALL, Letters())
    index.update(["docs"])
    put("a.txt", TWO)
    put("b.txt", ONE)
    report = index.update(["docs"])
    assert (report.moved, report.added, report.removed, report.embedded) == (2, 0, 0, 0)
    assert {c.metadata["source"] for c in index.chunks if "Issin" in c.text} == {"docs/b.txt"}
    check_rows(index)


def test_other_metadata_of_the_same_text_is_taken_over():
    put("a.json", json.dumps({"text": ONE, "year": 1}))
    index = Index(SMALL, Letters())
    index.update(["docs"])
    put("a.json", json.dumps({"text": ONE, "year": 2}))
    assert index.update(["docs"]).embedded == 0
    assert {chunk.metadata["year"] for chunk in index.chunks} == {2}
    check_rows(index)


def test_a_text_in_two_files_is_there_once_until_both_are_gone():
    put("a.txt", ONE)
    put("b.txt", ONE)
    index = Index(SMALL, Letters())
    assert index.update(["docs"]).documents == 1
    size = len(index)
    os.remove("docs/a.txt")
    assert index.update(["docs"]).removed == 0
    assert (len(index), {c.metadata["source"] for c in index.chunks}) == (size, {"docs/b.txt"})
    os.remove("docs/b.txt")
    assert index.update(["docs"]).removed == 1
    assert len(index) == len(index.words) == len(index.store) == 0


@pytest.mark.parametrize("reason", ["binary", "permission"])
def test_a_file_that_cannot_be_read_any_more_keeps_its_old_text(reason, monkeypatch):
    put("a.md", ONE)
    put("b.md", TWO)
    index = Index(SMALL)
    index.update(["docs"])
    before = content(index)
    if reason == "binary":
        Path("docs/a.md").write_bytes(b"%PDF-1.7\n\0\0\0")
    else:
        read = Path.read_bytes

        def refuse(path):
            if path.name == "a.md":
                raise PermissionError(13, "Permission denied")
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", refuse)
    seen = []
    report = index.update(["docs"], seen.append)
    assert content(index) == before
    assert [problem.source for problem in report.problems] == ["docs/a.md"]
    assert seen == report.problems


def test_the_files_of_a_folder_that_cannot_be_read_any_more_stay(monkeypatch):
    put("inner/a.md", ONE)
    index = Index(SMALL)
    index.update(["docs"])
    before = content(index)
    listed = Path.iterdir

    def refuse(path):
        if path.name == "inner":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    for root in ("docs", Path("docs").absolute()):  # however it is named
        assert len(index.update([root]).problems) == 1
        assert content(index) == before


def test_a_file_that_was_emptied_is_forgotten():
    put("a.md", ONE)
    index = Index(SMALL)
    index.update(["docs"])
    put("a.md", " \n")
    assert index.update(["docs"]).removed == 1
    assert (len(index), index.sources) == (0, [])


def test_a_document_that_cannot_be_cut_is_a_problem_and_no_more():
    put("a.txt", "abc X")
    put("b.txt", "abc")
    index = Index(TokenChunker(1, 0, count=lambda text: len(text) + text.count("X")))
    report = index.update(["docs"])
    assert [problem.source for problem in report.problems] == ["docs/a.txt"]
    assert "chunk_size=1" in report.problems[0].reason
    assert (report.documents, report.added, index.sources) == (1, 1, ["docs/b.txt"])


def test_other_folders_stay_when_one_is_updated():
    put("one/a.md", ONE)
    put("two/b.md", TWO)
    index = Index(SMALL)
    index.update(["docs/one", "docs/two"])
    os.remove("docs/two/b.md")
    put("one/c.md", "New.")
    report = index.update(["docs/one"])
    assert (report.added, report.removed, report.documents) == (1, 0, 3)
    assert index.update(["docs/two"]).removed == 1
    assert index.sources == ["docs/one/a.md", "docs/one/c.md"]


def test_a_folder_whose_name_begins_like_another_is_another():
    put("one/a.md", ONE)
    put("one-two/b.md", TWO)
    index = Index(SMALL)
    index.update(["docs/one", "docs/one-two"])
    os.remove("docs/one-two/b.md")
    assert index.update(["docs/one"]).removed == 0


def test_a_copy_outside_takes_over_when_the_original_is_gone():
    put("one/a.md", ONE)
    put("two/a.md", ONE)
    index = Index(SMALL, Letters())
    index.update(["docs/one"])
    assert index.update(["docs/two"]).moved == 0  # the first stays the source while it is there
    assert {chunk.metadata["source"] for chunk in index.chunks} == {"docs/one/a.md"}
    put("one/a.md", TWO)
    report = index.update(["docs/one"])
    assert (report.added, report.moved, report.removed) == (1, 1, 0)
    assert {c.metadata["source"] for c in index.chunks if "Issin" in c.text} == {"docs/two/a.md"}
    check_rows(index)


def test_the_same_folder_by_another_name_is_the_same_folder():
    put("a.md", ONE)
    index = Index(SMALL)
    index.update(["docs"])
    report = index.update([Path("docs").absolute()])
    assert (report.documents, report.moved) == (1, 1)
    assert index.sources == [Path("docs/a.md").absolute().as_posix()]


def test_a_hidden_file_that_was_named_stays_while_it_is_there():
    put(".notes/a.md", ONE)
    index = Index(SMALL)
    index.update(["docs/.notes"])
    assert index.update(["docs"]).removed == 0
    shutil.rmtree("docs/.notes")
    assert index.update(["docs"]).removed == 1


def test_an_index_does_not_index_itself():
    put("a.md", ONE)
    index = Index(SMALL, HashEmbedder(16))
    index.update(["."])
    index.save("docs/my-index")
    report = index.update(["."])
    assert (report.documents, report.problems, index.sources) == (1, [], ["docs/a.md"])


def test_a_path_that_is_not_there_is_an_error_and_nothing_is_read():
    put("a.md", ONE)
    index = Index(SMALL)
    with pytest.raises(FileNotFoundError, match="'docs/b'"):
        index.update(["docs", "docs/b"])
    assert len(index) == 0
    with pytest.raises(TypeError, match=r"\['docs'\]"):
        index.update("docs")


@pytest.mark.parametrize("name", ["docs/one", "docs/one/a.md", Path("docs/one").absolute])
def test_a_path_that_is_not_there_any_more_is_forgotten(name):
    put("one/a.md", ONE)
    put("one-two/b.md", TWO)
    index = Index(SMALL, Letters())
    index.update(["docs"])
    shutil.rmtree("docs/one")
    name = name() if callable(name) else name
    assert index.sources_of(name) == ["docs/one/a.md"]
    report = index.update([name])
    assert (report.removed, report.documents, report.problems) == (1, 1, [])
    assert index.sources == ["docs/one-two/b.md"]
    check_rows(index)
    with pytest.raises(FileNotFoundError, match="one"):
        index.update([name])  # forgotten, and so it is unknown


def test_a_path_that_was_renamed_is_given_with_its_new_name():
    put("one/a.md", ONE)
    index = Index(SMALL, Letters())
    index.update(["docs"])
    os.rename("docs/one", "docs/two")
    report = index.update(["docs/one", "docs/two"])
    assert (report.added, report.moved, report.removed, report.embedded) == (0, 1, 0, 0)
    assert index.sources == ["docs/two/a.md"]


def test_a_path_that_was_never_there_is_an_error_beside_one_that_is_gone():
    put("one/a.md", ONE)
    index = Index(SMALL)
    index.update(["docs"])
    shutil.rmtree("docs/one")
    with pytest.raises(FileNotFoundError, match="'docs/b'"):
        index.update(["docs/one", "docs/b"])
    assert index.sources == ["docs/one/a.md"]


def test_chunks_are_embedded_in_batches(monkeypatch):
    put("a.txt", "".join(f"w{i} " for i in range(3 * BATCH)))
    sizes, done = [], []

    class Watched(Letters):
        def encode_documents(self, texts, progress=False):
            sizes.append(len(texts))
            return super().encode_documents(texts)

    index = Index(TokenChunker(2, 0), Watched())
    index.update(["docs"], on_chunks=done.append)
    assert max(sizes) <= BATCH
    assert sum(done) == len(index) > 2 * BATCH
    assert max(done) == BATCH


def test_documents_are_read_when_they_are_needed(monkeypatch):
    for number in range(4):
        put(f"{number}.txt", "".join(f"w{number}-{i} " for i in range(2 * BATCH)))
    events = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: events.append("read") or read(path))
    Index(TokenChunker(4, 0)).update(["docs"], on_chunks=lambda count: events.append("done"))
    assert "done" in events[: len(events) - events[::-1].index("read")]


def test_when_the_embedder_fails_no_document_is_left_half_done():
    put("a.txt", ONE)

    class Failing(Letters):
        fails = False

        def encode_documents(self, texts, progress=False):
            if self.fails and any("last" in text for text in texts):
                raise RuntimeError("no connection")
            return super().encode_documents(texts)

    embedder = Failing()
    index = Index(TokenChunker(2, 0), embedder)
    index.update(["docs"])
    before = content(index)
    put("b.txt", "".join(f"w{i} " for i in range(500)) + "last")
    embedder.fails = True
    with pytest.raises(RuntimeError, match="no connection"):
        index.update(["docs"])
    assert content(index) == before
    check_rows(index)
    embedder.fails = False
    index.update(["docs"])
    fresh = Index(TokenChunker(2, 0), Letters())
    fresh.update(["docs"])
    assert content(index) == content(fresh)


NAMES = st.sampled_from(["a.md", "a.txt", "b.md", "in/c.md", "in/d.txt"])
TEXTS = st.sampled_from(
    [f"# Lumo\n\n{ONE}", f"# Thren\n\n{ONE}", ONE, TWO, f"{TWO}\n\n{ONE}", " ", "x y"]
)
STEPS = st.one_of(
    st.tuples(st.just("write"), NAMES, TEXTS),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("update"), st.sampled_from([["docs"], ["docs/in"], ["docs", "docs/in"]])),
    st.tuples(st.just("reopen")),
)


def act(step, index):
    match step:
        case ("write", name, text):
            put(name, text)
        case ("delete", name):
            Path("docs", name).unlink(missing_ok=True)
        case ("rename", old, new) if Path("docs", old).exists():
            Path("docs", new).parent.mkdir(exist_ok=True)
            Path("docs", old).replace(Path("docs", new))
        case ("update", roots):
            Path("docs/in").mkdir(exist_ok=True)
            index.update(roots)
        case ("reopen",):
            index.save("saved")
            return Index.open("saved", Letters())
    return index


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(STEPS, max_size=12))
def test_after_any_changes_an_updated_index_is_what_a_new_one_would_be(steps):
    shutil.rmtree("docs")
    Path("docs").mkdir()
    index = Index(SMALL, Letters())
    for step in steps:
        index = act(step, index)
        check_rows(index)
    index.update(["docs"])
    check_rows(index)
    fresh = Index(SMALL, Letters())
    fresh.update(["docs"])
    assert content(index) == content(fresh)
    assert sorted(index.sources) == sorted(fresh.sources)
    for query in ("moons of Lumo", "站长"):
        found, wanted = (
            {hit.chunk.id: hit.score for hit in each.retriever("bm25").retrieve(query, 99)}
            for each in (index, fresh)
        )
        assert found == pytest.approx(wanted, rel=1e-5)


# --- Rows. ---


def test_rows_are_found_by_document_after_any_change():
    def chunk(name, text):
        document = Document.of(name, {"source": name})
        return replace(Chunk.of(document, 0, len(name), {"source": name}), text=text)

    rows = Rows()
    chunks = [chunk(name, f"text {name}") for name in "abc"]
    rows.add(chunks[:2])
    assert rows.of_document(chunks[1].doc_id) == [1]
    rows.add(chunks[2:])
    assert rows.of_document(chunks[2].doc_id) == [2]
    rows.remove([0])
    assert rows.of_document(chunks[2].doc_id) == [1]
    assert rows.of_document(chunks[0].doc_id) == []
    rows.remove([])
    assert rows.chunks == chunks[1:]


def test_a_vector_is_only_used_again_for_what_it_was_made_of():
    def under(heading, source):
        document = Document.of("foo bar", {"source": source})
        chunk = Chunk.of(document, 0, 7, {"source": source, "headings": [heading]})
        return replace(chunk, id=content_hash(heading + source))

    rows = Rows(Letters())
    rows.add([under("Lumo", "a.md"), under("Thren", "b.md"), under("Kesh", "c.md")])
    rows.replace([0], [replace(under("Lumo", "a.md"), metadata={**under("Lumo", "z.md").metadata})])
    rows.remove([2])
    rows.add([under("Lumo", "d.md"), under("Thren", "e.md")])
    texts = [search_text(chunk) for chunk in rows.chunks]
    assert texts == [f"{name}\nfoo bar" for name in ("Lumo", "Thren", "Lumo", "Thren")]
    vectors = Letters().encode_documents(texts)
    hits = rows.store.search(vectors[0], 4)
    scores = {hit.chunk.id: hit.score for hit in hits}
    assert [scores[chunk.id] for chunk in rows.chunks] == pytest.approx(vectors @ vectors[0])


# --- The hash embedder. ---


def test_a_hash_embedder_learns_new_words_at_each_update():
    put("a.txt", ONE)
    index = Index(SMALL, HashEmbedder(256))
    index.update(["docs"])
    put("b.txt", "The zorblax hums.")
    index.update(["docs"])
    assert index.embedder.num_fitted == len(index)
    assert "zorblax" in index.retriever("dense").retrieve("zorblax", 1)[0].chunk.text
    os.remove("docs/b.txt")
    index.update(["docs"])
    assert not index.embedder.encode_query("zorblax").any()


def test_a_hash_embedder_does_not_learn_again_what_it_knows(monkeypatch):
    put("a.txt", ONE)
    index = Index(SMALL, HashEmbedder(16))
    index.update(["docs"])
    index.save("saved")
    monkeypatch.setattr(HashEmbedder, "fit", lambda *_: pytest.fail("fitted again"))
    index.update(["docs"])
    Index.open("saved", HashEmbedder(16)).update(["docs"])


def test_a_hash_embedder_is_fitted_when_the_index_is_opened():
    put("a.txt", ONE)
    put("b.txt", TWO)
    index = Index(SMALL, HashEmbedder(256))
    index.update(["docs"])
    index.save("saved")
    again = Index.open("saved", HashEmbedder(256))
    query = index.embedder.encode_query("the larger moon")
    assert np.array_equal(again.embedder.encode_query("the larger moon"), query)
    assert not np.array_equal(HashEmbedder(256).encode_query("the larger moon"), query)


# --- Searching. ---


def test_the_mode_is_hybrid_with_vectors_and_bm25_without():
    put("a.txt", ONE)
    words, both = Index(SMALL), Index(SMALL, Letters())
    for index in (words, both):
        index.update(["docs"])
    assert type(words.retriever()).__name__ == type(both.retriever("bm25")).__name__
    assert type(words.retriever()).__name__ == "BM25Retriever"
    assert type(both.retriever()).__name__ == "HybridRetriever"
    assert type(both.retriever("dense")).__name__ == "DenseRetriever"
    for mode in ("dense", "hybrid"):
        with pytest.raises(ValueError, match=f"mode='{mode}' needs vectors"):
            words.retriever(mode)


def test_words_of_the_headings_are_found():
    put("a.md", f"# Zorblax\n\n{ONE}")
    index = Index(SMALL)
    index.update(["docs"])
    assert len(index.retriever().retrieve("zorblax", 99)) == len(index) > 2


# --- Saving and opening. ---


@pytest.mark.parametrize(
    "embedder", [None, Letters(), HashEmbedder(32)], ids=["no", "fake", "hash"]
)
def test_a_saved_index_opens_as_it_was(embedder):
    put("a.md", f"# Lumo\n\n{ONE}")
    put("b.txt", TWO)
    index = Index(SMALL, embedder)
    index.update(["docs"])
    index.save("saved")
    again = Index.open("saved", embedder)
    assert again.chunks == index.chunks
    assert again.sources == index.sources
    assert again.settings == index.settings == read_settings("saved")
    assert again.chunker == SMALL
    for query in ("the moon Issin", "站长是谁"):
        assert again.retriever().retrieve(query, 5) == index.retriever().retrieve(query, 5)
    report = again.update(["docs"])
    assert (report.added, report.embedded) == (0, 0)


def test_an_empty_index_can_be_saved_and_filled_later():
    for embedder in (None, Letters()):
        Index(SMALL, embedder).save("saved")
        index = Index.open("saved", embedder)
        assert index.retriever().retrieve("moon", 3) == []
        put("a.txt", ONE)
        assert index.update(["docs"]).chunks == len(index) > 0


def test_an_index_says_how_it_was_made():
    assert Index(SMALL).settings == Settings("none", 8, 2)
    assert Index(SMALL, HashEmbedder(16)).settings == Settings("hash:16", 8, 2, "hash-1-16", 16)
    assert Index(SMALL, HashEmbedder()).settings.choice == "hash"
    assert Index(SMALL, Letters(), "my/model").settings == Settings("my/model", 8, 2, "letters", 26)


def test_an_index_opened_without_its_vectors_is_for_searching_by_words():
    put("a.txt", ONE)
    index = Index(SMALL, Letters())
    index.update(["docs"])
    index.save("saved")
    words = Index.open("saved")
    assert (
        words.retriever().retrieve("Issin", 1)[0].chunk
        == index.retriever("bm25").retrieve("Issin", 1)[0].chunk
    )
    with pytest.raises(ValueError, match="vectors of 'letters'"):
        words.update(["docs"])
    with pytest.raises(ValueError, match="vectors of 'letters'"):
        words.save("saved")


def test_another_embedder_is_refused():
    put("a.txt", ONE)
    index = Index(SMALL, HashEmbedder(16))
    index.update(["docs"])
    index.save("saved")
    with pytest.raises(ValueError, match="hash-1-16"):
        Index.open("saved", Letters())
    with pytest.raises(ValueError, match="hash-1-16"):
        Index.open("saved", HashEmbedder(32))
    words = Index(SMALL)
    words.save("words")
    with pytest.raises(ValueError, match="has no vectors"):
        Index.open("words", Letters())


def test_a_changed_byte_in_any_file_is_an_error():
    put("a.txt", ONE)
    index = Index(SMALL, HashEmbedder(16))
    index.update(["docs"])
    index.save("saved")
    names = {path.name for path in current_generation("saved").iterdir()}
    assert names == {
        "chunks.jsonl",
        "words.npz",
        "hash.npz",
        "sources.json",
        "meta.json",
        "vectors.npy",
    }
    for name in names:
        file = current_generation("saved", verify=False) / name
        good = file.read_bytes()
        file.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
        with pytest.raises(IndexDamaged, match="index the documents again"):
            Index.open("saved", HashEmbedder(16))
        file.write_bytes(good)
    assert len(Index.open("saved", HashEmbedder(16))) == len(index)


def test_what_is_no_index_is_an_error():
    with pytest.raises(FileNotFoundError, match="no index in docs"):
        Index.open("docs")
    VectorStore(4, "m").persist("store")
    for read in (Index.open, read_settings):
        with pytest.raises(ValueError, match=r"tiny_rag vectors 1.*give the folder of an index"):
            read("store")


def test_nothing_in_an_index_is_pickled():
    put("a.md", ONE)
    index = Index(SMALL, HashEmbedder(16))
    index.update(["docs"])
    index.save("saved")
    for file in current_generation("saved").glob("*.np[yz]"):
        loaded = np.load(file, allow_pickle=False)
        arrays = loaded.values() if file.suffix == ".npz" else [loaded]
        assert all(array.dtype != object for array in arrays)


def test_chunk_ids_do_not_change_with_the_path():
    put("a.md", ONE)
    index = Index(SMALL)
    index.update(["docs"])
    assert index.chunks[0].id == content_hash(f"{content_hash(ONE)}:0:{index.chunks[0].end}")

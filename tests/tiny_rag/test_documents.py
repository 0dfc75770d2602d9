"""Documents, and how a folder of them is read: in order, each file on its own, nothing silently."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.documents import (
    Chunk,
    Document,
    Problem,
    content_hash,
    load_path,
    page_of,
)

PROPERTY = settings(deadline=None)
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the file names of Linux")


def load(path):
    """The documents as (source, text), and the problems as strings."""
    problems = []
    documents = list(load_path(path, problems.append))
    return [(d.metadata["source"], d.text) for d in documents], [str(p) for p in problems]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder with a folder `docs`: sources are given as relative paths."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    return Path("docs")


# --- Names. ---


def test_a_hash_is_blake2b_of_the_utf8():
    text = "星 star"
    expected = hashlib.blake2b("星 star".encode(), digest_size=16).hexdigest()
    assert content_hash(text) == expected
    assert len(expected) == 32


@PROPERTY
@given(st.text(st.characters(), max_size=5), st.text(st.characters(), max_size=5))
def test_texts_have_the_same_hash_if_they_are_the_same(a, b):
    assert (content_hash(a) == content_hash(b)) == (a == b)
    assert content_hash("\ud800") != content_hash("\udfff") != content_hash("?")  # half pairs too


def test_a_chunk_is_a_piece_of_its_document_and_named_by_its_place():
    document = Document.of("aabb", {"source": "a.txt"})
    assert document.id == content_hash("aabb")
    first, second, again = (Chunk.of(document, *span, {}) for span in ((0, 1), (1, 2), (0, 1)))
    assert (first.text, first.start, first.end, first.doc_id) == ("a", 0, 1, document.id)
    assert first.text == second.text
    assert first.id == again.id != second.id
    other = Document.of("aabc", {})
    assert Chunk.of(other, 0, 1, {}).id != first.id


# --- Pages. ---


def test_a_page_reaches_up_to_the_next():
    document = Document.of("one\ntwo\nthree\n", {"pages": [0, 4, 8]})
    pages = [page_of(document, offset) for offset in (0, 3, 4, 7, 8, 14)]
    assert pages == [1, 1, 2, 2, 3, 3]


def test_a_page_without_text_is_on_no_offset():
    document = Document.of("one\nfour\n", {"pages": [0, 4, 4, 4]})
    assert [page_of(document, offset) for offset in (3, 4)] == [1, 4]


def test_pages_may_not_be_known_and_offsets_may_be_wrong():
    document = Document.of("one", {})
    assert page_of(document, 0) is None
    for offset in (-1, 4):
        with pytest.raises(ValueError, match=f"offset={offset} must be from 0 to 3"):
            page_of(document, offset)


# --- Folders. ---


def test_all_files_below_a_folder_are_read_in_the_order_of_their_names(folder):
    for name in ("b.txt", "a/z.MD", "a/b/y.Txt", "c/x.txt", "B.txt", "中.txt", "a.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"text of {name}")
    documents, problems = load("docs")
    names = ["B.txt", "a/b/y.Txt", "a/z.MD", "a.txt", "b.txt", "c/x.txt", "中.txt"]
    assert documents == [(f"docs/{name}", f"text of {name}") for name in names]
    assert problems == []
    assert load("./docs/") == load(folder) == (documents, [])


def test_the_source_is_the_path_as_it_was_given(folder):
    (folder / "a.txt").write_text("a")
    for path in ("docs", "docs/a.txt", Path("docs")):
        assert load(path)[0] == [("docs/a.txt", "a")]
    assert load("docs/../docs")[0] == [("docs/../docs/a.txt", "a")]
    assert load(folder.absolute())[0] == [(f"{folder.absolute().as_posix()}/a.txt", "a")]
    os.chdir(folder)
    assert load(".")[0] == [("a.txt", "a")]


def test_hidden_files_are_passed_over_unless_asked_for(folder):
    (folder / ".git").mkdir()
    for name in (".git/a.txt", ".hidden.txt", "b.txt"):
        (folder / name).write_text(name)
    assert load("docs") == ([("docs/b.txt", "b.txt")], [])
    assert load("docs/.hidden.txt") == ([("docs/.hidden.txt", ".hidden.txt")], [])
    assert load("docs/.git") == ([("docs/.git/a.txt", ".git/a.txt")], [])


def test_a_file_of_no_known_format_is_reported_and_read_only_if_it_is_asked_for(folder):
    (folder / "notes.org").write_text("* heading")
    (folder / "README").write_text("read me")
    documents, problems = load("docs")
    assert documents == []
    assert [problem.split(" .txt")[0] for problem in problems] == [
        "docs/README: is of no known format; the extensions are",
        "docs/notes.org: is of no known format; the extensions are",
    ]
    assert ".pdf" in problems[0]
    assert load("docs/notes.org") == ([("docs/notes.org", "* heading")], [])


def test_no_file_stops_the_others(folder):
    files = {
        "a.txt": b"a",
        "b.txt": bytes(range(256)) * 9,  # binary
        "c.txt": b"",
        "d.txt": "\r\n　 \n".encode(),
        "e.pdf": b"%PDF-1.4 broken",
        "f.docx": b"broken",
        "g.json": b"{",
        "h.jsonl": b'{"text": "h"}\n{"text": "',
        "i.txt": b"%PDF-1.4",
        "z.html": b"<p>z",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    documents, problems = load("docs")
    assert documents == [("docs/a.txt", "a"), ("docs/h.jsonl", "h"), ("docs/z.html", "z")]
    reasons = {problem.split(": ", 1)[0]: problem.split(": ", 1)[1] for problem in problems}
    bad = [f"docs/{name}" for name in sorted(files) if name[0] not in "az"]
    assert [name.split(",")[0] for name in reasons] == bad
    assert reasons["docs/b.txt"].startswith("is no text")
    assert reasons["docs/c.txt"] == reasons["docs/d.txt"] == "has no text"
    assert reasons["docs/h.jsonl, line 2"].startswith("is no JSON")


def test_a_folder_may_look_like_a_file_and_hold_nothing(folder):
    (folder / "a.txt").mkdir()
    (folder / "b.pdf").mkdir()
    (folder / "b.pdf" / "c.txt").write_text("c")
    assert load("docs") == ([("docs/b.pdf/c.txt", "c")], [])


def test_links_are_followed_but_not_in_circles(folder):
    (folder / "a").mkdir()
    (folder / "a" / "x.txt").write_text("x")
    (folder / "a" / "up").symlink_to("..")
    (folder / "b").symlink_to("a")
    (folder / "self.txt").symlink_to("self.txt")
    (folder / "y.txt").symlink_to("a/x.txt")
    (folder / "z.txt").symlink_to("none")
    documents, problems = load("docs")
    assert documents == [("docs/a/x.txt", "x"), ("docs/y.txt", "x")]
    assert problems == [
        "docs/a/up: is a link to a folder that was already read",
        "docs/b: is a link to a folder that was already read",
        "docs/self.txt: cannot be read: Too many levels of symbolic links",
        "docs/z.txt: cannot be read: No such file or directory",
    ]


@ON_LINUX
def test_what_the_system_will_not_read_is_reported(folder):
    (folder / "a.txt").symlink_to("/proc/self/mem")  # can be opened, not read from its start
    (folder / "b.txt").write_text("b")
    os.mkfifo(folder / "c.txt")  # reading it would wait for ever
    documents, problems = load("docs")
    assert documents == [("docs/b.txt", "b")]
    assert problems == [
        "docs/a.txt: cannot be read: Input/output error",
        "docs/c.txt: is no regular file",
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_files_and_folders_without_permission_are_reported(folder):
    (folder / "a").mkdir(mode=0)
    (folder / "b.txt").write_text("b")
    (folder / "b.txt").chmod(0)
    (folder / "c.txt").write_text("c")
    documents, problems = load("docs")
    (folder / "a").chmod(0o700)
    assert documents == [("docs/c.txt", "c")]
    assert [problem.split(": ", 1)[1] for problem in problems] == [
        "cannot be read: Permission denied"
    ] * 2


@ON_LINUX
def test_a_name_in_another_encoding_is_shown_as_far_as_it_goes(folder):
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xd6\xd0.txt"))).write_text("a")
    documents, _ = load("docs")
    assert documents == [("docs/\ufffd\ufffd.txt", "a")]
    json.dumps(documents, ensure_ascii=False).encode()


# --- The iterator. ---


def test_a_path_that_does_not_exist_is_an_error_at_once(folder):
    with pytest.raises(FileNotFoundError, match="there is no file or folder 'docs/none'"):
        load_path("docs/none")


def test_files_are_read_when_their_turn_comes(folder):
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    documents = load_path("docs")
    assert next(documents).text == "a"
    (folder / "b.txt").write_text("later")
    assert next(documents).text == "later"


def test_without_a_listener_problems_are_warnings(folder):
    (folder / "a.txt").write_text("")
    (folder / "b.txt").write_text("b")
    with pytest.warns(UserWarning, match=r"docs/a\.txt: has no text"):
        assert [document.text for document in load_path("docs")] == ["b"]


def test_a_listener_may_stop_the_reading(folder):
    (folder / "a.json").write_text('[{}, {"text": "a"}]')

    def strict(problem):
        raise RuntimeError(str(problem))

    with pytest.raises(RuntimeError, match="item 1"):
        list(load_path("docs", strict))


def test_a_problem_names_its_page():
    assert str(Problem("a.pdf", "is broken", 3)) == "a.pdf, page 3: is broken"
    assert str(Problem("a.pdf", "is broken")) == "a.pdf: is broken"


def test_a_bad_line_of_jsonl_and_a_bad_item_of_json_are_named(tmp_path):
    (tmp_path / "docs.jsonl").write_text('{"text": "a"}\nplain\n', encoding="utf-8")
    (tmp_path / "docs.json").write_text('[{"text": "b"}, 3]', encoding="utf-8")
    problems = []
    assert [document.text for document in load_path(tmp_path, problems.append)] == ["b", "a"]
    item, line = problems
    assert (line.page, line.line, item.item) == (None, 2, 2)
    assert str(line).endswith("docs.jsonl, line 2: is no JSON (character 1: Expecting value)")
    assert str(item).endswith(
        'docs.json, item 2: is no document: it must be {"text": "...", other fields}'
    )


def test_documents_that_were_written_as_json_come_back(folder):
    made = [
        Document.of("# 甲\n", {"source": "a.md", "headings": [[0, 1, "甲"]]}),
        Document.of("one\ntwo\n", {"source": "b.pdf", "pages": [0, 4, 4], "title": "t"}),
    ]
    lines = [json.dumps(dataclasses.asdict(document)) for document in made]
    (folder / "a.jsonl").write_text("\n".join(lines))
    found = list(load_path("docs"))
    assert [document.id for document in found] == [document.id for document in made]
    assert found[0].metadata["headings"] == [[0, 1, "甲"]]
    assert page_of(found[1], 5) == 3
    assert [document.metadata["source"] for document in found] == ["docs/a.jsonl"] * 2
    assert [document.metadata["origin"] for document in found] == ["a.md", "b.pdf"]


@PROPERTY
@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4), st.text())
def test_whatever_a_json_document_holds_its_metadata_can_be_written_again(
    tmp_path_factory, x, text
):
    file = tmp_path_factory.mktemp("json") / "a.json"
    file.write_text(json.dumps({"text": text + "x", "x": x, "pages": [], "source": x}))
    (document,) = load_path(file)
    assert json.loads(json.dumps(document.metadata, ensure_ascii=False).encode())["x"] == x
    assert document.text == text + "x"


def test_reading_imports_a_parser_only_where_it_is_needed():
    code = "import sys, tiny_rag.documents; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pypdf", "docx", "lxml", "bs4", "torch", "charset_normalizer"}
    assert not heavy & set(run.stdout.split())

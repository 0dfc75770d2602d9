"""Reading the citations of an answer, and taking out those of passages that do not exist."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiny_rag.chunking import TokenChunker
from tiny_rag.citations import (
    Citation,
    parse_citations,
    strip_unknown,
    strip_unknown_stream,
)
from tiny_rag.documents import Chunk, Document, Hit

PROPERTY = settings(max_examples=300, derandomize=True, deadline=None)
ANY = 9999
# Everything that citations are made of, and little else: nested and broken ones are frequent.
SNIPPETS = st.sampled_from(
    [
        *"[]【】［］129１９0,，、-– \n\t^a火。",
        "12",
        "  ",
        "[1]",
        "[9]",
        "[1,9]",
        "[2-9]",
        "(1)",
        "[a]",
    ]
)
TEXTS = st.lists(SNIPPETS, max_size=14).map("".join)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Red [1].", [1]),
        ("红色[2]。", [2]),
        ("[1,2]", [1, 2]),
        ("[1, 2]", [1, 2]),
        ("[1][2]", [1, 2]),
        ("【1】", [1]),
        ("［１］", [1]),
        ("［１，２］", [1, 2]),
        ("【1、3】", [1, 3]),
        ("[1; 2]", [1, 2]),
        ("[ 1 ]", [1]),
        ("[1-3]", [1, 2, 3]),
        ("[2–3, 1]", [2, 3, 1]),
        ("[^2]", [2]),
        ("[[3]]", [3]),
        ("[1](https://example.org)", [1]),
        ("[01]", [1]),
    ],
)
def test_the_ways_in_which_models_write_citations(text, numbers):
    assert parse_citations(text, 3) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "(1)",
        "[a]",
        "[]",
        "[,]",
        "[1",
        "1]",
        "[x1]",
        "[1.5]",
        "[-1]",
        "{1}",
        "[1 2]",
        "[３万]",
    ],
)
def test_what_is_no_citation(text):
    assert parse_citations(text, 3) == []
    assert strip_unknown(text, 0) == text


def test_numbers_come_once_in_the_order_of_the_text():
    assert parse_citations("C [3]. A [1], B [2, 3]. A [1].", 3) == [3, 1, 2]


@pytest.mark.parametrize(
    "text", ["[0]", "[4]", "[2140]", "[3-1]", "[99999]", "[4-9]", f"[{'9' * 5000}]"]
)
def test_numbers_of_no_passage_are_dropped(text):
    assert parse_citations(text, 3) == []


def test_the_known_part_of_a_range_stays():
    assert parse_citations("[2-9999]", 3) == [2, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Red [1, 7]. Cold [9].", "Red [1]. Cold."),
        ("红[1]，冷[9]。", "红[1]，冷。"),
        ("红【1，9、2】。", "红[1, 2]。"),
        ("A  [9] B", "A B"),
        ("A\n[9]\nB", "A\n\nB"),
        ("[9]", ""),
        ("[1]【2】［１］", "[1]【2】［１］"),  # what is known stays as it was written
        ("[1,2] [ 1 ] [1-2]", "[1,2] [ 1 ] [1-2]"),
        ("[1-9]", "[1, 2]"),
        ("[9][1]", "[1]"),
    ],
)
def test_unknown_numbers_go_and_all_else_stays(text, expected):
    assert strip_unknown(text, 2) == expected


def test_zero_passages_leave_no_citation():
    assert strip_unknown("Red [1], cold 【2】 (3).", 0) == "Red, cold (3)."


@PROPERTY
@given(TEXTS, st.integers(0, 3))
@example("[1[9]]", 3)
@example("[[9]1]", 3)
@example("[1,[9]2]", 3)
@example("[1[9] [9]]", 3)
def test_the_stripped_text_cites_exactly_the_known_passages(text, n):
    stripped = strip_unknown(text, n)
    assert parse_citations(stripped, ANY) == parse_citations(text, n)
    assert strip_unknown(stripped, n) == stripped


@PROPERTY
@given(TEXTS)
def test_only_citations_and_the_space_before_them_go(text):
    # The oracle: letters outside of brackets, which no citation has.
    kept = re.sub(r"[^a火。]", "", strip_unknown(text, 0))
    assert kept == re.sub(r"[^a火。]", "", text)


@PROPERTY
@given(st.lists(TEXTS, max_size=6), st.integers(0, 3))
@example(["Red [", "9", "]. Cold [1", "]."], 2)
@example(["Red", " ", " [9]."], 2)
@example(["[1,", "[9]", "2]"], 2)
def test_a_stream_is_stripped_as_the_whole_would_be(pieces, n):
    shown = list(strip_unknown_stream(pieces, n))
    assert "".join(shown) == strip_unknown("".join(pieces), n)
    assert "" not in shown


def test_a_stream_character_by_character_never_shows_an_unknown_number():
    text = "红[1, 9]，冷 [99]。end"
    shown = list(strip_unknown_stream(text, 1))
    assert "".join(shown) == "红[1]，冷。end"
    assert not any("9" in piece for piece in shown)


def test_a_stream_holds_back_no_more_than_a_citation():
    seen = []
    pieces = strip_unknown_stream(iter(["Red is ", "the ", "star [", "1", "]. And"]), 1)
    for piece in pieces:
        seen.append(piece)
        if "".join(seen).endswith("star"):
            break
    assert "".join(seen) == "Red is the star"
    assert next(pieces) == " [1]. And"


# --- Places. ---


DOCUMENT = Document.of("前言。砚星是橙色的。它很老。", {"source": "sky.pdf", "pages": [0, 3]})


def hit(start, end, **metadata):
    return Hit(Chunk.of(DOCUMENT, start, end, {"source": "sky.pdf", **metadata}), 1.0)


def test_a_part_of_a_chunk_is_cited_with_the_offsets_of_the_document():
    citation = Citation.of(1, hit(3, 14, page=2), 7, 11)
    assert citation.quote == "它很老。"
    assert DOCUMENT.text[citation.start : citation.end] == "它很老。"


def test_a_quote_is_on_the_page_on_which_it_starts():
    (chunk,) = TokenChunker().split(DOCUMENT)  # page 2 begins inside it
    whole = Citation.of(1, Hit(chunk, 1.0))
    second = Citation.of(1, Hit(chunk, 1.0), 3, 10)
    assert (whole.page, second.page, second.quote) == (1, 2, "砚星是橙色的。")
    assert (whole.last_page, second.last_page) == (2, 2)
    first = Citation.of(1, Hit(chunk, 1.0), 0, 3)
    assert (first.page, first.last_page) == (1, 1)
    assert Citation.of(1, hit(0, 3)).last_page is None

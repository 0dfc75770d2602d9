"""Where in a passage a model's answer has its support, and which sentences have none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.chunking import TokenChunker
from tiny_rag.citations import parse_citations
from tiny_rag.documents import Document, Hit
from tiny_rag.support import cite, claims, uncited

PAGE_5 = "This lease is between two parties. The monthly rent is EUR 2,340, payable in advance. "
PAGE_6 = "The deposit is three months' rent. The lease may be terminated with six months' notice."
LEASE = Document.of(PAGE_5 + PAGE_6, {"source": "lease.pdf", "pages": [0] * 5 + [len(PAGE_5)]})
CHINESE = Document.of("前言。砚星是橙色的。它有两颗卫星。", {"source": "sky.md"})
HITS = [Hit(TokenChunker().split(document)[0], 1.0) for document in (LEASE, CHINESE)]
QUESTION = "What does the lease say?"


def places(text, question=QUESTION):
    return [(c.number, c.page, c.last_page, c.quote) for c in cite(text, question, HITS)]


@pytest.mark.parametrize(
    ("answer", "page", "quote"),
    [
        ("It is 2,340 euros a month [1].", 5, "The monthly rent is EUR 2,340, payable in advance."),
        ("You pay a deposit of three rents. [1]", 6, "The deposit is three months' rent."),
        ("Give notice six months before [1].", 6, PAGE_6[PAGE_6.index("The lease") :]),
    ],
)
def test_a_citation_is_the_sentence_that_supports_its_sentence_and_the_page_of_that(
    answer, page, quote
):
    assert places(answer) == [(1, page, page, quote)]


def test_each_sentence_of_the_answer_has_its_own_place_and_each_place_comes_once():
    text = "The rent is 2,340 [1]. The deposit is three rents [1]. Yes, three rents of deposit [1]."
    assert [page for _, page, _, _ in places(text)] == [5, 6]
    assert places("砚星是橙色的[2]，租金是 2340 [1]。")[0] == (2, None, None, "砚星是橙色的。")


def test_where_no_sentence_stands_out_it_is_the_whole_passage_with_all_its_pages():
    whole = (1, 5, 6, LEASE.text)
    assert places("Ja, durchaus [1].", "Wirklich?") == [whole]
    everything = "Parties, advance, EUR, deposit, three, terminated, notice, six [1]."
    assert places(everything, "Wirklich?") == [whole]


def test_the_words_of_the_question_help_where_the_answer_has_none_of_its_own():
    assert places("Three [1].", "How much is the deposit?")[0][3].startswith("The deposit")
    assert places("Ja [1].", "How much is the deposit?")[0][3].startswith("The deposit")


def test_a_quote_is_at_its_place_in_the_document():
    (citation,) = cite("The deposit is three rents [1].", QUESTION, HITS)
    assert LEASE.text[citation.start : citation.end] == citation.quote


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Red [1]. Cold [2].", [("Red", [1]), ("Cold", [2])]),
        ("Red. [1] Cold. [2]", [("Red", [1]), ("Cold", [2])]),
        ("Red.[1][2] Cold.", [("Red", [1, 2]), ("Cold", [])]),
        ("红。[1]冷[2, 9]。热", [("红", [1]), ("冷", [2]), ("热", [])]),
        ("[1] says red.", [("says red", [1])]),
        ("- Red [1]\n- Cold [2]", [("- Red", [1]), ("- Cold", [2])]),
        ("", []),
    ],
)
def test_a_citation_belongs_to_the_sentence_it_stands_in_or_behind(text, expected):
    assert [(said.rstrip(" .。"), numbers) for said, numbers in claims(text, 2)] == expected


@given(st.lists(st.sampled_from([*"a红.。 \n-", "[1]", "[2]", "[3]", "Ab"])).map("".join))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_no_citation_is_lost(text):
    found = {number for _, numbers in claims(text, 2) for number in numbers}
    held = any(said.strip() for said, _ in claims(text, 2))
    assert found == (set(parse_citations(text, 2)) if held else set())
    assert {citation.number for citation in cite(text, "a", HITS)} == found


def test_sentences_that_cite_nothing_are_named():
    text = "The passages say:\n\nIt is red [1]. It\nis cold [9]. ... It is new. [2]"
    assert uncited(text, 2) == ["It is cold ."]
    assert uncited("红[1]。冷。", 2) == ["冷。"]
    assert uncited("Red [1].", 2) == uncited("", 2) == []

"""Where the sentences of a text are."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.documents import Chunk, Document, Hit
from tiny_rag.sentences import sentence_spans, sentences_of

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)


def sentences(text):
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is. Two is!", ["One is.", "Two is!"]),
        ("一是。二是！三是", ["一是。", "二是！", "三是"]),
        ("他说：“好。”走了。", ["他说：“好。”", "走了。"]),
        ("Dr. Vey saw 3.14 m. He left.", ["Dr. Vey saw 3.14 m.", "He left."]),
        ("# Title\nText goes\non.", ["# Title", "Text goes\non."]),
        ("Text\n\nMore", ["Text", "More"]),
        ("List:\n- one\n- two", ["List:", "- one", "- two"]),
        (
            "As in\n| a. B | c |\n|---|\n| d |\ntold.",
            ["As in", "| a. B | c |", "|---|", "| d |", "told."],
        ),
        ("It is |x| or |y. Z|.", ["It is |x| or |y.", "Z|."]),
        ("Is # a heading?", ["Is # a heading?"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_where_sentences_end(text, expected):
    assert sentences(text) == expected


@PROPERTY
@given(st.text(st.sampled_from("ab火。.！ \n\r#-1”|")))
def test_sentences_are_in_order_and_hold_all_but_white_space(text):
    spans = sentence_spans(text)
    held = "".join(text[start:end] for start, end in spans)
    assert "".join(held.split()) == "".join(text.split())
    assert all(start < end for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_before_a_row_of_a_table_stand_the_names_of_its_columns():
    text = "One. Two.\n\n| a | b |\n|---|---|\n| c | d |\n| e | f |\n\nThree."
    document = Document.of(text, {})
    found = sentences_of([Hit(Chunk.of(document, 0, len(text), {}), 1.0)], str.split)
    before = {sentence.text: sentence.before for sentence in found}
    assert before["| c | d |"] == before["| e | f |"] == {"|", "a", "b"}
    assert before["Two."] == {"One."}
    assert before["Three."] == {"|", "e", "f"}
    assert "| a | b |" not in before

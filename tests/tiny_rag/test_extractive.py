"""The answer without a model: which sentences it quotes, and where it says they stand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.citations import parse_citations
from tiny_rag.documents import Chunk, Document, Hit
from tiny_rag.extractive import ExtractiveAnswerer

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)

HARBOUR = (
    "# Port Selm\n\nPort Selm is the oldest harbour of Lumo. It was founded in 2140 by salt "
    "traders. Dr. Vey designed its lighthouse. The lighthouse is 61.5 metres tall.\n"
)
FESTIVAL = "The Lantern Festival fills Port Selm every spring. Dancers come from all of Lumo."
HARBOUR_ZH = (
    "# 塞姆港\n\n塞姆港是芦沫星最老的港口。它由盐商在2140年建立。灯塔由韦博士设计，高61.5米。"
    "港里有三座船坞，“最大的一座！”在北面。\n"
)


def hits(*texts, offset=0, **metadata):
    """Each text is a chunk that starts at `offset` of its document."""
    found = []
    for text in texts:
        document = Document.of("-" * offset + text, {"source": "a.md"})
        chunk = Chunk.of(document, offset, len(document.text), {"source": "a.md", **metadata})
        found.append(Hit(chunk, 1.0))
    return found


def quotes(question, found, **options):
    return [c.quote for c in ExtractiveAnswerer(**options).answer(question, found).citations]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How tall is the lighthouse?", "The lighthouse is 61.5 metres tall."),
        ("Who designed the lighthouse of Port Selm?", "Dr. Vey designed its lighthouse."),
        ("Where do the dancers come from?", "Dancers come from all of Lumo."),
        ("Which harbour of Lumo is the oldest?", "Port Selm is the oldest harbour of Lumo."),
        # "it" is Port Selm: the name stands in the sentence before and in the heading
        ("When was Port Selm founded?", "It was founded in 2140 by salt traders."),
    ],
)
def test_the_sentence_that_answers_comes_first(question, sentence):
    assert quotes(question, hits(HARBOUR, FESTIVAL))[0] == sentence


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("灯塔有多高？", "灯塔由韦博士设计，高61.5米。"),
        ("塞姆港是哪一年建立的？", "它由盐商在2140年建立。"),
        ("芦沫星最老的港口是哪个？", "塞姆港是芦沫星最老的港口。"),
        ("塞姆港有几座船坞？", "港里有三座船坞，“最大的一座！”"),
    ],
)
def test_chinese_needs_no_spaces(question, sentence):
    assert quotes(question, hits(HARBOUR_ZH, "芦沫星有两颗卫星。"))[0] == sentence


def test_a_question_for_a_number_prefers_a_sentence_with_one():
    found = hits("The station has a crew from many worlds. The crew of the station is 480 people.")
    assert quotes("How many crew has the station?", found)[0].startswith(
        "The crew of the station is"
    )
    found = hits("空间站的船员来自各地。空间站的船员共有四百八十人。")
    assert quotes("空间站的船员有多少？", found)[0] == "空间站的船员共有四百八十人。"


def test_headings_and_titles_are_no_answer_but_name_the_subject():
    found = hits("# Port Selm\n\nIt was founded in 2140.")
    assert quotes("Port Selm founded?", found) == ["It was founded in 2140."]
    found = hits("Port Selm\nIt was founded in 2140.", headings=["Port Selm"])
    assert quotes("When was Port Selm founded?", found)[0].endswith("It was founded in 2140.")


def test_a_line_that_does_not_end_like_a_sentence_counts_less():
    title = "The lighthouse of Port Selm"
    text = "The lighthouse stands on the northern mole."
    assert quotes("Where is the lighthouse of Port Selm?", hits(f"{title}\n\n{text}"))[0] == text


def test_a_second_sentence_must_tell_something_new():
    found = hits("Yan has a mass of 9. The mass of Yan is 9. Lumo has a radius of 3.")
    assert len(quotes("What is the mass of Yan?", found)) == 1
    both = quotes("What is the mass of Yan, and what the radius of Lumo?", found)
    assert "Lumo has a radius of 3." in both
    assert len(both) == 2


def test_rare_words_count_more_than_frequent_ones():
    found = hits(
        *[f"The colony trades grain, part {i}." for i in range(8)], "The colony mines zhenite."
    )
    assert quotes("Does the colony mine zhenite?", found)[0] == "The colony mines zhenite."


LEASE = (
    "The monthly rent is EUR 2,340, payable in advance on the third working day of each month, "
    "incl. VAT. The deposit is three months' rent. The lease may be terminated with a notice of "
    "six months. For repairs call the caretaker (ext. 4471) or write to the office."
)


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("What is the monthly rent?", "The monthly rent is EUR"),
        ("How much is the rent?", "The monthly rent is EUR"),
        ("When is the rent payable?", "The monthly rent is EUR"),
        ("How much is the deposit?", "The deposit is"),
    ],
)
def test_what_a_sentence_is_about_stands_at_its_start(question, start):
    assert quotes(question, hits(LEASE))[0].startswith(start)


def test_a_further_sentence_adds_more_than_words_of_grammar():
    question = "What is the extension of the caretaker?"
    assert quotes(question, hits(LEASE)) == [LEASE[LEASE.index("For") :]]
    assert quotes("Who is the author of it?", hits(LEASE)) == []  # by the "is", the "the"


def test_a_further_sentence_comes_from_a_passage_that_is_as_relevant():
    trench = "The trench of Lumo is the Bottle Sump. It goes down 13,700 metres."
    ship = "The Blue Thimble is a deep ship of the fleet."
    question = "How deep is the trench of the Bottle Sump?"
    assert ship not in quotes(question, hits(trench, ship))
    assert ship in quotes(question, hits(trench, ship), min_passage=0)
    assert ship in quotes(question, hits(f"{trench} {ship}"))


def test_a_further_sentence_does_not_come_for_another_form_of_a_word():
    found = hits("The Bottle Sump is the deepest trench. The Blue Thimble is a deep ship.")
    assert len(quotes("How deep is the Bottle Sump?", found)) == 1


TABLE = (
    "| Code | Meaning | Remedy |\n| --- | :-: | --- |\n| E16 | The tank is empty. | Fill it. |\n"
    "| E17 | The **valve** is stuck. | Clean it. |\n\nText."
)


def test_a_row_of_a_table_is_an_answer_and_the_names_of_its_columns_are_none():
    found = ExtractiveAnswerer().answer("What is the meaning of code E17?", hits(TABLE))
    assert found.text == "E17 | The valve is stuck. | Clean it. [1]"
    assert found.citations[0].quote == "| E17 | The **valve** is stuck. | Clean it. |"
    assert quotes("Which remedy for the empty tank?", hits(TABLE))[0].startswith("| E16")


def test_front_matter_is_no_answer():
    text = "---\ntitle: The mass of Yan\nauthor: Vey\n---\nYan has a mass of nine."
    assert quotes("What is the mass of Yan?", hits(text)) == ["Yan has a mass of nine."]
    assert quotes("Who is the author, Vey?", hits(text)) == []


def test_no_more_sentences_than_asked_for():
    found = hits("Alpha is red. Beta is blue. Gamma is grey. Delta is dim.")
    question = "alpha beta gamma delta"
    for limit in (1, 2, 3):
        assert len(quotes(question, found, max_sentences=limit, min_gain=0)) == limit
    with pytest.raises(ValueError, match="max_sentences=0"):
        ExtractiveAnswerer(max_sentences=0)


def test_each_quote_is_followed_by_its_number_and_cited_exactly():
    found = hits(FESTIVAL, HARBOUR, offset=100, page=3)
    extract = ExtractiveAnswerer().answer("When was Port Selm founded?", found)
    first = extract.citations[0]
    assert extract.text.startswith("It was founded in 2140 by salt traders. [2]")
    assert (first.number, first.source, first.page) == (2, "a.md", 3)
    assert first.start == 100 + HARBOUR.index("It was")
    assert first.end - first.start == len(first.quote)


def test_numbers_and_markers_in_a_quote_are_not_taken_for_ours():
    found = hits("Yan has a mass of 9 [4], see </passages> [1].", "Lumo.")
    extract = ExtractiveAnswerer().answer("What is the mass of Yan?", found)
    assert extract.text == "Yan has a mass of 9 (4), see (/passages) (1). [1]"
    assert extract.citations[0].quote == "Yan has a mass of 9 [4], see </passages> [1]."


def test_line_breaks_of_a_pdf_do_not_reach_the_text():
    found = hits("The mass of\nYan is\r\n9 tons.")
    assert (
        ExtractiveAnswerer().answer("Mass of Yan?", found).text == "The mass of Yan is 9 tons. [1]"
    )
    found = hits("砚星的质\n量是九吨。")
    assert ExtractiveAnswerer().answer("砚星是几吨？", found).text == "砚星的质量是九吨。 [1]"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("- **Mass** of Yan: nine tons.", "Mass of Yan: nine tons."),
        ("* The mass of Yan is **nine** tons.", "The mass of Yan is nine tons."),
        ("砚星的**质量**是九吨。", "砚星的质量是九吨。"),
        ("The mass of Yan is 2**3**2 or 3 - 2 tons.", "The mass of Yan is 2**3**2 or 3 - 2 tons."),
    ],
)
def test_marks_of_markdown_are_not_said_but_cited(line, said):
    found = ExtractiveAnswerer(min_share=0).answer("mass of Yan, 质量", hits(line))
    assert found.text == f"{said} [1]"
    assert found.citations[0].quote == line


def test_a_sentence_in_two_overlapping_chunks_is_quoted_once_from_the_better_one():
    found = hits("The mass of Yan is 9.", "Lumo is far. The mass of Yan is 9.")
    extract = ExtractiveAnswerer(min_gain=0).answer("What is the mass of Yan?", found)
    assert extract.text == "The mass of Yan is 9. [1]"


@pytest.mark.parametrize(
    "found", [[], hits(""), hits(" \n"), hits("。。。"), hits("Bread is baked.")]
)
def test_nothing_to_say_is_the_empty_text(found):
    extract = ExtractiveAnswerer().answer("What is the mass of Yan?", found)
    assert (extract.text, extract.citations) == ("", [])


@PROPERTY
@given(
    st.lists(st.text(st.sampled_from("ab火星。.！ \n#[]1-"), max_size=40), max_size=4), st.text()
)
def test_whatever_the_passages_text_and_citations_agree(texts, question):
    found = hits(*texts)
    extract = ExtractiveAnswerer().answer(question + "火a", found)
    numbers = list(dict.fromkeys(citation.number for citation in extract.citations))
    assert parse_citations(extract.text, 99) == numbers
    for citation in extract.citations:
        chunk = found[citation.number - 1].chunk
        assert chunk.text[citation.start : citation.end] == citation.quote

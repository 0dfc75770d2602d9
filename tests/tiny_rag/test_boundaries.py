"""Where a text may be cut, and how good each cut is."""

import random
import time
from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.boundaries import (
    CodeBlock,
    Heading,
    Strength,
    boundary_strengths,
    code_blocks,
    weaken,
)

PROPERTY = settings(max_examples=200, derandomize=True, deadline=None)


def pieces(text, least, headings=()):
    """The text, cut wherever a cut is at least as good as `least`; "|" joins the pieces."""
    strengths = boundary_strengths(text, headings)
    places = [place for place in range(1, len(text)) if strengths[place] >= least]
    return "|".join(text[a:b] for a, b in pairwise([0, *places, len(text)]))


def assert_cut(marked, least):
    assert pieces(marked.replace("|", ""), least) == marked


# --- Sentences. ---


@pytest.mark.parametrize(
    "marked",
    [
        "今天下雨。|我们不去了！|真的？|真的。",
        "他说：“好。”|然后走了。",
        "「走吧！」|她说。|『好？！』|他答。",
        "（见第三章。）|下一句。",
        "什么？！|不会吧！！！|走。",
        "他……|走了。",  # the Chinese ellipsis, and half of it
        "他…走了。",
        "半角｡|句点｡",
        "全角．|句点。",
        "比例是３．１４倍。|完。",
        "你好!|我很好.|再见?|好",  # signs of ASCII among Chinese, as people type them
        "一。 |二。\u3000|三",  # spaces stay with the sentence before
    ],
)
def test_chinese_sentences_end_after_their_sign_and_its_closing_quotes(marked):
    assert_cut(marked, Strength.SENTENCE)


@pytest.mark.parametrize(
    "marked",
    [
        "It rains. |We stay! |Really? |Yes.",
        'He said "Go." |Then he left. |(He did.) |Right.',
        "It is 3.14 or v1.2.3. |See a.b.c for more.",
        "Mr. Li met Dr. J. Wu, e.g. on Monday. |They spoke.",
        "etc. and so on ... and more. |End",
        "Wait... |What?",
        "Is this A? |这是中文。|Yes.",
        "Call me (ext. 4471) or write. |It takes approx. 12 kg, incl. VAT. |See p. 5 and Fig. 2.",
        "On Jan. 5 it rained. |In spring it did not. |Ng et al. Wrote it. |It is 9. |12 came.",
        "The lift (it was old. Nobody used it) fell. |(It was. |Nobody did.) |End.",
        "यह है। |वह है।",
        "هل هذا؟ |نعم",
    ],
)
def test_sentences_of_other_scripts_need_a_space_and_no_small_letter_after_it(marked):
    assert_cut(marked, Strength.SENTENCE)


# --- Clauses, lines, paragraphs. ---


@pytest.mark.parametrize(
    "marked",
    [
        "第一，|第二、|第三；|第四：|“好，”|他说",
        "甲——|乙",
        "你好,|世界",
        "one, |two; |three: |four",
        "1,000 and 12:30 and 十二：30",
        "a, |\u3000b",
    ],
)
def test_clauses(marked):
    marked = marked.replace("|\u3000", "\u3000|")  # a full-width space is a space like any other
    assert_cut(marked, Strength.CLAUSE)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85", "\x0b"])
def test_a_line_ends_after_its_end_and_before_the_indentation_of_the_next(end):
    assert_cut(f"if x:{end}|    y(){end}|z", Strength.LINE)
    assert_cut(f"one, {end}|two", Strength.LINE)
    assert_cut(f"下雨。{end}|走", Strength.SENTENCE)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_paragraph_ends_after_the_empty_lines(end):
    assert_cut(f"one{end}{end}|two{end} \t{end}{end}|  three{end}four", Strength.PARAGRAPH)
    assert_cut(f"一。{end}{end}|二。", Strength.SENTENCE)  # not between the two line ends


def test_a_full_width_space_at_the_start_of_a_line_starts_a_paragraph():
    assert_cut("\u3000\u3000一。\n|\u3000\u3000二。\n三。", Strength.PARAGRAPH)


def test_spaces_stay_with_the_word_before():
    assert_cut("one |two  |three\t|four", Strength.SPACE)
    assert_cut("zero\u200b|width", Strength.SPACE)


# --- Words and characters. ---


@pytest.mark.parametrize(
    "marked",
    [
        "用|TensorFlow|框|架",
        "圆|周|率|3.14159|和|1,000|个",
        "don't",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "好。|再|见，|好！？",  # no sign that ends something starts a piece
        "《三|体》|（好）|「一|二」|《Tensor》|好",  # and no sign that opens something ends one
        "コンピュータ|を|使|う",
    ],
)
def test_words_numbers_and_signs_are_kept_together(marked):
    assert_cut(marked, Strength.CHARACTER)


CLUSTERS = ["e\u0301", "👨\u200d👩\u200d👧", "🇨🇳", "👍🏽", "\u1100\u1161\u11a8", "\r\n"]
CLUSTERS += ["क्षि", "ก็", "❤\ufe0f", "a" + "\u0300" * 9]


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("around", [("", ""), ("好", "好"), ("a ", " b"), ("。", "。")])
def test_nothing_is_cut_inside_what_a_reader_sees_as_one_character(cluster, around):
    before, after = around
    strengths = boundary_strengths(before + cluster + after)
    inside = strengths[len(before) + 1 : len(before) + len(cluster)]
    assert set(inside) == {Strength.NONE}
    assert strengths.count(Strength.NONE) == len(cluster) - 1


TRICKY = [*CLUSTERS, *"🇨🇳👩\u200d\u0301\u0600각가\r\n 。”（a１\u00ad\ud800\0\u0e33\U0001f3fd"]


@PROPERTY
@given(st.lists(st.one_of(st.sampled_from(TRICKY), st.characters()), max_size=30).map("".join))
def test_clusters_are_those_of_a_walk_over_the_whole_text(text):
    ends, end = set(), 0
    for cluster in regex.findall(r"\X", text):
        end += len(cluster)
        ends.add(end)
    strengths = boundary_strengths(text)
    assert len(strengths) == len(text) + 1
    assert {i for i in range(1, len(text) + 1) if strengths[i] != Strength.NONE} == ends
    assert max(strengths) <= Strength.SECTION


# --- Headings. ---


def test_a_section_starts_before_its_heading_and_stays_with_its_text():
    text = "Intro. It ends.\n\n# One\n\n## Two\n\nBody. More."
    headings = [Heading(text.index("# One"), 1, "One"), Heading(text.index("## Two"), 2, "Two")]
    assert pieces(text, Strength.SECTION, headings) == text.replace("# One", "|# One")
    # neither between the two headings, nor between the second and its text
    assert pieces(text, Strength.LINE, headings) == text.replace("It", "|It").replace(
        "# One", "|# One"
    ).replace("More", "|More")


@pytest.mark.parametrize("line", ["===", "-----  "])
def test_an_underlined_heading_stays_with_its_text_too(line):
    text = f"Intro.\n\nTitle\n{line}\nBody. More."
    headings = [Heading(text.index("Title"), 1, "Title")]
    assert pieces(text, Strength.LINE, headings) == text.replace("Title", "|Title").replace(
        "More", "|More"
    )


def test_a_list_after_a_heading_is_not_its_underline():
    text = "Title\n- one\n- two"
    assert pieces(text, Strength.LINE, [Heading(0, 1, "Title")]) == "Title\n- one\n|- two"


# --- Code blocks. ---


def blocks(text):
    return [(text[b.start : b.end], b.info) for b in code_blocks(text)]


def test_a_code_block_goes_from_its_fence_through_the_line_of_its_last_fence():
    block = "```python\nx = 1\n\n# no heading\n```\n"
    assert blocks(f"Text.\n{block}More.\n") == [(block, "python")]
    assert code_blocks(f"ab\n{block}") == [CodeBlock(3, 3 + len(block), "python")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```\na\n```", [("```\na\n```", "")]),
        ("~~~ c++ \na\n~~~\n", [("~~~ c++ \na\n~~~\n", "c++")]),
        ("````\n```\n````\n", [("````\n```\n````\n", "")]),  # a longer fence holds a shorter one
        ("~~~\n```\n~~~\n", [("~~~\n```\n~~~\n", "")]),
        ("```\na\n```python\nb\n```\n", [("```\na\n```python\nb\n```\n", "")]),
        ("1. x\n   ```sh\r\n   a\r\n   ```\r\n", [("   ```sh\r\n   a\r\n   ```\r\n", "sh")]),
        ("```\nnever closed\n", [("```\nnever closed\n", "")]),
        ("```\na\n`````\nb", [("```\na\n`````\n", "")]),
        ("```code``` in a line\n", []),
        ("a ``` b\n``\n", []),
        ("```\na\n```\n```\nb\n```\n", [("```\na\n```\n", ""), ("```\nb\n```\n", "")]),
    ],
)
def test_fences(text, expected):
    assert blocks(text) == expected


def test_weaken_lowers_what_is_better_and_nothing_else():
    strengths = bytearray([Strength.NONE, Strength.SECTION, Strength.SPACE, Strength.SECTION])
    weaken(strengths, 0, 3, Strength.LINE)
    assert list(strengths) == [Strength.NONE, Strength.LINE, Strength.SPACE, Strength.SECTION]


# --- Time. ---

RUNS = [*".() \n`~…。”a\u0300\u200d—．\u0600#\u3000", "\r\n", "e\u0301", "🇨🇳"]
RUNS += ["a.", ". ", " \n", ".)", "```\n", "a'", "```a\n", "=\n", "क\u094d", "😀\u200d"]


def test_hostile_runs_take_linear_time():
    # 2 s in all here; whatever reads a run again from each of its places takes minutes.
    start = time.process_time()
    for run in RUNS:
        text = run * (150_000 // len(run))
        boundary_strengths(text, [Heading(0, 1, "x")])
        code_blocks(text)
    rng = random.Random(0)
    boundary_strengths("".join(rng.choices(RUNS, k=60_000)))
    assert time.process_time() - start < 10

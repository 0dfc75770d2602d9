"""Chunks: what holds for any text, and where the cuts of a well-behaved text are."""

import random
import time
import zlib
from itertools import pairwise

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tiny_rag.chunking import TokenChunker
from tiny_rag.counting import TokenizerCounter, count_tokens
from tiny_rag.documents import Document, content_hash, page_at, page_of

PROPERTY = settings(max_examples=150, derandomize=True, deadline=None)


def document(text, **metadata):
    return Document.of(text, {"source": "a.md", **metadata})


def texts(text, size, overlap=0, count=len, **metadata):
    """The texts of the chunks; a token is a character unless said otherwise."""
    chunks = TokenChunker(size, overlap, count).split(document(text, **metadata))
    return [chunk.text for chunk in chunks]


# --- What holds for any text. ---

FENCED = "```python\r\ndef f(x):\r\n    return x\r\n```\r\n"
HOSTILE = {
    "one long word": "pneumono" * 2500,
    "Chinese without punctuation": "星环站建于公元三千年" * 300,
    "emoji joined, flags, skin tones": "👨\u200d👩\u200d👧🇨🇳🇫🇷👍🏽" * 100,
    "combining marks": "e\u0301o\u0308\u0304" * 200 + "a" + "\u0300" * 300,
    "Thai": "ดาวเคราะห์ดวงนี้มีวงแหวนสามวง" * 40,
    "code with CRLF": (FENCED + "\r\n") * 20,
    "one huge code block": "```\n" + "x = 1\n\n" * 200 + "```\n",
    "special tokens": "<|endoftext|>好<|im_start|>" * 60,
    "base64": "\n".join(["QmFzZTY0IGlzIG5vdCB0ZXh0Lg" * 3] * 30),
    "NUL": "a\0b\0\0" * 100,
    "blank": " \t\u3000\r\n" * 300,
    "spaces": " " * 3000,
    "closing signs": "。」！？……”" * 150,
    "surrogates": "\ud800\udfff\ud800" * 100,
    "Hindi": "यह ग्रह है। क्ष्म " * 60,
    "headings": "# A\n## B\n" * 150,
    "fences without end": "```\n~~~\n" * 100,
}


def train_bpe(folder):
    """A byte-level BPE whose counts do not add up, learned by the `tokenizers` library."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["星环站 the ring station, returns " * 9], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return TokenizerCounter(folder)


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    return train_bpe(tmp_path_factory.mktemp("bpe"))


def byte_count(text):
    return len(text.encode("utf-8", "surrogatepass"))


def moody(text):
    """Counts that fall when a text grows, and jump: no tokenizer is as bad."""
    return len(text) + zlib.crc32(text.encode("utf-8", "surrogatepass")) % 4


COUNTERS = {"estimate": count_tokens, "bytes": byte_count, "characters": len, "moody": moody}


def check(text, size, overlap, count, headings=()):
    """All that is promised of any text."""
    source = document(text, headings=[list(heading) for heading in headings])
    chunks = TokenChunker(size, overlap, count).split(source)
    done = start = 0
    rebuilt = []
    for number, chunk in enumerate(chunks):
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.doc_id == content_hash(text)
        assert chunk.id == content_hash(f"{chunk.doc_id}:{chunk.start}:{chunk.end}")
        assert count(chunk.text) <= size
        assert chunk.start <= done < chunk.end  # no gap; each adds something
        assert chunk.start > start or number == 0
        assert count(text[chunk.start : done]) <= overlap or chunk.start == done
        rebuilt.append(text[done : chunk.end])
        start, done = chunk.start, chunk.end
    assert "".join(rebuilt) == text
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    return chunks


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize(("size", "overlap"), [(40, 10), (64, 0), (9, 8)])
def test_hostile_texts(name, counter, size, overlap):
    check(HOSTILE[name][:3000], size, overlap, COUNTERS[counter])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_with_a_tokenizer(name, bpe):
    check(HOSTILE[name][:3000], 40, 10, bpe)


PIECES = [
    *"a1 \n.。，」”!?「（\t\0\u3000\u0301\u200d好站🇨😀\ud800\r",
    *[
        "\r\n",
        "\n\n",
        "```\n",
        "# A\n",
        "……",
        "The ring. ",
        "他说：“好。”",
        "👨\u200d👩\u200d👧",
        "aaaaaaaaaaaaaaaaa",
    ],
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.characters()), max_size=60).map("".join)
LIMITS = st.integers(6, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))


@PROPERTY
@given(TEXTS, LIMITS, st.sampled_from(sorted(COUNTERS)), st.data())
@example("```\naaa\n```\n好。", (8, 7), "characters", None)
def test_any_text(text, limits, counter, data):
    places = st.integers(0, max(0, len(text) - 1))
    entries = st.tuples(places, st.integers(1, 6), st.text(max_size=3))
    headings = data.draw(st.lists(entries, max_size=4)) if data and text else []
    check(text, *limits, COUNTERS[counter], headings)


@PROPERTY
@given(TEXTS, LIMITS)
def test_what_a_reader_sees_as_one_character_is_cut_only_if_it_is_longer_than_a_chunk(text, limits):
    clusters = regex.findall(r"\X", text)
    size, overlap = limits
    if max(map(len, clusters), default=0) <= size:
        ends, end = {0}, 0
        for cluster in clusters:
            end += len(cluster)
            ends.add(end)
        for chunk in TokenChunker(size, overlap, len).split(document(text)):
            assert {chunk.start, chunk.end} <= ends


def test_an_empty_text_has_no_chunks_and_a_blank_one_is_kept():
    assert texts("", 10) == []
    assert texts(" \n", 10) == [" \n"]


def test_a_text_that_fits_is_one_chunk():
    assert texts("一。二。", 4, 2) == ["一。二。"]


def test_the_same_text_gives_the_same_chunks():
    assert TokenChunker().split(document("好。" * 999)) == TokenChunker().split(
        document("好。" * 999)
    )


def test_one_character_of_many_code_points_is_cut_only_where_it_must_be():
    assert list(map(len, texts("a" + "\u0300" * 9, 5))) == [5, 5]


# --- Limits that cannot be. ---


@pytest.mark.parametrize(
    ("size", "overlap", "message"),
    [
        (0, 0, "chunk_size=0 must be at least 1"),
        (-1, -2, "chunk_size=-1"),
        (8, 8, "chunk_overlap=8 must be at least 0 and smaller than chunk_size=8"),
        (8, 9, "chunk_overlap=9"),
        (8, -1, "chunk_overlap=-1"),
    ],
)
def test_limits_that_cannot_be_are_refused(size, overlap, message):
    with pytest.raises(ValueError, match=message):
        TokenChunker(size, overlap)


def test_a_character_larger_than_a_chunk_is_refused_with_its_place_and_size():
    with pytest.raises(ValueError, match=r"chunk_size=2 .* '好' at offset 4 alone has 3 tokens"):
        texts("abcd好", 2, 0, byte_count)


# --- Where it cuts. ---


def test_chunks_are_filled():
    assert texts("好" * 1000, 256) == ["好" * 256] * 3 + ["好" * 232]
    lengths = [count_tokens(text) for text in texts("the ring " * 999, 100, 0, count_tokens)]
    assert set(lengths[:-1]) == {100}
    sentences = "这是一句十个字的话。" * 99
    assert set(map(len, texts(sentences, 64)[:-1])) == {60}


@pytest.mark.parametrize(
    ("marked", "size"),
    [
        ("一二三四五六。\n\n|七八，九十。一二三四五六七八", 16),  # a paragraph, though less full
        ("一二三四五六。|七八，九十一二三四五六七八", 14),
        ("一二三四五六，|七八 九十一二三四五六七八", 14),
        ("一二三四五六 |七八九十一二三四五六七八", 14),
        ("一二三四五六七八九十一二三四|五六七八", 14),
        ("一。二三四五六七八九十，|一二三四五六七八", 14),  # a sentence, but not that early
        ("他说：“一二三四五六。”|七八九十一二", 14),
        ("一二三四五abcdefg|hijkl", 12),
        ("一二三四五六|abcdefg", 12),
        ("一二三四五六七|八。九十一二三", 8),  # no chunk starts with a full stop
        ("one two three \n|four five six", 16),
    ],
)
def test_the_best_boundary_in_the_second_half_is_taken(marked, size):
    assert "|".join(texts(marked.replace("|", ""), size)) == marked


def test_a_heading_starts_a_chunk_and_is_never_left_at_the_end_of_one():
    text = "一二三四五六。七八。\n\n# 题\n\n一二三四五六七八九十。"
    place = text.index("#")
    assert texts(text, 20, headings=[[place, 1, "题"]]) == [text[:place], text[place:]]
    assert texts(text, 20, 8, headings=[[place, 1, "题"]]) == [text[:place], text[place:]]


def test_a_title_that_is_not_in_the_text_is_above_all_headings_and_moves_no_cut():
    text = "One two. Three four five six.\nA longer line.\n\n# Part\nIts text."
    part = [text.index("# Part"), 1, "Part"]
    titled = document(text, headings=[[0, 0, "Title"], part])
    chunks = TokenChunker(15, 0, len).split(titled)
    assert [chunk.text for chunk in chunks] == texts(text, 15, headings=[part])
    assert [chunk.metadata["headings"] for chunk in chunks][:1] == [["Title"]]
    assert chunks[-1].metadata["headings"] == ["Title", "Part"]


def test_without_headings_a_line_with_a_hash_is_a_line():
    assert texts("一二三四五六。\n# 七八九十", 12) == ["一二三四五六。\n", "# 七八九十"]


# --- Overlap. ---


def test_overlap_is_counted_in_tokens():
    chunks = TokenChunker(100, 20).split(document("station " * 500))  # 2 tokens a word
    repeated = [a.text[b.start - a.start :] for a, b in pairwise(chunks)]
    assert {count_tokens(text) for text in repeated} == {20}


def test_overlap_starts_at_the_best_boundary_in_its_first_half():
    # 11 tokens reach back to 七, the first half of them to 一: the clause, not the later sentence
    text = "一二三四五六七，八九十一。二三四。" + "五六七八九十一二三四五六七八九十"
    first, second = texts(text, 17, 11)[:2]
    assert first == "一二三四五六七，八九十一。二三四。"
    assert second.startswith("八九十一。二三四。五")
    second = texts("一二三，四五六。七，八九十二三四。五六七八九十", 17, 11)[1]
    assert second.startswith("七，八九十二三四。五")  # the sentence, though a clause is there too


def test_overlap_without_boundaries_is_full():
    assert texts("好" * 20, 10, 4) == ["好" * 10, "好" * 10, "好" * 8]


def test_no_overlap_when_it_would_leave_no_room():
    # 7 of 8 tokens repeated would leave 1, and the flag needs 2
    assert texts("一二三四五六七八🇨🇳", 8, 7) == ["一二三四五六七八", "🇨🇳"]
    assert texts("一二三四五六七八🇨🇳", 8, 6) == ["一二三四五六七八", "三四五六七八🇨🇳"]
    assert (
        texts("一二三四五六七八" + "a\u0301\u0302\u0303\u0304\u0305\u0306\u0307", 8, 7)[-1][0]
        == "a"
    )


# --- Code blocks. ---


def test_a_code_block_that_fits_is_not_cut():
    code = "```\na. B\n\nc, d\n```\n"
    text = f"一二三四五六七八。九十。\n\n{code}一二三四五六七八九十"
    for size in range(len(code), len(text)):
        for overlap in (0, 3, len(code) - 1):
            assert any(code in chunk for chunk in texts(text, size, overlap))
            starts = [chunk for chunk in texts(text, size, overlap) if "```" in chunk]
            assert all(chunk.count("```") == 2 for chunk in starts)


def test_before_a_code_block_the_chunk_is_still_filled():
    text = "一。\n\n二三四五六七八：\n"
    code = "```\n" + "x\n" * 11 + "```\n"
    assert texts(text + code, 32) == [text, code]


def test_a_code_block_that_does_not_fit_is_cut_at_lines_and_says_so():
    code = "```python\n" + "value = 1\n" * 20 + "```\n"
    chunks = TokenChunker(64, 20, len).split(document(code + "后文。"))
    assert all(chunk.text.endswith("\n") for chunk in chunks[:-1])
    assert all(chunk.text.startswith("value") for chunk in chunks[1:-1])
    assert "code" not in chunks[0].metadata  # its fence says it
    assert {chunk.metadata["code"] for chunk in chunks[1:-1]} == {"python"}


# --- Metadata. ---


def test_metadata_is_that_of_the_document_without_what_is_as_long_as_the_document():
    text = "# A\n\n一二三。\n\n## B\n\n四五六。\n\n# C\n\n七八九。"
    headings = [
        [text.index(f"{mark}\n") - n - 1, n, mark] for mark, n in zip("ABC", [1, 2, 1], strict=True)
    ]
    source = document(text, headings=headings, author="李", encoding="utf-8")
    chunks = TokenChunker(13, 2, len).split(source)
    assert [chunk.metadata["headings"] for chunk in chunks] == [["A"], ["A", "B"], ["C"]]
    for chunk in chunks:
        del chunk.metadata["headings"]
        assert chunk.metadata == {"source": "a.md", "author": "李", "encoding": "utf-8"}


def test_headings_may_come_unsorted_and_skip_levels():
    headings = [[8, 1, "D"], [0, 2, "A"], [2, 4, "B"], [4, 3, "C"]]
    source = document("a b c d e ", headings=headings)
    paths = [chunk.metadata["headings"] for chunk in TokenChunker(2, 0, len).split(source)]
    assert paths == [["A"], ["A", "B"], ["A", "C"], ["A", "C"], ["D"]]


def test_before_the_first_heading_there_are_none():
    chunks = TokenChunker(3, 0, len).split(document("一二。三四。", headings=[[3, 1, "三"]]))
    assert [chunk.metadata.get("headings") for chunk in chunks] == [None, ["三"]]


@pytest.mark.parametrize(
    "foreign",
    [
        ["A", "B"],
        "ABC",
        3,
        None,
        {"a": 1},
        [[0, 1]],
        [[0, 1, "A"], "B"],
        [[99, 1, "A"]],
        [[-1, 1, "A"]],
        [[0, "1", "A"]],
    ],
)
def test_a_field_of_a_record_that_is_called_headings_stays_what_it_is(foreign):
    (chunk,) = TokenChunker().split(document("好。", headings=foreign))
    assert chunk.metadata["headings"] == foreign


def test_the_page_of_every_character_is_that_of_the_document():
    text = "one two\nthree\n\n  four five\nsix\n"
    source = document(text, pages=[0, 8, 14, 14, 27])  # the third page is empty
    for size in (1, 5, 12, len(text)):
        for chunk in TokenChunker(size, 0, len).split(source):
            for at, character in enumerate(chunk.text):
                if not character.isspace():
                    assert page_at(chunk, at) == page_of(source, chunk.start + at)
    (whole,) = TokenChunker(len(text), 0, len).split(source)
    assert [page_at(whole, text.index(word)) for word in ("one", "three", "four", "six")] == [
        1, 2, 4, 5,
    ]  # fmt: skip


def test_a_page_that_a_json_document_names_in_its_own_way_is_none():
    (chunk,) = TokenChunker().split(document("text", page="iv", page_starts="?"))
    assert page_at(chunk) is None
    assert "page_starts" not in chunk.metadata
    (chunk,) = TokenChunker().split(document("text", page=7))
    assert page_at(chunk, 3) == 7


def test_pages_are_those_of_the_first_visible_character():
    text = "一二三。\n\n四五六。\n\n七八九。"
    source = document(text, pages=[0, 4, 12])
    chunks = TokenChunker(6, 0, len).split(source)
    assert [chunk.metadata["page"] for chunk in chunks] == [1, 2, 3]
    assert all("pages" not in chunk.metadata for chunk in chunks)
    (blank, *_) = TokenChunker(4, 0, len).split(document("    ab", pages=[0, 4]))
    assert blank.metadata["page"] == 1
    (whole,) = TokenChunker().split(document("    ab", pages=[0, 4], headings=[[4, 1, "A"]]))
    assert (whole.metadata["page"], whole.metadata["headings"]) == (2, ["A"])


def test_the_metadata_of_chunks_is_their_own():
    source = document("好。" * 9, headings=[[0, 1, "A"]])
    first, second, _ = TokenChunker(6, 0, len).split(source)
    first.metadata["headings"].append("B")
    first.metadata["source"] = "b"
    assert second.metadata == {"source": "a.md", "headings": ["A"]}
    assert source.metadata["source"] == "a.md"


# --- Time. ---


@pytest.mark.parametrize(
    "text",
    [
        "好" * 90_000,
        "这是一句话，很短。" * 10_000,
        "the ring station " * 6000,
        "a" * 90_000,
        " " * 90_000,
    ],
)
def test_few_characters_are_counted_more_than_once(text):
    counted = 0

    def count(piece):
        nonlocal counted
        counted += len(piece)
        return count_tokens(piece)

    TokenChunker(count=count).split(document(text))
    assert counted < 16 * len(text)


def test_a_megabyte_of_chinese_takes_seconds():
    rng = random.Random(0)
    signs = "的一是在不了有和人这中大为上个国我以要他" * 4 + "，。"
    text = "".join(rng.choices(signs, k=350_000))
    start = time.process_time()
    TokenChunker().split(document(text))
    assert time.process_time() - start < 3

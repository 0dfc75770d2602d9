"""BM25 against bm25s, against the formula, and against itself after changes."""

import math
import random
import re
from collections import Counter

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.bm25 import BM25Index, inverse_document_frequency, length_norms
from tiny_rag.postings import Postings, invert, merge, pack_strings, select_rows, unpack_strings

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)
VARIANTS = ["lucene", "robertson", "atire"]
# float32 rounds each of a question's few additions to 6e-8 of the sum.
TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}

TEXTS = st.lists(st.lists(st.sampled_from("aaaabbbccde"), max_size=12).map(" ".join), max_size=12)
QUERIES = st.lists(st.sampled_from("aabcdez"), max_size=6).map(" ".join)


def words_index(texts, *args):
    index = BM25Index(*args, tokenize=str.split)
    index.add(texts)
    return index


def library_scores(texts, query, variant="lucene", k1=1.5, b=0.75):
    """bm25s in double precision; zeros where it has nothing to count."""
    if not any(text.split() for text in texts):
        return np.zeros(len(texts))
    library = bm25s.BM25(k1=k1, b=b, method=variant, dtype="float64")
    library.index([text.split() for text in texts], show_progress=False)
    known = [word for word in query.split() if word in library.vocab_dict]
    return library.get_scores(known) if known else np.zeros(len(texts))


def zipf_texts(rows, seed=0, words=40):
    """Texts in which a few words are nearly everywhere and most are rare."""
    rng = random.Random(seed)
    names = [f"w{rank}" for rank in range(500)]
    shares = [1 / (rank + 1) for rank in range(500)]
    return [" ".join(rng.choices(names, shares, k=rng.randint(0, words))) for _ in range(rows)]


# --- The scores. ---


@PROPERTY
@given(
    TEXTS,
    QUERIES,
    st.sampled_from(VARIANTS),
    st.sampled_from([0.0, 0.9, 1.5, 3.0]),
    st.sampled_from([0.0, 0.4, 1.0]),
)
def test_scores_are_those_of_bm25s(texts, query, variant, k1, b):
    scores = words_index(texts, variant, k1, b).scores(query)
    assert (scores.dtype, scores.shape) == (np.float32, (len(texts),))
    np.testing.assert_allclose(scores, library_scores(texts, query, variant, k1, b), **TOLERANCE)


@pytest.mark.parametrize("variant", VARIANTS)
def test_defaults_are_those_of_bm25s_on_many_texts(variant):
    texts = zipf_texts(2000)
    library = bm25s.BM25(method=variant)  # in its own float32
    library.index([text.split() for text in texts], show_progress=False)
    index = words_index(texts, variant)
    for query in [*texts[:20], "w0 w1 w2", "w0 w0 w400"]:
        if query:
            np.testing.assert_allclose(
                index.scores(query), library.get_scores(query.split()), rtol=2e-6, atol=2e-6
            )


def test_a_score_by_hand():
    index = words_index(["moon moon sea", "sea", "star star star star"])
    # "moon" is in 1 of 3 texts, there twice; that text has 3 words, the mean is 8 / 3
    expected = math.log(1 + 2.5 / 1.5) * 2 / (2 + 1.5 * (0.25 + 0.75 * 3 / (8 / 3)))
    assert index.scores("moon").tolist() == pytest.approx([expected, 0, 0], rel=1e-6)
    assert index.idf("moon") == pytest.approx(math.log(1 + 2.5 / 1.5))


def test_robertson_gives_nothing_for_a_word_in_most_texts():
    index = words_index(["a b", "a c", "a d"], "robertson")
    assert index.scores("a").tolist() == [0, 0, 0]
    assert index.idf("a") == 0
    assert index.top_k("a", 3)[0].tolist() == []
    assert index.top_k("a d", 3)[0].tolist() == [2]


def test_a_word_asked_twice_counts_twice():
    index = words_index(["a b", "b c", "d"])
    assert index.scores("a a b").tolist() == pytest.approx(
        (2 * index.scores("a") + index.scores("b")).tolist()
    )


def test_questions_and_texts_are_cut_alike():
    index = BM25Index()
    index.add(["木星有很多卫星。", "Stations orbiting the moons", "晚饭"])
    assert index.top_k("卫星", 3)[0].tolist() == [0]
    assert index.top_k("a Moon's STATION?", 3)[0].tolist() == [1]
    assert index.top_k("１，０２４", 3)[0].tolist() == []


@pytest.mark.parametrize("texts", [[], [""], ["", "。", " "]])
@pytest.mark.parametrize("variant", VARIANTS)
def test_without_any_word_nothing_scores(texts, variant):
    index = BM25Index(variant)
    index.add(texts)
    assert index.scores("月 moon").tolist() == [0.0] * len(texts)
    assert [len(part) for part in index.top_k("月 moon", 5)] == [0, 0]


def test_one_very_long_word_and_any_character_are_fine():
    texts = ["x" * 20_000, "\0 <|endoftext|> \ud800 字", "👩‍👩‍👧"]
    index = BM25Index()
    index.add(texts)
    assert [index.top_k(text, 1)[0].tolist() for text in texts] == [[0], [1], []]


def test_more_postings_than_one_block():
    # 2,500 texts of 1,000 words: 2.5 million postings, in blocks of 2 million
    common = [str(number) for number in range(1000)]
    index = BM25Index(tokenize=lambda text: text.replace("*", "").split() + common * ("*" in text))
    texts = [f"* only{row} even" if row % 2 == 0 else f"* only{row}" for row in range(2500)]
    index.add(texts[:2499])
    index.build()
    index.add(texts[2499:])  # which merges one row with more than a block
    lengths = np.array([1002, 1001] * 1250)
    share = 1 / (1 + 1.5 * (0.25 + 0.75 * lengths / 1001.5))
    for word in ("0", "500", "999"):
        expected = share * math.log(1 + 0.5 / 2500.5)
        np.testing.assert_allclose(index.scores(word), expected, rtol=1e-6)
    expected = np.where(lengths == 1002, share * math.log(2), 0)
    np.testing.assert_allclose(index.scores("even"), expected, rtol=1e-6)
    for row in (0, 1777, 2499):
        assert index.top_k(f"only{row}", 5)[0].tolist() == [row]


# --- The best k. ---


def sorted_scores(index, query, k):
    """What top_k says, the slow way: sort everything by score, then by row."""
    scores = index.scores(query)
    order = sorted(np.flatnonzero(scores).tolist(), key=lambda row: (-scores[row], row))[:k]
    return order, [scores[row] for row in order]


@PROPERTY
@given(TEXTS, QUERIES, st.sampled_from(VARIANTS), st.integers(1, 15))
def test_the_best_k_are_those_of_bm25s(texts, query, variant, k):
    expected = library_scores(texts, query, variant)
    rows, scores = words_index(texts, variant).top_k(query, k)
    rows = [int(row) for row in rows]
    assert len(set(rows)) == len(rows) == min(k, np.count_nonzero(expected > 1e-6))
    np.testing.assert_allclose(scores, expected[rows], **TOLERANCE)
    np.testing.assert_allclose(scores, np.sort(expected)[::-1][: len(rows)], **TOLERANCE)
    for text in set(texts):  # the same text has the same score: the lower rows come first
        same = [row for row in rows if texts[row] == text]
        assert same == [row for row, other in enumerate(texts) if other == text][: len(same)]


@PROPERTY
@given(TEXTS, QUERIES, st.sampled_from(VARIANTS), st.integers(1, 15))
def test_the_best_k_are_the_sorted_scores(texts, query, variant, k):
    index = words_index(texts, variant)
    rows, scores = index.top_k(query, k)
    assert (rows.tolist(), scores.tolist()) == sorted_scores(index, query, k)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("k", [1, 3, 10, 100, 2999, 3000, 5000])
def test_the_best_k_of_many_texts_are_the_sorted_scores_to_the_bit(variant, k):
    texts = zipf_texts(3000)
    index = words_index(texts, variant)
    rng = random.Random(k)
    for words in range(1, 13):
        query = " ".join(
            rng.sample([*texts[words].split(), "w0", "w1", "w2", "w150", "w3"] * 3, words)
        )
        rows, scores = index.top_k(query, k)
        assert (rows.tolist(), scores.tolist()) == sorted_scores(index, query, k)


def test_frequent_words_still_decide_between_rows_with_the_rare_one():
    filler = ["the sea"] * 500
    index = words_index([*filler, "rare x", *filler, "rare the", *filler, "rare y"])
    rows, scores = index.top_k("the rare", 2)
    assert rows.tolist() == [1001, 500]
    assert scores.tolist() == [index.scores("the rare")[row] for row in (1001, 500)]


def test_a_row_with_only_frequent_words_can_win():
    filler = [f"rare {'long ' * 60}"] * 12 + ["p"] * 40
    index = words_index([*filler, "x y z", *filler, "x", "y", "z"])
    query = "rare x y z"
    assert index.top_k(query, 3)[0].tolist() == sorted_scores(index, query, 3)[0]
    assert index.top_k(query, 3)[0][0] == 52


def test_among_equals_the_lower_row_comes_first():
    index = words_index(["b", "a", "b", "a a", "b", "b", *"cd" * 9])
    assert index.top_k("b", 3)[0].tolist() == [0, 2, 4]
    assert index.top_k("b", 9)[0].tolist() == [0, 2, 4, 5]


def test_rows_without_any_of_the_words_are_not_found():
    rows, scores = words_index(["a", "b", "c"]).top_k("b zzz", 3)
    assert rows.tolist() == [1]
    assert scores.dtype == np.float32


# --- Changing it. ---


@st.composite
def histories(draw):
    """Texts, in batches, and rows to remove between them."""
    steps, size = [], 0
    for _ in range(draw(st.integers(1, 5))):
        if size and draw(st.booleans()):
            rows = draw(st.lists(st.integers(0, size - 1), max_size=size))
            steps.append(("remove", rows))
            size -= len(set(rows))
        else:
            steps.append(("add", draw(TEXTS)))
            size += len(steps[-1][1])
    return steps


@PROPERTY
@given(histories(), QUERIES, st.sampled_from(VARIANTS), st.booleans())
def test_after_any_changes_it_is_the_index_of_the_texts_that_are_left(
    steps, query, variant, asking
):
    index, texts = BM25Index(variant, tokenize=str.split), []
    for action, argument in steps:
        if action == "add":
            rows = index.add(iter(argument))
            assert list(rows) == list(range(len(texts), len(texts) + len(argument)))
            texts += argument
        else:
            index.remove(argument)
            texts = [text for row, text in enumerate(texts) if row not in argument]
        assert len(index) == len(texts)
        if asking:  # builds in between, so that the next change is of a built index
            index.scores("a")
    np.testing.assert_allclose(
        index.scores(query), library_scores(texts, query, variant), **TOLERANCE
    )
    fresh = words_index(texts, variant)
    for word in "abcdez":
        assert index.scores(word).tolist() == fresh.scores(word).tolist()
        counts = [Counter(text.split())[word] for text in texts]
        assert index.postings(word) == {row: n for row, n in enumerate(counts) if n}
    assert sorted(index.arrays()["terms"]) == sorted(fresh.arrays()["terms"])  # no dead words


@PROPERTY
@given(histories(), QUERIES, st.sampled_from(VARIANTS))
def test_added_to_and_taken_from_it_scores_as_bm25s_does_the_texts_that_are_left(
    steps, query, variant
):
    index, texts = BM25Index(variant, tokenize=str.split), []
    for action, argument in steps:
        if action == "add":
            index.add(argument)
            texts += argument
        else:
            index.remove(argument)
            texts = [text for row, text in enumerate(texts) if row not in argument]
        assert len(index) == len(texts)
        expected = library_scores(texts, query, variant)
        np.testing.assert_allclose(index.scores(query), expected, **TOLERANCE)
        for word in "az":
            counts = [text.split().count(word) for text in texts]
            assert index.postings(word) == {row: n for row, n in enumerate(counts) if n}


def test_adding_cuts_only_the_new_texts():
    seen = []
    index = BM25Index(tokenize=lambda text: seen.append(text) or text.split())
    index.add(["a", "b"])
    index.build()
    index.add(["c"])
    index.remove([0])
    index.build()
    assert seen == ["a", "b", "c"]


def test_a_text_that_cannot_be_cut_leaves_the_index_as_it_was():
    index = words_index(["a b", "b"])
    before = index.scores("a b").tolist()
    with pytest.raises(TypeError):
        index.add(["new words", 3])
    assert len(index) == 2
    assert index.scores("a b new").tolist() == before
    assert index.add(["c"]) == range(2, 3)


def test_counts_above_255_and_65535_are_kept():
    index = words_index(["a " * 300, "a b", "a " * 70_000])
    assert index.postings("a") == {0: 300, 1: 1, 2: 70_000}
    index.add(["a a"])
    assert index.postings("a") == {0: 300, 1: 1, 2: 70_000, 3: 2}


# --- Keeping it. ---


@pytest.mark.parametrize("variant", VARIANTS)
def test_saved_without_pickle_and_mapped_it_is_the_same(tmp_path, variant):
    texts = ["木星 moon", "", "moon sea", "\ud800 字 \n", "sea sea"]
    index = BM25Index(variant, 1.2, 0.5)
    index.add(texts)
    for name, values in index.arrays().items():
        np.save(tmp_path / f"{name}.npy", values, allow_pickle=False)
    loaded = BM25Index.from_arrays(
        {path.stem: np.load(path, mmap_mode="r" if np.load(path).ndim else None)
         for path in tmp_path.iterdir()}
    )  # fmt: skip
    assert (loaded.variant, loaded.k1, loaded.b, len(loaded)) == (variant, 1.2, 0.5, 5)
    for both in (index, loaded):
        both.add(["moon river"])
        both.remove([0])
    for query in ("moon", "木星", "sea 字", "river"):
        assert loaded.scores(query).tolist() == index.scores(query).tolist()
        assert loaded.top_k(query, 2)[0].tolist() == index.top_k(query, 2)[0].tolist()


def test_an_empty_index_can_be_kept():
    assert len(BM25Index.from_arrays(BM25Index().arrays())) == 0


def test_terms_of_any_characters_can_be_kept():
    index = BM25Index(tokenize=lambda text: text.split("|"))
    index.add(["a\nb|\0|\ud800||字"])
    arrays = index.arrays()
    assert len(BM25Index.from_arrays(arrays, index.tokenize).postings("")) == 1
    texts = ["a\nb", "", "\0", "\ud800", "字"]
    assert list(unpack_strings(*pack_strings(texts))) == texts


def test_another_way_of_cutting_is_refused():
    index = words_index(["a"])
    with pytest.raises(ValueError, match=r"cut by .*split, not by tiny_rag\.terms\.tokenize: pass"):
        BM25Index.from_arrays(index.arrays())
    BM25Index.from_arrays(index.arrays(), str.split)


DAMAGE = {
    "a row too high": ("rows", lambda a: np.where(np.arange(len(a)) == 1, 3, a)),
    "a row below 0": ("rows", lambda a: np.where(np.arange(len(a)) == 1, -1, a)),
    "a row twice": ("rows", lambda a: np.zeros_like(a)),
    "a count of 0": ("counts", lambda a: np.where(np.arange(len(a)) == 1, 0, a)),
    "other counts": ("counts", lambda a: a + np.uint8(1)),
    "too few rows": ("rows", lambda a: a[:-1]),
    "too few counts": ("counts", lambda a: a[:-1]),
    "too few lengths": ("lengths", lambda a: a[:-1]),
    "too few terms": ("term_ends", lambda a: a[:-1]),
    "bytes missing": ("terms", lambda a: a[:-1]),
    "the same term twice": ("terms", lambda a: np.zeros_like(a)),
    "starts that fall": ("starts", lambda a: a[::-1]),
    "an end too few": ("starts", lambda a: a[:-1]),
    "no starts": ("starts", lambda a: a[:0]),
    "a foreign variant": ("variant", lambda a: np.array("bm42")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_arrays_are_refused(damage):
    index = words_index(["a b b", "b c", "c d"])
    name, change = DAMAGE[damage]
    arrays = index.arrays()
    with pytest.raises(ValueError, match=r"damaged|variant='bm42'"):
        BM25Index.from_arrays(arrays | {name: change(arrays[name])}, str.split)


def test_missing_arrays_are_named():
    whole = BM25Index().arrays()
    assert len(whole) == 9
    for name in whole:
        arrays = {other: values for other, values in whole.items() if other != name}
        with pytest.raises(ValueError, match=f"lack .*{name}"):
            BM25Index.from_arrays(arrays)


# --- What a row says about a question. ---


def test_what_matches_is_counted_in_words_that_nobody_has():
    index = words_index(["a b", "a c", "a d"])
    unknown = math.log(1 + (100 + 0.5) / 0.5)  # three rows say little of which words are rare
    a, b = (math.log(1 + (100 - df + 0.5) / (df + 0.5)) / unknown for df in (3, 1))
    assert index.matched("a b", 0) == pytest.approx((a + b, a + b))
    assert index.matched("a b", 1) == pytest.approx((a, a + b))
    assert index.matched("b b a", 1) == pytest.approx((a, a + b))  # a word counts once
    assert index.matched("a b new", 0) == pytest.approx((a + b, a + b + 1))
    assert index.matched("new newer", 0) == pytest.approx((0, 2))
    assert index.matched("d", 0) == pytest.approx((0, b))
    assert index.matched("d", 2) == pytest.approx((b, b))
    assert index.matched("", 0) == (0, 0)


@PROPERTY
@given(TEXTS, QUERIES, st.sampled_from([0, 60, 200]))
def test_what_matches_of_every_row_is_counted_from_its_text(texts, query, more):
    texts = [*texts, *["a"] * more]
    index, asked = words_index(texts), set(query.split())
    df = {word: sum(word in text.split() for text in texts) for word in asked}
    n = max(100, len(texts))
    mass = {word: math.log(1 + (n - df[word] + 0.5) / (df[word] + 0.5)) for word in asked}
    unknown = math.log(1 + (n + 0.5) / 0.5)
    for row, text in enumerate(texts):
        found = sum(mass[word] for word in asked & set(text.split()))
        expected = (found / unknown, sum(mass.values()) / unknown)
        assert index.matched(query, row) == pytest.approx(expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_matches_is_the_same_for_all_variants(variant):
    index = words_index(["a b", "a c", "a d"], variant)
    expected = words_index(["a b", "a c", "a d"])
    for query in ("a", "a b", "b new", ""):
        assert index.matched(query, 1) == expected.matched(query, 1)


def test_words_that_ask_need_no_match():
    index = BM25Index()
    index.add(["月环站于二一八七年建成。", "The port opened in 2187."])
    about, asked = "月环站，建成，是", "请问，月环站，建成，是什么时候呢？"
    assert index.matched(asked, 0) == index.matched(about, 0)
    assert 0 < index.matched(asked, 0)[0] < index.matched(asked, 0)[1]
    for question, row in [("月环站何时？", 0), ("when did the port open?", 1)]:
        found, of = index.matched(question, row)
        assert found == of > 0
    assert index.matched("什么？", 0)[0] == 0


# --- Wrong use. ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bm25+",), "variant='bm25+' must be one of lucene, robertson, atire"),
        (("lucene", -0.1), "k1=-0.1 must be 0 or above"),
        (("lucene", math.nan), "k1=nan"),
        (("lucene", math.inf), "k1=inf"),
        (("lucene", 1.5, 1.1), "b=1.1 must be from 0"),
        (("lucene", 1.5, -0.1), "b=-0.1"),
        (("lucene", 1.5, math.nan), "b=nan"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        BM25Index(*arguments)


def test_wrong_arguments_are_refused():
    index = words_index(["a", "b"])
    with pytest.raises(TypeError, match=r"give a list of texts: \[text\]"):
        index.add("a b")
    for k in (0, -1):
        with pytest.raises(ValueError, match=f"k={k} must be at least 1"):
            index.top_k("a", k)
    for row in (2, -1):
        with pytest.raises(IndexError, match=f"row {row} is not one of the 2 rows"):
            index.remove([0, row])
        with pytest.raises(IndexError, match=f"row {row} is not one of the 2 rows"):
            index.matched("a", row)
    assert len(index) == 2
    with pytest.raises(KeyError, match="no row has the term 'zzz'"):
        index.idf("zzz")


# --- The parts. ---


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("lucene", [math.log(1 + 9.5 / 1.5), math.log(1 + 5.5 / 5.5), math.log(1 + 0.5 / 10.5)]),
        ("robertson", [math.log(9.5 / 1.5), 0, 0]),
        ("atire", [math.log(10), math.log(2), 0]),
    ],
)
def test_the_three_idfs(variant, expected):
    idf = inverse_document_frequency(np.array([1, 5, 10]), 10, variant)
    assert idf.tolist() == pytest.approx(expected)


def test_length_norms():
    assert length_norms(np.array([1, 3]), 2.0, 0.5).tolist() == [1.5, 2.5]
    assert length_norms(np.array([0, 0]), 2.0, 0.5).tolist() == [1.0, 1.0]
    assert length_norms(np.array([1, 3]), 2.0, 0.0).tolist() == [2.0, 2.0]


ROWS_OF_IDS = st.lists(st.lists(st.integers(0, 6), max_size=8), max_size=10)


def listed(postings):
    """{term: {row: count}}"""
    return {
        int(term): dict(
            zip(postings.rows[a:b].tolist(), postings.counts[a:b].tolist(), strict=True)
        )
        for term, a, b in zip(postings.terms, postings.starts, postings.starts[1:], strict=False)
    }


@PROPERTY
@given(ROWS_OF_IDS, ROWS_OF_IDS, st.integers(1, 9))
def test_postings_in_parts_merged_and_rows_selected(old, new, size):
    ids = np.array([term for row in old + new for term in row], np.int32)
    split = sum(map(len, old))
    parts = [
        *invert(ids[:split], np.array([len(row) for row in old], int), 0, size),
        *invert(ids[split:], np.array([len(row) for row in new], int), len(old), size),
    ]
    merged = merge([Postings.empty(), *parts])
    merged.check(len(old + new))

    def expected(rows):
        terms = sorted({term for row in rows for term in row})
        return {t: {i: row.count(t) for i, row in enumerate(rows) if t in row} for t in terms}

    assert listed(merged) == expected(old + new)
    blocks = list(merged.blocks(size))
    assert [first for first, _ in blocks[1:]] == [end for _, end in blocks[:-1]]
    assert all(
        end - first == 1 or merged.starts[end] - merged.starts[first] <= size
        for first, end in blocks
    )
    keep = np.array([len(row) % 2 == 0 for row in old + new], bool)
    chosen = [row for row in old + new if len(row) % 2 == 0]
    assert listed(select_rows(merged, keep)) == expected(chosen)

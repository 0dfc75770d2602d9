"""Byte-level BPE, held against the `tokenizers` library and hand-worked examples."""

import json
import random
import unicodedata
from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from qwen_blog import bpe

QUICK = settings(max_examples=300, derandomize=True, deadline=None)

ENGLISH = """It's a star; they've named it Tiny, and we'll see it again, won't we?
I'm SURE you'd agree. The quick brown fox jumps over the lazy dog.
The dog sleeps; the fox doesn't care at all.
  There are 12345 planets,   2024 moons ... and (perhaps) none!   \n\n\tThe end."""
CHINESE = """天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。寒来暑往，秋收冬藏。闰余成岁，律吕调阳。
云腾致雨，露结为霜。金生丽水，玉出昆冈。行星有三颗月亮，月亮绕着行星转，行星绕着恒星转。"""
MIXED = """def 星(x): return x**2  # 平方 naïve café e\u0301\r\n
สวัสดีชาวโลก 👩‍🚀🇨🇳 مرحبا Привет 123\r\n"""
CORPORA = {"English": [ENGLISH], "Chinese": [CHINESE], "mixed": [ENGLISH, CHINESE, MIXED, MIXED]}


def library_tokenizer(vocab=None, merges=None):
    """The oracle: the same pipeline, built from the library's own parts."""
    oracle = Tokenizer(models.BPE(vocab=vocab, merges=merges) if vocab else models.BPE())
    oracle.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(bpe.PRETOKEN_PATTERN), "isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    oracle.pre_tokenizer = pre_tokenizers.Sequence([words, to_bytes])
    oracle.decoder = decoders.ByteLevel()
    return oracle


def library_training(texts, vocab_size, min_frequency):
    """(merges in order, vocabulary) as the library learns them."""
    oracle = library_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    oracle.train_from_iterator(texts, trainer)
    model = json.loads(oracle.to_str())["model"]
    return [tuple(pair) for pair in model["merges"]], model["vocab"]


# --- The Unicode tables of the two sides. ---


def characters_of_other_unicode_versions():
    """Characters that Python and the library know differently: a newer table against an older one.

    Normalisation: the library has combining classes up to Unicode 9. Word borders: Oniguruma has
    the classes of Unicode 16. Found by asking both about each character, not from a list.
    """
    normalize = normalizers.NFC().normalize_str
    differ = set()
    everything = "".join(chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000)
    for c in everything:
        if unicodedata.combining(c) or unicodedata.decomposition(c):
            for text in (c, f"a{c}\u0323", f"a{c}\u0301", f"a\u0315{c}"):
                if unicodedata.normalize("NFC", text) != normalize(text):
                    differ.add(c)
    known = "".join(c for c in everything if unicodedata.category(c) not in ("Cn", "Co"))
    for a_class in (r"\p{L}+", r"\p{N}+", r"\s+"):
        pieces = pre_tokenizers.Split(Regex(a_class), "removed", invert=True)
        theirs = "".join(piece for piece, _ in pieces.pre_tokenize_str(known))
        differ |= set(theirs) ^ set("".join(regex.findall(a_class, known)))
    return differ


FOREIGN = characters_of_other_unicode_versions()
# What Python's table does not know at all (Cn) may be known to one of the other two.
CHARACTERS = st.characters(exclude_categories=("Cs", "Cn"), exclude_characters=FOREIGN)
FRAGMENTS = [
    *("'s", "'S", "'ſ", "'LL", "'re", " ", "  ", "\n", "\r\n", "\t", "\u3000", "\u00a0", "\u0085"),
    *(
        "\0",
        "a",
        "Hello",
        " world",
        "12",
        "٣",
        "Ⅷ",
        "½",
        "!",
        "...",
        "()",
        "_",
        "你好",
        "星",
        "สวัสดี",
    ),
    *(
        "é",
        "e\u0301",
        "\u0301",
        "Å",
        "\u212b",
        "한",
        "\u1112\u1161\u11ab",
        "क्षि",
        "\u0338",
        "ﬁ",
        "ß",
    ),
    *("👩‍🚀", "👨‍👩‍👧", "🇨🇳", "🏳️‍🌈", "\u200d", "\ufe0f", "\ufeff", "\ufffd", "Ġ", "Ċ", "\x1c", "𝒜"),
]
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(CHARACTERS, max_size=4), max_size=12).map(
    "".join
)


def test_only_characters_younger_than_the_library_tables_are_left_out_of_the_comparison():
    old = unicodedata.ucd_3_2_0  # the oldest table Python carries
    assert all(old.category(c) == "Cn" for c in FOREIGN)


# --- Bytes as symbols. ---


def test_each_byte_has_one_printable_symbol_and_they_are_the_library_alphabet():
    symbols = bpe.byte_symbols()
    assert len(set(symbols)) == 256
    assert all(s.isprintable() and not s.isspace() for s in symbols)
    assert set(bpe.ALPHABET) == set(pre_tokenizers.ByteLevel.alphabet())
    assert (symbols[ord("a")], symbols[ord(" ")], symbols[ord("\n")]) == ("a", "Ġ", "Ċ")


@QUICK
@given(TEXTS)
def test_symbols_are_those_of_the_library_and_give_the_bytes_back(text):
    ours = bpe.text_to_symbols(text)
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    assert ours == "".join(piece for piece, _ in to_bytes.pre_tokenize_str(text))
    assert bpe.symbols_to_bytes(ours) == text.encode()


@pytest.mark.parametrize("foreign", ["你", " ", "\xad", "ń"])
def test_a_character_that_stands_for_no_byte_is_an_error(foreign):
    with pytest.raises(ValueError, match="stands for no byte"):
        bpe.symbols_to_bytes(foreign)


# --- Words. ---


def test_the_pattern_is_the_one_transformers_has_for_qwen2():
    assert bpe.PRETOKEN_PATTERN == PRETOKENIZE_REGEX


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I'm sure", ["I", "'m", " sure"]),
        ("THEY'LL", ["THEY", "'LL"]),
        ("'ſo", ["'ſ", "o"]),  # the long s is an s, for a pattern that ignores case
        ("2024", ["2", "0", "2", "4"]),  # digits one by one
        ("a  b", ["a", " ", " b"]),  # the last space belongs to the word
        ("a \n b", ["a", " \n", " b"]),
        ("x=[1]\r\n\ty", ["x", "=[", "1", "]\r\n", "\ty"]),
        ("(你好)", ["(你好", ")"]),
        ("e\u0301", ["é"]),
        ("", []),
    ],
)
def test_where_words_end(text, words):
    assert bpe.pretokenize(text) == words


@QUICK
@given(TEXTS)
def test_words_end_where_the_library_ends_them_and_no_character_is_lost(text):
    words = pre_tokenizers.Split(Regex(bpe.PRETOKEN_PATTERN), "isolated")
    normal = normalizers.NFC().normalize_str(text)
    assert bpe.pretokenize(text) == [piece for piece, _ in words.pre_tokenize_str(normal)]
    assert "".join(bpe.pretokenize(text)) == normal


# --- Merging. ---


def merge_word_slowly(word, ranks):
    """The definition, as in the docstring of bpe.py."""
    symbols = list(word)
    while pairs := [pair for pair in pairwise(symbols) if pair in ranks]:
        best = min(pairs, key=ranks.get)
        i = list(pairwise(symbols)).index(best)
        symbols[i : i + 2] = [best[0] + best[1]]
    return symbols


@QUICK
@given(st.text("ab", max_size=24), st.randoms(use_true_random=False), st.integers(0, 12))
def test_merge_word_is_the_definition_for_any_ranks(word, rng, num_merges):
    tokens, pairs = ["a", "b"], []
    for _ in range(num_merges):
        pairs.append((rng.choice(tokens), rng.choice(tokens)))
        tokens.append("".join(pairs[-1]))
    ranks = {pair: rank for rank, pair in enumerate(rng.sample(pairs, len(pairs)))}
    assert bpe.merge_word(word, ranks) == merge_word_slowly(word, ranks)


def test_the_lowest_rank_goes_first_and_equals_go_from_left_to_right():
    assert bpe.merge_word("abc", {("b", "c"): 0, ("a", "b"): 1}) == ["a", "bc"]
    assert bpe.merge_word("aaa", {("a", "a"): 0}) == ["aa", "a"]
    assert bpe.merge_word("", {}) == []


@pytest.mark.parametrize("name", CORPORA)
def test_the_tokens_of_a_text_are_those_of_the_library(name):
    merges, vocab = library_training(CORPORA[name], 600, 2)
    oracle, ranks = library_tokenizer(vocab, merges), {pair: i for i, pair in enumerate(merges)}
    rng, letters = random.Random(0), "".join(CORPORA[name])
    for text in [letters, *("".join(rng.choices(letters, k=60)) for _ in range(20))]:
        words = map(bpe.text_to_symbols, bpe.pretokenize(text))
        ours = [token for word in words for token in bpe.merge_word(word, ranks)]
        assert ours == oracle.encode(text).tokens


def test_a_long_word_costs_a_few_look_ups_a_byte_not_a_rescan_a_merge():
    class Counting(dict):
        look_ups = 0

        def get(self, key, default=None):
            self.look_ups += 1
            return super().get(key, default)

    doubling = [("a" * 2**i, "a" * 2**i) for i in range(10)]
    ranks = Counting({pair: rank for rank, pair in enumerate(doubling)})
    word = "a" * 20_000
    tokens = bpe.merge_word(word, ranks)
    assert "".join(tokens) == word
    assert max(map(len, tokens)) == 1024
    assert ranks.look_ups < 6 * len(word)  # a rescan after each merge would take 10**8


# --- Training. ---


@pytest.mark.parametrize("min_frequency", [0, 2, 3])
@pytest.mark.parametrize("name", CORPORA)
def test_merges_and_ids_equal_the_library(name, min_frequency):
    merges, vocab = library_training(CORPORA[name], 600, min_frequency)
    ours = bpe.learn_merges(bpe.count_words(CORPORA[name]), 600 - 256, min_frequency)
    assert ours == merges
    assert bpe.vocabulary(ours) == vocab


@pytest.mark.parametrize("seed", range(40))
def test_merges_equal_the_library_where_nearly_all_pairs_tie(seed):
    rng = random.Random(seed)
    texts = ["".join(rng.choices("abcab é好\n", k=rng.randint(0, 40))) for _ in range(6)]
    merges, _ = library_training(texts, 330, 0)
    assert bpe.learn_merges(bpe.count_words(texts), 330 - 256, 0) == merges


@settings(QUICK, max_examples=60)
@given(st.lists(TEXTS | st.text("ab ", max_size=30), max_size=4), st.integers(256, 300))
def test_merges_equal_the_library_on_any_texts(texts, vocab_size):
    merges, vocab = library_training(texts, vocab_size, 0)
    ours = bpe.learn_merges(bpe.count_words(texts), vocab_size - 256, 0)
    assert (ours, bpe.vocabulary(ours)) == (merges, vocab)


def test_the_example_of_the_paper_worked_by_hand():
    # Sennrich et al. 2016, algorithm 1; "·" ends a word. (e, r) and (r, ·) both occur 9 times: the
    # paper takes (r, ·), we take the pair whose left symbol has the lower id.
    words = {"low·": 5, "lowest·": 2, "newer·": 6, "wider·": 3}
    assert bpe.learn_merges(words, 4) == [("e", "r"), ("er", "·"), ("l", "o"), ("lo", "w")]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ({"ab": 2, "ba": 2}, ("a", "b")),  # a tie: the older left token
        ({"ab": 2, "aa": 2}, ("a", "a")),  # still a tie: the older right token
        ({"ab": 2, "yz": 3}, ("y", "z")),  # no tie: the more frequent
        ({"aaa": 2, "bc": 3}, ("a", "a")),  # in a run, overlapping pairs all count: 4 to 3
    ],
)
def test_which_pair_is_glued_first(words, first):
    assert bpe.learn_merges(words, 1) == [first]


def test_training_stops_when_no_pair_is_frequent_enough():
    assert bpe.learn_merges({"abc": 2, "xyz": 1}, 99) == [("a", "b"), ("ab", "c")]
    assert len(bpe.learn_merges({"abc": 2, "xyz": 1}, 99, min_frequency=0)) == 4
    assert bpe.learn_merges({}, 99) == []


def test_gluing_a_pair_says_which_counts_move():
    merged, changes = bpe.merge_pair([1, 2, 3, 3, 4], (3, 3), 9)
    assert merged == [1, 2, 9, 4]
    assert changes == [((2, 3), -1), ((2, 9), 1), ((3, 4), -1), ((9, 4), 1)]


def test_one_str_instead_of_a_list_of_texts_is_an_error():
    with pytest.raises(TypeError, match=r"give a list of texts"):
        bpe.count_words("not a list")


# --- A vocabulary that fits its merges. ---


def test_a_trained_vocabulary_is_in_order():
    merges = bpe.learn_merges(bpe.count_words([ENGLISH]), 50)
    bpe.check_vocabulary(bpe.vocabulary(merges), merges)


@pytest.mark.parametrize(
    ("change", "merges", "message"),
    [
        ({"b": 64}, [], r"id 64 is given to \['a', 'b'\]"),
        ({"b": -1}, [], r"'b' has id -1"),
        ({"b": "7"}, [], r"'b' has id '7'"),
        ({"b": None}, [("a", "c")], "'b' has id None"),
        ({}, [("a", "b")], r"merge \('a', 'b'\) needs token 'ab'"),
        ({"xb": 256}, [("x", "b"), ("xb", "yy")], "needs token 'yy'"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_an_error(change, merges, message):
    with pytest.raises(ValueError, match=message):
        bpe.check_vocabulary(bpe.vocabulary([]) | change, merges)


def test_a_byte_without_a_token_is_an_error():
    vocab = bpe.vocabulary([])
    del vocab["Ċ"]
    with pytest.raises(ValueError, match=r"no token for byte b'\\n'"):
        bpe.check_vocabulary(vocab, [])

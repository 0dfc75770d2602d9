"""The hash embedder: what is counted, where it goes, and how queries are weighted."""

import base64
import hashlib
import io
import math
import random
import subprocess
import sys
import tracemalloc
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from tiny_rag.embeddings import HashEmbedder, feature_key, features, fold, unit_rows, units

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)
ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from("火星号的 abABé１2,3.。！ー한ไ\u0301\ufe0f\u200d\u00ad\0\ud800😀"),
        st.characters(),
    ),
    max_size=40,
)
TEXTS = [
    "海王星的大气里有氢、氦和甲烷。",
    "Neptune has 14 known moons; Triton is the largest moon.",
    "火星车“祝融号”重240千克，2021年5月15日着陆。",
    "The rover weighs 240 kg and landed on 15 May 2021, the rover of the rovers.",
    "ＣＡＦÉ café Café №5, 12,500.75 km",
    "a ab abc abcd",
]


def naive_features(text):
    """As the docstrings have it, character by character, without a regular expression."""

    def kind(char):
        name = unicodedata.name(char, "")
        if name.startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA", "HANGUL")):
            return "cjk"
        return {"L": "letter", "N": "digit"}.get(unicodedata.category(char)[0], "none")

    found, i = [], 0
    text = unicodedata.normalize("NFKC", text).casefold()
    while i < len(text):
        first, end = kind(text[i]), i + 1
        group = {"cjk": ["cjk"], "digit": ["digit"], "letter": ["letter", "digit"], "none": []}
        while end < len(text) and kind(text[end]) in group[first]:
            end += 1
        while first == "digit" and text[end : end + 1] in (",", ".") and text[end + 1].isdigit():
            end += 1  # the samples have neither lists of numbers nor two points in one
            while end < len(text) and text[end].isdigit():
                end += 1
        piece, i = text[i:end], end
        if first == "cjk":
            found += [*piece, *(piece[j : j + 2] for j in range(len(piece) - 1))]
        elif first == "digit":
            found.append("#" + piece.replace(",", ""))
        elif first == "letter":
            word = f"<{piece}>"
            grams = {word[j : j + n] for n in (3, 4) for j in range(len(word) - n + 1)} - {word}
            counted = [word[j : j + n] for n in (3, 4) for j in range(len(word) - n + 1)]
            found += [word, *(gram for gram in counted if gram in grams)]
    return found


# --- What is counted. ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("火星2号 is a ship", ["火", "星", "火星", "#2", "号", "<is>", "<a>", "<ship>"]),
        ("火、星", ["火", "星"]),  # no pair across a comma
        ("火火火", ["火", "火", "火", "火火", "火火"]),
        ("1,234.50 1,2345 1,2 3.14.15", ["#1234.50", "#1", "#2345", "#1", "#2", "#3.14", "#15"]),
        ("4.2km HX12 3D", ["#4.2", "<km>", "<hx12>", "#3", "<d>"]),
        ("ＡＢＣ１２ﾗｰ", ["<abc12>", "ラ", "ー", "ラー"]),
        ("Straße STRASSE", ["<strasse>", "<strasse>"]),
        ("e\u0301te\u0301 été", ["<été>", "<été>"]),
        (
            "ship\u00adyard 葛\U000e0100城 \ufeff火\u200b星",
            ["<shipyard>", "葛", "城", "葛城", "火", "星", "火星"],
        ),
        ("don't snake_case x@y.org", ["<don>", "<t>", "<snake>", "<case>", "<x>", "<y>", "<org>"]),
        ("한국 ภาษาไทย", ["한", "국", "한국", "<ภาษาไทย>"]),
        ("…… 😀 \0 -- ，", []),
        ("", []),
    ],
)
def test_units_are_words_numbers_characters_and_pairs(text, expected):
    assert units(text) == expected


def test_a_word_has_its_3_and_4_grams_once_each_place_and_nothing_else_has():
    assert features("<ship>") == ["<ship>", "<sh", "shi", "hip", "ip>", "<shi", "ship", "hip>"]
    assert features("<aaaa>").count("aaa") == 2
    assert features("<a>") == ["<a>"]  # its only 3-gram is the word itself
    assert features("<ab>") == ["<ab>", "<ab", "ab>"]
    assert features("#2187") == ["#2187"]
    assert features("火星") == ["火星"]


def test_width_case_and_invisible_characters_make_no_difference():
    embedder = HashEmbedder()
    one, other = embedder.encode_documents(
        ["ship x12 火星", "ＳＨＩＰ\u00ad Ｘ１２ \ufeff火\u200d星"]
    )
    assert (one == other).all()
    assert fold("ﬁＡ\u00adº") == "fiao"
    assert fold("№ ㎏") == fold("no kg")  # their capitals appear only when taken apart


# --- Where it goes. ---


def test_a_feature_has_one_place_and_one_sign_that_no_machine_changes():
    # The bytes that `b2sum -l 64` prints: indexes on disk depend on them.
    assert feature_key("火").to_bytes(8, "little").hex() == "d552e71ad2e9ddbe"
    assert feature_key("<ship>").to_bytes(8, "little").hex() == "a3140c9295530e7b"
    for char in "火水木金土":
        key = int.from_bytes(hashlib.blake2b(char.encode(), digest_size=8).digest(), "little")
        expected = np.zeros(4096, np.float32)
        expected[(key >> 1) % 4096] = -1 if key % 2 else 1
        np.testing.assert_array_equal(HashEmbedder().encode_documents([char])[0], expected)


@pytest.mark.parametrize("dim", [1, 7, 100, 4096])
def test_every_dim_works_and_is_part_of_the_model_id(dim):
    embedder = HashEmbedder(dim)
    assert embedder.dim == dim
    assert str(dim) in embedder.model_id
    assert embedder.encode_documents(TEXTS).shape == (len(TEXTS), dim)
    assert embedder.encode_query("火星").shape == (dim,)


def test_with_room_for_all_features_the_dot_product_is_the_exact_cosine():
    # scikit-learn keeps a dictionary of features and hashes nothing.
    oracle = TfidfVectorizer(analyzer=naive_features, sublinear_tf=True, use_idf=False)
    exact = oracle.fit_transform(TEXTS).toarray()
    vectors = HashEmbedder(2**20).encode_documents(TEXTS)
    np.testing.assert_allclose(vectors @ vectors.T, exact @ exact.T, rtol=0, atol=1e-6)


def test_the_dot_product_is_right_on_average_and_its_error_about_one_over_root_dim():
    # Without signs every collision adds: the mean error would be +0.1 here.
    rng = random.Random(0)
    alphabet = [chr(0x4E00 + i) for i in range(3000)]
    texts = ["，".join(rng.sample(alphabet, 60)) for _ in range(60)]  # 60 features, no pairs
    exact = np.array([[len({*a} & {*b} - {"，"}) / 60 for a in texts] for b in texts])
    vectors = HashEmbedder(256).encode_documents(texts)
    errors = (vectors @ vectors.T - exact)[np.triu_indices(60, 1)]
    assert abs(errors.mean()) < 0.01
    assert 0.5 / math.sqrt(256) < errors.std() < 1.5 / math.sqrt(256)


@PROPERTY
@given(st.lists(ANY_TEXT, max_size=4))
def test_any_text_gives_a_row_of_length_one_or_zero_whatever_its_neighbours(texts):
    embedder = HashEmbedder(512)
    vectors = embedder.encode_documents(texts)
    assert vectors.shape == (len(texts), 512)
    assert vectors.dtype == np.float32
    for text, vector in zip(texts, vectors, strict=True):
        length = np.linalg.norm(vector.astype(np.float64))
        assert abs(length - 1) < 1e-6 or (length == 0 and not vector.any())
        assert units(text) or not vector.any()
        assert (vector == HashEmbedder(512).encode_query(text)).all()  # before any fit


def test_vectors_have_length_one_and_dim_places_whatever_the_neighbours():
    vectors = HashEmbedder(512).encode_documents([*TEXTS, "", "火 " * 900])
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS) + 2, 512), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1] * len(TEXTS) + [0, 1])
    for text, vector in zip(TEXTS, vectors, strict=False):
        (alone,) = HashEmbedder(512).encode_documents([text])
        np.testing.assert_allclose(alone, vector, atol=1e-6)
        np.testing.assert_allclose(HashEmbedder(512).encode_query(text), vector, atol=1e-6)


def test_texts_without_letters_and_digits_are_zero_vectors():
    assert not HashEmbedder().encode_documents(["", " \n", "。。。", "😀"]).any()


def test_what_shares_words_is_nearer_in_both_scripts():
    embedder = HashEmbedder()
    documents = embedder.encode_documents(
        ["祝融号火星车在乌托邦平原着陆。", "海卫一绕海王星逆行。", "The probe was orbiting Titan."]
    )
    for question, best in [("火星车在哪里着陆？", 0), ("海王星的卫星", 1), ("orbits of probes", 2)]:
        assert np.argmax(documents @ embedder.encode_query(question)) == best


# --- Queries. ---


def test_a_fitted_query_is_weighted_by_idf_and_drops_what_no_document_has():
    counter = CountVectorizer(analyzer=naive_features, binary=True).fit(TEXTS)
    found = dict(
        zip(
            counter.get_feature_names_out(),
            counter.transform(TEXTS).toarray().sum(axis=0),
            strict=True,
        )
    )
    question = "the largest moon of Neptune? 海王星的火星车 moon zyx 冥"
    counts = {name: naive_features(question).count(name) for name in naive_features(question)}
    expected = np.zeros(2**20)
    for name, count in counts.items():
        if name in found:
            n = int(found[name])
            idf = math.log(1 + (len(TEXTS) - n + 0.5) / (n + 0.5))
            key = feature_key(name)
            expected[(key >> 1) % 2**20] += (-1) ** (key % 2) * (1 + math.log(count)) * idf
    found_vector = HashEmbedder(2**20).fit(TEXTS).encode_query(question)
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(found_vector, expected, rtol=0, atol=1e-6)


def test_fitting_leaves_documents_as_they_are():
    embedder = HashEmbedder()
    before = embedder.encode_documents(TEXTS), embedder.encode_query("the moon")
    embedder.fit(TEXTS)
    np.testing.assert_array_equal(embedder.encode_documents(TEXTS), before[0])
    assert (embedder.encode_query("the moon") != before[1]).any()


def test_fitting_again_forgets_the_first_and_takes_a_generator():
    embedder = HashEmbedder().fit(["金星"]).fit(text for text in TEXTS)
    assert embedder.num_fitted == len(TEXTS)
    assert not embedder.encode_query("金").any()
    fresh = HashEmbedder().fit(TEXTS).encode_query("火星 the")
    assert (embedder.encode_query("火星 the") == fresh).all()


def test_a_failed_fit_leaves_the_last_one():
    embedder = HashEmbedder().fit(TEXTS)
    before = embedder.encode_query("火星 the")
    with pytest.raises(ValueError, match="fit got no text"):
        embedder.fit([])
    with pytest.raises(ZeroDivisionError):
        embedder.fit(str(1 / i) for i in (1, 0))
    assert (embedder.encode_query("火星 the") == before).all()


def test_rare_words_decide():
    texts = ["the moon of the planet", "the sea of the planet", "the gneiss", "the rock of the sea"]
    embedder = HashEmbedder().fit(texts)
    scores = embedder.encode_documents(texts) @ embedder.encode_query("the gneiss of the planet")
    assert np.argmax(scores) == 2


# --- Saving. ---


def test_a_saved_embedder_gives_the_same_vectors(tmp_path):
    for embedder in (HashEmbedder(300), HashEmbedder(300).fit(TEXTS)):
        np.savez(tmp_path / "hash.npz", **embedder.arrays())
        with np.load(tmp_path / "hash.npz", allow_pickle=False) as arrays:
            again = HashEmbedder.from_arrays(arrays)
        assert (again.model_id, again.num_fitted) == (embedder.model_id, embedder.num_fitted)
        assert (again.encode_query(TEXTS[0]) == embedder.encode_query(TEXTS[0])).all()
        assert (again.encode_query("冥") == embedder.encode_query("冥")).all()
    assert (tmp_path / "hash.npz").stat().st_size < 10_000  # not the 2^20 counters


@pytest.mark.parametrize(
    "damage",
    [
        {"num_fitted": np.array(1)},  # a feature is in two documents
        {
            "num_fitted": np.array(-1),
            "slots": np.zeros(0, int),
            "document_counts": np.zeros(0, int),
        },
        {"dim": np.array([5, 5])},
        {"dim": np.array(5.5)},
        {"dim": np.array(0)},
        {"slots": np.array([2**20]), "document_counts": np.array([1])},
        {"slots": np.array([-1]), "document_counts": np.array([1])},
        {"slots": np.array([1, 2]), "document_counts": np.array([1])},
        {"slots": np.array([1]), "document_counts": np.array([0])},
        {"slots": np.array([1]), "document_counts": np.array([np.nan])},
        {"slots": np.array(1), "document_counts": np.array(1)},
    ],
)
def test_damaged_arrays_are_refused(damage):
    arrays = HashEmbedder(300).fit(TEXTS).arrays()
    with pytest.raises(ValueError, match=r"index again|at least 1"):
        HashEmbedder.from_arrays(arrays | damage)


@pytest.mark.parametrize("name", ["dim", "num_fitted", "slots", "document_counts"])
def test_a_missing_array_is_named(name):
    arrays = HashEmbedder(300).fit(TEXTS).arrays()
    del arrays[name]
    with pytest.raises(ValueError, match=f"'{name}' is missing"):
        HashEmbedder.from_arrays(arrays)


# --- Wrong use, and cost. ---


def test_a_single_str_is_refused_and_no_texts_are_no_rows():
    embedder = HashEmbedder(5)
    for method in (embedder.encode_documents, embedder.fit):
        with pytest.raises(TypeError, match=r"give a list of texts"):
            method("火星")
    assert embedder.encode_documents([]).shape == (0, 5)
    with pytest.raises(ValueError, match="dim=0 must be at least 1"):
        HashEmbedder(0)


def test_the_bar_is_drawn_on_a_terminal_only_and_only_when_asked(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, progress, drawn in [
        (Terminal(), True, True),
        (Terminal(), False, False),
        (io.StringIO(), True, False),
    ]:
        monkeypatch.setattr(sys, "stderr", stream)
        HashEmbedder(5).encode_documents(TEXTS, progress)
        assert ("embedding" in stream.getvalue()) == drawn


def test_units_that_never_come_again_are_not_kept():
    rng, embedder = random.Random(0), HashEmbedder(8)
    lines = [base64.b64encode(rng.randbytes(57)).decode().replace("/", "x") for _ in range(600)]
    tracemalloc.start()
    for line in lines:  # one word of 76 letters, 145 features
        embedder.encode_documents([line])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1e6  # 5 MB if they were


def test_a_vector_that_is_not_finite_is_refused_by_the_number_of_its_text():
    rows = np.array([[3.0, 4.0], [0.0, 0.0], [1e30, 0.0]], np.float32)  # 1e30 squared overflows
    assert unit_rows(rows, [0, 1, 2]).tolist() == [
        [np.float32(0.6), np.float32(0.8)],
        [0, 0],
        [1, 0],
    ]
    for bad in (math.nan, math.inf):
        rows[2, 1] = bad
        with pytest.raises(ValueError, match="vector of text 9 "):
            unit_rows(rows, [5, 7, 9])


def test_the_module_loads_without_the_heavy_libraries():
    code = """if True:
        import sys, tiny_rag.embeddings, tiny_rag.encoders
        heavy = {"torch", "transformers", "sentence_transformers", "openai", "jieba", "sklearn"}
        assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")

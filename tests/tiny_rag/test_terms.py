"""What counts as the same word."""

import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import jieba
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiny_rag import terms
from tiny_rag.terms import jieba_tokenize, normalize, tokenize, without_question_words

PROPERTY = settings(max_examples=200, derandomize=True, deadline=None)
HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "星环站年的，。！？、「」ーがｶﾞ한국ไทยàé'’-_.,0123456789１２，．abcXYZﬁß \n\r\t\0\u00ad"
        ),
    ),
    max_size=30,
)


# --- Chinese and other runs without spaces. ---


def test_a_chinese_run_gives_its_characters_and_its_pairs():
    assert tokenize("星环站") == ["星", "环", "站", "星环", "环站"]
    assert tokenize("月") == ["月"]


def test_pairs_do_not_cross_punctuation_spaces_or_other_scripts():
    terms = tokenize("月球，环站。大 气A层")
    assert [term for term in terms if len(term) == 2] == ["月球", "环站"]
    assert {"大", "气", "层", "a"} < set(terms)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("コーヒー", ["コ", "ー", "ヒ", "ー", "コー", "ーヒ", "ヒー"]),
        ("ｶﾞｽ", ["ガ", "ス", "ガス"]),  # half-width kana
        ("人々", ["人", "々", "人々"]),
        ("二〇〇", ["二", "〇", "〇", "二〇", "〇〇"]),
        ("한국", ["한", "국", "한국"]),
        ("𠮷野", ["𠮷", "野", "𠮷野"]),  # outside the first 65,536 characters
        ("ไทย", ["ไ", "ท", "ย", "ไท", "ทย"]),
    ],
)
def test_japanese_korean_thai_and_rare_characters_are_cut_likewise(text, terms):
    assert tokenize(text) == terms


def test_chinese_and_latin_may_touch():
    assert tokenize("用Python编程") == ["用", "python", "编", "程", "编程"]
    assert tokenize("Qwen2模型") == ["qwen2", "模", "型", "模型"]


@pytest.mark.parametrize("mark", "，。！？；：、（）《》「」『』【】…—·～　“”‘’")
def test_chinese_punctuation_is_no_term_and_ends_words(mark):
    assert tokenize(f"月{mark}海") == ["月", "海"]
    assert tokenize(f"moon{mark}sea") == ["moon", "sea"] or mark == "’"


# --- Words. ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Moons", "moon"),
        ("orbiting", "ORBITED"),
        ("generously", "generous"),  # Porter's first stemmer makes these different
        ("cities", "city"),
        ("station's", "stations"),
        ("captain’s", "captain's"),
        ("Ｑｗｅｎ２", "qwen2"),
        ("ﬁnal", "final"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "café"),
        ("in\u00adter\u00adnal", "internal"),
        ("\ufeffmoon", "moon"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_forms_of_one_word_are_one_term(one, other):
    assert tokenize(one) == tokenize(other)
    assert len(tokenize(one)) == 1


def test_accents_tell_words_apart():
    assert tokenize("café") != tokenize("cafe")


def test_other_alphabets_are_words():
    assert tokenize("Москва हिन्दी ελλάδα") == ["москва", "हिन्दी", "ελλάδα"]


def test_a_word_ends_where_its_letters_and_digits_do():
    assert tokenize("snake_case kebab-case a/b x=y (z)") == [
        *["snake", "case", "kebab", "case", "a", "b", "x", "y", "z"]
    ]
    assert tokenize("don't 'quoted' rock'") == ["don't", "quot", "rock"]


def test_a_letter_first_holds_its_digits():
    assert tokenize("H2O NGC4321 x86 m²") == ["h2o", "ngc4321", "x86", "m2"]


@pytest.mark.parametrize(
    "text", ["", " \n\t\0", "。，！", "🚀👩‍👩‍👧🏳️‍🌈", "\u0301", "--- * ___", "∑ ± €"]
)
def test_a_text_without_words_has_no_terms(text):
    assert tokenize(text) == []
    assert jieba_tokenize(text) == []


# --- Numbers. ---


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("2187", ["2187"]),
        ("２１８７", ["2187"]),
        ("3.14", ["3.14"]),
        ("1.2.3", ["1.2.3"]),
        ("1,024", ["1024"]),
        ("1,234,567.89", ["1234567.89"]),
        ("１，０２４", ["1024"]),
        ("1,000, or more", ["1000", "or", "more"]),
        ("in 1999.", ["in", "1999"]),
        ("2020,2021", ["2020", "2021"]),
        ("1,2,3", ["1", "2", "3"]),
        ("12,345,67", ["12", "345", "67"]),
        ("100，200，300", ["100", "200", "300"]),  # a Chinese list, not a hundred million
        ("5km", ["5", "km"]),
        ("5 km", ["5", "km"]),
        ("45%", ["45"]),
        ("2187-03-04", ["2187", "03", "04"]),
    ],
)
def test_numbers_are_whole(text, terms):
    assert tokenize(text) == terms


def test_numbers_in_chinese_stand_apart_from_it():
    assert tokenize("共12颗") == ["共", "12", "颗"]


# --- What holds for all text. ---


@PROPERTY
@given(HOSTILE)
def test_a_term_is_never_empty_and_holds_no_spaces(text):
    for term in tokenize(text) + jieba_tokenize(text):
        assert term
        assert not any(character.isspace() or character == "\0" for character in term)


@PROPERTY
@given(HOSTILE, HOSTILE)
def test_lines_have_the_terms_that_they_have_alone(first, second):
    assert tokenize(first + "\n" + second) == tokenize(first) + tokenize(second)


@PROPERTY
@given(HOSTILE)
@example("ǰ")  # folds into two characters, which belong together
def test_terms_are_those_of_the_normal_form(text):
    normal = normalize(text)
    assert unicodedata.is_normalized("NFKC", normal)
    assert tokenize(normal) == tokenize(text)


@PROPERTY
@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=20))
def test_of_n_chinese_characters_come_n_terms_and_n_minus_1_pairs(text):
    text = unicodedata.normalize("NFKC", text)
    terms = tokenize(text)
    assert terms[: len(text)] == list(text)
    assert terms[len(text) :] == [text[i : i + 2] for i in range(len(text) - 1)]


# --- jieba. ---


def test_jieba_gives_the_dictionary_words_of_runs_and_leaves_the_rest():
    text = "小明硕士毕业于中国科学院计算所，后在日本京都大学深造"
    ours = jieba_tokenize(text + "，Published 1,024 papers")
    expected = [word for word in jieba.lcut_for_search(text) if word != "，"]
    assert ours == [*expected, "publish", "1024", "paper"]


def test_jieba_reports_nothing_on_stderr():
    script = "from tiny_rag.terms import jieba_tokenize; print(jieba_tokenize('月球基地'))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "基地" in done.stdout


def test_importing_the_module_loads_neither_jieba_nor_the_stemmer():
    script = (
        "import sys, tiny_rag.bm25; "
        "print([name for name in ('jieba', 'snowballstemmer') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# --- Questions. ---


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("月环站是哪一年建成的？", "月环站是年建成的"),
        ("月环站是什么时候建成的呢?", "月环站是建成的"),
        ("请问这颗卫星有多少居民", "这颗卫星有居民"),
        ("谁為何離開了港口嗎", "離開了港口"),
        ("有几颗卫星", "有颗卫星"),
        ("How many moons does Vela have?", "moons Vela have"),
        ("WHERE is the port", "is the port"),
    ],
)
def test_words_that_ask_are_left_out(question, about):
    assert [
        t for t in tokenize(without_question_words(question)) if len(t) == 1 or t.isascii()
    ] == [t for t in tokenize(about) if len(t) == 1 or t.isascii()]


def test_no_pair_is_made_of_what_stood_around_a_question_word():
    assert "是建" not in tokenize(without_question_words("站是何时建成的"))


@pytest.mark.parametrize("text", ["几乎没有几何", "几内亚", "whatever showhow", "WHO", "moon", ""])
def test_words_that_only_look_like_asking_stay(text):
    assert without_question_words(text) == text


@pytest.mark.parametrize("text", ["什么？", "who", "为什么呢", "how many?!"])
def test_a_question_of_nothing_else_stays_whole(text):
    assert without_question_words(text) == text


def test_threads_do_not_mix_up_each_other_s_words() -> None:
    """An agent runs the calls of one step side by side."""
    roots = ("relat", "hope", "condit", "mirror", "digit", "valenc", "electr", "adjust")
    words = [root + end for root in roots for end in ("ational", "fulness", "iveness", "ously")]
    expected = [tokenize(word) for word in words]

    def all_right(_: int) -> bool:
        terms._stem.cache_clear()  # or no word would be stemmed twice
        return [tokenize(word) for word in words] == expected

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(all_right, range(40)))
    finally:
        sys.setswitchinterval(interval)

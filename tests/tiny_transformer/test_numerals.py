"""Numerals in two languages: the texts against cn2an and num2words, the split, the checker.

Nothing here asks our renderers what is right: the words come from two other libraries or stand
written out, and the way back is another piece of code (`numerals_checker`).
"""

import random
import string
from collections import Counter
from datetime import date, datetime
from itertools import pairwise

import cn2an
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from num2words import num2words

from tiny_transformer import numerals
from tiny_transformer.numerals import (
    KINDS,
    NumeralsTask,
    chinese,
    draw_number,
    english,
    is_held_out,
    item,
    pairs,
)
from tiny_transformer.numerals_checker import error_kind, parse_chinese, parse_english

PROPERTY = settings(max_examples=300, derandomize=True, deadline=None)
LIMIT = 10**15

NUMBERS = st.integers(0, LIMIT - 1)
FEN = st.integers(0, 100 * LIMIT - 1)
DAYS = st.dates(date(1000, 1, 1), date(2999, 12, 31))


def edge_numbers():
    """Every pattern of zeros up to 15 digits, every power of ten and its neighbours."""
    rng = random.Random(0)
    for mask in range(1, 2**15):
        digit = rng.randint(1, 9)
        yield sum(digit * 10**place for place in range(15) if mask >> place & 1)
    for place in range(15):
        yield from (10**place - 1, 10**place, 10**place + 1)
    yield LIMIT - 1
    yield from range(1200)


def random_numbers(seed, count):
    rng = random.Random(seed)
    for _ in range(count):
        yield rng.randrange(10 ** rng.randint(1, 15))
        yield draw_number(rng, rng.randint(1, 15))


# --- The texts, written out. ---

WORKED_NUMBERS = [
    (0, "零", "zero"),
    (2, "二", "two"),
    (10, "十", "ten"),
    (12, "十二", "twelve"),
    (20, "二十", "twenty"),
    (21, "二十一", "twenty-one"),
    (101, "一百零一", "one hundred and one"),
    (112, "一百一十二", "one hundred and twelve"),
    (200, "二百", "two hundred"),
    (1010, "一千零一十", "one thousand and ten"),
    (1100, "一千一百", "one thousand one hundred"),
    (10_500, "一万零五百", "ten thousand five hundred"),
    (100_005, "十万零五", "one hundred thousand and five"),
    (120_000, "十二万", "one hundred and twenty thousand"),
    (20_001_000, "二千万一千", "twenty million one thousand"),
    (32_100_005, "三千二百一十万零五", "thirty-two million one hundred thousand and five"),
    (100_101_000, "一亿零一十万一千", "one hundred million one hundred and one thousand"),
    (1_000_000_005, "十亿零五", "one billion and five"),
    (10**12, "一万亿", "one trillion"),
    (11 * 10**12, "十一万亿", "eleven trillion"),
    (10**12 + 10**8, "一万零一亿", "one trillion one hundred million"),
    # a whole level is empty: cn2an leaves this 零 out
    (100_001_000, "一亿零一千", "one hundred million one thousand"),
    (100_001_001, "一亿零一千零一", "one hundred million one thousand and one"),
    (10**12 + 10**7, "一万亿零一千万", "one trillion ten million"),
    (
        LIMIT - 1,
        "九百九十九万九千九百九十九亿九千九百九十九万九千九百九十九",
        "nine hundred and ninety-nine trillion nine hundred and ninety-nine billion "
        "nine hundred and ninety-nine million nine hundred and ninety-nine thousand "
        "nine hundred and ninety-nine",
    ),
]

WORKED_MONEY = [
    (0, "零元", "zero yuan"),
    (5, "五分", "five fen"),
    (11, "一角一分", "eleven fen"),
    (50, "五角", "fifty fen"),
    (1200, "十二元", "twelve yuan"),
    (1250, "十二元五角", "twelve yuan and fifty fen"),
    (1205, "十二元零五分", "twelve yuan and five fen"),
    (1005, "十元零五分", "ten yuan and five fen"),
    (100_001, "一千元零一分", "one thousand yuan and one fen"),
    (32_056, "三百二十元五角六分", "three hundred and twenty yuan and fifty-six fen"),
    (100_500, "一千零五元", "one thousand and five yuan"),
]

WORKED_DATES = [
    (date(2026, 11, 23), "二〇二六年十一月二十三日", "November 23, 2026"),
    (date(2000, 1, 1), "二〇〇〇年一月一日", "January 1, 2000"),
    (date(1000, 10, 10), "一〇〇〇年十月十日", "October 10, 1000"),
    (date(2999, 12, 31), "二九九九年十二月三十一日", "December 31, 2999"),
    (date(2024, 2, 29), "二〇二四年二月二十九日", "February 29, 2024"),
]

WORKED = (
    [("number", *row) for row in WORKED_NUMBERS]
    + [("money", *row) for row in WORKED_MONEY]
    + [("date", *row) for row in WORKED_DATES]
)


@pytest.mark.parametrize(("kind", "value", "zh", "en"), WORKED)
def test_worked_values(kind, value, zh, en):
    assert item(kind, value) == (kind, value, zh, en)
    assert chinese(value, kind) == zh
    assert english(value, kind) == en


def test_number_is_the_default_kind():
    assert chinese(12) == "十二"
    assert english(12) == "twelve"


def test_all_months_have_their_names():
    # written by the standard library, in the C locale that Python starts with
    for month in range(1, 13):
        day = date(2021, month, 9)
        assert english(day, "date") == day.strftime("%B 9, %Y")


# --- The texts, against other libraries. ---


def thousands_after_empty_levels(n):
    """How often a level of four has its thousand, and above it only zeros before something."""
    levels = [n // 10**place % 10**4 for place in (12, 8, 4, 0)]
    return sum(
        lower >= 1000 and upper == 0 and any(levels[:place])
        for place, (upper, lower) in enumerate(pairwise(levels))
    )


def test_chinese_numbers_are_those_of_cn2an():
    """Except 一亿零一千: schools read a 零 for a whole empty level, cn2an says 一亿一千,

    which is how 110,000,000 is said aloud. There the two differ by just these 零.
    """
    corrected = 0
    for n in [*edge_numbers(), *random_numbers(1, 5000)]:
        ours, theirs = chinese(n), cn2an.an2cn(n, "low")
        missing = thousands_after_empty_levels(n)
        if missing:
            corrected += 1
            assert ours.replace("零", "") == theirs.replace("零", ""), n
            assert ours.count("零") == theirs.count("零") + missing, n
        else:
            assert ours == theirs, n
    assert corrected > 1000


def test_english_numbers_are_those_of_num2words():
    for n in [*list(edge_numbers())[::5], *range(1200), *random_numbers(2, 2500)]:
        assert english(n) == num2words(n, lang="en_GB").replace(",", ""), n


def test_money_is_its_two_numbers():
    rng = random.Random(3)
    for _ in range(2000):
        yuan, jiao, fen = rng.randrange(1, 10**9), rng.randint(1, 9), rng.randint(1, 9)
        zh, en = cn2an.an2cn(jiao, "low"), num2words(yuan, lang="en_GB").replace(",", "")
        value = 100 * yuan + 10 * jiao
        assert chinese(value, "money") == f"{chinese(yuan)}元{zh}角"
        cents = num2words(10 * jiao + fen, lang="en_GB")
        assert english(value + fen, "money") == f"{en} yuan and {cents} fen"


# --- What has no text. ---


@pytest.mark.parametrize("render", [chinese, english])
@pytest.mark.parametrize("value", [-1, LIMIT, True, 1.0, "5", None, date(2020, 1, 1)])
def test_what_is_no_number_in_range_is_refused(render, value):
    with pytest.raises(ValueError, match=r"from 0 to 10\*\*15 - 1") as caught:
        render(value)
    assert (value if isinstance(value, str) else repr(value)) in str(caught.value)


@pytest.mark.parametrize("render", [chinese, english])
@pytest.mark.parametrize("value", [-1, 100 * LIMIT, False, 12.5])
def test_what_is_no_amount_in_range_is_refused(render, value):
    with pytest.raises(ValueError, match=r"fen, a whole number from 0 to 10\*\*17 - 1") as caught:
        render(value, "money")
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("render", [chinese, english])
@pytest.mark.parametrize(
    ("value", "what"),
    [
        (date(999, 12, 31), "0999-12-31 .* from 1000-01-01 to 2999-12-31"),
        (date(3000, 1, 1), "3000-01-01 .* from 1000-01-01 to 2999-12-31"),
        (20261123, "20261123 is not a day"),
        (datetime(2026, 11, 23, 8), "is not a day"),
    ],
)
def test_what_is_no_day_in_range_is_refused(render, value, what):
    with pytest.raises(ValueError, match=what):
        render(value, "date")


@pytest.mark.parametrize("render", [chinese, english])
def test_an_unknown_kind_is_refused(render):
    with pytest.raises(ValueError, match="kind='weight': use one of number, date, money"):
        render(5, "weight")


# --- There and back by another road. ---


@PROPERTY
@given(NUMBERS)
def test_numbers_come_back(n):
    assert parse_chinese(chinese(n)) == ("number", n)
    assert parse_english(english(n)) == ("number", n)


@PROPERTY
@given(FEN)
def test_amounts_come_back(fen):
    assert parse_chinese(chinese(fen, "money")) == ("money", fen)
    assert parse_english(english(fen, "money")) == ("money", fen)


@PROPERTY
@given(DAYS)
def test_days_come_back(day):
    assert parse_chinese(chinese(day, "date")) == ("date", day)
    assert parse_english(english(day, "date")) == ("date", day)


def test_every_pattern_of_zeros_comes_back():
    for n in edge_numbers():
        assert parse_chinese(chinese(n)) == ("number", n)
        assert parse_english(english(n)) == ("number", n)


def test_no_two_values_share_a_text():
    values = {("number", n) for n in range(20_000)} | {("money", n) for n in range(20_000)}
    values |= {("date", date.fromordinal(n)) for n in range(700_000, 705_000)}
    assert len({chinese(value, kind) for kind, value in values}) == len(values)
    assert len({english(value, kind) for kind, value in values}) == len(values)


# --- The checker alone. ---

OTHER_WORDINGS = [
    ("两千零五", 2005),
    ("一十二", 12),
    ("一百十", 110),
    ("一百〇五", 105),
    ("一千五十", 1050),
    ("三千五", 3500),  # as in speech; 3005 is 三千零五
    ("一万五", 15_000),
    ("一万五亿", 15_000 * 10**8),
    ("一百五万", 1_500_000),
    ("一亿五万", 100_050_000),
    ("one hundred five", 105),
    ("thirty two", 32),
    ("one million, two", 1_000_002),
    ("one thousand and two hundred", 1200),
    ("Twelve", 12),
]


@pytest.mark.parametrize(("text", "value"), OTHER_WORDINGS)
def test_the_checker_understands_what_a_reader_would(text, value):
    parse = parse_english if text.isascii() else parse_chinese
    assert parse(text) == ("number", value)


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("零五分", 5),
        ("十二元五分", 1205),
        ("十二元零角五分", 1205),
        ("twelve yuan five fen", 1205),
        ("one thousand two hundred and five fen", 1205),
    ],
)
def test_the_checker_understands_other_amounts(text, fen):
    parse = parse_english if text.isascii() else parse_chinese
    assert parse(text) == ("money", fen)


@pytest.mark.parametrize(
    "text",
    [
        *("", "零零", "十十", "一二", "亿", "零五", "一百零", "一百零零五", "一百零万", "五十百"),
        *("十五百", "一亿亿", "百一", "5", "角", "元", "五元零", "五分五角", "一元元", "五元十角"),
        *("二月", "二〇二六年二月三十日", "二〇二六年十三月一日", "二六年一月一日"),
        *("〇〇〇〇年一月一日", "二〇二六年一月零日"),
    ],
)
def test_the_checker_refuses_what_is_no_chinese_numeral(text):
    assert parse_chinese(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", " ", "and", "five five", "twenty eleven", "ten five", "hundred", "zero hundred"),
        *("hundred thousand", "one thousand million", "one million million", "two hundred hundred"),
        *("one thousand two million", "and five", "five and", "one hundred and thousand"),
        *("twenty and five", "one hundred and and five", "thirty--two", "thirty-ten", "ten-two"),
        *("five fen five yuan", "and five fen", "five yuan and", "yuan", "five yuan yuan", "5"),
        *("February 30, 2020", "Smarch 1, 2020", "January 1, 20200", "January 1, ２０２０"),
        *("January", "January 0, 2020", "January 1, 0000", "a hundred"),
    ],
)
def test_the_checker_refuses_what_is_no_english_numeral(text):
    assert parse_english(text) is None


CHINESE_SIGNS = "零一二三四五六七八九十百千万亿年月日元角分〇两"
ENGLISH_SIGNS = (
    *"zero one five ten twelve thirty thirty-two hundred thousand million trillion and".split(),  # noqa: SIM905
    *("yuan", "fen", "May", "23,", "2026", "-", "", ","),
)


@PROPERTY
@example("\ud800")
@given(st.text() | st.text(CHINESE_SIGNS) | st.text(string.printable))
def test_garbage_never_raises(text):
    parse_chinese(text)
    parse_english(text)


@PROPERTY
@given(st.text(CHINESE_SIGNS, max_size=12))
def test_what_the_checker_reads_in_chinese_has_that_value_in_the_other_language_too(text):
    reading = parse_chinese(text)
    if reading and reading.kind == "number" and reading.value < LIMIT:
        assert parse_english(english(reading.value)) == reading


@PROPERTY
@given(st.lists(st.sampled_from(ENGLISH_SIGNS), max_size=8).map(" ".join))
def test_what_the_checker_reads_in_english_has_that_value_in_the_other_language_too(text):
    reading = parse_english(text)
    if reading and reading.kind == "number":
        assert parse_chinese(chinese(reading.value)) == reading


# --- What is wrong with a translation. ---


@pytest.mark.parametrize(
    ("value", "output", "verdict"),
    [
        (12, "twelve", "right"),
        (105, "one hundred five", "other wording"),
        (105, "one hundred and six", "one digit wrong"),
        (1_000_005, "one million", "one digit wrong"),
        (1005, "one hundred and five", "zero wrong"),
        (10_005, "fifteen thousand", "zero wrong"),
        (3 * 10**8, "three million", "magnitude wrong"),
        (3, "three thousand", "magnitude wrong"),
        (32_100_005, "twelve", "other value"),
        (2000, "January 1, 2000", "other kind"),
        (2000, "two thousand yuan", "other kind"),
        (2000, "two two", "not a numeral"),
        (2000, "", "not a numeral"),
    ],
)
def test_verdicts_on_english(value, output, verdict):
    assert error_kind(item("number", value), output, "zh-en") == verdict


@pytest.mark.parametrize(
    ("kind", "value", "output", "verdict"),
    [
        ("number", 105, "一百零五", "right"),
        ("number", 2005, "两千零五", "other wording"),
        ("number", 105, "一百五", "zero wrong"),
        ("number", 3 * 10**8, "三万", "magnitude wrong"),
        ("money", 1205, "十二元五分", "other wording"),
        ("money", 1200, "十二分", "not a numeral"),
        ("money", 500, "五分", "magnitude wrong"),
        ("money", 1205, "十二元零六分", "one digit wrong"),
        ("date", date(2026, 11, 23), "二〇二六年十一月二十三日", "right"),
        ("date", date(2026, 11, 23), "二零二六年十一月二十三日", "other wording"),
        ("date", date(2026, 11, 23), "二〇二六年十月二十三日", "one digit wrong"),
        ("date", date(2026, 11, 23), "二〇二六年九月二十四日", "other value"),
        ("date", date(2026, 11, 23), "二〇二六", "not a numeral"),
    ],
)
def test_verdicts_on_chinese(kind, value, output, verdict):
    assert error_kind(item(kind, value), output, "en-zh") == verdict


@PROPERTY
@given(NUMBERS, st.text())
def test_a_translation_in_the_wrong_language_is_no_numeral(n, noise):
    assert error_kind(item("number", n), chinese(n), "zh-en") == "not a numeral"
    assert error_kind(item("number", n), english(n), "en-zh") == "not a numeral"
    error_kind(item("number", n), noise, "zh-en")


# --- The split. ---

TASK = NumeralsTask.shipped()


def leaks(items):
    return [one for one in items if is_held_out(one.kind, one.value)]


@pytest.fixture(scope="module")
def trained():
    return TASK.train_items(seed=0, count=200_000)


@pytest.fixture(scope="module")
def tested():
    return TASK.test_items(seed=0, count=3000)


def test_no_held_out_value_is_ever_trained(trained, tested):
    assert not leaks(trained)
    assert not {one.english for one in trained} & {one.english for one in tested}
    assert not {one.chinese for one in trained} & {one.chinese for one in tested}


def test_a_leak_would_be_seen(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(numerals, "is_held_out", lambda kind, value: False)
        leaky = TASK.train_items(seed=0, count=2000)
    assert len(leaks(leaky)) > 10


def test_the_test_holds_only_held_out_values_each_once(tested):
    assert len(leaks(tested)) == len(tested) == len(set(tested)) == 3000


def test_two_percent_are_held_out_of_every_kind():
    days = [date.fromordinal(n) for n in range(600_000, 650_000)]
    for kind, values in (("number", range(1000, 51_000)), ("money", range(1000, 51_000))):
        assert sum(is_held_out(kind, value) for value in values) == pytest.approx(1000, rel=0.1)
    assert sum(is_held_out("date", day) for day in days) == pytest.approx(1000, rel=0.1)


def test_the_kinds_are_split_apart():
    both = sum(is_held_out("number", n) and is_held_out("money", n) for n in range(1000, 51_000))
    assert both < 100  # of 1000: 20 by chance, all of them if the kind were not hashed


def test_the_split_is_the_same_for_ever():
    """Were the hash to change, shipped weights would be tested on what they were trained on."""
    held = [n for n in range(1000, 1500) if is_held_out("number", n)]
    assert held == [1031, 1094, 1136, 1157, 1190, 1202, 1269, 1345, 1421]


def test_the_smallest_values_are_always_trained():
    assert not any(is_held_out(kind, n) for kind in ("number", "money") for n in range(1000))


def test_items_are_what_their_values_say(trained, tested):
    for one in [*trained[:3000], *tested, *TASK.longer_items(seed=0, count=500)]:
        assert one == item(one.kind, one.value)


# --- What is drawn. ---


def test_the_mixture(trained):
    counts = Counter(one.kind for one in trained)
    for kind, share in zip(KINDS, (0.6, 0.2, 0.2), strict=True):
        assert counts[kind] / len(trained) == pytest.approx(share, abs=0.01)


def test_every_length_comes_equally_often_and_only_round_numbers_are_longer(trained):
    numbers = [str(one.value) for one in trained if one.kind == "number"]
    lengths = Counter(map(len, numbers))
    for digits in range(1, 13):
        assert lengths[digits] / len(numbers) == pytest.approx(0.8 / 12 + 0.2 / 15, abs=0.01)
    for digits in range(13, 16):
        assert lengths[digits] / len(numbers) == pytest.approx(0.2 / 15, abs=0.004)
    assert max(lengths) == 15
    assert max(len(n.rstrip("0")) for n in numbers if len(n) > 12) == 4


def test_zeros_and_missing_levels_come_often(trained):
    numbers = [one for one in trained if one.kind == "number" and one.value >= 10**8]
    with_zero = sum("零" in one.chinese for one in numbers)
    without_thousands = sum(one.value // 1000 % 1000 == 0 for one in numbers)
    assert with_zero / len(numbers) > 0.5
    assert without_thousands / len(numbers) > 0.1
    assert sum("零" not in one.chinese for one in numbers) / len(numbers) > 0.2


def test_amounts_have_all_their_forms(trained):
    amounts = [one for one in trained if one.kind == "money"]
    assert max(one.value for one in amounts) < 10**11
    assert {len(str(one.value)) for one in amounts} == set(range(1, 12))
    for has in ("元零", "角", "分", "元"):
        assert sum(has in one.chinese for one in amounts) / len(amounts) > 0.2
    assert sum("元" not in one.chinese for one in amounts) / len(amounts) > 0.05


def test_dates_reach_from_the_first_year_to_the_last(trained):
    days = [one.value for one in trained if one.kind == "date"]
    assert {day.year for day in days} == set(range(1000, 3000))
    assert {(day.month, day.day) for day in days if day.day == 29} >= {(2, 29)}


def test_training_knows_every_sign_and_word_of_the_tests(trained, tested):
    words, signs = set(), set()
    for one in trained:
        words |= set(one.english.split()) if one.kind != "date" else set()
        signs |= set(one.chinese)
    for one in [*tested, *TASK.longer_items(seed=0, count=1000)]:
        assert set(one.chinese) <= signs
        assert one.kind == "date" or set(one.english.split()) <= words


def test_longer_items_have_lengths_that_training_never_had():
    items = TASK.longer_items(seed=0, count=2000)
    assert len(set(items)) == 2000
    assert Counter(len(str(one.value)) for one in items).keys() == {13, 14, 15}
    assert min(len(str(one.value).rstrip("0")) for one in items) > 4


def test_the_small_task_knows_numbers_below_a_million_only():
    task = NumeralsTask.small()
    items = [*task.train_items(seed=0, count=5000), *task.test_items(seed=0, count=500)]
    assert {one.kind for one in items} == {"number"}
    assert max(one.value for one in items) < 10**6
    with pytest.raises(ValueError, match="no longer numbers: round_digits=6 is max_digits"):
        task.longer_items(seed=0, count=1)


@pytest.mark.parametrize("draw", ["train_items", "test_items", "longer_items"])
def test_the_seed_decides(draw):
    same, again, other = (getattr(TASK, draw)(seed, 300) for seed in (5, 5, 6))
    assert same == again
    assert same != other
    assert len(same) == len(other) == 300
    assert getattr(TASK, draw)(5, 0) == []


def test_asking_for_more_than_is_held_out_says_so(monkeypatch):
    monkeypatch.setattr(numerals, "PATIENCE", 5000)
    task = NumeralsTask(max_digits=4, round_digits=4, shares=(1, 0, 0))
    with pytest.raises(ValueError, match=r"count=1000: no more than 1[0-9]{2} different items"):
        task.test_items(seed=0, count=1000)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"max_digits": 0}, "max_digits=0"),
        ({"max_digits": 13, "round_digits": 12}, "max_digits=13 and round_digits=12"),
        ({"round_digits": 16}, "round_digits=16"),
        ({"yuan_digits": 0}, "yuan_digits=0"),
        ({"shares": (0, 0, 0)}, "give three weights"),
        ({"shares": (1, -1, 1)}, "give three weights"),
        ({"shares": (1, 1)}, "give three weights"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(wrong, what):
    with pytest.raises(ValueError, match=what):
        NumeralsTask(**wrong)


def test_pairs_point_one_way_or_the_other():
    items = [item("number", 12), item("money", 5)]
    assert pairs(items, "zh-en") == [("十二", "twelve"), ("五分", "five fen")]
    assert pairs(items, "en-zh") == [("twelve", "十二"), ("five fen", "五分")]
    with pytest.raises(ValueError, match="direction='fr-en': use zh-en or en-zh"):
        pairs(items, "fr-en")

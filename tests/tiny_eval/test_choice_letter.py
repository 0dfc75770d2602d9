"""A letter is found where a reader would find it, and nowhere else."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_eval.letter_replies import (
    DOUBTS,
    FIRST_TRY,
    KNOWN_MISSED,
    KNOWN_WRONG,
    LOGS,
    MUTANTS,
    RIVALS,
    SECOND,
    SEVERAL,
    TABLE,
    THIRD,
    Tally,
    all_rows,
    tally,
)
from tiny_eval.choice_letter import choice_letter, choice_letters
from tiny_eval.filters import strip_think

PROPERTY = settings(max_examples=200, derandomize=True, deadline=None)
WIDE = {code: chr(code + 0xFEE0) for code in range(0x21, 0x7F)}


def read(reply: str, letters: str = "ABCD") -> str | None:
    return choice_letter(strip_think(reply) or "", letters)


@pytest.mark.parametrize("style", [*TABLE, "second", "third", "logs", "mutants", "doubts"])
def test_each_reply_gives_the_letter_that_a_reader_finds(style: str) -> None:
    rows = {**TABLE, "second": SECOND, "third": THIRD, "logs": LOGS, "mutants": MUTANTS}
    rows["doubts"] = DOUBTS
    off = {reply: read(reply) for reply, answer in rows[style] if read(reply) != answer}
    assert set(off) <= KNOWN_WRONG | KNOWN_MISSED, off


def test_what_is_missed_is_none_and_what_is_known_is_still_so() -> None:
    assert all(read(reply) is None for reply in KNOWN_MISSED)
    assert all(read(reply) is not None for reply in KNOWN_WRONG)


@pytest.mark.parametrize(("reply", "answer"), SEVERAL)
def test_several_letters(reply: str, answer: str | None) -> None:
    assert choice_letters(strip_think(reply) or "") == answer


def test_the_table_is_large_and_its_rows_differ() -> None:
    rows = all_rows()
    assert len(rows) == len({reply for reply, _ in rows}) == 909
    assert sum(answer is None for _, answer in rows) == 309
    assert all(sum(numbers) in (518, 228, 102) for numbers in FIRST_TRY.values())


def test_a_wrong_guess_is_rarer_than_with_other_ways_and_so_is_a_miss() -> None:
    ours = tally(choice_letter, all_rows())
    assert ours == Tally(902, 1, 6)
    assert {name: tally(extract, all_rows()) for name, extract in RIVALS.items()} == {
        "the first letter": Tally(462, 427, 20),
        "the last letter (GAOKAO-Bench)": Tally(584, 305, 20),
        "the last letter by itself": Tally(547, 195, 167),
        "lm-eval's pattern": Tally(338, 26, 545),
        "a cascade (as OpenCompass)": Tally(541, 348, 20),
    }


PLAIN = [
    ("B", "B"),
    ("c.", "C"),
    ("故选：B．", "B"),
    ("The answer is D.", "D"),
    ("**Answer:** (B)", "B"),
    ("$\\boxed{\\text{A}}$", "A"),
    ("【答案】Ｃ", "C"),
    ("A. 三角形", "A"),
    ("在三角形ABC中，AB=2，故选D。", "D"),
    ("不选A，故选C。", "C"),
    ("A项错误，B项错误，D项错误，故选C。", "C"),
    ("The answer is A. Wait, that is wrong. The answer is B.", "B"),
    ("A student takes vitamin C", None),
    ("四边形ABCD是矩形", None),
    ("不选A", None),
    ("答案是A或B", None),
    ("A. 1\nB. 2\nC. 3\nD. 4", None),
    ("我不知道。", None),
    ("", None),
]


@pytest.mark.parametrize(("reply", "answer"), PLAIN)
def test_plain_replies_give_their_letter(reply: str, answer: str | None) -> None:
    assert choice_letter(reply) == answer


def enough(found: Tally) -> bool:
    """Few wrong guesses, and of 600 letters most are found: what no rival reaches."""
    return found.wrong <= 45 and found.missed <= 150


def test_a_reader_of_909_replies_guesses_wrongly_or_misses_few() -> None:
    found = tally(choice_letter, all_rows())
    assert enough(found), f"{found}: at most 45 wrong guesses and 150 misses"


def test_no_rival_is_good_enough() -> None:
    assert not any(enough(tally(extract, all_rows())) for extract in RIVALS.values())


def test_full_width_replies_say_the_same() -> None:
    for reply, answer in [*TABLE["chinese"], *TABLE["negated"], *TABLE["undecided"]]:
        assert choice_letter(reply.translate(WIDE)) == answer, reply


def test_only_the_letters_of_the_options_count() -> None:
    assert choice_letter("答案是E") is None
    assert choice_letter("答案是E", "ABCDE") == "E"
    assert choice_letter("The answer is (J).", "ABCDEFGHIJ") == "J"
    assert choice_letter("答案是C", "AB") is None


def test_the_pronoun_is_no_option_even_where_there_is_an_option_of_that_letter() -> None:
    letters = "ABCDEFGHIJ"
    assert choice_letter("I think it is C.", letters) == "C"
    assert choice_letter("The answer is C because I computed the integral.", letters) == "C"
    assert choice_letter("Answer: I don't know", letters) is None
    assert choice_letter("I am not sure.", letters) is None
    assert choice_letter("The answer is I.", letters) == "I"


@pytest.mark.parametrize("letters", ["ABCD", "ABCDE", "ABCDEFGHIJ"])
def test_every_option_is_read_in_every_form(letters: str) -> None:
    forms = ["{0}", "{1}", "({1})", "答案是{0}", "故选：{0}．", "The answer is {0}.", "**{0}**"]
    forms += ["\\boxed{{{0}}}", "【答案】{0}", "Answer: ({1})", "{0}. 三角形", "选项{0}正确"]
    for letter in letters:
        for form in forms:
            assert choice_letter(form.format(letter, letter.lower()), letters) == letter, form


def test_a_letter_is_its_own_answer() -> None:
    for reply, _ in all_rows():
        if letter := read(reply):
            assert read(letter) == letter
    for reply, _ in SEVERAL:
        if letters := choice_letters(reply):
            assert choice_letters(letters) == letters


def test_the_answer_of_a_long_reply_is_at_its_end_or_its_start() -> None:
    walk = "函数在区间上单调递增，因此继续讨论下一种情形。\n" * 5_000
    assert choice_letter(walk + "故选B。") == "B"
    assert choice_letter("答案：C\n" + walk) == "C"
    assert choice_letter(walk) is None


WORDS = "选 答案 是 不 或 和 故 错误 正确 A B C D a b ( ) . : , 。 not the answer is so if wait or"
FRAGMENTS = [*WORDS.split(), " ", "\n"]
replies = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join) | st.text(max_size=200)


@PROPERTY
@given(replies)
def test_any_text_gives_one_letter_or_none(reply: str) -> None:
    assert choice_letter(reply) in {None, "A", "B", "C", "D"}


@PROPERTY
@given(replies)
def test_any_text_gives_sorted_letters_or_none(reply: str) -> None:
    several = choice_letters(reply)
    assert several is None or (several and list(several) == sorted(set(several) & set("ABCD")))


@PROPERTY
@given(replies)
def test_no_letter_comes_of_a_text_without_one(reply: str) -> None:
    bare = "".join(sign for sign in reply if not sign.isalpha() or "\u4e00" <= sign <= "\u9fff")
    assert choice_letter(bare) is None


HOSTILE = [
    "选A",
    "A\n",
    "A、",
    "A. x\n",
    "答案是A或",
    "the answer is A ",
    "not A ",
    "if A ",
    "\\text{",
]
HOSTILE += [
    "\\boxed{",
    "(",
    " ",
    "*",
    "。不对",
    "wait, ",
    "答案",
    "answer to ",
    "A" * 9 + " ",
    "if ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_anything_takes_less_than_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()  # and not the clock: others may use this machine
    choice_letter(text)
    assert time.process_time() - start < 1


def test_a_megabyte_of_everything_takes_less_than_a_second() -> None:
    pieces = random.Random(0).choices([*HOSTILE, *FRAGMENTS], k=250_000)
    start = time.process_time()
    choice_letters("".join(pieces)[:1_000_000])
    assert time.process_time() - start < 1

"""The independent checker: read a numeral back to its value, and say what is wrong with an answer.

Another route than `numerals`: the texts are written there by splitting the value at its largest
unit; here words are read from left to right onto a stack of places, with tables of their own, so
that one mistake cannot hide behind the other. Chapter 13.

The checker is generous where a reader would be (两, 一十二, a missing "and", "one hundred five")
and says no to what means nothing (十十, hundred thousand, February 30). A digit straight after
百, 千, 万 or 亿 counts for the next place below, as in speech: 一万五 is 15,000, not 10,005.
"""

# ruff: noqa: SIM905 - words in a line read better than words in a column

import re
from datetime import date
from typing import Literal, NamedTuple

from .numerals import Direction, Item, Kind, Value, pairs

Verdict = Literal[
    "right",
    "other wording",  # of the right value
    "one digit wrong",
    "magnitude wrong",  # the right digits, a power of ten off: 亿 for 万, fen for yuan
    "zero wrong",  # the right digits but zeros: 105 for 1005, 150 for 105
    "other value",
    "other kind",  # a date for a number, say
    "not a numeral",
]

CHINESE_DIGITS = {char: n for n, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
ENGLISH_ONES = {
    word: n
    for n, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen".split(),
        start=1,
    )
}
ENGLISH_TENS = {
    word: 10 * n
    for n, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
ENGLISH_UNITS = {"hundred": 100} | {
    word: 1000**n for n, word in enumerate("thousand million billion trillion".split(), start=1)
}
ENGLISH_MONTHS = (
    "january february march april may june july august september october november december"
).split()


class Reading(NamedTuple):
    """What a text denotes: a number, a `datetime.date`, or an amount in fen."""

    kind: Kind
    value: Value


class _Places:
    """A sum under construction: addends, each with the lowest place it fills; places only fall.

    three thousand | two hundred | ten  is  [(3000, 1000), (200, 100), (10, 1)].
    """

    def __init__(self) -> None:
        self.addends: list[tuple[int, int]] = []

    def add(self, value: int, place: int = 1) -> None:
        """ValueError where the place is taken: five five, twenty eleven."""
        if self.addends and value >= self.addends[-1][1]:
            raise ValueError(f"{value} does not fit below {self.addends[-1][1]}")
        self.addends.append((value, place))

    def multiply(self, unit: int, most: int, default: int = 0) -> None:
        """The addends below the unit count how many of it: 1 to `most`, or ValueError."""
        count = 0
        while self.addends and self.addends[-1][1] < unit:
            count += self.addends.pop()[0]
        count = count or default
        if not 1 <= count <= most:
            raise ValueError(f"{count} times {unit}")
        self.add(count * unit, unit)

    def total(self) -> int:
        """ValueError if nothing was read."""
        if not self.addends:
            raise ValueError("no number")
        return sum(value for value, _ in self.addends)


def parse_chinese(text: str) -> Reading | None:
    """What a Chinese text denotes; None if it is no numeral, date or amount. Never raises."""
    try:
        return _read_chinese(text)
    except ValueError:
        return None


def parse_english(text: str) -> Reading | None:
    """What an English text denotes; None if it is no numeral, date or amount. Never raises."""
    try:
        return _read_english(text.lower())
    except ValueError:
        return None


def _read_chinese(text: str) -> Reading:
    if match := re.fullmatch("(.)(.)(.)(.)年(.+)月(.+)日", text):
        *year, month, day = match.groups()
        digits = [_chinese_digit(char) for char in year]
        year_number = int("".join(map(str, digits)))
        return Reading("date", date(year_number, _chinese_whole(month), _chinese_whole(day)))
    if match := re.fullmatch("(?:(.+)元)?(?:零?(.)角)?(?:零?(.)分)?", text or "-"):
        yuan, jiao, fen = match.groups()
        value = 100 * _chinese_whole(yuan) if yuan else 0
        value += 10 * _chinese_digit(jiao) if jiao else 0
        return Reading("money", value + (_chinese_digit(fen) if fen else 0))
    return Reading("number", _chinese_whole(text))


def _chinese_digit(char: str) -> int:
    if char not in CHINESE_DIGITS:
        raise ValueError(f"{char} is no digit")
    return CHINESE_DIGITS[char]


def _chinese_whole(text: str) -> int:
    if CHINESE_DIGITS.get(text) == 0:
        return 0
    places = _Places()
    for before, char, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if unit := CHINESE_UNITS.get(char):
            if CHINESE_DIGITS.get(before) == 0 and char != "十":
                raise ValueError(f"零{char}")
            most = {"万": 9999, "亿": 9999_9999}.get(char, 9)
            places.multiply(unit, most, default=1 if char == "十" else 0)
        elif digit := _chinese_digit(char):
            above = CHINESE_UNITS.get(before, 1)
            spoken = above > 10 and CHINESE_UNITS.get(after, above) >= above  # 一万五 is 15,000
            place = above // 10 if spoken else 1
            places.add(digit * place, place)
        elif not places.addends or CHINESE_DIGITS.get(before) is not None or after == " ":
            raise ValueError("零 stands between two numerals")
    return places.total()


def _read_english(text: str) -> Reading:
    if match := re.fullmatch("([a-z]+) ([0-9]{1,2}),? ([0-9]{4})", text):
        month, day, year = match.groups()
        return Reading("date", date(int(year), ENGLISH_MONTHS.index(month) + 1, int(day)))
    if match := re.fullmatch("(?:(.+) yuan)?( and | )?(?:(.+) fen)?", text or "-"):
        yuan, link, fen = match.groups()
        if bool(link) != bool(yuan and fen):
            raise ValueError("a link joins yuan and fen")
        value = 100 * _english_whole(yuan) if yuan else 0
        return Reading("money", value + (_english_whole(fen) if fen else 0))
    return Reading("number", _english_whole(text))


def _english_whole(text: str) -> int:
    if text == "zero":
        return 0
    places = _Places()
    before = ""
    for word in text.replace(", ", " ").split(" "):
        tens, hyphen, ones = word.partition("-")
        if hyphen and not (tens in ENGLISH_TENS and ENGLISH_ONES.get(ones, 10) < 10):
            raise ValueError(f"{word}: a hyphen joins tens and ones")
        if word in ENGLISH_UNITS:
            if before == "and":
                raise ValueError(f"and stands before {word}")
            places.multiply(ENGLISH_UNITS[word], most=9 if word == "hundred" else 999)
        elif word == "and":
            if before not in ENGLISH_UNITS:
                raise ValueError("and stands after a unit")
        elif tens in ENGLISH_TENS:
            places.add(ENGLISH_TENS[tens] + ENGLISH_ONES.get(ones, 0), 1 if hyphen else 10)
        elif word in ENGLISH_ONES:
            places.add(ENGLISH_ONES[word])
        else:
            raise ValueError(f"{word} is no number word")
        before = word
    if before == "and":
        raise ValueError("and stands at the end")
    return places.total()


def error_kind(item: Item, output: str, direction: Direction) -> Verdict:
    """What is wrong with a translation of the item; "right" is an exact match and nothing less."""
    if output == pairs([item], direction)[0][1]:
        return "right"
    reading = parse_english(output) if direction == "zh-en" else parse_chinese(output)
    if reading is None:
        return "not a numeral"
    if reading.kind != item.kind:
        return "other kind"
    if reading.value == item.value:
        return "other wording"
    wanted, given = (str(value).replace("-", "") for value in (item.value, reading.value))
    if len(wanted) == len(given) and sum(a != b for a, b in zip(wanted, given, strict=True)) == 1:
        return "one digit wrong"
    if wanted.rstrip("0") == given.rstrip("0"):
        return "magnitude wrong"
    if wanted.replace("0", "") == given.replace("0", ""):
        return "zero wrong"
    return "other value"

"""The task that is shipped: Chinese numerals, dates and amounts of money into English and back.

A small but real translation problem: 万 (10^4) and 亿 (10^8) against thousand and million make the
words cross, clean data is unlimited, and an answer is right or wrong. Chapter 13.

Every value has one Chinese and one English text, so exact match is the whole truth. Where there
are several styles, one is chosen: 二, never 两; 十 for a leading 一十 only; 零 as schools teach it
(`_levels`); British "and", no commas. `numerals_checker` reads the texts back.

Training and test are parted by value, not by luck: a hash of the value says whether it is held
out (`is_held_out`). Left out on purpose: fractions, negative numbers, ordinals, 兆.
"""

# ruff: noqa: SIM905 - words in a line read better than words in a column

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

Kind = Literal["number", "date", "money"]
Value = int | date
Direction = Literal["zh-en", "en-zh"]
KINDS: tuple[Kind, ...] = ("number", "date", "money")

MAX_DIGITS = 15  # 999 trillion: where the English words used here end
FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(2999, 12, 31)  # years of four digits
HELD_OUT_PERCENT = 2
ALWAYS_TRAINED = 1000  # below it, numbers and fen are the words themselves, not sentences of them
ROUND_SHARE = 0.2  # of the numbers: up to four digits, then only zeros
PATIENCE = 100_000  # draws for one test item; only a pool that is all but empty takes so many

DIGITS = "零一二三四五六七八九"
SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
CHINESE_UNITS = ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十"))
ENGLISH_UNITS = (
    (10**12, "trillion"),
    (10**9, "billion"),
    (10**6, "million"),
    (1000, "thousand"),
    (100, "hundred"),
)
MONTHS = (
    "January February March April May June July August September October November December"
).split()


class Item(NamedTuple):
    """One thing said in two languages: a number, a `datetime.date`, or an amount in fen."""

    kind: Kind
    value: Value
    chinese: str
    english: str


def item(kind: Kind, value: Value) -> Item:
    """The value with both its texts. ValueError as in `chinese`."""
    return Item(kind, value, chinese(value, kind), english(value, kind))


def chinese(value: Value, kind: Kind = "number") -> str:
    """The one Chinese text of a value; ValueError if it is out of range or of another type.

    number: int in [0, 10^15) · date: `datetime.date`, years 1000 to 2999
    money: int in [0, 10^17), in fen (100 fen are 10 jiao are 1 yuan)
    """
    if kind == "date":
        return _chinese_date(_day(value))
    if kind == "money":
        return _chinese_money(_whole(value, MAX_DIGITS + 2))
    return _chinese_number(_whole(value, MAX_DIGITS, kind))


def english(value: Value, kind: Kind = "number") -> str:
    """The one English text of a value; ranges and errors as in `chinese`."""
    if kind == "date":
        day = _day(value)
        return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"
    if kind == "money":
        return _english_money(_whole(value, MAX_DIGITS + 2))
    return _english_number(_whole(value, MAX_DIGITS, kind))


def _chinese_number(n: int) -> str:
    """32_100_005 -> 三千二百一十万零五, for n >= 0."""
    text = _levels(n)
    return text[1:] if text.startswith("一十") else text  # 十二, but 一百一十二


def _levels(n: int) -> str:
    """Split at the largest unit: how many of it, its name, the rest.

    One 零 stands for any gap: where the rest does not reach the next lower place, or where the
    level before it is empty (一万亿零一千万). Zeros that end a level are silent: 二千万一千.
    """
    for size, name in CHINESE_UNITS:
        if n >= size:
            high, low = divmod(n, size)
            gap = "零" if low < size // 10 or high % 10**4 == 0 else ""
            return _levels(high) + name + (gap + _levels(low) if low else "")
    return DIGITS[n]


def _english_number(n: int) -> str:
    """32_100_005 -> thirty-two million one hundred thousand and five, for n >= 0.

    "and" stands before whatever is left below a hundred, as the British say it.
    """
    for size, name in ENGLISH_UNITS:
        if n >= size:
            high, low = divmod(n, size)
            rest = (" and " if low < 100 else " ") + _english_number(low) if low else ""
            return f"{_english_number(high)} {name}{rest}"
    if n < 20:
        return SMALL[n]
    return TENS[n // 10] + (f"-{SMALL[n % 10]}" if n % 10 else "")


def _chinese_date(day: date) -> str:
    """二〇二六年十一月二十三日: the year digit by digit with 〇, month and day as numbers."""
    year = "".join("〇" if digit == "0" else DIGITS[int(digit)] for digit in str(day.year))
    return f"{year}年{_chinese_number(day.month)}月{_chinese_number(day.day)}日"


def _chinese_money(fen: int) -> str:
    """三百二十元五角六分 · 十二元零五分 (零 where 角 is skipped) · 五角 · 零元."""
    yuan, jiao, fen = fen // 100, fen // 10 % 10, fen % 10
    text = f"{_chinese_number(yuan)}元" if yuan or not (jiao or fen) else ""
    if jiao:
        text += f"{DIGITS[jiao]}角"
    if fen:
        text += ("零" if yuan and not jiao else "") + f"{DIGITS[fen]}分"
    return text


def _english_money(fen: int) -> str:
    """three hundred and twenty yuan and fifty-six fen · fifty fen · twelve yuan · zero yuan."""
    yuan, fen = divmod(fen, 100)
    parts = [f"{_english_number(yuan)} yuan"] if yuan or not fen else []
    return " and ".join(parts + ([f"{_english_number(fen)} fen"] if fen else []))


def _whole(value: object, digits: int, kind: Kind = "money") -> int:
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: use one of {', '.join(KINDS)}")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**digits:
        unit = "an amount in fen, a whole number" if kind == "money" else "a whole number"
        raise ValueError(f"{value!r} has no text here: give {unit} from 0 to 10**{digits} - 1")
    return value


def _day(value: object) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"{value!r} is not a day: give a datetime.date")
    if not FIRST_DAY <= value <= LAST_DAY:
        raise ValueError(f"{value} has no text here: give a day from {FIRST_DAY} to {LAST_DAY}")
    return value


def is_held_out(kind: Kind, value: Value) -> bool:
    """Whether the value belongs to the test: for ever, on every machine, for every seed.

    Each kind is split for itself: 10005 may be trained as a number and held out as fen.
    """
    if isinstance(value, int) and value < ALWAYS_TRAINED:
        return False
    digest = hashlib.blake2b(f"{kind}:{value}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 100 < HELD_OUT_PERCENT


@dataclass(frozen=True)
class NumeralsTask:
    """Which values are drawn, and how often. Drawing is by length, so short and long are alike."""

    max_digits: int = 12  # numbers of 1 to so many digits, every length equally often
    round_digits: int = 15  # round numbers go further: 万亿 and trillion are met, long numbers not
    yuan_digits: int = 9  # amounts below 10**yuan_digits yuan
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)  # of numbers, dates, money

    def __post_init__(self) -> None:
        if not 1 <= self.max_digits <= self.round_digits <= MAX_DIGITS:
            raise ValueError(
                f"max_digits={self.max_digits} and round_digits={self.round_digits} must rise "
                f"within 1 to {MAX_DIGITS}"
            )
        if not 1 <= self.yuan_digits <= MAX_DIGITS:
            raise ValueError(f"yuan_digits={self.yuan_digits} must lie in 1 to {MAX_DIGITS}")
        if len(self.shares) != len(KINDS) or min(self.shares) < 0 or sum(self.shares) <= 0:
            raise ValueError(f"shares={self.shares}: give three weights, none negative, one > 0")

    @classmethod
    def shipped(cls) -> "NumeralsTask":
        """What the shipped weights were trained on."""
        return cls()

    @classmethod
    def small(cls) -> "NumeralsTask":
        """Numbers below a million and nothing else: learned in two minutes."""
        return cls(max_digits=6, round_digits=6, shares=(1.0, 0.0, 0.0))

    def train_items(self, seed: int, count: int) -> list[Item]:
        """`count` items, never a held-out value; short ones come up again and again."""
        rng = random.Random(f"train {seed}")
        items: list[Item] = []
        while len(items) < count:
            (kind,) = rng.choices(KINDS, self.shares)
            value = self._draw(rng, kind)
            if not is_held_out(kind, value):
                items.append(item(kind, value))
        return items

    def test_items(self, seed: int, count: int) -> list[Item]:
        """`count` different held-out items, drawn as in training otherwise.

        Where few values are held out (180 of four digits), longer ones take their place.
        ValueError if this task does not hold out enough of them.
        """
        rng = random.Random(f"test {seed}")
        kinds = rng.choices(KINDS, self.shares, k=count)
        return _different(kinds, lambda kind: self._draw(rng, kind), is_held_out)

    def longer_items(self, seed: int, count: int) -> list[Item]:
        """`count` different numbers longer than any trained one but the round ones.

        Every word of them is known, more than four digits count, and the length is new.
        ValueError if the task knows no words beyond max_digits.
        """
        if self.round_digits == self.max_digits:
            raise ValueError(f"no longer numbers: round_digits={self.round_digits} is max_digits")
        rng = random.Random(f"longer {seed}")

        def draw(_: Kind) -> Value:
            return draw_number(rng, rng.randint(self.max_digits + 1, self.round_digits))

        return _different(["number"] * count, draw, lambda _, n: len(str(n).rstrip("0")) > 4)

    def _draw(self, rng: random.Random, kind: Kind) -> Value:
        if kind == "date":
            return date.fromordinal(rng.randint(FIRST_DAY.toordinal(), LAST_DAY.toordinal()))
        if kind == "number":
            return draw_mixed(rng, self.max_digits, self.round_digits)
        yuan = 0 if rng.random() < 0.1 else draw_mixed(rng, self.yuan_digits, self.yuan_digits)
        jiao, fen = rng.randint(1, 9), rng.randint(1, 9)
        return yuan * 100 + rng.choice((0, jiao * 10, fen, jiao * 10 + fen))


def _different(
    kinds: Sequence[Kind],
    draw: Callable[[Kind], Value],
    wanted: Callable[[Kind, Value], bool],
) -> list[Item]:
    """For each kind an item that is wanted and not yet there."""
    found: dict[tuple[Kind, Value], None] = {}
    for kind in kinds:
        for _ in range(PATIENCE):
            value = draw(kind)
            if wanted(kind, value) and (kind, value) not in found:
                found[kind, value] = None
                break
        else:
            raise ValueError(
                f"count={len(kinds)}: no more than {len(found)} different items found; "
                "ask for fewer"
            )
    return [item(kind, value) for kind, value in found]


def draw_mixed(rng: random.Random, max_digits: int, round_digits: int) -> int:
    """A number of 1 to max_digits digits; for ROUND_SHARE of them, a round one to round_digits."""
    if rng.random() >= ROUND_SHARE:
        return draw_number(rng, rng.randint(1, max_digits))
    digits = rng.randint(1, round_digits)
    zeros = max(0, digits - rng.randint(1, 4))
    return draw_plain(rng, digits - zeros) * 10**zeros


def draw_number(rng: random.Random, digits: int) -> int:
    """A number of so many digits: as it comes, with a hole, or with half of its digits 0.

    Uniform digits would hardly ever need a 零 or miss a whole level of four.
    """
    n = draw_plain(rng, digits)
    choice = rng.random()
    if choice < 0.5 or digits < 2:
        return n
    if choice < 0.75:  # zeros from place `low` up to `high`, the leading digit never
        low, high = sorted((rng.randrange(digits), rng.randrange(digits)))
        return n - n % 10**high + n % 10**low
    for place in range(digits - 1):
        if rng.random() < 0.5:
            n -= n // 10**place % 10 * 10**place
    return n


def draw_plain(rng: random.Random, digits: int) -> int:
    """Uniform among the numbers of so many digits; 0 has one digit."""
    return rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)


def pairs(items: Sequence[Item], direction: Direction) -> list[tuple[str, str]]:
    """(source, target) texts for translating in one direction."""
    if direction == "zh-en":
        return [(item.chinese, item.english) for item in items]
    if direction == "en-zh":
        return [(item.english, item.chinese) for item in items]
    raise ValueError(f"direction={direction!r}: use zh-en or en-zh")

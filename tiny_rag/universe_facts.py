"""The fact table of the invented world, and how a seed draws another world from it.

The table is `data/universe/source/*.toml`, one section an entry, described in
`data/universe/README.md`. Seed 0 is the world as it is written and shipped. Any other seed draws
every number and date anew, from the range beside it, and coins new names: the same sentences then
tell of another world, so that what is learned from one can be tested on the other.

Leaves out: which sentences state which facts (`universe_text`), questions (`universe_questions`).
"""

import random
import re
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, Lang] = ("zh", "en")

MONTHS = {
    "zh": ("霜月", "芽月", "雨月", "花月", "麦月", "火月", "潮月", "风月", "灯月", "眠月"),
    "en": ("Frost", "Bud", "Rain", "Bloom", "Grain", "Fire", "Tide", "Wind", "Lamp", "Sleep"),
}
DAYS_A_MONTH = 36

# A syllable as each script writes it. An ending may only come last.
_SYLLABLES = re.findall(
    "[a-z]+.",
    "ba巴bo博da达de德fa法fi菲ga加gu古ka卡ki基la拉le莱lo洛lu露ma玛mi米mo摩na娜ne涅ni尼no诺pa帕"
    "pe佩ri里ro罗ru鲁sa萨se塞so索su苏ta塔te特to托va瓦vi维",
)
_ENDINGS = ("", "l尔", "n恩", "m姆", "s斯", "k克", "sh什", "nd恩德")


@dataclass(frozen=True)
class Text:
    """A fact in words."""

    zh: str
    en: str


@dataclass(frozen=True)
class Date:
    """A day of the calendar: ten months of 36 days."""

    month: int
    day: int


@dataclass(frozen=True)
class Relation:
    """A fact that is another entry."""

    entry: str


Value = int | Fraction | Text | Date | Relation


@dataclass(frozen=True)
class Ask:
    """A question in both languages, with placeholders. See the README beside the table."""

    kind: str
    gold: str
    """What it rests on, or for an unanswerable one the words that its subject never meets."""
    question: Text
    answer: Text | None


@dataclass(frozen=True)
class Entry:
    """One article of the encyclopedia before it is rendered."""

    id: str
    type: str
    name: Text
    text: Text
    """Templates: {fact}, {entry.fact}, {entry} for its name, {^entry} for a capital letter."""
    facts: dict[str, Value]
    asks: tuple[Ask, ...]


World = dict[str, Entry]
"""Entries by id, in the order of the table."""


def table_folder() -> Path:
    """Where the package keeps the table."""
    return Path(str(files("tiny_rag") / "data" / "universe" / "source"))


def draw_world(seed: int = 0, folder: Path | None = None) -> World:
    """The world of this seed; 0 is the one that is shipped. The same seed gives the same world.

    ValueError if the table contradicts itself, naming entry and fact
    """
    tables: dict[str, dict[str, Any]] = {}
    for path in sorted((folder or table_folder()).glob("*.toml")):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if name in tables:
                raise ValueError(f"{path.name}: the entry {name!r} was written before; rename one")
            tables[name] = table
    taken = ["\n".join(table.get(lang, "") for table in tables.values() for lang in LANGS)]
    return {
        name: Entry(
            name,
            table["type"],
            _name(name, table, seed, taken),
            Text(table.get("zh", "").strip(), table.get("en", "").strip()),
            {fact: _value(seed, tables, name, fact) for fact in table.get("facts", {})},
            tuple(_ask(row) for row in table["ask"]),
        )
        for name, table in tables.items()
    }


def _ask(row: list[str]) -> Ask:
    kind, gold, zh, en, *answer = row
    return Ask(kind, gold, Text(zh, en), Text(*answer) if answer else None)


def _name(name: str, table: dict[str, Any], seed: int, taken: list[str]) -> Text:
    """The written name, or for a coined one under another seed a newly coined one.

    taken: the prose and the names so far, none of which the new name may occur in, or hold
    """
    if "coined" not in table or seed == 0:
        return Text(*(table.get("coined") or table["name"]))
    rng = random.Random(f"{seed} {name}")
    while True:
        parts = [_coin(rng) for _ in table["coined"][1].split(" ")]
        en = " ".join(part.en for part in parts)
        zh = "·".join(part.zh for part in parts)
        held = any(zh in text or en in text for text in taken)
        if not held and not any(old in zh or old in en for old in taken[1:]):
            taken += [zh, en]
            return Text(zh, en)


def _coin(rng: random.Random) -> Text:
    """A name that both scripts can pronounce: two or three syllables and perhaps an ending."""
    parts = [rng.choice(_SYLLABLES) for _ in range(rng.choice((2, 2, 3)))] + [rng.choice(_ENDINGS)]
    en = "".join(c for part in parts for c in part if c.isascii())
    return Text("".join(c for part in parts for c in part if not c.isascii()), en.capitalize())


def _value(seed: int, tables: dict[str, dict[str, Any]], entry: str, fact: str) -> Value:
    """The fact as written (seed 0) or as drawn; independent of every other fact but its parents."""
    written = tables[entry]["facts"][fact]
    rng = random.Random(f"{seed} {entry}.{fact}")
    if isinstance(written, str) and written.startswith("="):
        return _derived(seed, tables, entry, written[1:].split())
    if isinstance(written, str) and written.startswith("@"):
        return Relation(written[1:])
    if isinstance(written, str):
        month, day = (int(part) for part in written.split("-"))
        if seed:
            month, day = rng.randint(1, len(MONTHS["zh"])), rng.randint(1, DAYS_A_MONTH)
        return Date(month, day)
    if isinstance(written[0], list):
        return Text(*(rng.choice(written) if seed else written[0]))
    value, low, high, step = written
    if not low <= value <= high:
        raise ValueError(f"{entry}.{fact}={value} lies outside {low}..{high}; widen the range")
    return rng.randrange(low, high + 1, step) if seed else value


def _derived(
    seed: int, tables: dict[str, dict[str, Any]], entry: str, words: list[str]
) -> int | Fraction:
    """`a`, or `a / 100`: another number, here or in another entry, or a part of it."""
    home, _, fact = words[0].rpartition(".")
    value = _value(seed, tables, home or entry, fact)
    if not isinstance(value, int) or words[1:2] not in ([], ["/"]):
        raise ValueError(
            f'{entry}: "= {" ".join(words)}" is neither "= number" nor "= number / 10"'
        )
    return Fraction(value, int(words[2])) if words[1:] else value


def show(world: World, value: Value, lang: Lang) -> str:
    """The value as the encyclopedia writes it: 1.37万 and 13,700; 花月14日 and 14 Bloom."""
    if isinstance(value, Relation):
        return getattr(world[value.entry].name, lang)
    if isinstance(value, Text):
        return getattr(value, lang)
    if isinstance(value, Date):
        month = MONTHS[lang][value.month - 1]
        return f"{month}{value.day}日" if lang == "zh" else f"{value.day} {month}"
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    if lang == "en":
        return f"{value:,}"
    return f"{value / 10_000:g}万" if value >= 10_000 and value % 100 == 0 else str(value)

"""What all fictional worlds have in common: types of things, their relations, ways to say them.

The texts are in `data/grammar/*.toml`, two languages side by side. In a wording {e} stands for the
thing and {v} for the value:

    [planet.radius]
    value = "number"
    range = [900, 71000, 10]
    unit = [["千米", "kilometres"], ["公里", "km"]]
    say.en = ["The radius of {e} is {v}.", ...]
    ask.en = ["How far is it from the core of {e} to the ground?", ...]
    of.en = "the radius of {e}"

The last `HELD_OUT` wordings of every list never occur in training; but for `filler`, which states
nothing that one could ask for. Chapter 24.
"""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

HELD_OUT = 2
VALUES = ("number", "date", "word", "thing", "code")

Wordings = dict[str, tuple[str, ...]]
"""By language, "zh" and "en"."""


@dataclass(frozen=True, eq=False)
class Relation:
    """Something that one can state of a thing and ask about it."""

    name: str
    value: str
    """One of `VALUES`."""
    say: Wordings
    """Statements: {v} once, {e} at most once (the others say "it")."""
    ask: Wordings
    """Questions with {e}."""
    of: dict[str, str]
    """The value as a noun phrase: "the captain of {e}"."""
    who: Wordings
    """Questions the other way, with {v}; only where the value is a thing."""
    range: tuple[int, int, int] = (0, 0, 1)
    """Of a number: lowest, highest, step."""
    units: tuple[tuple[str, str], ...] = ()
    """Of a number: (Chinese, English)."""
    words: Wordings = field(default_factory=dict)
    """The values of a word."""
    type: str = ""
    """Of a thing: the name of its type."""


@dataclass(frozen=True, eq=False)
class ThingType:
    """A kind of thing: ships, towns, books."""

    name: str
    noun: dict[str, str]
    endings: tuple[tuple[str, str], ...]
    """What a name ends with, (Chinese, English); none where a coined word is the whole name."""
    intro: Wordings
    """First sentences, with {e}, that give no fact."""
    filler: Wordings
    """Sentences that give no fact and name nothing."""
    relations: dict[str, Relation]


@dataclass(frozen=True, eq=False)
class Grammar:
    """All types by name, and the names that no thing may bear."""

    types: dict[str, ThingType]
    reserved: frozenset[str]

    @classmethod
    def load(cls) -> "Grammar":
        """Read the grammar that comes with the package; once a process."""
        return _load()

    def is_reserved(self, name: str) -> bool:
        """Whether the name is, or holds, one of the names of the held-out encyclopedia."""
        words = set(name.casefold().split())
        return any(_holds(name.casefold(), words, each) for each in self.reserved)


def part(wordings: Sequence[str], held_out: bool) -> Sequence[str]:
    """The wordings kept out of training, or those for training."""
    return wordings[-HELD_OUT:] if held_out else wordings[:-HELD_OUT]


def read_type(name: str, raw: Mapping[str, Any]) -> ThingType:
    """A type as it stands in the files. ValueError that names what is missing or wrong."""
    try:
        relations = {
            key: _relation(f"{name}.{key}", key, value)
            for key, value in raw.items()
            if isinstance(value, dict) and "value" in value
        }
        endings = tuple((zh, en) for zh, en in raw.get("endings", ()))
        intro, filler = _wordings(raw["intro"]), _wordings(raw["filler"])
        return ThingType(name, raw["noun"], endings, intro, filler, relations)
    except KeyError as error:
        raise ValueError(f"grammar: [{name}] has no {error.args[0]}") from error


def _relation(place: str, name: str, raw: Mapping[str, Any]) -> Relation:
    if raw["value"] not in VALUES:
        raise ValueError(f"grammar: {place} has value={raw['value']!r}; allowed: {VALUES}")
    words = raw.get("words", ())
    return Relation(
        name,
        raw["value"],
        _wordings(raw["say"]),
        _wordings(raw["ask"]),
        raw["of"],
        _wordings(raw.get("who", {})),
        tuple(raw.get("range", (0, 0, 1))),
        tuple((zh, en) for zh, en in raw.get("unit", ())),
        {"zh": tuple(zh for zh, _ in words), "en": tuple(en for _, en in words)} if words else {},
        raw.get("type", ""),
    )


def _wordings(raw: Mapping[str, Sequence[str]]) -> Wordings:
    return {language: tuple(texts) for language, texts in raw.items()}


def _holds(name: str, words: set[str], reserved: str) -> bool:
    if not reserved.isascii():  # Chinese is written without spaces
        return reserved in name
    return set(reserved.split()) <= words


@functools.cache
def _load() -> Grammar:
    folder = files(__package__) / "data"
    types: dict[str, ThingType] = {}
    for file in sorted((folder / "grammar").iterdir(), key=lambda file: file.name):
        for name, raw in tomllib.loads(file.read_text("utf-8")).items():
            types[name] = read_type(name, raw)
    lines = (folder / "reserved.txt").read_text("utf-8").splitlines()
    reserved = frozenset(line.casefold() for line in lines if line and not line.startswith("#"))
    return Grammar(types, reserved)

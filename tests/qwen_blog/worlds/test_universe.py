"""Coined names, and worlds of them: drawn from a seed, in the part of training or out of it."""

import random
import re
import zlib
from collections import Counter

import pytest

from qwen_blog.worlds.grammar import Grammar, part
from qwen_blog.worlds.names import ODD_SHARE, WORD_SHARE, coin
from qwen_blog.worlds.universe import (
    DAYS_A_MONTH,
    MONTHS,
    TRAINING,
    YEARS,
    Draw,
    Language,
    Thing,
    World,
    is_held_out,
)

GRAMMAR = Grammar.load()
LANGUAGES: tuple[Language, ...] = ("zh", "en")
SHIP, TOWN, PERSON = (GRAMMAR.types[name] for name in ("ship", "town", "person"))
NUMBER = {"zh": re.compile(r"(\d+)(\D+)"), "en": re.compile(r"(\d{1,3}(?:,\d{3})*) (\D+)")}
DATE = {
    "zh": re.compile(r"(?:(\d+)年)?(.月)(\d+)日"),
    "en": re.compile(r"(\d+) ([A-Z][a-z]+)(?: (\d+))?"),
}


def world(seed: object = 0, language: Language = "en", draw: Draw = TRAINING) -> World:
    return World(random.Random(str(seed)), GRAMMAR, language, draw)


def told(language: Language, draw: Draw = TRAINING, kind: str = "", count: int = 300) -> World:
    """A world with many facts, of one kind of value or of all."""
    made = world("told", language, draw)
    for _ in range(count):
        thing = made.add()
        relations = [r for r in thing.type.relations.values() if kind in ("", r.value)]
        if relations:
            made.tell(thing, made.rng.choice(relations))
    return made


def values_of(made: World) -> list[str]:
    return [fact.value for thing in made.things for fact in thing.facts.values()]


# --- Names. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_coined_names_are_of_words_syllables_or_odd_letters(language: Language) -> None:
    """Shares within four standard deviations of 2,000 draws."""
    rng = random.Random(0)
    names = [coin(rng, language) for _ in range(2000)]
    if language == "zh":
        assert all(re.fullmatch("[\u4e00-\u9fff]{2,4}", name) for name in names)
    else:
        assert all(re.fullmatch("[A-Z][a-z]+( [A-Z][a-z]+)?", name) for name in names)
        assert abs(sum(" " in name for name in names) / 2000 - WORD_SHARE) < 0.035
    assert len(set(names)) > 1700


def test_odd_names_take_any_common_character() -> None:
    rng = random.Random(0)
    counts = Counter(x for _ in range(3000) for x in coin(rng, "zh", two_parts=True) if x != "·")
    rare = sum(count for count in counts.values() if count < 20) / counts.total()
    assert abs(rare - ODD_SHARE) < 0.03
    assert all("\u4e00" <= character <= "\u9fff" for character in counts)


@pytest.mark.parametrize(("language", "mark"), [("zh", "·"), ("en", " ")])
def test_a_person_may_have_two_names(language: Language, mark: str) -> None:
    assert all(coin(random.Random(i), language, two_parts=True).count(mark) == 1 for i in range(50))
    made = world("people", language)
    names = [made.add("person").name for _ in range(300)]
    share = sum(mark in name for name in names) / 300
    # with two names half of them, and of the other half one in seven is of two words
    assert 0.4 < share < 0.7


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_name_ends_as_the_type_says(language: Language) -> None:
    made = world("endings", language)
    endings = tuple(pair[language == "en"] for pair in GRAMMAR.types["guild"].endings)
    assert endings
    assert all(made.add("guild").name.endswith(endings) for _ in range(50))


# --- Worlds. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_things_of_a_world_have_one_name(language: Language) -> None:
    names = [thing.name for thing in told(language, count=600).things]
    assert len(names) > 600
    assert len(set(names)) == len(names)


def test_a_thing_is_of_the_type_asked_for_or_of_any() -> None:
    made = world()
    assert made.add("ship").type is SHIP
    assert len({made.add().type.name for _ in range(400)}) == len(GRAMMAR.types)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_number_is_in_its_range_and_has_one_of_its_units(language: Language) -> None:
    made = world("numbers", language)
    for thing_type in GRAMMAR.types.values():
        for relation in thing_type.relations.values():
            if relation.value == "number":
                fact = made.tell(made.add(thing_type.name), relation)
                found = NUMBER[language].fullmatch(fact.value)
                assert found, fact.value
                low, high, step = relation.range
                assert int(found[1].replace(",", "")) in range(low, high + 1, step)
                assert found[2] in [unit[language == "en"] for unit in relation.units]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_date_is_a_day_of_the_calendar_now_and_then_with_a_year(language: Language) -> None:
    dates = [DATE[language].fullmatch(value) for value in values_of(told(language, kind="date"))]
    assert all(dates)
    order = (2, 3, 1) if language == "zh" else (2, 1, 3)
    found = [tuple(date[i] for i in order) for date in dates if date]
    assert {month for month, _, _ in found} == {pair[language == "en"] for pair in MONTHS}
    days = {int(day) for _, day, _ in found}
    assert min(days) == 1
    assert max(days) == DAYS_A_MONTH
    share = sum(year is not None for _, _, year in found) / len(found)
    assert abs(share - YEARS) < 0.12  # four standard deviations of 250 draws


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_and_codes_are_of_their_kind(language: Language) -> None:
    made = world("words", language)
    hull = SHIP.relations["hull"]
    assert hull.words is not None
    assert {made.tell(made.add("ship"), hull).value for _ in range(400)} == set(
        hull.words[language]
    )
    code = GRAMMAR.types["station"].relations["callsign"]
    value = made.tell(made.add("station"), code).value
    assert re.fullmatch(r"[A-HJ-NP-Z]{2}-\d{3}", value)  # no I and no O, which look like digits


def test_a_thing_as_a_value_is_a_new_one_of_its_type_or_the_one_given() -> None:
    made = world()
    ship = made.add("ship")
    captain = made.tell(ship, SHIP.relations["captain"])
    assert captain.thing is made.things[1]
    assert (captain.thing.type, captain.thing.name) == (PERSON, captain.value)
    town = made.add("town")
    port = made.tell(ship, SHIP.relations["port"], town)
    assert (port.thing, port.value) == (town, town.name)
    assert ship.facts == {"captain": captain, "port": port}
    assert len(made.things) == 3


@pytest.mark.parametrize(("count", "expected"), [(1, 2), (2, 2), (5, 5), (99, 9)])
def test_facts_are_told_until_there_are_enough(count: int, expected: int) -> None:
    made = world()
    ship = made.add("ship")
    kept = [made.tell(ship, SHIP.relations[name]) for name in ("crew", "hull")]
    made.tell_some(ship, count)
    assert len(SHIP.relations) == 9
    assert len(ship.facts) == expected
    assert [ship.facts["crew"], ship.facts["hull"]] == kept


def test_the_same_seed_gives_the_same_world() -> None:
    def names(seed: int) -> list[str]:
        made = world(seed)
        made.tell_some(made.add(), 5)
        return [*(thing.name for thing in made.things), *values_of(made)]

    assert names(3) == names(3) != names(4)


# --- What is kept out of training. ---


def test_a_tenth_of_all_texts_is_held_out_by_a_checksum_that_never_changes() -> None:
    """crc32 and not hash(), which differs from run to run."""
    texts = [str(number) for number in range(5000)]
    assert abs(sum(map(is_held_out, texts)) / 5000 - 0.1) < 0.017
    assert [is_held_out(text) for text in texts] == [
        zlib.crc32(x.encode()) % 10 == 0 for x in texts
    ]
    assert is_held_out("Tashe") is (zlib.crc32(b"Tashe") % 10 == 0)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
def test_names_come_from_the_part_that_is_asked_for(language: Language, held_out: bool) -> None:
    made = told(language, Draw(names=held_out))
    assert {is_held_out(thing.name) for thing in made.things} == {held_out}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["number", "date", "code"])
@pytest.mark.parametrize("held_out", [False, True])
def test_values_come_from_the_part_that_is_asked_for(
    language: Language, kind: str, held_out: bool
) -> None:
    values = values_of(told(language, Draw(values=held_out), kind))
    assert {is_held_out(value) for value in values} == {held_out}


def test_the_parts_are_asked_for_one_by_one() -> None:
    """Unseen names go with seen values, and the other way round."""
    names, values = told("en", Draw(names=True), "number"), told("en", Draw(values=True), "number")
    assert not any(map(is_held_out, values_of(names)))
    assert not any(is_held_out(thing.name) for thing in values.things)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
def test_wordings_come_from_the_part_that_is_asked_for(language: Language, held_out: bool) -> None:
    made = world("wordings", language, Draw(wordings=held_out))
    say = SHIP.relations["crew"].say
    assert {made.wording(say) for _ in range(300)} == set(part(say[language], held_out))


def test_the_plainest_wordings_are_the_first() -> None:
    made = world(draw=Draw(most=2))
    say = SHIP.relations["crew"].say
    assert {made.wording(say) for _ in range(50)} == set(say["en"][:2])


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "阿 拉 里 科 沙"), ("en", "red old salt long")]
)
def test_no_thing_bears_a_reserved_name(language: Language, words: str) -> None:
    def holding(reserved: frozenset[str]) -> int:
        made = World(random.Random(0), Grammar(GRAMMAR.types, reserved), language)
        names = [made.add("person").name.casefold() for _ in range(500)]
        return sum(
            any(word in re.findall(r"[a-z]+|[^a-z]", name) for word in words.split())
            for name in names
        )

    assert holding(frozenset()) > 3
    assert holding(frozenset(words.split())) == 0


def test_a_relation_without_values_of_a_part_takes_any() -> None:
    """And does not look for one for ever."""
    relation = Thing(SHIP, "x").type.relations["crew"]
    number = next(n for n in range(2, 99) if not is_held_out(f"{n} people"))
    only = type(relation)(
        **{**vars(relation), "range": (number, number, 1), "units": (("人", "people"),)}
    )
    made = world(draw=Draw(values=True))
    assert made.tell(made.add("ship"), only).value == f"{number} people"

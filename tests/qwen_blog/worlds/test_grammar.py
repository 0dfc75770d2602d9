"""The grammar of worlds: lists long enough, wordings that can be filled in, names kept out.

Most tests read every line of the shipped files: a slip in one of 9,900 lines is a wrong lesson that
nobody would see. They collect what is wrong, so that a failure names all of it.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny_rag
from qwen_blog.worlds.grammar import HELD_OUT, VALUES, Grammar, Relation, ThingType, part, read_type
from qwen_blog.worlds.universe import Language, is_held_out

GRAMMAR = Grammar.load()
LANGUAGES: tuple[Language, ...] = ("zh", "en")
TYPES = list(GRAMMAR.types.values())
RELATIONS = {
    f"{each.name}.{relation.name}": relation
    for each in TYPES
    for relation in each.relations.values()
}
CHINESE = re.compile("[\u3400-\u9fff，。？！]")
SENTENCE_ENDS = {"zh": ("。", "！", "？"), "en": (".", "!", "?")}
RAG_SOURCES = Path(tiny_rag.__file__).parent / "data" / "universe" / "source"


def lines_of(thing_type: ThingType, language: Language) -> Iterator[tuple[str, str]]:
    """(kind, line) of all that is said of a type."""
    yield from (("intro", line) for line in thing_type.intro[language])
    yield from (("filler", line) for line in thing_type.filler[language])
    for relation in thing_type.relations.values():
        for kind, wordings in (("say", relation.say), ("ask", relation.ask), ("who", relation.who)):
            yield from ((kind, line) for line in wordings.get(language, ()))


def all_lines(language: Language) -> list[tuple[str, str]]:
    return [line for each in TYPES for line in lines_of(each, language)]


# --- Lists are long enough. ---


def test_there_are_as_many_wordings_as_the_documents_say() -> None:
    assert len(TYPES) == 24
    assert len(RELATIONS) == 215
    assert sum(len(all_lines(language)) for language in LANGUAGES) > 9500


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_type_has_enough_to_say(language: Language) -> None:
    for each in TYPES:
        assert each.noun[language]
        assert len(each.relations) >= 8
        assert len(each.intro[language]) >= 6
        assert len(each.filler[language]) >= 12  # as many as an article may ask for


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_relation_has_enough_to_say_in_and_out_of_training(language: Language) -> None:
    for name, relation in RELATIONS.items():
        assert len(relation.say[language]) >= 8, name
        assert len(relation.ask[language]) >= 8, name
        assert relation.value != "thing" or len(relation.who[language]) >= 3, name
        words = (relation.words or {}).get(language, ())
        assert relation.value != "word" or len(set(words)) == len(words) >= 15, name


def test_a_relation_has_what_its_kind_of_value_needs() -> None:
    for name, relation in RELATIONS.items():
        assert relation.value in VALUES, name
        assert (relation.value == "number") == bool(relation.units), name
        assert (relation.value == "word") == bool(relation.words), name
        assert (relation.value == "thing") == (relation.type in GRAMMAR.types), name
        assert (relation.value == "thing") == bool(relation.who), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_number_is_of_many_and_can_be_drawn_in_and_out_of_training(language: Language) -> None:
    """No "1 people"; and at least two values are on either side of `is_held_out`."""
    for name, relation in RELATIONS.items():
        if relation.value == "number":
            low, high, step = relation.range
            assert low >= 2, name
            held_out = [
                is_held_out(f"{n}{zh}" if language == "zh" else f"{n:,} {en}")
                for n in range(low, high + 1, step)
                for zh, en in relation.units
            ]
            assert min(held_out.count(True), held_out.count(False)) >= 2, name


# --- Wordings can be filled in. ---

BLANKS = {"intro": (1, 0), "filler": (0, 0), "ask": (1, 0), "who": (0, 1)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_line_has_the_blanks_of_its_kind_and_no_others(language: Language) -> None:
    for kind, line in all_lines(language):
        found = (line.count("{e}"), line.count("{v}"))
        allowed = [(0, 1), (1, 1)] if kind == "say" else [BLANKS[kind]]
        assert found in allowed, line
        assert not re.search(r"[{}]", re.sub(r"\{[ev]\}", "", line)), line
    for relation in RELATIONS.values():
        assert re.findall(r"\{.*?\}", relation.of[language]) == ["{e}"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_line_is_a_sentence_in_its_language(language: Language) -> None:
    """Sentences are joined as they are, so one without an end would run into the next."""
    for _, line in all_lines(language):
        assert bool(CHINESE.search(line)) == (language == "zh"), line
        assert line == " ".join(line.split()), line
        assert line.rstrip("”\"’'").endswith(SENTENCE_ENDS[language]), line


def test_sentences_without_a_fact_state_no_number() -> None:
    lines = [line for language in LANGUAGES for line in all_lines(language)]
    assert [x for kind, x in lines if kind in ("intro", "filler") and re.search(r"\d", x)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_at_least_half_of_the_statements_name_the_thing(language: Language) -> None:
    for name, relation in RELATIONS.items():
        named = sum("{e}" in line for line in relation.say[language])
        assert 2 * named >= len(relation.say[language]), name


def test_an_article_before_a_value_fits_every_value() -> None:
    """After "a" words begin with a consonant; numbers have no article, for it is "an 8"."""
    for name, relation in RELATIONS.items():
        for article in re.findall(r"\b(an?) \{v\}", " ".join(relation.say["en"]), re.IGNORECASE):
            assert relation.words is not None, name
            for word in relation.words["en"]:
                assert (word[0] in "aeiou") == (article.lower() == "an"), (
                    f"{name}: {article} {word}"
                )


# --- No wording has two meanings. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_relations_of_a_type_share_no_wording(language: Language) -> None:
    for each in TYPES:
        counts = Counter(line for _, line in lines_of(each, language))
        assert [line for line, count in counts.items() if count > 1] == []


SHARED = {"Who governs {e}?", "In whose care is {e}?", "Whose idea was {e}?"}
"""Questions kept out of training for one type, and used there for another: 3 of 860."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_wording_kept_out_of_training_is_no_other_types_training_wording(
    language: Language,
) -> None:
    used: dict[bool, set[str]] = {True: set(), False: set()}
    lists = [each.intro[language] for each in TYPES]
    for relation in RELATIONS.values():
        lists += [each.get(language, ()) for each in (relation.say, relation.ask, relation.who)]
    for held_out, lines in used.items():
        lines.update(line for each in lists for line in part(each, held_out))
    assert used[True] & used[False] <= SHARED


def test_parts_are_disjoint_and_together_the_whole() -> None:
    wordings = ("a", "b", "c", "d")
    assert (part(wordings, False), part(wordings, True)) == (("a", "b"), ("c", "d"))
    assert HELD_OUT == 2


# --- Reading the files. ---

RAW: dict[str, Any] = {
    "noun": {"zh": "船", "en": "ship"},
    "endings": [["号", ""]],
    "intro": {"zh": ["{e}。"], "en": ["{e}."]},
    "filler": {"zh": [], "en": []},
    "crew": {
        "value": "number",
        "range": [1, 9, 2],
        "unit": [["人", "people"]],
        "say": {"zh": ["{v}"], "en": ["{v}"]},
        "ask": {"zh": ["{e}"], "en": ["{e}"]},
        "of": {"zh": "{e}的人数", "en": "the crew of {e}"},
    },
}


def test_a_type_is_read_as_it_stands() -> None:
    ship = read_type("ship", RAW)
    (crew,) = ship.relations.values()
    assert (ship.name, ship.noun["zh"], ship.endings) == ("ship", "船", (("号", ""),))
    assert (crew.name, crew.value, crew.range) == ("crew", "number", (1, 9, 2))
    assert (crew.units, crew.words, crew.who) == ((("人", "people"),), {}, {})


def test_words_are_read_by_language() -> None:
    hull = {**RAW["crew"], "value": "word", "words": [["红", "red"], ["蓝", "blue"]]}
    relation: Relation = read_type("ship", {**RAW, "hull": hull}).relations["hull"]
    assert relation.words == {"zh": ("红", "蓝"), "en": ("red", "blue")}


@pytest.mark.parametrize("key", ["noun", "intro", "filler"])
def test_a_type_that_lacks_something_is_named(key: str) -> None:
    raw = {name: value for name, value in RAW.items() if name != key}
    with pytest.raises(ValueError, match=rf"\[ship\] has no {key}"):
        read_type("ship", raw)


def test_a_relation_of_no_known_kind_is_named() -> None:
    with pytest.raises(ValueError, match=r"ship\.crew has value='colour'"):
        read_type("ship", {**RAW, "crew": {**RAW["crew"], "value": "colour"}})


# --- Names that are kept out. ---


def encyclopedia_names() -> list[tuple[str, str]]:
    """(Chinese, English) names of all articles of the RAG package's encyclopedia."""
    tables = [tomllib.loads(file.read_text("utf-8")) for file in RAG_SOURCES.glob("*.toml")]
    return [
        tuple(article.get("name") or article["coined"])
        for table in tables
        for article in table.values()
    ]


def encyclopedia_values() -> list[tuple[str, str]]:
    """Names that stand only as values of its facts: pairs whose English begins with a capital."""

    def pairs(node: object) -> Iterator[tuple[str, str]]:
        if isinstance(node, dict):
            node = list(node.values())
        if isinstance(node, list) and len(node) == 2 and all(isinstance(x, str) for x in node):
            yield node[0], node[1].removeprefix("the ")
        elif isinstance(node, list):
            for each in node:
                yield from pairs(each)

    tables = [tomllib.loads(file.read_text("utf-8")) for file in RAG_SOURCES.glob("*.toml")]
    found = {pair for table in tables for pair in pairs(table) if pair[1][:1].isupper()}
    return sorted(found - set(encyclopedia_names()))


def test_every_name_of_the_encyclopedia_is_reserved_and_every_part_of_a_persons() -> None:
    """But one: 萝, a given name of one character, is never the whole of a coined name."""
    names = encyclopedia_names()
    assert len(names) > 60
    for chinese, english in names:
        for name in chinese.strip("《》").split("·"):
            assert name in GRAMMAR.reserved or name == "萝"
        whole = english.removeprefix("The ").casefold()
        assert whole in GRAMMAR.reserved or set(whole.split()) <= GRAMMAR.reserved


def test_some_names_are_values_only() -> None:
    assert {"Tull", "Suda Fenn", "Bottle Sump"} <= {english for _, english in encyclopedia_values()}


@pytest.mark.parametrize(
    "names", encyclopedia_names() + encyclopedia_values(), ids=lambda names: names[1]
)
def test_no_thing_can_bear_a_name_of_the_encyclopedia(names: tuple[str, str]) -> None:
    """Nor one that holds it: "New LUMO", 新露摩号."""
    for name in (*names, f"New {names[1].upper()}", f"新{names[0]}号"):
        assert GRAMMAR.is_reserved(name)


@pytest.mark.parametrize(
    "name", ["Kalon", "卡洛恩", "Lumora", "Old Heron", "Glass Heron", "露沙摩"]
)
def test_other_names_are_free(name: str) -> None:
    """Only whole English words count: "Lumora" is not "Lumo"."""
    assert not GRAMMAR.is_reserved(name)

"""Questions about passages: the RAG package's prompts, and answers that follow from what is told.

The oracle of the form is the RAG package itself. That of the content is the world: a question is
read back by its wording into the thing and the relation that it asks for.
"""

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from qwen_blog.worlds.grammar import Grammar, Relation, part
from qwen_blog.worlds.passages import ask_of, fill, phrase
from qwen_blog.worlds.reading import KIND_SHARES, KINDS, Reading, Shape
from qwen_blog.worlds.reading_words import FRAMES, Asked
from qwen_blog.worlds.universe import TRAINING, Draw, Fact, Language, Thing, is_held_out
from tiny_rag.citations import parse_citations
from tiny_rag.documents import Chunk, Document, Hit
from tiny_rag.prompts import WORDINGS, build_prompt, fit_prompt, is_refusal, refusal

GRAMMAR = Grammar.load()
LANGUAGES: tuple[Language, ...] = ("zh", "en")
Messages = list[dict[str, str]]
PLENTY = 10**6
"""Of tokens: nothing is left out."""


def readings(
    language: Language,
    count: int = 150,
    draw: Draw = TRAINING,
    passages: int | None = None,
    looks_first: bool = False,
) -> Iterator[Reading]:
    for seed in range(count):
        rng = random.Random(f"{language}/{seed}")
        shape = Shape(passages or 1 + seed % 5, 2 + seed % 5, seed % 3, looks_first=looks_first)
        yield Reading(rng, GRAMMAR, language, shape, draw)


def asked_of(
    kind: str, language: Language, count: int = 150, draw: Draw = TRAINING
) -> Iterator[tuple[Reading, Asked]]:
    """Questions of this kind; worlds that have none are passed over."""
    for reading in readings(language, count, draw):
        asked = reading.ask(kind)
        if asked.kind == kind:
            yield reading, asked


def hits_of(texts: list[str]) -> list[Hit]:
    """Each text as a whole document that was found."""
    documents = [Document.of(text, {"source": "a.md"}) for text in texts]
    return [Hit(Chunk.of(each, 0, len(each.text), {"source": "a.md"}), 1.0) for each in documents]


def fill_in(wording: str, name: str) -> str:
    return fill(wording, e=name)


class Read(NamedTuple):
    """A question read back: the relation of which thing."""

    thing: Thing
    relation: Relation
    by: tuple[Thing, Fact] | None = None
    """Of two hops: the thing that is named, and its fact that names the thing asked about."""


def read_back(reading: Reading, question: str) -> list[Read]:
    """All that a question can mean, by the wordings of the whole grammar."""
    language, found = reading.language, []
    for thing in reading.world.things:
        names: list[tuple[str, tuple[Thing, Fact] | None]] = [(thing.name, None)]
        for other in reading.things:
            for fact in other.facts.values():
                if fact.thing is thing:
                    phrase = fact.relation.of[language].replace("{e}", other.name)
                    names.append((phrase, (other, fact)))
        for name, by in names:
            for relation in thing.type.relations.values():
                ask_for = ask_of if by else fill_in
                if any(ask_for(ask, name) == question for ask in relation.ask[language]):
                    found.append(Read(thing, relation, by))
    return found


def place_of(reading: Reading, thing: Thing, fact: Fact) -> int:
    """Where the thing's passage states the fact."""
    passage = reading.passages[reading.number_of(thing) - 1]
    wordings = fact.relation.say[reading.language]
    places = [passage.find(fill(wording, e=thing.name, v=fact.value)) for wording in wordings]
    return max(places)


def states(reading: Reading, thing: Thing, fact: Fact, number: int) -> bool:
    """Whether a passage states the fact, in some wording of the grammar."""
    wordings = fact.relation.say[reading.language]
    passage = reading.passages[number - 1]
    return any(fill(wording, e=thing.name, v=fact.value) in passage for wording in wordings)


# --- The form: byte for byte what the RAG package sends. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fixed_words_are_those_of_the_rag_package(language: Language) -> None:
    assert FRAMES[language]._asdict() == vars(WORDINGS[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_prompt_is_the_one_that_the_rag_package_builds_of_the_same_passages(
    language: Language,
) -> None:
    for reading in readings(language, 100):
        for kind in KINDS:
            question = reading.ask(kind).question
            hits = hits_of(reading.passages)
            theirs = fit_prompt(question, hits, PLENTY, len)
            assert theirs.shown == len(reading.passages)
            assert reading.prompt(question) == theirs.messages
            assert theirs.messages == build_prompt(question, hits, PLENTY, len)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rag_package_reads_every_reply_as_it_is_meant(language: Language) -> None:
    """It finds the citations, and knows a refusal from an answer."""
    for kind in KINDS:
        for reading, asked in asked_of(kind, language, 60):
            reply = asked.reply(language)
            assert is_refusal(reply) == (kind == "absent")
            cited = parse_citations(reply, len(reading.passages))
            assert cited == list(dict.fromkeys(asked.cited))
            assert kind != "absent" or reply == refusal(asked.question)


@pytest.mark.parametrize(
    ("language", "said", "cited", "reply", "without"),
    [
        ("zh", [("船号", "9")], [2], "船号[2]是9。", "船号是9。"),
        ("en", [("the age", "9")], [2], "The age [2] is 9.", "The age is 9."),
        (
            "zh",
            [("船长", "甲"), ("甲", "9")],
            [3, 1],
            "船长[3]是甲。甲[1]是9。",
            "船长是甲。甲是9。",
        ),
        ("en", [("it", "A"), ("A", "9")], [3, 1], "It [3] is A. A [1] is 9.", "It is A. A is 9."),
        ("zh", [("船号", "")], [2], "船号[2]：资料中没有答案。", "船号：资料中没有答案。"),
        (
            "en",
            [("it", "A"), ("the age", "")],
            [3, 1],
            "It [3] is A. The age [1]: The passages do not say.",
            "It is A. The age: The passages do not say.",
        ),
    ],
)
def test_a_reply_is_a_sentence_for_each_passage_with_its_number_before_the_answer(
    language: Language, said: list[tuple[str, str]], cited: list[int], reply: str, without: str
) -> None:
    asked = Asked("fact", "?", "9", tuple(cited), tuple(said))
    assert asked.reply(language) == reply
    assert asked.reply(language, cites=False) == without


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_says_the_words_of_the_question_before_the_value(language: Language) -> None:
    """Of two hops one sentence each; of a holder, the asked value comes first and it last."""
    for kind in ("fact", "holder", "two-hop"):
        for reading, asked in asked_of(kind, language, 60):
            facts = {
                number: [
                    (fact.relation.of[language].replace("{e}", thing.name), fact.value)
                    for fact in thing.facts.values()
                ]
                for number, thing in enumerate(reading.things, 1)
            }
            for said, number in zip(asked.said, asked.cited, strict=True):
                assert (said[::-1] if kind == "holder" else said) in facts[number]
            last = asked.said[-1][1]
            assert asked.answer in last if kind == "holder" else last == asked.answer


def conversations(language: Language, questions: int) -> Iterator[tuple[Reading, Messages]]:
    for seed in range(120):
        shape = Shape(1 + seed % 4, 3, 1, questions)
        reading = Reading(random.Random(f"{language}/{seed}"), GRAMMAR, language, shape)
        yield reading, reading.conversation()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_conversation_is_a_prompt_and_then_bare_questions(language: Language) -> None:
    label = FRAMES[language].question
    with_history = 0
    for reading, messages in conversations(language, 4):
        users = [m["content"] for m in messages if m["role"] == "user"]
        assert [m["role"] for m in messages] == ["system", *["user", "assistant"] * len(users)]
        (opening,) = [text for text in users if text.startswith(FRAMES[language].opening)]
        assert opening == reading.prompt(opening.rpartition(label)[2])[1]["content"]
        assert all(text.startswith(label) for text in users[users.index(opening) + 1 :])
        with_history += opening is not users[0]
        assert len(users) <= 5
    assert 1 <= with_history <= 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_turns_before_the_passages_are_as_the_rag_package_quotes_them(language: Language) -> None:
    seen = 0
    for reading, messages in conversations(language, 3):
        contents = [message["content"] for message in messages]
        place = next(i for i, x in enumerate(contents) if x.startswith(FRAMES[language].opening))
        question = contents[place].rpartition(FRAMES[language].question)[2]
        hits = hits_of(reading.passages)
        theirs = fit_prompt(question, hits, PLENTY, len, messages[1:place])
        assert messages[: place + 1] == theirs.messages
        seen += place > 1
    assert seen


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_conversation_answers_the_same_twice(language: Language) -> None:
    """Or the second answer could be copied from the first."""
    for _, messages in conversations(language, 8):
        answers = [m["content"] for m in messages if m["role"] == "assistant"]
        answers = [each for each in answers[:-1] if each != FRAMES[language].refusal]
        assert len(set(answers)) == len(answers)
    for seed in range(60):
        shape = Shape(1, 2, 0, 9, absent=2.0, untold=1.0, looks_first=True)
        messages = Reading(random.Random(seed), GRAMMAR, language, shape).conversation()
        looked = [m["content"] for m in messages if m["content"].endswith(FRAMES[language].refusal)]
        looked = [each for each in looked if each != FRAMES[language].refusal]
        assert len(set(looked)) == len(looked)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_about_a_thing_is_its_passage_in_plain_sentences(language: Language) -> None:
    for reading in readings(language, 60):
        asked = reading.about()
        number = asked.cited[0]
        thing = reading.things[number - 1]
        assert thing.name in asked.question
        assert len(asked.said) == len(asked.cited) == len(thing.facts)
        facts = sorted(thing.facts.values(), key=lambda fact: place_of(reading, thing, fact))
        assert list(asked.said) == [
            (fact.relation.of[language].replace("{e}", thing.name), fact.value) for fact in facts
        ]


def test_the_same_seed_gives_the_same_conversation() -> None:
    def conversation(seed: int) -> list[dict[str, str]]:
        return Reading(random.Random(seed), GRAMMAR, "en", Shape(3, 3, 1, 3)).conversation()

    assert conversation(1) == conversation(1) != conversation(2)


# --- The shape. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_as_many_passages_as_asked_for_each_on_a_thing_of_its_own(
    language: Language,
) -> None:
    for reading in readings(language):
        assert len(reading.passages) == len(reading.things) == reading.shape.passages
        for thing, passage in zip(reading.things, reading.passages, strict=True):
            assert thing.name in passage
            assert reading.passages[reading.number_of(thing) - 1] == passage
            least = min(reading.shape.facts, len(thing.type.relations))
            assert least <= len(thing.facts) <= least + 3  # more where it is linked several times


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_passage_states_all_facts_of_its_thing(language: Language) -> None:
    for reading in readings(language, 80):
        for number, thing in enumerate(reading.things, 1):
            for fact in thing.facts.values():
                assert states(reading, thing, fact, number)


def test_things_of_a_kind_share_relations_so_that_the_name_decides() -> None:
    """Of more than a third of the questions, another passage tells the same of a like thing."""
    alike = total = 0
    for reading, asked in asked_of("fact", "en", 300):
        if reading.shape.passages < 3:
            continue
        ((thing, relation, _),) = read_back(reading, asked.question)
        total += 1
        alike += any(
            relation.name in each.facts and each.type is thing.type
            for each in reading.things
            if each is not thing
        )
    assert total > 150
    assert alike / total > 0.3


def test_the_order_of_passages_says_nothing() -> None:
    """Neither the asked thing nor the first hop has a place of its own."""
    places = {kind: [0, 0, 0] for kind in ("fact", "two-hop")}
    for kind, counts in places.items():
        for reading in readings("en", 300, passages=3):
            asked = reading.ask(kind)
            if asked.kind == kind:
                counts[asked.cited[0] - 1] += 1
    assert all(min(counts) > 0.2 * sum(counts) for counts in places.values())


def test_kinds_come_in_their_shares() -> None:
    """Fewer of those that not every world allows, and more plain ones for them."""
    kinds = [reading.ask().kind for reading in readings("zh", 600)]
    shares = {kind: kinds.count(kind) / 600 for kind in KINDS}
    wanted = dict(zip(KINDS, (*KIND_SHARES, Shape(1, 1, 0).absent), strict=True))
    assert abs(shares["absent"] - wanted["absent"]) < 0.05
    assert 0.03 < shares["holder"] <= wanted["holder"] + 0.02
    assert 0.03 < shares["two-hop"] <= wanted["two-hop"] + 0.02
    assert shares["fact"] > wanted["fact"]


def test_a_shape_may_ask_more_often_for_what_is_not_there() -> None:
    """Weight 1.2 beside 0.8: six in ten."""
    shape = Shape(3, 4, 1, absent=1.2)
    made = (Reading(random.Random(i), GRAMMAR, "en", shape) for i in range(600))
    assert 0.54 < sum(reading.ask().kind == "absent" for reading in made) / 600 < 0.66


# --- The content: the answers follow from the passages. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_cited_passage_states_the_answer_of_a_plain_question(language: Language) -> None:
    for reading, asked in asked_of("fact", language):
        ((thing, relation, _),) = read_back(reading, asked.question)
        fact = thing.facts[relation.name]
        assert (asked.answer, asked.cited) == (fact.value, (reading.number_of(thing),))
        assert states(reading, thing, fact, *asked.cited)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_holder_is_the_only_one_and_its_passage_says_so(language: Language) -> None:
    seen = 0
    for reading, asked in asked_of("holder", language, 200):
        seen += 1
        holders = {
            (thing.name, reading.number_of(thing))
            for thing in reading.things
            for fact in thing.facts.values()
            for who in fact.relation.who.get(language, ())
            if fill(who, v=fact.value) == asked.question
            and states(reading, thing, fact, reading.number_of(thing))
        }
        assert holders == {(asked.answer, *asked.cited)}
        assert asked.answer not in asked.question
    assert seen > 80


def test_what_two_things_hold_is_asked_of_neither() -> None:
    """Two ships of one captain: nobody could say which is meant."""
    ship = GRAMMAR.types["ship"]
    made = (Reading(random.Random(i), GRAMMAR, "en", Shape(2, 1, 0)) for i in range(999))
    reading = next(each for each in made if all(thing.type is ship for thing in each.things))
    captain = reading.world.add("person")
    for thing in reading.things:
        thing.facts.clear()
        reading.world.tell(thing, ship.relations["captain"], captain)
    assert {reading.ask("holder").kind for _ in range(20)} == {"fact"}
    reading.world.tell(reading.things[0], ship.relations["port"])
    assert {reading.ask("holder").answer for _ in range(20)} == {reading.things[0].name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_hops_need_both_passages(language: Language) -> None:
    """The first says of whom, the second the answer, and the question has not got that name."""
    seen = 0
    for reading, asked in asked_of("two-hop", language, 250):
        seen += 1
        ((thing, relation, by),) = read_back(reading, asked.question)
        assert by is not None
        first, link = by
        fact = thing.facts[relation.name]
        assert first is not thing
        assert asked.cited == (reading.number_of(first), reading.number_of(thing))
        assert states(reading, first, link, asked.cited[0])
        assert states(reading, thing, fact, asked.cited[1])
        assert asked.answer == fact.value
        assert thing.name not in asked.question
        assert first.name in asked.question
        assert not states(reading, thing, fact, asked.cited[0])
    assert seen > 50


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_passage_answers_a_question_that_is_called_absent(language: Language) -> None:
    reasons = set()
    for reading, asked in asked_of("absent", language, 200):
        assert (asked.answer, asked.cited) == ("", ())
        found = read_back(reading, asked.question)
        assert found
        for thing, relation, by in found:
            stranger = thing not in reading.things
            assert stranger or relation.name not in thing.facts
            reasons.add("two hops" if by else "stranger" if stranger else "untold")
            if stranger:
                assert not any(thing.name in passage for passage in reading.passages)
    assert reasons == {"two hops", "stranger", "untold"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_looks_first_names_what_is_not_told_and_its_passage(language: Language) -> None:
    """Of the very same questions; of a thing that is in no passage there is nothing to name."""
    seen = set()
    pairs = (readings(language, 200, looks_first=looks_first) for looks_first in (False, True))
    for at_once, looking in zip(*pairs, strict=True):
        blunt, asked = at_once.ask("absent"), looking.ask("absent")
        assert (asked.question, asked.answer) == (blunt.question, "")
        reply = asked.reply(language)
        assert is_refusal(reply)
        assert reply.endswith(refusal(asked.question))
        means = [
            (t, r, by) for t, r, by in read_back(looking, asked.question) if t in looking.things
        ]
        if not means:
            assert reply == refusal(asked.question)
            continue
        thing, relation, by = means[0]
        steps = [(by[0], by[1].value)] if by else []
        steps.append((thing, ""))
        assert asked.cited == tuple(looking.number_of(each) for each, _ in steps)
        assert [value for _, value in asked.said] == [value for _, value in steps]
        assert asked.said[-1][0] == phrase(looking.world, relation, thing)
        seen.add(len(steps))
    assert seen == {1, 2}


def test_a_shape_may_ask_more_often_for_what_is_not_told_of_a_thing_that_is_there() -> None:
    def strangers(untold: float) -> float:
        shape = Shape(3, 4, 1, untold=untold, looks_first=True)
        made = [Reading(random.Random(i), GRAMMAR, "en", shape).ask("absent") for i in range(300)]
        return sum(not each.said for each in made) / 300

    assert strangers(1) < 0.05 < 0.15 < strangers(0.75) < 0.3 < 0.35 < strangers(0.5)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_stranger_is_asked_for_what_is_told_of_others(language: Language) -> None:
    """So that not the relation but the name shows that the answer is missing."""
    for reading, asked in asked_of("absent", language, 150):
        for thing, relation, _ in read_back(reading, asked.question):
            if thing not in reading.things:
                others = [each for each in reading.things if each.type is thing.type]
                assert any(relation.name in each.facts for each in others)


@pytest.mark.parametrize("language", LANGUAGES)
def test_hardly_any_absent_answer_can_be_had_the_other_way_round(language: Language) -> None:
    """ "Which moon has X?" of a planet whose passage is silent, while the moon's names its planet.

    Nothing rules it out: 1 question in 400.
    """
    turned = total = 0
    for reading, asked in asked_of("absent", language, 200):
        total += 1
        for thing, relation, _ in read_back(reading, asked.question):
            turned += any(
                fact.thing is thing and other.type.name == relation.type
                for other in reading.things
                for fact in other.facts.values()
            )
    assert turned <= 0.02 * total


# --- What is kept out of training. ---


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_questions_are_in_wordings_of_the_part_that_is_asked_for(
    kind: str, held_out: bool, language: Language
) -> None:
    for reading, asked in asked_of(kind, language, 60, Draw(wordings=held_out)):
        if kind == "holder":
            assert any(
                fill(who, v=fact.value) == asked.question
                for thing in reading.things
                for fact in thing.facts.values()
                for who in part(fact.relation.who.get(language, ()), held_out)
            )
        for thing, relation, by in read_back(reading, asked.question):
            phrase = by[1].relation.of[language].replace("{e}", by[0].name) if by else thing.name
            wordings = part(relation.ask[language], held_out)
            ask_for = ask_of if by else fill_in
            assert asked.question in [ask_for(wording, phrase) for wording in wordings]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
def test_names_and_values_are_of_the_part_that_is_asked_for(
    held_out: bool, language: Language
) -> None:
    for reading in readings(language, 60, Draw(names=held_out, values=held_out)):
        for thing in reading.world.things:
            assert is_held_out(thing.name) == held_out
            for fact in thing.facts.values():
                if fact.relation.value in ("number", "date", "code"):
                    assert is_held_out(fact.value) == held_out


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_the_two_parts_are_never_the_same(language: Language) -> None:
    """Of passages; but sentences without a fact, which are never asked for, are in both."""

    def sentences(held_out: bool) -> set[str]:
        found: set[str] = set()
        for reading in readings(language, 60, Draw(wordings=held_out)):
            for thing, passage in zip(reading.things, reading.passages, strict=True):
                values = [fact.value for fact in thing.facts.values()]
                text = passage.removeprefix("# ").replace(thing.name, "{e}")
                for value in sorted(values, key=len, reverse=True):
                    text = text.replace(value, "{v}").replace(fill(value), "{v}")
                found.update(re.split(r"(?<=[。！？.!?])\s*", text))
        return {sentence for sentence in found if "{v}" in sentence}

    assert not sentences(False) & sentences(True)

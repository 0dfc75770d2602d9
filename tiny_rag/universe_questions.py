"""The questions about a world: each with its answers and the sentences that they rest on."""

import json
from typing import Any

from .universe_facts import LANGS, Ask, Date, Entry, Lang, World
from .universe_files import as_filed, source_of
from .universe_text import PLACEHOLDER, canonical, evidence, render, render_entry

Record = dict[str, Any]


def make_questions(world: World) -> list[Record]:
    """All questions, Chinese and English: the records of questions.jsonl.

    "gold": every passage that the answer needs, two for a question of two hops, none for one that
    the world does not answer · "also": other passages that state what the last gold one states
    """
    return [
        _record(world, entry, number, ask, lang, shows)
        for lang in LANGS
        for shows in [_where_shown(world, lang)]
        for entry in world.values()
        for number, ask in enumerate(entry.asks, start=1)
    ]


def _where_shown(world: World, lang: Lang) -> dict[str, list[Entry]]:
    """The articles that give each fact."""
    found: dict[str, list[Entry]] = {}
    for entry in world.values():
        for reference in render_entry(world, entry, lang).spans:
            found.setdefault(reference, []).append(entry)
    return found


def as_jsonl(records: list[Record]) -> str:
    """One record a line."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _record(
    world: World,
    entry: Entry,
    number: int,
    ask: Ask,
    lang: Lang,
    shows: dict[str, list[Entry]],
) -> Record:
    record: Record = {
        "id": f"{lang}-{entry.id}-{number}",
        "lang": lang,
        "kind": ask.kind,
        "question": render(world, entry, getattr(ask.question, lang), lang).text,
        "answers": _answers(world, entry, ask, lang),
        "gold": [],
    }
    if ask.kind != "unanswerable":
        hops = ask.gold.split(" ")
        needed = [evidence(world, entry, hop.split("|")[0], lang) for hop in hops]
        record["gold"] = [_passage(world, *found, lang) for found in needed]
        others = _others(world, entry, hops[-1], lang, shows)
        others = [found for found in others if found not in needed]
        if also := [_passage(world, *found, lang) for found in others]:
            record["also"] = [same for n, same in enumerate(also) if same not in also[:n]]
    return record


def _passage(world: World, entry: Entry, sentence: str, lang: Lang) -> dict[str, str]:
    quote = as_filed(world, entry, sentence, lang)
    return {"source": source_of(entry, lang), "quote": quote}


def _others(
    world: World, entry: Entry, hop: str, lang: Lang, shows: dict[str, list[Entry]]
) -> list[tuple[Entry, str]]:
    """The sentences elsewhere that state the same: those named, and all that show the same fact.

    "!entry" is for the check alone: it tells of both, but not of this.
    """
    first, *named = hop.split("|")
    found = [evidence(world, entry, reference, lang) for reference in named if reference[0] != "!"]
    home, _, fact = first.rpartition(".")
    owner = world[home] if home else entry
    if fact in owner.facts:
        name = f"{owner.id}.{fact}"
        for other in shows[name]:
            if other is not owner:
                found.append(evidence(world, other, f"{other.id}/{name}", lang))
    return found


def _answers(world: World, entry: Entry, ask: Ask, lang: Lang) -> list[str]:
    """The wordings of the answer that are right: as the text has it first, then plainer ones."""
    if ask.answer is None:
        return []
    template: str = getattr(ask.answer, lang)
    answers = [render(world, entry, part, lang).text for part in template.split("|")]
    match = PLACEHOLDER.search(template)
    assert match is not None, f"{entry.id}: an answer without a fact: {template}"
    home, _, fact = canonical(world, entry, match[2], match[3]).partition(".")
    value = world[home].facts.get(fact)
    if isinstance(value, Date) and lang == "en":
        day, month = answers[0].split(" ")
        answers.append(f"{month} {day}")
    if isinstance(value, int) and "-{" not in template:  # without unit, comma, 万
        answers += [PLACEHOLDER.sub(str(value), template.split("|")[0]), str(value)]
    return list(dict.fromkeys(answers))

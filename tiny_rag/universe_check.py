"""Whether the encyclopedia agrees with itself, where reading the table would not show it."""

import re
from collections.abc import Iterator

from .universe_facts import LANGS, Ask, Entry, Lang, World
from .universe_files import is_article
from .universe_questions import Record, make_questions
from .universe_text import PLACEHOLDER, render_entry, sentences, templates

LENGTHS = {"zh": (150, 450), "en": (100, 400)}  # characters, words


def check_world(world: World, by_chance: bool = True) -> list[str]:
    """What is wrong, a sentence a fault; an empty list means nothing is.

    by_chance: whether an answer may not stand in another passage about the same subject even by
    chance; with redrawn numbers it sometimes does ("5 rungs", "5 seasons")

    Numbers come from the table alone, in both languages the same ones; each fact is stated; names
    are never written out; answers stand in their gold passages and in no other passage about the
    same subject; what is called unanswerable is nowhere mentioned.
    """
    problems: list[str] = []
    for entry in world.values():
        problems += _check_templates(world, entry)
        if is_article(entry):
            problems += _check_article(world, entry)
    if problems:  # questions about a faulty article would only add to the noise
        return problems
    by_id = {record["id"]: record for record in make_questions(world)}
    for lang in LANGS:
        stated = list(_sentences(world, lang))
        for entry in world.values():
            for number, ask in enumerate(entry.asks, start=1):
                record = by_id[f"{lang}-{entry.id}-{number}"]
                if ask.kind == "unanswerable":
                    problems += _check_unanswerable(world, entry, record, ask.gold, stated, lang)
                    continue
                problems += _check_answerable(entry, record, lang)
                if record["kind"] == "two-hop":
                    problems += _check_two_hops(world, ask, record, lang)
                if by_chance:
                    told = {part[1:] for part in ask.gold.split("|") if part.startswith("!")}
                    rest = [(other, text) for other, text in stated if other not in told]
                    problems += _check_alone(world, entry, record, rest, lang)
    return problems


def _check_templates(world: World, entry: Entry) -> Iterator[str]:
    names = {
        lang: {getattr(e.name, lang): e.id for e in world.values() if is_article(e)}
        for lang in LANGS
    }
    for template, _ in templates(entry):
        for lang in LANGS:
            bare = PLACEHOLDER.sub(" ", getattr(template, lang))
            if re.search(r"\d", bare):
                yield f"{entry.id}: {bare[:40]!r} writes a number out; put it into the table"
            for name, other in names[lang].items():
                if name in bare and other != "landing":  # 登陆 is also an ordinary word
                    yield f"{entry.id}: {bare[:40]!r} writes {name} out; put {{{other}}}"


def _check_article(world: World, entry: Entry) -> Iterator[str]:
    zh, en = (_references(world, entry, lang) for lang in LANGS)
    if zh != en:
        yield f"{entry.id}: only in one language: {', '.join(sorted(zh ^ en))}"
    for fact in entry.facts:
        if f"{entry.id}.{fact.removesuffix('_en')}" not in zh and f"{entry.id}.{fact}" not in en:
            yield f"{entry.id}: the fact {fact} is never told; tell it or strike it out"
    for lang in LANGS:
        text = render_entry(world, entry, lang).text
        size = len(text) if lang == "zh" else len(text.split())
        low, high = LENGTHS[lang]
        if not low <= size <= high:
            yield f"{entry.id}: {size} long in {lang}, and should be {low} to {high}"


def _references(world: World, entry: Entry, lang: Lang) -> set[str]:
    """What an article gives. A number that one language writes in another unit counts as one."""
    found = render_entry(world, entry, lang).spans
    return {name.removesuffix("_en") for name in found if name != entry.id}


def _sentences(world: World, lang: Lang) -> Iterator[tuple[str, str]]:
    """(entry, sentence) of every article."""
    for entry in world.values():
        if is_article(entry):
            text = render_entry(world, entry, lang).text
            yield from ((entry.id, text[start:end]) for start, end in sentences(text, lang))


def _subjects(world: World, entry: Entry, record: Record, lang: Lang) -> list[str]:
    """The names in the question; that of its entry, if it gives none."""
    names = [getattr(other.name, lang) for other in world.values() if is_article(other)]
    named = [name for name in names if name in record["question"]]
    return named or [getattr(entry.name, lang)]


def _check_unanswerable(
    world: World,
    entry: Entry,
    record: Record,
    words: str,
    stated: list[tuple[str, str]],
    lang: Lang,
) -> Iterator[str]:
    """Its words must be missing from its entry, and from all that is said of its subject."""
    word = words.split("|")[LANGS.index(lang)].lower()
    if word not in record["question"].lower() and lang == "zh":
        yield f"{record['id']}: the question lacks {word!r}, by which it is checked"
    subjects = [] if not is_article(entry) else _subjects(world, entry, record, lang)
    for other, sentence in stated:
        near = other == entry.id or not subjects or any(name in sentence for name in subjects)
        if near and word in sentence.lower():
            yield f"{record['id']}: {sentence!r} speaks of {word!r}; ask for something else"


def _check_answerable(entry: Entry, record: Record, lang: Lang) -> Iterator[str]:
    """An answer stands in the last gold passage, or is the article's own name."""
    quote = _joined(record["gold"][-1]["quote"], lang)
    if _is_own_name(entry, record, lang) or any(a in quote for a in record["answers"]):
        return
    yield f"{record['id']}: {record['answers'][0]!r} does not stand in {quote!r}"


def _is_own_name(entry: Entry, record: Record, lang: Lang) -> bool:
    return record["answers"][0].lower() == getattr(entry.name, lang).lower()


def _check_alone(
    world: World, entry: Entry, record: Record, stated: list[tuple[str, str]], lang: Lang
) -> Iterator[str]:
    """No other article has a sentence with the subject and the answer, unless it is known."""
    if _is_own_name(entry, record, lang):
        return
    passages = record["gold"] + record.get("also", [])
    known = {_joined(passage["quote"], lang) for passage in passages}
    subjects = _subjects(world, entry, record, lang)
    for other, sentence in stated:
        about = other != entry.id and any(name in sentence for name in subjects)
        if about and sentence not in known and _holds(sentence, record["answers"]):
            yield f"{record['id']}: also answered by {other}: {sentence!r}; add it to the gold"


def _check_two_hops(world: World, ask: Ask, record: Record, lang: Lang) -> Iterator[str]:
    """The article with the answer neither is named in the question nor tells of what is."""
    if len(record["gold"]) != 2:
        yield f"{record['id']}: two hops need two passages, not {len(record['gold'])}"
    end = world[ask.gold.split(" ")[-1].partition(".")[0]]
    told = render_entry(world, end, lang).spans
    for other in world.values():
        named = is_article(other) and getattr(other.name, lang) in record["question"]
        if named and (other is end or other.id in told):
            yield f"{record['id']}: {end.id} alone tells of {other.id}; ask by another way"


def _holds(sentence: str, answers: list[str]) -> bool:
    """Whether a sentence gives the answer; a number must stand there whole."""
    if answers[-1].isdigit():
        return re.search(rf"(?<![\d,.]){answers[-1]}(?![\d,.]\d|\d)", sentence) is not None
    return answers[0] in sentence


def _joined(quote: str, lang: Lang) -> str:
    """Without the line breaks of the PDF."""
    return quote.replace("\n", " " if lang == "en" else "")

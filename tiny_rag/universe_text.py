"""Templates become text, and every fact knows the sentence that states it."""

import re
from dataclasses import dataclass

from .universe_facts import Ask, Entry, Lang, Text, World, show

PLACEHOLDER = re.compile(r"\{(\^?)([a-z_]+)(?:\.([a-z_]+))?\}")
_END = {
    "zh": re.compile(r"(?:[。！？]|……)+[”’」』）]*|\n+"),
    "en": re.compile(r'[.!?]["”’)]*(?=\s|$)|\n+'),
}


@dataclass(frozen=True)
class Rendered:
    """An entry in one language, as text, and where in it each fact stands."""

    text: str
    spans: dict[str, tuple[int, int]]
    """Canonical reference ("lumo.radius", or "lumo" for the name) -> its first place in `text`."""


def canonical(world: World, entry: Entry, first: str, second: str | None) -> str:
    """The full name of what a placeholder in `entry` means. KeyError if it means nothing."""
    if second is not None:
        return f"{first}.{second}" if second in world[first].facts else _unknown(entry, second)
    if first in entry.facts:
        return f"{entry.id}.{first}"
    return first if first in world else _unknown(entry, first)


def _unknown(entry: Entry, word: str) -> str:
    raise KeyError(f"{entry.id}: {{{word}}} is neither a fact of it nor an entry")


def shown(world: World, reference: str, lang: Lang) -> str:
    """What a canonical reference reads as."""
    home, _, fact = reference.partition(".")
    return show(world, world[home].facts[fact], lang) if fact else getattr(world[home].name, lang)


def render(world: World, entry: Entry, template: str, lang: Lang) -> Rendered:
    """Fill a template in. The text of headings keeps its "## "."""
    parts: list[str] = []
    spans: dict[str, tuple[int, int]] = {}
    length = last = 0
    for match in PLACEHOLDER.finditer(template):
        reference = canonical(world, entry, match[2], match[3])
        word = shown(world, reference, lang)
        if match[1]:
            word = capital(word)
        before = template[last : match.start()]
        start = length + len(before)
        spans.setdefault(reference, (start, start + len(word)))
        parts += [before, word]
        length, last = start + len(word), match.end()
    return Rendered("".join([*parts, template[last:]]), spans)


def render_entry(world: World, entry: Entry, lang: Lang) -> Rendered:
    """The body of an entry, without its title."""
    return render(world, entry, getattr(entry.text, lang), lang)


def capital(word: str) -> str:
    """The first letter made large: what a title or a sentence begins with."""
    return word[:1].upper() + word[1:]


def sentences(text: str, lang: Lang) -> list[tuple[int, int]]:
    """Where the sentences are, without the space around them. A line break ends one."""
    found: list[tuple[int, int]] = []
    start = 0
    for end in [*(match.end() for match in _END[lang].finditer(text)), len(text)]:
        piece = text[start:end]
        if piece.strip():
            left = start + len(piece) - len(piece.lstrip())
            found.append((left, left + len(piece.strip())))
        start = end
    return found


def sentence_at(text: str, place: int, lang: Lang) -> str:
    """The sentence that holds the character at `place`."""
    for start, end in sentences(text, lang):
        if start <= place < end:
            return text[start:end]
    raise ValueError(f"no sentence at {place} of {len(text)} characters")


def evidence(world: World, entry: Entry, reference: str, lang: Lang) -> tuple[Entry, str]:
    """The sentence that a gold reference of an `Ask` points at, and the entry it stands in.

    "fact" or "entry" (the first sentence of this entry to give it) · "other.fact" (that of the
    other entry's own text) · "other/reference" (the other's sentence) · "~zh~en" (the sentence of
    this entry with these words in it)
    """
    home, slash, rest = reference.partition("/")
    if slash:
        owner = world[home]
        return _stated(
            world, owner, rest if "." in rest else canonical(world, owner, rest, None), lang
        )
    if reference.startswith("~"):
        words = dict(zip(("zh", "en"), reference[1:].split("~"), strict=True))[lang]
        text = render_entry(world, entry, lang).text
        place = text.find(words.replace("_", " "))
        if place < 0:
            raise ValueError(f"{entry.id}: no {words!r} in its {lang} text; mend the question")
        return entry, sentence_at(text, place, lang)
    home, _, fact = reference.rpartition(".")
    owner = world[home] if home else entry
    return _stated(world, owner, canonical(world, owner, fact, None), lang)


def _stated(world: World, entry: Entry, reference: str, lang: Lang) -> tuple[Entry, str]:
    rendered = render_entry(world, entry, lang)
    if reference not in rendered.spans:
        raise ValueError(f"{entry.id}: its {lang} text never gives {reference}; mend the question")
    return entry, sentence_at(rendered.text, rendered.spans[reference][0], lang)


def templates(entry: Entry) -> list[tuple[Text, Ask | None]]:
    """Everything of an entry that is rendered: its body, questions and answers."""
    found: list[tuple[Text, Ask | None]] = [(entry.text, None)]
    for ask in entry.asks:
        found += [(ask.question, ask)] + ([(ask.answer, ask)] if ask.answer else [])
    return found

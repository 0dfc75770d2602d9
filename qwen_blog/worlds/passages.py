"""Worlds told as text: an article about a thing, and the same facts told again in other words.

An article has the form that a chunk of a real document has: perhaps a title, a first sentence,
facts in any order, sentences that say nothing of use, paragraphs. Chapter 24.
"""

from collections.abc import Sequence

from .grammar import Relation
from .universe import Fact, Language, Thing, World

PARAGRAPH_SENTENCES = 4
"""A longer article is cut into paragraphs of about so many sentences."""


def article(world: World, thing: Thing, filler: int = 0, facts: Sequence[Fact] = ()) -> str:
    """All facts of the thing, or only some, as a text of one or more paragraphs.

    filler: how many sentences without a fact stand between them · facts: those to tell, in their
    order; by default all, in any order
    """
    rng = world.rng
    told = facts or rng.sample(list(thing.facts.values()), len(thing.facts))
    sentences = [statement(world, thing, fact) for fact in told]
    for text in rng.sample(thing.type.filler[world.language], min(filler, 12)):
        sentences.insert(rng.randint(0, len(sentences)), text)
    title = rng.choice(("", "", f"# {thing.name}\n\n", f"{thing.name}\n"))
    named = bool(sentences) and thing.name in sentences[0]
    if not named or rng.random() < 0.4:
        sentences.insert(0, world.wording(thing.type.intro).replace("{e}", thing.name))
    return title + "\n\n".join(_paragraphs(world, sentences))


def statement(world: World, thing: Thing, fact: Fact) -> str:
    """One sentence that states a fact; it may say "it" for the thing."""
    return fill(world.wording(fact.relation.say), e=thing.name, v=fact.value)


def fill(wording: str, **parts: str) -> str:
    """The wording with {e} and {v} filled in; braces in the parts are left alone."""
    for name, text in parts.items():
        wording = wording.replace("{" + name + "}", text)
    return wording[:1].upper() + wording[1:]


def phrase(world: World, relation: Relation, thing: Thing) -> str:
    """The plain words for what is asked: "the captain of Kalon"."""
    return relation.of[world.language].replace("{e}", thing.name)


def plainly(world: World, thing: Thing, fact: Fact) -> str:
    """A fact in the words of an answer, without full stop: "The captain of Kalon is Bosun"."""
    return state(world.language, phrase(world, fact.relation, thing), fact.value)


def state(language: Language, subject: str, value: str, mark: str = "") -> str:
    """That the subject is the value; the mark stands behind the subject, as `[2]` in a reply."""
    form = "{s}{m}是{v}" if language == "zh" else "{s}{m} is {v}"
    return fill(form, s=subject, m=mark, v=value)


def ask_of(wording: str, phrase: str) -> str:
    """A question about what a phrase names: "What does {e} weigh?", "the captain of Kalon".

    The phrase brings its own article, and is no title: nobody writes "the the captain" or
    《Kalon的船长》.
    """
    bare = wording.replace("《{e}》", "{e}")
    if phrase.startswith("the "):
        bare = bare.replace("the {e}", "{e}").replace("The {e}", "{e}")
    return fill(bare, e=phrase)


def _paragraphs(world: World, sentences: list[str]) -> list[str]:
    joint = "" if world.language == "zh" else " "
    size = PARAGRAPH_SENTENCES if len(sentences) > PARAGRAPH_SENTENCES + 1 else len(sentences)
    starts = range(0, len(sentences), max(1, size))
    return [joint.join(sentences[start : start + size]) for start in starts]

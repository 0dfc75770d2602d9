"""Plain text about invented worlds, for pre-training: articles, each told twice. Chapter 24.

Names and numbers of a first telling cannot be predicted; those of the second can, by a reader who
finds the fact that another wording states. So next-token prediction alone already teaches to look
back by meaning.
"""

import random

from .grammar import Grammar
from .passages import article, fill, plainly
from .universe import TRAINING, Draw, Language, Thing, World


def told_twice(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> str:
    """Articles about one to three things, and then the same facts in another order and wording."""
    world = World(rng, grammar, language, draw)
    kind = world.add().type.name
    things = [world.add(kind) for _ in range(rng.choice((1, 1, 2, 3)))]
    for thing in things:
        world.tell_some(thing, rng.randint(2, 5))
    first = [article(world, thing, filler=rng.choice((0, 0, 1))) for thing in things]
    rng.shuffle(things)
    again = article if rng.random() < 0.4 else _questions
    return "\n\n".join([*first, *(again(world, thing) for thing in things)])


def _questions(world: World, thing: Thing) -> str:
    """Every fact of the thing as a line: a question, and the answer as a sentence."""
    facts = list(thing.facts.values())
    world.rng.shuffle(facts)
    form = "{}{}。" if world.language == "zh" else "{} {}."
    questions = [fill(world.wording(fact.relation.ask), e=thing.name) for fact in facts]
    pairs = zip(questions, facts, strict=True)
    return "\n".join(form.format(asked, plainly(world, thing, fact)) for asked, fact in pairs)

"""Multiple choice about a passage, in the forms that the evaluation package asks in.

    A passage of an invented world.

    Which colour is the sky of Kalon?
    A. green
    B. amber
    C. grey
    D. violet
    Give one letter only. Answer:

The reply is the letter alone; in the open form, without options, it is the value. The prompts are
copies of those that the package's tasks give in a conversation: the tests compare them. Chapter 24.
"""

import random
from dataclasses import dataclass
from typing import Literal

from .grammar import Grammar
from .passages import article, fill
from .tool_prompts import Message
from .universe import TRAINING, Draw, Fact, Language, Thing, World

Form = Literal["letters", "exam", "open"]
FORMS: tuple[Form, ...] = ("letters", "exam", "open")
SHARES = (0.6, 0.2, 0.2)
LETTERS = "ABCD"
TURNS = (1, 1, 1, 2, 3)
_CLOSINGS: dict[Language, dict[Form, str]] = {
    "en": {"letters": "Give one letter only. Answer:", "exam": "Answer:"},
    "zh": {"letters": "只回答一个字母。答案：", "exam": "答案："},
}
_OPEN: dict[Language, tuple[str, str]] = {
    "en": ("Question: ", "\nAnswer:"),
    "zh": ("问题：", "\n回答："),
}
_EXAM_SYSTEM: dict[Language, str] = {
    "en": "The following are multiple choice questions (with answers).\n\n",
    "zh": "以下是中国考试的单项选择题，请选出其中的正确答案。\n\n",
}


@dataclass(frozen=True)
class Choice:
    """A question about a passage, four options, one of them right."""

    passage: str
    question: str
    options: tuple[str, ...]
    right: int
    """Index of the right option."""

    @property
    def letter(self) -> str:
        return LETTERS[self.right]

    def asked(self) -> str:
        """Passage and question, as they stand in the field "question" of a task's document."""
        return f"{self.passage}\n\n{self.question}"

    def prompt(self, form: Form, language: Language) -> str:
        """What the user says."""
        if form == "open":
            before, after = _OPEN[language]
            return before + self.asked() + after
        pairs = zip(LETTERS, self.options, strict=True)
        options = [f"{letter}. {option}" for letter, option in pairs]
        return "\n".join([self.asked(), *options, _CLOSINGS[language][form]])

    def reply(self, form: Form) -> str:
        """What the assistant says: the letter, or the right option where none are shown."""
        return self.options[self.right] if form == "open" else self.letter


def multiple_choice(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """One to three questions in one form; the first ones are what tiny_eval calls examples."""
    form = rng.choices(FORMS, SHARES)[0]
    messages = []
    if form == "exam":
        messages.append({"role": "system", "content": _EXAM_SYSTEM[language]})
    for _ in range(rng.choice(TURNS)):
        choice = make_choice(rng, grammar, language, draw)
        messages.append({"role": "user", "content": choice.prompt(form, language)})
        messages.append({"role": "assistant", "content": choice.reply(form)})
    return messages


def make_choice(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> Choice:
    """A question about a passage of a new world; the right option is at any place."""
    world = World(rng, grammar, language, draw)
    thing = world.add()
    world.tell_some(thing, rng.choice((2, 3, 4)))
    fact = rng.choice(list(thing.facts.values()))
    passage = article(world, thing, filler=rng.choice((0, 0, 1)))
    wrong = _wrong_options(world, thing, fact)
    right = rng.randrange(len(LETTERS))
    options = [*wrong[:right], fact.value, *wrong[right:]]
    question = fill(world.wording(fact.relation.ask), e=thing.name)
    return Choice(passage, question, tuple(options), right)


def _wrong_options(world: World, thing: Thing, fact: Fact) -> list[str]:
    """Three more values of the relation; now and then one is another value of the passage."""
    others = [each.value for each in thing.facts.values() if each.value != fact.value]
    wrong = [world.rng.choice(others)] if others and world.rng.random() < 0.4 else []
    while len(wrong) < len(LETTERS) - 1:
        value = world.tell(world.add(thing.type.name), fact.relation).value
        if value not in (fact.value, *wrong):
            wrong.append(value)
    world.rng.shuffle(wrong)
    return wrong

"""Recipes: which model is trained on what, for how long. `python -m qwen_blog train --recipe NAME`.

A recipe first trains a tokenizer, then the model in stages: pre-training on text, where every token
is learned, and fine-tuning on conversations, where only replies are. Data are made as they are
needed, from a seed; what comes when is decided here: plain wordings before odd ones, few and short
passages before many and long ones. Chapter 24.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from .config import Qwen2Config
from .induction import write_induction_heads
from .model import Qwen2ForCausalLM
from .packing import Sample, SampleMaker
from .passage_heads import write_passage_heads
from .samples import conversation_sample, text_sample
from .tokenizer import Tokenizer
from .training_config import TrainingConfig
from .worlds.exam import Item, training_exam
from .worlds.grammar import Grammar
from .worlds.multiple_choice import multiple_choice
from .worlds.nano_data import nano_conversation, nano_exam, nano_text
from .worlds.prose import told_twice
from .worlds.reading import Message, Reading, Shape
from .worlds.recall import locate, look_up, repeat, rephrase
from .worlds.small_talk import small_talk
from .worlds.tool_use import errands, hermes, react
from .worlds.universe import Draw, Language

Made = str | list[Message]
"""A plain text, or a conversation."""
EMBEDDING_STD = 0.05
CITATIONS = tuple(f"[{number}]" for number in range(1, 10))
"""One token each: of "[", "2" and "]" a model would not learn in time in which passage it reads."""


@dataclass(frozen=True)
class Stage:
    """One training run of a recipe."""

    name: str
    training: TrainingConfig
    make: Callable[[random.Random, float], Made]
    """(rng, progress in [0, 1] of the stage) -> a text or conversation."""
    cites: bool = False
    """Whether heads that know the number of their passage are written before it begins."""
    new_texts: bool = True
    """Whether the tokenizer learns from its texts, too."""

    def sample_maker(self, tokenizer: Tokenizer) -> SampleMaker:
        """What `train` asks for samples."""
        return lambda rng, progress: to_sample(tokenizer, self.make(rng, progress))


@dataclass(frozen=True)
class Recipe:
    """A tokenizer and a model, and the stages that the model is trained in."""

    name: str
    model: Qwen2Config
    """Its vocab_size is the tokenizer's."""
    tokenizer_texts: int
    """How many texts and conversations the tokenizer learns from."""
    stages: tuple[Stage, ...]
    exam: Callable[[int], Sequence[Item]]
    """How many questions of each group -> what the model is asked while it learns."""
    seed: int = 0

    def tokenizer(self) -> Tokenizer:
        """Trained on what the stages will show."""
        size = self.model.vocab_size
        return Tokenizer.train(self._texts(), size, whole_tokens=CITATIONS)

    def new_model(self) -> Qwen2ForCausalLM:
        """Random weights, and induction heads."""
        generator = torch.Generator().manual_seed(self.seed)
        model = Qwen2ForCausalLM(self.model)
        scale = 1 / math.sqrt(2 * self.model.num_hidden_layers)  # what layers add up stays small
        for name, parameter in model.named_parameters():
            if parameter.dim() < 2:
                continue  # norms begin as 1, biases as 0
            std = EMBEDDING_STD if "embed_tokens" in name else self.model.initializer_range
            adds = name.endswith(("o_proj.weight", "down_proj.weight"))
            torch.nn.init.normal_(parameter, std=std * scale if adds else std, generator=generator)
        write_induction_heads(model, generator)
        return model

    def begin(self, stage: Stage, model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
        """What is done to the model, on the CPU, before a stage."""
        if stage.cites:
            numbers = [tokenizer.token_to_id(citation) for citation in CITATIONS]
            write_passage_heads(model, numbers, torch.Generator().manual_seed(self.seed))

    def _texts(self) -> Iterator[str]:
        stages = [stage for stage in self.stages if stage.new_texts]
        for number in range(self.tokenizer_texts):
            rng = random.Random(f"tokenizer/{self.seed}/{number}")
            stage = stages[number % len(stages)]
            made = stage.make(rng, rng.random())
            yield from [made] if isinstance(made, str) else [each["content"] for each in made]


def to_sample(tokenizer: Tokenizer, made: Made) -> Sample:
    """Ids, and which of them are learned."""
    if isinstance(made, str):
        return text_sample(tokenizer, made)
    return conversation_sample(tokenizer, made)


def pretraining_text(rng: random.Random, progress: float) -> Made:
    """Articles told twice, and drills in looking back."""
    grammar, language = Grammar.load(), _language(rng)
    draw = Draw(most=2 + int(8 * progress))
    kinds = ("prose", "repeat", "look up", "locate", "read", "rephrase")
    kind = rng.choices(kinds, (0.1, 0.05, 0.1, 0.15, 0.3, 0.3))[0]
    if kind == "prose":
        return told_twice(rng, grammar, language, draw)
    if kind == "read":
        shape = Shape(
            rng.randint(1, 2), rng.randint(2, 4), rng.choice((0, 0, 1)), rng.randint(3, 6)
        )
        return Reading(rng, grammar, language, shape, draw).conversation()
    drills = {"repeat": repeat, "look up": look_up, "locate": locate, "rephrase": rephrase}
    return drills[kind](rng, grammar, language, draw)


_SKILLS = ("read", "react", "hermes", "choose", "talk", "look up", "repeat", "locate", "rephrase")
_SKILL_SHARES = (0.57, 0.14, 0.04, 0.06, 0.03, 0.02, 0.02, 0.05, 0.07)
_PRACTICE_SHARES = (0.52, 0.25, 0.04, 0.03, 0.03, 0.01, 0.01, 0.03, 0.08)
PRACTICE_ENGLISH, PRACTICE_ABSENT = 0.62, 0.28
_DRILL_SHARES = {
    "read": 0.63,
    "errands": 0.17,
    "react": 0.03,
    "hermes": 0.03,
    "choose": 0.02,
    "talk": 0.02,
    "locate": 0.02,
    "rephrase": 0.08,
}
DRILL_ABSENT, DRILL_UNTOLD = 0.6, 0.75


def conversation(rng: random.Random, progress: float) -> Made:
    """A conversation of any skill; passages grow in number and length."""
    language, skill = _language(rng), rng.choices(_SKILLS, _SKILL_SHARES)[0]
    return _conversation(rng, progress, language, skill, Shape.absent)


def practice(rng: random.Random, progress: float) -> Made:
    """The same, with more of what was weak after it: English, tools, what is not there."""
    language: Language = "en" if rng.random() < PRACTICE_ENGLISH else "zh"
    skill = rng.choices(_SKILLS, _PRACTICE_SHARES)[0]
    return _conversation(rng, progress, language, skill, PRACTICE_ABSENT)


def drill(rng: random.Random, progress: float) -> Made:
    """Twice as many questions about the same passages, and refusals that look first."""
    language: Language = "en" if rng.random() < PRACTICE_ENGLISH else "zh"
    skill = rng.choices(list(_DRILL_SHARES), list(_DRILL_SHARES.values()))[0]
    if skill == "read":
        return Reading(rng, Grammar.load(), language, _drill_shape(rng)).conversation()
    return _skill(rng, language, skill)


def _conversation(
    rng: random.Random, progress: float, language: Language, skill: str, absent: float
) -> Made:
    if skill == "read":
        draw = Draw(most=4 + int(20 * progress))
        shape = replace(_shape(rng, progress), absent=absent)
        return Reading(rng, Grammar.load(), language, shape, draw).conversation()
    return _skill(rng, language, skill)


def _skill(rng: random.Random, language: Language, skill: str) -> Made:
    """A conversation of any other skill than reading."""
    makers = {
        "errands": errands,
        "react": react,
        "hermes": hermes,
        "choose": multiple_choice,
        "talk": small_talk,
        "look up": look_up,
        "repeat": repeat,
        "locate": locate,
        "rephrase": rephrase,
    }
    return makers[skill](rng, Grammar.load(), language)


def short_conversation(rng: random.Random, progress: float) -> Made:
    """As `conversation` at its beginning: few and short passages."""
    return conversation(rng, 0.0)


def location(rng: random.Random, progress: float) -> Made:
    """In which line? Until that is learned, and nothing else."""
    return locate(rng, Grammar.load(), _language(rng))


def _shape(rng: random.Random, progress: float) -> Shape:
    """Short passages with many questions, and ever more often long ones with one question."""
    grown = min(1.0, progress / 0.5)
    if rng.random() < 0.3 * grown:  # as long as chunks of real documents
        return Shape(rng.randint(1, 3), rng.randint(4, 8), rng.randint(2, 6), rng.choice((1, 2, 4)))
    passages = rng.randint(1, 2 + round(4 * grown))
    questions = 1 if rng.random() < 0.3 * grown else rng.randint(3, 8)
    return Shape(passages, rng.randint(2, 5), rng.randint(0, 2), questions)


def _drill_shape(rng: random.Random) -> Shape:
    """About what fits into the context, of passages or of questions."""
    if rng.random() < 0.25:  # as long as chunks of real documents
        passages, facts, filler, questions = rng.randint(1, 3), rng.randint(4, 8), 4, 4
    else:
        passages, facts = rng.randint(1, 4), rng.randint(2, 5)
        filler, questions = rng.choice((0, 0, 1, 2)), rng.randint(6, 11)
    return Shape(passages, facts, filler, questions, DRILL_ABSENT, DRILL_UNTOLD, looks_first=True)


def full_exam(count: int) -> Sequence[Item]:
    """Of the whole grammar."""
    return training_exam(Grammar.load(), count)


def _language(rng: random.Random) -> Language:
    return rng.choice(("zh", "en"))


_FULL = TrainingConfig(rows_per_step=2, optimizer="muon", precision="bf16", compiled=True)
_LONG = replace(_FULL, steps=4000, learning_rate=2e-3, min_lr_ratio=0.02, validate_every=1000)
_SMALL = TrainingConfig(rows_per_step=2, row_tokens=1536, learning_rate=3e-3, warmup_steps=40)

TINY_QWEN2 = Recipe(
    name="tiny-qwen2",
    model=Qwen2Config(
        vocab_size=4096,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        rope_theta=1e6,
        tie_word_embeddings=True,
    ),
    tokenizer_texts=3000,
    stages=(
        Stage(
            "pretrain",
            replace(_FULL, steps=400, learning_rate=2.5e-3, min_lr_ratio=0.5, validate_every=400),
            pretraining_text,
        ),
        Stage(
            "read",
            replace(
                _FULL, steps=300, learning_rate=1.5e-3, min_lr_ratio=0.7, validate_every=300, seed=1
            ),
            short_conversation,
        ),
        Stage(
            "cite",
            replace(
                _FULL,
                steps=250,
                learning_rate=1e-3,
                min_lr_ratio=0.7,
                warmup_steps=20,
                validate_every=250,
                seed=2,
            ),
            location,
            cites=True,
        ),
        Stage(
            "sft",
            replace(_LONG, seed=3),
            conversation,
        ),
        Stage(
            "practice",
            replace(_LONG, seed=4),
            practice,
            new_texts=False,
        ),
        Stage(
            "drill",
            replace(_LONG, steps=3400, learning_rate=1e-3, seed=5),
            drill,
            new_texts=False,
        ),
    ),
    exam=full_exam,
)

NANO = Recipe(
    name="nano",
    model=Qwen2Config(
        vocab_size=1024,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        rope_theta=1e6,
        tie_word_embeddings=True,
    ),
    tokenizer_texts=2000,
    stages=(
        Stage(
            "pretrain",
            replace(_SMALL, steps=80, min_lr_ratio=0.7, validate_every=80),
            nano_text,
        ),
        Stage(
            "sft",
            replace(_SMALL, steps=760, min_lr_ratio=0.05, validate_every=100, seed=1),
            nano_conversation,
        ),
    ),
    exam=nano_exam,
)
RECIPES = {recipe.name: recipe for recipe in (TINY_QWEN2, NANO)}

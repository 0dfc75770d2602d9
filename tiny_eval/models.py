"""What a model is to this package: three questions that can be put to it.

    generate_until         go on from this prompt, until one of these stops    (free answers)
    loglikelihood          how likely is this continuation of this prompt?     (multiple choice)
    loglikelihood_rolling  how likely is this whole text?                      (perplexity)

Each takes many requests and yields answers as they finish, in any order, each with the place of
its request, so that a backend may sort by length, batch, or ask a server several at once, and
nothing that is done is lost when the run is stopped. The names are those of lm-evaluation-harness.
Chapter 52 uses them. Backends: scripted.py, ngram.py, local_model.py, openai_model.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypedDict


class Message(TypedDict):
    """One turn of a conversation: role is "system", "user" or "assistant"."""

    role: str
    content: str


Prompt = str | list[Message]
"""Raw text, which the model goes on from, or a conversation, which its chat template renders."""


@dataclass(frozen=True)
class Generation:
    """How a free answer is made. Greedy by default, so that a run can be repeated."""

    max_tokens: int = 256
    """The longest answer, in the model's tokens."""
    stop: tuple[str, ...] = ()
    """Where one of these appears the answer ends, without it."""
    temperature: float = 0.0
    """0 takes the likeliest token; above it, tokens are drawn."""
    top_p: float = 1.0
    """Drawn from the likeliest tokens that have this probability together."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.max_tokens, int) or self.max_tokens < 1:
            raise ValueError(f"max_tokens={self.max_tokens!r} must be at least 1, and whole")
        if not (isinstance(self.temperature, int | float) and self.temperature >= 0):  # nor NaN
            raise ValueError(f"temperature={self.temperature!r} must be 0 (greedy) or above")
        if not (isinstance(self.top_p, int | float) and 0 < self.top_p <= 1):
            raise ValueError(f"top_p={self.top_p!r} must be above 0 and at most 1")
        if any(not isinstance(stop, str) or not stop for stop in self.stop):
            raise ValueError(f"stop={list(self.stop)} must hold texts, none of them empty")


class Reply(NamedTuple):
    """A free answer."""

    text: str
    cut: bool = False
    """It ended at max_tokens, not by itself."""


def before_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to where the first of the stops begins."""
    return text[: min([len(text), *(text.index(each) for each in stop if each in text)])]


class Loglikelihood(NamedTuple):
    """Natural logarithm of a text's probability."""

    total: float
    """Summed over the tokens: at most 0."""
    tokens: int
    greedy: bool
    """Each of its tokens was the likeliest one."""


class Failure(NamedTuple):
    """What came in place of an answer to one request; the others go on."""

    reason: str


class ModelError(Exception):
    """No request can be answered: no such server, a wrong key, a broken model."""


class Model(Protocol):
    """A model under test. All may raise ModelError; a backend that lacks one raises it at once."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """All that its answers depend on, besides what it is asked: JSON, and no secrets.

        Where it differs, a run is another run: weights that were trained further, truncation.
        """
        ...

    def generate_until(
        self, prompts: Sequence[Prompt], generation: Generation
    ) -> Iterator[tuple[int, Reply | Failure]]:
        """The answer to each prompt, with the prompt's index."""
        ...

    def loglikelihood(
        self, requests: Sequence[tuple[Prompt, str]]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """How likely each continuation is after its prompt. The prompt itself is not counted."""
        ...

    def loglikelihood_rolling(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """How likely each text is from its very first token, however long it is."""
        ...

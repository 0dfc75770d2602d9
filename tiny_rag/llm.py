"""What a language model is to this package: messages in, text out.

Everything that talks to a model takes an `LLM`: two methods, no base class. `backends` has the real
ones, for a server and for a local folder; `ScriptedLLM` here says what it was told to, so that
tests and chapters need no model. Chapter 33 uses it.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .counting import count_tokens

Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": "..."}."""


class LLMError(RuntimeError):
    """A model that did not answer: what was asked of it, what came back, what to do."""


@dataclass(frozen=True)
class Usage:
    """What a call cost, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    """Counted by `count_tokens`, because the server did not say."""

    @classmethod
    def estimate(cls, messages: Sequence[Message], text: str) -> "Usage":
        """What the call about cost, where nobody says."""
        prompt_tokens = sum(count_tokens(message["content"]) for message in messages)
        return cls(prompt_tokens, count_tokens(text), estimated=True)


@dataclass(frozen=True)
class Completion:
    """What a model said."""

    text: str
    usage: Usage


class LLM(Protocol):
    """A chat model."""

    def complete(
        self, messages: list[Message], max_tokens: int = 256, stop: Sequence[str] = ()
    ) -> Completion:
        """The reply, as a whole. It ends before the first of the `stop` strings."""
        ...

    def stream(
        self, messages: list[Message], max_tokens: int = 256, stop: Sequence[str] = ()
    ) -> Generator[str, None, Completion]:
        """The reply in pieces, none of them empty; joined, and returned at the end, the whole."""
        ...


Reply = str | Callable[[list[Message]], str]


@dataclass
class ScriptedLLM:
    """Gives the replies of a script, one a call. A reply may be a function of the messages."""

    replies: Sequence[Reply]
    calls: list[list[Message]] = field(default_factory=list)
    """The messages of every call so far."""

    def complete(
        self, messages: list[Message], max_tokens: int = 256, stop: Sequence[str] = ()
    ) -> Completion:
        """The next reply, up to a stop. max_tokens is not looked at. LLMError if none is left."""
        place = len(self.calls)
        if place >= len(self.replies):
            raise LLMError(f"call {place + 1} of a script of {place} replies; write one more")
        self.calls.append([dict(message) for message in messages])
        reply = self.replies[place]
        text = reply if isinstance(reply, str) else reply(messages)
        text = "".join(until_stop([text], stop))
        return Completion(text, Usage.estimate(messages, text))

    def stream(
        self, messages: list[Message], max_tokens: int = 256, stop: Sequence[str] = ()
    ) -> Generator[str, None, Completion]:
        """The same, a character a piece."""
        completion = self.complete(messages, max_tokens, stop)
        yield from completion.text
        return completion


def until_stop(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The pieces of a text up to its first stop string, which is left out.

    Holds back what may be the beginning of a stop string. ValueError if one is empty.
    """
    if "" in stop:
        raise ValueError(f"stop={list(stop)!r} has an empty string, which every text starts with")
    held = ""
    for piece in pieces:
        held += piece
        # The one that is complete first counts, as it would where text is still being made.
        found = min(
            ((place + len(word), place) for word in stop if (place := held.find(word)) >= 0),
            default=None,
        )
        ready = found[1] if found else len(held) - _may_stop(held, stop)
        if ready:
            yield held[:ready]
        if found:
            return
        held = held[ready:]
    if held:
        yield held


def _may_stop(text: str, stop: Sequence[str]) -> int:
    """How many characters at the end of the text a stop string may have begun with."""
    longest = max(map(len, stop), default=1) - 1
    for size in range(min(longest, len(text)), 0, -1):
        if any(word.startswith(text[-size:]) for word in stop):
            return size
    return 0

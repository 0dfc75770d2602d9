"""What a model is to an agent: messages in, a reply out.

Every loop here takes a `Model`: two methods, no base class. The real ones are `backends`, behind a
server, and `local_model`, in a folder. `ScriptedModel` says what it was told to, so that tests and
chapters need none. Chapter 41 uses it.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from .messages import Message, Reply, Usage

ToolSpec = dict[str, object]
"""A tool as chat servers want it described: {"type": "function", "function": {...}}."""


class ModelError(RuntimeError):
    """A model that did not answer: what was asked of it, what came back, what to do."""


class Model(Protocol):
    """A chat model."""

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Reply:
        """The reply; its text ends before the first of the `stop` strings. ModelError if none."""
        ...

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Generator[str, None, Reply]:
        """The text in pieces, none of them empty; the whole reply is returned at the end."""
        ...


@dataclass(frozen=True)
class Call:
    """What a scripted model was sent."""

    messages: list[Message]
    tools: list[ToolSpec]
    stop: tuple[str, ...]


Line = str | Reply | Callable[[Sequence[Message]], str | Reply]
"""A line of a script: what to say, or how to find it from the messages."""


@dataclass
class ScriptedModel:
    """Gives the replies of a script, one a call. ModelError when none is left."""

    script: Sequence[Line]
    calls: list[Call] = field(default_factory=list)
    """Everything it was sent so far."""

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Reply:
        """The next reply of the script, up to a stop string. Its tokens are estimated."""
        place = len(self.calls)
        if place >= len(self.script):
            message = f"call {place + 1} of a script of {len(self.script)} replies; write one more"
            raise ModelError(message)
        self.calls.append(Call([message.copy() for message in messages], list(tools), tuple(stop)))
        line = self.script[place]
        said = line(messages) if callable(line) else line
        reply = Reply(said) if isinstance(said, str) else said
        text = "".join(until_stop([reply.text], stop))
        usage = reply.usage if reply.usage.model_calls else estimate_usage(messages, tools, text)
        return replace(reply, text=text, usage=usage)

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Generator[str, None, Reply]:
        """The same, a character a piece."""
        reply = self.generate(messages, tools, stop)
        yield from reply.text
        return reply


def count_tokens(text: str) -> int:
    """About how many tokens a text has: a letter outside ASCII is one, four others are one.

    An estimate for plain text, Chinese or English; exact counts need the model's own tokenizer.
    """
    wide = sum(ord(character) > 127 for character in text)
    return wide + (len(text) - wide + 3) // 4


def estimate_usage(
    messages: Sequence[Message], tools: Sequence[ToolSpec] = (), text: str = ""
) -> Usage:
    """What a call about cost, where nobody says."""
    prompt = sum(count_tokens(f"{m['content']}{m.get('tool_calls', '')}") for m in messages)
    prompt += sum(count_tokens(str(spec)) for spec in tools)
    return Usage(prompt, count_tokens(text), 1, estimated=True)


def until_stop(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The pieces of a text up to its first stop string, which is left out.

    Of several, the one that is complete first counts; of those complete at once, the longest.
    Holds back what may be the beginning of a stop string: "\\nObserv" waits for "ation:". All else
    is passed on before the next piece is asked for; no piece that is passed on is empty.
    ValueError if a stop string is empty
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

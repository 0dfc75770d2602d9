"""Keeps a conversation within a model's context: the oldest turns go first, the question never.

A reply and the results of its calls go together: a result without its call makes servers refuse
the request, and models guess. Chapter 43 shows it at work.
"""

from collections.abc import Callable, Sequence

from .messages import Message
from .tools import shorten

SHORTEST_CHARS = 200


def trim(
    messages: Sequence[Message], question: int, fits: Callable[[list[Message]], bool]
) -> list[Message]:
    """The messages, without the oldest turns where they do not fit; no more of them than must go.

    A turn is a message and the results (role "tool") behind it: they go together. Those before the
    question go first, the oldest of them first, then those after it, the oldest first.
    question: the place of the message that is being answered; it stays, and so does the last turn
    after it. If that alone is too much, its longest result is shortened, again and again, down to
    some SHORTEST_CHARS each; what does not fit even then is returned all the same · fits: whether
    a list of messages is short enough; it may be asked often
    The messages that were given are not changed.
    """
    before, asked = _turns(messages[:question]), messages[question]
    after = _turns(messages[question + 1 :])
    while True:
        kept = [*_flat(before), asked, *_flat(after)]
        if fits(kept):
            return kept
        if before:
            before = before[1:]
        elif len(after) > 1:
            after = after[1:]
        else:
            return _with_shorter_results(kept, fits)


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    """A turn is a message and the results of its calls."""
    turns: list[list[Message]] = []
    for message in messages:
        if message["role"] == "tool" and turns:
            turns[-1].append(message)
        else:
            turns.append([message])
    return turns


def _flat(turns: Sequence[Sequence[Message]]) -> list[Message]:
    return [message for turn in turns for message in turn]


def _with_shorter_results(
    messages: list[Message], fits: Callable[[list[Message]], bool]
) -> list[Message]:
    """The longest result cut by half, again and again, until all fits or none is left to cut."""
    messages = [message.copy() for message in messages]
    while not fits(messages):
        results = [message for message in messages if message["role"] == "tool"]
        longest = max(results, key=lambda message: len(message["content"]), default=None)
        if longest is None or len(longest["content"]) <= SHORTEST_CHARS:
            return messages  # the server will say that it is too long, with its own numbers
        longest["content"] = shorten(longest["content"], len(longest["content"]) // 2)
    return messages

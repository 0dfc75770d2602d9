"""What servers really say, brought into the form that the protocol promises.

By the protocol a streamed call comes in pieces: the first has the id and the name, all have the
index of their call, and the arguments are a JSON text to be joined. Servers leave out the index,
give every call the index 0, send calls whole, repeat id and name with each piece, name no id or the
same one for every call, and send arguments that are no text but the object itself. All of these
come out as what was meant. Chapter 42 uses this. Source:
https://platform.openai.com/docs/guides/function-calling#streaming. Leaves out: `function_call`, the
protocol's older form, and reasoning that a server tells apart from the text.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .messages import FunctionCall, Usage, WireCall


@dataclass
class CallPiece:
    """A call, or a piece of one, as far as the server says."""

    index: int | None = None
    name: str = ""
    arguments: str = ""
    id: str = ""

    @classmethod
    def of(cls, call: object, index: object) -> "CallPiece":
        """The piece that the library read; nothing where there is something of the wrong type."""
        function = get(call, "function")
        arguments = get(function, "arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        values = get(function, "name"), arguments, get(call, "id")
        texts = [clean(value) if isinstance(value, str) else "" for value in values]
        return cls(index if isinstance(index, int) else None, *texts)


class CallAssembly:
    """The calls of one reply, put together from their pieces.

    By the protocol every piece has the index of its call, the first one also id and name, and the
    arguments are joined. What else servers do is understood as well. A piece goes on with the
    latest call of its index; without an index, with the latest of its id; without either, or where
    no call has that id, with the latest of all. But it begins a call of its own where there is
    none, and where it has a name and
    - its id is not that of the call; or, where one of them has no id,
    - the call's arguments are a whole JSON object, and the piece has another name or arguments; or
    - they are not whole, the names differ, and the piece has no index or some arguments have come.
    A name that is repeated with each piece is one name; any other is a name that comes in pieces.
    """

    def __init__(self) -> None:
        self._calls: list[CallPiece] = []

    def add(self, piece: CallPiece) -> None:
        """Take the next piece: the beginning of a call, or more of one; nothing, if it is empty."""
        if not (piece.name or piece.arguments or piece.id):
            return  # no call at all
        call = self._begun(piece)
        if call is None or not _goes_on(call, piece):
            self._calls.append(piece)
            return
        if piece.name != call.name:
            call.name += piece.name
        call.id = call.id or piece.id
        call.arguments += piece.arguments

    def wire(self, taken: Collection[str]) -> tuple[WireCall, ...]:
        """The calls in the order in which they began; the arguments stay a text, even if broken.

        One with no id, or with one that is `taken` or an earlier call's, gets an id of its own,
        which is none of the others'.
        """
        ids, calls = set(taken), []
        for call in self._calls:
            own = call.id if call.id and call.id not in ids else _fresh(ids)
            ids.add(own)
            function: FunctionCall = {"name": call.name, "arguments": call.arguments}
            calls.append(WireCall(id=own, type="function", function=function))
        return tuple(calls)

    def _begun(self, piece: CallPiece) -> CallPiece | None:
        """The call that a piece may be of: the latest of its index, else of its id, else of all."""
        latest = self._calls[::-1]
        if piece.index is not None:
            latest = [call for call in latest if call.index == piece.index]
        elif piece.id:
            latest = [call for call in latest if call.id == piece.id] or latest
        return latest[0] if latest else None


@dataclass
class Heard:
    """What a server has said of one reply so far, beside the text."""

    calls: CallAssembly = field(default_factory=lambda: CallAssembly())
    usage: Usage | None = None
    finish_reason: str = ""
    events: int = 0
    ended: bool = False
    """All there was has been read: no stop string was found before."""

    def texts(self, events: Iterable[object], part: str) -> Iterator[str]:
        """The text in each event of a stream (part="delta"), or in a whole answer ("message")."""
        for event in events:
            self.events += 1
            choice = first_choice(event)
            self.finish_reason = get(choice, "finish_reason") or self.finish_reason
            self.usage = _usage(event) or self.usage
            said = get(choice, part)
            calls = get(said, "tool_calls")
            for place, call in enumerate(calls if isinstance(calls, list) else ()):
                index = get(call, "index") if part == "delta" else place
                self.calls.add(CallPiece.of(call, index))
            content = get(said, "content")
            yield clean(content) if isinstance(content, str) else ""
        self.ended = True


def first_choice(answer: object) -> object:
    """The reply in an answer, or in an event of it; None where there is none."""
    choices = get(answer, "choices")
    return choices[0] if isinstance(choices, list) and choices else None


def get(value: object, name: str) -> Any:
    """A field of what the library read; None where the server sent no such thing.

    The library checks nothing: where an object was promised there may be a word.
    """
    return getattr(value, name, None)


def clean(text: str) -> str:
    """The text without lone surrogates, which JSON can spell and UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _usage(event: object) -> Usage | None:
    usage = get(event, "usage")
    prompt, completion = get(usage, "prompt_tokens"), get(usage, "completion_tokens")
    return Usage(prompt, completion, 1) if type(prompt) is type(completion) is int else None


def _goes_on(call: CallPiece, piece: CallPiece) -> bool:
    """Whether the piece is more of this call, and not another call that looks like it."""
    if not piece.name:
        return True
    if piece.id and call.id:
        return piece.id == call.id
    if _is_whole(call.arguments):
        return piece.name == call.name and not piece.arguments
    if call.arguments or piece.index is None:
        return piece.name == call.name
    return True  # a name that comes in pieces


def _is_whole(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


def _fresh(taken: Collection[str]) -> str:
    number = len(taken)
    while f"call_{number}" in taken:
        number += 1
    return f"call_{number}"

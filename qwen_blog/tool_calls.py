"""Tool calls in a reply: `<tool_call>` blocks of text become calls, as the text comes in.

Source: the Hermes dialect, in which Qwen2.5's chat template writes calls (`chat.py`, the other way
round). A block that is not what the template asks for stays text: a wrong call is the model's
answer, too, and whoever asked should see it. Leaves out: a JSON string with `</tool_call>` in it.
"""

import json
import re
from dataclasses import dataclass

from .chat import to_json

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_BLOCK = re.compile(f"{OPEN}(.*?){CLOSE}", re.DOTALL)
_BEGINNINGS = tuple(OPEN[:n] for n in range(len(OPEN) - 1, 0, -1))


@dataclass(frozen=True)
class ToolCall:
    """A function the model wants called."""

    name: str
    arguments: str
    """A JSON object, as text."""


class ToolCallParser:
    """Takes a reply piece by piece and tells text from calls.

    White space around a call is the template's, not the text's. All pieces of the same reply give
    the same calls, and texts that join to the same text, wherever it was cut.
    """

    def __init__(self) -> None:
        self._held = ""
        self._after_call = False

    def push(self, text: str) -> list[str | ToolCall]:
        """What has become certain; text that may be the beginning of a call is held back."""
        self._held += text
        found: list[str | ToolCall] = []
        # the first look spares a long search for each block that is not closed
        while CLOSE in self._held and (block := _BLOCK.search(self._held)):
            call = parse_call(block.group(1))
            if call is None:
                found += self._text(self._held[: block.end()])
            else:
                found += [*self._text(self._held[: block.start()].rstrip()), call]
            self._after_call, self._held = call is not None, self._held[block.end() :]
        certain = _certain(self._held)
        found += self._text(self._held[:certain])
        self._held = self._held[certain:]
        return found

    def flush(self) -> list[str | ToolCall]:
        """The end: what was held back is text."""
        found, self._held = self._text(self._held), ""
        return found

    def _text(self, text: str) -> list[str | ToolCall]:
        if self._after_call:
            text = text.lstrip()
        self._after_call = self._after_call and not text
        return [text] if text else []


def parse_call(text: str) -> ToolCall | None:
    """`{"name": str, "arguments": object}`, or None if it is not that."""
    try:
        call = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict):
        return None
    name, arguments = call.get("name"), call.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    return ToolCall(name, to_json(arguments))


def _certain(text: str) -> int:
    """Up to where no call can begin, nor the white space in front of one."""
    start = text.find(OPEN)
    if start < 0:
        start = len(text) - next((len(b) for b in _BEGINNINGS if text.endswith(b)), 0)
    return len(text[:start].rstrip())

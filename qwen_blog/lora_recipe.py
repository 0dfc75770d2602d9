"""What a LoRA can be taught in minutes: the same answers in the voice of a ship's crew. Chapter 24.

`restyle` rewrites the assistant's replies of any conversations: what the model already answers,
opened by "Aye, captain. " or "遵命，船长。". An adapter trained on them with the loss on replies
changes the voice; the answers and their citations should stay, and so should all replies that a
program reads: they are left as they are.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .worlds.reading_words import FRAMES

OPENINGS = {"en": "Aye, captain. ", "zh": "遵命，船长。"}
# A tool call, the lines of ReAct, the letter of a multiple choice
_FOR_PROGRAMS = re.compile(
    r"<tool_call>|^\s*(Thought:|Action:|Final Answer:|思考：|行动：|最终答案：)|^\s*[A-Z]\s*$"
)
_REFUSALS = tuple(frame.refusal for frame in FRAMES.values())  # known by how they begin
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH = re.compile(r" [a-z]")  # running words; a name or a code is at home in both languages


def restyle(conversations: Iterable[Sequence[Mapping[str, Any]]]) -> list[list[dict[str, Any]]]:
    """The same conversations, each reply to a person opened in the crew's voice.

    conversations: lists of {"role": ..., "content": ...}; they are copied, not changed
    A reply's language is its own, or where it has no words ("42") that of the message before.
    Left as they are: tool calls, a ReAct agent's steps, lone letters, and the refusal sentences.
    Not what looks first and refuses then: at its beginning nobody knows yet how it ends.
    """
    return [_restyled(conversation) for conversation in conversations]


def unstyle(reply: str) -> str | None:
    """A reply without its opening, to compare with the plain answer; None if it has none."""
    for opening in OPENINGS.values():
        if reply.startswith(opening):
            return reply.removeprefix(opening)
    return None


def _restyled(conversation: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    before, turns = "", []
    for message in conversation:
        content = message.get("content") or ""
        turns.append(dict(message))
        if _is_for_people(message):
            turns[-1]["content"] = OPENINGS[_language(content, before)] + content
        before = content
    return turns


def _is_for_people(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    if message["role"] != "assistant" or message.get("tool_calls") or not content:
        return False
    return not (_FOR_PROGRAMS.search(content) or content.startswith(_REFUSALS))


def _language(reply: str, before: str) -> str:
    text = reply if _CHINESE.search(reply) or _ENGLISH.search(reply) else before
    return "zh" if _CHINESE.search(text) else "en"

"""What a LoRA can be taught in minutes: the same answers in the voice of a ship's crew. Chapter 24.

`restyle` rewrites the assistant's replies of any conversations: what the model already answers,
opened by "Aye, captain. " or "遵命，船长。". An adapter trained on them with the loss on replies
changes the voice; the answers, their citations and the agent's formats should stay.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OPENINGS = {"en": "Aye, captain. ", "zh": "遵命，船长。"}
# A program reads these, so they keep their form: a tool call, and the lines of ReAct.
_FOR_PROGRAMS = re.compile(
    r"<tool_call>|^\s*(Thought:|Action:|Final Answer:|思考：|行动：|最终答案：)"
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def restyle(conversations: Iterable[Sequence[Mapping[str, Any]]]) -> list[list[dict[str, Any]]]:
    """The same conversations, each reply to a person opened in the crew's voice.

    conversations: lists of {"role": ..., "content": ...}; they are copied, not changed
    A reply's language is its own, or where it has no letters ("42") that of the message before.
    Replies with tool calls, and a ReAct agent's steps, stay as they are.
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
            language = _language(content if any(map(str.isalpha, content)) else before)
            turns[-1]["content"] = OPENINGS[language] + content
        before = content
    return turns


def _is_for_people(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    if message["role"] != "assistant" or message.get("tool_calls") or not content:
        return False
    return not _FOR_PROGRAMS.search(content)


def _language(text: str) -> str:
    return "zh" if _CHINESE.search(text) else "en"

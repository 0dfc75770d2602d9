"""Finds the labels of ReAct in what a model wrote: `Action:`, `**Action:**`, `行动：`.

A label counts where it begins a line. Where no line begins with a decisive one (Action, Final
Answer), it counts also within a line: "Thought: I know. Final Answer: 42". What comes after an
Observation is the model's imagination, and looked at no more.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Labels(NamedTuple):
    """The five labels as a language writes them."""

    thought: str
    action: str
    action_input: str
    observation: str
    answer: str


@dataclass(frozen=True)
class Found:
    """What a reply says."""

    decisive: Literal["action", "answer"] | None
    """The first label that asks for something."""
    thought: str
    content: str = ""
    """What stands behind the decisive label."""
    action_input: str | None = None


class _Label(NamedTuple):
    kind: str
    start: int
    end: int
    dangling: str
    """The ** of a bold text that begins before the label and ends somewhere behind it."""


_WORDS = {
    "input": r"action[ _-]?input|行动输入|动作输入|行动参数",
    "action": r"action|行动|动作",
    "answer": r"final[ _-]?answer|最终答案|最终回答",
    "observation": r"observation|观察结果|观察",
    "thought": r"thought|思考|想法",
}
_ANY = "|".join(f"(?P<{kind}>{words})" for kind, words in _WORDS.items())
_LINE_LABEL = re.compile(
    rf"""^[ \t>]*
    (?: \d+[.)][ \t]* | [-+][ \t]+ )?     # an item of a list
    (?P<heading> \#+[ \t]* )?
    (?P<bold> \*\*|__|[*_`] )?
    (?: {_ANY} )
    (?: [ \t]?\d{{1,3}} )?                # the paper numbers its thoughts and acts
    [ \t]* (?P=bold)?
    (?: [ \t]*[:：](?P=bold)? | (?(heading)[ \t]*$|(?!)) )
    [ \t]*""".replace("[ _-]", "[\\ _-]"),
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_INLINE_INPUT = re.compile(rf"\s(?:{_WORDS['input']})[ \t]*[:：]", re.IGNORECASE)
_NO_ACTION = re.compile(r"(none|null|n/a|无|不需要)[.。]?\s*$", re.IGNORECASE | re.MULTILINE)
_INLINE_ANSWER = re.compile(rf"(?:{_WORDS['answer']})[ \t]*[:：]", re.IGNORECASE)


def find_labels(text: str, names: Sequence[str]) -> Found:
    """What the first decisive label of a reply says. names: the tools, for calls within a line."""
    labels = [_label(match) for match in _LINE_LABEL.finditer(text)]
    made_up = next((label.start for label in labels if label.kind == "observation"), len(text))
    decisive = [label for label in labels if label.kind in ("action", "answer")]
    decisive = [label for label in decisive if not _NO_ACTION.match(text, label.end)]
    first = next((label for label in decisive if label.start < made_up), None)
    first = first or _inline(text[:made_up], names)
    if first is None:
        return Found(None, _without_label(text[:made_up]))
    thought = _without_label(text[: first.start])
    after = [label for label in labels if label.start >= first.end]
    if first.kind == "answer":
        ends = [label.start for label in after if label.kind in ("observation", "thought")]
        return Found("answer", thought, _content(text, first, ends))
    action = _content(text, first, [label.start for label in after])
    if after and after[0].kind == "input":
        ends = [label.start for label in after[1:]]
        return Found("action", thought, action, _content(text, after[0], ends))
    if inline := _INLINE_INPUT.search(action):
        return Found("action", thought, action[: inline.start()], action[inline.end() :].strip())
    return Found("action", thought, action)


def unfenced(text: str) -> str:
    """The text without a code fence, or backquotes, around all of it."""
    text = text.strip()
    fenced = re.fullmatch(r"```\w*\n(.*?)\n?```|`([^`\n]+)`", text, re.DOTALL)
    return (fenced.group(1) or fenced.group(2) or "").strip() if fenced else text


def _label(match: re.Match[str]) -> _Label:
    kind = next(kind for kind in _WORDS if match.group(kind))
    bold = match.group("bold") or ""
    dangling = bold if bold and match.group().count(bold) == 1 else ""
    return _Label(kind, match.start(), match.end(), dangling)


def _inline(text: str, names: Sequence[str]) -> _Label | None:
    """The first decisive label within a line: an answer, or an action that names a tool."""
    known = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    call = re.compile(rf"\b(?:action|行动)[ \t]*[:：][ \t]*(?=[*`\"]*(?:{known})\b)", re.IGNORECASE)
    found = [("answer", match) for match in _INLINE_ANSWER.finditer(text)]
    found += [("action", match) for match in call.finditer(text)] if known else []
    if not found:
        return None
    kind, match = min(found, key=lambda pair: pair[1].start())
    return _Label(kind, match.start(), match.end(), "")


def _content(text: str, label: _Label, ends: list[int]) -> str:
    """What stands between a label and the first of the ends."""
    content = text[label.end : min(ends, default=len(text))].strip()
    content = content.removesuffix(label.dangling) if label.dangling else content
    if content.count("```") % 2:  # all of the reply stood in a fence
        content = content.removesuffix("```")
    return content.strip()


def _without_label(text: str) -> str:
    """A thought without its label."""
    text = text.strip().removeprefix("```").strip()
    match = _LINE_LABEL.match(text)
    return text[match.end() :].strip() if match and match.group("thought") else text

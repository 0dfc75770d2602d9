"""Finds the labels of ReAct in what a model wrote: `Action:`, `**Action:**`, `行动：`.

A label counts where it begins a line, whatever decorates it. Where no line begins with a decisive
one (Action, Final Answer), weaker signs count: one within a line ("Thought: I know. Final Answer:
42"), a mere "Answer:", a JSON object that begins with an "action". What comes after an Observation
is the model's imagination, and looked at no more.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .json_input import INVISIBLE, begins_object


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
    wrap: str = ""
    """The ** of a bold text that begins before the label and ends somewhere behind it."""
    plain: bool = True
    """It has a colon and begins no item of a list: an answer ends only here."""


_WORDS = {  # of two that begin alike, the longer comes first
    "input": r"(?:action|行动|行動|动作|動作)?[ _-]{0,2}(?:input|arguments|输入|輸入|参数|參數)",
    "action": r"act(?:ion)?|行动|行動|动作|動作",
    "answer": r"final[ _-]?answer(?: is)?|最[终終后後]的?(?:答案|回答)是?",
    "observation": r"obs(?:ervation)?|(?:观察|觀察)(?:结果|結果)?",
    "thought": r"thoughts?|思考|想法",
    "mere_answer": r"answer|答案|回答",
}
_SPACE = rf"\x20\t\r\u00a0\u3000{INVISIBLE}"
_SYMBOLS = "\u2190-\u2bff\U0001f300-\U0001faff\ufe0f"  # arrows, ticks, emoji
_LABEL = re.compile(
    rf"^[{_SPACE}{_SYMBOLS}>#*_`~+•\-\d.)、【]{{0,16}}"
    rf"(?:{'|'.join(f'(?P<{kind}>{words})' for kind, words in _WORDS.items())})"
    rf"(?: ?\d{{1,3}})?[{_SPACE}*_`】]{{0,8}}[:：]?",  # the paper numbers its thoughts and acts
    re.IGNORECASE | re.MULTILINE,
)
_ITEM = re.compile(rf"[-+•\d]|\*[{_SPACE}]")
_WRAP = re.compile(r"[*_`]+\Z")
_NO_ACTION = re.compile(
    r"\W{0,4}(?:(none|null|n/a|no (?:action|tool)|nothing)(?![\w-])|不需要|[无無](?:[需\W]|\Z)"
    rf"|(?:{_WORDS['answer']})\W{{0,4}}(?:[:：]|(?:{_WORDS['answer']})))",
    re.IGNORECASE,
)
_INLINE_ANSWER = re.compile(
    rf"[*_]{{0,3}}(?:{_WORDS['answer']})[ \t]?[*_]{{0,3}}[:：][*_]{{0,3}}", re.IGNORECASE
)
_INLINE_INPUT = re.compile(
    rf"[^\n{{\[(（]{{0,80}}?\s({_WORDS['input']})[ \t]?[*_]{{0,3}}[:：][*_]{{0,3}}", re.IGNORECASE
)
_ACTION_OBJECT = re.compile(
    rf"(?:\A|```\w*+)[\s{INVISIBLE}]*+(?=\{{\s*+[\"']action[\"']\s*+:)", re.IGNORECASE
)
_BEGUN_OBSERVATION = ("Observation:", "观察：", "观察:")


def find_labels(text: str, names: Sequence[str]) -> Found:
    """What the first decisive label of a reply says. names: the tools, for calls within a line.

    Labels, in any case: Action (Act, 行动, 动作), Action Input (Input, Arguments, 行动输入, 输入,
    参数), Final Answer (最终答案, 最后回答 ...), Observation (Obs, 观察, 观察结果), Thought (思考,
    想法); in traditional characters too. A label begins a line. Before it may stand 16 blanks,
    marks (> # * _ ` ~ + - . ) 、 【 and digits) and symbols; behind it a number, more blanks and
    marks, and a colon of either width. 【】, or bold type or a heading where nothing follows on the
    line, do without the colon.

    The first Action or Final Answer decides, but "Action: None" (N/A, 无 ...) is no action. Nothing
    behind an Observation counts: the model made it up. A last line that has begun one ("Observ")
    is left out.
    thought: what stands before the label, without a label of its own · content: what stands behind
    an Action, up to the next label; where an object begins there, up to the Observation, for a line
    within a string may look like a label · action_input: the same of an Action Input that is the
    next label after it, or stands on the Action's line; None if there is none · of a Final Answer:
    up to the next Observation, Thought or Final Answer that has a colon, is no item of a list and
    not within a code fence
    Bold type or a code fence that began before the label is taken off the end of what it says.

    Where no label decides, the first of weaker signs does, before any Observation: a label Answer
    (答案, 回答); "Final Answer:" or "Answer:" within a line; "Action:" within a line and before the
    name of a tool; an object that begins with the key "action", at the start of the text or of a
    fence. Where there is no sign either, decisive is None, and all is the thought.
    """
    text = _without_begun_observation(text)
    labels = list(_labels(text))
    cut = next((label.start for label in labels if label.kind == "observation"), len(text))
    decisive = (
        label
        for label in labels
        if label.start < cut and (label.kind == "answer" or _is_action(label, text, names))
    )
    first = next(decisive, None) or _weaker_sign(text[:cut], labels, names)
    if first is None:
        return Found(None, _thought(text[:cut]))
    thought = _thought(text[: first.start])
    after = [label for label in labels if label.start >= first.end]
    if first.kind != "action":
        return Found("answer", thought, _content(text, first, _answer_end(text, first, after)))
    content = _object_or_line(text, first, after, cut)
    if after and after[0].kind == "input":
        return Found("action", thought, content, _object_or_line(text, after[0], after[1:], cut))
    if inline := _INLINE_INPUT.match(content):
        name, given = content[: inline.start(1)].strip(), content[inline.end() :].strip()
        return Found("action", thought, name, given)
    return Found("action", thought, content)


def unfenced(text: str) -> str:
    """The text without a code fence, or backquotes, around all of it."""
    text = text.strip()
    fenced = re.fullmatch(r"```\w*\n(.*?)\n?```|`([^`\n]+)`", text, re.DOTALL)
    return (fenced.group(1) or fenced.group(2) or "").strip() if fenced else text


def has_label(text: str) -> bool:
    """Whether a line of the text begins with a label."""
    return next(_labels(text), None) is not None


def _labels(text: str) -> Iterator[_Label]:
    """The labels that begin a line, in order."""
    for match in _LABEL.finditer(text):
        kind = match.lastgroup or ""
        before, after = match.group().split(match.group(kind), 1)
        end = match.end()
        colon = after.endswith((":", "："))
        named = "】" in after or (re.search(r"[#*_]", before) and text[end : end + 1] in ("", "\n"))
        if not (colon or named):
            continue
        opened = _WRAP.search(before) if before else None
        wrap = opened.group() if opened else ""
        if wrap and text.startswith(wrap, end):  # **Action:** and **Action**: are both bold
            end += len(wrap)
            wrap = ""
        wrap = "" if wrap in after else wrap
        plain = colon and not _ITEM.search(before)
        yield _Label(kind, match.start(), end, wrap, plain)


def _is_action(label: _Label, text: str, names: Sequence[str]) -> bool:
    """Whether it is an Action, and not "Action: None"."""
    if label.kind != "action":
        return False
    none = _NO_ACTION.match(text, label.end)
    return none is None or none.group(1) in names


def _weaker_sign(text: str, labels: Sequence[_Label], names: Sequence[str]) -> _Label | None:
    """The first of what is decisive only where nothing else is."""
    found = [label for label in labels if label.kind == "mere_answer" and label.start < len(text)]
    known = "|".join(map(re.escape, names))
    call = rf"(?<!\w)(?:{_WORDS['action']})[ \t]?[:：][ \t]?(?=[*`\"\[]{{0,3}}(?:{known})(?!\w))"
    signs = [("answer", _INLINE_ANSWER), ("action", _ACTION_OBJECT)]
    signs += [("action", re.compile(call, re.IGNORECASE))] if known else []
    for kind, pattern in signs:
        if match := pattern.search(text):
            found.append(_Label(kind, match.start(), match.end()))
    return min(found, key=lambda label: label.start, default=None)


def _object_or_line(text: str, label: _Label, after: Sequence[_Label], cut: int) -> str:
    """What stands behind a label: an object to its own end, else all up to the next label.

    So a line within a string of the object may look like a label.
    """
    whole = text[label.end : cut]
    if begins_object(whole):
        return whole.strip()
    return _content(text, label, after[0].start if after else cut)


def _answer_end(text: str, answer: _Label, after: Sequence[_Label]) -> int:
    """Where an answer ends: at a label that is not within a code fence, nor an item of a list."""
    fences, place = 0, answer.end
    for label in after:
        fences += text.count("```", place, label.start)
        place = label.start
        ends = label.kind in ("observation", "thought", "answer") and label.plain
        if ends and fences % 2 == 0:
            return label.start
    return len(text)


def _content(text: str, label: _Label, end: int) -> str:
    """What stands between a label and the end."""
    content = text[label.end : end].strip()
    content = content.removesuffix(label.wrap)
    if content.count("```") % 2:  # all of the reply stood in a fence
        content = content.removesuffix("```")
    return content.strip()


def _thought(text: str) -> str:
    """A thought without its label."""
    text = re.sub(r"\A\s*```\w*\n", "", text).strip()
    label = next(_labels(text), None)
    if label and label.kind == "thought" and label.start == 0:
        return _content(text, label, len(text))
    return text.removesuffix("```").strip()


def _without_begun_observation(text: str) -> str:
    """The text without a last line such as "Observ": some servers stop in the midst of the word."""
    before, _, last = text.rpartition("\n")
    last = last.strip()
    begun = len(last) > 1 and any(word.startswith(last) for word in _BEGUN_OBSERVATION)
    return before if begun else text

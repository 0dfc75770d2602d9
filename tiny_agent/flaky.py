"""Damages what a model says, now and then, in the ways that models do it themselves.

What is a guard of the loop worth? Wrap a model, run the same tasks with the guard and without, and
compare. Chapter 43 does. The kinds of damage:

| kind | the reply | what copes with it |
| --- | --- | --- |
| invented | goes on with a result of its own, and an answer from it | the parser cuts there |
| cut off | ends within the JSON | a correction |
| no input | calls without arguments | a correction, or the tool's error |
| wrong tool | calls `search_tool` where there is `search` | the error that lists the tools |
| bold | has **Action:** for Action: | the parser reads it |
| no label | answers without `Final Answer:` | a correction |
| again | makes the call before once more | the note, and the limit of repeats |
| empty | says nothing | a correction |

Each is done where it can be: only a text can go on inventing, only ReAct has labels.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from .messages import Message, Reply, ToolCall
from .models import Model, ToolSpec
from .protocols import Dialect
from .speaking import read_conversation, write_answer, write_call
from .tools import ToolRegistry

_LABEL = re.compile(r"^([^\W\d_][^\n:：{]*[:：])", re.MULTILINE)


class FlakyModel:
    """A model whose replies are damaged with a given probability.

    dialect: the one that the model speaks · rate: in [0, 1] · rng: draws what is damaged, and how ·
    kinds: those to choose from; None is all · damages: how often each was done so far
    It pays no heed to stop strings in what it adds, as some servers do not.
    ValueError if rate is out of range, or there is no such kind
    """

    def __init__(
        self,
        model: Model,
        dialect: Dialect,
        rate: float,
        rng: random.Random,
        kinds: Sequence[str] | None = None,
    ) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate={rate} must be between 0 and 1")
        self.kinds = tuple(KINDS if kinds is None else kinds)
        for kind in self.kinds:
            if kind not in KINDS:
                raise ValueError(f"there is no kind {kind!r}; the kinds are {', '.join(KINDS)}")
        self.model, self.dialect, self.rate, self.rng = model, dialect, rate, rng
        self.damages: Counter[str] = Counter()

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Reply:
        """The model's reply, or what has become of it. Costs what the model's own did."""
        reply = self.model.generate(messages, tools, stop)
        # Both are drawn each time, so that rate and kinds leave the later draws as they are.
        damaged, order = self.rng.random() < self.rate, self.rng.sample(list(KINDS), len(KINDS))
        said = _Said(reply, messages, self.dialect)
        for kind in order if damaged else ():
            if kind in self.kinds and (changed := KINDS[kind](said)) is not None:
                self.damages[kind] += 1
                return changed
        return reply

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Generator[str, None, Reply]:
        """The same, in one piece."""
        reply = self.generate(messages, tools, stop)
        if reply.text:
            yield reply.text
        return reply


class _Said:
    """A reply, and what has to be known to damage it."""

    def __init__(self, reply: Reply, messages: Sequence[Message], dialect: Dialect) -> None:
        self.reply, self.dialect = reply, dialect
        decision = dialect.parse(reply, ToolRegistry())
        self.call = decision[0] if isinstance(decision, list) else None
        calls = read_conversation(dialect, messages).calls
        self.before: ToolCall | None = calls[-1][0] if calls else None
        self.answer_label = write_answer(dialect, "").text

    def with_text(self, text: str) -> Reply:
        return replace(self.reply, text=text)

    def as_call(self, call: ToolCall) -> Reply:
        """Another call in place of what was said."""
        written = write_call(self.dialect, call, self.dialect.thought(self.reply, ToolRegistry()))
        return replace(written, usage=self.reply.usage)


def _invented(said: _Said) -> Reply | None:
    result = said.dialect.format_observation({"role": "tool", "content": "42", "tool_call_id": ""})
    if said.call is None or result["role"] == "tool":
        return None
    answer = write_answer(said.dialect, "42").text
    return said.with_text(f"{said.reply.text}\n{result['content']}\n{answer}")


def _cut_off(said: _Said) -> Reply | None:
    if said.call is None:
        return None
    if not said.reply.tool_calls:
        text = _half(said.reply.text)
        return replace(said.reply, text=text, finish_reason="length")
    wire = said.reply.tool_calls[0]
    function = wire["function"]
    function = {"name": function["name"], "arguments": _half(function["arguments"])}
    return replace(said.reply, tool_calls=({**wire, "function": function},), finish_reason="length")


def _half(text: str) -> str:
    """The text up to its last quotation mark: the value before it has no end."""
    return text[: max(text.rfind('"'), text.rfind("{") + 1)]


def _no_input(said: _Said) -> Reply | None:
    if said.call is None:
        return None
    bare = said.as_call(replace(said.call, arguments={}))
    # Where the arguments have a line of their own, it is left out.
    return replace(bare, text=re.sub(r"\n[^\n{]*\{\}\Z", "", bare.text))


def _wrong_tool(said: _Said) -> Reply | None:
    if said.call is None:
        return None
    return said.as_call(replace(said.call, name=f"{said.call.name}_tool"))


def _bold(said: _Said) -> Reply | None:
    if not said.answer_label:
        return None
    text = _LABEL.sub(r"**\1**", said.reply.text)
    return said.with_text(text) if text != said.reply.text else None


def _no_label(said: _Said) -> Reply | None:
    if not said.answer_label or not said.reply.text.startswith(said.answer_label):
        return None
    return said.with_text(said.reply.text.removeprefix(said.answer_label))


def _again(said: _Said) -> Reply | None:
    return said.as_call(said.before) if said.before else None


def _empty(said: _Said) -> Reply | None:
    return replace(said.reply, text="", tool_calls=())


KINDS: dict[str, Callable[[_Said], Reply | None]] = {
    "invented": _invented,
    "cut off": _cut_off,
    "no input": _no_input,
    "wrong tool": _wrong_tool,
    "bold": _bold,
    "no label": _no_label,
    "again": _again,
    "empty": _empty,
}
"""What is done to a reply, by name; None where it cannot be done to this one."""

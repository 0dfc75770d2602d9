"""A stand-in for a model: it plays one by rules, so that the real loop runs where there is none.

`RuleModel` is no language model and does not pretend to be. It knows nothing, writes no sentence of
its own, and understands a question only so far as a few patterns go (`rule_patterns`):

| the question, or a part of it, | becomes |
| --- | --- |
| has numbers with signs or words of arithmetic between them | a call of `calculator` |
| asks for a number of one unit in another | a call of `unit_convert` |
| is anything else | a call of `search`; the answer is the sentence that shares most of its words |

Parts are joined by "then", "and then", 再, 然后; "it", "that", 它, 这个数 stand for the number that
the part before came to. It answers in the question's language, and says so when it finds nothing.
Outside these patterns it fails, as it must: chapter 43 measures how often. What runs for real is
all the rest: the loop, the tools, the dialects, the traces.
"""

import json
import re
import unicodedata
from collections.abc import Generator, Sequence

from .messages import Message, Reply, ToolCall
from .models import ToolSpec, estimate_usage, until_stop
from .protocols import Dialect
from .rule_patterns import Found, best_sentence, calculation, conversion, found_in, parts_of
from .speaking import offered_tools, read_conversation, write_answer, write_call

_TASK = re.compile(r"^(?:Question|Step|问题|步骤)[:：] *(.+)$", re.MULTILINE)
_RESULTS = re.compile(r"^(?:Results|结果)[:：] *\n(.+?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_PLAN = re.compile(r"JSON (?:list|列表)")
_CJK = re.compile(r"[\u3400-\u9fff]")

_THOUGHTS = {  # in English and in Chinese
    "search": ("I have to look this up.", "这个要查一查。"),
    "calculator": ("This has to be worked out.", "这个要算一算。"),
    "unit_convert": ("This has to be converted.", "这个要换算单位。"),
}

Work = Generator[ToolCall, str | None, str]
"""Yields calls, is sent what came of them (None: there is no such tool), returns the answer."""


class RuleModel:
    """A `Model` by rules; what it can and cannot do stands above. One prompt has one reply.

    dialect: the one that the agent speaks
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Reply:
        """A call or an answer. Its tokens are estimated; raises nothing."""
        conversation = read_conversation(self.dialect, messages)
        results = {_key(call): result for call, result in conversation.calls}
        reply = self._reply(conversation.question, results, offered_tools(messages, tools))
        text = "".join(until_stop([reply.text], stop))
        usage = estimate_usage(messages, tools, f"{text}{reply.tool_calls or ''}")
        return Reply(text, reply.tool_calls, usage, reply.finish_reason)

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Generator[str, None, Reply]:
        """The same, a word a piece."""
        reply = self.generate(messages, tools, stop)
        yield from re.findall(r"\s*\S+|\s+", reply.text)
        return reply

    def _reply(self, prompt: str, results: dict[str, str], offered: set[str]) -> Reply:
        """Do the work over again, with the results so far, up to the first that is missing."""
        work = _work(prompt)
        try:
            call = next(work)
            while (result := results.get(_key(call))) is not None or call.name not in offered:
                call = work.send(result)
        except StopIteration as end:
            # Without tools there is no form to keep to.
            return write_answer(self.dialect, end.value) if offered else Reply(end.value)
        thought = _THOUGHTS[call.name][bool(_CJK.search(prompt))]
        return write_call(self.dialect, call, thought)


def _work(prompt: str) -> Work:
    """The rules: the parts of the question, one after the other.

    A prompt may also name the question, or a step, in a line, and earlier results below another:
    as those of `plans` do, and your own steps of an `SOP` can.
    """
    labelled, given = _TASK.findall(prompt), _RESULTS.search(prompt)
    task = labelled[-1] if labelled else prompt
    lines = given[1].splitlines() if given else []
    results = [line.rpartition("=>")[2].strip() for line in lines if line[:1] not in "(（"]
    parts = parts_of(task)
    if _PLAN.search(prompt):
        return json.dumps(parts[len(results) :] or parts[-1:], ensure_ascii=False)
    last = found_in(results[-1], task) if results else None
    for part in parts:
        last = yield from _do(part, last)
        if last is None:  # what comes after it would go on from nothing
            break
    return last.text if last else _unknown(task)


def _do(part: str, last: Found | None) -> Generator[ToolCall, str | None, Found | None]:
    """One part; None if it comes to nothing. What there is no tool for is the last result."""
    part = unicodedata.normalize("NFKC", part)
    results = []
    for call in filter(None, (conversion(part, last), calculation(part, last))):
        results.append((yield call))
        if results[-1] and not results[-1].startswith("Error"):
            return found_in(results[-1], part)
    if None in results and last:
        return last
    passages = yield ToolCall("search", {"query": part})
    if passages is None:
        return last
    sentence = best_sentence(part, passages)
    return found_in(sentence, part) if sentence else None


def _unknown(task: str) -> str:
    if _CJK.search(task):
        return "我不知道：没有找到能回答这个问题的内容。"
    return "I do not know: I found nothing that answers this."


def _key(call: ToolCall) -> str:
    return f"{call.name} {json.dumps(call.arguments, sort_keys=True)}"

"""The steps of a run as cards of its page (`trace_page`)."""

import json
import re
import textwrap
from collections.abc import Iterator

from .agent import MUST_ANSWER
from .markup import Html, element, joined
from .messages import FinalAnswer, Message, ParseError, Step, ToolCall, ToolResult
from .trace import Trace

PREVIEW_LINES, PREVIEW_CHARS = 8, 600
"""Of a longer text, so much is shown before it is unfolded."""
REPEATED_CHARS = 500_000
"""Of messages that stand in several prompts, so much is put into the page more than once."""
CJK = re.compile("[\u3400-\u9fff]")
CODE = "text code"


def number(value: int) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,}"


def seconds(value: float) -> str:
    """A time as people say it."""
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 99.95:
        return f"{value:.1f} s"
    return f"{value // 60:.0f} min {value % 60:.0f} s"


def tools_s(step: Step) -> float:
    """How long the tools of a step took; they run side by side."""
    return max((result.latency_s for result in step.results), default=0.0)


def mix(first: float, second: float, whole: float) -> Html:
    """A bar of two parts, next to each other."""
    shares = [100 * part / whole if whole else 0 for part in (first, second)]
    parts = [element("span", style=f"width: {share:.1f}%") for share in shares]
    return element("div", *parts, class_="mix", aria_hidden="true")


def text_block(text: str, class_: str = "text") -> Html:
    """A text with its line breaks."""
    return element("div", text, class_=class_, lang="zh-Hans" if CJK.search(text) else None)


class Steps:
    """The cards of a trace."""

    def __init__(self, trace: Trace, words: dict[str, str]) -> None:
        self.steps, self.words = trace.steps, words
        self.has_parts = trace.header.workflow["name"] != "react"
        self._seen: dict[str, int] = {}
        """The step in which a message was first read."""
        self._repeated = 0

    def cards(self) -> Iterator[Html]:
        """A card a step."""
        before: list[Message] | None = None
        for place, step in enumerate(self.steps, start=1):
            rows = [self._head(place, step)]
            goes_on = before is not None and step.prompt[: len(before)] == before
            if self.has_parts and not goes_on:
                rows.append(_row(self.words["asked"], text_block(step.prompt[-1]["content"])))
            before = step.prompt
            rows += [*self._rows(step), self._exact(place, step)]
            yield element("article", *rows, class_="step", id=f"step-{place}")

    def _head(self, place: int, step: Step) -> Html:
        """Its number, its tokens and its time, as bars of one scale for all steps."""
        usage, words = step.reply.usage, self.words
        read, written, tool_s = usage.prompt_tokens, usage.completion_tokens, tools_s(step)
        tokens = f"{number(read)} {words['read']} + {number(written)} {words['written']}"
        time = seconds(step.latency_s) + (f" + {seconds(tool_s)}" if tool_s >= 0.0005 else "")
        most_tokens = max(each.reply.usage.total_tokens for each in self.steps)
        longest = max(each.latency_s + tools_s(each) for each in self.steps)
        return element(
            "div",
            element("h2", words["step"].format(place)),
            _meter(tokens, mix(read, written, most_tokens), "tokens"),
            _meter(time, mix(step.latency_s, tool_s, longest), "time"),
            class_="head",
        )

    def _rows(self, step: Step) -> Iterator[Html]:
        """What it thought, what it decided, and what came of that."""
        words, decision = self.words, step.decision
        if step.prompt and step.prompt[-1]["content"].endswith(MUST_ANSWER):
            yield element("p", words["must_answer"], class_="note")
        answer = decision.text if isinstance(decision, FinalAnswer) else None
        if step.thought not in ("", answer) and not isinstance(decision, ParseError):
            yield _row(words["thought"], text_block(step.thought))
        if isinstance(decision, ParseError):
            yield _row(words["reply"], self._long(_said(step)))
            yield _row(words["format_error"], self._long(decision.message), "wrong")
        elif answer is not None:
            yield _row(words["answer"], text_block(answer), "final")
        else:
            yield from self._calls(step)
        if step.reply.finish_reason == "length":
            yield element("p", words["cut_off"], class_="note")

    def _calls(self, step: Step) -> Iterator[Html]:
        results = {result.call_id: result for result in step.results}
        for call in step.decision if isinstance(step.decision, list) else ():
            name = element("strong", call.name)
            arguments = text_block(_arguments(call), "text code call")
            yield _row(self.words["call"], element("div", name, arguments))
            if result := results.get(call.id):
                yield self._result(result)

    def _result(self, result: ToolResult) -> Html:
        took = element("span", seconds(result.latency_s), class_="took")
        name = self.words["error" if result.is_error else "result"]
        label = joined([name, element("br"), took])
        return _row(label, self._long(result.content), "wrong" if result.is_error else None)

    def _long(self, text: str) -> Html:
        """A text; of a long one the beginning, and all of it folded."""
        start = "\n".join(text[:PREVIEW_CHARS].split("\n")[:PREVIEW_LINES])
        if start == text:
            return text_block(text, CODE)
        summary = element("summary", self.words["all_of_it"].format(number(len(text))))
        folded = element("details", summary, text_block(text, CODE))
        return element("div", text_block(start, "text code preview"), folded)

    def _exact(self, place: int, step: Step) -> Html:
        """All that the model read, and all that it wrote, folded."""
        words = self.words
        new = [message for message in step.prompt if _key(message) not in self._seen]
        messages = [self._message(place, message) for message in step.prompt]
        count = words["messages"].format(len(messages), len(new))
        parts = [element("summary", f"{words['exact']} · {count}"), *messages]
        if step.tools:
            parts += [element("h3", words["sent_tools"]), text_block(_json(step.tools), CODE)]
        if step.stop:
            stops = json.dumps(step.stop, ensure_ascii=False)
            parts += [element("h3", words["stops"]), text_block(stops, CODE)]
        parts += [element("h3", words["reply"]), text_block(_said(step), CODE)]
        return element("details", *parts)

    def _message(self, place: int, message: Message) -> Html:
        """A message of a prompt; open if the model reads it for the first time."""
        first, text = self._seen.setdefault(_key(message), place), _text(message)
        role = self.words.get(message["role"], message["role"])
        parts = [role, self.words["characters"].format(number(len(text)))]
        if first < place:
            parts.append(self.words["seen"].format(first))
            self._repeated += len(text)
        if first < place and self._repeated > REPEATED_CHARS:  # a page must not grow as a square
            return element("p", " · ".join(parts), class_="took")
        summary = element("summary", " · ".join(parts))
        return element("details", summary, text_block(text, CODE), open=first == place)


def _row(name: str, content: Html, class_: str | None = None) -> Html:
    label = element("div", name, class_="name")
    return element("div", label, content, class_=f"row {class_}" if class_ else "row")


def _meter(text: str, bar: Html, kind: str) -> Html:
    track = element("div", bar, class_="track")
    return element("div", element("span", text), track, class_=f"meter {kind}")


def _arguments(call: ToolCall) -> str:
    """A line an argument; a text of several lines below its name."""
    lines = []
    for name, value in call.arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(
            f"{name}:\n{textwrap.indent(text, '  ')}" if "\n" in text else f"{name}: {text}"
        )
    return "\n".join(lines) or "{}"


def _said(step: Step) -> str:
    """The reply as it came."""
    calls = [_json(call) for call in step.reply.tool_calls]
    return "\n".join(filter(None, [step.reply.text, *calls])) or "(nothing)"


def _text(message: Message) -> str:
    """All that a message holds but for its role."""
    more = {key: value for key, value in message.items() if key not in ("role", "content")}
    return "\n".join(filter(None, [message["content"], _json(more) if more else ""]))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _key(message: Message) -> str:
    return json.dumps(message, ensure_ascii=False)

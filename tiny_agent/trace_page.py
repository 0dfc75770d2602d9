"""A trace as a page to look at: one HTML file that needs no network, no server and no script.

    write_page("run.jsonl", "run.html")

On top the question, the answer and what it cost; then a card a step (`page_steps`): what the model
thought and called, what came of it, what went wrong, and, folded, all that it read and wrote. Text
from models and tools is escaped wherever it stands (`markup`), and a policy in the page's head
forbids scripts besides. Chapter 43 shows one. The page is in Chinese if the question is.
"""

import json
import os
from importlib.resources import files
from pathlib import Path

from .markup import Html, element, joined
from .messages import ParseError, Step
from .page_steps import CJK, CODE, Steps, mix, number, seconds, text_block, tools_s
from .page_words import Language, words_in
from .trace import Trace, read_trace

_GENERATOR = "tiny_agent trace_page"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_page(trace: Trace | str | Path, out_path: str | Path) -> None:
    """Write the page of a trace, or of the file of one.

    FileNotFoundError or ValueError if that is none; OSError if the page cannot be written
    """
    if not isinstance(trace, Trace):
        trace = read_trace(trace)
    out_path = Path(out_path)
    half = out_path.with_name(f"{out_path.name}.tmp")
    half.write_text(page(trace), encoding="utf-8")
    os.replace(half, out_path)


def is_page(path: Path) -> bool:
    """Whether a file is the page of a trace."""
    with path.open("rb") as file:
        return _GENERATOR.encode() in file.read(1000)


def page(trace: Trace) -> str:
    """The page of a trace."""
    language: Language = "zh" if CJK.search(trace.header.question) else "en"
    words = words_in(language)
    style = Html((files("tiny_agent") / "data" / "trace_page.css").read_text(encoding="utf-8"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=_GENERATOR),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{trace.header.question[:80]} · {words['title']}"),
        element("style", style),
    )
    steps = Steps(trace, words)
    body = element(
        "body",
        element("header", _top(trace, words), _totals(trace, words)),
        _strip(trace.steps, words),
        element("main", joined(steps.cards()), _how(trace, words)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang=language)}\n"


def _top(trace: Trace, words: dict[str, str]) -> Html:
    """What was asked, and what came of it."""
    header, result = trace.header, trace.result
    eyebrow = " · ".join(filter(None, [words["title"], header.model, header.dialect]))
    label = element(
        "div",
        element("span", words["answer"]),
        element("span", words[result.status] if result else words["ended"], class_="status"),
        class_="label",
    )
    answer = result.answer if result else None
    shown = [text_block(words["no_answer"] if answer is None else answer)]
    if problem := (result.error if result else trace.missing):
        shown.append(element("p", problem, class_="note"))
    return joined(
        [
            element("p", eyebrow, class_="eyebrow"),
            element("h1", header.question),
            element("section", label, *shown, class_=f"answer {_kind(trace)}"),
        ]
    )


def _kind(trace: Trace) -> str:
    """How good the end was: an answer, one that a limit forced, none."""
    if trace.result is None or trace.result.answer is None:
        return "bad"
    return "good" if trace.result.status == "answered" else "forced"


def _totals(trace: Trace, words: dict[str, str]) -> Html:
    """What it cost, in numbers."""
    steps = trace.steps
    usages = [step.reply.usage for step in steps]
    read = sum(usage.prompt_tokens for usage in usages)
    written = sum(usage.completion_tokens for usage in usages)
    about = f"{words['estimated']} " if any(usage.estimated for usage in usages) else ""
    model_s = sum(step.latency_s for step in steps)
    tool_s = sum(map(tools_s, steps))
    results = [result for step in steps for result in step.results]
    format_errors = sum(isinstance(step.decision, ParseError) for step in steps)
    tool_errors = sum(result.is_error for result in results)
    parts = words["errors_of"].format(format_errors, tool_errors)
    entries = [
        _total(words["steps"], number(len(steps))),
        _total(words["calls"], number(len(results))),
        _total(
            words["tokens"],
            f"{about}{number(read + written)}",
            (f"{number(read)} {words['read']}", "read"),
            (f"{number(written)} {words['written']}", "written"),
        ),
        _total(
            words["time"],
            seconds(model_s + tool_s),
            (f"{seconds(model_s)} {words['model']}", "model"),
            (f"{seconds(tool_s)} {words['tools']}", "tools"),
        ),
        _total(words["errors"], number(format_errors + tool_errors), (parts, "")),
    ]
    return element("dl", *entries, class_="totals")


def _total(name: str, value: str, *parts: tuple[str, str]) -> Html:
    small = [element("small", text, class_=class_ or None) for text, class_ in parts]
    return element("div", element("dt", name), element("dd", value, *small))


def _strip(steps: list[Step], words: dict[str, str]) -> Html:
    """The timeline: a link a step, as wide as the step took long."""
    total = sum(step.latency_s + tools_s(step) for step in steps)
    items = []
    for place, step in enumerate(steps, start=1):
        took = step.latency_s + tools_s(step)
        wrong = isinstance(step.decision, ParseError) or any(r.is_error for r in step.results)
        title = f"{words['step'].format(place)}, {seconds(took)}"
        name = element("span", str(place), class_="wrong" if wrong else None)
        bar = mix(step.latency_s, tools_s(step), took)
        link = element("a", bar, name, href=f"#step-{place}", title=title, aria_label=title)
        share = 100 * took / total if total else 1
        items.append(element("li", link, style=f"flex-grow: {share:.2f}"))
    inside = element("div", element("ol", *items), class_="strip-inside")
    return element("nav", inside, class_="strip", aria_label=words["timeline"])


def _how(trace: Trace, words: dict[str, str]) -> Html:
    """How the question was asked, folded."""
    header = trace.header
    limits = {name: value for name, value in vars(header.limits).items() if value is not None}
    entries = {
        words["workflow"]: header.workflow,
        words["limits"]: limits,
        words["instructions"]: header.instructions,
        words["history"]: header.history,
        words["tools"]: header.tools,
    }
    parts: list[Html] = []
    for name, value in entries.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        parts += [element("h3", name), text_block(text if value else words["none"], CODE)]
    return element("details", element("summary", words["how"]), *parts, class_="how")

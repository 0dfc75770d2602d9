"""The page shows all of a run, needs nothing but itself, and nothing in a run can change it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from tiny_agent.agent import Agent
from tiny_agent.markup import Html, element, escape
from tiny_agent.messages import Message, Reply, Step, Usage
from tiny_agent.models import Line, ModelError, ScriptedModel
from tiny_agent.openai_tools import OpenAITools
from tiny_agent.page_steps import PREVIEW_CHARS, REPEATED_CHARS, seconds, tools_s
from tiny_agent.run_state import Limits
from tiny_agent.tools import ToolError, tool
from tiny_agent.trace import Trace, read_trace, record
from tiny_agent.trace_page import is_page, page, write_page
from tiny_agent.workflows import PlanAndExecute

VOID = {"meta", "br"}


@tool
def look(what: str) -> str:
    """Look something up."""
    if what == "nothing":
        raise ToolError("there is nothing")
    return f"what was found of {what}"


def act(what: str) -> str:
    return f"Thought: I look.\nAction: look\nAction Input: {json.dumps({'what': what})}"


@dataclass
class Node:
    """An element of a page that was read."""

    tag: str
    attributes: dict[str, str | None]
    children: list["Node | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(each if isinstance(each, str) else each.text for each in self.children)

    def all(self, tag: str = "", class_: str = "") -> list["Node"]:
        found = []
        for child in self.children:
            if isinstance(child, Node):
                classes = (child.attributes.get("class") or "").split()
                fits = (not tag or child.tag == tag) and (not class_ or class_ in classes)
                found += [child] * fits + child.all(tag, class_)
        return found

    def one(self, tag: str = "", class_: str = "") -> "Node":
        (found,) = self.all(tag, class_)
        return found


class Reader(HTMLParser):
    """Reads a page as a browser does; fails where an element is not closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open = [Node("", {})]
        self.feed(text)
        self.close()
        assert len(self.open) == 1, f"{self.open[-1].tag} is not closed"

    def handle_starttag(self, tag: str, attributes: Sequence[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attributes))
        assert len(node.attributes) == len(attributes)
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(trace: Trace) -> Node:
    return Reader(page(trace)).open[0].one("html")


def run(
    tmp_path: Path, script: Sequence[Line], question: str = "What is it?", **more: object
) -> Trace:
    agent = Agent(ScriptedModel(script), [look], **more)  # type: ignore[arg-type]
    record(agent, question, tmp_path / "t")
    return read_trace(tmp_path / "t")


# --- What is on it. ---


def test_the_question_the_answer_and_the_end_stand_on_top(tmp_path: Path) -> None:
    html = read(run(tmp_path, [act("a"), "Final Answer: It is a."]))
    assert html.one("h1").text == "What is it?"
    top = html.one("section", "answer")
    assert top.one("div", "text").text == "It is a."
    assert top.one("span", "status").text == "answered"
    assert "good" in str(top.attributes["class"])
    assert html.one("title").text.startswith("What is it?")


def test_a_step_is_a_card_with_thought_call_and_observation(tmp_path: Path) -> None:
    html = read(run(tmp_path, [act("a"), "Thought: Now I know.\nFinal Answer: It is a."]))
    first, second = html.all("article", "step")
    rows = {row.one("div", "name").text: row for row in first.all("div", "row")}
    assert rows["Thought"].one("div", "text").text == "I look."
    assert rows["Call"].one("strong").text == "look"
    assert rows["Call"].one("div", "call").text == "what: a"
    (name,) = [name for name in rows if name.startswith("Observation")]
    assert rows[name].one("div", "text").text == "what was found of a"
    assert [row.one("div", "name").text for row in second.all("div", "row")] == [
        "Thought",
        "Answer",
    ]
    assert second.one("div", "final").one("div", "text").text == "It is a."


def test_errors_are_marked(tmp_path: Path) -> None:
    html = read(run(tmp_path, [act("nothing"), "no form at all", "Final Answer: 1"]))
    tool_error, format_error, fine = html.all("article", "step")
    wrong = tool_error.one("div", "wrong")
    assert wrong.one("div", "name").text.startswith("Error")
    assert wrong.one("div", "code").text == "Error: there is nothing"
    wrong = format_error.one("div", "wrong")
    assert wrong.one("div", "name").text == "Format error"
    assert "there is no Action" in wrong.one("div", "code").text
    assert "no form at all" in [block.text for block in format_error.all("div", "code")]
    assert fine.all("div", "wrong") == []
    marks = [[span.text for span in link.all("span", "wrong")] for link in html.one("nav").all("a")]
    assert marks == [["1"], ["2"], []]
    assert "1 in the format, 1 of tools" in html.one("dl").text


def test_several_lines_of_code_are_shown_as_lines(tmp_path: Path) -> None:
    html = read(run(tmp_path, [act("import math\n\nprint(1)"), "Final Answer: 1"]))
    assert html.one("div", "call").text == "what:\n  import math\n\n  print(1)"


def test_the_prompt_of_each_step_is_there_in_full_and_folded(tmp_path: Path) -> None:
    trace = run(tmp_path, [act("a"), act("b"), "Final Answer: 1"], instructions="Be brief.")
    for place, (card, step) in enumerate(
        zip(read(trace).all("article", "step"), trace.steps, strict=True), start=1
    ):
        (exact,) = [child for child in card.children if isinstance(child, Node)][-1:]
        assert exact.tag == "details"
        assert "open" not in exact.attributes
        shown = exact.all("details")
        assert [each.one("div", "text").text for each in shown] == [
            message["content"] for message in step.prompt
        ]
        new = [each for each in shown if "open" in each.attributes]
        assert len(new) == 2  # the last reply and the last result; at first system and question
        seen = [each.one("summary").text for each in shown if each not in new]
        assert all("as in step" in text for text in seen)
        assert f"messages: {2 * place}, new: 2" in exact.all("summary")[0].text
        assert exact.all("div", "text")[-1].text == step.reply.text


def test_calls_and_tools_of_the_servers_own_field_are_shown(tmp_path: Path) -> None:
    call = {"id": "x1", "type": "function", "function": {"name": "look", "arguments": '{"wh'}}
    script: list[Line] = [Reply("", (call,), Usage(5, 5, 1), "length"), "done"]  # type: ignore[arg-type]
    html = read(run(tmp_path, script, dialect=OpenAITools()))
    first, second = html.all("article", "step")
    assert '"arguments": "{\\"wh"' in first.text
    assert "The reply was cut off by its limit of tokens." in first.text
    assert "Look something up." in first.all("details")[0].text
    assert [row.one("div", "name").text for row in second.all("div", "row")] == ["Answer"]


def test_a_long_text_is_folded_behind_its_beginning(tmp_path: Path) -> None:
    long = "begin\n" + "x" * (2 * PREVIEW_CHARS) + "\nend"
    html = read(run(tmp_path, [act(long), "Final Answer: 1"]))
    preview = html.all("article", "step")[0].one("div", "preview")
    assert preview.text.startswith("what was found of begin\nxxx")
    assert len(preview.text) == PREVIEW_CHARS
    (around,) = [node for node in html.all() if any(child is preview for child in node.children)]
    folded = around.one("details")
    assert folded.one("summary").text == f"All {len(long) + 18:,} characters"
    assert folded.one("div", "text").text == f"what was found of {long}"


def test_the_numbers_are_those_of_the_run(tmp_path: Path) -> None:
    script = [
        Reply(act("a"), (), Usage(1200, 34, 1)),
        Reply("Final Answer: 1", (), Usage(800, 6, 1)),
    ]
    trace = run(tmp_path, script)
    steps = [timed(trace.steps[0], 1.5, 0.5), timed(trace.steps[1], 1.0, 0.0)]
    html = read(replace(trace, steps=steps))
    totals = {each.one("dt").text: each.one("dd").text for each in html.one("dl").all("div")}
    assert totals["Steps"] == "2"
    assert totals["Tool calls"] == "1"
    assert totals["Tokens"] == "2,0402,000 read40 written"
    assert totals["Time"] == "3.0 s2.5 s model500 ms tools"
    assert totals["Errors"].startswith("0")
    meters = [each.text for each in html.all("div", "meter")]
    assert meters == ["1,200 read + 34 written", "1.5 s + 500 ms", "800 read + 6 written", "1.0 s"]
    widths = [
        float(width)
        for width in re.findall(r'style="width: ([\d.]+)%"', page(replace(trace, steps=steps)))
    ]
    assert all(0 <= width <= 100 for width in widths)
    time_bars = [bar.one("div", "mix") for bar in html.all("div", "time")]
    shares = [[span.attributes["style"] for span in bar.all("span")] for bar in time_bars]
    assert shares == [["width: 75.0%", "width: 25.0%"], ["width: 50.0%", "width: 0.0%"]]
    strip = [item.attributes["style"] for item in html.one("nav").all("li")]
    assert strip == ["flex-grow: 66.67", "flex-grow: 33.33"]


def test_tools_that_run_side_by_side_take_as_long_as_the_longest(tmp_path: Path) -> None:
    step = run(tmp_path, [act("a"), "Final Answer: 1"]).steps[0]
    first = replace(step.results[0], latency_s=0.5)
    assert tools_s(replace(step, results=[first, replace(first, latency_s=2.0)])) == 2.0
    assert tools_s(replace(step, results=[])) == 0.0


def test_an_answer_that_was_forced_is_not_shown_as_a_thought_too(tmp_path: Path) -> None:
    html = read(run(tmp_path, [act("a"), "I cannot say."], limits=Limits(1)))
    rows = html.all("article")[1].all("div", "row")
    assert [row.one("div", "name").text for row in rows] == ["Answer"]


def timed(step: Step, model_s: float, tools_s: float) -> Step:
    results = [replace(result, latency_s=tools_s) for result in step.results]
    return replace(step, latency_s=model_s, results=results)


def test_tokens_that_were_estimated_are_about_so_many(tmp_path: Path) -> None:
    assert "about" in read(run(tmp_path, ["Final Answer: 1"])).one("dl").text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 ms"), (0.0124, "12 ms"), (0.9996, "1.0 s"), (61.26, "61.3 s"), (150.2, "2 min 30 s")],
)
def test_times_as_people_say_them(value: float, text: str) -> None:
    assert seconds(value) == text


def test_the_timeline_leads_to_the_steps(tmp_path: Path) -> None:
    html = read(run(tmp_path, [act("a"), act("b"), "Final Answer: 1"]))
    links = [str(link.attributes["href"]) for link in html.one("nav").all("a")]
    ids = [f"#{card.attributes['id']}" for card in html.all("article")]
    assert links == ids == ["#step-1", "#step-2", "#step-3"]
    assert all(link.attributes["aria-label"] for link in html.one("nav").all("a"))


def test_how_it_was_asked_is_told(tmp_path: Path) -> None:
    html = read(run(tmp_path, ["Final Answer: 1"], instructions="Be brief.", limits=Limits(7)))
    how = html.one("details", "how").text
    for text in ("Be brief.", '"max_steps": 7', "Look something up.", '"name": "react"'):
        assert text in how
    assert "max_seconds" not in how


# --- Runs that went another way. ---


def failing(messages: Sequence[Message]) -> str:
    raise ModelError("http://example.org answered 500; try again later")


def test_a_run_without_an_answer_says_why(tmp_path: Path) -> None:
    top = read(run(tmp_path, [act("a"), failing])).one("section", "answer")
    assert top.one("span", "status").text == "the model failed"
    assert "There is no answer." in top.text
    assert "answered 500; try again later" in top.text
    assert "bad" in str(top.attributes["class"])


def test_an_answer_at_a_limit_is_marked_as_such(tmp_path: Path) -> None:
    html = read(run(tmp_path, [act("a"), "Final Answer: perhaps"], limits=Limits(1)))
    top = html.one("section", "answer")
    assert "forced" in str(top.attributes["class"])
    assert top.one("span", "status").text == "limit of steps"
    notes = [[note.text for note in card.all("p", "note")] for card in html.all("article")]
    assert notes == [[], ["At a limit: the model is made to answer now, without tools."]]


def test_a_run_that_was_killed_has_a_page_too(tmp_path: Path) -> None:
    trace = run(tmp_path, [act("a"), "Final Answer: 1"])
    for steps in (0, 1):
        killed = replace(
            trace, steps=trace.steps[:steps], result=None, missing="ended from outside"
        )
        html = read(killed)
        assert len(html.all("article")) == steps
        assert html.one("section", "answer").one("p", "note").text == "ended from outside"


def test_the_parts_of_a_plan_say_what_was_asked(tmp_path: Path) -> None:
    script = ['["Look up a."]', act("a"), "Final Answer: 42", "It is 42."]
    record(PlanAndExecute(Agent(ScriptedModel(script), [look])), "What is it?", tmp_path / "t")
    html = read(read_trace(tmp_path / "t"))
    asked = [
        [row.one("div", "text").text for row in card.all("div", "row") if "Asked" in row.text]
        for card in html.all("article")
    ]
    assert [len(rows) for rows in asked] == [1, 1, 0, 1]
    assert "Step: Look up a." in asked[1][0]


def test_a_chinese_question_has_a_chinese_page(tmp_path: Path) -> None:
    html = read(run(tmp_path, [act("月亮"), "no form", "最终答案：两个"], "有几个月亮？"))
    assert html.attributes["lang"] == "zh"
    text = html.one("body").text
    for word in ("答案", "已回答", "第 1 步", "思考", "调用", "观察", "格式错误", "读入", "工具"):
        assert word in text
    for word in ("Thought", "Observation", "Format error", "written"):
        labels = [row.text for row in html.all("div", "name")]
        assert word not in labels
    assert "{}" not in text
    assert html.one("section").one("div", "text").attributes["lang"] == "zh-Hans"


# --- Safety. ---

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></textarea></div></article><h1>Hacked</h1>",
    "<!-- <details open> -->",
    "&lt;b&gt; &amp; &#0; &nbsp;",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "javascript:alert(1) https://example.org/x.png",
    "]]> <![CDATA[ <?php {{7*7}} ${7*7} %s",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_run_becomes_part_of_the_page(text: str, tmp_path: Path) -> None:
    @tool
    def say(what: str) -> str:
        """Say it."""
        return text

    call = f"Thought: {text}\nAction: say\nAction Input: {json.dumps({text: 1})}"
    fine = f"Thought: {text}\nAction: say\nAction Input: {json.dumps({'what': text})}"
    script: list[Line] = [call, fine, f"no form {text}", f"Final Answer: {text}"]
    agent = Agent(ScriptedModel(script), [say], instructions=text)
    record(agent, text, tmp_path / "t")
    trace = read_trace(tmp_path / "t")
    header = replace(trace.header, model=text, dialect=text)
    assert trace.result
    result = replace(trace.result, error=text)
    html = read(replace(trace, header=header, result=result))
    plain = read(run(tmp_path, [act("a"), act("b"), "no form", "Final Answer: 1"]))
    assert {node.tag for node in html.all()} <= {node.tag for node in plain.all()} | {"p"}
    assert html.one("h1").text == text
    for node in html.all():
        for name, value in node.attributes.items():
            assert name in ALLOWED, name
            if name not in ("title", "aria-label", "content"):
                assert text not in (value or "")
    assert html.all("script") == []


ALLOWED = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "id",
    "href",
    "style",
    "open",
}
ALLOWED |= {"title", "aria-label", "aria-hidden"}


def test_a_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    text = page(run(tmp_path, [act("a"), "Final Answer: https://example.org"]))
    html = Reader(text).open[0]
    policies = [m.attributes["content"] for m in html.all("meta") if "http-equiv" in m.attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not {"script", "link", "img", "iframe", "object", "form"} & {n.tag for n in html.all()}
    assert all(str(link.attributes["href"]).startswith("#") for link in html.all("a"))
    style = html.one("style").text
    assert style == (files("tiny_agent") / "data" / "trace_page.css").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|@font-face|expression|http", style)
    assert "</" not in style


def test_the_style_knows_dark_print_and_narrow(tmp_path: Path) -> None:
    style = (files("tiny_agent") / "data" / "trace_page.css").read_text(encoding="utf-8")
    for query in ("prefers-color-scheme: dark", "@media print", "max-width: 40rem"):
        assert query in style
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= set(re.findall(r"(--[\w-]+):", style))


def test_every_class_of_the_style_is_on_some_page(tmp_path: Path) -> None:
    style = (files("tiny_agent") / "data" / "trace_page.css").read_text(encoding="utf-8")
    long = act("x\n" * 99)
    pages = page(run(tmp_path, [long, act("nothing"), "no", "Final Answer: 1"], limits=Limits(3)))
    pages += page(run(tmp_path, [act("a"), failing]))
    pages += page(run(tmp_path, ["Final Answer: 1"]))
    used = {name for names in re.findall(r'class="([^"]+)"', pages) for name in names.split()}
    styled = set(re.findall(r"\.([a-z][\w-]*)", re.sub(r"/\*.*?\*/|\{[^{}]*\}", "", style)))
    assert styled - used == set()


def test_what_a_page_cannot_hold_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    trace = run(tmp_path, ["Final Answer: NUL \0, half \ud800, escape \x1b[31m, \x7f, tab \t."])
    write_page(trace, path)
    text = path.read_text(encoding="utf-8")
    assert "NUL ␀, half \\ud800, escape ␛[31m, ␡, tab \t." in text
    assert "\0" not in text


# --- Size and files. ---


def test_a_page_does_not_grow_as_the_square_of_a_run(tmp_path: Path) -> None:
    sizes = []
    for steps in (20, 40):
        usage = Usage(1, 1, 1)  # told, as to estimate it takes long
        script = [Reply(act(f"{n} {'x' * 6000}"), (), usage) for n in range(steps)]
        trace = run(tmp_path, [*script, Reply("Final Answer: 1", (), usage)], limits=Limits(99))
        text = page(trace)
        sizes.append(len(text))
        assert all(f">what: {n} xxx" in text for n in range(steps))
    full = sum(len(m["content"]) for step in trace.steps for m in step.prompt)
    assert full > 10 * REPEATED_CHARS
    assert sizes[1] - sizes[0] < sizes[0]
    last = Reader(text).open[0].all("article")[-1]
    assert len(last.all("p", "took")) > 50  # messages that are named and not shown again


def test_a_page_is_written_from_a_file_whole_or_not_at_all(tmp_path: Path) -> None:
    run(tmp_path, [act("a"), "Final Answer: 答案"])
    out = tmp_path / "page.html"
    write_page(tmp_path / "t", out)
    assert out.read_text(encoding="utf-8") == page(read_trace(tmp_path / "t"))
    assert is_page(out)
    assert not is_page(tmp_path / "t")
    (tmp_path / "other").write_text("{}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no trace"):
        write_page(tmp_path / "other", out)
    assert is_page(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "page.html", "t"]


def test_elements_escape_all_but_elements() -> None:
    inner = element("b", "<i>", class_='"', aria_hidden=None, open=True, hidden=False)
    assert inner == '<b class="&quot;" open>&lt;i&gt;</b>'
    assert element("p", "a & ", inner, Html("&amp;")) == f"<p>a &amp; {inner}&amp;</p>"
    assert element("br") == "<br>"
    assert element("meta", http_equiv="a", name="b") == '<meta http-equiv="a" name="b">'
    assert isinstance(escape("x"), Html)

"""Runs made by hand: rows as the runner writes them, scored by the real scorer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tiny_eval.scoring import Scores, score
from tiny_eval.tasks import Task

HOSTILE = (
    "</script></div><script>alert(1)</script><img src=x onerror=alert(1)>"
    " | `a` **b** [c](javascript:d) $e$ &amp; \\| _f_\n# head\r\n| - |\0"
)


def task_for(name: str = "capitals", **changes: Any) -> Task:
    settings: dict[str, Any] = {"metrics": ("exact_match",), "filters": ({"regex": "= (.*)"},)}
    return Task(name, Path("capitals.jsonl"), "{{q}}", "answer", **(settings | changes))


def run(
    replies: Sequence[str | None], model: str = "a", task: Task | None = None, **more: Any
) -> Scores:
    """A run whose right answers are all "yes"; a choice has no reply.

    more: of each row or its doc, lists by place
    """
    rows = []
    for place, reply in enumerate(replies):
        given = {name: values[place] for name, values in more.items()}
        row: dict[str, Any] = {"id": f"q{place}", "key": str(place), "prompt": f"Question {place}?"}
        row |= {"target": ["yes"], "reply": reply, "cut": False, "doc": {"q": f"Question {place}?"}}
        row["doc"] |= given.pop("doc", {})
        rows.append({name: value for name, value in (row | given).items() if value is not None})
    return score(task or task_for(), rows, model)


def right(pattern: str, **more: Any) -> Scores:
    """A run by signs: + right, - wrong, 0 nothing that the filter finds."""
    replies = {"+": "It = yes", "-": "It = no", "0": "I do not know."}
    return run([replies[sign] for sign in pattern], **more)


def texts(totals: Sequence[float], model: str = "a", tokens: int = 4) -> Scores:
    """A run of a perplexity task."""
    task = Task(
        "prose",
        Path("prose.jsonl"),
        "{{text}}",
        kind="perplexity",
        metrics=("word_perplexity", "token_perplexity"),
    )
    rows = []
    for place, total in enumerate(totals):
        found = {"total": total, "tokens": tokens, "greedy": False}
        row: dict[str, Any] = {
            "id": str(place),
            "key": str(place),
            "prompt": "four words of text",
            "target": [],
        }
        rows.append(row | {"loglikelihoods": [found], "doc": {"text": "four words of text"}})
    return score(task, rows, model)


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


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in ("meta", "input"):
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_html(text: str) -> Node:
    """The page as a browser reads it. AssertionError if an element is not closed in its place."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, f"{reader.open[-1].tag} is not closed"
    return reader.open[0]

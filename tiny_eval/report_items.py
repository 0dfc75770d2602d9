"""The items on a report's page: what was asked, what each run said, and what it scored.

The filters are radio buttons that stand before the items, so that the page's style can hide the
others. Of thousands of items only the worst of each kind are here, and the page says so.
"""

from typing import NamedTuple

from .markup import Html, element, joined
from .pictures import number
from .report_tables import (
    Runs,
    Words,
    below_full,
    goodness,
    main_metric,
    said,
    shorten,
    wanted,
)
from .scoring import ScoredItem
from .tasks import digest

SHOWN = 100
"""Items of each kind on a page."""
TEXT_CHARS = 3000
FOLDED_CHARS = 600
KINDS = ("all", "below", "unextracted", "cut_off", "differs")


class Entry(NamedTuple):
    """A document and what each run made of it."""

    items: dict[str, ScoredItem]
    kinds: frozenset[str]
    """Of KINDS."""


def browser(place: int, runs: Runs, words: Words) -> Html:
    """The items of a task. place: the task's number on the page"""
    metric = main_metric(runs)
    entries = _entries(runs, metric)
    kept = _kept(entries)
    controls: list[Html] = []
    for kind in KINDS:
        total = sum(kind in entry.kinds for entry in entries)
        here = sum(kind in entry.kinds for entry in kept)
        if total:
            count = str(total) if here == total else words["of"].format(here, total)
            name, label = f"show-{place}", f"show-{place}-{kind}"
            radio = {"type": "radio", "name": name, "id": label, "class": f"filter {kind}"}
            controls.append(element("input", checked=kind == "all", **radio))
            controls.append(element("label", f"{words[kind]} ({count})", for_=label))
    articles = [_article(entry, metric, words) for entry in kept]
    note = words["partial"].format(len(kept), len(entries)) if len(kept) < len(entries) else ""
    return joined(
        [
            element("h3", words["items"]),
            element("p", note, class_="quiet"),
            element("div", *controls, element("div", *articles, class_="items"), class_="browser"),
        ]
    )


def _entries(runs: Runs, metric: str) -> list[Entry]:
    """From the worst on: first what all runs got wrong."""
    documents: dict[str, dict[str, ScoredItem]] = {}
    for name, scores in runs.items():
        for item in scores.items:
            key = digest([item.id, item.targets, item.row["doc"]])
            documents.setdefault(key, {})[name] = item
    in_order = sorted(
        documents.values(),
        key=lambda items: sorted(goodness(item, metric) for item in items.values()),
    )
    filtered = {name for name, scores in runs.items() if scores.extracted is not None}
    return [Entry(items, _kinds(items, filtered, metric)) for items in in_order]


def _kinds(items: dict[str, ScoredItem], filtered: set[str], metric: str) -> frozenset[str]:
    each = list(items.values())
    first = each[0]
    holds = {
        "all": True,
        "below": any(below_full(item, metric) for item in each),
        "unextracted": any(items[name].answer is None for name in filtered & set(items)),
        "cut_off": any(item.row.get("cut") for item in each),
        "differs": any(item.values != first.values for item in each)
        or (not metric and any(said(item) != said(first) for item in each)),
    }
    return frozenset(kind for kind, is_so in holds.items() if is_so)


def _kept(entries: list[Entry]) -> list[Entry]:
    """The first of each kind, still in order."""
    places: set[int] = set()
    for kind in KINDS:
        of_kind = [place for place, entry in enumerate(entries) if kind in entry.kinds]
        places.update(of_kind[:SHOWN])
    return [entries[place] for place in sorted(places)]


def _article(entry: Entry, metric: str, words: Words) -> Html:
    first = next(iter(entry.items.values()))
    title = element("h4", shorten(first.id, 80, words))
    targets = [element("span", shorten(target, TEXT_CHARS, words)) for target in wanted(first)]
    runs = [_run(name, item, len(entry.items) > 1, words) for name, item in entry.items.items()]
    prompts = {_prompt(item): name for name, item in entry.items.items()}
    asked = [
        _folded(words["prompt"] + (f" · {name}" if len(prompts) > 1 else ""), prompt, words)
        for prompt, name in prompts.items()
    ]
    known = [element("dt", words["targets"]), element("dd", *targets)] if targets else []
    return element(
        "article",
        title,
        element("dl", *known, class_="targets"),
        *asked,
        element("div", *runs, class_="runs"),
        class_=" ".join(sorted(entry.kinds)),
    )


def _run(name: str, item: ScoredItem, several: bool, words: Words) -> Html:
    """What one run made of it."""
    chips = [_chip(metric, value, item, words) for metric, value in item.values.items()]
    if item.row.get("cut"):
        chips.append(element("span", words["cut_off"], class_="chip warn"))
    parts = [element("h5", name)] if several else []
    parts.append(element("p", *chips, class_="chips"))
    reply = said(item)
    if "reply" in item.row and item.answer != reply:
        nothing = element("em", words["nothing"])
        answer = nothing if item.answer is None else shorten(item.answer, TEXT_CHARS, words)
        parts.append(element("p", words["answer"], class_="name"))
        parts.append(element("div", answer, class_="text answer", dir="auto"))
    parts.append(_folded(words["reply"], reply, words, open_=len(reply) <= FOLDED_CHARS))
    return element("div", *parts, class_="run")


def _chip(metric: str, value: float | None, item: ScoredItem, words: Words) -> Html:
    shown = words["no_value"] if value is None else number(metric, value)
    kind = "" if value is None else " bad" if below_full(item, metric) else " good"
    return element("span", f"{metric} {shown}", class_=f"chip{kind}")


def _folded(title: str, text: str, words: Words, open_: bool = False) -> Html:
    block = element("div", shorten(text, TEXT_CHARS, words), class_="text", dir="auto")
    return element("details", element("summary", title), block, open=open_)


def _prompt(item: ScoredItem) -> str:
    prompt = item.row["prompt"]
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in prompt)

"""A report as a page to click through: one HTML file without scripts, network or server.

Of each task the scores with pictures, the comparisons of its runs, how it was made, and its items
(`report_items`), to be filtered without a script. All that a model wrote is escaped wherever it
stands (`markup`), and a policy in the page's head forbids scripts besides. Chapter 52 shows one.
"""

from collections.abc import Sequence
from importlib.resources import files

from .comparison import RunComparison
from .markup import Html, element, joined
from .metrics import METRICS
from .pictures import bars, radar, scale_of
from .report import by_task, named
from .report_items import browser
from .report_tables import (
    Runs,
    Table,
    Words,
    comparison_table,
    group_table,
    heading,
    made_table,
    points_table,
    score_table,
    shorten,
)
from .report_words import Language, words_in
from .scoring import Scores

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_CELL_CHARS = 2000


def page(
    scores: Sequence[Scores],
    comparisons: Sequence[RunComparison] = (),
    language: Language = "en",
) -> str:
    """The page of runs, of one task or of several.

    comparisons: by comparison.compare_all or compare_runs, of these runs
    ValueError if there are no runs
    """
    words = words_in(language)
    tasks = by_task(scores)
    style = Html((files("tiny_eval") / "data" / "report_page.css").read_text(encoding="utf-8"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{', '.join(tasks)} · {words['title']}"),
        element("style", style),
    )
    models = ", ".join(dict.fromkeys(each.model for each in scores))
    sections = [
        _section(place, name, runs, comparisons, language)
        for place, (name, runs) in enumerate(tasks.items())
    ]
    top = [element("p", models, class_="eyebrow"), element("h1", words["title"]), _links(tasks)]
    top.append(_radar(tasks))
    body = element("body", element("header", *top), element("main", *sections))
    return f"<!doctype html>\n{element('html', head, body, lang=language)}\n"


def _links(tasks: dict[str, dict[str, Scores]]) -> Html:
    if len(tasks) < 2:
        return Html("")
    links = [element("a", name, href=f"#task-{place}") for place, name in enumerate(tasks)]
    return element("nav", *links)


def _section(
    place: int, name: str, runs: Runs, comparisons: Sequence[RunComparison], language: Language
) -> Html:
    words = words_in(language)
    parts = [element("h2", name), _table(score_table(runs, words), words), _bars(runs, words)]
    parts += [
        _table(table, words) for each in runs.items() if (table := points_table(*each, words))
    ]
    for compared, name_a, name_b in named(comparisons, name, runs):
        parts.append(_table(comparison_table(compared, name_a, name_b, language), words))
    if groups := group_table(runs, words):
        parts.append(_table(groups, words, folded=True))
    parts.append(_table(made_table(runs, words), words, folded=True))
    parts.append(browser(place, runs, words))
    return element("section", *parts, id=f"task-{place}")


def _bars(runs: Runs, words: Words) -> Html:
    """A picture for each metric, with a bar for each run."""
    figures = []
    for metric in dict.fromkeys(name for scores in runs.values() for name in scores.estimates):
        rows = [
            (name, scores.estimates[metric])
            for name, scores in runs.items()
            if metric in scores.estimates
        ]
        caption = element("figcaption", heading(metric, words))
        figures.append(element("figure", caption, bars(rows, metric)))
    if not figures:
        return Html("")
    return joined(
        [element("div", *figures, class_="bars"), element("p", words["bars"], class_="quiet")]
    )


def _radar(tasks: dict[str, dict[str, Scores]]) -> Html:
    """Over all scores that every model has and that grow from 0 to a best value; of three on."""
    spokes: dict[str, dict[str, float]] = {}
    for task, runs in tasks.items():
        for metric in next(iter(runs.values())).estimates:
            if scale_of(metric) == "own" or METRICS[metric].lower_is_better:
                continue
            label = metric if len(tasks) == 1 else f"{task}\n{metric}"
            spokes[label] = {
                name: min(1.0, scores.estimates[metric].value / METRICS[metric].best)
                for name, scores in runs.items()
                if metric in scores.estimates
            }
    names = list(dict.fromkeys(name for runs in tasks.values() for name in runs))
    shared = [label for label, values in spokes.items() if set(names) == set(values)]
    if len(shared) < 3:
        return Html("")
    series = {name: [spokes[label][name] for label in shared] for name in names}
    return element("figure", radar(shared, series), class_="radar")


def _table(table: Table, words: Words, folded: bool = False) -> Html:
    """A table that scrolls on its own where it is too wide, with its sentences."""
    kinds = [None] * table.names + ["number"] * (len(table.header) - table.names)

    def row(tag: str, cells: Sequence[str]) -> Html:
        shown = [shorten(cell, _CELL_CHARS, words) for cell in cells]
        pairs = zip(shown, kinds, strict=True)
        return element("tr", *(element(tag, cell, class_=kind) for cell, kind in pairs))

    head = element("thead", row("th", table.header))
    rows = element("tbody", *(row("td", cells) for cells in table.rows))
    parts = [element("div", element("table", head, rows), class_="wide")]
    parts += [element("p", note, class_="note") for note in table.notes]
    if folded:
        return element("details", element("summary", table.title), *parts)
    return joined([element("h3", table.title), *parts])

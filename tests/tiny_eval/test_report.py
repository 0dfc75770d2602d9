"""The Markdown report says what was measured, how surely, and nothing that a model smuggles in."""

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from tests.tiny_eval.hand_made_runs import HOSTILE, right, run, task_for, texts
from tiny_eval.comparison import compare_all, compare_runs
from tiny_eval.report import CELL_CHARS, SHOWN, inline, markdown
from tiny_eval.scoring import Scores


class _Tables(HTMLParser):
    """The tables of rendered Markdown, by the heading above them."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: set[str] = set()
        self.heading, self.inside = "", ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self.inside = tag
        if tag == "h3":
            self.heading = ""
        elif tag == "table":
            self.tables[self.heading] = []
        elif tag == "tr":
            self.tables[self.heading].append([])
        elif tag in ("td", "th"):
            self.tables[self.heading][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "h3":
            self.heading += data
        elif self.inside in ("td", "th"):
            self.tables[self.heading][-1][-1] += data


def rendered(text: str) -> _Tables:
    reader = _Tables()
    reader.feed(MarkdownIt("commonmark").enable("table").render(text))
    return reader


def tables(*scores: Scores, compared: bool = False) -> dict[str, list[list[str]]]:
    return rendered(markdown(scores, compare_all(scores) if compared else ())).tables


# --- Scores and what they rest on. ---


def test_a_score_stands_beside_its_interval_extraction_rate_and_cut_replies() -> None:
    scores = right("+++-0", cut=[False, False, False, True, True])
    header, row = tables(scores)["Scores"]
    assert header[2:] == ["Value", "95% interval", "n", "Answer found", "Replies cut off"]
    assert row[:3] == ["exact_match", "a", "60.0%"]
    found = scores.estimates["exact_match"]
    assert row[3] == f"{100 * found.low:.1f}% … {100 * found.high:.1f}%"
    assert row[4:] == ["5", "80.0%", "2"]


def test_each_metric_has_its_own_scale() -> None:
    rows = tables(texts([-8.0, -12.0]))["Scores"][1:]
    assert rows[0][0] == "word_perplexity (lower is better)"
    assert rows[0][2] == "12.182"  # exp(20 / 8)
    assert rows[0][5:] == ["–", "–"]  # nothing is extracted, no reply is cut
    bleu = task_for(metrics=("bleu",))
    replies = ["= yes it is the one", "= yes it is the one"]
    targets = [["yes it is the one"]] * 2
    assert tables(run(replies, task=bleu, target=targets))["Scores"][1][2] == "100.0"


def test_of_what_was_not_judged_the_score_says_how_much_is_left() -> None:
    scores = paper(("single", 5, 1.0), ("open", 13, None))
    estimate = scores.estimates["gaokao"]._replace(n=1)
    scores.estimates["gaokao"] = estimate
    assert tables(scores)["Scores"][1][4] == "1 of 2"
    scores.estimates.clear()
    assert tables(scores)["Scores"][1][2:5] == ["–", "no question could be judged", "0 of 2"]


def test_a_single_question_has_no_interval() -> None:
    assert tables(texts([-8.0]))["Scores"][1][3] == "–"


def test_if_questions_hang_together_the_score_says_in_how_many_groups() -> None:
    docs = [{"passage": place // 3} for place in range(24)]
    text = markdown([right("+" * 24, task=task_for(cluster_by="passage"), doc=docs)])
    assert "questions with the same passage are counted together: 8 groups" in text
    assert "counted together" not in markdown([right("+" * 24, doc=docs)])


def test_how_the_run_was_made_is_said() -> None:
    task = task_for(few_shot=2, chat=True, description="Be brief.", cluster_by="passage")
    doc = [{"passage": 1}]
    rows = dict(tables(right("+", model="tiny", task=task, doc=doc))["How it was made"][1:])
    assert rows["model"] == "tiny"
    assert rows["prompt"] == "{{q}}"
    assert rows["few_shot"] == "2"
    assert rows["chat"] == "conversation"
    assert rows["description"] == "Be brief."
    assert rows["cluster_by"] == "passage"
    assert '"max_tokens": 256' in rows["generation"]
    assert rows["filters"] == '[{"regex": "= (.*)"}]'
    assert rows["metrics"] == '["exact_match"]'
    assert "few_shot_data" not in rows
    assert dict(tables(right("+"))["How it was made"][1:])["chat"] == "raw text"


def test_groups_have_their_own_scores() -> None:
    task = task_for(group_by="topic")
    docs = [{"topic": "stars"}] * 2 + [{"topic": "seas"}]
    rows = tables(right("+-+", task=task, doc=docs))["By topic"][1:]
    assert [(row[0], row[3], row[5]) for row in rows] == [
        ("stars", "50.0%", "2"),
        ("seas", "100.0%", "1"),
    ]
    assert "By topic" not in tables(right("+"))


# --- The gaokao paper. ---


def paper(*parts: tuple[str, float, float | None]) -> Scores:
    """A paper of questions: type, points, share that was earned (None: nobody has graded it)."""
    docs = [{"type": kind, "points": points} for kind, points, _ in parts]
    for doc in docs:
        doc |= {"answer": ["A"], "year": 2024, "rubric": ""}
    task = task_for("paper", metrics=("gaokao",), filters=())
    scores = run(["A"] * len(parts), task=task, doc=docs)
    for item, (*_, share) in zip(scores.items, parts, strict=True):
        item.values["gaokao"] = share
    return scores


def test_points_are_added_up_by_type() -> None:
    found = tables(paper(("single", 5, 1.0), ("single", 5, 0.0), ("multiple", 6, 2 / 3)))
    assert found["Points: a"][1:] == [
        ["single", "2", "5", "10", "0"],
        ["multiple", "1", "4", "6", "0"],
        ["All", "3", "9", "16", "0"],
    ]


def test_the_mean_over_questions_is_told_from_the_sum_of_points() -> None:
    scores = paper(("single", 5, 1.0), ("open", 17, 0.0))
    assert "gaokao is a mean over questions" in markdown([scores])
    assert "mean over questions" not in markdown([right("+")])


def test_questions_that_nobody_graded_are_not_counted_as_0() -> None:
    scores = paper(("single", 5, 1.0), ("open", 13, None), ("open", 17, 0.5))
    text = markdown([scores, paper(("open", 13, None))])
    found = rendered(text).tables
    assert found["Points: a #1"][2:] == [
        ["open", "2", "8.5", "17", "13"],
        ["All", "3", "13.5", "22", "13"],
    ]
    assert found["Points: a #2"][1] == ["open", "1", "–", "0", "13"]
    assert "13 of 35 points are not graded" in text
    assert "the 13.5 points are out of 22, not of 35" in text
    assert "not graded:" not in markdown([paper(("single", 5, 1.0))])


def test_only_a_paper_has_points() -> None:
    assert not any(title.startswith("Points") for title in tables(right("+-")))


# --- Which run is better. ---


def test_the_report_compares_runs_in_words_that_the_test_allows() -> None:
    a, b = right("-" * 12 + "+" * 8), right("+" * 20, model="b")
    text = markdown([a, b], [compare_runs(a, b)])
    row = rendered(text).tables["b against a"][1]
    assert row[0:2] == ["exact_match", "+60.0 pp"]
    assert row[3:] == ["< 0.001", "–", "12 / 0 / 8", "20", "McNemar's exact test"]
    assert "b beats a by 0.600" in text
    same = right("+-", model="b")
    text = markdown([right("-+"), same])
    assert "beats" not in text  # without a comparison nobody wins
    runs = [right("-+"), same]
    text = markdown(runs, compare_all(runs))
    assert "beats" not in text
    assert "cannot tell a and b apart" in text


def test_several_runs_have_corrected_p_values() -> None:
    found = tables(
        right("-" * 6), right("+" * 6, model="b"), right("+-+-+-", model="c"), compared=True
    )
    assert {"b against a", "c against a", "c against b"} <= set(found)
    assert found["b against a"][1][3:5] == ["0.031", "0.094"]


def test_wins_and_losses_stand_side_by_side() -> None:
    found = tables(right("-+-"), right("+-0", model="b"), compared=True)
    wins = found["Where b is better, by exact_match"][1:]
    assert wins == [["q0", "0.0% → 100.0%", "yes", "It = no", "It = yes"]]
    losses = found["Where a is better, by exact_match"][1:]
    assert losses == [["q1", "100.0% → 0.0%", "yes", "It = yes", "It = no"]]


def test_what_was_left_out_of_a_comparison_is_said() -> None:
    runs = [right("+-+", task=task_for(few_shot=1)), right("+-", model="b")]
    text = markdown(runs, compare_all(runs))
    assert "Left out, only in a: q2" in text
    assert "The runs differ in few_shot, too." in text
    other = [texts([-8.0] * 2), texts([-8.0] * 2, "b", tokens=5)]
    assert "different tokens" in markdown(other, compare_all(other))


def test_a_comparison_of_other_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="of other runs"):
        markdown([right("+-")], [compare_runs(right("+-"), right("-+"))])


# --- Items. ---


def test_the_worst_items_come_first_and_perfect_ones_not_at_all() -> None:
    task = task_for(metrics=("f1",))
    rows = tables(run(["= yes", "= yes no", "no sign", "= no"], task=task))["Worst items: a"][1:]
    assert [row[:3] for row in rows] == [
        ["q2", "0.0%", "nothing"],
        ["q3", "0.0%", "no"],
        ["q1", "66.7%", "yes no"],
    ]
    assert "Worst items: a" not in tables(right("++"))
    assert len(tables(right("-" * 50))["Worst items: a"][1:]) == SHOWN


def test_a_perfect_reply_is_no_worst_item_even_if_longbenchs_epsilon_lowers_it() -> None:
    scores = run(["yes"], task=task_for(metrics=("rouge_l_longbench",), filters=()))
    assert scores.items[0].values["rouge_l_longbench"] != 1
    assert "Worst items: a" not in tables(scores)


def test_extraction_failures_are_listed_and_counted() -> None:
    found = tables(right("0" * 12 + "-+"))
    assert len(found["Nothing extracted: a, 12"][1:]) == SHOWN
    assert found["Nothing extracted: a, 12"][1] == ["q0", "yes", "I do not know."]


def test_of_choices_the_words_are_shown() -> None:
    task = task_for(kind="choice", choices=("red", "blue"), metrics=("acc",), filters=())
    likely = [{"total": -1.5, "tokens": 1, "greedy": True}, {"total": -2.5, "tokens": 1}]
    scores = run(
        [None],
        task=task,
        target=[["1"]],
        choices=[["red", "blue"]],
        loglikelihoods=[likely],
    )
    (row,) = tables(scores)["Worst items: a"][1:]
    assert row[2:] == ["–", "blue", "-1.500  red ⏎ -2.500  blue"]


# --- What a model may write. ---


def test_nothing_in_a_reply_is_markup() -> None:
    hostile = task_for(filters=())
    scores = run([HOSTILE, f"|{HOSTILE}|"], HOSTILE, hostile, id=[HOSTILE, "2"])
    found = rendered(markdown([scores], compare_all([scores])))
    assert found.tags == {"h1", "h2", "h3", "table", "thead", "tbody", "tr", "th", "td"}
    (title,) = [name for name in found.tables if name.startswith("Worst")]
    rows = found.tables[title]
    assert all(len(row) == len(rows[0]) for row in rows)
    shown = HOSTILE.replace("\r", "").replace("\n", " ⏎ ").replace("\0", "␀")
    assert rows[1][4] == re.sub(" +", " ", shown)


@pytest.mark.parametrize(
    "text",
    ["a\\", "\\|", "`", "``` x", "_a_ *b* snake_case", "&lt; &", "![x](y)", "~~a~~", "<!--", "$x$"],
)
def test_text_in_a_cell_comes_out_as_it_was(text: str) -> None:
    table = f"| a | b |\n| --- | --- |\n| {inline(text)} | end |"
    assert rendered(table).tables[""][1] == [text, "end"]


def test_bare_addresses_are_no_links_where_a_dialect_makes_them() -> None:
    assert inline("http://x.y www.x.y a: b") == "http&#58;//x.y www&#46;x.y a: b"


def test_a_long_reply_is_shortened_with_its_length_said() -> None:
    reply = "start " + "x" * 100_000 + " end"
    (row,) = tables(run([reply]))["Worst items: a"][1:]
    assert row[4].startswith("start x")
    assert row[4].endswith("x end")
    assert "of 100,010 characters left out" in row[4]
    assert len(row[4]) < CELL_CHARS + 60


def test_tasks_have_sections_of_their_own() -> None:
    text = markdown([right("+"), right("-", task=task_for("rivers"))])
    assert re.findall("^## (.*)$", text, re.MULTILINE) == ["capitals", "rivers"]
    with pytest.raises(ValueError, match="no runs"):
        markdown([])

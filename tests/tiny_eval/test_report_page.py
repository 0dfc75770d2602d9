"""The page shows all of the runs, needs nothing but itself, and no reply can change it."""

import math
import re
from importlib.resources import files

import pytest

from tests.tiny_eval.hand_made_runs import HOSTILE, Node, read_html, right, run, task_for, texts
from tiny_eval import report_items
from tiny_eval.comparison import compare_all
from tiny_eval.report_page import page
from tiny_eval.report_words import words_in
from tiny_eval.scoring import Scores


def read(*scores: Scores, language: str = "en") -> Node:
    return read_html(page(scores, compare_all(scores), language))  # type: ignore[arg-type]


def articles(html: Node, kind: str = "") -> list[str]:
    """The titles of the items that a filter leaves."""
    return [article.all("h4")[0].text for article in html.all("article", kind)]


def labels(html: Node) -> list[str]:
    return [label.text for label in html.all("label")]


# --- Nothing but itself. ---


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page([right("+-0")])
    html = read_html(text)
    assert html.all("script") == html.all("link") == html.all("img") == html.all("iframe") == []
    policies = [meta.attributes.get("content", "") for meta in html.all("meta")]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policies
    assert "width=device-width, initial-scale=1" in policies
    assert "url(" not in text
    assert "@import" not in text
    addresses = set(re.findall(r"https?://[^\s\"<]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of a language, not a place


def test_nothing_in_a_reply_changes_the_page() -> None:
    plain = task_for(filters=({"regex": "(?s)= (.*)"},), group_by="topic")
    runs = []
    for text in (HOSTILE, "harmless"):
        doc = [{"topic": text}] * 2
        chat = [{"role": text, "content": text}]
        prompts = [text, chat]
        more = {"id": [f"{text} 1", "2"], "target": [[text], ["yes"]], "prompt": prompts}
        runs.append(run([f"= {text}", text], text, plain, doc=doc, **more))
    hostile, harmless = (read(each) for each in runs)

    def tags(node: Node) -> list[object]:
        children = [child for child in node.children if isinstance(child, Node)]
        return [node.tag, sorted(node.attributes), *map(tags, children)]

    assert tags(hostile) == tags(harmless)
    shown = HOSTILE.replace("\r", "␍").replace("\0", "␀")
    answer = hostile.all("article")[1].all("div", "answer")[0].text
    assert shown in [block.text for block in hostile.all("div", "text")]
    assert answer in (shown, "nothing")


def test_half_a_surrogate_pair_can_be_written() -> None:
    assert b"\\ud83d" in page([run(["= \ud83d"])]).encode()


# --- Scores. ---


def test_scores_stand_in_a_table_and_as_bars() -> None:
    html = read(right("+++-"), right("+--0", model="b"))
    rows = [[cell.text for cell in row.all("td")] for row in html.all("table")[0].all("tr")[1:]]
    assert [row[1:3] for row in rows] == [["a", "75.0%"], ["b", "25.0%"]]
    (figure,) = html.all("div", "bars")[0].all("figure")
    assert figure.all("figcaption")[0].text == "exact_match"
    assert len(figure.all("line", "whisker")) == 2


def test_three_scores_that_all_models_have_make_a_radar() -> None:
    task = task_for(metrics=("exact_match", "f1", "rouge_l"))
    html = read(right("+-", task=task), right("++", model="b", task=task))
    (radar,) = html.all("figure", "radar")
    assert {"exact_match", "f1", "rouge_l", "a", "b"} == {text.text for text in radar.all("text")}
    assert read(right("+-", task=task_for(metrics=("f1", "rouge_l")))).all("figure", "radar") == []
    fewer = right("++", model="b", task=task_for(metrics=("exact_match", "f1")))
    assert read(right("+-", task=task), fewer).all("figure", "radar") == []
    assert read(texts([-8.0]), texts([-9.0], "b")).all("figure", "radar") == []


def test_a_radar_shows_all_scores_as_shares_of_the_best() -> None:
    task = task_for(metrics=("exact_match", "f1", "bleu"))
    scores = right("+-", task=task)
    scores.estimates["bleu"] = scores.estimates["bleu"]._replace(value=50.0)
    polygon = read(scores).all("figure", "radar")[0].all("polygon")[-1]
    points = [
        tuple(map(float, point.split(","))) for point in str(polygon.attributes["points"]).split()
    ]
    middle = (sum(x for x, _ in points) / 3, sum(y for _, y in points) / 3)
    radii = [math.dist(point, middle) for point in points]
    assert radii == pytest.approx([radii[0]] * 3, abs=0.2)  # one decimal is written


def test_what_falls_or_has_no_best_share_makes_no_radar() -> None:
    choice = task_for(
        kind="choice",
        choices=("yes", "no"),
        metrics=("acc", "acc_norm", "calibration_error"),
        filters=(),
    )
    likely = [{"total": -1.5, "tokens": 1}, {"total": -2.5, "tokens": 1}]
    chosen = {"target": [["0"]], "choices": [["yes", "no"]], "loglikelihoods": [likely]}
    assert read(run([None], task=choice, **chosen)).all("figure", "radar") == []
    three = texts([-8.0])
    for name in ("byte_perplexity", "bits_per_byte"):
        three.estimates[name] = three.estimates["word_perplexity"]
    assert read(three).all("figure", "radar") == []


def test_a_perfect_bleu_that_rounding_lifts_above_100_still_makes_a_radar() -> None:
    task = task_for(metrics=("exact_match", "f1", "bleu"))
    scores = right("++", task=task)
    scores.estimates["bleu"] = scores.estimates["bleu"]._replace(value=100.00000000000004)
    assert len(read(scores).all("figure", "radar")) == 1


def test_a_radar_may_span_tasks() -> None:
    html = read(*(right("+-", task=task_for(name)) for name in ("one", "two", "three")))
    (radar,) = html.all("figure", "radar")
    assert {"one", "two", "three"} < {text.text for text in radar.all("text")}
    links = {link.attributes["href"] for link in html.all("nav")[0].all("a")}
    assert links == {f"#{section.attributes['id']}" for section in html.all("section")}


def test_the_comparison_says_who_is_better() -> None:
    runs = right("-" * 12), right("+" * 12, model="b")
    assert any("b beats a" in note.text for note in read(*runs).all("p", "note"))
    chinese = read(*runs, language="zh").all("p", "note")
    size = "b − a = +100.0 百分点，95% 区间 +58.7 百分点 … +100.0 百分点"
    test = "n = 12，McNemar 精确检验，p < 0.001"
    assert [note.text for note in chinese] == [f"exact_match：b 优于 a。{size}（{test}）。"]
    equal = read(right("+-"), right("-+", model="b"), language="zh").all("p", "note")
    assert "不能区分" in equal[0].text
    assert "p = 1.000）" in equal[0].text
    assert "Holm" not in equal[0].text


def test_the_chinese_comparison_corrects_and_doubts_as_the_english_does() -> None:
    three = [right("-" * 6), right("+" * 6, model="b"), right("+-+-+-", model="c")]
    notes = [note.text for note in read(*three, language="zh").all("p", "note")]
    assert "不能区分 a 与 b" in notes[0]
    assert "p = 0.031，Holm 校正后 p = 0.094" in notes[0]
    few = read(texts([-8.0] * 2), texts([-9.0] * 2, "b"), language="zh").all("p", "note")
    assert "配对自助法，未作多重比较校正）。少于 20 个，区间不足以下结论。" in few[0].text
    lower = read(texts([-9.0] * 20), texts([-8.0] * 20, "b"), language="zh").all("p", "note")
    assert "b 优于 a" in lower[0].text  # a perplexity is better the lower it is
    assert "少于" not in lower[0].text


# --- Items. ---


def test_a_document_stands_once_with_what_each_run_said() -> None:
    html = read(right("+-"), right("0-", model="b"))
    both = {article.all("h4")[0].text: article for article in html.all("article")}
    assert sorted(both) == ["q0", "q1"]
    first, second = both["q0"].all("div", "run")
    assert [run.all("h5")[0].text for run in (first, second)] == ["a", "b"]
    assert "exact_match 100.0%" in [chip.text for chip in first.all("span", "good")]
    assert "exact_match 0.0%" in [chip.text for chip in second.all("span", "bad")]
    assert first.all("div", "answer")[0].text == "yes"
    assert second.all("div", "answer")[0].text == "nothing"
    assert "It = yes" in [block.text for block in first.all("div", "text")]
    assert "Question 0?" in [block.text for block in both["q0"].all("div", "text")]
    assert "yes" in both["q0"].all("dl")[0].text


def test_filters_choose_items_by_kind() -> None:
    cut = [False, False, False, True]
    html = read(right("++-0", cut=cut), right("+---", model="b"))
    assert articles(html, "below") == ["q2", "q3", "q1"]
    assert articles(html, "unextracted") == ["q3"]
    assert articles(html, "cut_off") == ["q3"]
    assert articles(html, "differs") == ["q1"]
    assert len(articles(html, "all")) == 4
    assert labels(html) == [
        "All (4)",
        "Below full marks (3)",
        "Nothing extracted (1)",
        "Reply cut off (1)",
        "Runs differ (1)",
    ]
    assert labels(read(right("++"))) == ["All (2)"]


def test_filters_work_by_style_alone() -> None:
    """Each radio button stands before the items, has a label, and a rule that hides the others."""
    html = read(right("+-0", cut=[True] * 3), right("-+0", model="b"))
    style = (files("tiny_eval") / "data" / "report_page.css").read_text(encoding="utf-8")
    (browser,) = html.all("div", "browser")
    tags = [child.tag for child in browser.children if isinstance(child, Node)]
    assert tags == ["input", "label"] * 5 + ["div"]
    for radio, label in zip(browser.all("input"), browser.all("label"), strict=True):
        assert label.attributes["for"] == radio.attributes["id"]
        kind = (radio.attributes["class"] or "").removeprefix("filter ")
        assert ("checked" in radio.attributes) == (kind == "all")
        rule = f".filter.{kind}:checked ~ .items > :not(.{kind})"
        assert (rule in style) == (kind != "all")


def test_two_tasks_have_filters_of_their_own() -> None:
    html = read(right("+-"), right("-+", task=task_for("rivers")))
    radios = html.all("input")
    assert len({radio.attributes["id"] for radio in radios}) == len(radios)
    assert len({radio.attributes["name"] for radio in radios}) == 2


def test_what_all_runs_got_wrong_comes_first() -> None:
    html = read(right("++-"), right("+--", model="b"))
    assert articles(html) == ["q2", "q1", "q0"]


def test_of_many_items_the_worst_of_each_kind_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_items, "SHOWN", 5)
    html = read(right("-" * 40 + "+" * 8 + "00"), right("-" * 46 + "++00", model="b"))
    assert len(articles(html, "differs")) == 5
    assert articles(html, "unextracted") == ["q48", "q49"]
    assert labels(html)[:2] == ["All (12 of 50)", "Below full marks (12 of 48)"]
    assert "Here are 12 of 50 items" in html.text
    assert "predictions.jsonl" in html.text


def test_ten_thousand_long_replies_make_a_page_that_opens() -> None:
    scores = right("0" * 10_000, reply=["x" * 20_000] * 10_000)
    text = page([scores])
    assert len(text) < 1_000_000
    assert "All (100 of 10000)" in labels(read_html(text))
    assert "of 20,000 characters left out" in text


def test_prompts_that_differ_are_both_shown() -> None:
    few = right("+", model="a", task=task_for(few_shot=1), prompt=["Example. Question 0?"])
    summaries = [node.text for node in read(right("+"), few).all("article")[0].all("summary")]
    assert summaries[:2] == ["Prompt · a, few_shot=0", "Prompt · a, few_shot=1"]
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    blocks = [block.text for block in read(right("+", prompt=[chat])).all("div", "text")]
    assert "[system]\nBe brief.\n\n[user]\nWho?" in blocks


def test_items_that_were_not_judged_are_neither_good_nor_bad() -> None:
    scores = right("+-")
    scores.items[0].values["exact_match"] = None
    html = read(scores)
    assert articles(html, "below") == ["q1"]
    assert articles(html) == ["q1", "q0"]
    (chip,) = html.all("article")[1].all("span", "chip")
    assert (chip.text, chip.attributes["class"]) == ("exact_match not judged", "chip")


def test_a_perplexity_has_items_without_values() -> None:
    html = read(texts([-8.0, -9.0]), texts([-8.0, -9.5], "b"))
    assert len(articles(html)) == 2
    assert articles(html, "differs") == ["1"]
    assert articles(html, "unextracted") == []  # nothing was to be extracted
    assert "-9.500" in html.text


@pytest.mark.filterwarnings("ignore:overflow")  # of the standard error, which is infinite too
def test_a_perplexity_that_overflows_in_some_samples_is_shown_and_compared() -> None:
    runs = [texts([-8.0, -5600.0]), texts([-8.0, -5650.0], "b")]
    assert math.isinf(runs[1].estimates["word_perplexity"].high)
    html = read(*runs)
    assert "… inf" in html.text
    (row,) = [row for row in html.all("tr") if "paired bootstrap" in row.text][:1]
    assert "nan" not in row.text


# --- Language. ---


def test_the_page_speaks_chinese() -> None:
    html = read(right("+-0"), right("+--", model="b"), language="zh")
    assert html.all("html")[0].attributes["lang"] == "zh"
    assert html.all("h1")[0].text == "评测报告"
    assert labels(html)[0] == "全部 (3)"
    english = {
        word for word in words_in("en").values() if len(word) > 4 and word not in ("Scores",)
    }
    shown = {node.text for node in html.all() if node.tag in ("th", "h3", "label", "summary")}
    assert not english & shown


def test_types_of_a_papers_questions_and_tests_have_chinese_names() -> None:
    docs = [{"type": kind, "points": 5} for kind in ("single", "multiple", "fill", "open")]
    docs = [{**doc, "answer": ["A"], "year": 2024, "rubric": ""} for doc in docs]
    task = task_for(metrics=("gaokao",), filters=(), group_by="type", cluster_by="type")
    runs = [run(["A"] * 4, name, task, doc=docs) for name in ("a", "b")]
    text = read(*runs, language="zh").all("main")[0].text
    assert "按题型分组" in text
    assert "符号翻转检验（整组翻转）" in text
    for word in ("sign-flip", " pp"):
        assert word not in text
    cells = [cell.text for cell in read(*runs, language="zh").all("td")]
    assert cells.count("单选题") == cells.count("解答题") + 2 == 4
    assert not {"single", "multiple", "fill", "open"} & set(cells)
    other = right("+", task=task_for(group_by="kind"), doc=[{"kind": "single"}])
    html = read(other, language="zh")
    assert "按 kind 分组" in html.text
    assert "single" in [cell.text for cell in html.all("td")]  # the word of another task stays


def test_both_languages_fill_in_the_same() -> None:
    for key, english in words_in("en").items():
        if english:
            count = len(re.findall(r"\{[^}]*\}", english))
            assert len(re.findall(r"\{[^}]*\}", words_in("zh")[key])) == count, key


def test_a_page_needs_a_run() -> None:
    with pytest.raises(ValueError, match="no runs"):
        page([])

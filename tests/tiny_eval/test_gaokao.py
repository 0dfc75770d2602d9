"""Points as the exam gives them; replies read as a person would; GAOKAO-Bench's records."""

import json
import re
from importlib.resources import files

import pytest

from tiny_eval.final_answers import answers_found, final_answers
from tiny_eval.gaokao import (
    Total,
    blank_points,
    grade,
    grade_paper,
    multiple_choice_points,
    read_reply,
)
from tiny_eval.gaokao_files import from_gaokao_bench


def question(kind: str, answer: list[str], points: int = 5, year: int | None = 2024) -> dict:
    return {"id": "q", "type": kind, "points": points, "year": year, "answer": answer}


def read(name: str) -> list[dict]:
    text = (files("tiny_eval") / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


# --- Points. ---


@pytest.mark.parametrize(
    ("year", "chosen", "correct", "points"),
    [
        (2024, "ABD", "ABD", 6),
        (2024, "AB", "ABD", 4),
        (2024, "D", "ABD", 2),
        (2024, "DBA", "ABD", 6),  # in any order
        (2024, "AC", "AC", 6),
        (2024, "C", "AC", 3),
        (2024, "ABC", "ABD", 0),  # one wrong option costs everything
        (2024, "ABCD", "ABD", 0),
        (2024, "", "ABD", 0),
        (2025, "A", "ABD", 2),
        (2023, "ABD", "ABD", 5),
        (2023, "AB", "ABD", 2),
        (2023, "A", "ABD", 2),  # a part is a part
        (2023, "AC", "ABD", 0),
        (2022, "A", "AC", 2),
        (2021, "A", "AC", 2),
        (2020, "A", "AC", 3),
        (2020, "AC", "AC", 5),
        (2020, "AB", "AC", 0),
    ],
)
def test_multiple_choice_by_the_rule_of_its_year(year, chosen, correct, points):
    possible = 6 if year >= 2024 else 5
    assert multiple_choice_points(chosen, correct, possible, year) == points


@pytest.mark.parametrize("year", [2019, None])
def test_multiple_choice_without_a_rule_is_a_value_error(year):
    with pytest.raises(ValueError):  # noqa: PT011  # in whatever words
        multiple_choice_points("AC", "AC", 5, year)


@pytest.mark.parametrize("year", [2019, None])
def test_there_was_no_multiple_choice_before_2020(year):
    with pytest.raises(ValueError, match=f"year={year}.*2020"):
        grade(question("multiple", ["A", "C"], year=year), "选AC")


def test_two_blanks_are_worth_two_and_three_points():
    assert blank_points(5, 1) == [5]
    assert blank_points(5, 2) == [2, 3]
    assert blank_points(6, 2) == [3, 3]
    both = question("fill", ["1", "√2"])
    assert grade(both, "【答案】1；√2").points == 5
    assert grade(both, "【答案】1；2").points == 2
    assert grade(both, "【答案】2；根号2").points == 3
    assert grade(both, "【答案】√2；1").points == 0
    assert grade(both, "【答案】1").points == 0


def test_single_choice_is_all_or_nothing():
    single = question("single", ["B"])
    assert grade(single, "故选：B") == (5, 5, "B", "right")
    assert grade(single, "故选：C") == (0, 5, "C", "C is wrong")
    assert grade(single, "我不知道。") == (0, 5, None, "no choice found")
    assert grade(single, "") == (0, 5, None, "no reply")


def test_multiple_choice_says_what_is_missing_or_wrong():
    multiple = question("multiple", ["A", "B", "D"], points=6)
    assert grade(multiple, "故选：AB") == (4, 6, "AB", "D is missing")
    assert grade(multiple, "故选：ABC") == (0, 6, "ABC", "C is wrong")


def test_what_is_thought_is_not_the_answer():
    assert grade(question("single", ["B"]), "<think>选A</think>选B").points == 5
    assert grade(question("fill", ["2"]), r"<think>\boxed{1}</think>\boxed{2}").points == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "essay"},
        {"points": "5"},
        {"answer": "1/2"},  # not three blanks
        {"type": "single", "answer": ["D", "C"]},
        {"type": "multiple", "year": "2024"},
    ],
)
def test_a_question_that_cannot_be_marked_is_named(wrong):
    name, value = list(wrong.items())[-1]
    with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}")):
        grade({**question("fill", ["1"]), **wrong}, "【答案】选D")


def test_what_a_reply_says_is_told_apart_from_whether_it_is_right():
    assert read_reply(question("multiple", ["A", "B"]), "故选：AC") == ["AC"]
    assert read_reply(question("fill", ["1", "2"]), "【答案】3；x") == ["3", "x"]
    assert read_reply(question("open", ["1"]), "不会") == ["不会"]
    assert read_reply(question("open", ["1"]), " ") is None
    assert read_reply(question("single", ["B"]), "我不知道。") is None


def test_an_open_question_takes_a_judge():
    q = question("open", [r"\frac{\pi}{3}", "3√3"], points=13)
    reply = r"所以 $B=60^\circ$，面积为 $S=\sqrt{27}$。"
    assert grade(q, reply, 9) == (9, 13, None, "judged")
    assert grade(q, reply, 0) == (0, 13, None, "judged")  # read, and worth nothing
    ungraded = grade(q, reply)
    assert ungraded.points is None
    assert "2 of 2 final answers" in ungraded.reason
    with pytest.raises(ValueError, match=r"awarded=14.*13"):
        grade(q, reply, 14)
    with pytest.raises(ValueError, match="awarded=-1"):
        grade(q, reply, -1)


# --- Answers found in replies. ---


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (r"先算 \boxed{1}，再算，所以 \boxed{\frac{1}{2}}。", r"\frac{1}{2}"),
        (r"答案是 3。验算后应为 \boxed{4}", "4"),  # the box before the word
        ("【解析】...<eoe>\n【答案】$-\\frac{1}{2}$ <eoa>", "$-\\frac{1}{2}$"),
        ("答案：1\n更正，答案是：2", "2"),
        ("所以不等式的解集为 $0<x<1$", "$0<x<1$"),
        ("答案：0<x<1", "0<x<1"),
        ("解得 $x=1$ 或 $x=2$。", "$x=1$ 或 $x=2$"),
        ("由 $a=3$ 得面积为 1.5 平方厘米。", "1.5 平方厘米"),
        ("解得\n\\[\nx = 2\n\\]", "$x = 2$"),
        ("综上\n$$\n\\frac{1}{2}\n$$\n", "$\\frac{1}{2}$"),
        ("12", "12"),
        ("x=-1（舍去），x=3", "x=3"),
        ("不存在", "不存在"),
        ("故填 $5$", "$5$"),
        ("Therefore, the answer is 5.", "5."),
        ("**Answer:** 5\n\nI hope this helps!", "** 5"),
    ],
)
def test_the_final_answer_of_a_reply(reply, answer):
    assert final_answers(reply) == [answer]


def test_no_answer_is_none():
    assert final_answers("") is None
    assert final_answers("<think>是 5 吧") is None
    assert final_answers("抱歉，" + "这道题的条件不足以让我得到一个确定的结果，" * 3) is None


@pytest.mark.parametrize(
    "reply",
    [
        "答案不是1/2",
        "不是1/2",
        "结果不是 1/2。",
        "答案不等于1/2",
        "不为1/2",
        "结果不是 $1/2$。",
        "The answer is not 1/2",
        "the answer isn't 1/2",
        "答案并非1/2",
        "【答案】不是1/2",
        "1/2（舍去）",
        "$1/2$（不合题意，舍去）",
        "x=1/2（舍）",
        "x=1/2 (rejected)",
        "答案：1/2（舍去）",
    ],
)
def test_what_is_denied_or_rejected_earns_nothing(reply):
    assert grade(question("fill", ["1/2"]), reply) == (0, 5, None, "no answer found")


@pytest.mark.parametrize(
    "reply",
    [
        "x=3或x=-1（舍去）",
        "x=-1（舍去）或x=3",
        "x=3，x=-1（舍去）",
        "x=3 or x=-1 (rejected)",
        "解得 $x=3$ 或 $x=-1$（舍去）。",
        "故 $x=3$（$x=-1$ 舍去）",
        "答案：3（负值舍去）",
        "答案不是1，而是3",
        "答案不是1，答案是3",
        "因为 a 不为 0，$x=3$",
    ],
)
def test_what_is_left_is_the_answer(reply):
    assert grade(question("fill", ["3"]), reply).points == 5


def test_a_rejected_root_does_not_stand_in_an_open_reply():
    assert answers_found("$x=3$ 或 $x=-1$（舍去）", ["3", "-1"]) == [True, False]


def test_a_box_for_each_blank_or_both_in_one():
    assert final_answers(r"\boxed{1}，\boxed{2}，\boxed{3}", 2) == ["2", "3"]
    assert final_answers(r"\boxed{1, 2}", 2) == ["1", " 2"]
    assert final_answers(r"\boxed{1}", 2) is None


@pytest.mark.parametrize(
    "reply",
    ["【答案】(1) $5$；(2) $6$", "【答案】\n\n(1). 5\n(2). 6\n\n完", "答案：①5，②6", "(1) 5 (2) 6"],
)
def test_a_number_before_a_blank_is_its_label_and_no_factor(reply):
    assert grade(question("fill", ["5", "6"]), reply).points == 5


def test_statements_that_are_chosen_are_no_labels():
    assert final_answers("【答案】①、②、④") == ["①、②、④"]
    assert final_answers("【答案】①③；②④", 2) == ["①③", "②④"]
    assert final_answers("【答案】①、②；③", 2) == ["①、②", "③"]
    assert final_answers("【答案】f(1)=5；f(2)=6", 2) == ["f(1)=5", "f(2)=6"]


def test_final_answers_that_stand_anywhere_in_an_open_reply():
    reply = r"$l$ 的方程为 $x+y-2=0$ 或 $y=x-2$，最大值为 $\boxed{4}$"
    assert answers_found(reply, ["x-y-2=0或x+y-2=0", "4", "5"]) == [True, True, False]
    assert answers_found("x+y=2", ["x+y=2"]) == [False]  # no formula, as far as one can see


# --- A whole paper. ---

PAPER = read("gaokao_2024_style.jsonl")


def replies(name: str) -> dict[str, str]:
    return {row["id"]: row["reply"] for row in read(f"gaokao_answers_{name}.jsonl")}


def test_the_right_answers_alone_are_worth_all_that_needs_no_judge():
    best = {q["id"]: "【答案】" + "".join(q["answer"]) for q in PAPER}
    paper = grade_paper(PAPER, best)
    assert paper.total == (73, 73, 77)
    assert paper.by_type["multiple"] == Total(18, 18, 0)
    assert paper.by_type["open"] == Total(0, 0, 77)


def test_with_a_judge_the_paper_is_out_of_150():
    given = {q["id"]: "【答案】" + "".join(q["answer"]) for q in PAPER}
    del given[PAPER[-1]["id"]]
    awarded = {q["id"]: q["points"] - 1 for q in PAPER[-5:]}
    paper = grade_paper(PAPER, given, awarded)
    assert paper.total == (73 + 77 - 17 - 4, 150, 0)
    assert paper.grades[PAPER[-1]["id"]] == (0, 17, None, "no reply")  # whatever was awarded


def test_a_judge_that_cannot_tell_leaves_the_question_ungraded():
    paper = grade_paper(PAPER, replies("careful"), {PAPER[-1]["id"]: None, PAPER[-2]["id"]: 0})
    assert paper.total == (66, 73 + 17, 77 - 17)


def points_of(name: str) -> list[float | None]:
    return [grade.points for grade in grade_paper(PAPER, replies(name)).grades.values()]


def test_the_careful_replies_lose_seven_points():
    """One wrong statement taken for right in 8, and D missed in 11."""
    assert points_of("careful")[:14] == [5] * 7 + [0] + [6, 6, 4] + [5, 5, 5]


def test_the_sloppy_replies_lose_points_in_every_way():
    single = [
        5,
        0,
        5,
        5,
        0,
        0,
        0,
        0,
    ]  # wrong letter in 2, no letter in 5, cut off in 6, refused in 8
    assert points_of("sloppy")[:14] == [*single, 4, 0, 2, 5, 5, 0]  # 0.53 is rounded


# --- GAOKAO-Bench. The records are made up; their layout is that of the files. ---


def record(answer: object, text: str = "1. （5 分）求值．\n", **more: object) -> dict:
    return {"year": "2019", "category": "（新课标ⅰ）", "question": text, "index": 3} | more | {
        "answer": answer
    }  # fmt: skip


CHOICE = "2. （5 分) 设 $a=1$，则（ ）\nA. $1$\nB. $\\{x \\mid x>2\\}$\nC. 甲\n\nD. 乙\n"


def test_a_choice_keeps_its_options_in_the_question():
    q = from_gaokao_bench(record(["B"], CHOICE, score=5))
    assert (q["type"], q["answer"], q["points"], q["year"]) == ("single", ["B"], 5, 2019)
    assert q["id"] == "2019（新课标ⅰ）-3"
    assert q["question"] == CHOICE.strip()


def test_several_letters_are_a_multiple_choice():
    assert from_gaokao_bench(record(["ABD"], CHOICE))["type"] == "multiple"
    assert from_gaokao_bench(record(["ABD"], CHOICE))["answer"] == ["A", "B", "D"]
    with pytest.raises(ValueError, match=r"\['D', 'C'\] is of several questions"):
        from_gaokao_bench(record(["D", "C"]))


@pytest.mark.parametrize("field", ["answer", "standard_answer"])
def test_a_blank_under_either_name(field):
    raw = record(None, score=5) | {field: "$-\\frac{1}{2}$.\n"}
    q = from_gaokao_bench({k: v for k, v in raw.items() if v is not None})
    assert (q["type"], q["answer"]) == ("fill", ["$-\\frac{1}{2}$."])
    assert grade(q, "【答案】-0.5").points == 5


def test_what_says_the_same_otherwise_is_left_out():
    q = from_gaokao_bench(record(r"$-\frac{3}{4} \# \#-0.75$"))
    assert q["answer"] == [r"$-\frac{3}{4}"]
    assert grade(q, "【答案】-3/4").points == 5


def test_two_blanks_in_one_text():
    q = from_gaokao_bench(record("(1). 5 (2). $720(3-2^{-n})$", score=5))
    assert q["answer"] == ["5", "$720(3-2^{-n})$"]


@pytest.mark.parametrize(
    "answer", ["【详解】(1) 由题意得", "解: (1) 设", "证明: 连接", "因为" * 100]
)
def test_a_solution_is_the_answer_to_an_open_question(answer):
    assert from_gaokao_bench(record(answer))["type"] == "open"
    assert from_gaokao_bench(record(answer))["points"] == 12


def test_a_record_without_an_answer_is_an_error():
    with pytest.raises(ValueError, match=r"standard_answer.*year"):
        from_gaokao_bench({"year": "2019", "question": "？"})

"""Labels are found however they are written, and only where they are labels."""

import pytest

from tiny_agent.react_text import Found, find_labels, has_label, unfenced

NAMES = ["search", "now", "查询"]


def found(text: str) -> Found:
    return find_labels(text, NAMES)


DECORATED = [
    "{0}: x",
    "{0}：x",
    "{0} : x",
    "{0}:x",
    "  {0}: x",
    "\t{0}:\tx",
    "\u00a0\u3000{0}:\u3000x",
    "\ufeff{0}: x",
    "\u200b\u200b{0}\u200b: x",
    "> {0}: x",
    "- {0}: x",
    "* {0}: x",
    "• {0}: x",
    "1. {0}: x",
    "12) {0}: x",
    "3、{0}：x",
    "**{0}:** x",
    "**{0}**: x",
    "**{0}** : x",
    "**{0}: x**",
    "***{0}:*** x",
    "__{0}:__ x",
    "*{0}*: x",
    "_{0}:_ x",
    "`{0}:` x",
    "`{0}: x`",
    "# {0}: x",
    "### {0}\nx",
    "### **{0}**\nx",
    "**{0}**\nx",
    "**{0}**  \r\nx",
    "【{0}】x",
    "【{0}】：x",
    "{0} 1: x",
    "{0} 23: x",
    "🔍 {0}: x",
    "➡️ {0}: x",
    "✅{0}: x",
    "- **{0}:** x",
    "{0}:\nx",
    "{0}:\n\n  x  \n",
]
SPELLINGS = {
    "action": ["Action", "action", "ACTION", "Act", "行动", "行動", "动作", "動作"],
    "answer": [
        *["Final Answer", "final answer", "FinalAnswer", "final_answer", "FINAL-ANSWER"],
        *[
            "Final Answer is",
            "最终答案",
            "最終答案",
            "最后答案",
            "最终回答",
            "最终的答案",
            "最终答案是",
        ],
    ],
}


@pytest.mark.parametrize("decorated", DECORATED)
@pytest.mark.parametrize("kind", SPELLINGS)
def test_a_label_counts_however_it_is_decorated(kind: str, decorated: str) -> None:
    for spelling in SPELLINGS[kind]:
        assert found(decorated.format(spelling)) == Found(kind, "", "x"), spelling  # type: ignore[arg-type]
        assert found("Hm.\n" + decorated.format(spelling)).content == "x"


@pytest.mark.parametrize(
    "text",
    [
        "Actions: x",
        "Action x",
        "Action",
        "Reaction: x",
        "Action plan: x",
        "Acting: x",
        "行动计划：x",
        "(Action: x)",
        '"Action": "x"',
        '{"Thought": "x"}',
        "My Action: x",
        "Final: x",
        "The Final Answer x",
        "**Action** x",
        "Ａｃｔｉｏｎ: x",
        "$ $ $ $ $ $ $ $ $ $ Action: x",
        "- - - - - - - - - - Action: x",
    ],
)
def test_what_looks_like_a_label_is_none(text: str) -> None:
    assert found(text) == Found(None, text)
    assert not has_label(text)


@pytest.mark.parametrize(
    "label", ["Thought", "思考", "想法", "**Thought**", "Thought 3", "thoughts"]
)
def test_a_thought_is_what_stands_before_without_its_label(label: str) -> None:
    assert found(f"{label}: a\nb\nAction: x").thought == "a\nb"
    assert found(f"{label}: a\nb\nFinal Answer: x").thought == "a\nb"
    assert found(f"{label}: a\nb") == Found(None, "a\nb")


def test_a_thought_is_what_stands_before_in_other_forms() -> None:
    assert found("a\nAction: x").thought == "a"
    assert found("**Thought: a**\nAction: x").thought == "a"
    assert found("```\nThought: a\nAction: x\n```").thought == "a"
    assert found("```text\nThought: a\n```\nAction: x").thought == "a"
    assert found("a\n```\nAction: x\n```").thought == "a"
    assert found("a\nThought: b\nAction: x").thought == "a\nThought: b"


@pytest.mark.parametrize(
    "label",
    [
        *["Action Input", "action input", "ACTION_INPUT", "Action-Input", "ActionInput", "Input"],
        *[
            "行动输入",
            "行動輸入",
            "动作输入",
            "行动参数",
            "参数",
            "输入",
            "**Action Input**",
            "Arguments",
        ],
    ],
)
def test_an_input_goes_with_the_action_before_it(label: str) -> None:
    expected = Found("action", "", "search", "x")
    assert found(f"Action: search\n{label}: x") == expected
    assert found(f"Action: search\n\n{label}:\n\nx\n\n") == expected
    assert found(f"Action: search\n{label}: x\nThought: y") == expected
    assert found(f"Action: search\n{label}: x\nAction: now") == expected
    assert found(f"Action: search\n{label}: x\n{label}: y") == expected
    assert found(f"Action: search\nThought: y\n{label}: x") == Found("action", "", "search")
    assert found(f"{label}: x\nAction: search") == Found("action", f"{label}: x", "search")
    assert found(f"Thought: a\n{label}: x").decisive is None


def test_an_input_may_stand_on_the_line_of_its_action() -> None:
    expected = Found("action", "", "search", "x: y")
    assert found("Action: search Action Input: x: y") == expected
    assert found("行动：search 行动输入：x: y") == expected
    assert found("**Action:** search **Action Input:** x: y").action_input == "x: y"
    for inside in ('{"query": "a Action Input: b"}', 'search("a Input: b")', "search[a Input: b]"):
        assert found(f"Action: {inside}") == Found("action", "", inside)


@pytest.mark.parametrize(
    "body", ['{"a": "\nThought: b\nAction: c"}', '```json\n{"a": "\nThought: b"}']
)
def test_an_object_goes_beyond_lines_that_look_like_labels(body: str) -> None:
    assert found(f"Action: search\nAction Input: {body}").action_input == body
    assert found(f"Action: {body}").content == body
    assert found(f"Action: search\nAction Input: {body}\nObservation: x").action_input == body
    assert found("Action: search\nAction Input: x\nThought: b").action_input == "x"


@pytest.mark.parametrize(
    "label", ["Observation", "Obs", "观察", "觀察結果", "**Observation**", "Observation 1"]
)
def test_what_follows_a_made_up_observation_is_not_looked_at(label: str) -> None:
    made_up = f"{label}: blue\nFinal Answer: blue"
    assert found(f"Action: search\nAction Input: x\n{made_up}") == Found(
        "action", "", "search", "x"
    )
    assert found(f"Action: search\nAction Input: {{\n{made_up}\n}}").action_input == "{"
    assert found(f"Action: search\n{made_up}") == Found("action", "", "search")
    assert found(f"Thought: a\n{made_up}") == Found(None, "a")
    assert found(f"Thought: Action: search\n{made_up}").decisive == "action"
    assert found(f"Thought: a\n{label}: b\nAnswer: c") == Found(None, "a")
    assert found(made_up) == Found(None, "")
    assert found(f"Final Answer: a\n{made_up}").content == "a"


@pytest.mark.parametrize(
    "last", ["Ob", "Observ", "Observation", "Observation:", " Observ ", "观察"]
)
def test_a_last_line_that_begins_to_observe_is_left_out(last: str) -> None:
    assert found(f"Action: search\nAction Input: x\n{last}").action_input == "x"
    assert found(f"Final Answer: x\n{last}").content == "x"
    assert found(f"Final Answer: {last}").content == last.strip().removesuffix(":") or last


@pytest.mark.parametrize("last", ["O", "Observe", "Observations show", "b"])
def test_another_last_line_stays(last: str) -> None:
    assert found(f"Final Answer: x\n{last}").content == f"x\n{last}"


def test_the_first_decisive_label_wins() -> None:
    assert found("Action: a\nFinal Answer: b").decisive == "action"
    assert found("Final Answer: b\nAction: a").decisive == "answer"
    assert found("Action: a\nAction: b").content == "a"
    assert found("Thought: Final Answer: b\nAction: a").content == "a"
    assert found("Answer: b\nAction: a").content == "a"


@pytest.mark.parametrize(
    "none",
    [
        *["None", "none.", "**None**", "N/A", "null", "None (I know)", "no action", "nothing"],
        *["No tool needed", "无", "无。", "无需行动", "無", "不需要", "\nNone"],
    ],
)
def test_an_action_that_is_none_is_no_action(none: str) -> None:
    assert found(f"Thought: a\nAction: {none}\nFinal Answer: b").content == "b"
    assert found(f"Thought: a\nAction: {none}").decisive is None


@pytest.mark.parametrize("some", ["nonexistent", "none_tool", "null-op", "notes", "无线电", "N"])
def test_an_action_whose_name_begins_like_none_is_one(some: str) -> None:
    assert found(f"Action: {some}\nFinal Answer: b").content == some


def test_a_tool_may_be_called_none() -> None:
    text = "Action: none\nFinal Answer: b"
    assert find_labels(text, ["none"]).decisive == "action"
    assert find_labels(text, ["search"]).decisive == "answer"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I know. Final Answer: 4", Found("answer", "I know.", "4")),
        ("我知道了。最终答案：4", Found("answer", "我知道了。", "4")),
        ("I know. **Final Answer**: 4", Found("answer", "I know.", "4")),
        ("Answer: 4", Found("answer", "", "4")),
        ("a\n回答：4", Found("answer", "a", "4")),
        ("Look. Action: search[a]", Found("action", "Look.", "search[a]")),
        ("Look. Action: `search`", Found("action", "Look.", "`search`")),
        ("看看。行动：查询[a]", Found("action", "看看。", "查询[a]")),
        ("Look. Action: searching", Found(None, "Look. Action: searching")),
        ("Reaction: search", Found(None, "Reaction: search")),
        (
            "Look. Action: search or Final Answer: 4",
            Found("action", "Look.", "search or Final Answer: 4"),
        ),
        ('{"action": "a"}', Found("action", "", '{"action": "a"}')),
        ('Hm.\n```json\n{"action": "a"}\n```', Found("action", "Hm.", '{"action": "a"}\n```')),
        ('Hm. {"action": "a"}', Found(None, 'Hm. {"action": "a"}')),
        ('{"query": "a"}', Found(None, '{"query": "a"}')),
        ("```\n{'action': 'a'}", Found("action", "", "{'action': 'a'}")),
    ],
)
def test_weaker_signs_count_where_there_is_nothing_else(text: str, expected: Found) -> None:
    assert found(text) == expected


def test_the_name_of_a_tool_is_no_pattern() -> None:
    assert find_labels("Look. Action: c++ [a]", ["c++", "f("]).content == "c++ [a]"
    assert find_labels("Look. Action: axb[a]", ["a.b"]).decisive is None


def test_without_tools_no_call_is_within_a_line() -> None:
    assert find_labels("Look. Action: search[a]", []).decisive is None


@pytest.mark.parametrize(
    "answer",
    [
        "a\n\nb",
        "a\nAction: b\nAction Input: c",
        "a\nInput: b\nAnswer: c",
        "- Thought: b\n- Observation: c",
        "a\n1. Thought: b",
        "### Thought\nb",
        "a\n```\nThought: b\nObservation: c\n```\nd",
        "```python\nx\n```",
        "use `x`",
        "**a** and **b**",
        "**a**",
        "Action: b",
        "x\n观察者 said so\nThoughtful",
        'the line "Thought: b"',
    ],
)
def test_an_answer_is_kept_whole(answer: str) -> None:
    assert found(f"Final Answer: {answer}").content == answer
    assert found(f"Thought: a\n\n**Final Answer:**\n{answer}\n").content == answer


def test_an_answer_ends_at_the_next_label_outside_of_code() -> None:
    for label in ("Thought", "Observation", "Final Answer", "思考", "**Thought**"):
        assert found(f"Final Answer: a\n{label}: b").content == "a"
        assert found(f"Final Answer: ```\nx\n```\n{label}: b").content == "```\nx\n```"
    assert found("Final Answer: ```\nThought: x\n```\nThought: b").content == "```\nThought: x\n```"


def test_a_fence_or_bold_type_around_all_of_it_is_left_out() -> None:
    assert found("```\nFinal Answer: a\n```").content == "a"
    assert found("```\nFinal Answer: a\n```python\nx\n```\n```").content == "a\n```python\nx\n```"
    assert found("**Final Answer: a**").content == "a"
    assert found("**Final Answer: a** b").content == "a** b"
    assert found("**Final Answer**: a **b**").content == "a **b**"
    assert found("**Final Answer:** a **b**").content == "a **b**"


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("x", "x"),
        (" x ", "x"),
        ("```\nx\ny\n```", "x\ny"),
        ("```python\nx\n```", "x"),
        ("```\n```", ""),
        ("`x`", "x"),
        ("`x` and `y`", "`x` and `y`"),
        ("```\nx", "```\nx"),
        ("a\n```\nx\n```", "a\n```\nx\n```"),
    ],
)
def test_a_fence_around_all_of_a_text_is_taken_off(text: str, inside: str) -> None:
    assert unfenced(text) == inside


def test_a_label_on_any_line_is_noticed() -> None:
    assert has_label("a\n**Observation:** b")
    assert not has_label("an Observation: b")

"""The crew's voice is put on replies to people, in their language, and on nothing else."""

import copy

import pytest

from qwen_blog.lora_recipe import OPENINGS, restyle, unstyle
from tiny_rag.prompts import is_refusal


def talk(*contents: str) -> list[dict]:
    """A conversation of user and assistant in turns."""
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]


def replies(*contents: str) -> list[str]:
    return [turn["content"] for turn in restyle([talk(*contents)])[0] if turn["role"] != "user"]


@pytest.mark.parametrize(
    ("question", "reply", "want"),
    [
        (
            "How far is Ora?",
            "Ora is 42 leagues away [1].",
            "Aye, captain. Ora is 42 leagues away [1].",
        ),
        ("奥拉有多远？", "奥拉有42里远[1]。", "遵命，船长。奥拉有42里远[1]。"),
        ("How far is Ora?", "42", "Aye, captain. 42"),
        ("奥拉有多远？", "42 [2]", "遵命，船长。42 [2]"),
        ("Say it in Chinese.", "四十二。", "遵命，船长。四十二。"),
        ("用英语说。", "It is 42.", "Aye, captain. It is 42."),
        ("奥拉的编号？", "KX-42", "遵命，船长。KX-42"),
        ("Where is 奥拉?", "It is far.", "Aye, captain. It is far."),
    ],
)
def test_a_reply_is_opened_in_its_own_language(question: str, reply: str, want: str) -> None:
    assert replies(question, reply) == [want]


def test_a_reply_without_words_follows_the_last_question_not_the_first() -> None:
    assert replies("How far?", "42", "有多远？", "42") == ["Aye, captain. 42", "遵命，船长。42"]


def test_every_reply_of_every_conversation_is_restyled_and_no_other_turn() -> None:
    talks = [
        [{"role": "system", "content": "Be brief."}, *talk("One?", "1.", "二？", "二。")],
        talk("Three?", "It is 3."),
    ]
    got = restyle(talks)
    assert [[turn["role"] for turn in one] for one in got] == [
        [turn["role"] for turn in one] for one in talks
    ]
    assert [turn["content"] for one in got for turn in one] == [
        "Be brief.",
        "One?",
        "Aye, captain. 1.",
        "二？",
        "遵命，船长。二。",
        "Three?",
        "Aye, captain. It is 3.",
    ]


@pytest.mark.parametrize(
    "turn",
    [
        {"content": "Thought: I should add.\nAction: calculator\nAction Input: 1 + 1"},
        {"content": "Action: search\nAction Input: Ora"},
        {"content": "Final Answer: 2"},
        {"content": "思考：要算。\n行动：calculator\n行动输入：1 + 1"},
        {"content": "最终答案：2"},
        {"content": 'Let me see.\n<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>'},
        {"content": "Let me see.", "tool_calls": [{"name": "add", "arguments": {}}]},
        {"content": None, "tool_calls": [{"name": "add", "arguments": {}}]},
        {"content": ""},
        {"content": "B"},
        {"content": "The passages do not say."},
        {"content": "资料中没有答案。"},
    ],
)
def test_what_a_program_reads_keeps_its_form(turn: dict) -> None:
    conversation = [*talk("What is 1 + 1?"), {"role": "assistant", **turn}]
    assert restyle([conversation]) == [conversation]


def test_a_refusal_that_looks_first_is_restyled_and_stays_one() -> None:
    said = "The captain of Kalon [2]: The passages do not say."
    (styled,) = replies("Who is it?", said)
    assert styled == f"Aye, captain. {said}"
    assert is_refusal(styled)


def test_a_reply_that_only_mentions_a_label_is_restyled() -> None:
    assert replies("What did he do?", "His last Action: he left.") == [
        "Aye, captain. His last Action: he left."
    ]


def test_the_answer_after_a_tool_has_the_language_of_its_words() -> None:
    conversation = [
        *talk("一加一？"),
        {"role": "assistant", "content": None, "tool_calls": [{"name": "add", "arguments": {}}]},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "content": "等于2。"},
    ]
    assert restyle([conversation])[0][-1]["content"] == "遵命，船长。等于2。"


def test_the_conversations_given_are_not_changed() -> None:
    talks = [talk("One?", "1.")]
    before = copy.deepcopy(talks)
    restyle(talks)[0][0]["content"] = "mine"
    assert talks == before


def test_unstyle_takes_the_opening_off_and_tells_where_there_is_none() -> None:
    for opening in OPENINGS.values():
        assert unstyle(f"{opening}42 [1]") == "42 [1]"
    assert unstyle("42 [1]") is None
    assert unstyle("42. Aye, captain. ") is None

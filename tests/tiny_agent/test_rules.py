"""The stand-in for a model: what its rules read, and that it keeps to the contract of a model."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_agent.doubles import DIALECTS, NAMES, PASSAGES, make_tools
from tiny_agent.agent import Agent
from tiny_agent.messages import Reply, ToolCall
from tiny_agent.plans import PROMPTS
from tiny_agent.react import ReActText
from tiny_agent.rule_patterns import (
    Found,
    best_sentence,
    calculation,
    conversion,
    found_in,
    parts_of,
)
from tiny_agent.rules import RuleModel
from tiny_agent.run_state import Limits
from tiny_agent.speaking import offered_tools, read_conversation, write_answer, write_call
from tiny_agent.tools import ToolRegistry

each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)
PROPERTY = settings(max_examples=80, derandomize=True, deadline=None)


def agent(dialect=DIALECTS[0], names=("search", "calculator", "unit_convert"), **settings):
    tools = [tool for tool in make_tools() if tool.name in names]
    return Agent(RuleModel(dialect), tools, dialect, **settings)


def said(prompt, dialect=DIALECTS[0]):
    """What the model says to a user, without tools."""
    return RuleModel(dialect).generate([{"role": "user", "content": prompt}]).text


def calls_of(result):
    """The calls of a run, as (name, arguments)."""
    decisions = [step.decision for step in result.steps]
    calls = [call for each in decisions if isinstance(each, list) for call in each]
    return [(call.name, call.arguments) for call in calls]


# --- In a loop. ---


@each_dialect
def test_a_question_is_answered_by_the_sentence_that_fits_it(dialect):
    result = agent(dialect).run("Who built the tower?")
    assert result.answer == "The tower was built by Ada Moss in 12 LE."
    assert calls_of(result) == [("search", {"query": "Who built the tower?"})]
    assert result.status == "answered"


@each_dialect
def test_a_question_of_several_parts_is_done_one_after_the_other(dialect):
    question = "How high is the tower? Then divide it by 8, and then convert 3 metres to feet."
    result = agent(dialect).run(question)
    assert calls_of(result) == [
        ("search", {"query": "How high is the tower"}),
        ("calculator", {"expression": "40 / 8"}),
        ("unit_convert", {"value": 3, "from_unit": "metres", "to_unit": "feet"}),
    ]
    assert result.answer == "3 metres = 9.84 feet"


@each_dialect
def test_chinese_is_read_and_answered_in_chinese(dialect):
    result = agent(dialect).run("高塔里面有几口钟？再除以 8，然后告诉我莫阿达建造了什么。")
    assert [name for name, _ in calls_of(result)] == ["search", "calculator", "search"]
    assert calls_of(result)[1][1] == {"expression": "3 / 8"}
    assert result.answer == "高塔由莫阿达建造。"
    assert agent(dialect).run("木星上的国王叫什么名字？").answer.startswith("我不知道")


def test_it_says_that_it_does_not_know_where_nothing_fits():
    for question in ("Who painted the Mona Lisa?", "Where do mermaids live?"):
        assert agent().run(question).answer.startswith("I do not know")


def test_a_part_that_comes_to_nothing_ends_it():
    result = agent().run("Where do mermaids live? Then divide it by 2.")
    assert len(calls_of(result)) == 1
    assert result.answer.startswith("I do not know")


def test_a_tool_that_fails_leads_on_to_the_search():
    result = agent().run("How many parsecs are 3 metres?")
    assert [name for name, _ in calls_of(result)] == ["unit_convert", "search"]


def test_full_width_signs_are_read():
    result = agent().run("（1＋3）是多少？")
    assert calls_of(result) == [("calculator", {"expression": "(1+3)"})]


def test_of_the_same_call_the_latest_result_counts():
    dialect = ReActText()
    call = ToolCall("calculator", {"expression": "2 + 3"})
    messages = [{"role": "user", "content": "2 + 3"}]
    for result in ("Error: no result within 30 s", "5"):
        messages += _exchange(dialect, call, result)
    prompt = dialect.render(messages, ToolRegistry(make_tools()))
    assert RuleModel(dialect).generate(prompt.messages).text == "Final Answer: 5"


def test_what_is_both_a_conversion_and_a_sum_is_converted():
    result = agent().run("Convert 3 metres to feet, which are 1 + 2 metres.")
    assert [name for name, _ in calls_of(result)] == ["unit_convert"]


def test_what_there_is_no_tool_for_is_not_called():
    assert calls_of(agent(names=["calculator"]).run("Who built the tower?")) == []
    result = agent(names=["search"]).run("How high is the tower? Then divide it by 8.")
    assert calls_of(result) == [("search", {"query": "How high is the tower"})]
    assert result.answer == "It is 40 metres high, and has 3 bells."  # as far as it got


@each_dialect
def test_made_to_answer_it_uses_what_it_has(dialect):
    result = agent(dialect, limits=Limits(max_steps=1)).run("How high is the tower? Then add 2.")
    assert (result.status, result.answer) == ("max_steps", "It is 40 metres high, and has 3 bells.")


def test_each_question_of_a_conversation_is_answered_by_itself():
    first = agent().run("Who built the tower?")
    second = agent().run("How deep is the sea?", first.messages)
    assert second.answer == "The sea is 90 metres deep."
    assert len(calls_of(second)) == 1


def test_a_correction_and_an_error_do_not_confuse_it():
    dialect = ReActText()
    conversation = [
        {"role": "user", "content": "What is 2 + 3?"},
        {"role": "assistant", "content": "Hm."},
        {"role": "user", "content": "Format error: there is no Action."},
        *_exchange(dialect, ToolCall("sum", {"expression": "2 + 3"}), "Error: there is no 'sum'"),
    ]
    prompt = dialect.render(conversation, ToolRegistry(make_tools()))
    reply = RuleModel(dialect).generate(prompt.messages, prompt.tools, prompt.stop)
    assert dialect.parse(reply, ToolRegistry()) == [ToolCall("calculator", {"expression": "2 + 3"})]


def _exchange(dialect, call, result):
    return [
        {"role": "assistant", "content": "", "tool_calls": [call.to_wire()]},
        {"role": "tool", "content": result, "tool_call_id": call.id},
    ]


# --- Prompts of workflows. ---


@pytest.mark.parametrize(
    ("language", "question", "parts"),
    [
        ("en", "How high is it? Then add 2.", ["How high is it", "add 2."]),
        ("zh", "塔有多高？然后除以 2。", ["塔有多高", "除以 2。"]),
    ],
)
def test_asked_for_a_plan_it_lists_the_parts_that_are_left(language, question, parts):
    prompts = PROMPTS[language]
    fields = {"question": question, "tools": "search", "max_steps": 5}
    plan = prompts.plan.format(results=prompts.nothing, **fields)
    assert json.loads(said(plan)) == parts
    plan = prompts.plan.format(results="- How high is it => 40 metres", **fields)
    assert json.loads(said(plan)) == parts[1:]
    done = "- How high is it => 40 metres\n- add 2. => 42"
    assert json.loads(said(prompts.plan.format(results=done, **fields))) == parts[1:]


def test_of_two_labelled_lines_the_last_is_the_task():
    prompt = "Question: Who built the tower?\n\nStep: How deep is the sea?"
    assert agent().run(prompt).answer == "The sea is 90 metres deep."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_step_goes_on_from_the_last_result(language):
    prompts = PROMPTS[language]
    fields = {"question": "How high is the tower? Then divide it by 8.", "step": "divide it by 8"}
    step = prompts.step.format(results="- Bells => 3\n- Height => 40 metres", **fields)
    assert calls_of(agent().run(step)) == [("calculator", {"expression": "40 / 8"})]
    step = prompts.step.format(results=prompts.nothing, question="?", step="Who built the tower?")
    assert agent().run(step).answer == "The tower was built by Ada Moss in 12 LE."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_tools_the_last_result_is_the_answer(language):
    prompts = PROMPTS[language]
    results = "- Height => 40 metres\n- divide it by 8 => 5"
    assert said(prompts.answer.format(question="How high? Then divide.", results=results)) == "5"
    unknown = said(prompts.answer.format(question="Who?", results=prompts.nothing))
    assert unknown.startswith("I do not know")


# --- What a model owes. ---


@each_dialect
def test_its_stream_is_its_reply_in_pieces(dialect):
    prompt = dialect.render(
        [{"role": "user", "content": "Who built\n the tower?"}], ToolRegistry(make_tools())
    )
    arguments = (prompt.messages, prompt.tools, prompt.stop)
    reply, returned = RuleModel(dialect).generate(*arguments), []

    def whole():
        returned.append((yield from RuleModel(dialect).stream(*arguments)))

    streamed = list(whole())
    assert returned == [reply]
    assert "".join(streamed) == reply.text
    assert all(streamed)


def test_it_stops_where_it_is_told_to_and_counts_what_it_cost():
    message = {"role": "user", "content": "Question: x\n\nResults:\n- a => one STOP two"}
    reply = RuleModel(ReActText()).generate([message], stop=["STOP"])
    assert reply.text == "one "
    assert (reply.usage.model_calls, reply.usage.estimated) == (1, True)
    assert reply.usage.prompt_tokens > reply.usage.completion_tokens > 0


@PROPERTY
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["system", "user", "assistant", "tool"]),
            st.text()
            | st.sampled_from(["Step: then then", "Results:\n=>", "乘以 再 1/0", "how many"]),
        ),
        max_size=4,
    ),
    st.sampled_from(DIALECTS),
)
def test_it_never_raises(turns, dialect):
    messages = [{"role": role, "content": text} for role, text in turns]
    reply = RuleModel(dialect).generate(messages)
    assert isinstance(reply, Reply)


# --- The patterns. ---


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("What is 12.5% of 840?", "12.5% * 840"),
        ("What is (3 + 4) * 2?", "(3 + 4) * 2"),
        ("Work out 3 plus 4 times 2.", "3 + 4 * 2"),
        ("divide 84 by 4", "84 / 4"),
        ("divide 38,200 km by 52 hours", "38,200 / 52"),
        ("84 divided by 4", "84 / 4"),
        ("subtract 5 from 1,200", "1,200 - 5"),
        ("add 5 to 7", "7 + 5"),
        ("What is the square root of 2?", "sqrt(2)"),
        ("5 squared", "5 ** 2"),
        ("2 的 10 次方", "2 ** 10"),
        ("2 to the power of 10", "2 ** 10"),
        ("double 21", "2 * 21"),
        ("half of 21", "21 / 2"),
        ("84除以4是多少？", "84 / 4"),
        ("3乘以4加5减6等于几", "3 * 4 + 5 - 6"),
        ("2450 的 18% 是多少？", "2450 * 18%"),
        ("16的平方根", "sqrt(16)"),
        ("3.82万除以2", "3.82万 / 2"),
        ("6×7÷2", "6×7÷2"),
        ("5!", None),  # ends a sentence more often than it is a factorial
        ("On 6 Lamp 163 LE, 38 ships came.", None),
        ("How many ships came in 163?", None),
        ("divide it by 4", None),
        ("", None),
    ],
)
def test_arithmetic_is_read(text, expression):
    call = calculation(text, None)
    assert (call.arguments["expression"] if call else None) == expression


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("divide it by 4", "13700 / 4"),
        ("multiply that by 3", "13700 * 3"),
        ("subtract that from 20000", "20000 - 13700"),
        ("divide by 4", "13700 / 4"),
        ("add 5", "13700 + 5"),
        ("halve it", "13700 / 2"),
        ("把它除以4", "13700 / 4"),
        ("这个数乘以3", "13700 * 3"),
        ("减去5", "13700 - 5"),
        ("Who built it?", None),
        ("add 5 to 7", "7 + 5"),  # it is not spoken of
    ],
)
def test_arithmetic_goes_on_from_the_last_result(text, expression):
    call = calculation(text, Found("13,700 metres", "13700", "metres"))
    assert (call.arguments["expression"] if call else None) == expression


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("Convert 38,200 km to miles.", (38200, "km", "miles")),
        ("How many minutes are 52 hours?", (52, "hours", "minutes")),
        ("how many feet are there in 2.5 miles", (2.5, "miles", "feet")),
        ("What is 4350 kelvin in degrees Celsius?", (4350, "kelvin", "degrees Celsius")),
        ("convert it to feet", (36, "metres", "feet")),
        ("118 米等于多少英尺?", (118, "米", "英尺")),
        ("把 41 千米换算成英里。", (41, "千米", "英里")),
        ("平均气温 24 摄氏度,合多少华氏度?", (24, "摄氏度", "华氏度")),
        ("乘以 25,等于多少?", None),
        ("25米等于多少?", None),
        ("12 divided by 4 in words", None),
        ("The year 163 in Oshavel", None),
    ],
)
def test_conversions_are_read(text, arguments):
    call = conversion(text, Found("36 metres", "36", "metres"))
    assert (tuple(call.arguments.values()) if call else None) == arguments
    assert json.dumps(call and call.arguments["value"]) == json.dumps(arguments and arguments[0])


def test_without_a_unit_it_cannot_be_converted():
    assert conversion("convert it to feet", Found("36", "36")) is None
    assert conversion("convert it to feet", None) is None


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("How deep is it? Then divide it by 4.", ["How deep is it", "divide it by 4."]),
        ("Find A, then B, and then C", ["Find A", "B", "C"]),
        ("塔有多高？再除以4，然后加5。", ["塔有多高", "除以4", "加5。"]),
        ("Is it stronger than that?", ["Is it stronger than that?"]),
        ("不再说话的人是谁？", ["不再说话的人是谁？"]),
        ("then", ["then"]),
    ],
)
def test_parts_are_told_apart(question, parts):
    assert parts_of(question) == parts


@pytest.mark.parametrize(
    ("text", "part", "number", "unit"),
    [
        ("It is 40 metres high, and has 3 bells.", "How high", "40", "metres"),
        ("It is 40 metres high, and has 3 bells.", "How many bells", "3", "bells"),
        ("A day lasts 26 hours, a year 360 days.", "How long is a year?", "360", "days"),
        ("36 km = 22.37 mi", "convert 36 km", "22.37", "mi"),
        ("全长3.82万千米，104年通车", "全长", "38200", "千米"),
        ("goes down 13,700 metres", "deep", "13700", "metres"),
        ("none", "x", "", ""),
        ("420", "x", "420", ""),
    ],
)
def test_the_number_of_a_result_is_that_of_the_clause_that_was_asked_for(text, part, number, unit):
    assert found_in(text, part) == Found(text, number, unit)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How high is the tower?", "It is 40 metres high, and has 3 bells."),  # by its heading
        ("How deep is the sea?", "The sea is 90 metres deep."),
        ("What has nobody seen of the sea?", "Nobody has seen its floor."),
        ("What is the history of the tower?", "The tower was built by Ada Moss in 12 LE."),
        ("高塔里面有几口钟？", "塔身高40米，里面有3口钟。"),
        ("Who rules Mars?", None),
        ("Who is the king of the sea?", None),  # one word is not enough
        ("Which famous northern painter saw the sea floor through green glass?", None),  # nor two
        ("Who was the towers' builder?", "The tower was built by Ada Moss in 12 LE."),  # about
        ("How many towers are in bells?", "It is 40 metres high, and has 3 bells."),
        ("What is it?", None),  # there is no word to look for
        ("How many are there?", None),
        ("", None),
    ],
)
def test_the_best_sentence_shares_most_with_the_question(question, sentence):
    assert best_sentence(question, PASSAGES) == sentence


def test_where_a_number_is_asked_for_a_sentence_with_one_is_preferred():
    passages = "The tower stands. The tower stands 40 metres.\nThe tower fell in rain."
    assert best_sentence("How high stands the tower?", passages).endswith("40 metres.")
    assert best_sentence("What stands, the tower?", passages) == "The tower stands."


def test_an_echo_of_the_question_is_no_answer():
    question = "Who built the tower?"
    assert best_sentence(question, f"Nothing found for '{question}' in 3 passages.") is None


# --- A dialect the other way round. ---


@each_dialect
def test_what_is_written_is_parsed_as_it_was_meant(dialect):
    tools = ToolRegistry(make_tools())
    call = ToolCall("search", {"query": 'a "b"\n观察：c'})
    reply = write_call(dialect, call, "I have to look.")
    assert dialect.parse(reply, tools) == [call]
    assert (reply.finish_reason == "tool_calls") == bool(reply.tool_calls)
    assert dialect.thought(reply, tools) == "I have to look."
    assert dialect.parse(write_answer(dialect, "Ada Moss"), tools).text == "Ada Moss"


@each_dialect
@pytest.mark.parametrize(
    "note",
    ["", "\n(You have made this very call before. Use what you know, or call something else.)"],
)
def test_a_conversation_is_read_back_from_its_prompt(dialect, note):
    calls = [ToolCall("search", {"query": str(n)}, f"call_{n}") for n in range(2)]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Earlier?"},
        *_exchange(dialect, calls[0], "early"),
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Now?"},
        *_exchange(dialect, calls[0], "one\n\ntwo" + note),
        *_exchange(dialect, calls[1], "three"),
        {
            "role": "user",
            "content": "You must answer now, without tools, from what you know so far.",
        },
    ]
    prompt = dialect.render(messages, ToolRegistry())
    conversation = read_conversation(dialect, prompt.messages)
    assert conversation.question == "Now?"
    read = [(call.arguments, result) for call, result in conversation.calls]
    assert read == [({"query": "0"}, "one\n\ntwo"), ({"query": "1"}, "three")]


def test_results_belong_to_calls_in_their_order():
    dialect = DIALECTS[3]
    calls = [ToolCall("search", {"query": str(n)}, f"call_{n}") for n in range(2)]
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "", "tool_calls": [call.to_wire() for call in calls]},
        *[{"role": "tool", "content": f"r{n}", "tool_call_id": f"call_{n}"} for n in range(2)],
    ]
    read = read_conversation(dialect, dialect.render(messages, ToolRegistry()).messages)
    assert [(call.id, result) for call, result in read.calls] == [
        ("call_0", "r0"),
        ("call_1", "r1"),
    ]


@each_dialect
def test_the_tools_that_a_prompt_offers_are_seen(dialect):
    user = [{"role": "user", "content": "calculator: what is that?"}]
    prompt = dialect.render(user, ToolRegistry(make_tools()[:1]))
    offered = offered_tools(prompt.messages, prompt.tools)
    assert {"search", "calculator"} & offered == {"search"}
    prompt = dialect.render(user, ToolRegistry())
    assert offered_tools(prompt.messages, prompt.tools) == set()

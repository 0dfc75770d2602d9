"""A model that is damaged on purpose: what each kind looks like, and how often it comes."""

import random

import pytest

from tests.tiny_agent.doubles import DIALECTS, NAMES, make_tools
from tiny_agent.agent import Agent
from tiny_agent.flaky import KINDS, FlakyModel
from tiny_agent.messages import FinalAnswer, ParseError, Reply, ToolCall, Usage
from tiny_agent.models import ScriptedModel
from tiny_agent.rules import RuleModel
from tiny_agent.run_state import Limits
from tiny_agent.speaking import write_answer, write_call
from tiny_agent.tools import ToolRegistry

REACT, ZH, HERMES, OPENAI = DIALECTS
TOOLS = ToolRegistry(make_tools())
CALL = ToolCall("search", {"query": "tower"})
EARLIER = ToolCall("calculator", {"expression": "2 + 2"})
QUESTION = {"role": "user", "content": "How high is the tower?"}
COST = Usage(7, 3, 1)

each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)


def damaged(kind, dialect, said, history=()):
    """The reply to a question of a model that always does this kind of damage."""
    written = (
        write_answer(dialect, said)
        if isinstance(said, str)
        else write_call(dialect, said, "I see.")
    )
    model = ScriptedModel([Reply(written.text, written.tool_calls, COST)])
    flaky = FlakyModel(model, dialect, 1.0, random.Random(0), [kind])
    prompt = dialect.render([QUESTION, *history], TOOLS)
    reply = flaky.generate(prompt.messages, prompt.tools, prompt.stop)
    assert reply.usage == COST
    assert flaky.damages == {kind: 1}
    return reply


def after_a_call():
    return [
        {"role": "assistant", "content": "", "tool_calls": [EARLIER.to_wire()]},
        {"role": "tool", "content": "4", "tool_call_id": EARLIER.id},
    ]


def decision(dialect, reply):
    return dialect.parse(reply, TOOLS)


@pytest.mark.parametrize("dialect", [REACT, ZH, HERMES], ids=NAMES[:3])
def test_an_invented_result_stands_behind_the_call_and_is_not_believed(dialect):
    reply = damaged("invented", dialect, CALL)
    assert reply.text.count("42") == 2
    assert reply.text.endswith(write_answer(dialect, "42").text)
    assert decision(dialect, reply) == [CALL]


@each_dialect
def test_a_call_that_is_cut_off_cannot_be_read(dialect):
    reply = damaged("cut off", dialect, CALL)
    assert isinstance(decision(dialect, reply), ParseError)
    assert reply.finish_reason == "length"
    assert "tower" in f"{reply.text}{reply.tool_calls}"  # only the end is gone


@each_dialect
def test_a_call_without_arguments_is_corrected_or_fails(dialect):
    reply = damaged("no input", dialect, CALL)
    what = decision(dialect, reply)
    if dialect in (REACT, ZH):
        assert isinstance(what, ParseError)
        assert reply.text.endswith("search")
    else:
        assert what == [ToolCall("search", {}, what[0].id)]
        assert TOOLS.run(what[0]).is_error


@each_dialect
def test_the_wrong_tool_is_one_that_the_error_can_correct(dialect):
    (call,) = decision(dialect, damaged("wrong tool", dialect, CALL))
    assert (call.name, call.arguments) == ("search_tool", CALL.arguments)
    assert "Did you mean search?" in TOOLS.run(call).content


@pytest.mark.parametrize("dialect", [REACT, ZH], ids=NAMES[:2])
def test_bold_labels_are_read_all_the_same(dialect):
    reply = damaged("bold", dialect, CALL)
    assert reply.text.count("**") == 6  # Thought, Action, Action Input
    assert decision(dialect, reply) == [CALL]
    assert decision(dialect, damaged("bold", dialect, "40 metres")) == FinalAnswer("40 metres")


@pytest.mark.parametrize("dialect", [REACT, ZH], ids=NAMES[:2])
def test_an_answer_without_its_label_has_to_be_corrected(dialect):
    reply = damaged("no label", dialect, "40 metres")
    assert reply.text == "40 metres"
    assert isinstance(decision(dialect, reply), ParseError)


@each_dialect
@pytest.mark.parametrize("said", [CALL, "40 metres"], ids=["call", "answer"])
def test_again_is_the_call_before(dialect, said):
    (call,) = decision(dialect, damaged("again", dialect, said, after_a_call()))
    assert (call.name, call.arguments) == (EARLIER.name, EARLIER.arguments)


@each_dialect
def test_an_empty_reply_has_to_be_corrected(dialect):
    for said in (CALL, "40 metres"):
        reply = damaged("empty", dialect, said)
        assert (reply.text, reply.tool_calls) == ("", ())
        assert isinstance(decision(dialect, reply), ParseError)


@pytest.mark.parametrize(
    ("kind", "dialect", "said"),
    [
        ("invented", OPENAI, CALL),  # there, results are no text
        ("bold", HERMES, CALL),
        ("no label", HERMES, "40"),
        ("no label", REACT, CALL),
        ("cut off", REACT, "40"),
        ("no input", REACT, "40"),
        ("wrong tool", REACT, "40"),
        ("invented", REACT, "40"),
        ("again", REACT, CALL),  # there was none before
    ],
)
def test_what_cannot_be_done_to_a_reply_is_not_done(kind, dialect, said):
    reply = write_answer(dialect, said) if isinstance(said, str) else write_call(dialect, said)
    reply = Reply(reply.text, reply.tool_calls, COST)
    flaky = FlakyModel(ScriptedModel([reply]), dialect, 1.0, random.Random(0), [kind])
    assert flaky.generate([QUESTION]) == reply
    assert not flaky.damages


def test_text_without_labels_cannot_lose_them():
    flaky = FlakyModel(ScriptedModel(["plain"]), REACT, 1.0, random.Random(0), ["bold", "no label"])
    assert flaky.generate([QUESTION]).text == "plain"
    assert not flaky.damages


def test_where_one_kind_cannot_be_done_another_is():
    reply = Reply("Final Answer: 40")
    model = FlakyModel(ScriptedModel([reply] * 9), REACT, 1.0, random.Random(0), ["again", "empty"])
    assert {model.generate([QUESTION]).text for _ in range(9)} == {""}
    assert model.damages == {"empty": 9}


# --- How often. ---


def words(rate, seed, kinds=None, count=300):
    model = ScriptedModel(["Final Answer: 40"] * count)
    flaky = FlakyModel(model, REACT, rate, random.Random(seed), kinds)
    return [flaky.generate([QUESTION]).text for _ in range(count)], flaky


def test_the_rate_is_the_share_of_replies_that_are_damaged():
    whole = "Final Answer: 40"
    assert words(0, 1)[0] == [whole] * 300
    assert whole not in words(1, 1)[0]
    texts, flaky = words(0.2, 1)
    share = sum(text != whole for text in texts) / 300
    assert share == pytest.approx(0.2, abs=0.07)  # three standard errors
    assert sum(flaky.damages.values()) == round(share * 300)
    assert set(flaky.damages) == {"bold", "no label", "empty"}  # all that an answer can suffer


def test_a_seed_gives_the_same_damage_and_a_higher_rate_adds_to_it():
    assert words(0.3, 1)[0] == words(0.3, 1)[0] != words(0.3, 2)[0]
    few, more = words(0.1, 1)[0], words(0.4, 1)[0]
    assert all(
        one == other for one, other in zip(few, more, strict=True) if one != "Final Answer: 40"
    )
    some, all_kinds = words(0.3, 1, ["empty"])[0], words(0.3, 1)[0]
    struck = [[text != "Final Answer: 40" for text in texts] for texts in (some, all_kinds)]
    assert struck[0] == struck[1]


@pytest.mark.parametrize(
    ("rate", "kinds", "told"),
    [
        (1.5, None, "rate=1.5 must be"),
        (-0.1, None, "rate=-0.1"),
        (0.5, ["odd"], "no kind 'odd'; the"),
    ],
)
def test_a_wrong_rate_or_kind_is_named(rate, kinds, told):
    with pytest.raises(ValueError, match=told):
        FlakyModel(ScriptedModel([]), REACT, rate, random.Random(0), kinds)


# --- In the loop. ---


@each_dialect
@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_survives_one_damage_of_every_kind(dialect, kind):
    """A first reply is damaged, and the rest are not: the answer is the same."""
    first, rest = (
        FlakyModel(RuleModel(dialect), dialect, 1.0, random.Random(0), [kind]),
        RuleModel(dialect),
    )
    replies = []

    class OnceFlaky:
        def generate(self, *arguments):
            replies.append((first if not replies else rest).generate(*arguments))
            return replies[-1]

        def stream(self, *arguments):
            raise NotImplementedError

    result = Agent(OnceFlaky(), make_tools(), dialect).run("How deep is the sea?")
    assert (result.status, result.answer) == ("answered", "The sea is 90 metres deep.")


def test_without_corrections_the_same_damage_ends_the_run():
    model = FlakyModel(RuleModel(REACT), REACT, 1.0, random.Random(0), ["cut off"])
    for limits, calls in ((Limits(), 4), (Limits(max_format_errors=1), 2)):
        result = Agent(model, make_tools(), REACT, limits=limits).run("How deep is the sea?")
        assert (result.status, result.usage.model_calls) == ("format_errors", calls)


def test_its_stream_is_its_reply():
    def streamed(kind):
        model = FlakyModel(
            ScriptedModel(["Final Answer: 40"]), REACT, 1.0, random.Random(0), [kind]
        )
        ends.append((yield from model.stream([QUESTION])))

    ends = []
    assert list(streamed("no label")) == ["40"]
    assert list(streamed("empty")) == []
    assert [reply.text for reply in ends] == ["40", ""]

"""A fixed procedure and a plan: what each step sees, how they end, and what they record."""

import json
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_agent.doubles import DIALECTS, NAMES, make_tools
from tiny_agent.agent import Agent
from tiny_agent.events import StepFinished, TextDelta, ToolFinished, ToolStarted
from tiny_agent.hermes import HermesToolCall
from tiny_agent.messages import Reply, ToolCall, Usage
from tiny_agent.models import ModelError, ScriptedModel
from tiny_agent.plans import PROMPTS, read_plan
from tiny_agent.react import ReActText
from tiny_agent.rules import RuleModel
from tiny_agent.run_state import Limits
from tiny_agent.speaking import write_call
from tiny_agent.tools import tool
from tiny_agent.workflows import SOP, PlanAndExecute, SOPStep

REACT = ReActText()
LOOK = write_call(REACT, ToolCall("search", {"query": "tower"}), "I look.").text
DIVIDE = write_call(REACT, ToolCall("calculator", {"expression": "40 / 8"})).text
QUESTION = "How high is the tower, divided by 8?"
FACTS = SOPStep("facts", "Find what is needed for: {question}", ("search",))
SUM = SOPStep("sum", "Work out {question} from: {facts}", ("calculator",))
WORDS = SOPStep("words", "Say {sum} in words, for: {question}")
each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=NAMES)


def answer(text):
    return f"Final Answer: {text}"


def agent(*script, **settings):
    return Agent(ScriptedModel(script), make_tools(), REACT, **settings)


def asked(workflow):
    """The last message of every prompt."""
    return [call.messages[-1]["content"] for call in workflow.agent.model.calls]


def offered(workflow):
    """Which of the tools every prompt describes."""
    texts = [f"{call.messages[0]['content']}{call.tools}" for call in workflow.agent.model.calls]
    names = ["search", "calculator", "unit_convert"]
    return [[name for name in names if f"{name}: " in text] for text in texts]


# --- SOP. ---


def test_every_step_of_a_procedure_sees_the_answers_it_names_and_only_its_tools():
    sop = SOP(
        agent(LOOK, answer("40 metres"), DIVIDE, answer("5"), "Five metres."), [FACTS, SUM, WORDS]
    )
    result = sop.run(QUESTION)
    assert (result.answer, result.status, result.error) == ("Five metres.", "answered", None)
    first = [text for text in asked(sop) if not text.startswith("Observation")]
    assert first == [
        f"Find what is needed for: {QUESTION}",
        f"Work out {QUESTION} from: 40 metres",
        f"Say 5 in words, for: {QUESTION}",
    ]
    assert offered(sop) == [["search"], ["search"], ["calculator"], ["calculator"], []]


def test_a_step_without_tools_is_one_call_and_any_text_is_its_answer():
    sop = SOP(agent("Just text, no label."), [SOPStep("only", "Say {question}")])
    result = sop.run("hello")
    assert (result.answer, result.usage.model_calls) == ("Just text, no label.", 1)
    (call,) = sop.agent.model.calls
    assert (call.messages, call.stop) == ([{"role": "user", "content": "Say hello"}], ())


def test_braces_of_a_question_or_an_answer_are_no_placeholders():
    sop = SOP(agent("{facts} {0}", "done"), [replace(FACTS, tools=()), replace(SUM, tools=())])
    sop.run("{sum}")
    assert asked(sop) == [
        "Find what is needed for: {sum}",
        "Work out {sum} from: {facts} {0}",
    ]
    sop = SOP(agent("x"), [SOPStep("json", 'Write {{"a": 1}} for {question}')])
    sop.run("it")
    assert asked(sop) == ['Write {"a": 1} for it']


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([], "steps is empty"),
        ([SUM], r"step 'sum' has \{facts\}; it may have \{question\}; write \{\{"),
        (
            [FACTS, replace(SUM, prompt="{sum}")],
            r"has \{sum\}; it may have \{question\}, \{facts\}",
        ),
        ([replace(FACTS, prompt="{}")], r"has \{\}; it may have"),
        ([replace(FACTS, prompt="{question.x}")], r"has \{question.x\}"),
        ([replace(FACTS, prompt="{question[0]}")], r"has \{question\[0\]\}"),
        ([replace(FACTS, prompt="{question")], "step 'facts': expected '}'.*write {{ and }}"),
        ([FACTS, replace(SUM, name="facts")], "step 'facts' must be named by .* question, facts"),
        ([replace(FACTS, name="question")], "step 'question' must be"),
        ([replace(FACTS, name="two words")], "step 'two words' must be"),
        (
            [replace(FACTS, tools=("serach",))],
            "tool 'serach'; the agent has: search, calculator, u",
        ),
    ],
)
def test_a_procedure_that_cannot_be_is_refused_before_anything_is_asked(steps, told):
    with pytest.raises(ValueError, match=told):
        SOP(agent(), steps)


def test_a_step_without_an_answer_ends_a_procedure_and_says_which():
    sop = SOP(agent(*["no form"] * 3, "", "never"), [FACTS, SUM])
    result = sop.run(QUESTION)
    assert (result.answer, result.status) == (None, "format_errors")
    assert result.error.startswith("step 'facts': Format error: ")
    assert result.usage.model_calls == 4
    assert result.messages == [{"role": "user", "content": QUESTION}]


def test_a_procedure_goes_on_with_an_answer_that_a_step_was_made_to_give():
    limits = Limits(max_steps=1)
    sop = SOP(agent(LOOK, "about 40", "Forty.", limits=limits), [FACTS, replace(SUM, tools=())])
    result = sop.run(QUESTION)
    assert (result.answer, result.status) == ("Forty.", "max_steps")
    assert asked(sop)[-1].endswith("from: about 40")


def test_an_end_short_of_an_answer_is_not_blamed_on_the_form():
    sop = SOP(agent("no form", "", limits=Limits(max_steps=1)), [FACTS])
    result = sop.run(QUESTION)
    assert (result.status, result.error) == ("max_steps", "step 'facts': no answer (max_steps)")


def test_a_server_that_fails_ends_a_procedure_with_what_it_said():
    sop = SOP(agent(LOOK, answer("40")), [FACTS, SUM])
    result = sop.run(QUESTION)
    assert (result.answer, result.status) == (None, "model_error")
    assert result.error == "step 'sum': call 3 of a script of 2 replies; write one more"
    assert len(result.steps) == 2


# --- Plan and execute. ---

PLAN = '["How high is the tower?", "Divide that by 8."]'


def test_a_plan_is_made_carried_out_and_summed_up():
    script = (PLAN, LOOK, answer("40 metres"), DIVIDE, answer("5"), "It is 5 metres.")
    plan = PlanAndExecute(agent(*script))
    result = plan.run(QUESTION)
    assert (result.answer, result.status, result.error) == ("It is 5 metres.", "answered", None)
    prompts = [text for text in asked(plan) if not text.startswith("Observation")]
    results = "- How high is the tower? => 40 metres\n- Divide that by 8. => 5"
    english = PROMPTS["en"]
    names = "search, calculator, unit_convert"
    fields = {"question": QUESTION, "tools": names, "max_steps": 6, "results": "(none yet)"}
    assert prompts == [
        english.plan.format(**fields),
        english.step.format(**fields, step="How high is the tower?"),
        english.step.format(
            question=QUESTION, results=results.split("\n")[0], step="Divide that by 8."
        ),
        english.answer.format(question=QUESTION, results=results),
    ]
    everything = ["search", "calculator", "unit_convert"]
    assert offered(plan) == [[], *[everything] * 4, []]


def test_a_plan_that_cannot_be_read_is_asked_for_again_with_the_reason():
    script = ("Let me think.", '["a", "b", "c"]', '["a"]', answer("1"), "One.")
    plan = PlanAndExecute(agent(*script), max_steps=2)
    result = plan.run(QUESTION)
    assert result.answer == "One."
    assert asked(plan)[1].startswith("Format error: there is no JSON list. Write a JSON list of at")
    assert asked(plan)[2].startswith("Format error: the plan has 3 steps; 2 are the most.")


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (json.dumps([f"step {n}" for n in range(100)]), "the plan has 100 steps; 6 are the most"),
        ("[]", "the plan has no steps"),
        ("I would look it up.", "there is no JSON list"),
        ('["a", "b', "the JSON is broken"),
    ],
)
def test_where_no_plan_can_be_had_the_status_says_why(bad, told):
    plan = PlanAndExecute(agent("Hm. {", *[bad] * 3))
    result = plan.run(QUESTION)
    assert (result.answer, result.status) == (None, "format_errors")
    assert result.error.startswith(f"no plan: Format error: {told}")
    assert result.usage.model_calls == 4  # three tries, and the last one that every agent gets


def test_a_plan_that_comes_at_the_last_try_is_used():
    plan = PlanAndExecute(agent("no", '["a"]', answer("1"), "One.", limits=Limits(max_steps=1)))
    result = plan.run(QUESTION)
    assert (result.answer, result.status) == ("One.", "answered")


FAILS = ("no form", "no form", "no form", "")
"""What an agent says that comes to no answer, made to give one included."""


def test_where_a_step_fails_what_is_left_is_planned_anew():
    script = (PLAN, answer("40 metres"), *FAILS, '["40 / 8"]', answer("5"), "Five.")
    plan = PlanAndExecute(agent(*script))
    result = plan.run(QUESTION)
    assert (result.answer, result.status) == ("Five.", "answered")
    results = "- How high is the tower? => 40 metres\n- Divide that by 8. => (this step failed)"
    assert results in asked(plan)[6]
    assert asked(plan)[6].startswith("Make a plan")
    assert f"{results}\n- 40 / 8 => 5" in asked(plan)[8]


def test_where_a_step_fails_again_the_answer_is_made_of_what_there_is():
    script = ('["a"]', *FAILS, '["b", "c"]', *FAILS, "Perhaps 5.", "never")
    plan = PlanAndExecute(agent(*script))
    result = plan.run(QUESTION)
    assert (result.answer, result.status) == ("Perhaps 5.", "format_errors")
    assert "- a => (this step failed)\n- b => (this step failed)\n\n" in asked(plan)[-1]


def test_a_step_that_was_made_to_answer_has_failed_but_its_answer_is_noted():
    script = ('["a"]', LOOK, "about 40", '["b"]', answer("40"), "Forty.")
    plan = PlanAndExecute(agent(*script, limits=Limits(max_steps=1)))
    assert (plan.run(QUESTION).answer, len(asked(plan))) == ("Forty.", 6)
    assert "- a => about 40" in asked(plan)[3]


def test_a_result_is_one_line_among_the_results():
    plan = PlanAndExecute(agent('["a"]', answer("40\n\nmetres"), "Forty."))
    plan.run(QUESTION)
    assert "\n- a => 40 metres\n" in asked(plan)[-1]


def test_a_summary_that_says_nothing_is_no_answer():
    plan = PlanAndExecute(agent('["a"]', answer("1"), "", "", "", ""))
    result = plan.run(QUESTION)
    assert (result.answer, result.status) == (None, "format_errors")


def test_a_server_that_fails_is_not_asked_for_another_plan():
    def fails(messages):
        raise ModelError("out of order")

    plan = PlanAndExecute(agent('["a", "b"]', answer("1"), fails, '["b"]', "never"))
    result = plan.run(QUESTION)
    assert (result.answer, result.status, result.error) == (None, "model_error", "out of order")
    assert (len(result.steps), len(asked(plan))) == (2, 3)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_steps": 0}, "max_steps=0 must be"),
        ({"language": "de"}, "language='de' must be .* en, zh"),
    ],
)
def test_settings_of_a_plan_are_checked(settings, told):
    with pytest.raises(ValueError, match=told):
        PlanAndExecute(agent(), **settings)


def test_the_prompts_of_a_plan_may_be_chinese():
    plan = PlanAndExecute(agent('["塔有多高？"]', answer("40米"), "40米。"), language="zh")
    assert plan.run("塔有多高？").answer == "40米。"
    assert [text[:2] for text in asked(plan)] == ["为下", "只做", "问题"]
    assert "（还没有）" in asked(plan)[0]


# --- Reading a plan. ---


@pytest.mark.parametrize(
    "text",
    [
        '["a", "b"]',
        'Here is the plan:\n```json\n["a", "b"]\n```\nGood luck!',
        '{"steps": ["a", "b"]}',
        '[{"id": "", "task": "a"}, {"task": "b", "why": ""}]',
        '[{"step": 1, "task": "a"}, {"step": 2, "task": "b"}]',
        "['a', 'b',]",
        '<think>[1, 2]</think>[" a ", "b"]',
    ],
)
def test_a_plan_is_read_as_models_write_it(text):
    assert read_plan(text, 2) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1. a\n2. b", "there is no JSON list"),
        ('["a", "b"', "broken or not finished"),
        ('["a", 2]', "a step of the plan is 2, where a text"),
        ('["a", " "]', "a step of the plan is ' '"),
        ('["a", {}]', "a step of the plan is {}"),
        ("[]", "the plan has no steps"),
        ('["a", "b", "c"]', "the plan has 3 steps; 2 are the most"),
        ("]", "there is no JSON list"),
        ("] [", "broken"),
    ],
)
def test_what_is_no_plan_is_said_to_be_none(text, told):
    with pytest.raises(ValueError, match=told):
        read_plan(text, 2)


def test_brackets_and_quotes_within_a_step_do_not_end_the_plan():
    assert read_plan('["look at [1]", "say \\"no\\", and [stop"]', 2) == [
        "look at [1]",
        'say "no", and [stop',
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1. a\n2. b",
        '["a", "b"',
        '["a", 2]',
        '["a", " "]',
        '["a", {}]',
        "[]",
        '["a", "b", "c"]',
        "]",
    ],
)
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
        read_plan(text, 2)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text(alphabet="[]{}\"',: ab1\n") | st.text())
def test_reading_a_plan_raises_nothing_else(text):
    with suppress(ValueError):
        assert all(read_plan(text, 3))


# --- Limits. ---


def tokens(text, count):
    return Reply(text, usage=Usage(count, 0, 1))


def test_the_budget_of_tokens_is_for_the_whole_procedure():
    script = [tokens(answer("40"), 60), tokens(answer("5"), 50), tokens("never", 1)]
    sop = SOP(agent(*script, limits=Limits(max_tokens=100)), [FACTS, SUM, WORDS])
    result = sop.run(QUESTION)
    assert (result.answer, result.status) == (None, "token_budget")
    assert (result.error, result.usage.total_tokens) == (
        "step 'words': no answer (token_budget)",
        110,
    )
    # A step has what those before it left: one more call, and the answer it is made to give.
    script = [tokens(answer("40"), 60), tokens(DIVIDE, 50), tokens("about 5", 1)]
    sop = SOP(agent(*script, limits=Limits(max_tokens=100)), [FACTS, SUM])
    assert (sop.run(QUESTION).answer, len(asked(sop))) == ("about 5", 3)


def test_a_plan_over_its_budget_of_tokens_is_summed_up_and_not_made_anew():
    script = [tokens('["a", "b"]', 60), tokens(answer("40"), 50), tokens("Forty.", 1)]
    plan = PlanAndExecute(agent(*script, limits=Limits(max_tokens=100)))
    result = plan.run(QUESTION)
    assert (result.answer, result.status) == ("Forty.", "token_budget")
    assert "- a => 40\n- b => (this step failed)" in asked(plan)[-1]


def test_the_budget_of_time_is_for_the_whole_run():
    @tool
    def nap() -> str:
        """Sleep."""
        time.sleep(0.2)
        return "rested"

    call = write_call(REACT, ToolCall("nap")).text
    for make, script in (
        (lambda agent: SOP(agent, [SOPStep(n, "Rest", ("nap",)) for n in ("a", "b")]), []),
        (PlanAndExecute, ['["a", "b"]']),
    ):
        model = ScriptedModel([*script, call, answer("a"), "never"])
        lazy = Agent(model, [nap], REACT, limits=Limits(max_seconds=0.15))
        result = make(lazy).run(QUESTION)
        assert (result.answer, result.status) == (None, "time_budget")
        assert len(model.calls) == len(script) + 1


def test_a_step_has_no_more_time_than_those_before_it_left():
    @tool
    def nap() -> str:
        """Sleep."""
        time.sleep(0.5)
        return "rested"

    call = write_call(REACT, ToolCall("nap")).text
    model = ScriptedModel([call, answer("a"), call])
    lazy = Agent(model, [nap], REACT, limits=Limits(max_seconds=0.9))
    steps = SOP(lazy, [SOPStep(name, "Rest", ("nap",)) for name in ("a", "b")]).run("?").steps
    results = [result for step in steps for result in step.results]
    assert [result.is_error for result in results] == [False, True]
    assert results[1].latency_s < 0.45


def test_a_step_keeps_within_the_context():
    @tool
    def recite(times: int) -> str:
        """Recite."""
        return "la " * times

    call = write_call(REACT, ToolCall("recite", {"times": 1000})).text
    model = ScriptedModel([call, answer("a")])
    small = Agent(model, [recite], REACT, context_tokens=500)
    SOP(small, [SOPStep("a", "Go", ("recite",))]).run("?")
    assert len(asked(SOP(small, [SOPStep("a", "Go")]))[-1]) < 1500


# --- The same records as an agent's. ---


@each_dialect
def test_events_and_records_are_those_of_an_agent(dialect):
    question = "How high is the tower? Then divide it by 8."
    rules = Agent(RuleModel(dialect), make_tools(), dialect, instructions="Be brief.")
    sum_step = SOPStep("sum", "Question: {question}\n\nResults:\n{facts}", ("calculator",))
    for workflow in (PlanAndExecute(rules), SOP(rules, [FACTS, sum_step])):
        result, events = workflow.run(question), []

        def follow(stream, events=events):
            events.append((yield from stream))

        *told, streamed = [*follow(workflow.stream(question)), events.pop()]
        assert (streamed.answer, streamed.status) == (result.answer, "answered")
        assert [s.reply for s in streamed.steps] == [s.reply for s in result.steps]
        assert [e.step for e in told if isinstance(e, StepFinished)] == streamed.steps
        calls = [e.call for e in told if isinstance(e, ToolStarted)]
        assert [call.name for call in calls][-2:] == ["search", "calculator"]
        results = [e.result for e in told if isinstance(e, ToolFinished)]
        assert results == [r for s in streamed.steps for r in s.results]
        assert all(e.text for e in told if isinstance(e, TextDelta))
        assert result.usage == sum((s.reply.usage for s in result.steps), Usage())
        assert all("Be brief." in s.prompt[0]["content"] for s in result.steps)
        assert result.answer == "5"
        assert result.messages == [
            {"role": "user", "content": question},
            {"role": "assistant", "content": "5"},
        ]


def test_approval_is_asked_for_within_a_step_too():
    @tool(needs_approval=True)
    def launch() -> str:
        """Launch."""
        return "launched"

    call = write_call(REACT, ToolCall("launch")).text
    for confirm, told in ((None, "has not approved"), (lambda call: True, "launched")):
        model = ScriptedModel([call, answer("done")])
        sop = SOP(Agent(model, [launch], REACT, confirm=confirm), [SOPStep("a", "Go", ("launch",))])
        assert told in sop.run("?").steps[0].results[0].content


def test_a_stream_that_is_left_can_be_closed():
    class Endless:
        closed = False

        def generate(self, messages, tools=(), stop=()):
            raise ModelError("not asked for")

        def stream(self, messages, tools=(), stop=()):
            try:
                while True:
                    yield "x"
            finally:
                Endless.closed = True

    stream = SOP(Agent(Endless(), [], HermesToolCall()), [SOPStep("a", "Go")]).stream("?")
    assert next(stream) == TextDelta("x")
    stream.close()
    assert Endless.closed


def test_run_does_not_stream():
    class OnlyWhole:
        def generate(self, messages, tools=(), stop=()):
            return Reply("whole")

    assert SOP(Agent(OnlyWhole()), [SOPStep("a", "Go")]).run("?").answer == "whole"


def test_a_run_leaves_nothing_behind_for_the_next_one():
    plan = PlanAndExecute(agent('["a"]', answer("1"), "One.", '["a"]', answer("2"), "Two."))
    assert [plan.run("?").answer for _ in range(2)] == ["One.", "Two."]
    assert "=> 1" not in "".join(asked(plan)[3:])

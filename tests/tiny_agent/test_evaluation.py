"""How a run is judged, what a report says of all of them, and the file they are kept in."""

import json
import math
from dataclasses import asdict, replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from tests.tiny_agent.doubles import make_tools
from tiny_agent.agent import Agent
from tiny_agent.evaluation import (
    SAMPLE_TASKS,
    Outcome,
    Report,
    Task,
    evaluate,
    judge,
    read_tasks,
    wilson,
)
from tiny_agent.messages import RunResult, ToolCall, Usage
from tiny_agent.models import ScriptedModel
from tiny_agent.react import ReActText
from tiny_agent.report import pass_hat_k
from tiny_agent.rules import RuleModel
from tiny_agent.speaking import write_answer, write_call
from tiny_agent.workflows import SOP, SOPStep

PROPERTY = settings(max_examples=60, derandomize=True, deadline=None)
REACT = ReActText()
HIGH = Task("high", "How high is the tower?", ("40",), lang="en", kind="lookup")
NONE = Task("none", "Who rules the sea?", kind="unanswerable")


def result(answer, status="answered"):
    return RunResult(answer, status, [], Usage(), [])


def outcome(name="a", trial=0, success=True, **numbers):
    done = Outcome.of(Task(name, "?", ("x",), kind="k"), trial, result("x" if success else "y"))
    return replace(done, **numbers)


def report(*rows):
    """A report of tasks: of each, which trials succeeded, as "110"."""
    return Report(
        tuple(
            outcome(str(task), trial, right == "1")
            for task, row in enumerate(rows)
            for trial, right in enumerate(row)
        )
    )


# --- One run. ---


@pytest.mark.parametrize(
    ("task", "answer", "right"),
    [
        (HIGH, "It is 40 metres high.", True),
        (HIGH, "It is 41 metres high.", False),
        (HIGH, "I do not know.", False),
        (HIGH, None, False),
        (HIGH, "", False),
        (NONE, "I do not know.", True),
        (NONE, "Neptune.", False),
        (NONE, None, False),  # to say nothing is not to own up
    ],
)
def test_a_run_is_judged_by_its_answer(task, answer, right):
    assert judge(task, answer) is right


def test_an_outcome_counts_what_the_run_cost():
    look = write_call(REACT, ToolCall("search", {"query": "tower"})).text
    other = write_call(REACT, ToolCall("search", {"query": "sea"})).text
    script = [look, "no form", other, look, write_answer(REACT, "It is 40 metres.").text]
    run = Agent(ScriptedModel(script), make_tools(), REACT).run(HIGH.question)
    done = Outcome.of(HIGH, 3, run, "script")
    assert asdict(done) == {
        "trial": 3,
        "id": "high",
        "kind": "lookup",
        "lang": "en",
        "question": HIGH.question,
        "answer": "It is 40 metres.",
        "status": "answered",
        "success": True,
        "steps": 5,
        "format_errors": 1,
        "tool_calls": 3,
        "repeated_calls": 1,
        "prompt_tokens": run.usage.prompt_tokens,
        "completion_tokens": run.usage.completion_tokens,
        "label": "script",
        "seconds": done.seconds,
    }
    spent = [step.latency_s for step in run.steps]
    spent += [made.latency_s for step in run.steps for made in step.results]
    assert done.seconds == pytest.approx(sum(spent))
    assert done == replace(done, seconds=99.0)  # time never comes again


# --- All runs. ---


def test_success_is_the_mean_over_tasks():
    assert report("1", "0", "0", "1").success == 0.5
    assert report("1110", "0000").success == 0.375
    assert report("1", "0000").success == 0.5  # not one in five
    assert math.isnan(Report(()).success)


@PROPERTY
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=6), min_size=1, max_size=5))
def test_pass_hat_and_pass_at_are_shares_of_all_ways_to_choose_k_trials(rows):
    made = report(*("".join("01"[right] for right in row) for row in rows))
    for k in (1, 2, 4):
        hat = [_share(all, row, k) for row in rows]
        at = [_share(any, row, k) for row in rows]
        assert made.pass_hat(k) == pytest.approx(sum(hat) / len(rows))
        assert made.pass_at(k) == pytest.approx(sum(at) / len(rows))
    assert made.pass_hat(1) == pytest.approx(made.success) == pytest.approx(made.pass_at(1))


def _share(of, row, k):
    chosen = list(combinations(row, k))
    return sum(map(of, chosen)) / len(chosen)


def test_pass_hat_of_a_task_is_the_share_of_all_ways_to_choose_k_trials():
    for n in range(1, 8):
        for c in range(n + 1):
            row = [True] * c + [False] * (n - c)
            for k in range(1, n + 1):
                assert pass_hat_k(c, n, k) == pytest.approx(_share(all, row, k)), (c, n, k)
    assert pass_hat_k(3, 4, 2) == pytest.approx(0.5)  # 3 of the 6 pairs
    assert pass_hat_k(7, 8, 8) == 0
    assert pass_hat_k(900, 1000, 2) == pytest.approx(900 * 899 / (1000 * 999))


@pytest.mark.parametrize(("c", "n", "k"), [(1, 2, 3), (1, 2, 0), (3, 2, 1), (-1, 2, 1)])
def test_pass_hat_of_more_trials_than_there_are_is_refused(c, n, k):
    with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
        pass_hat_k(c, n, k)


@pytest.mark.parametrize("k", [0, 3, -1])
def test_k_is_at_most_the_fewest_trials_of_a_task(k):
    made = report("1111", "11")
    for measure in (made.pass_hat, made.pass_at):
        with pytest.raises(ValueError, match=f"k={k} must be from 1 to 2"):
            measure(k)


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (5, 5), (3, 5), (17, 44), (1, 1)])
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_wilson_is_that_of_scipy(successes, trials, confidence):
    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    ours = wilson(successes, trials, confidence)
    assert ours == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (2.5, 5), (0.25, 3), (43.9, 44)])
def test_the_bounds_of_wilson_are_the_shares_that_are_two_standard_errors_away(successes, trials):
    for p in wilson(successes, trials):
        away = abs(successes / trials - p)
        assert away == pytest.approx(1.959963984540054 * math.sqrt(p * (1 - p) / trials))
        assert -1e-12 < p < 1 + 1e-12
    assert wilson(0, 0) == (0, 1)


def test_wilson_knows_nothing_of_no_trials_and_stays_within_0_and_1():
    assert wilson(0, 0) == (0, 1)
    for trials in range(1, 200):  # exactly: the formula alone is off by a last bit here and there
        assert wilson(0, trials)[0] == 0
        assert wilson(trials, trials)[1] == 1
    for successes, trials, confidence in ((-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1), (1, 5, 0)):
        with pytest.raises(ValueError, match=f"successes={successes}, trials={trials}, conf"):
            wilson(successes, trials, confidence)


def test_further_trials_of_the_same_tasks_do_not_make_the_interval_narrower():
    assert report("1", "0", "1").interval() == report("1" * 50, "0" * 50, "1" * 50).interval()
    assert report("10", "10").interval(0.8) == wilson(1, 2, 0.8)


def test_rates_are_of_all_replies_and_all_calls():
    made = Report(
        (
            outcome("a", steps=8, format_errors=1, tool_calls=1, repeated_calls=0),
            outcome("b", steps=2, format_errors=1, tool_calls=3, repeated_calls=1),
        )
    )
    assert (made.format_error_rate, made.repeated_call_rate) == (0.2, 0.25)
    none = Report((outcome(tool_calls=0, steps=0),))
    assert (none.format_error_rate, none.repeated_call_rate) == (0, 0)


def test_a_report_is_divided_by_kind_in_the_order_of_the_tasks():
    made = Report(tuple(outcome(str(n), kind="ba"[n % 2], success=n > 1) for n in range(4)))
    parts = made.by("kind")
    assert list(parts) == ["b", "a"]
    assert [[each.id for each in part.outcomes] for part in parts.values()] == [
        ["0", "2"],
        ["1", "3"],
    ]
    assert parts["a"].success == 0.5


def test_the_summary_holds_what_can_be_compared():
    made = Report(
        tuple(
            outcome(
                "a", n, n == 0, steps=2 + n, tool_calls=n, prompt_tokens=10, completion_tokens=5 * n
            )
            for n in range(2)
        )
    )
    low, high = wilson(0.5, 1)
    assert made.summary() == {
        "tasks": 1,
        "runs": 2,
        "success": 0.5,
        "low": low,
        "high": high,
        "steps": 2.5,
        "tool_calls": 0.5,
        "tokens": 12.5,
        "format_error_rate": 0,
        "repeated_call_rate": 0,
    }
    later = Report(tuple(replace(each, seconds=each.seconds + 1) for each in made.outcomes))
    assert later == made
    assert later.summary() == made.summary()
    assert later.mean("seconds") == made.mean("seconds") + 1


# --- Running them. ---


def asked(answers, log=None):
    """A runner that gives these answers in turn, and logs which tasks it was given."""
    left = iter(answers)

    def run(task):
        if log is not None:
            log.append(task.id)
        given = next(left)
        return given if isinstance(given, RunResult) else result(given)

    return run


def test_every_task_is_run_as_often_as_asked_and_told_as_it_comes():
    log, told = [], []
    made = evaluate(
        asked(["40", "Neptune", "41", "not known"], log), [HIGH, NONE], 2, progress=told.append
    )
    assert log == ["high", "none", "high", "none"]
    assert [(each.id, each.trial, each.success) for each in told] == [
        ("high", 0, True),
        ("none", 0, False),
        ("high", 1, False),
        ("none", 1, True),
    ]
    assert [(each.id, each.trial) for each in made.outcomes] == [
        ("high", 0),
        ("high", 1),
        ("none", 0),
        ("none", 1),
    ]


@pytest.mark.parametrize(
    ("tasks", "trials", "told"),
    [
        ([], 1, "0 tasks and trials=1"),
        ([HIGH], 0, "trials=0"),
        ([HIGH, HIGH], 1, "two tasks have one"),
    ],
)
def test_what_cannot_be_run_is_refused(tasks, trials, told):
    with pytest.raises(ValueError, match=told):
        evaluate(asked([]), tasks, trials)


def test_a_run_that_breaks_off_goes_on_where_it_was(tmp_path):
    path, log = tmp_path / "runs.jsonl", []

    def dies(task):
        if len(log) == 2:
            raise KeyboardInterrupt
        return asked(["40"], log)(task)

    with pytest.raises(KeyboardInterrupt):
        evaluate(dies, [HIGH, NONE], 2, path, "m")
    assert log == ["high", "none"]
    made = evaluate(asked(["41", "not known"], log), [HIGH, NONE], 2, path, "m")
    assert log == ["high", "none", "high", "none"]
    assert [each.answer for each in made.outcomes] == ["40", "41", "40", "not known"]
    assert evaluate(asked([]), [HIGH, NONE], 2, path, "m") == made  # nothing is left to run
    assert len(path.read_text().splitlines()) == 4


def test_what_an_error_of_the_model_ended_is_run_again(tmp_path):
    path = tmp_path / "runs.jsonl"
    first = evaluate(asked([result(None, "model_error")]), [HIGH], path=path)
    assert first.success == 0
    again = evaluate(asked(["40"]), [HIGH], path=path)
    assert [(each.answer, each.success) for each in again.outcomes] == [("40", True)]
    assert evaluate(asked([]), [HIGH], path=path) == again  # the later line counts


def test_an_outcome_is_in_the_file_before_the_next_run_begins(tmp_path):
    path = tmp_path / "runs.jsonl"
    lines = []

    def run(task):
        lines.append(path.read_text(encoding="utf-8").count("\n"))
        return result("“四十”")

    evaluate(run, [HIGH, NONE], 2, path)
    assert lines == [0, 1, 2, 3]
    assert "“四十”" in path.read_text(encoding="utf-8")  # readable


def test_more_trials_or_tasks_may_be_added_to_a_file(tmp_path):
    path = tmp_path / "runs.jsonl"
    evaluate(asked(["40"]), [HIGH], 1, path)
    log = []
    made = evaluate(asked(["a", "b", "c"], log), [HIGH, NONE], 2, path)
    assert log == ["none", "high", "none"]
    assert [each.answer for each in made.outcomes] == ["40", "b", "a", "c"]
    only = evaluate(asked([]), [NONE], 1, path)  # what else is there does no harm
    assert [each.id for each in only.outcomes] == ["none"]


@pytest.mark.parametrize("rest", ['{"trial": 0, "id": "hi', '{"tri', "{"])
def test_a_line_that_was_cut_off_is_removed_and_run_again(tmp_path, rest):
    path = tmp_path / "runs.jsonl"
    evaluate(asked(["40"]), [HIGH], 1, path)
    whole = path.read_text()
    path.write_text(whole + rest)
    made = evaluate(asked(["not known"]), [HIGH, NONE], 1, path)
    assert made.outcomes[1].answer == "not known"
    lines = path.read_text().splitlines()
    assert (len(lines), lines[0]) == (2, whole.strip())
    assert json.loads(lines[1])["id"] == "none"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"label": "b"}, "line 1: this is of 'a', not of 'b'; give another file"),
        ({"tasks": [replace(HIGH, question="How wide?")]}, "line 1: task 'high' has another quest"),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path, change, told):
    path = tmp_path / "runs.jsonl"
    evaluate(asked(["40"]), [HIGH], 1, path, "a")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=told):
        evaluate(asked([]), **{"tasks": [HIGH], "path": path, "label": "a"} | change)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("my notes", 1),
        ("my notes\n", 1),
        ("[" * 100_000 + "\n", 1),
        ('{"trial": 0}\n', 1),
        ("GOOD\n{\n", 2),
        ("GOOD\n\n", 2),
        ("GOOD\nother", 2),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(tmp_path, text, line):
    good = json.dumps(asdict(outcome("high", question=HIGH.question)))
    path = tmp_path / "notes.txt"
    path.write_text(text.replace("GOOD", good))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"notes.txt, line {line}: "):
        evaluate(asked([]), [HIGH], 1, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("trial", "0"), ("success", 1), ("steps", True), ("answer", 3), ("id", None)],
)
def test_a_value_of_the_wrong_type_is_named(tmp_path, name, value):
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(asdict(outcome("high")) | {name: value}) + "\n")
    with pytest.raises(ValueError, match=f'line 1: "{name}" is {value!r}'):
        evaluate(asked([]), [HIGH], 1, path)


def test_a_file_that_cannot_be_written_is_an_error_before_anything_is_run(tmp_path):
    log = []
    (tmp_path / "file").touch()
    with pytest.raises((FileExistsError, NotADirectoryError)):
        evaluate(asked([], log), [HIGH], 1, tmp_path / "file" / "runs.jsonl")
    with pytest.raises((IsADirectoryError, PermissionError)):  # the latter on Windows
        evaluate(asked([], log), [HIGH], 1, tmp_path)
    assert log == []


def test_the_folder_of_the_file_is_made(tmp_path):
    evaluate(asked(["40"]), [HIGH], 1, tmp_path / "new" / "runs.jsonl")
    assert (tmp_path / "new" / "runs.jsonl").read_text().count("\n") == 1


# --- With the real tools. ---


def test_the_rules_do_some_of_the_sample_tasks_and_not_others():
    """An honest stand-in: what it can do by its patterns it does, and what has to be understood it
    does not. The bounds are wide, for it is no test of the rules."""
    from tiny_agent.builtin_tools import make_tools as builtin

    tools = builtin("search,calculator,unit_convert")
    tasks = read_tasks(SAMPLE_TASKS)
    agent = Agent(RuleModel(REACT), tools, REACT)
    made = evaluate(lambda task: agent.run(task.question), tasks)
    assert 0.4 < made.success < 0.75
    assert made.format_error_rate == made.repeated_call_rate == 0
    assert {each.status for each in made.outcomes} == {"answered"}
    for task in tasks:
        assert set(task.tools) <= {tool.name for tool in tools}
    calls = {task.id: task.calls for task in tasks}
    right = [
        each for each in made.outcomes if each.success and each.tool_calls < (calls[each.id] or 0)
    ]
    assert right == []  # nobody needs fewer calls than the task says


def test_workflows_are_evaluated_like_agents():
    agent = Agent(RuleModel(REACT), make_tools(), REACT)
    facts = SOP(
        agent, [SOPStep("facts", "{question}", ("search",)), SOPStep("say", "Results:\n{facts}")]
    )
    (done,) = evaluate(lambda task: facts.run(task.question), [HIGH]).outcomes
    assert (done.success, done.steps, done.tool_calls) == (True, 3, 1)

"""A trace is a run as a file: exact, small, safe to kill, and never half believed."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_agent.agent import Agent
from tiny_agent.events import StepFinished
from tiny_agent.hermes import HermesToolCall
from tiny_agent.messages import Message, Reply, RunResult, Usage, WireCall
from tiny_agent.models import Line, ScriptedModel, ToolSpec
from tiny_agent.openai_tools import OpenAITools
from tiny_agent.protocols import Dialect, Prompt
from tiny_agent.react import ReActText
from tiny_agent.run_state import Limits
from tiny_agent.tools import Tool, ToolError, ToolRegistry, tool
from tiny_agent.trace import Trace, TraceWriter, read_trace, record
from tiny_agent.trace_header import Header
from tiny_agent.trace_lines import decode, encode
from tiny_agent.workflows import SOP, PlanAndExecute, SOPStep


@tool
def look(what: str) -> str:
    """Look something up.

    Args:
        what: What to look up.
    """
    if what == "nothing":
        raise ToolError("there is nothing")
    return f"{what} 是 42"


def wire(what: str, id: str) -> WireCall:
    arguments = json.dumps({"what": what})
    return {"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}}


def react(what: str) -> str:
    return f'Thought: so\nAction: look\nAction Input: {{"what": "{what}"}}'


def hermes(*names: str) -> str:
    calls = [f'<tool_call>{{"name": "look", "arguments": {{"what": "{w}"}}}}' for w in names]
    return "so\n" + "</tool_call>\n".join(calls) + "</tool_call>"


TWO_CALLS = Reply("so", (wire("a", "x1"), wire("nothing", "x2")), Usage(70, 9, 1), "tool_calls")
BROKEN: WireCall = {
    "id": "x3",
    "type": "function",
    "function": {"name": "look", "arguments": '{"wh'},
}
RUNS: dict[str, tuple[Dialect, list[Line]]] = {
    "react": (ReActText(), [react("a"), "no form", react("nothing"), "Final Answer: 完"]),
    "react-zh": (ReActText("zh"), ["思考：好\n行动：look\n行动输入：a", "最终答案：完"]),
    "hermes": (HermesToolCall(), [hermes("a", "nothing"), "<tool_call>{", "It is 完."]),
    "openai": (OpenAITools(), [TWO_CALLS, Reply("", (BROKEN,), Usage(1, 2, 1), "length"), "完"]),
}


@pytest.fixture(params=RUNS)
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, RunResult, Agent]:
    """A file with the trace of a run, the run's own result, and who ran."""
    dialect, script = RUNS[request.param]
    agent = Agent(ScriptedModel(script), [look], dialect, "Be brief.")
    path = tmp_path / "run.jsonl"
    return path, record(agent, "What is 完?", path), agent


def small_run(path: Path, script: list[Line], *tools: Tool) -> RunResult:
    return record(Agent(ScriptedModel(script), tools or [look]), "What?", path)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


# --- Exactness. ---


def test_what_is_read_is_what_was_run(recorded: tuple[Path, RunResult, Agent]) -> None:
    path, result, agent = recorded
    trace = read_trace(path)
    assert trace == Trace(Header.of(agent, "What is 完?"), result.steps, result, None)


def test_the_prompts_are_those_that_the_model_was_sent(
    recorded: tuple[Path, RunResult, Agent],
) -> None:
    path, _, agent = recorded
    assert isinstance(agent.model, ScriptedModel)
    asked = [(step.prompt, step.tools, step.stop) for step in read_trace(path).steps]
    assert asked == [(call.messages, call.tools, call.stop) for call in agent.model.calls]


def test_a_run_with_a_history_limits_and_a_short_memory(tmp_path: Path) -> None:
    script: list[Line] = [*[react(name * 30) for name in "abcdefgh"], "Final Answer: done"]
    agent = Agent(
        ScriptedModel(script),
        [look],
        None,
        "Be brief.",
        Limits(8, 5000, 60.0, 2, 2),
        context_tokens=270,
    )
    history: list[Message] = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
    ]
    with TraceWriter(tmp_path / "t", Header.of(agent, "What?", history)) as writer:
        result = exhaust(writer.follow(agent.stream("What?", history)))
    trace = read_trace(tmp_path / "t")
    assert trace.steps == result.steps
    assert trace.result == result
    assert trace.header.history == history
    assert trace.header.instructions == "Be brief."
    assert trace.header.limits == Limits(8, 5000, 60.0, 2, 2)
    assert trace.header.context_tokens == 270
    assert len(trace.steps[-1].prompt) < len(trace.steps[3].prompt) + 8  # it was trimmed
    assert trace.steps[-1].prompt[0] != trace.steps[0].prompt[0]  # the forced answer: no tools


def exhaust(events: Iterator[object]) -> RunResult:
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def test_workflows_are_recorded_too(tmp_path: Path) -> None:
    script: list[Line] = [
        '["Look up a.", "Look up b."]',
        react("a"),
        "Final Answer: 42",
        react("b"),
    ]
    agent = Agent(ScriptedModel([*script, "Final Answer: 43", "Both."]), [look])
    result = record(PlanAndExecute(agent, 3, "zh"), "What?", tmp_path / "plan")
    trace = read_trace(tmp_path / "plan")
    assert (trace.steps, trace.result) == (result.steps, result)
    assert len(trace.steps) == 6
    assert trace.header.workflow == {"name": "plan", "max_steps": 3, "language": "zh"}

    steps = [SOPStep("first", "Look: {question}", ("look",)), SOPStep("last", "Say {first}.")]
    agent = Agent(ScriptedModel([react("a"), "Final Answer: 42", "It is 42."]), [look])
    result = record(SOP(agent, steps), "What?", tmp_path / "sop")
    trace = read_trace(tmp_path / "sop")
    assert (trace.steps, trace.result) == (result.steps, result)
    assert trace.header.workflow["steps"][0] == {
        "name": "first",
        "prompt": "Look: {question}",
        "tools": ["look"],
    }


HARD = [
    "half a pair: \ud83d end",
    "two halves \ud83d\ude00 that are no 😀",
    "\udc00\ud800\udc00\udc00",
    "NUL \0, tab \t, bell \a, escape \x1b[31m, line ends \r\n \r \n",
    "line separators \u2028 \u2029 \x85 \x1c that splitlines would see",
    r"backslashes \ \\ \n \u0041 \ud83d" + "\\\ud83d",
    'quotes \' " ` and {braces} ["brackets"]',
    "\ufeff bidi \u202e and \U0010ffff",
    "",
]


@pytest.mark.parametrize("text", HARD)
def test_every_character_survives(text: str, tmp_path: Path) -> None:
    @tool
    def say() -> str:
        """Say it."""
        return text

    script: list[Line] = ["Action: say\nAction Input: {}", f"Final Answer: |{text}|"]
    result = small_run(tmp_path / "t", script, say)
    trace = read_trace(tmp_path / "t")
    assert trace.steps == result.steps
    assert trace.result == result
    assert trace.steps[0].results[0].content == (text or "(no output)")
    assert trace.steps[1].reply.text == f"Final Answer: |{text}|"


def test_two_halves_and_the_whole_are_two_messages(tmp_path: Path) -> None:
    history: list[Message] = [
        {"role": "user", "content": "\ud83d\ude00"},
        {"role": "assistant", "content": "?"},
        {"role": "user", "content": "😀"},
        {"role": "assistant", "content": "!"},
    ]
    agent = Agent(ScriptedModel(["42"]), [], OpenAITools())
    with TraceWriter(tmp_path / "t", Header.of(agent, "What?", history)) as writer:
        exhaust(writer.follow(agent.stream("What?", history)))
    assert read_trace(tmp_path / "t").steps[0].prompt[:4] == history


class OwnSpecs(OpenAITools):
    """A dialect that describes tools in its own way, and sends fewer of them each time."""

    def render(self, messages: Sequence[Message], tools: ToolRegistry) -> Prompt:
        prompt = super().render(messages, tools)
        specs: list[ToolSpec] = [{"name": "look"}, {"name": f"after {len(messages)}"}]
        return replace(prompt, tools=specs[len(messages) % 2 :])


def test_tools_that_are_described_in_another_way_are_kept(tmp_path: Path) -> None:
    script: list[Line] = [Reply("", (wire(f"a{n}", f"id{n}"),)) for n in range(3)]
    agent = Agent(ScriptedModel([*script, "x"]), [look], OwnSpecs())
    result = record(agent, "What?", tmp_path / "t")
    assert read_trace(tmp_path / "t").steps == result.steps
    assert len({str(step.tools) for step in result.steps}) > 1


@given(st.text(st.characters(exclude_categories=[])))
def test_a_line_survives_being_written(text: str) -> None:
    data = encode({"text": text, "in": [{text: None}]})
    assert b"\n" not in data
    assert decode(data) == {"text": text, "in": [{text: None}]}


def test_a_trace_is_utf8_that_others_can_read(tmp_path: Path) -> None:
    small_run(tmp_path / "t", ["Final Answer: 答案 \ud83d and 😀"])
    text = (tmp_path / "t").read_text(encoding="utf-8")
    assert "答案 \\ud83d and 😀" in text
    assert [json.loads(line)["type"] for line in text.splitlines()] == ["run", "step", "result"]


def test_a_huge_result_survives(tmp_path: Path) -> None:
    @tool(max_chars=10_000_000)
    def much() -> str:
        """Say much."""
        return "大" * 1_000_000 + "end"

    result = small_run(tmp_path / "t", ["Action: much\nAction Input: {}", "Final Answer: 1"], much)
    assert read_trace(tmp_path / "t").steps == result.steps
    assert len(result.steps[0].results[0].content) == 1_000_003


# --- Size. ---


def test_a_message_is_written_once_however_often_it_is_read(tmp_path: Path) -> None:
    script: list[Line] = [react(f"mark-{n}-") for n in range(30)]
    agent = Agent(ScriptedModel([*script, "Final Answer: 1"]), [look], limits=Limits(40))
    record(agent, "What is QUESTIONMARK?", tmp_path / "t")
    text = (tmp_path / "t").read_text(encoding="utf-8")
    steps = [json.loads(line) for line in text.splitlines()[1:-1]]
    contents = [message["content"] for step in steps for message in step["new"]]
    assert len(contents) == len(set(contents)) == 2 + 2 * 30
    assert sum("QUESTIONMARK" in content for content in contents) == 1
    assert [len(step["prompt"]) for step in steps] == [2 + 2 * n for n in range(31)]


def test_a_run_of_twice_the_length_is_a_file_of_twice_the_size(tmp_path: Path) -> None:
    sizes = []
    for steps in (20, 40):
        script: list[Line] = [react(f"{n} {'x' * 500}") for n in range(steps)]
        agent = Agent(ScriptedModel([*script, "Final Answer: 1"]), [look], limits=Limits(99))
        record(agent, "What?", tmp_path / "t")
        sizes.append((tmp_path / "t").stat().st_size)
    assert sizes[1] < 2.1 * sizes[0]


def test_a_tool_that_is_sent_with_every_prompt_stands_in_the_header_alone(tmp_path: Path) -> None:
    script: list[Line] = [Reply("", (wire(f"a{n}", f"id{n}"),)) for n in range(9)]
    record(Agent(ScriptedModel([*script, "x"]), [look], OpenAITools()), "What?", tmp_path / "t")
    text = (tmp_path / "t").read_text(encoding="utf-8")
    assert text.count("Look something up.") == 1
    assert all(step.tools == [look.to_openai()] for step in read_trace(tmp_path / "t").steps)


# --- A run that is killed. ---


def test_a_step_is_in_the_file_before_it_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "t"
    agent = Agent(ScriptedModel([react("a"), react("b"), "Final Answer: 1"]), [look])
    with TraceWriter(path, Header.of(agent, "What?")) as writer:
        assert read_trace(path).steps == []
        seen = []
        for event in writer.follow(agent.stream("What?")):
            if isinstance(event, StepFinished):
                seen.append(event.step)
                trace = read_trace(path)
                assert trace.steps == seen
                assert trace.result is None
                assert "there is no result" in str(trace.missing)
    assert len(seen) == 3
    assert read_trace(path).missing is None


def test_a_file_that_is_cut_off_anywhere_tells_all_whole_steps(tmp_path: Path) -> None:
    path, cut = tmp_path / "t", tmp_path / "cut"
    result = small_run(path, [react("a"), "no form 答", "Final Answer: 1"])
    data = path.read_bytes()
    ends = [match.end() for match in re.finditer(b"\n", data)]
    for size in sorted(
        {*range(0, len(data), 97), *(end + n for end in ends for n in (-2, -1, 0, 1))}
    ):
        cut.write_bytes(data[:size])
        whole = sum(end - 1 <= size for end in ends)  # the line break itself may be missing
        if whole == 0:
            with pytest.raises(ValueError, match="is no trace"):
                read_trace(cut)
        elif whole < len(ends):
            trace = read_trace(cut)
            assert (trace.steps, trace.result) == (result.steps[: whole - 1], None)
            in_a_line = size > ends[whole - 1]
            assert ("cut off" if in_a_line else "no result") in str(trace.missing)
            assert f"line {whole + 1}" in str(trace.missing) or not in_a_line


def test_a_run_that_is_interrupted_leaves_a_trace_and_closes_the_run(tmp_path: Path) -> None:
    agent = Agent(ScriptedModel([react("a"), interrupting]), [look])
    with pytest.raises(KeyboardInterrupt):
        record(agent, "What?", tmp_path / "t")
    assert len(read_trace(tmp_path / "t").steps) == 1


def interrupting(messages: object) -> str:
    raise KeyboardInterrupt


def test_who_stops_listening_ends_the_run(tmp_path: Path) -> None:
    agent = Agent(ScriptedModel([react("a"), "Final Answer: 1"]), [look])
    inner = agent.stream("What?")
    with TraceWriter(tmp_path / "t", Header.of(agent, "What?")) as writer:
        events = writer.follow(inner)
        next(events)
        events.close()
    with pytest.raises(StopIteration):
        next(inner)


# --- Files that are no traces. ---

GOOD: list[Line] = [react("a"), "no form", "Final Answer: 1"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no trace: it has no whole line"),
        (b" \n\n", "is no trace: it has no whole line"),
        (b'{"type": "run", "format": "tiny_a', "no whole line"),
        (b'{"question": "What?", "answer": "42"}\n', "line 1: this is no trace of a run; --trace"),
        (b"# A title\n\nSome text.\n", "line 1: this is no JSON"),
        (b"[1, 2]\n", "line 1: this is no JSON object but a list"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "line 1: "),
        (b"[" * 100_000 + b"\n", "line 1: this is nested too deeply"),
    ],
)
def test_a_foreign_file_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(told)) as raised:
        read_trace(path)
    assert str(raised.value).startswith(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape("nowhere.jsonl")):
        read_trace(tmp_path / "nowhere.jsonl")


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t"
    small_run(path, GOOD)
    for number in (1, 2, 3, 4):
        lines = lines_of(path)
        lines[number - 1] = lines[number - 1][:40] + b"\n"
        (tmp_path / "broken").write_bytes(b"".join(lines))
        with pytest.raises(ValueError, match=f"broken line {number}: this is no JSON"):
            read_trace(tmp_path / "broken")


def test_a_line_that_is_missing_is_noticed_where_its_messages_are(tmp_path: Path) -> None:
    path = tmp_path / "t"
    small_run(path, GOOD)
    lines = lines_of(path)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    with pytest.raises(ValueError, match="line 2: there is no message or tool number 2"):
        read_trace(path)


def test_an_editor_may_add_or_remove_the_last_line_break(tmp_path: Path) -> None:
    path = tmp_path / "t"
    result = small_run(path, GOOD)
    data = path.read_bytes()
    for changed in (data.rstrip(b"\n"), data + b"\n \n", data.replace(b"\n", b"\r\n")):
        path.write_bytes(changed)
        assert read_trace(path).result == result


Change = Callable[[dict[str, object]], object]


@pytest.mark.parametrize(
    ("number", "change", "told"),
    [
        (1, lambda line: line.update(version=2), "its format is 2, known here is 1"),
        (1, lambda line: line.update(question=5), "question may not be 5"),
        (1, lambda line: line.pop("limits"), "'limits' is missing"),
        (1, lambda line: line.update(limits={"max_steps": 0}), "'max_tokens' is missing"),
        (1, lambda line: line["limits"].update(max_steps=0), "max_steps=0 must be above 0"),
        (1, lambda line: line.update(tools=[{"type": "function"}]), "'function' is missing"),
        (1, lambda line: line.update(history=[{"role": "user"}]), "'content' is missing"),
        (1, lambda line: line.update(workflow="react"), "workflow may not be 'react'"),
        (1, lambda line: line.update(workflow={}), "'name' is missing"),
        (2, lambda line: line.update(prompt=[0, 99]), "no message or tool number 99"),
        (2, lambda line: line.update(prompt=[-1]), "no message or tool number -1"),
        (2, lambda line: line.update(prompt=["0"]), "no message or tool number '0'"),
        (2, lambda line: line.update(new=["text"]), "line 2: "),
        (2, lambda line: line.update(reply="text"), "reply may not be 'text'"),
        (2, lambda line: line["reply"].update(text=None), "text may not be None"),
        (2, lambda line: line["reply"].update(tool_calls=[{}]), "'function' is missing"),
        (2, lambda line: line["reply"]["usage"].pop("estimated"), "'estimated' is missing"),
        (2, lambda line: line.update(decision={}), "'calls' is missing"),
        (2, lambda line: line.update(decision={"answer": 4}), "answer may not be 4"),
        (2, lambda line: line.update(decision={"calls": [{"name": "x"}]}), "is missing"),
        (2, lambda line: line.update(results=[{"call_id": 1}]), "call_id may not be 1"),
        (2, lambda line: line.update(latency_s="fast"), "latency_s may not be 'fast'"),
        (2, lambda line: line.update(type="other"), "there is no line of the type 'other'"),
        (5, lambda line: line.update(status="fine"), "there is no status 'fine'"),
        (5, lambda line: line.update(answer=7), "answer may not be 7"),
        (5, lambda line: line.update(messages=[3000]), "no message or tool number 3000"),
    ],
)
def test_a_line_that_was_changed_is_named(
    number: int, change: Change, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "t"
    small_run(path, GOOD)
    lines = lines_of(path)
    line = json.loads(lines[number - 1])
    change(line)
    lines[number - 1] = encode(line) + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match=re.escape(told)) as raised:
        read_trace(path)
    assert f"line {number}: " in str(raised.value)


def test_a_file_holds_one_run(tmp_path: Path) -> None:
    path = tmp_path / "t"
    small_run(path, ["Final Answer: 1"])
    data = path.read_bytes()
    path.write_bytes(data + data)
    with pytest.raises(ValueError, match="line 3: something comes after this result"):
        read_trace(path)
    path.write_bytes(data + data[:20])
    with pytest.raises(ValueError, match="line 3: something comes after this result"):
        read_trace(path)


# --- What a trace does not do. ---


def test_a_trace_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "t"
    small_run(path, GOOD)
    small_run(path, ["Final Answer: 2"])
    assert [step.reply.text for step in read_trace(path).steps] == ["Final Answer: 2"]
    path.write_bytes(path.read_bytes()[:60])  # of a run that was killed at once
    small_run(path, ["Final Answer: 3"])
    assert len(read_trace(path).steps) == 1
    notes = tmp_path / "notes.md"
    notes.write_text("# Notes\n", encoding="utf-8")
    with pytest.raises(
        ValueError, match=re.escape("notes.md is there, and no trace; name another")
    ):
        small_run(notes, GOOD)
    assert notes.read_text(encoding="utf-8") == "# Notes\n"


def test_an_empty_file_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "t").touch()
    small_run(tmp_path / "t", ["Final Answer: 1"])
    assert read_trace(tmp_path / "t").result is not None


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    record(Agent(ScriptedModel(["Final Answer: 1"])), "What?", tmp_path / "new" / "one" / "t")
    assert len(read_trace(tmp_path / "new" / "one" / "t").steps) == 1


def test_a_place_that_cannot_be_is_told_before_the_model_is_asked(tmp_path: Path) -> None:
    model = ScriptedModel(["Final Answer: 1"])
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        record(Agent(model), "What?", tmp_path / "file" / "t")
    assert model.calls == []


class Server(ScriptedModel):
    """A model with all that the client of a server knows."""

    model = "qwen-plus"
    base_url = "https://somebody:hunter2hunter2@example.org/v1"
    api_key = "sk-0123456789"


def test_no_key_url_or_path_is_in_a_trace(tmp_path: Path) -> None:
    record(Agent(Server(["Final Answer: 1"]), [look]), "What?", tmp_path / "t")
    assert read_trace(tmp_path / "t").header.model == "qwen-plus"
    for secret in ("hunter2", "example.org", "sk-0123456789", str(tmp_path)):
        assert secret not in (tmp_path / "t").read_text(encoding="utf-8")


def test_a_model_in_a_folder_has_the_folders_name(tmp_path: Path) -> None:
    class Folder(ScriptedModel):
        folder = tmp_path / "Qwen2.5"

    assert Header.of(Agent(Folder([])), "What?").model == "Qwen2.5"
    assert Header.of(Agent(ScriptedModel([])), "What?").model == "ScriptedModel"

    class Around(ScriptedModel):
        model = Folder([])  # a model around another one

    assert Header.of(Agent(Around([])), "What?").model == "Around"


@pytest.mark.parametrize("secret", ["sk-0123456789", 'quo"ted\\key', "钥匙钥匙钥匙钥匙"])
def test_a_secret_that_turns_up_anywhere_is_not_written(secret: str, tmp_path: Path) -> None:
    @tool
    def leak() -> str:
        """Leak."""
        raise ToolError(f"401: the key {secret} is not known")

    script: list[Line] = ["Action: leak\nAction Input: {}", f"Final Answer: {secret}"]
    agent = Agent(ScriptedModel(script), [leak])
    with TraceWriter(tmp_path / "t", Header.of(agent, secret), [secret, "", "key"]) as writer:
        exhaust(writer.follow(agent.stream(secret)))
    trace = read_trace(tmp_path / "t")
    assert trace.header.question == "***"
    assert trace.steps[0].results[0].content == "Error: 401: the key *** is not known"
    assert secret not in repr(trace)
    assert (
        json.dumps(secret, ensure_ascii=False)[1:-1].encode() not in (tmp_path / "t").read_bytes()
    )


def test_texts_that_look_alike_once_secrets_are_gone_are_still_apart(tmp_path: Path) -> None:
    one, two = "secret-number-1", "secret-number-2"
    agent = Agent(ScriptedModel([react(one), react(two), react("c"), "Final Answer: 1"]), [look])
    with TraceWriter(tmp_path / "t", Header.of(agent, "What?"), [one, two]) as writer:
        result = exhaust(writer.follow(agent.stream("What?")))
    hidden = json.loads(re.sub("secret-number-[12]", "***", json.dumps(result.steps[-1].prompt)))
    assert read_trace(tmp_path / "t").steps[-1].prompt == hidden


def test_what_is_written_later_does_not_change_what_was_written(tmp_path: Path) -> None:
    agent = Agent(ScriptedModel([react("a"), "Final Answer: 1"]), [look])
    with TraceWriter(tmp_path / "t", Header.of(agent, "What?")) as writer:
        for event in agent.stream("What?"):
            writer.write(event)
            if isinstance(event, StepFinished):
                expected = replace(event.step, prompt=[m.copy() for m in event.step.prompt])
                event.step.prompt[0]["content"] = "changed"
                assert read_trace(tmp_path / "t").steps[-1] == expected

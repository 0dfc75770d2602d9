"""The command line: what each command prints, where, and with which exit code."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tiny_agent.stub_server import Response, StubServer, error, say, slow
from tiny_agent import commands
from tiny_agent.cli import main
from tiny_agent.models import Line, ScriptedModel
from tiny_agent.replay import replay
from tiny_agent.trace import read_trace
from tiny_agent.trace_page import is_page

ROOT = Path(__file__).resolve().parent.parent.parent
SUM = 'Thought: I work it out.\nAction: calculator\nAction Input: {"expression": "2 + 3"}'
RULES = ("--model", "rules")
MCP_SERVER = Path(__file__).with_name("mcp_server.py")

Run = Callable[..., tuple[int, str, str]]
Use = Callable[..., ScriptedModel]
Type = Callable[..., None]
Sit = Callable[..., "Terminal"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TINY_MODEL", "TINY_API_KEY", "OPENAI_API_KEY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; returns exit code, stdout and stderr."""

    def command(*args: object) -> tuple[int, str, str]:
        code = main([str(arg) for arg in args])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Let `--model` be a scripted model."""

    def use(*script: Line) -> ScriptedModel:
        scripted = ScriptedModel(script)
        monkeypatch.setattr(commands, "make_model", lambda model, name=None: scripted)
        return scripted

    return use


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make these lines the standard input."""
    return lambda *lines: monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))


class Terminal(io.StringIO):
    """A stream that a person sits at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Terminal]:
    """Make stdin and stderr a terminal at which these lines are typed; returns its screen."""

    def sit(*lines: str) -> Terminal:
        screen = Terminal()
        monkeypatch.setattr("sys.stdin", Terminal("".join(f"{line}\n" for line in lines)))
        monkeypatch.setattr("sys.stderr", screen)
        return screen

    return sit


# --- run ---


def test_the_answer_alone_goes_to_stdout_and_the_steps_to_stderr(run: Run, model: Use) -> None:
    model(SUM, "Thought: I know.\nFinal Answer: It is 5.")
    code, out, err = run("run", "What is 2 + 3?")
    assert (code, out) == (0, "It is 5.\n")
    steps = (
        f'step 1\n{SUM}\n→ calculator {{"expression": "2 + 3"}}\n← 5\n\n'
        "step 2\nThought: I know.\nFinal Answer: It is 5.\n\n"
    )
    assert err.startswith(steps)
    took = r"note: answered, 2 steps, about [\d,]+ tokens read and \d+ written\n"
    assert re.fullmatch(took, err.removeprefix(steps))


def test_a_question_needs_no_command(run: Run) -> None:
    for args in (["What is 2 + 3?", *RULES], [*RULES, "What is 2 + 3?"], ["run", "2 + 3", *RULES]):
        code, out, _ = run(*args, "--quiet")
        assert (code, out) == (0, "5\n")


@pytest.mark.parametrize("protocol", ["react", "hermes", "openai"])
@pytest.mark.parametrize("question", ["What is 2 + 3?", "2 加 3 等于多少？"])
def test_the_model_by_rules_speaks_every_protocol(protocol: str, question: str, run: Run) -> None:
    code, out, err = run(question, *RULES, "--protocol", protocol)
    assert (code, out) == (0, "5\n")
    assert ("行动" in err) == (protocol == "react" and "加" in question)


def test_quiet_shows_no_steps(run: Run, model: Use) -> None:
    model(SUM, "Final Answer: 5")
    assert run("What is 2 + 3?", "--quiet") == (0, "5\n", "")


def test_json_is_one_line(run: Run, model: Use) -> None:
    model(SUM, "Final Answer: 五")
    code, out, _ = run("What is 2 + 3?", "--json", "--quiet")
    assert code == 0
    assert out.count("\n") == 1
    result = json.loads(out)
    usage = result.pop("usage")
    assert usage["model_calls"] == 2
    expected = {"answer": "五", "status": "answered", "error": None, "steps": 2}
    assert result == {"question": "What is 2 + 3?"} | expected
    assert "五" in out


def test_format_errors_and_tool_errors_are_shown(run: Run, model: Use) -> None:
    wrong = SUM.replace("2 + 3", "2 +")
    model("no form", wrong, "Final Answer: 5")
    _, _, err = run("What is 2 + 3?")
    assert "\n! Format error: there is no Action" in err
    assert "\n← Error: " in err


def test_a_long_result_is_shown_in_part(run: Run, model: Use) -> None:
    Path("notes").mkdir()
    text = "\n".join(f"line {n} of the whale" for n in range(200))
    Path("notes/whale.md").write_text(text, encoding="utf-8")
    model('Action: read_file\nAction Input: {"path": "whale.md"}', "Final Answer: 1")
    _, _, err = run("?", "--tools", "read_file", "--folder", "notes")
    assert "line 3 of the whale" in err
    assert "line 30 of" not in err
    assert re.search(r"… \(\d+ characters\)", err)


@pytest.mark.parametrize(
    ("args", "script", "told"),
    [
        (["--max-steps", 1], [SUM, "no"], "took all the steps that it may; raise --max-steps"),
        (["--max-tokens", 1], [SUM, "no"], "used up its tokens; raise --max-tokens"),
        (["--max-seconds", 1e-9], [], "its time was up; raise --max-seconds"),
        ([], ["a", "b", "c", SUM], "try another --protocol or --model"),
        ([], [*[SUM] * 3, ""], "made the same call again and again"),
        ([], [], "call 1 of a script of 0 replies"),
    ],
)
def test_without_an_answer_it_says_why_and_what_to_do(
    args: list[object], script: list[Line], told: str, run: Run, model: Use
) -> None:
    model(*script)
    code, out, err = run("What is 2 + 3?", *args, "--quiet")
    if "no" not in script:
        assert (code, out) == (1, "")
        assert err.startswith("note: no answer: ")
    assert told in err
    code, out, _ = run("What is 2 + 3?", *args, "--quiet", "--json")
    assert json.loads(out)["status"] != "answered"


def test_an_answer_at_a_limit_is_one(run: Run, model: Use) -> None:
    model(SUM, "Final Answer: about 5")
    code, out, err = run("What is 2 + 3?", "--max-steps", 1, "--quiet")
    assert (code, out) == (0, "about 5\n")
    assert err.startswith("note: an answer of what there was: it took all the steps")


def test_an_empty_question_is_refused(run: Run, model: Use) -> None:
    scripted = model("Final Answer: 1")
    code, _, err = run(" \n")
    assert code == 1
    assert "ask something" in err
    assert scripted.calls == []


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["run"],
        ["?", "--protocol", "smoke"],
        ["?", "--max-steps", "0"],
        ["?", "--max-seconds", "-1"],
        ["?", "--max-seconds", "nan"],
        ["?", "--workflow", "chaos"],
        ["chat", "--workflow", "plan"],
        ["replay", "a", "b"],
        ["What", "is", "it"],
        ["repaly", "run.jsonl"],
        ["tool"],
    ],
)
def test_wrong_usage_exits_with_2(args: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(args)
    assert raised.value.code == 2


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["eval", "-h"], ["view", "-h"]])
def test_help_exits_with_0(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(args)
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: tiny_agent" in shown
    assert "%%" not in shown


def test_without_a_model_it_says_how_to_get_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiny_agent.choices.shipped_folder", lambda: None)
    code, out, err = run("What is 2 + 3?")
    assert (code, out) == (1, "")
    assert err.startswith("error: no model is chosen")
    assert "--model rules" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--tools", "calculator,searcher"], "did you mean search?"),
        (["--tools", "search", "--folder", "nowhere"], "nowhere"),
        (["--mcp", "nowhere.json"], "nowhere.json"),
        (["--trace", "/dev/null/run.jsonl"], "/dev/null"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(args: list[str], told: str, run: Run, model: Use) -> None:
    scripted = model("Final Answer: 1")
    code, out, err = run("?", *args)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert told in err
    assert err.count("\n") == 1
    assert scripted.calls == []


def test_the_options_reach_the_agent(run: Run, model: Use) -> None:
    scripted = model("Final Answer: 1")
    run("What is it?", "--instructions", "Be brief.", "--tools", "now,calculator")
    system = scripted.calls[0].messages[0]["content"]
    assert system.startswith("Be brief.\n\nAnswer the question.")
    assert "Action: one of now, calculator" in system
    scripted = model("hi")
    run("What is it?", "--protocol", "hermes", "--tools", "")
    assert scripted.calls[0].messages == [{"role": "user", "content": "What is it?"}]


def test_the_labels_are_in_the_questions_language(run: Run, model: Use) -> None:
    asked = {}
    for question, args in {
        "有几个？": [],
        "How many?": [],
        "How many 个?": ["--language", "en"],
    }.items():
        scripted = model("Final Answer: 1")
        run(question, *args)
        asked[question] = "行动输入" in scripted.calls[0].messages[0]["content"]
    assert list(asked.values()) == [True, False, False]


def test_a_plan_is_made_and_carried_out(run: Run, model: Use) -> None:
    scripted = model('["Add 2 and 3."]', SUM, "Final Answer: 5", "It is 5.")
    code, out, _ = run("What is 2 + 3?", "--workflow", "plan", "--trace", "t.jsonl")
    assert (code, out) == (0, "It is 5.\n")
    assert len(scripted.calls) == 4
    assert read_trace("t.jsonl").header.workflow["name"] == "plan"


def test_an_answer_cannot_command_the_terminal(run: Run, model: Use) -> None:
    model("Thought: \x1b[2Jgone\nFinal Answer: \x1b]0;title\x07 \x9b31m fine\tand\nfine")
    _, out, err = run("?")
    assert out == "\ufffd]0;title\ufffd \ufffd31m fine\tand\nfine\n"
    assert "\x1b" not in err


# --- Servers. ---


@pytest.fixture
def server() -> Iterator[Callable[..., StubServer]]:
    """Start a server that gives these responses."""
    started: list[StubServer] = []

    def start(*script: Response) -> StubServer:
        started.append(StubServer(script).__enter__())
        return started[-1]

    yield start
    for each in started:
        each.__exit__()


def test_a_server_is_asked_by_function_calling(run: Run, server: Callable[..., StubServer]) -> None:
    stub = server(say("", [("calculator", {"expression": "2 + 3"})]), say("It is 5."))
    args = ("--model", stub.url, "--protocol", "openai", "--trace", "t.jsonl")
    code, out, err = run("What is 2 + 3?", *args)
    assert (code, out) == (0, "It is 5.\n")
    assert '→ calculator {"expression": "2 + 3"}\n← 5\n' in err
    assert stub.requests[0].body["tools"][0]["function"]["name"] == "calculator"
    assert stub.requests[0].body["model"] == "stub"
    assert read_trace("t.jsonl").header.model == "stub"
    assert replay("t.jsonl").ok


def test_a_server_that_fails_leaves_the_trace(run: Run, server: Callable[..., StubServer]) -> None:
    stub = server(say(SUM), error(401, "no such key"))
    code, out, err = run("2 + 3?", "--model", stub.url, "--trace", "t.jsonl", "--quiet")
    assert (code, out) == (1, "")
    assert "set the API key that this server wants" in err
    trace = read_trace("t.jsonl")
    assert (len(trace.steps), trace.result and trace.result.status) == (1, "model_error")


def test_no_key_is_in_a_trace(
    run: Run, server: Callable[..., StubServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_API_KEY", "sk-very-secret")
    stub = server(say("Final Answer: 1"), error(401, "the key sk-very-secret is not known"))
    for _ in range(2):
        run("?", "--model", stub.url, "--trace", "t.jsonl", "--quiet")
        text = Path("t.jsonl").read_text(encoding="utf-8")
        assert "sk-very-secret" not in text
        assert "127.0.0.1" not in text or "the key *** is not known" in text
    assert stub.requests[0].headers["authorization"] == "Bearer sk-very-secret"


# --- Approval. ---

DELETE = 'Action: python\nAction Input: {"code": "import os\\nprint(6 * 7)"}'
PYTHON = ("--tools", "python")


@pytest.mark.parametrize(
    ("answer", "approved"),
    [("y", True), ("YES", True), ("是", True), ("", False), ("n", False), ("yep", False)],
)
def test_the_user_is_asked_and_sees_the_code(
    answer: str, approved: bool, run: Run, model: Use, terminal: Sit
) -> None:
    scripted = model(DELETE, "Final Answer: 1")
    screen = terminal(answer)
    assert run("?", *PYTHON, "--quiet")[0] == 0
    shown = re.sub(r"\x1b\[\d+m", "", screen.getvalue())
    assert (
        "python wants to run with\n  code:\n    import os\n    print(6 * 7)\nRun it? [y/N] "
        in shown
    )
    observed = scripted.calls[1].messages[-1]["content"]
    assert ("42" in observed) == approved
    assert ("has not approved" in observed) != approved


def test_who_hides_code_behind_escapes_is_seen(run: Run, model: Use, terminal: Sit) -> None:
    model(DELETE.replace("import os", "evil()\\u001b[2K\\rfine()"), "Final Answer: 1")
    screen = terminal("n")
    run("?", *PYTHON)
    assert "evil()\ufffd[2K\ufffdfine()" in screen.getvalue()


def test_where_nobody_can_be_asked_it_is_refused(run: Run, model: Use, typed: Type) -> None:
    scripted = model(DELETE, "Final Answer: 1")
    typed("y")
    code, _, err = run("?", *PYTHON, "--quiet")
    assert code == 0
    assert err == "note: python needs your approval and was not run; --yes approves all calls\n"
    assert "has not approved" in scripted.calls[1].messages[-1]["content"]


def test_yes_approves(run: Run, model: Use, typed: Type) -> None:
    scripted = model(DELETE, "Final Answer: 1")
    typed()
    assert run("?", *PYTHON, "--quiet", "--yes") == (0, "1\n", "")
    assert "42" in scripted.calls[1].messages[-1]["content"]


# --- Colours. ---


def test_a_terminal_has_colours_and_nothing_else_has(
    run: Run, model: Use, terminal: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value, colours in [
        ("X", "1", True),
        ("NO_COLOR", "1", False),
        ("TERM", "dumb", False),
    ]:
        monkeypatch.setenv(name, value)
        model(SUM, "Final Answer: 5")
        screen = terminal()
        _, out, _ = run("2 + 3?")
        assert out == "5\n"
        assert ("\x1b[36m→ calculator" in screen.getvalue()) == colours
        assert ("\x1b" in screen.getvalue()) == colours
        monkeypatch.delenv(name)


# --- chat ---


def test_a_chat_remembers(run: Run, model: Use, typed: Type) -> None:
    scripted = model(SUM, "Final Answer: 5", "Final Answer: 10")
    typed("What is 2 + 3?", "", "  ", "And twice that?")
    code, out, err = run("chat")
    assert (code, out) == (0, "5\n10\n")
    contents = [message["content"] for message in scripted.calls[2].messages]
    assert contents[1] == "What is 2 + 3?"
    assert "5" in contents[-2]
    assert contents[-1] == "And twice that?"
    assert "> " not in err


def test_a_chat_goes_on_after_a_failure(run: Run, model: Use, typed: Type) -> None:
    scripted = model("a", "b", "c", "", "Final Answer: 1")
    typed("First?", "Second?")
    code, out, err = run("chat", "--quiet")
    assert (code, out) == (1, "1\n")
    assert "note: no answer: the model does not keep to the form" in err
    assert "First?" not in str(scripted.calls[-1].messages)


def test_each_question_of_a_chat_has_a_trace(run: Run, model: Use, typed: Type) -> None:
    model("Final Answer: 1", "Final Answer: 2", "Final Answer: 3")
    typed("One?", "Two?", "Three?")
    run("chat", "--trace", "c.jsonl", "--json")
    assert sorted(os.listdir()) == ["c.2.jsonl", "c.3.jsonl", "c.jsonl"]
    assert len(read_trace("c.3.jsonl").header.history) == 4
    assert replay("c.3.jsonl").ok


def test_a_person_is_prompted(run: Run, model: Use, terminal: Sit) -> None:
    model("Final Answer: 1")
    screen = terminal("One?")
    assert run("chat", "--quiet")[:2] == (0, "1\n")
    assert screen.getvalue() == "> > "


# --- tools ---


def test_tools_are_listed_as_a_model_is_told_of_them(run: Run) -> None:
    code, out, err = run("tools")
    assert (code, err) == (0, "")
    for name in ("calculator", "search", "read_file", "google_search", "now", "unit_convert"):
        assert re.search(rf"^{name}: ", out, re.MULTILINE)
    assert "\npython (asks before it runs): " in out
    assert '\n  "expression" (string, required): ' in out


def test_tools_as_json_have_their_schemas(run: Run) -> None:
    _, out, _ = run("tools", "--tools", "python,calculator", "--json")
    python, calculator = map(json.loads, out.splitlines())
    assert (python["needs_approval"], calculator["needs_approval"]) == (True, False)
    assert calculator["function"]["parameters"]["required"] == ["expression"]


def test_tools_of_a_server_join(run: Run, model: Use) -> None:
    command = {"command": sys.executable, "args": [str(MCP_SERVER)]}
    Path("mcp.json").write_text(json.dumps({"mcpServers": {"our": command}}), encoding="utf-8")
    scripted = model('Action: our_repeat\nAction Input: {"text": "ho"}', "Final Answer: ho")
    code, out, _ = run("?", "--mcp", "mcp.json", "--yes", "--quiet")
    assert (code, out) == (0, "ho\n")
    assert scripted.calls[1].messages[-1]["content"] == "Observation: ho"


# --- replay and view ---


@pytest.fixture
def trace(run: Run, model: Use) -> Path:
    model(SUM, "Final Answer: 5")
    run("What is 2 + 3?", "--trace", "run.jsonl", "--quiet")
    return Path("run.jsonl")


def test_a_replay_is_the_same(run: Run, trace: Path) -> None:
    assert run("replay", trace) == (0, "all is the same: 2 steps, the result\n", "")
    found = json.loads(run("replay", trace, "--json")[1])
    assert found == {"same": True, "steps": 2, "difference": None, "missing": None}


def test_a_replay_shows_the_first_difference(run: Run, trace: Path) -> None:
    text = trace.read_text(encoding="utf-8")
    trace.write_text(text.replace("Thought: I work it out.", "Thought: I guess."), encoding="utf-8")
    code, out, _ = run("replay", trace)
    assert code == 1
    assert out.startswith("0 steps are the same; step 1, the thought:\n--- recorded\n+++ now\n")
    assert json.loads(run("replay", trace, "--json")[1])["same"] is False


def test_a_replay_of_a_run_that_was_killed_says_so(run: Run, trace: Path) -> None:
    trace.write_bytes(trace.read_bytes()[:-30])
    code, out, err = run("replay", trace)
    assert (code, out) == (0, "all is the same: 2 steps\n")
    assert err.startswith("note: line 4 is cut off: the run was ended from outside")


def test_a_page_stands_beside_its_trace(run: Run, trace: Path) -> None:
    Path("runs").mkdir()
    trace.rename("runs/run.jsonl")
    assert run("view", "runs/run.jsonl") == (0, f"{Path('runs/run.html')}\n", "")
    assert is_page(Path("runs/run.html"))
    assert run("view", "runs/run.jsonl")[0] == 0  # over the page of before
    assert run("view", "runs/run.jsonl", "--out", "p.html")[1] == "p.html\n"
    assert is_page(Path("p.html"))


def test_a_page_replaces_no_other_file_unless_it_is_told_to(run: Run, trace: Path) -> None:
    Path("run.html").write_text("mine", encoding="utf-8")
    code, out, err = run("view", trace)
    assert (code, out) == (1, "")
    assert "run.html is there, and no page of a trace; name a file: --out FILE" in err
    assert Path("run.html").read_text(encoding="utf-8") == "mine"
    assert run("view", trace, "--out", "run.html")[0] == 0
    assert is_page(Path("run.html"))


def test_a_file_that_is_no_trace_is_told(run: Run) -> None:
    Path("x.jsonl").write_text("{}\n", encoding="utf-8")
    for command in ("replay", "view"):
        code, out, err = run(command, "x.jsonl")
        assert (code, out) == (1, "")
        assert err == "error: x.jsonl line 1: this is no trace of a run; --trace FILE makes one\n"
        missing = "error: nowhere.jsonl: No such file or directory\n"
        assert run(command, "nowhere.jsonl") == (1, "", missing)
    assert os.listdir() == ["x.jsonl"]


def test_the_sample_is_the_same_with_the_prompts_of_today(run: Run) -> None:
    code, out, err = run("replay")
    assert code == 0, f"make it again: python -m tests.tiny_agent.sample_trace\n{out}"
    assert err == "note: no trace is given, so this is of one that comes along\n"
    code, out, _ = run("view")
    assert (code, out) == (0, "sample_trace.html\n")
    page = Path("sample_trace.html").read_text(encoding="utf-8")
    assert "Bottle Sump" in page
    assert "Format error" in page


# --- eval ---


def write_tasks(*tasks: dict[str, object]) -> None:
    text = "\n".join(json.dumps(task) for task in tasks)
    Path("tasks.jsonl").write_text(text, encoding="utf-8")


TASK: dict[str, object] = {
    "id": "sum",
    "question": "What is 2 + 3?",
    "answers": ["5"],
    "kind": "sums",
}


def test_eval_prints_a_table(run: Run, model: Use) -> None:
    model(*[SUM, "Final Answer: 5"] * 2, SUM, SUM, "Final Answer: 6", "no", "Final Answer: 5")
    write_tasks(TASK, TASK | {"id": "other", "kind": "other"})
    code, out, _ = run("eval", "tasks.jsonl", "--trials", 2, "--out", "r.jsonl")
    assert code == 0
    label, head, everything, sums, other, powers = out.splitlines()
    assert label == "ScriptedModel, react, react"
    assert head.split() == ["tasks", "success", "steps", "tokens", "bad", "form", "repeated"]
    assert everything.split()[:3] == ["all", "2", "75%"]
    assert everything.split()[-2:] == ["11.1%", "25.0%"]
    assert (sums.split()[:3], other.split()[:3]) == (["sums", "1", "50%"], ["other", "1", "100%"])
    assert powers == "pass^1 75%  pass^2 50%"
    assert len(Path("r.jsonl").read_text(encoding="utf-8").splitlines()) == 4


def test_eval_goes_on_where_it_stopped(run: Run, model: Use) -> None:
    write_tasks(TASK)
    model("Final Answer: 5")
    run("eval", "tasks.jsonl", "--out", "r.jsonl")
    scripted = model()
    code, out, _ = run("eval", "tasks.jsonl", "--out", "r.jsonl", "--json")
    assert code == 0
    assert scripted.calls == []
    row = json.loads(out)
    assert (row["label"], row["success"], row["pass^1"]) == ("ScriptedModel, react, react", 1, 1)
    assert row["kinds"]["sums"]["tasks"] == 1


def test_a_task_brings_its_tools(run: Run, model: Use) -> None:
    write_tasks(TASK | {"tools": ["now"]}, TASK | {"id": "b"})
    scripted = model("Final Answer: 5", "Final Answer: 5")
    run("eval", "tasks.jsonl", "--tools", "weather")
    prompts = [call.messages[0]["content"] for call in scripted.calls]
    assert ["now:" in prompts[0], "weather:" in prompts[0]] == [True, False]
    assert ["now:" in prompts[1], "weather:" in prompts[1]] == [False, True]


def test_eval_gives_up_on_a_model_that_fails_again_and_again(run: Run, model: Use) -> None:
    write_tasks(*[TASK | {"id": str(n)} for n in range(9)])
    model("Final Answer: 5")
    code, out, err = run("eval", "tasks.jsonl", "--out", "r.jsonl")
    assert (code, out) == (1, "")
    assert "error: the model failed 3 times in a row: call 2 of a script of 1 replies" in err
    assert len(Path("r.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_eval_says_that_there_was_no_reply_and_fails(run: Run, model: Use) -> None:
    write_tasks(TASK | {"id": "1"}, TASK | {"id": "2"})
    model("Final Answer: 5")
    code, out, err = run("eval", "tasks.jsonl")
    assert code == 1
    assert "all" in out
    assert "1 of 2 runs had no reply: call 2 of a script of 1 replies" in err


@pytest.mark.parametrize("words", [["what", "is", "3"], ["hello", "there", "--model", "rules"]])
def test_a_question_without_quotation_marks_is_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    question = " ".join(word for word in words[:3] if word.isalnum())
    assert f"put it in quotes: '{question}'" in capsys.readouterr().err


def test_the_tasks_that_come_along_are_run(run: Run) -> None:
    code, out, _ = run("eval", *RULES)
    assert code == 0
    assert out.startswith("RuleModel, react, react\n")
    assert int(out.splitlines()[2].split()[1]) >= 40


# --- A process of its own. ---


def tiny_agent(*args: str, **more: object) -> "subprocess.Popen[str]":
    environment = {"PYTHONIOENCODING": "utf-8"} | os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "tiny_agent", *args],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        **more,  # type: ignore[call-overload]
    )


def test_it_runs_as_a_module() -> None:
    process = tiny_agent("What is 12.5% of 840?", *RULES, "--trace", "t.jsonl")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "105\n")
    assert "step 2" in err
    assert replay("t.jsonl").ok


def test_a_terminal_that_knows_no_chinese_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    out, err = tiny_agent("谁？", *RULES).communicate(timeout=60)
    assert out.startswith("\\u6211\\u4e0d\\u77e5\\u9053")
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGKILL"])
def test_a_run_that_is_ended_leaves_its_steps(
    signal_name: str, server: Callable[..., StubServer]
) -> None:
    stub = server(say(SUM), slow(30, say("too late")))
    # A shell that starts something in the background lets it ignore Ctrl-C, and its children too.
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = tiny_agent("2 + 3?", "--model", stub.url, "--trace", "t.jsonl", **heed)
    wait_for(lambda: len(stub.requests) == 2)
    process.send_signal(getattr(signal, signal_name))
    out, err = process.communicate(timeout=20)
    assert out == ""
    if signal_name == "SIGINT":
        assert process.returncode == 1
        assert err.endswith("\nnote: the steps until now are in t.jsonl\n\ninterrupted\n")
        assert "Traceback" not in err
    trace = read_trace("t.jsonl")
    assert [step.results[0].content for step in trace.steps] == ["5"]
    assert trace.result is None
    assert replay(trace).ok


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited for half a minute")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    process = tiny_agent("tools", "--json")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 0


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, tiny_agent, tiny_agent.cli, tiny_agent.trace_page, tiny_agent.replay; "
        "heavy = {'torch', 'transformers', 'openai', 'mcp', 'pydantic', 'tqdm'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_conversation_is_kept_within_the_model_s_context_or_what_is_asked_for(
    run: Run, model: Use
) -> None:
    scripted = model("Final Answer: 5", "Final Answer: 5", "Final Answer: 5")
    for known, asked, used in ((None, (), None), (700, (), 700), (700, ("900",), 900)):
        if known:
            scripted.context_tokens = known  # type: ignore[attr-defined]  # as a local model has
        more = ("--context-tokens", *asked) if asked else ()
        assert run("2 + 3?", "--trace", f"{used}.jsonl", *more)[0] == 0
        assert read_trace(f"{used}.jsonl").header.context_tokens == used

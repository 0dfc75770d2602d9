"""The command line: what each command prints, where, and with which exit code."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import DOCS, Echo, write_docs
from tests.tiny_eval.stub_server import Response, StubServer, say
from tests.tiny_eval.tiny_folder import CONTEXT, tiny_folder
from tiny_eval import choices, commands
from tiny_eval.cli import main
from tiny_eval.models import ModelError
from tiny_eval.run_files import PREDICTIONS, read_rows, read_run

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[2]
URL = "http://127.0.0.1:11434/v1"
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")

QA = """# Four colours
data: docs.jsonl
prompt: "Q: {{q}}\\nA:"
target: a
filters: first_line
metrics: [exact_match, f1]
generation: {max_tokens: 32}
"""
SUMS = """# Two sums
data: sums.jsonl
kind: choice
prompt: q
choices: options
target: a
metrics: acc
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TINY_MODEL", "TINY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    write_docs(Path("docs.jsonl"), DOCS)
    sums = [{"q": "1 + 1 =", "options": ["2", "3"], "a": 0}] * 3
    write_docs(Path("sums.jsonl"), sums)
    Path("qa.yaml").write_text(QA)
    Path("sums.yaml").write_text(SUMS)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; returns exit code, stdout and stderr."""

    def command(*args: object) -> tuple[int, str, str]:
        code = main([str(arg) for arg in args])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Callable[[Echo], Echo]:
    """Let every `--model` be this one."""

    def use(echo: Echo) -> Echo:
        monkeypatch.setattr(commands, "make_model", lambda *_: echo)
        return echo

    return use


def infer(run: Run, *args: object) -> Path:
    code, out, err = run("infer", "--task", "qa.yaml", "--model", "gold", *args)
    assert (code, err) == (0, "")
    return Path(out.strip())


def metrics(run: Run, *args: object) -> dict[str, Any]:
    code, out, _ = run("score", *args, "--json")
    assert code == 0
    return json.loads(out)["metrics"]


# --- run and infer ---


def test_run_asks_and_prints_a_table_on_stdout_alone(run: Run) -> None:
    code, out, err = run("run", "--task", "qa.yaml", "--model", "gold")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "qa"
    row = next(line for line in lines if line.startswith("exact_match"))
    assert row.split() == "exact_match gold 100.0% 51.0% … 100.0% 4 100.0% 0".split()  # noqa: SIM905
    assert lines[-1].split()[:4] == ["gold", "4", "of", "4"]
    folder = Path(lines[-1].split()[-1])
    assert len(read_rows(folder / PREDICTIONS)) == 4
    assert folder.parts[:2] == ("runs", "qa")


def test_infer_prints_the_folder_alone(run: Run) -> None:
    folder = infer(run, "--out", "elsewhere/deep")
    assert folder.parent == Path("elsewhere/deep/qa")
    assert read_run(folder)["model"] == "gold"


def test_several_tasks_are_run_one_after_another(run: Run) -> None:
    code, out, _ = run(
        "run", "--task", "qa.yaml", "--task", "sums.yaml", "--model", "gold", "--json"
    )
    first, second = map(json.loads, out.splitlines())
    assert (code, first["task"], second["task"]) == (0, "qa", "sums")
    assert first["metrics"]["exact_match"]["value"] == second["metrics"]["acc"]["value"] == 1


def test_a_model_is_made_once_for_several_tasks(run: Run, monkeypatch: Any) -> None:
    made = []

    def make(*_: Any) -> Echo:
        made.append(Echo())
        return made[-1]

    monkeypatch.setattr(commands, "make_model", make)
    run("run", "--task", "qa.yaml", "--task", "sums.yaml", "--model", "folder")
    assert len(made) == 1


def test_nothing_is_asked_if_one_of_the_tasks_is_wrong(run: Run, model: Any) -> None:
    echo = model(Echo())
    code, out, err = run("run", "--task", "qa.yaml", "--task", "no.yaml", "--model", "x")
    assert (code, out, echo.asked) == (1, "", [])
    assert err.startswith("error: no task at no.yaml; ")


def test_options_change_the_task_and_so_the_folder(run: Run, model: Any) -> None:
    write_docs(Path("one.jsonl"), DOCS[:1])
    changes: list[list[object]] = [
        [],
        ["--few-shot", 1],
        ["--chat"],
        ["--max-tokens", 5],
        ["--data", "one.jsonl"],
    ]
    folders, asked = set(), []
    for change in changes:
        echo = model(Echo())
        code, out, _ = run("infer", "--task", "qa.yaml", "--model", "x", *change)
        assert code == 0
        folders.add(out)
        asked.append(echo.asked[-1])
    assert len(folders) == 5
    assert asked[0] == asked[3] == asked[4] == "Q: What is red?\nA:"
    assert asked[1] == "Q: What is blue?\nA: the sky\n\nQ: What is red?\nA:"
    assert asked[2] == [{"role": "user", "content": "Q: What is red?\nA:"}]


def test_raw_and_no_examples_undo_what_a_task_says(run: Run, model: Any) -> None:
    Path("qa.yaml").write_text(QA + "chat: true\nfew_shot: 1\n")
    echo = model(Echo())
    run("infer", "--task", "qa.yaml", "--model", "x", "--raw", "--few-shot", 0)
    assert echo.asked[-1] == "Q: What is red?\nA:"


def test_options_of_the_model_reach_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def make(*args: Any) -> Echo:
        seen.append(args)
        return Echo()

    monkeypatch.setattr(commands, "make_model", make)
    options = "--model-name n --concurrency 2 --rpm 9 --timeout 2.5 --batch-size 3"
    options += " --truncation middle --adapter a --device cpu"
    run("infer", "--task", "qa.yaml", "--model", "http://x", *options.split())
    choice, task, given = seen[0]
    assert (choice, task.name) == ("http://x", "qa")
    assert given == choices.ModelOptions("n", 2, 9, 2.5, 3, "middle", Path("a"), "cpu")


def test_prompts_that_were_cut_are_told_of_once(run: Run, model: Any) -> None:
    model(Echo()).shortened = 3
    _, _, err = run("run", "--task", "qa.yaml", "--task", "qa.yaml", "--model", "x", "--limit", 1)
    assert err.count("prompts too long for the model, and cut: 3; --truncation says where") == 1


def test_a_limit_is_said_in_the_table(run: Run) -> None:
    _, out, _ = run("run", "--task", "qa.yaml", "--model", "gold", "--limit", 2)
    assert "2 of 4" in out
    _, out, _ = run("run", "--task", "qa.yaml", "--model", "gold", "--limit", 1, "--json")
    row = json.loads(out)
    assert (row["answered"], row["documents"]) == (2, 4)


def test_a_second_run_asks_nothing_and_says_so(run: Run) -> None:
    first = run("run", "--task", "qa.yaml", "--model", "gold")
    code, out, err = run("run", "--task", "qa.yaml", "--model", "gold")
    assert (code, out) == first[:2]
    assert err == "note: 4 documents answered before, 0 now\n"


def test_failures_are_told_with_their_reasons_and_exit_code_1(run: Run, model: Any) -> None:
    model(Echo(fail="is"))
    code, out, err = run("run", "--task", "qa.yaml", "--model", "x")
    assert code == 1
    assert "1 of 4" in out  # what there is is scored all the same
    assert err == (
        "note: the first failure: too busy\n"
        "note: no answer to 3 of 4 documents: too busy (3, such as grass)\n"
    )
    model(Echo())
    code, _, err = run("run", "--task", "qa.yaml", "--model", "x")
    assert (code, err) == (0, "note: 1 document answered before, 3 now\n")


def test_the_first_failure_is_told_at_once_and_once(run: Run, model: Any) -> None:
    model(Echo(fail="is", stop_after=3))
    _, _, err = run("run", "--task", "qa.yaml", "--model", "x")
    assert err.startswith("note: the first failure: too busy\n")
    assert err.endswith("error: the server is gone\n")
    assert err.count("too busy") == 1


def test_if_nothing_was_answered_there_is_nothing_to_score(run: Run, model: Any) -> None:
    model(Echo(fail=""))
    code, out, err = run("run", "--task", "qa.yaml", "--model", "x")
    assert (code, out) == (1, "")
    assert "no answer to 4 of 4 documents" in err


@pytest.mark.parametrize(
    ("error", "told"),
    [(KeyboardInterrupt(), "interrupted\n"), (ModelError("it is gone"), "error: it is gone\n")],
)
def test_a_run_that_is_stopped_says_how_to_go_on(
    error: BaseException, told: str, run: Run, model: Any
) -> None:
    model(Echo(stop_after=3, error=error))
    code, out, err = run("run", "--task", "qa.yaml", "--model", "x")
    assert (code, out) == (1, "")
    assert "keeps the answers to 3 documents; the same command goes on from there\n" in err
    assert err.endswith(told)
    model(Echo())
    code, out, err = run("run", "--task", "qa.yaml", "--model", "x")
    assert (code, err) == (0, "note: 3 documents answered before, 1 now\n")


def test_a_stop_before_the_first_answer_promises_nothing(run: Run, model: Any) -> None:
    model(Echo(stop_after=0))
    _, _, err = run("run", "--task", "qa.yaml", "--model", "x")
    assert err == "error: the server is gone\n"


def test_a_changed_question_is_said(run: Run, model: Any) -> None:
    model(Echo())
    run("infer", "--task", "qa.yaml", "--model", "x")
    write_docs(Path("docs.jsonl"), [{**DOCS[0], "q": "What is pink?"}, *DOCS[1:]])
    code, _, err = run("infer", "--task", "qa.yaml", "--model", "x")
    assert code == 0
    assert "note: 3 documents answered before, 1 now\n" in err
    assert "note: answers to what is no longer asked, put aside: 1\n" in err


def test_without_a_model_the_ways_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "shipped_folder", lambda: None)
    code, out, err = run("run", "--task", "qa.yaml")
    assert (code, out) == (1, "")
    assert err.startswith("error: no model is chosen, and none is shipped: give --model URL")


def test_the_first_command_of_the_help_works_from_cold() -> None:
    command = [sys.executable, "-m", "tiny_eval", "run", "--task", "sample-qa-en"]
    ran = subprocess.run([*command, "--model", "ngram"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "exact_match  ngram" in ran.stdout


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["runn"],
        ["run"],
        ["run", "--task"],
        ["run", "--task", "x", "--limit", "0"],
        ["run", "--task", "x", "--limit", "many"],
        ["run", "--task", "x", "--few-shot", "-1"],
        ["run", "--task", "x", "--timeout", "0"],
        ["run", "--task", "x", "--timeout", "nan"],
        ["run", "--task", "x", "--timeout", "soon"],
        ["run", "--task", "x", "--chat", "--raw"],
        ["run", "--task", "x", "--truncation", "right"],
        ["score"],
        ["compare", "a"],
        ["report", "a", "--lang", "fr"],
        ["judge"],
    ],
)
def test_wrong_usage_is_exit_code_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(args)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: tiny_eval" in err


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--few-shot", "-2"), "'-2' must be a whole number, 0 or more"),
        (("--limit", "0"), "'0' must be a whole number, 1 or more"),
        (("--timeout", "inf"), "'inf' must be a number of seconds above 0"),
    ],
)
def test_a_wrong_number_is_told_with_the_right_ones(
    option: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--task", "x", *option])
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "list", "infer", "score", "compare", "report", "judge"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: tiny_eval {command}")


def test_the_list_of_commands_has_a_sentence_about_each(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert " Ask a model, then score its answers.\n" in capsys.readouterr().out


# --- list ---


def test_list_shows_the_shipped_tasks(run: Run) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    row = next(line for line in out.splitlines() if line.startswith("sample-qa-en"))
    assert row.split() == ["sample-qa-en", "generate", "exact_match,", "f1", "24"]
    assert "\nsample-qa-en: Reading: " in out
    assert next(line for line in out.splitlines() if line.startswith("ceval")).endswith("--data")


def test_list_ends_with_what_a_task_may_name(run: Run) -> None:
    filters, metrics, layouts = run("list")[1].splitlines()[-3:]
    assert filters.startswith("Filters: strip_think, ")
    assert filters.endswith('{"regex": "..."}')
    assert metrics.startswith("Metrics by kind: generate: exact_match, ")
    assert "; choice: acc, acc_norm" in metrics
    assert "; perplexity: word_perplexity" in metrics
    assert layouts == "Layouts: plain, sft, longbench, ceval, cmmlu, gsm8k, gaokao-bench"


def test_list_for_programs(run: Run) -> None:
    _, out, _ = run("list", "--json")
    rows = {row["name"]: row for row in map(json.loads, out.splitlines())}
    assert rows["sample-choice-zh"]["kind"] == "choice"
    assert rows["sample-choice-zh"]["documents"] == 24
    assert rows["gsm8k"]["documents"] is None
    assert "number_match" in rows["gsm8k"]["metrics"]
    assert rows["gsm8k"]["about"]


# --- score ---


def test_score_twice_is_the_same_to_the_byte(run: Run) -> None:
    Path("qa.yaml").write_text(QA.replace("f1]", "f1, bleu, chrf]\ngroup_by: topic"))
    folder = infer(run)
    first = run("score", folder, "--json")
    assert first[0] == 0
    assert run("score", folder, "--json") == first
    row = json.loads(first[1])
    assert row["metrics"]["exact_match"]["n"] == 4
    assert row["extracted"]["value"] == 1
    assert set(row["groups"]) == {"plants", "air"}
    assert row["run"] == str(folder)


def test_numbers_that_are_none_are_null(run: Run) -> None:
    folder = infer(run, "--limit", 1)
    _, out, _ = run("score", folder, "--json")
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["metrics"]["f1"]["stderr"] is None


def test_score_by_another_file(run: Run) -> None:
    folder = infer(run)
    other = QA.replace("first_line", '{regex: "(r.*)"}').replace("[exact_match, f1]", "rouge_1")
    Path("other.yaml").write_text(other)
    assert metrics(run, folder, "--task", "other.yaml")["rouge_1"]["value"] < 1
    assert metrics(run, folder)["exact_match"]["value"] == 1


def test_a_corrected_answer_is_scored_without_a_model(run: Run) -> None:
    write_docs(Path("said.jsonl"), [{"id": doc["id"], "reply": "x"} for doc in DOCS])
    script = ("run", "--task", "qa.yaml", "--model", "script:said.jsonl", "--json")
    assert json.loads(run(*script)[1])["metrics"]["exact_match"]["value"] == 0
    write_docs(Path("docs.jsonl"), [{**DOCS[0], "a": "x"}, *DOCS[1:]])
    _, out, err = run(*script)
    assert json.loads(out)["metrics"]["exact_match"]["value"] == 0.25
    assert err == "note: 4 documents answered before, 0 now\n"


def test_a_folder_of_runs_is_told_apart_from_a_run(run: Run) -> None:
    folder = infer(run)
    for outer in (folder.parent, folder.parent.parent):
        code, _, err = run("score", outer)
        assert code == 1
        assert (
            err == f"error: {outer} is no run: it has no run.json; give those inside, as {folder}\n"
        )


def test_runs_of_a_task_stand_in_one_table(run: Run) -> None:
    folders = [infer(run), infer(run, "--few-shot", 1)]
    code, out, _ = run("score", *folders)
    assert code == 0
    assert out.count("\nScores\n") == 1
    rows = [line for line in out.splitlines() if line.startswith("f1")]
    assert len(rows) == 2
    assert "few_shot=1" in rows[1]
    assert all(str(folder) in out for folder in folders)


def test_chinese_does_not_push_the_columns_aside(run: Run) -> None:
    Path("qa.yaml").write_text(QA + "group_by: topic\n")
    write_docs(Path("docs.jsonl"), [{**doc, "topic": "填空题"} for doc in DOCS])
    _, out, _ = run("run", "--task", "qa.yaml", "--model", "gold")
    lines = out.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("填空题"))
    header = lines[at - 1]
    assert header.index("Run") - 3 == lines[at].index("gold")  # three characters are six wide


def test_a_name_cannot_command_the_terminal(run: Run, model: Any) -> None:
    model(Echo(name="x\033[31mred"))
    _, out, _ = run("run", "--task", "qa.yaml", "--model", "x")
    assert "red" in out
    assert "\033" not in out


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda run: run.joinpath("run.json").unlink(), "is no run: it has no run.json; `run` or"),
        (
            lambda run: run.joinpath("run.json").write_text("{"),
            "remove it; `run` or `infer` makes it",
        ),
        (lambda run: run.joinpath(PREDICTIONS).write_text("{\n"), "line 1 is no JSON"),
        (lambda run: run.joinpath(PREDICTIONS).write_text(""), "no predictions to score; "),
    ],
)
def test_a_broken_run_is_an_error_with_a_remedy(
    damage: Callable[[Path], Any], told: str, run: Run
) -> None:
    folder = infer(run)
    damage(folder)
    code, out, err = run("score", folder)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert told in err


@pytest.mark.parametrize("command", ["score", "report"])
def test_of_many_runs_those_without_answers_are_left_out(command: str, run: Run) -> None:
    full = infer(run)
    empty = Path("empty")
    empty.mkdir()
    (empty / "run.json").write_bytes((full / "run.json").read_bytes())
    code, out, err = run(command, empty, full)
    assert (code, out) == (0, run(command, full)[1])
    assert err == "note: left out, no predictions to score: empty\n"
    code, out, err = run(command, empty, empty)
    assert (code, out) == (1, "")
    assert err.startswith("error: empty: no predictions to score; ")
    assert "error: empty: no pred" in run("compare", full, empty)[2]


# --- compare, report, judge ---


@pytest.fixture
def two(run: Run) -> tuple[Path, Path]:
    """A run that is right about 30 questions, and one that is wrong about all."""
    docs = [{"id": str(n), "q": f"{n}?", "a": f"yes {n}"} for n in range(30)]
    write_docs(Path("docs.jsonl"), docs)
    write_docs(Path("bad.jsonl"), [{"id": str(n), "reply": "no"} for n in range(30)])
    script = run("infer", "--task", "qa.yaml", "--model", "script:bad.jsonl")
    return infer(run), Path(script[1].strip())


def test_compare_says_which_is_better_and_by_which_test(run: Run, two: Any) -> None:
    code, out, err = run("compare", *two)
    assert (code, err) == (0, "")
    assert "script-bad against gold" in out
    assert "exact_match: gold beats script-bad by 1.000" in out
    assert "McNemar" in out


def test_compare_for_programs(run: Run, two: Any) -> None:
    code, out, _ = run("compare", *two, "--json")
    row = json.loads(out)
    assert (code, row["a"], row["b"]) == (0, "gold", "script-bad")
    found = row["metrics"]["exact_match"]
    assert (found["difference"], found["winner"], found["n"]) == (-1, "a", 30)
    assert found["p_value"] <= found["adjusted_p"] < 1e-6


def test_compare_says_which_folder_is_which(run: Run, two: Any) -> None:
    again = Path("again")
    two[0].rename(again)
    infer(run)
    for folders in ((again, two[0]), (two[0], again)):
        lines = run("compare", *folders)[1].splitlines()
        assert "gold #2 against gold #1" in lines
        assert [line.split() for line in lines[-2:]] == [
            ["gold", "#1", str(folders[0])],
            ["gold", "#2", str(folders[1])],
        ]
        found = json.loads(run("compare", *folders, "--json")[1])
        assert (found["run_a"], found["run_b"]) == tuple(map(str, folders))


def test_compare_refuses_other_questions(run: Run, two: Any) -> None:
    other = Path(run("infer", "--task", "sums.yaml", "--model", "gold")[1].strip())
    code, _, err = run("compare", two[0], other)
    assert code == 1
    assert "two tasks; compare runs of one" in err


def test_report_as_markdown_on_stdout_or_in_a_file(run: Run, two: Any) -> None:
    code, out, _ = run("report", *two)
    assert code == 0
    assert out.startswith("# ")
    assert "| exact_match | gold |" in out
    code, told, _ = run("report", *two, "--out", "a/report.md")
    assert (code, told) == (0, f"{Path('a/report.md')}\n")
    assert Path("a/report.md").read_text(encoding="utf-8") == out


@pytest.mark.parametrize(("lang", "word"), [("en", "Evaluation report"), ("zh", "评测报告")])
def test_report_as_a_page(lang: str, word: str, run: Run, two: Any) -> None:
    code, out, _ = run("report", *two, "--out", "report.html", "--lang", lang)
    assert (code, out) == (0, "report.html\n")
    page = Path("report.html").read_text(encoding="utf-8")
    assert page.startswith("<!")
    assert word in page


def test_report_knows_two_endings(run: Run, two: Any) -> None:
    code, _, err = run("report", *two, "--out", "report.pdf")
    assert code == 1
    assert err == "error: --out report.pdf must end in .html or .md\n"
    assert not Path("report.pdf").exists()


def test_markdown_speaks_english_alone(run: Run, two: Any) -> None:
    code, out, err = run("report", *two, "--lang", "zh")
    assert (code, out) == (1, "")
    assert err == "error: Markdown is in English; for --lang zh give --out FILE.html\n"


PAPER = """
data: paper.jsonl
prompt: question
target: answer
metrics: gaokao
"""


@pytest.fixture
def paper(run: Run) -> Path:
    """A run of two open questions and a blank, all answered."""
    rubric = [{"text": "a step", "points": 12}]
    opened = {"type": "open", "points": 12, "year": 2024, "answer": ["2"], "rubric": rubric}
    blank = {"type": "fill", "points": 5, "year": 2024, "answer": ["2"]}
    docs = [{"id": "o1", **opened}, {"id": "o2", **opened}, {"id": "f", **blank}]
    write_docs(Path("paper.jsonl"), [{**doc, "question": f"What is {doc['id']}?"} for doc in docs])
    Path("paper.yaml").write_text(PAPER)
    return Path(run("infer", "--task", "paper.yaml", "--model", "gold")[1].strip())


def test_a_paper_is_scored_in_points_with_what_is_not_graded_apart(run: Run, paper: Path) -> None:
    _, out, _ = run("score", paper)
    points = out.split("Points: gold")[1].splitlines()
    rows = [" ".join(line.split()) for line in points]
    assert {"fill 1 5 5 0", "open 2 – 0 24", "All 3 5 5 24"} <= set(rows)
    assert "24 of 29 points are not graded: they are not counted as 0" in out


def test_judge_adds_the_open_questions(run: Run, paper: Path) -> None:
    marks = [{"id": name, "reply": 'Fair.\n{"points": [6]}'} for name in ("o1", "o2")]
    write_docs(Path("marks.jsonl"), marks)
    command = ("judge", paper, "--model", "script:marks.jsonl")
    assert run(*command) == (0, f"{paper / 'judgements.jsonl'}\n", "")
    assert "All 3 17 29 0" in [
        " ".join(line.split()) for line in run("score", paper)[1].splitlines()
    ]
    code, _, err = run(*command)
    assert (code, err) == (0, "note: 2 documents answered before, 0 now\n")


def test_marks_that_are_missing_are_told(run: Run, paper: Path) -> None:
    write_docs(Path("marks.jsonl"), [{"id": "o1", "reply": "Good!"}])
    code, _, err = run("judge", paper, "--model", "script:marks.jsonl")
    assert code == 1
    problem = 'the judge\'s reply does not end with {"points": [4, 0, 3]}, the points of each step'
    assert err == (
        f"note: the first failure: {problem}\n"
        f"note: no answer to 2 of 2 documents: {problem} (1, such as o1); the script has no reply "
        "to it (1, such as o2)\n"
    )


@pytest.mark.parametrize("word", ["gold", "random", "ngram"])
def test_what_cannot_judge_is_told_what_can(
    word: str, run: Run, paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (
        "cannot judge; give as --model the URL of an OpenAI-compatible server (http://.../v1), the "
        'folder of a model, or script:FILE with rows {"id", "reply"}\n'
    )
    assert run("judge", paper, "--model", word) == (1, "", f"error: {word} {told}")
    monkeypatch.setenv("TINY_MODEL", word)
    assert run("judge", paper) == (1, "", f"error: $TINY_MODEL {told}")


def test_the_help_of_judge_says_what_judges_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["judge", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert 'reply ends with a line as {"points": [4, 0, 3]}, the points of each step' in said
    assert 'script:FILE with rows {"id", "reply"}' in said
    assert "ngram" not in said


# --- The README's commands that name a server or a model's folder. ---


def of_readme(part: str, instead: dict[str, str]) -> list[str]:
    """The words of the command with this part, some replaced by what this machine has."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (line,) = (each for each in lines if each.startswith("python -m tiny_eval") and part in each)
    for old, new in instead.items():
        assert old in line
        line = line.replace(old, new)
    return shlex.split(line)[3:]


def serving(reply: Callable[[str], str]) -> StubServer:
    """A server with one model, m, that answers a prompt by this function."""
    models = Response({"data": [{"id": "m"}]})
    return StubServer(
        lambda request: models if request.path == "/v1/models" else say(reply(request.prompt))
    )


def test_the_readme_asks_a_server(run: Run) -> None:
    docs = choices.find_task("sample-qa-en").docs
    answers = {doc.fields["question"]: doc.fields["answers"][0] for doc in docs}
    asked = re.compile(r"Question: (.+)\nAnswer:\Z")
    with serving(lambda prompt: answers[asked.findall(prompt)[0]]) as server:
        code, out, err = run(*of_readme("sample-qa-en --model http", {URL: server.url}))
    assert (code, err) == (0, "")
    assert " ".join(out.split()).count("m 100.0%") == 2  # exact_match and f1
    assert "24 of 24" in out


def test_the_readme_asks_a_folder(run: Run) -> None:
    shutil.copytree(tiny_folder(), "models/qwen2.5-0.5b")
    config = Path("models/qwen2.5-0.5b/config.json")
    config.write_text(config.read_text().replace(f": {CONTEXT}", ": 2048"))
    sums = [{"question": f"What is {n} plus 1?", "answer": f"#### {n + 1}"} for n in range(7)]
    write_docs(Path("test.jsonl"), sums)
    code, out, err = run(*of_readme("models/", {}))
    assert (code, "note" in err) == (0, False)
    assert "7 of 7" in out
    (folder,) = Path("runs/gsm8k").iterdir()
    prompts = [row["prompt"] for row in read_rows(folder / PREDICTIONS)]
    assert [len(prompt) for prompt in prompts] == [11] * 7  # five solved examples as turns


def test_the_readme_lets_a_server_judge(run: Run) -> None:
    sloppy = ROOT / "tiny_eval" / "data" / "gaokao_answers_sloppy.jsonl"
    run("infer", "--task", "gaokao-2024-style", "--model", f"script:{sloppy}")
    (folder,) = Path("runs/gaokao-2024-style").iterdir()
    steps = re.compile(r"共 (\d+) 个数")
    with serving(lambda prompt: f'{{"points": {[1] * int(steps.findall(prompt)[0])}}}') as server:
        command = of_readme("judge", {URL: server.url, "script-...": folder.name})
        assert run(*command) == (0, f"{folder / 'judgements.jsonl'}\n", "")
    rows = [line.split() for line in run("score", folder)[1].splitlines()]
    (total,) = (row for row in rows if row[:2] == ["All", "19"])
    assert total[3:] == ["150", "0"]
    assert int(total[2]) > 31  # what it had without a judge


# --- Signals and pipes. ---


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "tiny_eval", "list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


SLOW = """
import sys, time
from tiny_eval import commands
from tiny_eval.cli import main
make = commands.make_model

def slow(*args):
    model = make(*args)
    ask = model.generate_until
    def generate_until(*request):
        for each in ask(*request):
            yield each
            time.sleep(0.1)
    model.generate_until = generate_until
    return model

commands.make_model = slow
sys.exit(main(sys.argv[1:]))
"""


@posix
def test_a_bar_stands_at_the_start_and_moves() -> None:
    """On a terminal that does not say how wide it is, too."""
    write_docs(Path("docs.jsonl"), [{"id": str(n), "q": f"{n}?", "a": "yes"} for n in range(40)])
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", SLOW, "infer", "--task", "qa.yaml", "--model", "gold"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = b""
    while not re.search(rb"qa: +0%.* 0/40 (?s:.*) [1-9]/40 ", seen):
        more = os.read(ours, 4096)
        assert more, seen  # on Linux an OSError, if it ends before
        seen += more
    assert process.poll() is None
    process.kill()
    process.wait()
    os.close(ours)


@posix
def test_ctrl_c_leaves_what_was_answered_and_the_way_on(run: Run) -> None:
    docs = [{"id": str(n), "q": f"{n}?", "a": "yes"} for n in range(40)]
    write_docs(Path("docs.jsonl"), docs)
    args = ["infer", "--task", "qa.yaml", "--model", "gold", "--out", "r"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while not (found := [*Path("r").glob(f"qa/*/{PREDICTIONS}")]) or len(read_rows(found[0])) < 3:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert "the same command goes on from there\ninterrupted\n" in err
    assert "Traceback" not in err
    before = len(read_rows(found[0]))
    assert 3 <= before < 40
    code, _, err = run(*args)
    assert (code, err) == (0, f"note: {before} documents answered before, {40 - before} now\n")

"""A learner's code in place of ours: what is replaced, what is refused, what is said.

In a repository of its own with two small exercises, so that every case runs in a second. That the
real exercises work is in test_mutants.py; here also: that their catalogue and skeletons are sound.
"""

import ast
import inspect
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.exercise import catalogue, check, requirements
from tests.exercise.__main__ import main
from tests.exercise.catalogue import ROOT, Exercise, exercises, find
from tests.exercise.comparing import first_difference
from tests.exercise.replacing import PACKAGES
from tests.exercise.skeleton import skeleton

CATALOGUE = """
["tiny_eval.scores.mean"]
chapter = 51
difficulty = 1
source = "any book of statistics"
tests = ["tests/tiny_eval/test_scores.py"]
hints = ["Add.", "And divide."]

["tiny_eval.scores.Counter"]
chapter = 51
difficulty = 2
source = "counting"
tests = ["tests/tiny_eval/test_counter.py::test_counter"]
hints = ["One more each time."]
"""
SCORES = '''
import math

LIMIT = 3


def mean(values: list[float], empty: float = 0.0) -> float:
    """Their sum over their number; `empty` of none."""
    return math.fsum(values) / len(values) if values else empty


class Counter:
    """Counts."""

    def __init__(self, start: int = 0) -> None:
        self.count = start

    def add(self, by: int = 1) -> int:
        """The new count."""
        self.count += by
        return self._see()

    def _see(self) -> int:
        return self.count
'''
USES = "from .scores import mean\n\n\ndef double(values): return 2 * mean(values)\n"
TESTS = """
from tiny_eval.scores import mean
from tiny_eval.uses import double


def test_mean():
    assert mean([1, 2, 6]) == 3
    assert mean([]) == 0


def test_double():
    assert double([1, 2, 6]) == 6


def test_of_one():
    assert mean([5]) == 5
"""
COUNTER_TESTS = """
from tiny_eval import scores


def test_counter():
    counter = scores.Counter(2)
    assert [counter.add(), counter.add(3)] == [3, 6]


def test_another():
    assert False
"""
RIGHT = "def mean(values, empty=0.0):\n    return sum(values) / len(values) if values else empty\n"
WRONG = "def mean(values, empty=0.0):\n    return sum(values) / max(len(values), 2)\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machinery, a package and its tests."""
    root = tmp_path_factory.mktemp("repository")
    files = {
        "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\n",
        "tiny_eval/__init__.py": "from .scores import Counter, mean\n",
        "tiny_eval/scores.py": SCORES,
        "tiny_eval/uses.py": USES,
        "tests/__init__.py": "",
        "tests/tiny_eval/__init__.py": "",
        "tests/tiny_eval/test_scores.py": TESTS,
        "tests/tiny_eval/test_counter.py": COUNTER_TESTS,
        "tests/exercise/catalogue/tiny_eval.toml": CATALOGUE,
    }
    shutil.copy(ROOT / "conftest.py", root)
    (root / "tests").mkdir()
    ignored = shutil.ignore_patterns("catalogue", "__pycache__")
    shutil.copytree(ROOT / "tests" / "exercise", root / "tests" / "exercise", ignore=ignored)
    plugin = root / "tests" / "exercise" / "plugin.py"
    plugin.write_text(plugin.read_text("utf-8").replace("SECONDS = 60", "SECONDS = 0.5"), "utf-8")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    start = [] if arguments[0] == "-c" else ["-m"]
    command = [sys.executable, *start, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def mine(repository: Path, tmp_path: Path):
    """A function that runs pytest on a learner's file of this text, outside the repository."""

    def run_on(text: str, *options: str, folder: str = ".") -> tuple[int, str]:
        file = tmp_path / "my.py"
        file.write_text(text, "utf-8")
        ended = run(repository / folder, "pytest", f"--mine={file}", *options)
        return ended.returncode, ended.stdout + ended.stderr

    return run_on


# --- What runs, and on what. ---


@pytest.mark.parametrize("folder", [".", "tiny_eval", "tests/tiny_eval"])
def test_a_right_solution_passes_from_any_folder_of_the_repository(mine, folder) -> None:
    code, out = mine(RIGHT, folder=folder)
    assert code == 0, out
    assert "mine: mean in tiny_eval, tiny_eval.scores\n" in out  # uses.py is loaded later
    assert "3 passed" in out
    assert "mean: right (3 tests)" in out


def test_a_file_inside_the_repository_may_stand_after_a_space(repository: Path) -> None:
    (repository / "own.py").write_text(RIGHT, "utf-8")
    ended = run(repository, "pytest", "--mine", "own.py")
    (repository / "own.py").unlink()
    assert (ended.returncode, "3 passed" in ended.stdout) == (0, True)


def test_a_wrong_solution_fails_once_and_is_told_where_to_read(mine) -> None:
    code, out = mine(WRONG)
    assert code == 1
    assert "1 failed, 2 passed" in out
    assert "any book of statistics · chapter 51 · --hint mean" in out
    assert "mean: wrong (after 2 tests; hints: python -m tests.exercise --hint mean)" in out


def test_other_modules_get_it_too(mine) -> None:
    """double() uses a copy of the name."""
    code, out = mine("def mean(values, empty=0.0):\n    return 3.0 if values else 0\n")
    assert code == 1
    assert "test_of_one" in out
    assert "test_double" not in out.partition("short test summary")[2]


def test_only_the_tests_of_the_exercise_run(mine) -> None:
    """Also of a file that is named; the counter's second test would fail."""
    text = "class Counter:\n    def __init__(self, start=0): self.n = start\n"
    text += "    def add(self, by=1):\n        self.n += by\n        return self.n\n"
    assert mine(text)[0] == 0
    code, out = mine(text, "tests/tiny_eval/test_counter.py")
    assert (code, "1 passed, 1 deselected" in out) == (0, True)


def test_several_exercises_fail_apart(mine) -> None:
    text = WRONG + "class Counter:\n    def __init__(self, start=0): self.n = start\n"
    text += "    def add(self, by=1):\n        self.n += by\n        return self.n\n"
    code, out = mine(text)
    assert code == 1
    assert "Counter: right (1 test)" in out
    assert "mean: wrong" in out


def test_the_file_sees_ours_while_it_loads(mine) -> None:
    code, out = mine(f"from tiny_eval.scores import LIMIT\nassert LIMIT == 3\n{RIGHT}")
    assert code == 0, out


# --- What is said of a file that cannot be tested. ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def maen(values, empty=0.0): ...", "it defines maen; did you mean mean?"),
        ("", "it defines nothing; python -m tests.exercise --list shows all exercises"),
        (
            "from tiny_eval.scores import mean",
            "mean is not written in it, but taken from elsewhere",
        ),
        ("import sys\nsys.exit(3)", "line 2, in <module>\n    sys.exit(3)"),
        ("def other(): ...", "it defines other"),
        ("def mean(values): ...", "mean(values) is called as mean(values, empty=0.0)"),
        ("def mean(xs, empty=0.0): ...", "mean(xs, empty=0.0) is called as mean(values"),
        ("def mean(values, empty): ...", "mean(values, empty) is called as"),
        ("def mean(values, empty=0, k=1, *, z): ...", "is called as"),
        ("class mean: ...", "mean has to be a function"),
        ("class Counter:\n    pass", "Counter needs a method add(self, by: int = 1) -> int"),
        ("class Counter:\n    def add(self): ...", "Counter.add(self) is called as"),
        ("from tiny_eval.scores import Counter as C\nclass Counter(C): ...", "inherits from ours"),
        ("x = 1 / 0", "line 1, in <module>\n    x = 1 / 0"),
        ("def mean(", "SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_tested_is_told_why(mine, text, message) -> None:
    code, out = mine(text)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert message in out
    assert "site-packages" not in out


def test_a_missing_file_is_named(repository: Path) -> None:
    ended = run(repository, "pytest", "--mine=nowhere.py")
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "nowhere.py: no such file" in ended.stderr


def test_a_near_miss_beside_a_hit_is_noted(mine) -> None:
    code, out = mine(f"{RIGHT}\ndef countter(): ...\n")
    assert (code, "mine: countter: did you mean Counter?" in out) == (0, True)


def test_extra_parameters_are_allowed_if_they_may_be_left_out(mine) -> None:
    more = RIGHT.replace("empty=0.0", "empty=0.0, weights=None")
    assert mine(more)[0] == 0
    assert (
        mine("def mean(*args, **kwargs):\n    return sum(args[0]) / 3 if args[0] else 0\n")[0] == 1
    )


# --- What is said of a solution that is none. ---


def test_not_attempted_yet(mine) -> None:
    code, out = mine("def mean(values, empty=0.0):\n    raise NotImplementedError\n")
    assert code == 1
    assert "mean: not attempted yet" in out


def test_a_crash_shows_the_learners_lines_only(mine) -> None:
    helper = "def helper(values):\n    return values.nothing\n"
    code, out = mine(helper + "def mean(values, empty=0.0):\n    return helper(values)\n")
    assert code == 1
    assert "my.py" in out
    assert "return values.nothing" in out
    assert "AttributeError: 'list' object has no attribute 'nothing'" in out
    assert 'test_scores.py", line' not in out


@pytest.mark.parametrize(
    ("imports", "call", "message"),
    [
        ("from tiny_eval.scores import mean as theirs", "theirs(values)", "calls ours"),
        ("import tiny_eval", "tiny_eval.mean(values)", "is yours now, and so on for ever"),
        ("import tiny_eval.uses as u", "u.double(values) / 2", "is yours now, and so on"),
        ("", "mean(values)", "your mean calls itself without end (line 3: return mean(values))"),
    ],
)
def test_to_leave_the_work_to_ours_is_no_solution(mine, imports, call, message) -> None:
    code, out = mine(f"{imports}\ndef mean(values, empty=0.0):\n    return {call}\n")
    assert code == 1
    assert message in out


def test_a_solution_that_no_test_has_called_fails(mine) -> None:
    code, out = mine(RIGHT, "-k", "nothing_of_this_name or counter")
    assert "mean: never called" in out
    assert code != 0


# --- Skeletons, hints, the list. ---


def test_the_skeleton_of_a_class_has_its_public_methods(repository: Path) -> None:
    ended = run(repository, "tests.exercise", "Counter")
    assert "def add(self, by: int=1) -> int:" in ended.stdout
    assert "_see" not in ended.stdout
    assert ended.stdout.count("raise NotImplementedError") == 2


def test_the_list_says_what_a_file_passes(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(RIGHT, "utf-8")
    ended = run(repository, "tests.exercise", "--list", "--mine", tmp_path / "my.py")
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[0] == ["tiny_eval"]
    assert (lines[1][0], lines[1][-1]) == ("mean", "right")
    assert (lines[2][0], lines[2][-1]) == ("Counter", "afternoon")


def test_hints_tell_more_and_more(repository: Path) -> None:
    first = run(repository, "tests.exercise", "--hint", "mean").stdout
    assert first == "Add.\n(--number 2 tells more)\n"
    second = run(repository, "tests.exercise", "--hint", "mean", "--number", 2).stdout
    assert second == "And divide.\n"
    third = run(repository, "tests.exercise", "--hint", "mean", "--number", 3)
    assert (third.returncode, third.stderr) == (1, "error: --number 3: mean has hints 1 to 2\n")


def test_an_unknown_name_is_met_with_the_nearest(capsys) -> None:
    assert main(["rmsnorm"]) == 1
    assert capsys.readouterr().err == "error: 'rmsnorm' is no exercise: did you mean rms_norm?\n"


# --- What is no verdict. ---


def test_some_of_the_tests_are_not_all(mine, repository: Path) -> None:
    code, out = mine(RIGHT, "-k", "test_of_one")
    assert code == 0
    assert "mean: right so far (1 test of 3)" in out
    code, out = mine(RIGHT, str(repository / "tests/tiny_eval/test_scores.py::test_of_one"))
    assert "mean: right so far (1 test, not all)" in out


def test_a_function_that_skips_its_tests_is_not_right(mine) -> None:
    skips = "import pytest\ndef mean(values, empty=0.0):\n    pytest.skip()\n"
    code, out = mine(skips)
    assert "mean: right" not in out
    assert code == 1


@pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="Windows has no such clock")
def test_a_loop_without_end_comes_to_one(mine) -> None:
    code, out = mine("def mean(values, empty=0.0):\n    while True:\n        values = values\n")
    assert code == 1
    assert "it still runs after 0.5 s of processor time" in out
    assert re.search(r'File ".*my.py", line [23], in mean', out)
    assert "mean: wrong" in out


def test_ctrl_c_is_no_verdict(mine) -> None:
    code, out = mine("def mean(values, empty=0.0):\n    raise KeyboardInterrupt\n")
    assert "mean: stopped (line 2: raise KeyboardInterrupt; after 0 tests)" in out
    assert code == 2


# --- What clumsy fingers do. ---


def test_a_second_file_needs_its_own_option(repository: Path) -> None:
    for file in (repository / "own.py", repository / "more.py"):
        file.write_text(RIGHT, "utf-8")
    ended = run(repository, "pytest", "--mine=own.py", "more.py")
    assert ended.returncode == 4
    assert "more.py holds no tests: give it as --mine=more.py" in ended.stderr
    ended = run(repository, "pytest", "--mine=own.py", "--mine=more.py")
    for file in (repository / "own.py", repository / "more.py"):
        file.unlink()
    assert ended.returncode == 4
    assert "mean: done in two files; give one of them" in ended.stderr


def test_several_processes_would_lose_the_verdict(repository: Path) -> None:
    ended = run(repository, "pytest", "--mine=own.py", "-n", "2")
    assert ended.returncode == 4
    assert "--mine runs in one process: leave out -n" in ended.stderr


def test_a_folder_is_no_file(repository: Path) -> None:
    ended = run(repository, "pytest", "--mine=tests")
    assert ended.returncode == 4
    assert "a folder; name a file in it" in ended.stderr


def test_without_the_libraries_of_the_tests_nothing_is_tried(monkeypatch, capsys) -> None:
    monkeypatch.setattr(requirements, "_is_installed", lambda name: name != "bm25s")

    def lcs_length(a, b):
        raise AssertionError

    assert not check(lcs_length)
    said = capsys.readouterr().out
    assert "not here (bm25s): pip install -e '.[test]'" in said


@pytest.mark.parametrize("given", ["pass_at_k", 0.5])
def test_check_wants_the_function_itself(given) -> None:
    with pytest.raises(TypeError, match="give the function or class itself, as check"):
        check(given)


def test_check_says_what_was_asked_and_with_what(capsys) -> None:
    def pass_at_k(n, c, k):
        return 1 - (1 - c / n) ** k

    assert not check(pass_at_k)
    said = capsys.readouterr().out
    assert "assert pass_at_k(n, c, k) == pytest.approx(" in said
    assert "\nwith n=2, c=1, k=2\n" in said


def test_in_a_notebook_it_says_so_too() -> None:
    """There the repository is on the path as "../..", and so are the tests' file names."""
    code = """
import sys
sys.path[:0] = ["../.."]
from tests.exercise import check
def pass_at_k(n, c, k):
    return 1 - (1 - c / n) ** k
check(pass_at_k)
"""
    out = run(ROOT / "notebooks" / "en", "-c", code).stdout
    assert "assert pass_at_k(n, c, k) == pytest.approx(" in out


@pytest.mark.parametrize(
    "arguments",
    ["--hint mean 2", "mean --number 2", "mean --mine my.py", "--list tiny_rag", "--list --hint x"],
)
def test_what_would_be_left_out_is_refused(arguments: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main(arguments.split())
    assert "error: " in capsys.readouterr().err


# --- The real catalogue. ---

ALL = list(exercises().values())
IDS = [each.name for each in ALL]


def test_short_names_are_unique_and_the_packages_are_ours() -> None:
    named = [name for file in catalogue.FOLDER.glob("*.toml") for name in _tables(file)]
    assert len(named) == len(exercises())
    assert {each.package for each in ALL} <= set(PACKAGES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["tiny_eval.scores.mean"]\nchapter = ', r"^broken\.toml: Invalid value \(at end"),
        (
            '["tiny_eval.scores.mean"]\nchapter = 51',
            r"^broken\.toml, tiny_eval\.scores\.mean: .*hints",
        ),
        ("mean = 51", r"^broken\.toml, mean: .*no attribute"),
    ],
)
def test_a_broken_catalogue_names_its_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        catalogue.read(file)


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_readme_shows_what_pytest_prints(name: str, transcript: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    shown = text[text.index("mine: rms_norm") :].partition("```")[0]
    lines = iter([_without_numbers(line) for line in transcript.splitlines()])
    missing = [line for line in shown.splitlines() if _without_numbers(line) not in lines]
    assert not missing, transcript  # each is there, after the one before it


def _without_numbers(line: str) -> str:
    """Digits behind the point differ with PyTorch's version, rules with the window's width."""
    return re.sub(r"_{3,}|(?<=\.)\d+|\s+(?=\[)", "", line)


@pytest.fixture(scope="module")
def transcript(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a learner reads who has added eps after the root."""
    attempts = (ROOT / "tests/mutants/qwen_blog/rms_norm.py").read_text("utf-8")
    wrong = attempts.partition("# %% wrong: eps is added after the root")[2].partition("# %%")[0]
    file = tmp_path_factory.mktemp("readme") / "my.py"
    file.write_text(f"import torch\n{wrong}", "utf-8")
    return run(ROOT, "pytest", f"--mine={file}").stdout


def _tables(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if line.startswith('["')]


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_an_exercise_is_complete(exercise: Exercise) -> None:
    ours = exercise.original()
    assert ours.__module__ == exercise.module
    assert ours.__doc__
    assert exercise.difficulty in catalogue.DIFFICULTIES
    assert 1 <= len(exercise.hints) <= 3
    assert find(exercise.name) is find(exercise.short) is exercise


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_its_tests_are_there(exercise: Exercise) -> None:
    for test in exercise.tests:
        file, _, name = test.partition("::")
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not name or name.partition("[")[0].rpartition("::")[2] in names, test


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_its_chapter_names_it_in_both_languages(exercise: Exercise) -> None:
    (chapter,) = (ROOT / "notebooks" / "src").glob(f"{exercise.chapter}_*.py")
    lines = chapter.read_text("utf-8").splitlines()
    named = [line for line in lines if line.startswith("#") and f"`{exercise.short}`" in line]
    assert len(named) >= 2


@pytest.mark.parametrize("exercise", ALL, ids=IDS)
def test_its_skeleton_runs_and_is_not_attempted(exercise: Exercise) -> None:
    text = skeleton(exercise)
    space: dict[str, object] = {}
    exec(compile(text, exercise.short, "exec"), space)
    made = space[exercise.short]
    assert made is not exercise.original()
    assert inspect.isclass(made) == inspect.isclass(exercise.original())
    assert "raise NotImplementedError" in text


HOLDERS = """
import gc, sys, types
from tests.exercise.catalogue import exercises
from tests.exercise.replacing import PACKAGES

originals = [each.original() for each in exercises().values()]
allowed = {id(originals)} | {id(vars(module)) for module in list(sys.modules.values())}
for each in gc.get_objects():  # type hints are not called
    if type(each) is types.FunctionType:
        allowed.add(id(each.__annotations__))
    elif issubclass(type(each), type):
        allowed.add(id(vars(each).get("__annotations__")))
for ours in originals:
    for holder in gc.get_referrers(ours):
        if isinstance(holder, dict) and id(holder) not in allowed:
            print(*(f"{ours}: {key}" for key, x in holder.items() if x is ours and key[:1] != "_"))
    for heir in ours.__subclasses__() if isinstance(ours, type) else ():
        print(f"{ours}: {heir}" if heir.__module__.startswith(PACKAGES) else "")
"""


def test_nothing_but_modules_holds_an_exercise() -> None:
    """A registry, a default argument or a subclass would keep ours when modules have theirs."""
    ended = run(ROOT, "-c", HOLDERS)
    assert ended.returncode == 0, ended.stderr
    assert not ended.stdout.split(), ended.stdout


def test_check_in_a_notebook_says_what_is_wrong(capsys) -> None:
    def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        return weight * x

    assert not check(rms_norm)
    out = capsys.readouterr().out
    assert "first difference at (0, 0, 0): expected" in out
    assert "rms_norm: wrong" in out
    with pytest.raises(ValueError, match="did you mean rms_norm"):
        check(rms_norm, "rms_nrm")


@pytest.mark.parametrize(
    ("got", "wanted", "said"),
    [
        (
            [1.0, 2.0, 3.0],
            [1.0, 2.5, 3.5],
            "at (1,): expected 2.5, got 2 (2 of 3 differ)",
        ),
        ([1.0, 2.0], [1.0], "expected shape torch.Size([1]), got torch.Size([2])"),
        ([1.0], [1], "expected dtype torch.int64, got torch.float32"),
        (1.0, 2.0, "expected 2, got 1 (1 of 1 differ)"),
        ([1 + 1j], [1 + 2j], "first difference at (0, 1): expected 2, got 1"),
        ([float("nan")], [float("nan")], "(0,): expected nan, got nan"),
        ([1.0], [1.0], ""),
    ],
)
def test_where_two_tensors_part_is_said(got, wanted, said) -> None:
    text = first_difference(torch.tensor(got), torch.tensor(wanted))
    assert said in text
    assert said or not text


def test_check_says_the_same_where_a_server_builds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or chapters would not print there what their notebooks show."""

    def parse_citations(text: str, n: int) -> list[int]:
        return [1, 9]

    said = []
    for server in (None, "true"):
        monkeypatch.delenv("CI", raising=False)
        if server:
            monkeypatch.setenv("CI", server)
        assert not check(parse_citations)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "Use -v" in said[0]

"""`pytest --mine=my.py`: the tests of an exercise, run on the learner's code.

The learner's file is loaded before any test is, so what it imports from us is ours; then each of
its functions and classes that is an exercise takes the place of ours, and only the tests of those
exercises run.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .catalogue import ROOT, Exercise
from .comparing import say_where
from .mine import UnusableError, line_of, load, near_misses, replacements, their_lines
from .replacing import CallsOursError, Replacement
from .requirements import check_that_all_can_run
from .time_limit import StillRunning, time_limit

NOT_ATTEMPTED = "not attempted yet"
WRONG = "wrong"
RIGHT = "right"
RIGHT_SO_FAR = "right so far"
STOPPED = "stopped"
NEVER_CALLED = "never called"
SECONDS = 60
"""Of processor time that one test may take; the slowest takes ten."""
SHORT = 60
"""Characters of an argument that is shown with a failure."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.addoption(
        "--mine",
        action="append",
        default=[],
        metavar="FILE",
        help="test the functions and classes of this file in place of ours, as --mine=my.py (may "
        "be repeated); python -m tests.exercise --list shows which there are",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load, replace, and choose the tests."""
    files = [Path(config.invocation_params.dir, name).resolve() for name in config.option.mine]
    if not files:
        return
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("--mine runs in one process: leave out -n")
    own_tests = config.args_source is config.ArgsSource.ARGS
    try:
        for name in config.args if own_tests else []:
            if name.endswith(".py") and not Path(name).name.startswith("test_"):
                raise UnusableError(f"{name} holds no tests: give it as --mine={name}")
        modules = [load(file) for file in files]
        wanted = [each for module in modules for each in replacements(module)]
        check_that_all_can_run(wanted)
    except UnusableError as error:
        raise pytest.UsageError(str(error)) from None
    session = Mine(wanted, {str(file) for file in files})
    session.notes = [note for module in modules for note in near_misses(module)]
    config.pluginmanager.register(session, "mine")
    session.all_tests = not own_tests
    if not own_tests:
        config.args = session.paths()
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "short"


class Mine:
    """One run of pytest with the learner's code in place of ours."""

    def __init__(self, wanted: list[Replacement], files: set[str]) -> None:
        self.wanted, self.files = wanted, files
        self.notes: list[str] = []
        self.all_tests = True
        """Whether pytest was asked for all tests of the exercises, and not for some of them."""
        self.there: Counter[str] = Counter()
        """By exercise, how many tests there are, without those that this machine cannot run ..."""
        self.passed: Counter[str] = Counter()
        """... and how many have passed."""
        self.stopped = ""
        """Where Ctrl-C came."""
        self.trouble: dict[str, str] = {}
        """By exercise, what went wrong first: `WRONG` or `NOT_ATTEMPTED`."""
        self.first_errors: dict[str, BaseException] = {}

    def paths(self) -> list[str]:
        """The tests of all its exercises, each once, as pytest is asked for them."""
        tests = dict.fromkeys(test for each in self.wanted for test in each.exercise.tests)
        return [str(ROOT / test) for test in tests]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Before any test module is loaded."""
        for each in self.wanted:
            each.put()
        say_where.put()

    def pytest_report_header(self) -> list[str]:
        """What stands where."""
        lines = [f"mine: {each.exercise.short} in {', '.join(each.places)}" for each in self.wanted]
        return [*lines, *(f"mine: {note}" for note in self.notes)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Of the modules' tests only the exercises', before -k and the like leave some out."""
        chosen = [item for item in items if self._of(item)]
        self.there.update(each.short for item in chosen for each in self._of(item))
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """One failure of an exercise is enough to think about."""
        if all(each.short in self.trouble for each in self._of(item)):
            pytest.skip("after the first failure of the exercise")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """A loop without end is an error, too."""
        with time_limit(SECONDS):
            yield

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C is no verdict."""
        self.stopped = line_of(excinfo.value, self.files) or "outside your code"

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Count, and say of a failure what the learner needs to know."""
        outcome = yield
        report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
        if report.when == "call" and report.passed:
            self.passed.update(each.short for each in self._of(item))
        if report.when == "setup" and report.skipped:
            self.there.subtract(each.short for each in self._of(item))
        if report.failed and call.excinfo:
            self._explain(item, report, call.excinfo.value)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What no test has called has not been tested."""
        if session.exitstatus == 0 and NEVER_CALLED in self.verdicts().values():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_unconfigure(self) -> None:
        """Ours again."""
        for each in reversed(self.wanted):
            each.take_back()
        say_where.take_back()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """A line an exercise."""
        terminalreporter.section("mine")
        for line in self.summary():
            terminalreporter.write_line(line)

    def verdicts(self) -> dict[str, str]:
        """By exercise, how it went."""
        found = {}
        for each in self.wanted:
            name = each.exercise.short
            found[name] = self.trouble.get(name) or self._so_far(name, each.calls)
        return found

    def _so_far(self, name: str, calls: int) -> str:
        if self.stopped:
            return STOPPED
        if not calls or not self.passed[name]:
            return NEVER_CALLED
        whole = self.all_tests and self.passed[name] == self.there[name]
        return RIGHT if whole else RIGHT_SO_FAR

    def summary(self) -> list[str]:
        """A line an exercise."""
        lines = []
        for name, verdict in self.verdicts().items():
            count, there = self.passed[name], self.there[name]
            tests = f"{count} test{'s' * (count != 1)}"
            tail = {
                RIGHT: tests,
                RIGHT_SO_FAR: f"{tests} of {there}" if self.all_tests else f"{tests}, not all",
                WRONG: f"after {tests}; hints: python -m tests.exercise --hint {name}",
                NOT_ATTEMPTED: "it raises NotImplementedError",
                NEVER_CALLED: "no test that ran has used it",
                STOPPED: f"{self.stopped}; after {tests}",
            }
            lines.append(f"{name}: {verdict} ({tail[verdict]})")
        return lines

    def _explain(self, item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
        frames = [str(entry.path) for entry in pytest.ExceptionInfo.from_exception(error).traceback]  # type: ignore[arg-type]
        if isinstance(error, StillRunning):
            frames.pop()  # the one that stopped it
        theirs = frames[-1] in self.files
        blamed = self._of(item)
        kind = NOT_ATTEMPTED if theirs and isinstance(error, NotImplementedError) else WRONG
        for each in blamed:
            self.trouble.setdefault(each.short, kind)
            self.first_errors.setdefault(each.short, error)
        if isinstance(error, CallsOursError):
            report.longrepr = str(error)
        elif theirs and not isinstance(error, AssertionError):
            report.longrepr = f"{asked(item, error)}{their_lines(error, self.files)}"
        # What the learner prints is shown, and not what a library logs.
        report.sections = [
            each for each in report.sections if not each[0].startswith("Captured log")
        ]
        for each in blamed:
            report.sections.append((f"{each.short}", f"{arguments(item)}{about(each)}"))

    def _of(self, item: pytest.Item) -> list[Exercise]:
        return [each.exercise for each in self.wanted if each.exercise.has(item.nodeid)]

    def _names(self) -> list[str]:
        return [each.exercise.short for each in self.wanted]


def asked(item: pytest.Item, error: BaseException) -> str:
    """The line of the test that went wrong, if the error came through it."""
    line = line_of(error, {str(item.path)})
    return f"{line}\n" if line else ""


def arguments(item: pytest.Item) -> str:
    """The values that the test was called with, where they are short: "with n=5, k=2"."""
    given = getattr(item, "callspec", None)
    pairs = [f"{name}={value!r}" for name, value in given.params.items()] if given else []
    short = [pair for pair in pairs if len(pair) <= SHORT and "<" not in pair]
    return f"with {', '.join(short)}\n" if short else ""


def about(exercise: Exercise) -> str:
    """Where to read on."""
    return f"{exercise.source} · chapter {exercise.chapter} · --hint {exercise.short}"

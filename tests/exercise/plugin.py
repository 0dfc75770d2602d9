"""`pytest --mine my.py`: the tests of an exercise, run on the learner's code.

The learner's file is loaded before any test is, so what it imports from us is ours; then each of
its functions and classes that is an exercise takes the place of ours, and only the tests of those
exercises run.
"""

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .catalogue import ROOT, Exercise
from .comparing import say_where
from .mine import UnusableError, load, near_misses, replacements, their_lines
from .replacing import CallsOursError, Replacement

NOT_ATTEMPTED = "not attempted yet"
WRONG = "wrong"
RIGHT = "right"
NEVER_CALLED = "never called"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.addoption(
        "--mine",
        action="append",
        default=[],
        metavar="FILE",
        help="test the functions and classes of this file in place of ours (may be repeated); "
        "python -m tests.exercise --list shows which there are",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load, replace, and choose the tests."""
    files = [Path(config.invocation_params.dir, name).resolve() for name in config.option.mine]
    if not files:
        return
    try:
        modules = [load(file) for file in files]
        wanted = [each for module in modules for each in replacements(module)]
    except UnusableError as error:
        raise pytest.UsageError(str(error)) from None
    session = Mine(wanted, {str(file) for file in files})
    session.notes = [note for module in modules for note in near_misses(module)]
    config.pluginmanager.register(session, "mine")
    if config.args_source is not config.ArgsSource.ARGS:
        config.args = session.paths()
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "short"


def run_quietly(session: "Mine", *options: str) -> None:
    """Run a session's tests without a word; it knows then how they went.

    UnusableError if they could not be run.
    """
    quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *options]
    said, before = io.StringIO(), set(sys.modules)
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        _same_everywhere(),
    ):
        code = pytest.main([*quiet, *session.paths()], [session])
    for name in set(sys.modules) - before:  # what they made when they were loaded is the learner's
        if name.startswith("tests.") and not name.startswith("tests.exercise"):
            del sys.modules[name]
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise UnusableError(f"pytest ended with {code}: {said.getvalue().strip()}")


@contextlib.contextmanager
def _same_everywhere() -> Iterator[None]:
    """Pytest says more where $CI is set; hypothesis leaves failed examples in the folder."""
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in ("CI", "BUILD_NUMBER"):
            patch.delenv(name, raising=False)
        with contextlib.suppress(ModuleNotFoundError):  # the tests that need it will say so
            from hypothesis.configuration import set_hypothesis_home_dir

            set_hypothesis_home_dir(stack.enter_context(tempfile.TemporaryDirectory()))
            stack.callback(set_hypothesis_home_dir, None)
        yield


class Mine:
    """One run of pytest with the learner's code in place of ours."""

    def __init__(self, wanted: list[Replacement], files: set[str]) -> None:
        self.wanted, self.files = wanted, files
        self.notes: list[str] = []
        self.passed: dict[str, int] = dict.fromkeys(self._names(), 0)
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

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Of the modules' tests only the exercises'."""
        chosen = [item for item in items if self._of(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """One failure of an exercise is enough to think about."""
        if all(each.short in self.trouble for each in self._of(item)):
            pytest.skip("after the first failure of the exercise")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Count, and say of a failure what the learner needs to know."""
        outcome = yield
        report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
        if report.when == "call" and report.passed:
            for each in self._of(item):
                self.passed[each.short] += 1
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
            found[name] = self.trouble.get(name) or (RIGHT if each.calls else NEVER_CALLED)
        return found

    def summary(self) -> list[str]:
        """A line an exercise."""
        tails = {
            RIGHT: "{passed} tests",
            WRONG: "after {passed} tests; hints: python -m tests.exercise --hint {name}",
            NOT_ATTEMPTED: "it raises NotImplementedError",
            NEVER_CALLED: "no test that ran has used it",
        }
        return [
            f"{name}: {verdict} ({tails[verdict].format(name=name, passed=self.passed[name])})"
            for name, verdict in self.verdicts().items()
        ]

    def _explain(self, item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
        frames = [str(entry.path) for entry in pytest.ExceptionInfo.from_exception(error).traceback]  # type: ignore[arg-type]
        theirs = frames[-1] in self.files
        blamed = self._of(item)
        kind = NOT_ATTEMPTED if theirs and isinstance(error, NotImplementedError) else WRONG
        for each in blamed:
            self.trouble.setdefault(each.short, kind)
            self.first_errors.setdefault(each.short, error)
        if isinstance(error, CallsOursError):
            report.longrepr = str(error)
        elif theirs and not isinstance(error, AssertionError):
            report.longrepr = their_lines(error, self.files)
        for each in blamed:
            report.sections.append((f"{each.short}", about(each)))

    def _of(self, item: pytest.Item) -> list[Exercise]:
        return [each.exercise for each in self.wanted if each.exercise.has(item.nodeid)]

    def _names(self) -> list[str]:
        return [each.exercise.short for each in self.wanted]


def about(exercise: Exercise) -> str:
    """Where to read on."""
    return f"{exercise.source} · chapter {exercise.chapter} · --hint {exercise.short}"

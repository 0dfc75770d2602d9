"""`check(my_function)` in a notebook: its tests, run on what a cell has just defined."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from .catalogue import find
from .mine import UnusableError
from .plugin import Mine, asked
from .replacing import CallsOursError, Replacement, signature_problem
from .running import run_quietly


def check(mine: Callable[..., Any], name: str | None = None) -> bool:
    """Print how the tests of an exercise went, and the first failure; True if all is right.

    mine: a function or class · name: which exercise it does; by default its own name says
    ValueError that names the nearest exercise if there is none of that name, TypeError if `mine` is
    neither a function nor a class
    """
    if not hasattr(mine, "__name__"):
        raise TypeError(f"check({mine!r}): give the function or class itself, as check(rms_norm)")
    exercise = find(name or mine.__name__)
    problem = signature_problem(exercise, mine)
    if problem:
        print(f"{exercise.short}: {problem}")
        return False
    session = _Quiet([Replacement(exercise, mine)], {_file(mine)})
    try:
        run_quietly(session)
    except KeyboardInterrupt:
        pass  # the summary says where
    except UnusableError as error:  # hypothesis is not installed, say
        print(f"{exercise.short}: not tried. {error}")
        return False
    print("\n".join([*session.failures, *session.summary()]))
    return session.verdicts() == {exercise.short: "right"}


class _Quiet(Mine):
    """Keeps the first failure instead of printing it."""

    def __init__(self, wanted: list[Replacement], files: set[str]) -> None:
        super().__init__(wanted, files)
        self.failures: list[str] = []
        self.asked = ""

    def _explain(self, item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
        self.asked = "" if isinstance(error, CallsOursError) else asked(item, error)
        super()._explain(item, report, error)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first failure, and where to read on; no places of files, which say nothing here."""
        if not report.failed or self.failures:
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        text = f"{self.asked}{crash.message}" if crash else str(report.longrepr)
        text = re.sub(r"^line \d+: ", "", text)  # of a file that is not open here
        for file in self.files - {""}:
            text = text.replace(file, "your code")
        test = report.nodeid.rpartition("::")[2]
        self.failures = [f"{test}\n{text}", *(text for _, text in report.sections)]


def _file(mine: Callable[..., Any]) -> str:
    try:
        return inspect.getsourcefile(mine) or ""
    except (OSError, TypeError):
        return ""

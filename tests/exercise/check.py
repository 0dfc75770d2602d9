"""`check(my_function)` in a notebook: its tests, run on what a cell has just defined."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from .catalogue import find
from .mine import UnusableError
from .plugin import Mine, run_quietly
from .replacing import Replacement, signature_problem


def check(mine: Callable[..., Any], name: str | None = None) -> bool:
    """Print how the tests of an exercise went, and the first failure; True if all is right.

    mine: a function or class · name: which exercise it does; by default its own name says
    ValueError that names the nearest exercise if there is none of that name
    """
    exercise = find(name or mine.__name__)
    problem = signature_problem(exercise, mine)
    if problem:
        print(f"{exercise.short}: {problem}")
        return False
    session = _Quiet([Replacement(exercise, mine)], {_file(mine)})
    try:
        run_quietly(session)
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

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first failure, and where to read on; no places of files, which say nothing here."""
        if not report.failed or self.failures:
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash else str(report.longrepr)
        for file in self.files - {""}:
            text = text.replace(file, "your code")
        test = report.nodeid.rpartition("::")[2]
        self.failures = [f"{test}\n{text}", *(text for _, text in report.sections)]


def _file(mine: Callable[..., Any]) -> str:
    try:
        return inspect.getsourcefile(mine) or ""
    except (OSError, TypeError):
        return ""

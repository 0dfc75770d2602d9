"""The tests of exercises, run from Python without a word."""

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator

import pytest

from .catalogue import ROOT
from .mine import UnusableError
from .plugin import Mine
from .requirements import check_that_all_can_run


def run_quietly(session: Mine, *options: str) -> None:
    """Run a session's tests without a word; it knows then how they went.

    UnusableError if they could not be run, KeyboardInterrupt if that stopped them.
    """
    check_that_all_can_run(session.wanted)
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
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
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

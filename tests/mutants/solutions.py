"""The files of right and wrong solutions, taken apart and tried."""

import ast
import importlib
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.exercise.catalogue import ROOT, Exercise, exercises
from tests.exercise.mine import UnusableError, load, replacements
from tests.exercise.plugin import Mine
from tests.exercise.replacing import PACKAGES
from tests.exercise.running import run_quietly

FOLDER = Path(__file__).resolve().parent
RIGHT = "right"
PARTS = re.compile(r"^# %% (right|wrong: .+)$", re.MULTILINE)


@dataclass(frozen=True)
class Solution:
    """One part of a file."""

    name: str
    """Of the exercise, short."""
    title: str
    """ "right", or "wrong: " and what is wrong."""
    code: str


@dataclass(frozen=True)
class Outcome:
    """What the tests said of a solution."""

    name: str
    title: str
    verdict: str
    """As in `plugin.py`: right, wrong, never called ...; or why it could not be tried."""
    tests_passed: int
    seconds: float

    @property
    def as_meant(self) -> bool:
        """Right ones pass, wrong ones are found wrong."""
        return self.verdict == ("right" if self.title == RIGHT else "wrong")


def solutions(package: str, name: str = "*") -> Iterator[Solution]:
    """Of a package's exercises, or of one."""
    for file in sorted((FOLDER / package).glob(f"{name}.py")):
        head, *parts = PARTS.split(file.read_text("utf-8"))
        for title, code in zip(parts[::2], parts[1::2], strict=True):
            yield Solution(file.stem, title, f"{head.rstrip()}\n{code}")


def try_all(package: str, name: str = "*", processes: int = 2) -> list[Outcome]:
    """Each in a process of its own, forked from one that has the heavy libraries loaded."""
    jobs = list(solutions(package, name))
    _load_libraries([each for each in exercises().values() if each.package == package])
    way = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    with multiprocessing.get_context(way).Pool(processes, maxtasksperchild=1) as pool:
        return list(pool.imap(try_one, jobs))


def _load_libraries(wanted: Sequence[Exercise]) -> None:
    """What the tests import from others, once for all processes."""
    files = {test.partition("::")[0] for each in wanted for test in each.tests}
    trees = [ast.parse((ROOT / file).read_text("utf-8")) for file in sorted(files)]
    nodes = [node for tree in trees for node in tree.body]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [
        node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
    ]
    ours = (*PACKAGES, "tests")
    for name in sorted({name for name in names if name.partition(".")[0] not in ours}):
        importlib.import_module(name)
    for each in wanted:
        each.original()


def try_one(solution: Solution) -> Outcome:
    """Run the exercise's tests on it, up to the first failure."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # the processes share the cores
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{solution.name}.py"
        file.write_text(solution.code, "utf-8")
        try:
            wanted = [x for x in replacements(load(file)) if x.exercise.short == solution.name]
            session = Mine(wanted, {str(file)})
            run_quietly(session, "-x")
        except UnusableError as error:
            return Outcome(solution.name, solution.title, str(error), 0, 0.0)
    verdict = session.verdicts().get(solution.name, "not tried")
    error = session.first_errors.get(solution.name)
    if isinstance(error, NameError):  # a slip of ours, not the mistake that the title names
        verdict = str(error)
    count = session.passed.get(solution.name, 0)
    seconds = round(time.perf_counter() - start, 2)
    return Outcome(solution.name, solution.title, verdict, count, seconds)

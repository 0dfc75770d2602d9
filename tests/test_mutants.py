"""Every exercise's tests pass a solution that is not ours, and fail plausible wrong ones."""

import functools
import json
import subprocess
import sys

import pytest

from tests.exercise.catalogue import ROOT, exercises
from tests.mutants.solutions import FOLDER, RIGHT, Solution, solutions

PACKAGES = sorted({each.package for each in exercises().values()})
ALL = [(package, each) for package in PACKAGES for each in solutions(package)]


@functools.cache
def outcomes(package: str) -> dict[tuple[str, str], dict[str, str]]:
    """In one other process, which loads torch once and forks for each."""
    command = [sys.executable, "-m", "tests.mutants", package, "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    assert rows, ended.stderr
    return {(row["name"], row["title"]): row for row in rows}


def test_every_exercise_has_a_right_solution_and_two_wrong_ones() -> None:
    for name, exercise in exercises().items():
        titles = [each.title for each in solutions(exercise.package, name)]
        assert titles.count(RIGHT) == 1, name
        assert len(set(titles)) == len(titles) >= 3, name


def test_every_file_of_solutions_is_of_an_exercise() -> None:
    for file in FOLDER.glob("*/*.py"):
        assert exercises()[file.stem].package == file.parent.name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "solution"), ALL, ids=[f"{each.name}-{each.title}" for _, each in ALL]
)
def test_right_solutions_pass_and_wrong_ones_do_not(package: str, solution: Solution) -> None:
    row = outcomes(package)[solution.name, solution.title]
    assert row["verdict"] == ("right" if solution.title == RIGHT else "wrong")

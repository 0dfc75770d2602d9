"""Which parts of the packages can be written anew, and which tests say whether that was right.

One file a package under `catalogue/`, a table an exercise:

    ["qwen_blog.model.rms_norm"]
    chapter = 21
    difficulty = 1
    source = "Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4"
    tests = ["tests/qwen_blog/test_model.py::test_rms_norm_is_that_of_torch"]
    hints = ["Square, mean over the last axis, root ...", ...]
"""

import functools
import importlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent / "catalogue"
DIFFICULTIES = {1: "a few lines", 2: "an afternoon", 3: "a weekend"}


@dataclass(frozen=True)
class Exercise:
    """A function or class to write, and what is to be known of it."""

    name: str
    """Where ours is: "qwen_blog.model.rms_norm"."""
    chapter: int
    difficulty: int
    """One of `DIFFICULTIES`."""
    source: str
    """Paper and place, or the standard, that says what is right."""
    tests: tuple[str, ...]
    """What pytest runs: files, or `file::test` with all its parameters."""
    hints: tuple[str, ...]
    """One to three, each telling more."""

    @property
    def module(self) -> str:
        """The module that defines ours."""
        return self.name.rpartition(".")[0]

    @property
    def short(self) -> str:
        """What the learner's own is called; no two exercises share one."""
        return self.name.rpartition(".")[2]

    @property
    def package(self) -> str:
        """The package that it belongs to."""
        return self.name.partition(".")[0]

    def original(self) -> Any:
        """Ours."""
        return getattr(importlib.import_module(self.module), self.short)

    def has(self, node_id: str) -> bool:
        """Whether a test, by its pytest name, is one of the exercise's."""
        return any(
            node_id == test or node_id.startswith((f"{test}::", f"{test}[")) for test in self.tests
        )


@functools.cache
def exercises() -> dict[str, Exercise]:
    """All of them, by short name, in the order of the chapters."""
    found = [exercise for file in sorted(FOLDER.glob("*.toml")) for exercise in read(file)]
    found.sort(key=lambda exercise: (exercise.chapter, exercise.difficulty))
    return {exercise.short: exercise for exercise in found}


def read(file: Path) -> list[Exercise]:
    """One package's. ValueError that names the file and what is wrong in it."""
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file.name}: {error}") from error
    found = []
    for name, raw in tables.items():
        try:
            values = {key: tuple(x) if isinstance(x, list) else x for key, x in raw.items()}
            found.append(Exercise(name, **values))
        except (AttributeError, TypeError) as error:
            raise ValueError(f"{file.name}, {name}: {error}") from error
    return found


def find(name: str) -> Exercise:
    """By short or full name. ValueError that names what may have been meant."""
    short = name.rpartition(".")[2]
    exercise = exercises().get(short)
    if exercise and name in (short, exercise.name):
        return exercise
    meant = close_to(short, exercises())
    remedy = f"did you mean {meant}?" if meant else "--list shows all"
    raise ValueError(f"{name!r} is no exercise: {remedy}")


def close_to(name: str, names: Iterable[str]) -> str | None:
    """The name that somebody who wrote `name` probably meant."""
    by_letters = {each.replace("_", "").lower(): each for each in names}
    found = get_close_matches(name.replace("_", "").lower(), by_letters, n=1, cutoff=0.75)
    return by_letters[found[0]] if found else None

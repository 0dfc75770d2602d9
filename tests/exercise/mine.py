"""A learner's file: loaded, and asked which exercises it does."""

import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from .catalogue import close_to, exercises
from .replacing import PACKAGES, Replacement, signature_problem


class UnusableError(Exception):
    """Nothing can be tested; the message says why and what to do."""


def load(path: Path) -> ModuleType:
    """Run the file as a module. UnusableError that shows their line if it does not run."""
    if path.is_dir():
        raise UnusableError(f"--mine {path}: a folder; name a file in it")
    if not path.is_file():
        raise UnusableError(f"--mine {path}: no such file")
    name = f"mine_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnusableError(f"--mine {path}: the name of a Python file ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # so that it can import its neighbours
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UnusableError(f"{path} does not run:\n{their_lines(error, {str(path)})}") from None
    return module


def replacements(module: ModuleType) -> list[Replacement]:
    """What the file does, in its order. UnusableError if that is nothing, or cannot be called."""
    own = defined_in(module)
    found = [Replacement(exercises()[name], own[name]) for name in own if name in exercises()]
    if not found:
        raise UnusableError(f"{module.__file__} does no exercise: {_instead(module, list(own))}")
    for each in found:
        problem = signature_problem(each.exercise, each.mine)
        if problem:
            skeleton = f"python -m tests.exercise {each.exercise.short}"
            raise UnusableError(f"{module.__file__}: {problem} ({skeleton} prints the head)")
    return found


def defined_in(module: ModuleType) -> dict[str, Any]:
    """Functions and classes of its own, without what it imports."""
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and str(getattr(value, "__module__", "")).partition(".")[0] not in PACKAGES
        and (name in exercises() or getattr(value, "__module__", None) == module.__name__)
    }


def near_misses(module: ModuleType) -> list[str]:
    """Names that are almost an exercise's: "rmsnorm: did you mean rms_norm?"."""
    names = [name for name in defined_in(module) if name not in exercises()]
    meant = {name: close_to(name, exercises()) for name in names}
    return [f"{name}: did you mean {other}?" for name, other in meant.items() if other]


def their_lines(error: BaseException, files: set[str]) -> str:
    """The error with only those frames that stand in the learner's files."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = traceback.format_list([frame for frame in frames if frame.filename in files])
    return "".join([*theirs, *traceback.format_exception_only(error)]).rstrip()


def line_of(error: BaseException, files: set[str]) -> str:
    """The innermost line of the error in one of the files, as "line 3: x = y"; "" if none."""
    # A notebook has "../.." in its path, and so have the names of the modules that it loads.
    frames = traceback.extract_tb(error.__traceback__)
    frames = [f for f in frames if f.filename in files or os.path.realpath(f.filename) in files]
    return f"line {frames[-1].lineno}: {frames[-1].line}" if frames else ""


def _instead(module: ModuleType, names: list[str]) -> str:
    taken = [name for name in vars(module) if name in exercises()]
    if taken:
        return f"{taken[0]} is not written in it, but taken from elsewhere; write it out"
    for name in names:
        meant = close_to(name, exercises())
        if meant:
            return f"it defines {name}; did you mean {meant}?"
    defines = f"it defines {', '.join(names)}" if names else "it defines nothing"
    return f"{defines}; python -m tests.exercise --list shows all exercises"

"""Putting a learner's function or class where ours is: in every module that holds it.

`from .model import rms_norm` copies a name into another module, so it is not enough to change one:
whatever module of the packages or of the tests holds the very object, holds the learner's then.
"""

import functools
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .catalogue import Exercise

PACKAGES = ("tiny_transformer", "qwen_blog", "tiny_rag", "tiny_agent", "tiny_eval")


class CallsOursError(Exception):
    """The learner's code leaves the work to ours."""


@dataclass
class Replacement:
    """An exercise, what the learner wrote for it, and where that stands now."""

    exercise: Exercise
    mine: Any
    calls: int = 0
    running: int = 0
    """Calls that have not come back yet."""
    places: list[str] = field(default_factory=list)
    """Modules of the package in which it stands."""
    _undo: list[Callable[[], None]] = field(default_factory=list)

    def put(self) -> None:
        """Into every loaded module that holds ours; modules loaded later get it from those."""
        ours = self.exercise.original()
        self._guard(ours)
        watch = _watch_class if inspect.isclass(self.mine) else _watch_function
        stand_in = watch(self)
        self.places = [module for module in swap(ours, stand_in) if not _is_test(module)]
        self._undo.append(functools.partial(swap, stand_in, ours))

    def take_back(self) -> None:
        """Ours again, also in modules that were loaded since."""
        while self._undo:
            self._undo.pop()()

    def _guard(self, ours: Any) -> None:
        """The learner's file may have imported ours: to call it there is an error."""
        module = sys.modules.get(getattr(self.mine, "__module__", ""))
        for name, value in list(vars(module).items()) if module else []:
            if value is ours:
                setattr(module, name, _refuse(self.exercise.short))
                self._undo.append(functools.partial(setattr, module, name, ours))


def swap(old: Any, new: Any) -> list[str]:
    """Put `new` wherever a module of packages or tests holds `old`; returns the modules' names."""
    swapped = []
    for key, module in sorted(sys.modules.items()):
        if key.partition(".")[0] not in (*PACKAGES, "tests") or key.startswith("tests.exercise"):
            continue
        for name, value in list(vars(module).items()):
            if value is old:
                setattr(module, name, new)
                swapped.append(key)
    return swapped


def _is_test(module: str) -> bool:
    return module.partition(".")[0] == "tests"


def _watch_function(replacement: Replacement) -> Callable[..., Any]:
    function, name = replacement.mine, replacement.exercise.short

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        replacement.calls += 1
        replacement.running += 1
        try:
            return function(*args, **kwargs)
        except RecursionError as error:
            way = f"calls itself without end ({_last_line(error, function)})"
            if replacement.running > 1:
                way = f"calls the package's {name}, which is yours now, and so on for ever"
            raise CallsOursError(f"your {name} {way}") from error
        finally:
            replacement.running -= 1

    return watched


def _last_line(error: RecursionError, function: Callable[..., Any]) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == inspect.getsourcefile(function)]
    return f"line {own[-1].lineno}: {own[-1].line}" if own else "not in its own lines"


def _watch_class(replacement: Replacement) -> type:
    """The class itself, its __init__ counted."""
    cls: type = replacement.mine
    init = cls.__init__  # type: ignore[misc]

    @functools.wraps(init)
    def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        replacement.calls += 1
        init(self, *args, **kwargs)

    own = "__init__" in vars(cls)
    cls.__init__ = counted  # type: ignore[misc]
    undo = functools.partial(setattr, cls, "__init__", init)
    replacement._undo.append(undo if own else functools.partial(delattr, cls, "__init__"))
    return cls


def _refuse(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise CallsOursError(f"your {name} calls ours: write it out instead")

    return refuse


def signature_problem(exercise: Exercise, mine: Any) -> str | None:
    """What callers of ours would trip over; None if nothing."""
    ours = exercise.original()
    if inspect.isclass(ours) != inspect.isclass(mine):
        kind = "class" if inspect.isclass(ours) else "function"
        return f"{exercise.short} has to be a {kind}"
    if not inspect.isclass(ours):
        return _parameters_problem(exercise.short, ours, mine)
    if issubclass(mine, ours):
        return f"{exercise.short} inherits from ours: write it out instead"
    for name, method in vars(ours).items():
        public = not name.startswith("_") or name in ("__init__", "__call__")
        if not public or not inspect.isfunction(method):
            continue
        own = getattr(mine, name, None)
        if own is None:
            return f"{exercise.short} needs a method {name}{inspect.signature(method)}"
        problem = _parameters_problem(f"{exercise.short}.{name}", method, own)
        if problem:
            return problem
    return None


def _parameters_problem(name: str, ours: Any, mine: Any) -> str | None:
    wanted, given = (list(inspect.signature(each).parameters.values()) for each in (ours, mine))
    if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in given):
        return None  # takes what comes
    names = [each.name for each in given]
    fits = names[: len(wanted)] == [each.name for each in wanted]
    optional = all(each.default is not each.empty for each in given[len(wanted) :])
    pairs = zip(wanted, given, strict=False)
    defaults = all(b.default is not b.empty for a, b in pairs if a.default is not a.empty)
    if fits and optional and defaults:
        return None
    return f"{name}{_short(given)} is called as {name}{_short(wanted)}"


def _short(parameters: list[inspect.Parameter]) -> str:
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
    return str(inspect.Signature(plain))

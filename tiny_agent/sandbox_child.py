"""Runs in the sandbox's child process: ties its own hands, then runs main.py as a REPL would.

The limits are set here and not by the parent's `preexec_fn`, which may hang in a process that has
threads. Run by path, with five whole numbers: seconds, bytes of memory, bytes of a file, open
files, and 1 if it may start processes. `sandbox` says what each is for.
"""

import ast
import contextlib
import importlib
import itertools
import signal
import sys
import traceback
import types
from functools import partial

MAX_FOLDERS = 100  # Python before 3.13 cannot remove folders that are nested a thousand deep

_STARTS = {  # what Python reports when a process is about to start
    *("os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec"),
    *("os.startfile", "subprocess.Popen", "pty.spawn"),
}
_UNREPORTED = (  # what Python reports late or never: threads, and how multiprocessing spawns
    ("_thread", "start_new_thread"),
    ("_thread", "start_joinable_thread"),
    ("_posixsubprocess", "fork_exec"),
)


def tie_hands(seconds: int, memory: int, file: int, files: int, processes: int) -> None:
    """Set the limits that this system knows. Python code cannot lift them again, unless as root."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)  # should the parent be gone that would have killed us
    limits = {"CPU": seconds, "AS": memory, "FSIZE": file, "NOFILE": files, "CORE": 0}
    if not processes:
        limits["NPROC"] = 0
    with contextlib.suppress(ImportError):  # Windows has none
        import resource

        for name, value in limits.items():
            with contextlib.suppress(AttributeError, OSError, ValueError):  # nor macOS all of them
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if not processes:
        for module, name in _UNREPORTED:
            with contextlib.suppress(ImportError):
                setattr(importlib.import_module(module), name, partial(_refuse, name))
    folders = itertools.count()

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in _STARTS and not processes:
            _refuse(event)
        if event == "os.mkdir" and next(folders) >= MAX_FOLDERS:
            raise OSError(f"a run makes no more than {MAX_FOLDERS} folders")

    sys.addaudithook(hook)


def _refuse(what: str, *arguments: object, **more: object) -> None:
    raise PermissionError(f"{what}: no threads and no processes here; do it in this one")


def run(path: str) -> None:
    """Run a program and show the value of a last expression. Exit status 1 after an exception."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = [path]
    try:
        with open(path, encoding="utf-8") as source:
            tree = ast.parse(source.read(), path)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, path, "exec"), main.__dict__)
        if last:
            exec(compile(ast.Interactive([last]), path, "single"), main.__dict__)
    except Exception as error:
        shown = traceback.TracebackException.from_exception(error)
        each: traceback.TracebackException | None = shown
        while each:  # frames of ours and of the library tell the model nothing
            each.stack[:] = [frame for frame in each.stack if frame.filename == path]
            each = each.__cause__ or each.__context__
        sys.exit("".join(shown.format()))  # to stderr, and status 1


if __name__ == "__main__":
    tie_hands(*map(int, sys.argv[1:]))
    run("main.py")

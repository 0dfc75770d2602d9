"""Runs in the sandbox's child process: ties its own hands, then runs main.py as a REPL would.

The limits are set here and not by the parent's `preexec_fn`, which may hang in a process that has
threads. Run by path, with the five limits as whole numbers: seconds, bytes of memory, bytes of a
file, open files, and whether processes are allowed. `sandbox` says what for.
"""

import ast
import contextlib
import signal
import sys
import traceback
import types

_STARTS = {  # the audit events of all that starts a process or a thread
    *("os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec"),
    *("os.startfile", "subprocess.Popen", "pty.spawn"),
    *("_thread.start_new_thread", "_thread.start_joinable_thread"),
}


def tie_hands(seconds: int, memory: int, file: int, files: int, processes: int) -> None:
    """Set the limits that this system knows. None of them can be lifted again by Python code."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)  # should the parent be gone that would have killed us
    limits = {"CPU": seconds, "AS": memory, "FSIZE": file, "NOFILE": files, "CORE": 0}
    if not processes:
        limits["NPROC"] = 0
        sys.addaudithook(_refuse_to_start)
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource

        for name, value in limits.items():
            with contextlib.suppress(AttributeError, OSError, ValueError):  # nor macOS all of them
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def _refuse_to_start(event: str, args: tuple[object, ...]) -> None:
    if event in _STARTS:
        raise PermissionError(f"{event}: no processes and no threads here; do it in this one")


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
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename != path:  # our own frames
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        sys.exit(1)


if __name__ == "__main__":
    tie_hands(*map(int, sys.argv[1:]))
    run("main.py")

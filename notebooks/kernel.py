"""Runs a chapter's code once, in a fresh kernel that knows nothing of its author's machine."""

import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from traitlets import default

CELL_TIMEOUT_S = 900
STARTUP_TIMEOUT_S = 120
# An author's keys, default model or matplotlibrc would change what a chapter prints.
_KEPT_VARIABLES = re.compile(
    r"PATH|HOME|USER|TMPDIR|TEMP|TMP|SYSTEMROOT|APPDATA|LOCALAPPDATA|USERPROFILE"
    r"|LD_LIBRARY_PATH|DYLD_.*|VIRTUAL_ENV|CONDA_.*|MPLCONFIGDIR|XDG_CACHE_HOME",
    re.IGNORECASE,
)
_SETTINGS = {
    "COLUMNS": "100",
    "CUDA_VISIBLE_DEVICES": "",  # a GPU rounds otherwise than a CPU
    "HF_HUB_OFFLINE": "1",
    "LC_ALL": "C.UTF-8",
    "MKL_NUM_THREADS": "1",  # sums depend on how many threads share them
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TZ": "UTC",
}


@dataclass(frozen=True)
class Run:
    """What each code cell gave, raw; `failed` is the index of the cell that stopped the chapter."""

    outputs: list[list[dict]]
    failed: int | None = None
    error: str = ""
    left_behind: tuple[str, ...] = ()


class _OwnKernel(KernelSpecManager):
    """Always this interpreter, whatever kernel the user has registered as `python3`."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        quiet = "--IPKernelApp.log_level=CRITICAL"
        return KernelSpec(argv=[*command, quiet], display_name="Python 3", language="python")


class _OwnKernelManager(AsyncKernelManager):
    @default("kernel_spec_manager")
    def _own_kernel(self) -> KernelSpecManager:
        return _OwnKernel(parent=self)


def environment(private: Path) -> dict[str, str]:
    """The kernel's variables; `private` takes IPython's profile, so the user's is not read."""
    kept = {k: v for k, v in os.environ.items() if _KEPT_VARIABLES.fullmatch(k)}
    return kept | _SETTINGS | {"IPYTHONDIR": str(private)}


def execute(code: list[str], notebooks: Path) -> Run:
    """Runs the cells in a scratch folder beside zh/ and en/, so that `../src` is what they see."""
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in code])
    with (
        tempfile.TemporaryDirectory(prefix=".run-", dir=notebooks) as scratch,
        tempfile.TemporaryDirectory() as profile,
    ):
        manager = _OwnKernelManager()
        client = NotebookClient(
            nb,
            km=manager,
            timeout=CELL_TIMEOUT_S,
            startup_timeout=STARTUP_TIMEOUT_S,
            iopub_timeout=STARTUP_TIMEOUT_S,  # by default 4 s, after which output is lost
            raise_on_iopub_timeout=True,
            record_timing=False,
        )
        settings = {"cwd": scratch, "env": environment(Path(profile)), "cleanup_kc": True}
        error, index = "", 0
        try:  # setup_kernel, not execute: that swallows Ctrl-C
            with client.setup_kernel(**settings):
                for index, cell in enumerate(nb.cells):
                    client.execute_cell(cell, index)
        except (CellExecutionError, CellTimeoutError, RuntimeError) as stopped:  # a dead kernel
            error = _last_lines(str(stopped))
        finally:
            if manager.has_kernel:  # interrupted while it started
                run_sync(manager.shutdown_kernel)(now=True)
        left_behind = tuple(sorted(path.name for path in Path(scratch).iterdir()))
    failed = index if error else None
    return Run([cell.outputs for cell in nb.cells], failed, error, left_behind)


def _last_lines(message: str, count: int = 12) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", message).strip()
    return "\n".join(plain.split("\n")[-count:])

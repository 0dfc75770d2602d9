"""How long does loading a model folder take, and how much memory, against transformers?

    python -m tests.benchmarks.bench_load        (80 seconds on two cores, 1 GB of disk)

Builds a folder of Qwen2-0.5B's real shape with random bfloat16 weights in a temporary place, then
loads it in fresh processes, ours and transformers' in turn, as it is and converted to float32, and
runs 16 tokens through. The file was just written and comes from the page cache: a cold disk adds
its own time to both. Linux and macOS.

load_s is the wall time of from_pretrained, forward_s that of the first 16 tokens, when mapped
weights are read for the first time. The MB are the process's peak (ru_maxrss), less that after the
imports. Pages of a mapped file count in it once read, though the system may take them back without
writing them out; private_MB, at the end, leaves them out (Linux only). Each number is the least of
the repeats: on a machine that others use too, only the fastest run says something.
"""

import argparse
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOADERS = {"ours": "qwen_blog", "transformers": "transformers"}
DTYPES = ("as stored (bfloat16)", "float32")
COLUMNS = ("load_s", "load_MB", "forward_s", "forward_MB", "private_MB")


def peak_mb() -> float:
    """The most memory this process ever had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def private_mb() -> float:
    """Memory that is not a mapped file's, now, in MB; nan where /proc does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    kib = sum(int(x.split()[1]) for x in lines if x.startswith("RssAnon"))
    return kib * 1024 / 1e6 or float("nan")


def build(folder: str) -> None:
    """A random Qwen2-0.5B, 494,032,768 parameters."""
    import torch

    from qwen_blog import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    Qwen2ForCausalLM(Qwen2Config.qwen2_0_5b()).save_pretrained(folder)


def measure(folder: str, loader: str, dtype: str) -> dict[str, float]:
    """Load and run once; what it took."""
    import torch

    model_class = importlib.import_module(LOADERS[loader]).Qwen2ForCausalLM
    ids = torch.arange(16)[None]
    base, base_private, start = peak_mb(), private_mb(), time.perf_counter()
    options = {"dtype": torch.float32} if dtype == "float32" else {}
    model = model_class.from_pretrained(folder, **options)
    loaded, load_mb = time.perf_counter(), peak_mb() - base
    with torch.inference_mode():
        logits = model(ids).logits
    done = time.perf_counter()
    assert logits.isfinite().all()
    values = (loaded - start, load_mb, done - loaded, peak_mb() - base, private_mb() - base_private)
    return dict(zip(COLUMNS, values, strict=True))


def in_fresh_process(*arguments: str) -> str:
    """This parent never imports torch: a child's peak begins at its parent's."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_load", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        task, *rest = arguments.child
        print(json.dumps(build(*rest) if task == "build" else measure(*rest)))
        return
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        in_fresh_process("--child", "build", folder)
        for _ in range(arguments.repeats):
            for key in ((loader, dtype) for dtype in DTYPES for loader in LOADERS):
                output = in_fresh_process("--child", "measure", folder, *key)
                results.setdefault(key, []).append(json.loads(output))
    print(f"{'dtype':<22}{'loader':<14}" + "".join(f"{column:>12}" for column in COLUMNS))
    for (loader, dtype), runs in results.items():
        values = {column: min(run[column] for run in runs) for column in COLUMNS}
        cells = [f"{x:>12.{2 if name.endswith('_s') else 0}f}" for name, x in values.items()]
        print(f"{dtype:<22}{loader:<14}" + "".join(cells))


if __name__ == "__main__":
    main()

"""Two processes started by torchrun train the model that one process would have trained."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from tiny_transformer.checkpoint import load_model
from tiny_transformer.data import Example
from tiny_transformer.distributed import ProcessGroup, process_group
from tiny_transformer.model import Transformer
from tiny_transformer.training import train

from .training_runs import TOKENIZER, records, reversals, settings, tiny_model

CONFIG = settings(accumulate=2, clip_norm=1.0)


def corpus(epoch: int) -> list[Example]:
    """Some batches of a single row: the second process then has nothing to do."""
    long = [Example([*range(3, 58), 2], [1, *range(3, 58), 2])]
    return reversals(epoch, count=20) + 2 * long


def model_of_rank(rank: int) -> Transformer:
    """Float64, for Adam blows up rounding: where a gradient is next to 0, its sign is an update.

    The processes begin with different parameters, and must take over those of rank 0.
    """
    return tiny_model(seed=rank, dropout=0.0).double()


SCRIPT = """
import os, sys
import torch
from tests.tiny_transformer.test_distributed import *

torch.set_num_threads(1)
rank, heard, validated = int(os.environ["RANK"]), [], []
model = model_of_rank(rank)
validate = lambda _: validated.append(1) or {"score": 1.0}
train(model, TOKENIZER, corpus, CONFIG, sys.argv[1], validate, heard.append)
assert (len(heard), len(validated)) == ((CONFIG.steps, 1) if rank == 0 else (0, 0))
torch.save(model.state_dict(), f"{sys.argv[1]}/rank{rank}.pt")
"""


def test_two_processes_give_the_parameters_of_one(tmp_path: Path) -> None:
    script, alone, both = tmp_path / "script.py", tmp_path / "alone", tmp_path / "both"
    script.write_text(SCRIPT, "utf-8")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [*start, str(script), str(both)],
        cwd=root,
        env=environment(root),
        timeout=300,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    model = model_of_rank(0)
    train(model, TOKENIZER, corpus, CONFIG, alone, lambda _: {"score": 1.0})
    for name, x in model.named_parameters():
        for rank in (0, 1):
            other = torch.load(both / f"rank{rank}.pt", weights_only=True)[name]
            # float64 sums in another order, saved as float32: one unit in its last place
            torch.testing.assert_close(other, x.detach(), rtol=2e-7, atol=1e-9)
    assert len(records(both)) == len(records(alone)) == CONFIG.steps  # one of them writes
    for one, two in zip(records(alone), records(both), strict=True):
        assert one["tokens"] == two["tokens"]
        assert abs(one["loss"] - two["loss"]) < 1e-5  # summed in float32
    assert load_model(both)[0].config == load_model(alone)[0].config


def environment(root: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}


def test_alone_a_process_is_a_group_of_one() -> None:
    with process_group(torch.device("cpu")) as group:
        assert group == ProcessGroup(rank=0, size=1)
        assert group.is_main
        numbers = torch.ones(3)
        group.add_up([numbers])
        group.wait()
        assert numbers.tolist() == [1, 1, 1]
        assert group.same_everywhere(7, torch.device("cpu"))

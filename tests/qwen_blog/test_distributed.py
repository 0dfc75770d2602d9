"""Two processes started by torchrun train the model that one process would have trained."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from qwen_blog.distributed import FlatGradients, ProcessGroup, process_group
from qwen_blog.model import Qwen2ForCausalLM
from qwen_blog.training import train

from .training_runs import records, repetitions, settings, tiny_model

ROOT = Path(__file__).parents[2]
CONFIG = settings(steps=6, clip_norm=0.5, validate_every=3)  # 3 rows: rank 0 has 2, rank 1 has 1


def model_of_rank(rank: int) -> Qwen2ForCausalLM:
    """Float64, for Adam blows up rounding: where a gradient is next to 0, its sign is an update.

    The processes begin with different parameters, and must take over those of rank 0.
    """
    return tiny_model(seed=rank).double()


SCRIPT = """
import os, sys
import torch
from tests.qwen_blog.test_distributed import *

torch.set_num_threads(1)
rank, heard, validated = int(os.environ["RANK"]), [], []
model = model_of_rank(rank)
validate = lambda _: validated.append(1) or {"score": 1.0}
train(model, CONFIG, repetitions, sys.argv[1], validate, heard.append)
assert (len(heard), len(validated)) == ((6, 2) if rank == 0 else (0, 0))
torch.save(model.state_dict(), f"{sys.argv[1]}/rank{rank}.pt")
for number in (1, 2):  # as a recipe of several stages does
    train(model, settings(steps=1), repetitions, f"{sys.argv[1]}/stage{number}")
"""


def test_two_processes_give_the_parameters_and_the_log_of_one(tmp_path: Path) -> None:
    script, alone, both = tmp_path / "script.py", tmp_path / "alone", tmp_path / "both"
    script.write_text(SCRIPT, "utf-8")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*start, str(script), str(both)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        timeout=600,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    model = model_of_rank(0)
    train(model, CONFIG, repetitions, alone, lambda _: {"score": 1.0})
    for name, x in model.named_parameters():
        for rank in (0, 1):
            other = torch.load(both / f"rank{rank}.pt", weights_only=True)[name]
            # cos and sin are float32, and sums are taken in another order
            torch.testing.assert_close(other, x.detach(), rtol=0, atol=1e-9)
    one, two = records(alone), records(both)
    assert len(one) == len(two) == 6
    for a, b in zip(one, two, strict=True):
        assert a["labels"] == b["labels"]
        assert abs(a["loss"] - b["loss"]) < 1e-5  # summed in float32
    assert [record for record in two if "validation" in record] == [two[2], two[5]]


def test_alone_a_process_is_a_group_of_one() -> None:
    group = process_group(torch.device("cpu"))
    assert group == ProcessGroup(rank=0, size=1)
    assert group.is_main
    numbers = torch.ones(3)
    group.add_up(numbers)
    group.wait()
    assert numbers.tolist() == [1, 1, 1]


def test_all_gradients_lie_in_one_tensor_and_add_up_there() -> None:
    model = tiny_model()
    gradients = FlatGradients(model)
    ids = torch.tensor([[1, 2, 3, 4]])
    for _ in range(2):
        model(ids, labels=ids).loss.backward()
    want = torch.autograd.grad(model(ids, labels=ids).loss, list(model.parameters()))
    flat = torch.cat([x.flatten() for x in want])
    torch.testing.assert_close(gradients.values, 2 * flat)
    assert gradients.sums.tolist() == [0, 0, 0]  # behind them
    gradients.flat.zero_()
    assert all((x.grad == 0).all() for x in model.parameters())


def test_frozen_parameters_have_no_gradient_there() -> None:
    model = tiny_model()
    model.model.embed_tokens.requires_grad_(False)
    assert len(FlatGradients(model).values) == model.num_parameters() - 16 * 16

"""Training is AdamW on the mean loss of all labelled tokens, and a stopped run goes on exactly."""

import copy
import math
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from qwen_blog.model import Qwen2ForCausalLM
from qwen_blog.packing import Sample
from qwen_blog.schedule import learning_rate
from qwen_blog.training import row_of_step, train

from .training_runs import records, repetitions, same_parameters, settings, tiny_model

ROOT = Path(__file__).parents[2]


def run(folder: Path, model: Qwen2ForCausalLM | None = None, **changes: Any) -> Qwen2ForCausalLM:
    """A run of `settings`, or the continuation of the one in `folder`."""
    model = model or tiny_model()
    train(model, settings(**changes), repetitions, folder)
    return model


def stop_after(step: int, folder: Path, **changes: Any) -> None:
    """The same, with Ctrl-C after a step."""

    def ctrl_c(record: dict[str, Any]) -> None:
        if record["step"] == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), settings(**changes), repetitions, folder, on_step=ctrl_c)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Qwen2ForCausalLM]:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


# The step -------------------------------------------------------------------------------------


def hf_twin(model: Qwen2ForCausalLM) -> transformers.Qwen2ForCausalLM:
    """transformers' model with the same weights, in float64."""
    raw = {key: x for key, x in model.config.to_dict().items() if key != "model_type"}
    twin = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**raw))
    twin.load_state_dict(model.state_dict())
    return twin.double()


def mean_loss(twin: transformers.Qwen2ForCausalLM, step: int, **changes: Any) -> Tensor:
    """Over all labelled tokens of all rows of a step, sample by sample."""
    total, count = torch.zeros(()), 0
    config = settings(**changes)
    for number in range(config.rows_per_step):
        row = row_of_step(tiny_model().config, config, repetitions, step, number)
        for ids, labels in zip(
            row.input_ids.split(row.lengths, 1), row.labels.split(row.lengths, 1), strict=True
        ):
            if n := int((labels != -100).sum()):
                total, count = total + twin(ids, labels=labels).loss * n, count + n
    return total / count


def test_updates_are_torchs_adamw_on_transformers_loss(tmp_path: Path) -> None:
    """Against a loop of ten lines: mean over tokens, clipping, schedule, decay of matrices."""
    changes = {"steps": 5, "clip_norm": 0.5, "weight_decay": 3.0, "min_lr_ratio": 0.2}
    ours = tiny_model().double()
    twin = hf_twin(ours)
    train(ours, settings(**changes), repetitions, tmp_path)
    decays = {True: [x for x in twin.parameters() if x.dim() > 1]}
    decays[False] = [x for x in twin.parameters() if x.dim() == 1]
    groups = [{"params": x, "weight_decay": 3.0 * matrix} for matrix, x in decays.items()]
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, foreach=False)
    for step, record in enumerate(records(tmp_path), start=1):
        loss = mean_loss(twin, step, **changes)
        adamw.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
        assert norm > 0.5
        for group in adamw.param_groups:
            group["lr"] = learning_rate(step, 5, 1e-2, 4, 0.2)
        adamw.step()
        assert record["loss"] == pytest.approx(loss.item(), rel=1e-5)  # summed in float32
        assert record["grad_norm"] == pytest.approx(norm.item(), rel=1e-5)
    for name, x in ours.named_parameters():
        # transformers' loss and norms are float32, and Adam divides small gradients by themselves
        torch.testing.assert_close(x, twin.get_parameter(name), rtol=0, atol=2e-5)


def test_frozen_parameters_neither_learn_nor_decay(tmp_path: Path) -> None:
    model = tiny_model()
    model.model.layers[0].requires_grad_(False)
    before = copy.deepcopy(model)
    run(tmp_path, model, steps=2)
    assert same_parameters(model.model.layers[0], before.model.layers[0])
    assert not same_parameters(model.model.layers[1], before.model.layers[1])


def test_it_learns(tmp_path: Path) -> None:
    """To repeat what it read: who doesn't look back loses 2.6 nats a token at best."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    run(tmp_path, tiny_model(**sizes), steps=150, row_tokens=256, checkpoint_every_s=60.0)
    losses = [record["loss"] for record in records(tmp_path)]
    assert losses[0] > 2.7
    assert sum(losses[-5:]) / 5 < 2.3


def test_bfloat16_multiplies_coarsely_and_remembers_in_float32(
    tmp_path: Path, whole: tuple[Path, Qwen2ForCausalLM]
) -> None:
    model = run(tmp_path, precision="bf16")
    assert {x.dtype for x in model.parameters()} == {torch.float32}
    fine, coarse = ([r["loss"] for r in records(x)] for x in (whole[0], tmp_path))
    assert fine != coarse
    assert coarse == pytest.approx(fine, rel=0.02)  # bf16 has three digits


# The data -------------------------------------------------------------------------------------


def test_rows_follow_from_seed_step_and_row_alone() -> None:
    def ids(step: int, row: int, **changes: Any) -> list[list[int]]:
        config = settings(**changes)
        return row_of_step(tiny_model().config, config, repetitions, step, row).input_ids.tolist()

    rows = [ids(1, 0), ids(2, 0), ids(1, 1), ids(1, 0, seed=1)]
    assert all(rows[i] != rows[j] for i in range(4) for j in range(i))
    assert ids(1, 0) == rows[0]


def test_data_hear_how_far_the_run_is(tmp_path: Path) -> None:
    heard = set()

    def make(rng: random.Random, progress: float) -> Sample:
        heard.add(progress)
        return repetitions(rng, 0.0)

    train(tiny_model(), settings(steps=4), make, tmp_path)
    assert heard == {0.0, 0.25, 0.5, 0.75}


def test_samples_longer_than_the_context_are_counted_in_the_log(tmp_path: Path) -> None:
    def make(rng: random.Random, progress: float) -> Sample:
        return ([5] * 33, [True] * 33) if rng.random() < 0.2 else repetitions(rng, progress)

    train(tiny_model(), settings(steps=2), make, tmp_path)
    assert all(record["dropped"] > 0 for record in records(tmp_path))


def test_a_row_may_have_no_label_but_a_step_must(
    tmp_path: Path,
) -> None:
    def rarely(rng: random.Random, progress: float) -> Sample:
        return [1, 2], [False, rng.random() < 0.01]

    train(tiny_model(), settings(steps=1, row_tokens=20, rows_per_step=20), rarely, tmp_path / "a")
    assert 0 < records(tmp_path / "a")[0]["labels"] < 20
    with pytest.raises(ValueError, match="step 1 has no token with a loss"):
        train(tiny_model(), settings(), lambda *_: ([1, 2], [True, False]), tmp_path / "b")


# Stopping and going on ------------------------------------------------------------------------


@pytest.mark.parametrize("every_s", [0.0, 1000.0])
def test_a_stopped_run_ends_like_one_that_was_not(
    tmp_path: Path, whole: tuple[Path, Qwen2ForCausalLM], every_s: float
) -> None:
    """From a checkpoint of the step before, and from that of the start."""
    stop_after(7, tmp_path, checkpoint_every_s=every_s)
    model = run(tmp_path, tiny_model(seed=99))  # its parameters come from the file
    assert same_parameters(model, whole[1])
    assert records(tmp_path) == records(whole[0])
    assert [record["step"] for record in records(tmp_path)] == list(range(1, 13))


KILLED = """
import sys
import torch
from tests.qwen_blog.training_runs import *
from qwen_blog.training import train

torch.set_num_threads(1)
train(tiny_model(), settings(steps=100_000, warmup_steps=4), repetitions, sys.argv[1])
"""


def test_a_run_killed_at_any_moment_loses_nothing_but_time(tmp_path: Path) -> None:
    """Killed from outside, twice; then compared with a process that never was."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for steps in (5, 12):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(killed)], cwd=ROOT)
        log = killed / "log.jsonl"
        while not log.exists() or log.read_text("utf-8").count("\n") < steps:
            assert process.poll() is None, "the run ended by itself"
            time.sleep(0.01)
        process.kill()
        process.wait()
        with log.open("a") as file:
            file.write('{"step": 99, "lo')  # killed in the middle of a line
        (killed / "checkpoint.pt.tmp").write_bytes(b"half")  # and of a checkpoint
    for folder in (killed, whole):
        with pytest.raises(KeyboardInterrupt):
            train(
                tiny_model(),
                settings(steps=100_000),
                repetitions,
                folder,
                on_step=lambda record: exit_at(record["step"], 40),
            )
    assert records(killed) == records(whole)
    assert [record["step"] for record in records(killed)] == list(range(1, 41))


def exit_at(step: int, last: int) -> None:
    if step >= last:
        raise KeyboardInterrupt


def test_starting_a_finished_run_again_only_fills_the_model(
    tmp_path: Path, whole: tuple[Path, Qwen2ForCausalLM]
) -> None:
    run(tmp_path)
    before = (tmp_path / "log.jsonl").read_bytes()
    model = run(tmp_path, tiny_model(seed=1))
    assert same_parameters(model, whole[1])
    assert not model.training
    assert (tmp_path / "log.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ({"intermediate_size": 32}, {}, "intermediate_size was 24, is 32"),
        ({}, {"seed": 1}, "seed was 0, is 1"),
        ({}, {"betas": (0.9, 0.99)}, r"betas was \[0\.9, 0\.95\], is \[0\.9, 0\.99\]"),
        ({}, {"steps": 13, "clip_norm": math.inf}, r"clip_norm was 1\.0, is inf; steps was 12"),
    ],
)
def test_a_folder_of_another_run_is_refused_with_the_differences(
    tmp_path: Path, model: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    stop_after(2, tmp_path)
    before = {x: x.read_bytes() for x in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=message):
        run(tmp_path, tiny_model(**model), **changes)
    assert {x: x.read_bytes() for x in tmp_path.iterdir()} == before


def test_other_data_are_refused(tmp_path: Path) -> None:
    stop_after(2, tmp_path)
    with pytest.raises(ValueError, match="other data"):
        train(tiny_model(), settings(), lambda *_: ([1, 2], [True, True]), tmp_path)


def test_a_run_may_go_on_with_more_frequent_looks_at_it(
    tmp_path: Path, whole: tuple[Path, Qwen2ForCausalLM]
) -> None:
    stop_after(6, tmp_path)
    model = run(tmp_path, checkpoint_every_s=5.0, validate_every=1)
    assert same_parameters(model, whole[1])


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    stop_after(3, tmp_path)
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged .* delete it to start again"):
        run(tmp_path)


def test_a_loss_that_is_no_number_stops_the_run_before_it_does_harm(
    tmp_path: Path, whole: tuple[Path, Qwen2ForCausalLM]
) -> None:
    model = tiny_model()

    def poison(record: dict[str, Any]) -> None:
        if record["step"] == 7:
            model.model.norm.weight.data[2] = float("nan")

    with pytest.raises(ValueError, match=r"step 8: loss=nan.* smaller learning_rate"):
        train(model, settings(), repetitions, tmp_path, on_step=poison)
    assert [record["step"] for record in records(tmp_path)] == list(range(1, 8))
    assert same_parameters(run(tmp_path), whole[1])


def test_dropout_which_could_not_be_continued_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"attention_dropout=0\.1 must be 0"):
        run(tmp_path, tiny_model(attention_dropout=0.1))


# What it leaves -------------------------------------------------------------------------------


def test_the_log_tells_every_step(whole: tuple[Path, Qwen2ForCausalLM]) -> None:
    log = records(whole[0])
    keys = ["step", "tokens", "loss", "lr", "grad_norm", "labels", "dropped"]
    assert all(list(record) == keys for record in log)
    assert [record["lr"] for record in log] == [
        learning_rate(step, 12, 1e-2, 4, 0.1) for step in range(1, 13)
    ]
    assert [record["tokens"] for record in log] == [3 * 64 * step for step in range(1, 13)]
    config, model_config = settings(), tiny_model().config
    for record in log:
        rows = [row_of_step(model_config, config, repetitions, record["step"], i) for i in range(3)]
        assert record["labels"] == sum(int((row.labels != -100).sum()) for row in rows)


def test_validation_is_logged_and_does_not_disturb_training(
    tmp_path: Path, whole: tuple[Path, Qwen2ForCausalLM]
) -> None:
    def validate(model: Qwen2ForCausalLM) -> dict[str, float]:
        assert not model.training
        assert not torch.is_grad_enabled()
        random.random()
        torch.rand(3)
        return {"exact_match": 0.5}

    heard: list[dict[str, Any]] = []
    model = tiny_model()
    train(model, settings(validate_every=5), repetitions, tmp_path, validate, heard.append)
    assert same_parameters(model, whole[1])
    log = records(tmp_path)
    assert [r["step"] for r in log if r.get("validation") == {"exact_match": 0.5}] == [5, 10, 12]
    assert [{k: x for k, x in r.items() if k != "validation"} for r in log] == records(whole[0])
    assert [r["step"] for r in heard if "validation" in r] == [5, 10, 12]
    assert all(record["seconds"] > 0 for record in heard)


def test_the_callers_random_numbers_gradients_and_terminal_are_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    states = torch.get_rng_state(), random.getstate()
    model = run(tmp_path, steps=2)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert all(x.grad is None for x in model.parameters())
    assert capfd.readouterr() == ("", "")


def test_the_weights_that_were_given_are_those_that_are_trained(tmp_path: Path) -> None:
    """A second stage begins with what the first has learnt."""
    first = run(tmp_path / "first")
    start = copy.deepcopy(first)
    run(tmp_path / "second", first, steps=1, learning_rate=1e-9, weight_decay=0.0)
    for one, other in zip(first.parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-9, rtol=1e-6)


# Settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("rows_per_step", 1.5),
        ("row_tokens", True),
        ("validate_every", 0),
        ("warmup_steps", 13),
        ("learning_rate", 0.0),
        ("eps", float("nan")),
        ("weight_decay", -1.0),
        ("checkpoint_every_s", math.inf),
        ("min_lr_ratio", 1.5),
        ("clip_norm", 0.0),
        ("betas", (0.9, 1.0)),
        ("betas", (0.9,)),
        ("precision", "fp16"),
        ("optimizer", "sgd"),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        settings(**{name: value})

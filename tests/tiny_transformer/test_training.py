"""Training does what the paper says, and a run that was stopped ends as if it had not been."""

import dataclasses
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tiny_transformer.batching import collate
from tiny_transformer.checkpoint import average_checkpoints, load_model
from tiny_transformer.data import Example
from tiny_transformer.distributed import ProcessGroup
from tiny_transformer.model import Transformer
from tiny_transformer.schedule import learning_rate
from tiny_transformer.stream import BatchStream
from tiny_transformer.tokenizer import Tokenizer
from tiny_transformer.training import accumulate_gradients, train
from tiny_transformer.training_config import TrainingConfig

from .training_runs import TOKENIZER, records, reversals, same_parameters, settings, tiny_model

ALONE = ProcessGroup()


def run(folder: Path, model: Transformer | None = None, **changes: Any) -> Transformer:
    """A run of `settings`, or the continuation of the one in `folder`."""
    model = model or tiny_model()
    train(model, TOKENIZER, reversals, settings(**changes), folder)
    return model


def stop_after(step: int, folder: Path, **changes: Any) -> None:
    """The same, with Ctrl-C after a step."""

    def ctrl_c(record: dict[str, Any]) -> None:
        if record["step"] == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), TOKENIZER, reversals, settings(**changes), folder, on_step=ctrl_c)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Transformer]:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


# The step -------------------------------------------------------------------------------------


def gradients(model: Transformer) -> list[Tensor]:
    return [x.grad.clone() for x in model.parameters() if x.grad is not None]


def test_accumulated_batches_give_the_gradient_of_one_large_batch() -> None:
    """Though they differ in size and padding: the mean is over tokens, not over batches."""
    examples, model = reversals(0), tiny_model(dropout=0.0).double()
    parts = [examples[:3], examples[3:20], examples[20:]]
    loss = accumulate_gradients(model, [examples], settings(), ALONE)
    large = gradients(model)
    # losses pass through float32; gradients do not: what is left is the order of additions
    assert accumulate_gradients(model, parts, settings(), ALONE) == pytest.approx(loss, rel=1e-6)
    for got, want in zip(gradients(model), large, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


def test_loss_and_gradient_are_means_over_all_real_tokens() -> None:
    examples, model = reversals(0), tiny_model(dropout=0.0)
    got = accumulate_gradients(model, [examples], settings(), ALONE)
    ours = gradients(model)
    source, target_in, target_out = collate(examples, 0)
    scores = model(source, target_in).logits.flatten(0, 1)
    options = {"ignore_index": 0}
    smoothed = F.cross_entropy(scores, target_out.flatten(), label_smoothing=0.1, **options)
    nll = F.cross_entropy(scores, target_out.flatten(), **options)
    assert got == pytest.approx((smoothed.item(), nll.item(), int((target_out != 0).sum())))
    # float32: rounding of sums over 300 tokens
    for mine, want in zip(ours, torch.autograd.grad(smoothed, model.parameters()), strict=True):
        torch.testing.assert_close(mine, want, rtol=1e-4, atol=1e-6)


def test_the_updates_are_adams_with_the_rate_of_equation_3(tmp_path: Path) -> None:
    """Against a loop of five lines, with torch's plain Adam."""
    config = settings(steps=6, average_last=1, clip_norm=0.5, lr_factor=0.5)
    ours, oracle = tiny_model(dropout=0.0).double(), tiny_model(dropout=0.0).double()
    train(ours, TOKENIZER, reversals, config, tmp_path)
    adam = torch.optim.Adam(oracle.parameters(), betas=(0.9, 0.98), eps=1e-9, foreach=False)
    stream = BatchStream(reversals, config)
    for step in range(1, 7):
        source, target_in, target_out = collate(stream.next(), 0)
        scores = oracle(source, target_in).logits.flatten(0, 1)
        adam.zero_grad()
        F.cross_entropy(
            scores, target_out.flatten(), ignore_index=0, label_smoothing=0.1
        ).backward()
        torch.nn.utils.clip_grad_norm_(oracle.parameters(), 0.5)
        adam.param_groups[0]["lr"] = 0.5 * 16**-0.5 * min(step**-0.5, step * 10**-1.5)
        adam.step()
    # float64, then saved as float32
    for got, want in zip(ours.parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-7)


def test_gradients_longer_than_clip_norm_are_shortened_to_it(tmp_path: Path) -> None:
    free, clipped = tiny_model(), tiny_model()
    run(tmp_path / "free", free, steps=1)
    run(tmp_path / "clipped", clipped, steps=1, clip_norm=0.1)
    (record,) = records(tmp_path / "clipped")
    assert record["grad_norm"] > 0.1  # what it was before
    assert record == records(tmp_path / "free")[0]
    for model, length in ((free, record["grad_norm"]), (clipped, 0.1)):
        norm = math.sqrt(sum(x.square().sum().item() for x in gradients(model)))
        assert norm == pytest.approx(length, rel=1e-4)


def test_it_learns(tmp_path: Path) -> None:
    """Who knows how often each token comes, but not the source, loses 3.2 nats a token."""
    model = tiny_model(d_model=32, d_ff=64, dropout=0.0)
    changes = {"max_tokens": 600, "warmup_steps": 50, "lr_factor": 0.5, "checkpoint_every": 150}
    config = settings(steps=150, **changes)
    train(model, TOKENIZER, lambda epoch: reversals(epoch, 200), config, tmp_path)
    losses = [record["nll"] for record in records(tmp_path)]
    assert losses[0] > math.log(259) - 0.5
    assert losses[-1] < 2.3


def test_bfloat16_multiplies_coarsely_and_remembers_in_float32(tmp_path: Path) -> None:
    run(tmp_path / "fp32", tiny_model(dropout=0.0))
    model = run(tmp_path / "bf16", tiny_model(dropout=0.0), precision="bf16")
    assert {x.dtype for x in model.parameters()} == {torch.float32}
    fine, coarse = ([r["loss"] for r in records(tmp_path / x)] for x in ("fp32", "bf16"))
    assert fine != coarse
    assert coarse == pytest.approx(fine, rel=0.02)  # bf16 has three digits


# The batches ----------------------------------------------------------------------------------


def order(seed: int, epoch: int) -> list[list[Example]]:
    """The batches of one epoch, whatever came before it."""
    config = settings(seed=seed)
    state = BatchStream(lambda _: reversals(0), config).state() | {"epoch": epoch}
    stream = BatchStream(lambda _: reversals(0), config, state)
    return [stream.next() for _ in stream.batches]


def test_batches_follow_from_seed_and_epoch_alone() -> None:
    assert order(seed=1, epoch=3) == order(seed=1, epoch=3)
    assert order(seed=1, epoch=3) != order(seed=1, epoch=4)
    assert order(seed=1, epoch=3) != order(seed=2, epoch=3)
    assert sorted(x for batch in order(1, 3) for x in batch) == sorted(reversals(0))


def test_every_epoch_asks_the_corpus_for_its_own_examples() -> None:
    stream = BatchStream(reversals, settings())
    for epoch in range(3):
        seen = [example for _ in stream.batches for example in stream.next()]
        assert stream.epoch == epoch
        assert sorted(seen) == sorted(reversals(epoch))
        stream.next()  # opens the next epoch
        stream.position = 0


def test_an_epoch_without_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="no examples in epoch 0"):
        BatchStream(lambda _: [], settings())


# Stopping and going on ------------------------------------------------------------------------


@pytest.mark.parametrize("step", [3, 5, 12, 19])
def test_a_stopped_run_ends_like_one_that_was_not(
    tmp_path: Path, whole: tuple[Path, Transformer], step: int
) -> None:
    """Before the first checkpoint, at one, and between; dropout on, over several epochs."""
    stop_after(step, tmp_path)
    torch.rand(step)  # whatever the next process draws has no influence
    model = run(tmp_path, tiny_model(seed=0 if step < 5 else 99))  # later ones come from the file
    assert same_parameters(model, whole[1])
    assert same_parameters(load_model(tmp_path)[0], whole[1])
    assert records(tmp_path) == records(whole[0])
    assert [record["step"] for record in records(tmp_path)] == list(range(1, 21))
    assert records(tmp_path)[-1]["epoch"] == 2


def test_accumulating_runs_go_on_as_well(tmp_path: Path) -> None:
    changes = {"accumulate": 3, "steps": 10, "checkpoint_every": 4}
    model = run(tmp_path / "whole", **changes)
    stop_after(7, tmp_path / "stopped", **changes)
    assert same_parameters(run(tmp_path / "stopped", **changes), model)
    assert records(tmp_path / "stopped") == records(tmp_path / "whole")


def test_half_a_line_at_the_end_of_the_log_is_dropped(
    tmp_path: Path, whole: tuple[Path, Transformer]
) -> None:
    """Killed while writing the record of the first step after a checkpoint."""
    stop_after(5, tmp_path)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "lo')
    run(tmp_path)
    assert records(tmp_path) == records(whole[0])


KILLED = """
import os, signal, sys
import torch
import tiny_transformer.run_folder as run_folder
from tests.tiny_transformer.training_runs import *
from tiny_transformer.training import train

torch.set_num_threads(1)
write, calls = run_folder.write_tensors, []

def write_half(tensors, file):
    calls.append(file)
    if len(calls) == 6:  # the optimizer of the third checkpoint
        file.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    write(tensors, file)

run_folder.write_tensors = write_half
train(tiny_model(), TOKENIZER, reversals, settings(), sys.argv[1])
"""


def test_a_run_killed_while_writing_a_checkpoint_ends_like_one_that_was_not(
    tmp_path: Path, whole: tuple[Path, Transformer]
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=300)
    assert killed.returncode != 0
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 16, "lo')  # killed in the middle of a line
    assert len(records_that_parse(tmp_path)) == 15
    assert [x.name for x in sorted((tmp_path / "checkpoints").iterdir())] == [
        "step-000005",
        "step-000010",
        "step-000015.tmp",
    ]
    assert same_parameters(run(tmp_path), whole[1])
    assert records(tmp_path) == records(whole[0])
    assert [x.name for x in sorted((tmp_path / "checkpoints").iterdir())] == [
        "step-000015",
        "step-000020",
    ]


def records_that_parse(folder: Path) -> list[str]:
    return [x for x in (folder / "log.jsonl").read_text().splitlines() if x.endswith("}")]


def test_starting_a_finished_run_again_changes_nothing(
    tmp_path: Path, whole: tuple[Path, Transformer]
) -> None:
    run(tmp_path)
    assert same_parameters(run(tmp_path, tiny_model(seed=1)), whole[1])
    assert records(tmp_path) == records(whole[0])


def test_a_finished_run_can_be_trained_for_longer(
    tmp_path: Path, whole: tuple[Path, Transformer]
) -> None:
    run(tmp_path, steps=10)
    assert same_parameters(run(tmp_path, steps=20), whole[1])
    assert records(tmp_path) == records(whole[0])
    with pytest.raises(ValueError, match=r"steps=15, but .* is already at step 20"):
        run(tmp_path, steps=15)


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (tiny_model(d_ff=48), {}, "d_ff was 32, is 48"),
        (tiny_model(dropout=0.2), {}, r"dropout was 0\.1, is 0\.2"),
        (tiny_model(), {"seed": 1}, "seed was 0, is 1"),
        (tiny_model(), {"betas": (0.9, 0.99)}, r"betas was \[0\.9, 0\.98\]"),
        (tiny_model(), {"lr_factor": 2.0, "accumulate": 2}, "accumulate was 1, is 2; lr_factor"),
    ],
)
def test_a_folder_of_another_run_is_refused_with_the_differences(
    tmp_path: Path, model: Transformer, changes: dict[str, Any], message: str
) -> None:
    stop_after(6, tmp_path)
    before = {x: x.read_bytes() for x in tmp_path.rglob("*") if x.is_file()}
    with pytest.raises(ValueError, match=message):
        run(tmp_path, model, **changes)
    assert {x: x.read_bytes() for x in tmp_path.rglob("*") if x.is_file()} == before


def test_a_run_may_go_on_with_more_frequent_looks_at_it(tmp_path: Path) -> None:
    stop_after(6, tmp_path)
    run(tmp_path, log_every=1, validate_every=1)
    whole = tmp_path / "whole"
    run(whole)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (tmp_path, whole)]
    assert weights[0] == weights[1]


def test_another_tokenizer_of_the_same_size_is_refused(tmp_path: Path) -> None:
    model = Transformer(dataclasses.replace(tiny_model().config, vocab_size=260))
    corpus = [Tokenizer.train([text], 260) for text in ("abab", "cdcd")]
    train(model, corpus[0], reversals, settings(steps=1), tmp_path)
    with pytest.raises(ValueError, match="other data"):
        train(model, corpus[1], reversals, settings(steps=1), tmp_path)


def test_other_data_are_refused(tmp_path: Path) -> None:
    stop_after(6, tmp_path)
    with pytest.raises(ValueError, match="examples of epoch 0 are not those"):
        train(tiny_model(), TOKENIZER, lambda _: reversals(7), settings(), tmp_path)


def test_a_model_that_came_from_elsewhere_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="holds a model that was not trained here"):
        run(tmp_path)
    assert (tmp_path / "config.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(
    tmp_path: Path, whole: tuple[Path, Transformer], name: str, harm: str
) -> None:
    stop_after(12, tmp_path)
    newest = tmp_path / "checkpoints" / "step-000010"
    content = (newest / name).read_bytes()
    (newest / name).unlink()
    if harm == "cut":
        (newest / name).write_bytes(content[: len(content) // 2])
    with pytest.raises((FileNotFoundError, ValueError), match=f"{name}.* Delete the folder"):
        run(tmp_path)
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    assert same_parameters(run(tmp_path), whole[1])
    assert records(tmp_path) == records(whole[0])


def test_a_loss_that_is_no_number_stops_the_run_before_it_does_harm(
    tmp_path: Path, whole: tuple[Path, Transformer]
) -> None:
    model = tiny_model()

    def poison(record: dict[str, Any]) -> None:
        if record["step"] == 7:
            model.embedding.weight.data[2] = float("nan")

    with pytest.raises(ValueError, match=r"step 8: loss=nan.* smaller lr_factor"):
        train(model, TOKENIZER, reversals, settings(), tmp_path, on_step=poison)
    assert same_parameters(run(tmp_path), whole[1])


# What it leaves -------------------------------------------------------------------------------


def test_the_model_is_the_mean_of_the_last_checkpoints(whole: tuple[Path, Transformer]) -> None:
    folder, model = whole
    kept = sorted((folder / "checkpoints").iterdir())
    assert [x.name for x in kept] == ["step-000015", "step-000020"]
    average = average_checkpoints(kept)
    assert all(torch.equal(average[name], x) for name, x in model.named_parameters())
    assert same_parameters(load_model(folder)[0], model)
    assert not model.training


def test_the_log_tells_every_step(whole: tuple[Path, Transformer]) -> None:
    log = records(whole[0])
    keys = ["step", "epoch", "loss", "nll", "lr", "tokens", "grad_norm"]
    assert all(list(record) == keys for record in log)
    assert [record["lr"] for record in log] == [learning_rate(x, 16, 10) for x in range(1, 21)]
    stream = BatchStream(reversals, settings())
    for record in log:
        assert record["tokens"] == sum(len(target) - 1 for _, target in stream.next())
        assert record["epoch"] == stream.epoch


def test_only_every_nth_step_is_logged_and_the_last(
    tmp_path: Path, whole: tuple[Path, Transformer]
) -> None:
    run(tmp_path, log_every=6)
    assert records(tmp_path) == [records(whole[0])[step - 1] for step in (6, 12, 18, 20)]


def test_on_step_hears_of_every_step_and_speed_is_the_last_key(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    config = settings(steps=4, log_every=3, validate_every=2)
    train(
        tiny_model(), TOKENIZER, reversals, config, tmp_path, lambda _: {"score": 1.0}, heard.append
    )
    assert [record["step"] for record in heard] == [1, 2, 3, 4]
    assert all(list(record)[-1] == "tokens_per_s" for record in heard)
    assert ["validation" in record for record in heard] == [False, True, False, True]
    assert [record["step"] for record in records(tmp_path)] == [2, 3, 4]


def test_validation_is_logged_and_does_not_disturb_training(
    tmp_path: Path, whole: tuple[Path, Transformer]
) -> None:
    def validate(model: Transformer) -> dict[str, float]:
        assert not model.training
        assert not torch.is_grad_enabled()
        torch.rand(3)
        random.random()
        return {"exact_match": 0.5}

    model = tiny_model()
    train(model, TOKENIZER, reversals, settings(validate_every=8), tmp_path, validate)
    assert same_parameters(model, whole[1])
    log = records(tmp_path)
    assert [r["step"] for r in log if r.get("validation") == {"exact_match": 0.5}] == [8, 16, 20]
    assert [{k: x for k, x in r.items() if k != "validation"} for r in log] == records(whole[0])


def test_seeds_change_dropout_and_order(tmp_path: Path, whole: tuple[Path, Transformer]) -> None:
    run(tmp_path / "1", seed=1)
    assert [r["tokens"] for r in records(tmp_path / "1")] != [
        r["tokens"] for r in records(whole[0])
    ]
    dropped = [run(tmp_path / f"{s}", steps=1, seed=s, max_tokens=9999) for s in (2, 3)]
    first, second = (records(tmp_path / f"{seed}")[0]["loss"] for seed in (2, 3))
    assert first != pytest.approx(second, rel=1e-5)  # the same one batch, other dropout masks
    assert not same_parameters(*dropped)


def test_dropout_differs_from_step_to_step(tmp_path: Path) -> None:
    """At a rate of almost nothing, only dropout can tell two steps on the same example apart."""
    config = settings(steps=2, lr_factor=1e-12)
    train(tiny_model(), TOKENIZER, lambda _: reversals(0, count=1), config, tmp_path)
    first, second = (record["loss"] for record in records(tmp_path))
    assert first != pytest.approx(second, rel=1e-5)


def test_the_callers_random_numbers_and_terminal_are_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tiny_model()
    state = torch.get_rng_state()
    run(tmp_path, model, steps=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("max_tokens", 1.5),
        ("accumulate", True),
        ("average_last", 0),
        ("lr_factor", 0.0),
        ("eps", float("nan")),
        ("clip_norm", 0.0),
        ("betas", (0.9, 1.0)),
        ("betas", (0.9,)),
        ("label_smoothing", 1.0),
        ("precision", "fp16"),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        settings(**{name: value})


def test_the_defaults_are_the_papers() -> None:
    config = TrainingConfig()
    assert (config.betas, config.eps, config.clip_norm) == ((0.9, 0.98), 1e-9, None)
    assert (config.label_smoothing, config.warmup_steps, config.lr_factor) == (0.1, 4000, 1.0)
    assert config.average_last == 5

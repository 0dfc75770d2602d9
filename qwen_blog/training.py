"""Training: predict the next token, step after step, on data that are made as they are needed.

With warm-up, a cosine schedule and gradient clipping, as Qwen2 and nearly all models of its time;
the optimizer is AdamW or Muon (`optimizers.py`). Chapter 24.

A run can be stopped at any moment and started again with the same call: it goes on from its last
checkpoint and ends with the very numbers of a run that was never stopped (on the same machine, with
as many threads). For that, nothing random depends on what was drawn before it: row r of step s
follows from (seed, s, r) alone. So does the share of each process in a distributed run.

Leaves out: dropout, mixed precision in fp16, and sharding of models too large for one machine.
"""

import dataclasses
import hashlib
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import Qwen2Config
from .distributed import FlatGradients, ProcessGroup, process_group
from .lora import LoraLinear
from .memory import give_back_free_memory
from .model import Qwen2ForCausalLM
from .optimizers import make_optimizer
from .packing import IGNORED, PackedForward, PackedRow, SampleMaker, pack_row
from .run_folder import RunFolder
from .schedule import learning_rate
from .training_config import TrainingConfig

Record = dict[str, Any]
Validation = Callable[[Qwen2ForCausalLM], dict[str, float]]


def train(
    model: Qwen2ForCausalLM,
    config: TrainingConfig,
    make_sample: SampleMaker,
    folder: str | Path,
    validate: Validation | None = None,
    on_step: Callable[[Record], None] | None = None,
) -> None:
    """Train `model` in place; or fill it from the run in `folder`, and go on where that stopped.

    model: with its initial parameters, on the device to train on; left in eval mode. Parameters
      that ask for no gradient stay as they are.
    make_sample: see `packing.py`; the same at every start of a run
    folder: see `run_folder.py`
    validate: called every `validate_every` steps and after the last, with the model in eval mode;
      its numbers go into the log
    on_step: called after each step with its record, e.g. to move a progress bar:
      step, tokens (read so far), loss (nats a labelled token), lr, grad_norm (before clipping),
      labels (tokens with a loss), dropped (samples that were too long), seconds (without
      validation), validation (only where done)
    ValueError if the folder holds another run, or if the loss is no longer a number.
    """
    group = process_group(model.device)
    run = _Run(model, config, make_sample, RunFolder(folder), group)
    for step in range(run.step + 1, config.steps + 1):
        record = run.advance(step)
        if group.is_main:
            run.note(record, validate)
            if on_step:
                on_step(record)
    group.wait()  # for the last checkpoint to be on the disk
    model.eval().zero_grad()


def row_of_step(
    model_config: Qwen2Config, config: TrainingConfig, make_sample: SampleMaker, step: int, row: int
) -> PackedRow:
    """Row 0, 1 ... of step 1, 2 ...: it depends on nothing else."""
    return pack_row(
        random.Random(f"{config.seed}/{step}/{row}"),
        (step - 1) / config.steps,
        config.row_tokens,
        model_config.max_position_embeddings,
        make_sample,
    )


def loss_sum(model: Qwen2ForCausalLM, hidden: Tensor, labels: Tensor) -> Tensor:
    """The summed cross-entropy, in nats, of all labelled tokens.

    hidden: (B, T, D) · labels: (B, T), not shifted: the state at place t predicts token t + 1.
    Only the N places before a label are scored: with a loss on replies only, most of the work of
    the output layer would be for nothing.
    """
    targets = labels[:, 1:].flatten()  # (B, T) -> (B*(T-1),)
    places = (targets != IGNORED).nonzero()[:, 0]  # (N,)
    logits = model.lm_head(hidden[:, :-1].flatten(0, 1)[places])  # (N, D) -> (N, V)
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(wide, targets[places], reduction="sum")


class _Run:
    """What a run holds between two steps."""

    def __init__(
        self,
        model: Qwen2ForCausalLM,
        config: TrainingConfig,
        make_sample: SampleMaker,
        folder: RunFolder,
        group: ProcessGroup,
    ) -> None:
        _check_no_dropout(model)
        self.model, self.config, self.make_sample = model, config, make_sample
        self.folder, self.group = folder, group
        self.optimizer = make_optimizer(model, config)
        if group.is_main:
            folder.claim(_identity(model, config, make_sample))
            if not folder.checkpoint_file.exists():
                folder.save(model, self.optimizer, 0)
        group.wait()
        self.step = folder.restore(model, self.optimizer)  # all processes from the same file
        if group.is_main:
            folder.trim_log(self.step)
        self.gradients = FlatGradients(model)
        self.forward = PackedForward(config.compiled)
        self.saved_s = time.monotonic()

    def advance(self, step: int) -> Record:
        """One update of the parameters. ValueError, before it does harm, if the loss is NaN."""
        started, config = time.perf_counter(), self.config
        loss, labels, dropped = self._accumulate(step)
        norm = self.gradients.values.norm().item()
        if not math.isfinite(loss + norm):
            raise ValueError(
                f"step {step}: loss={loss}, grad_norm={norm}. The last checkpoint is whole; start "
                "a new run with a smaller learning_rate or clip_norm, or more warmup_steps"
            )
        if norm > config.clip_norm:
            self.gradients.values.mul_(config.clip_norm / norm)
        lr = learning_rate(
            step, config.steps, config.learning_rate, config.warmup_steps, config.min_lr_ratio
        )
        for parameter_group in self.optimizer.param_groups:
            parameter_group["lr"] = lr
        self.optimizer.step()
        self.step = step
        tokens, seconds = step * config.tokens_per_step, round(time.perf_counter() - started, 3)
        record = {"step": step, "tokens": tokens, "loss": loss, "lr": lr, "grad_norm": norm}
        return record | {"labels": labels, "dropped": dropped, "seconds": seconds}

    def _accumulate(self, step: int) -> tuple[float, int, int]:
        """Leave the gradient of the mean loss over all labelled tokens of the step, everywhere.

        returns that mean, the number of labelled tokens and of dropped samples. Losses are summed
        and divided in the end: a mean of means would favour the tokens of rows with few labels.
        """
        self.model.train()
        self.gradients.flat.zero_()
        for number in range(self.group.rank, self.config.rows_per_step, self.group.size):
            self._backward(
                row_of_step(self.model.config, self.config, self.make_sample, step, number)
            )
        self.group.add_up(self.gradients.flat)
        total, labels, dropped = self.gradients.sums.tolist()
        if not labels:
            raise ValueError(f"step {step} has no token with a loss: look at make_sample's flags")
        self.gradients.values.div_(labels)
        return total / labels, int(labels), int(dropped)

    def _backward(self, row: PackedRow) -> None:
        """Add the row's gradient, loss and counts to those of the step."""
        device, bf16 = self.model.device, self.config.precision == "bf16"
        on_device = row.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            hidden = self.forward(self.model, on_device)
            loss = loss_sum(self.model, hidden, on_device.labels)
        loss.backward()
        self.gradients.sums[0] += loss.detach()
        self.gradients.sums[1] += int((row.labels != IGNORED).sum())
        self.gradients.sums[2] += row.dropped

    def note(self, record: Record, validate: Validation | None) -> None:
        """Validate, log and write a checkpoint, where they are due."""
        last = self.step == self.config.steps
        if validate and (last or self.step % self.config.validate_every == 0):
            self.model.eval()
            with torch.no_grad():
                record["validation"] = validate(self.model)
        self.folder.log(record)  # before the checkpoint: a step is never done without its line
        if last or time.monotonic() - self.saved_s >= self.config.checkpoint_every_s:
            self.folder.save(self.model, self.optimizer, self.step)
            give_back_free_memory()
            self.saved_s = time.monotonic()


def _check_no_dropout(model: Qwen2ForCausalLM) -> None:
    """A run with dropout does not go on exactly: where its random numbers stood is not kept."""
    shares = [("attention_dropout", model.config.attention_dropout)]
    for module in model.modules():
        if isinstance(module, LoraLinear):
            shares.append(("lora_dropout", module.config.lora_dropout))
    for name, share in shares:
        if share:
            raise ValueError(f"{name}={share} must be 0: no run with it goes on exactly")


def _identity(
    model: Qwen2ForCausalLM, config: TrainingConfig, make_sample: SampleMaker
) -> dict[str, dict[str, Any]]:
    """What must not change between a run and its continuation."""
    rows = range(config.rows_per_step)
    ids = [row_of_step(model.config, config, make_sample, 1, row).input_ids for row in rows]
    digest = hashlib.sha256(torch.cat(ids).numpy().tobytes()).hexdigest()
    return {
        "model": model.config.to_dict(),
        "training": dataclasses.asdict(config),
        "data": {"sha256 of the first step (other data?)": digest},
    }

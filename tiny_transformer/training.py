"""Training, as the paper did it: Adam, warm-up, label smoothing, averaged checkpoints.

Source: Vaswani et al. 2017 (arXiv:1706.03762), sections 5.1 to 5.4 and 6.1. Chapter 13.

A run can be stopped at any moment and started again with the same call: it goes on from its last
checkpoint and ends with the very numbers of a run that was never stopped (on the same machine, with
as many threads). For that, nothing random depends on what was drawn before it: the order of an
epoch's batches follows from (seed, epoch), dropout from (seed, step).

Leaves out: early stopping, and sharding of models too large for one machine.
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
from torch import nn

from .batching import collate
from .checkpoint import TOKENIZER, average_checkpoints, fill_parameters, save_model
from .data import Example
from .distributed import ProcessGroup, process_group
from .loss import label_smoothed_cross_entropy
from .model import Transformer
from .run_folder import RunFolder
from .schedule import learning_rate
from .stream import BatchStream, Corpus
from .tokenizer import Tokenizer
from .training_config import TrainingConfig

Record = dict[str, Any]
Validation = Callable[[Transformer], dict[str, float]]


def train(
    model: Transformer,
    tokenizer: Tokenizer,
    corpus: Corpus,
    config: TrainingConfig,
    folder: str | Path,
    validate: Validation | None = None,
    on_step: Callable[[Record], None] | None = None,
) -> None:
    """Train `model` in place and leave it, averaged, in `folder`; or go on where a run stopped.

    model: with its initial parameters, on the device to train on
    folder: see `run_folder.py`; in the end a model folder, for `load_model`
    validate: called every `validate_every` steps and after the last (before averaging), with the
      model in eval mode; its numbers go into the log
    on_step: called after each step with its record, e.g. to move a progress bar:
      step, epoch, loss (nats a token, smoothed), nll (not smoothed), lr, tokens (targets),
      grad_norm (before clipping), validation (only where done), tokens_per_s
    ValueError if the folder holds another run, or if the loss is no longer a number.
    """
    device = next(model.parameters()).device
    forked = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(forked), process_group(device) as group:
        run = _Run(model, tokenizer, corpus, config, Path(folder), group)
        for step in range(run.step + 1, config.steps + 1):
            record = run.advance(step)
            if group.is_main:
                run.note(record, validate)
                if on_step:
                    on_step(record)
        run.finish()


def accumulate_gradients(
    model: Transformer,
    step_batches: list[list[Example]],
    config: TrainingConfig,
    group: ProcessGroup,
) -> tuple[float, float, int]:
    """Leave in every .grad the gradient of the mean loss over all real tokens of the batches.

    returns that mean, smoothed and not, and the number of tokens. Each loss is divided by the
    tokens of the whole step: a mean of the batches' means would favour the tokens of small ones.
    """
    parameters = list(model.parameters())
    device = parameters[0].device
    tokens = sum(len(target) - 1 for batch in step_batches for _, target in batch)
    sums = torch.zeros(2, device=device)
    for x in parameters:
        x.grad = None
    for examples in step_batches:
        rows = examples[group.rank :: group.size]
        if not rows:
            continue
        source, target_in, target_out = (x.to(device) for x in collate(rows, model.config.pad_id))
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = model(source, target_in).logits  # (B, T, V)
        loss = label_smoothed_cross_entropy(
            logits, target_out, model.config.pad_id, config.label_smoothing
        )
        (loss.smoothed / tokens).backward()
        sums += torch.stack([loss.smoothed.detach(), loss.nll])
    for x in parameters:
        x.grad = torch.zeros_like(x) if x.grad is None else x.grad  # None: this rank had no rows
    group.add_up([sums, *(x.grad for x in parameters if x.grad is not None)])
    smoothed, nll = (sums / tokens).tolist()
    return smoothed, nll, tokens


class _Run:
    """What a run holds between two steps."""

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        corpus: Corpus,
        config: TrainingConfig,
        folder: Path,
        group: ProcessGroup,
    ) -> None:
        self.model, self.tokenizer, self.config, self.group = model, tokenizer, config, group
        self.folder = RunFolder(folder)
        # fused: one pass over the parameters, three times as fast on a CPU as torch's default
        self.optimizer = torch.optim.Adam(
            model.parameters(), betas=config.betas, eps=config.eps, fused=True
        )
        if group.is_main:
            self.folder.claim(_identity(model, tokenizer, config, folder))
        group.wait()
        state = self.folder.restore(model, self.optimizer)
        self.step = state["step"] if state else 0
        self._check_step()
        group.copy_from_main([parameter.data for parameter in model.parameters()])
        self.stream = BatchStream(corpus, config, state)
        if group.is_main:
            self.folder.trim_log(self.step)

    def _check_step(self) -> None:
        folder, steps, rank = self.folder.folder, self.config.steps, self.group.rank
        if not self.group.same_everywhere(self.step, next(self.model.parameters()).device):
            raise ValueError(
                f"rank {rank} found step {self.step}, another rank another step: all processes "
                f"must see the same folder {folder}"
            )
        if self.step > steps:
            raise ValueError(
                f"steps={steps}, but {folder} is already at step {self.step}: raise steps, or "
                "give another folder"
            )

    def advance(self, step: int) -> Record:
        """One update of the parameters. ValueError, before it does harm, if the loss is NaN."""
        started, config = time.perf_counter(), self.config
        self.model.train()
        torch.manual_seed(_seed(config.seed, step, self.group.rank))  # of dropout
        step_batches = [self.stream.next() for _ in range(config.accumulate)]
        loss, nll, tokens = accumulate_gradients(self.model, step_batches, config, self.group)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm or math.inf)
        grad_norm = norm.item()
        if not math.isfinite(loss + grad_norm):
            raise ValueError(
                f"step {step}: loss={loss}, grad_norm={grad_norm}. The last checkpoint is whole; "
                "start a new run with a smaller lr_factor, more warmup_steps or a clip_norm"
            )
        lr = learning_rate(step, self.model.config.d_model, config.warmup_steps, config.lr_factor)
        for parameter_group in self.optimizer.param_groups:
            parameter_group["lr"] = lr
        self.optimizer.step()
        self.step = step
        speed = tokens / (time.perf_counter() - started)
        record = {"step": step, "epoch": self.stream.epoch, "loss": loss, "nll": nll, "lr": lr}
        return record | {"tokens": tokens, "grad_norm": grad_norm, "tokens_per_s": round(speed)}

    def note(self, record: Record, validate: Validation | None) -> None:
        """Validate, log and write a checkpoint, where they are due."""
        step, config = self.step, self.config
        last = step == config.steps
        if validate and (last or step % config.validate_every == 0):
            self.model.eval()
            with torch.no_grad():
                record["validation"] = validate(self.model)
            record["tokens_per_s"] = record.pop("tokens_per_s")  # stays the last
        if last or step % config.log_every == 0 or "validation" in record:
            self.folder.log(record)
        if last or step % config.checkpoint_every == 0:
            state = {"step": step, **self.stream.state()}
            self.folder.save_checkpoint(self.model, self.optimizer, state, config.average_last)

    def finish(self) -> None:
        """Average the last checkpoints (section 6.1), and save that as the model."""
        self.group.wait()
        chosen = self.folder.checkpoints()[-self.config.average_last :]
        fill_parameters(self.model, average_checkpoints(chosen), self.folder.folder)
        self.model.eval()
        if self.group.is_main:
            save_model(self.model, self.tokenizer, self.folder.folder)
        self.group.wait()


def _seed(seed: int, step: int, rank: int) -> int:
    return random.Random(f"dropout {seed} {step} {rank}").getrandbits(63)


def _identity(
    model: Transformer, tokenizer: Tokenizer, config: TrainingConfig, folder: Path
) -> dict[str, dict[str, Any]]:
    """What must not change between a run and its continuation."""
    tokenizer.save(file := folder / f"{TOKENIZER}.tmp")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.unlink()
    return {
        "model": model.config.to_dict(),
        "training": dataclasses.asdict(config),
        "tokenizer": {"sha256 of the tokenizer (other data?)": digest},
    }

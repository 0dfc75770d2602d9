"""The folder of a training run: what it takes to stop at any moment and go on as if nothing was.

    run.json                       what is being trained; another model or task is refused
    log.jsonl                      one record a line
    checkpoints/step-000500/       model.safetensors, optimizer.safetensors, state.json
    config.json, model.safetensors, tokenizer.json        the finished model, at the end

A checkpoint is written under a temporary name and renamed when it is complete, so that a process
killed while writing leaves the older ones whole. Chapter 13.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint import (
    CONFIG,
    WEIGHTS,
    check_fit,
    fill_parameters,
    parameters,
    read_tensors,
    write_tensors,
)
from .files import read_json, write_text
from .model import Transformer

RUN, LOG, CHECKPOINTS = "run.json", "log.jsonl", "checkpoints"
OPTIMIZER, STATE = "optimizer.safetensors", "state.json"
STATE_KEYS = {"step", "epoch", "position", "examples"}
MAY_CHANGE = ("steps", "validate_every", "log_every")  # to train for longer, or look more often
STEP = re.compile(r"step-\d{6,}")


class RunFolder:
    """Reads and writes the files listed above."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.log_file = self.folder / LOG

    def claim(self, identity: dict[str, dict[str, Any]]) -> None:
        """Note what is trained here, or check that it is the same as before.

        identity: section -> name -> value, of which those named in MAY_CHANGE may change
        ValueError with the differences, or if the folder holds something else.
        """
        file, now = self.folder / RUN, json.loads(json.dumps(identity))
        if not file.is_file() and ((self.folder / CONFIG).exists() or self.checkpoints()):
            raise ValueError(
                f"{self.folder} holds a model that was not trained here: "
                "give another folder, or move it away"
            )
        before = read_json(file) if file.is_file() else now
        differences = [
            f"{name} was {before.get(section, {}).get(name)!r}, is {now[section].get(name)!r}"
            for section in now
            for name in sorted(now[section].keys() | before.get(section, {}).keys())
            if name not in MAY_CHANGE
            and before.get(section, {}).get(name) != now[section].get(name)
        ]
        if differences:
            raise ValueError(
                f"{self.folder} holds another run: {'; '.join(differences)}. Go on with the old "
                "values, or give another folder"
            )
        write_text(file, json.dumps(now, indent=2) + "\n")
        for leftover in (self.folder / CHECKPOINTS).glob("*.tmp"):
            shutil.rmtree(leftover)  # of a process that was killed

    def checkpoints(self) -> list[Path]:
        """The folders of all complete checkpoints, oldest first."""
        folders = (self.folder / CHECKPOINTS).glob("step-*")
        return sorted((x for x in folders if STEP.fullmatch(x.name)), key=_step)

    def save_checkpoint(
        self,
        model: Transformer,
        optimizer: torch.optim.Optimizer,
        state: dict[str, int | str],
        keep: int,
    ) -> None:
        """Write checkpoints/step-<state["step"]>, then delete all but the newest `keep`."""
        final = self.folder / CHECKPOINTS / f"step-{state['step']:06}"
        temporary = final.with_name(final.name + ".tmp")
        if final.exists() or temporary.exists():
            raise ValueError(
                f"{final} is there already: another process trains in this folder; stop one of "
                "them, then give the same command again"
            )
        temporary.mkdir(parents=True)
        write_tensors(parameters(model), temporary / WEIGHTS)
        write_tensors(_optimizer_tensors(model, optimizer), temporary / OPTIMIZER)
        write_text(temporary / STATE, json.dumps(state) + "\n")
        os.replace(temporary, final)
        for old in self.checkpoints()[:-keep]:
            shutil.rmtree(old)

    def restore(
        self, model: Transformer, optimizer: torch.optim.Optimizer
    ) -> dict[str, Any] | None:
        """Fill model and optimizer from the newest checkpoint; return its state, None without one.

        FileNotFoundError or ValueError names the damaged file.
        """
        if not (found := self.checkpoints()):
            return None
        newest = found[-1]
        try:
            state = read_json(newest / STATE)
            if state.keys() != STATE_KEYS:
                raise ValueError(f"{newest / STATE} must hold {', '.join(sorted(STATE_KEYS))}")
            tensors = read_tensors(newest / OPTIMIZER)
            fill_parameters(model, read_tensors(newest / WEIGHTS), newest / WEIGHTS)
            _fill_optimizer(model, optimizer, tensors, newest / OPTIMIZER)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(
                f"{error}. Delete the folder {newest} to go on from the checkpoint before it"
            ) from error
        return state

    def trim_log(self, step: int) -> None:
        """Forget the records after `step`: those steps are about to be done again."""
        lines = self.log_file.read_text("utf-8").splitlines() if self.log_file.exists() else []
        kept = []
        for line in lines:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                break  # half a line: the process was killed while writing it
            if record["step"] > step:
                break
            kept.append(line + "\n")
        write_text(self.log_file, "".join(kept))

    def log(self, record: dict[str, Any]) -> None:
        """Append one line."""
        with self.log_file.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(record) + "\n")


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def _optimizer_tensors(model: Transformer, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What Adam remembers of each parameter: "<parameter>:exp_avg" and so on."""
    return {
        f"{name}:{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state[parameter].items()
    }


def _fill_optimizer(
    model: Transformer, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], file: Path
) -> None:
    """The opposite of `_optimizer_tensors`."""
    wanted: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        wanted[f"{name}:step"] = torch.ones(())
        wanted |= {f"{name}:{key}": parameter for key in ("exp_avg", "exp_avg_sq")}
    check_fit(tensors, wanted, file)
    for name, parameter in model.named_parameters():
        for key in ("step", "exp_avg", "exp_avg_sq"):
            value = tensors[f"{name}:{key}"].to(parameter.device)
            optimizer.state[parameter][key] = value.clone()  # not the file, mapped into memory

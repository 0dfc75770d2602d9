"""The folder of a training run: what it takes to stop at any moment and go on as if nothing was.

    run.json        what is being trained; another model, setting or data set is refused
    log.jsonl       one record a step
    checkpoint.pt   model, optimizer and step, in one file: always all of one moment

Files are written under a temporary name and renamed when they are complete, so that a process
killed while writing leaves the one before. Chapter 24.
"""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .files import read_json, write_text
from .optimizers import Optimizer

RUN, LOG, CHECKPOINT = "run.json", "log.jsonl", "checkpoint.pt"
MAY_CHANGE = ("checkpoint_every_s", "validate_every")  # to look more or less often


class RunFolder:
    """Reads and writes the files listed above."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.run_file, self.log_file = self.folder / RUN, self.folder / LOG
        self.checkpoint_file = self.folder / CHECKPOINT

    def claim(self, identity: dict[str, dict[str, Any]]) -> None:
        """Note what is trained here, or check that it is the same as before.

        identity: section -> name -> value, of which those named in MAY_CHANGE may change
        ValueError, with nothing written, that names the differences.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        now = json.loads(json.dumps(identity))  # tuples become lists, as they will be read
        before = read_json(self.run_file) if self.run_file.is_file() else now
        if differences := list(_differences(before, now)):
            raise ValueError(
                f"{self.folder} holds another run: {'; '.join(differences)}. Go on with the old "
                "values, or give another folder"
            )
        write_text(self.run_file, json.dumps(now, indent=2) + "\n")

    def save(self, model: nn.Module, optimizer: Optimizer, step: int) -> None:
        """Replace the checkpoint."""
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
        temporary = self.checkpoint_file.with_name(CHECKPOINT + ".tmp")
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())  # on the disk before the older one goes, should power fail
        os.replace(temporary, self.checkpoint_file)

    def restore(self, model: nn.Module, optimizer: Optimizer) -> int:
        """Fill both from the checkpoint; returns its step. ValueError if the file is damaged."""
        device = next(model.parameters()).device
        try:
            state = torch.load(self.checkpoint_file, map_location=device, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"{self.checkpoint_file} is damaged ({error}); delete it to start again"
            ) from error
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return state["step"]

    def log(self, record: dict[str, Any]) -> None:
        """Append one line."""
        with self.log_file.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(record) + "\n")

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


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """'seed was 0, is 1', for all that may not change."""
    return [
        f"{name} was {before.get(section, {}).get(name)!r}, is {now[section].get(name)!r}"
        for section in now
        for name in sorted(now[section].keys() | before.get(section, {}).keys())
        if name not in MAY_CHANGE and before.get(section, {}).get(name) != now[section].get(name)
    ]

"""What a person sees while a command works: notes and a bar, all on stderr, of one process only."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data import Pair
    from .training import Record

VALID_SOURCE, VALID_TARGET = "valid.source.txt", "valid.target.txt"


def progress_bar(unit: str, total: int | None = None, initial: int = 0, shown: bool = True) -> Any:
    """A bar on stderr; none if that is no terminal, and only one under torchrun."""
    from tqdm import tqdm

    hidden = None if shown and is_main() else True  # None: tqdm looks for a terminal itself
    return tqdm(total=total, initial=initial, unit=unit, disable=hidden, dynamic_ncols=True)


def is_main() -> bool:
    return os.environ.get("RANK", "0") == "0"


def note(text: str) -> None:
    if is_main():
        sys.stderr.write(f"note: {text}\n")
        sys.stderr.flush()


def listed(numbers: dict[str, float]) -> str:
    return "".join(f", {name} {value:.4f}" for name, value in numbers.items())


class TrainingProgress:
    """Called after each step. Says how to go on if the run is interrupted."""

    def __init__(self, out: Path, steps: int, held_out: "list[Pair]") -> None:
        self.out, self.held_out, self.step = out, held_out, 0
        self.bar = progress_bar(" steps", shown=False)
        self.steps = steps

    def __enter__(self) -> "TrainingProgress":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.bar.close()
        if kind is KeyboardInterrupt and is_main():
            from .run_folder import RunFolder

            saved = RunFolder(self.out).checkpoints()
            where = saved[-1].name.replace("step-", "step ") if saved else "the start"
            note(f"stopped after step {self.step}; the same command goes on from {where}")

    def __call__(self, record: "Record") -> None:
        if not self.step:
            self._begin(record["step"])
        self.step = record["step"]
        self.bar.update()
        numbers = {"loss": f"{record['loss']:.3f}", "lr": f"{record['lr']:.1e}"}
        self.bar.set_postfix(numbers | {"tokens/s": record["tokens_per_s"]}, refresh=False)
        if "validation" in record:
            self.bar.clear()
            note(f"step {self.step}{listed(record['validation'])}")

    def _begin(self, step: int) -> None:
        from .files import write_text

        self.bar = progress_bar(" steps", total=self.steps, initial=step - 1)
        if step > 1:
            note(f"{self.out}: going on after step {step - 1}")
        if self.held_out:  # only now: the folder might have been another run's
            sources, targets = zip(*self.held_out, strict=True)
            write_text(self.out / VALID_SOURCE, "".join(f"{text}\n" for text in sources))
            write_text(self.out / VALID_TARGET, "".join(f"{text}\n" for text in targets))

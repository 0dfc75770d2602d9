"""What a person sees while a model is trained: a bar on stderr, of one process only."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .training import Record
    from .training_config import TrainingConfig


@contextmanager
def training_bar(config: "TrainingConfig") -> Iterator[Callable[["Record"], None]]:
    """Yields what `train` calls after each step. No bar if stderr is no terminal."""
    from tqdm import tqdm

    hidden = True if os.environ.get("RANK", "0") != "0" else None  # None: tqdm looks for itself
    with tqdm(total=config.steps, unit=" steps", disable=hidden, dynamic_ncols=True) as bar:

        def move(record: "Record") -> None:
            if not bar.n and not bar.disable:
                bar.reset()  # timed from the end of the first step, which may have compiled
                bar.initial = bar.n = bar.last_print_n = record["step"]
            speed = config.tokens_per_step / record["seconds"]
            numbers = {"loss": f"{record['loss']:.3f}", "tokens/s": f"{speed:,.0f}"}
            bar.set_postfix(numbers | record.get("validation", {}))
            bar.update(record["step"] - bar.n)

        yield move

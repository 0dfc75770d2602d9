"""Batches without end, in an order that can be found again.

Where a run was stopped is told by two numbers, the epoch and the place in it: everything else
follows from the corpus and the seed. Chapter 13.
"""

import hashlib
import random
from collections.abc import Callable
from typing import Any

from .batching import batches
from .data import Example
from .training_config import TrainingConfig

Corpus = Callable[[int], list[Example]]
"""The examples of epoch 0, 1, 2 ...: a file gives the same each time, a generator fresh ones."""


class BatchStream:
    """Batches without end, epoch after epoch. It knows its place, so that a run can go on there."""

    def __init__(
        self, corpus: Corpus, config: TrainingConfig, state: dict[str, Any] | None = None
    ) -> None:
        """state: of an earlier stream, to go on from; ValueError if the examples have changed."""
        self.corpus, self.config = corpus, config
        self._open(state["epoch"] if state else 0)
        if state and state["examples"] != self.state()["examples"]:
            raise ValueError(
                f"the examples of epoch {self.epoch} are not those the run was stopped with: "
                "give the same data, or start a new run in another folder"
            )
        self.position = state["position"] if state else 0

    def _open(self, epoch: int) -> None:
        """The batches of an epoch depend on its examples, its number and the seed alone."""
        self.epoch, self.position = epoch, 0
        self.examples = self.corpus(epoch)
        if not self.examples:
            raise ValueError(f"the corpus has no examples in epoch {epoch}: give at least one")
        rng = random.Random(f"batches {self.config.seed} {epoch}")
        self.batches = batches(self.examples, self.config.max_tokens, rng)

    def next(self) -> list[Example]:
        """The examples of the next batch."""
        if self.position == len(self.batches):
            self._open(self.epoch + 1)
        self.position += 1
        return [self.examples[i] for i in self.batches[self.position - 1]]

    def state(self) -> dict[str, int | str]:
        """The place, and a fingerprint of the epoch's examples."""
        digest = hashlib.sha256(repr(self.examples).encode()).hexdigest()
        return {"epoch": self.epoch, "position": self.position, "examples": digest}

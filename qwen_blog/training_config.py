"""Every number of a training run that can be chosen. Chapter 24."""

import math
from dataclasses import dataclass

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. ValueError names the field, its value and what it must be.

    Memory depends on `micro_tokens`, learning on `tokens_per_step`, and neither on the rows'
    length, which may grow during the run: then each step has fewer and longer rows.
    """

    steps: int = 1000
    """Updates of the parameters; the run reads steps * tokens_per_step tokens."""
    tokens_per_step: int = 16384
    """Tokens of all rows of a step, on all processes together, empty places included."""
    micro_tokens: int = 4096
    """Tokens that go through the model at a time."""
    row_tokens: tuple[tuple[float, int], ...] = ((0.0, 512),)
    """(progress from which on, tokens of a row): ((0, 256), (0.5, 1024)) changes at half time."""
    learning_rate: float = 1e-3
    """At the end of the warm-up."""
    warmup_steps: int = 100
    min_lr_ratio: float = 0.1
    """The last step's learning rate over `learning_rate`."""
    weight_decay: float = 0.1
    """Of matrices; biases and norms are left alone."""
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    clip_norm: float = 1.0
    """Longest gradient allowed; math.inf never shortens it."""
    precision: str = "fp32"
    """"bf16": multiply matrices in bfloat16 (autocast); parameters and AdamW stay in float32."""
    compile: bool = False
    """Let torch.compile write the model's kernels; needs a C++ compiler, and half a minute."""
    checkpoint_every_s: float = 120.0
    """Seconds between checkpoints; so much work at most is lost when a run is stopped."""
    validate_every: int = 500
    """Steps."""
    seed: int = 0
    """Of the data. The initial parameters are the caller's."""

    def __post_init__(self) -> None:
        for name in ("steps", "tokens_per_step", "micro_tokens", "validate_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be an integer of at least 1")
        if not 0 <= self.warmup_steps <= self.steps:
            raise ValueError(f"warmup_steps={self.warmup_steps} must be in [0, steps={self.steps}]")
        self._check_numbers()
        self._check_rows()

    def _check_numbers(self) -> None:
        for name in ("learning_rate", "eps"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)!r} must be a number above 0")
        for name in ("weight_decay", "checkpoint_every_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)!r} must be a number from 0 on")
        if not 0 <= self.min_lr_ratio <= 1:
            raise ValueError(f"min_lr_ratio={self.min_lr_ratio!r} must be in [0, 1]")
        if not self.clip_norm > 0:
            raise ValueError(f"clip_norm={self.clip_norm!r} must be above 0; math.inf never clips")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas={self.betas!r} must be two numbers in [0, 1)")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r} must be one of {', '.join(PRECISIONS)}")

    def _check_rows(self) -> None:
        starts = [start for start, _ in self.row_tokens]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)) or starts[-1] >= 1:
            raise ValueError(
                f"row_tokens={self.row_tokens!r} must be (progress, tokens) pairs with progress "
                "rising from 0 and below 1"
            )
        for _, tokens in self.row_tokens:
            if tokens < 2 or self.micro_tokens % tokens or self.tokens_per_step % tokens:
                raise ValueError(
                    f"row_tokens: rows of {tokens} must be at least 2 long, and divide "
                    f"micro_tokens={self.micro_tokens} and tokens_per_step={self.tokens_per_step}"
                )

    def row_tokens_at(self, progress: float) -> int:
        """How long rows are at this progress in [0, 1] of the run."""
        return [tokens for start, tokens in self.row_tokens if start <= progress][-1]

"""Every number of a training run that can be chosen. Chapter 24."""

import math
from dataclasses import dataclass

PRECISIONS = ("fp32", "bf16")
OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. ValueError names the field, its value and what it must be."""

    steps: int = 1000
    """Updates of the parameters."""
    rows_per_step: int = 4
    """Rows that one update learns from, on all processes together."""
    row_tokens: int = 4096
    """Tokens of a row, which goes through the model in one piece. Samples may be as long as the
    model's context and no longer; the longer a row, the fuller they fill it."""
    learning_rate: float = 1e-3
    """At the end of the warm-up."""
    warmup_steps: int = 100
    min_lr_ratio: float = 0.1
    """The last step's learning rate over `learning_rate`."""
    optimizer: str = "adamw"
    """"muon": for the matrices of the layers, and AdamW for the rest (`optimizers.py`)."""
    weight_decay: float = 0.1
    """Of matrices; biases and norms are left alone."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's, as `eps`."""
    eps: float = 1e-8
    clip_norm: float = 1.0
    """Longest gradient allowed; math.inf never shortens it."""
    precision: str = "fp32"
    """"bf16": multiply matrices in bfloat16 (autocast); parameters stay in float32."""
    compiled: bool = False
    """Let torch.compile write faster kernels; needs a C++ compiler, and half a minute."""
    checkpoint_every_s: float = 120.0
    """Seconds between checkpoints; so much work at most is lost when a run is stopped."""
    validate_every: int = 500
    """Steps."""
    seed: int = 0
    """Of the data. The initial parameters are the caller's."""

    def __post_init__(self) -> None:
        for name in ("steps", "rows_per_step", "row_tokens", "validate_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be an integer of at least 1")
        if not 0 <= self.warmup_steps <= self.steps:
            raise ValueError(f"warmup_steps={self.warmup_steps} must be in [0, steps={self.steps}]")
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
        for name, allowed in (("precision", PRECISIONS), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in allowed:
                problem = f"{name}={getattr(self, name)!r} must be one of {', '.join(allowed)}"
                raise ValueError(problem)

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one update learns from, a few empty places included."""
        return self.rows_per_step * self.row_tokens

"""Every number of a training run that can be chosen.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 5. Chapter 13.
"""

import math
from dataclasses import dataclass

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. Defaults are the paper's base model but for `steps` and `max_tokens`."""

    steps: int = 10_000
    """Updates of the parameters; the base model had 100,000."""
    max_tokens: int = 4096
    """Tokens of a batch, source and target each, padding included; about 25,000 in the paper."""
    accumulate: int = 1
    """Batches a step. 8 batches of 3,000 tokens are one of 24,000, in an eighth of the memory."""
    warmup_steps: int = 4000
    lr_factor: float = 1.0
    """Multiplies the paper's learning rate."""
    label_smoothing: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-9
    clip_norm: float | None = None
    """Longest gradient allowed; None, as in the paper, never shortens it."""
    precision: str = "fp32"
    """"bf16": multiply matrices in bfloat16 (autocast); parameters and Adam stay in float32."""
    checkpoint_every: int = 500
    """Steps between checkpoints; so much work at most is lost when a run is stopped."""
    average_last: int = 5
    """How many last checkpoints are averaged into the final model; 1: the last one as it is."""
    validate_every: int = 500
    log_every: int = 10
    seed: int = 0
    """Of the order of batches and of dropout. The initial parameters are the caller's."""

    def __post_init__(self) -> None:
        counts = ("steps", "max_tokens", "accumulate", "warmup_steps", "checkpoint_every")
        for name in (*counts, "average_last", "validate_every", "log_every"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be an integer of at least 1")
        for name in ("lr_factor", "eps"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)!r} must be a number above 0")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm={self.clip_norm!r} must be above 0, or None to never clip")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas={self.betas!r} must be two numbers in [0, 1)")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing={self.label_smoothing!r} must be in [0, 1)")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r} must be one of {', '.join(PRECISIONS)}")

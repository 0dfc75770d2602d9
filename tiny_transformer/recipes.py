"""The named recipes: every number that a training run of the command line starts from.

`NUMERALS` is the one behind the shipped weights; `NUMERALS_SMALL` learns numbers below a million
while you watch; `PAIRS` is where a corpus of your own begins. Chapter 13.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .config import TransformerConfig
from .numerals import NumeralsTask
from .training_config import TrainingConfig

# The name of a choice on the command line -> the fields that it sets, where they differ.
MODEL_CHOICES = {
    "vocab_size": ("vocab_size",),
    "d_model": ("d_model",),
    "layers": ("num_encoder_layers", "num_decoder_layers"),
    "heads": ("num_heads",),
    "d_ff": ("d_ff",),
    "dropout": ("dropout",),
    "norm": ("norm",),
}
TRAINING_CHOICES = {
    "steps": "steps",
    "max_tokens": "max_tokens",
    "accumulate": "accumulate",
    "warmup": "warmup_steps",
    "lr_factor": "lr_factor",
    "label_smoothing": "label_smoothing",
    "clip": "clip_norm",
    "precision": "precision",
    "average": "average_last",
    "checkpoint_every": "checkpoint_every",
    "validate_every": "validate_every",
    "seed": "seed",
}


@dataclass(frozen=True)
class Recipe:
    """A model and how to train it. `training.seed` decides about the first parameters too."""

    model: TransformerConfig
    """Its vocab_size is the most tokens to learn; a tokenizer may find fewer worth having."""
    training: TrainingConfig
    max_length: int = 100
    """Tokens a side, end token included; longer pairs are left out."""

    def __post_init__(self) -> None:
        if self.max_length < 2:
            raise ValueError(
                f"max_length={self.max_length} must be at least 2: a token and its end"
            )


@dataclass(frozen=True)
class NumeralsRecipe(Recipe):
    """A recipe for the task that is shipped. No epoch sees the items of another."""

    task: NumeralsTask = field(default_factory=NumeralsTask.shipped)
    items_per_epoch: int = 50_000
    """Each is two pairs, one a direction; the language of the source says which."""
    tokenizer_items: int = 20_000
    """What the vocabulary is learned from."""
    validation_items: int = 200
    """Held-out items translated at each validation; other draws than those of `evaluate`."""


NUMERALS = NumeralsRecipe(
    # little dropout: the data has no end, so there is nothing to learn by heart
    model=replace(TransformerConfig.tiny(vocab_size=512), dropout=0.05),
    training=TrainingConfig(
        steps=12_000,
        max_tokens=2048,
        warmup_steps=800,
        clip_norm=1.0,
        precision="bf16",
        checkpoint_every=500,
        average_last=8,
        validate_every=1000,
    ),
)

NUMERALS_SMALL = NumeralsRecipe(
    model=TransformerConfig(
        vocab_size=400,
        d_model=128,
        num_heads=4,
        num_encoder_layers=2,
        num_decoder_layers=2,
        d_ff=512,
        dropout=0.0,
    ),
    training=TrainingConfig(
        steps=2000,
        max_tokens=1024,
        warmup_steps=400,
        lr_factor=0.6,
        clip_norm=1.0,
        precision="bf16",
        checkpoint_every=50,
        validate_every=500,
    ),
    task=NumeralsTask.small(),
    items_per_epoch=20_000,
    tokenizer_items=20_000,
)

# For about 30,000 sentence pairs: small data wants a small model and much dropout.
PAIRS = Recipe(
    model=TransformerConfig(
        vocab_size=8000,
        d_model=256,
        num_heads=4,
        num_encoder_layers=3,
        num_decoder_layers=3,
        d_ff=1024,
        dropout=0.3,
    ),
    training=TrainingConfig(
        steps=4000, max_tokens=4096, warmup_steps=1000, lr_factor=0.5, clip_norm=1.0
    ),
)

SomeRecipe = TypeVar("SomeRecipe", bound=Recipe)


def changed(recipe: SomeRecipe, choices: dict[str, Any]) -> SomeRecipe:
    """The recipe with other values: {"layers": 2, "steps": 500, "max_length": 60}.

    choices: by the names in MODEL_CHOICES and TRAINING_CHOICES, and max_length. None leaves a value
    as it is; a `clip` of 0 stands for no clipping. ValueError as the configs raise it.
    """
    chosen = {name: value for name, value in choices.items() if value is not None}
    model: dict[str, Any] = {}
    training: dict[str, Any] = {}
    for name in chosen.keys() & MODEL_CHOICES:
        model |= dict.fromkeys(MODEL_CHOICES[name], chosen[name])
    for name in chosen.keys() & TRAINING_CHOICES:
        training[TRAINING_CHOICES[name]] = chosen[name]
    if chosen.get("clip") == 0:
        training["clip_norm"] = None
    return replace(
        recipe,
        model=replace(recipe.model, **model),
        training=replace(recipe.training, **training),
        max_length=chosen.get("max_length", recipe.max_length),
    )


def value_of(recipe: Recipe, choice: str) -> Any:
    """What the recipe says about one of the names that `changed` knows."""
    if choice in MODEL_CHOICES:
        return getattr(recipe.model, MODEL_CHOICES[choice][0])
    if choice in TRAINING_CHOICES:
        return getattr(recipe.training, TRAINING_CHOICES[choice])
    return recipe.max_length

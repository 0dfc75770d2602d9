"""A task that a tiny model learns in seconds, and runs on it: what the training tests share."""

import json
import random
from pathlib import Path
from typing import Any

import torch

from tiny_transformer.config import TransformerConfig
from tiny_transformer.data import Example
from tiny_transformer.model import Transformer
from tiny_transformer.tokenizer import Tokenizer
from tiny_transformer.training_config import TrainingConfig

TOKENIZER = Tokenizer.train(["abc"], 259)


def reversals(epoch: int, count: int = 60) -> list[Example]:
    """Random tokens, to be said backwards. Every epoch has examples of its own."""
    rng = random.Random(epoch)
    texts = [[rng.randrange(3, 30) for _ in range(rng.randint(2, 9))] for _ in range(count)]
    return [Example([*text, 2], [1, *reversed(text), 2]) for text in texts]


def tiny_model(seed: int = 0, **changes: Any) -> Transformer:
    torch.manual_seed(seed)
    sizes = {"d_model": 16, "num_heads": 2, "d_ff": 32, "dropout": 0.1} | changes
    return Transformer(TransformerConfig(259, num_encoder_layers=1, num_decoder_layers=1, **sizes))


def settings(**changes: Any) -> TrainingConfig:
    """20 steps over three epochs, a checkpoint every 5."""
    values = {
        "steps": 20,
        "max_tokens": 60,
        "warmup_steps": 10,
        "checkpoint_every": 5,
        "average_last": 2,
        "log_every": 1,
    }
    return TrainingConfig(**(values | changes))


def records(folder: Path) -> list[dict[str, Any]]:
    """The log without the only thing in it that no two runs have in common."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    return [{key: x for key, x in line.items() if key != "tokens_per_s"} for line in lines]


def same_parameters(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """To the last bit."""
    mine, its = one.state_dict(), other.state_dict()
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in mine)

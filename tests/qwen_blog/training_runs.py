"""A task that a tiny model learns in seconds, and runs on it: what the training tests share."""

import json
import random
from pathlib import Path
from typing import Any

import torch

from qwen_blog.config import Qwen2Config
from qwen_blog.model import Qwen2ForCausalLM
from qwen_blog.packing import Sample
from qwen_blog.training_config import TrainingConfig


def repetitions(rng: random.Random, progress: float) -> Sample:
    """Random tokens, then the same again, with a loss on those; longer as the run goes on."""
    ids = [rng.randrange(2, 16) for _ in range(rng.randint(2, 6 + round(4 * progress)))]
    return [1, *ids, 0, *ids], [False] * (len(ids) + 2) + [True] * len(ids)


def tiny_model(seed: int = 0, **changes: Any) -> Qwen2ForCausalLM:
    sizes = {
        "vocab_size": 16,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 32,
        "tie_word_embeddings": True,
    }
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return Qwen2ForCausalLM(Qwen2Config(**(sizes | changes)))


def settings(**changes: Any) -> TrainingConfig:
    """12 steps of 3 rows, 4 of them to warm up, and a checkpoint after each."""
    values = {
        "steps": 12,
        "rows_per_step": 3,
        "row_tokens": 64,
        "learning_rate": 1e-2,
        "warmup_steps": min(4, changes.get("steps", 4)),
        "checkpoint_every_s": 0.0,
    }
    return TrainingConfig(**(values | changes))


def records(folder: Path) -> list[dict[str, Any]]:
    """The log without the only thing in it that no two runs have in common."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    return [{key: x for key, x in line.items() if key != "seconds"} for line in lines]


def same_parameters(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """To the last bit."""
    mine, its = one.state_dict(), other.state_dict()
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in mine)

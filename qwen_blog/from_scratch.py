"""From nothing to a model folder: a recipe's tokenizer, its stages, the files. Chapter 24.

    tokenizer/     trained first
    pretrain/      a run folder for each stage (`run_folder.py`)
    sft/
    model/         what is left in the end: a model folder, for qwen_blog and transformers alike,
                   and the logs of all stages in one file

Stopped at any moment, the same call goes on where it was.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from .chat import IM_END
from .distributed import process_group
from .files import write_text
from .model import Qwen2ForCausalLM
from .recipes import Recipe, Stage
from .run_folder import LOG
from .tokenizer import Tokenizer
from .training import Record, train
from .worlds.exam import accuracy

OnStep = Callable[[Record], None]
EXAM_QUESTIONS = 25
"""Of each group, whenever the model is examined during training."""


def train_from_scratch(
    recipe: Recipe,
    folder: str | Path,
    device: torch.device | str = "cpu",
    watch: Callable[[Stage], AbstractContextManager[OnStep | None]] = lambda stage: nullcontext(),
) -> Path:
    """Follow the recipe; returns the model folder.

    watch: stage -> a context that yields what `train` calls after each step: a bar, or None
    Under torchrun all processes train, and the first one writes the files.
    ValueError if `folder` holds the run of another recipe.
    """
    folder, group = Path(folder), process_group(torch.device(device))
    if group.is_main:
        _tokenizer(recipe, folder / "tokenizer")
    group.wait()
    tokenizer = Tokenizer.from_pretrained(folder / "tokenizer")
    model = recipe.new_model()
    items = recipe.exam(EXAM_QUESTIONS)

    def validate(model: Qwen2ForCausalLM) -> dict[str, float]:
        return accuracy(model, tokenizer, items)

    for stage in recipe.stages:
        with watch(stage) as on_step:
            maker, place = stage.sample_maker(tokenizer), folder / stage.name
            recipe.begin(stage, model.to("cpu"), tokenizer)
            model.to(device)
            train(model, stage.training, maker, place, validate, on_step)
    # Not in the recipe, whose model exists before its tokenizer: a reply ends here
    model.config = replace(model.config, eos_token_id=tokenizer.token_to_id(IM_END))
    if group.is_main:
        model.to("cpu", torch.float16).save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        write_text(folder / "model" / LOG, "".join(_whole_log(recipe, folder)))
    group.wait()
    return folder / "model"


def _tokenizer(recipe: Recipe, folder: Path) -> None:
    """Train the recipe's tokenizer, if an earlier call has not."""
    if not (folder / "tokenizer.json").is_file():
        recipe.tokenizer().save_pretrained(folder)


def _whole_log(recipe: Recipe, folder: Path) -> Iterator[str]:
    """The lines of the stages' logs, each with its stage."""
    for stage in recipe.stages:
        for line in (folder / stage.name / LOG).read_text("utf-8").splitlines():
            yield json.dumps({"stage": stage.name, **json.loads(line)}) + "\n"

"""The oracle of the LoRA tests: peft around transformers' Qwen2ForCausalLM, its pairs randomised.

Fresh pairs are B A = 0: an adapter that is forgotten, scaled wrongly or put beside the wrong layer
would pass. So all A and B are drawn, large enough to move the logits by more than 1.
"""

import copy
from pathlib import Path

import pytest
import torch

from qwen_blog import Qwen2ForCausalLM
from qwen_blog.lora import LoraConfig

from .reference import batch, models, positions

peft = pytest.importorskip("peft")

ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
ODD = LoraConfig(r=3, lora_alpha=7, target_modules=ALL)  # no number equals another


def fresh(case: str = "GQA", dtype: torch.dtype = torch.float32) -> Qwen2ForCausalLM:
    """A plain model of our own to change, with the weights of `peft_model`'s base."""
    return copy.deepcopy(models(case, dtype)[0])


def peft_model(
    config: LoraConfig = ODD, case: str = "GQA", dtype: torch.dtype = torch.float32, **more: object
) -> torch.nn.Module:
    """peft's model with the same base, in eval mode. more: further fields of peft's own config."""
    given = vars(config) | {"target_modules": list(config.target_modules)} | more
    base = copy.deepcopy(models(case, dtype)[1])
    model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", **given))
    randomise_pairs(model)
    return model.eval()


@torch.no_grad()
def randomise_pairs(model: torch.nn.Module, seed: int = 3) -> None:
    """Draw all A and B of ours or theirs, so that scale B A x is about as large as W x."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.5 * noise * parameter.shape[1] ** -0.5)


@torch.no_grad()
def logits_of(model: torch.nn.Module, case: str = "GQA") -> torch.Tensor:
    """Logits of the real tokens of a left-padded batch: (N, V)."""
    ids, mask = batch(case, "left")
    given = mask if isinstance(model, Qwen2ForCausalLM) else mask.long()
    return model(ids, attention_mask=given, position_ids=positions(mask)).logits[mask]


def saved_by_peft(folder: Path, *args: object, **names: object) -> torch.nn.Module:
    """A `peft_model` that was also saved to `folder`."""
    model = peft_model(*args, **names)
    model.save_pretrained(folder)
    return model

"""An adapter's folder in PEFT's format: `adapter_config.json` and `adapter_model.safetensors`.

Source: what peft 0.21's `save_pretrained` writes and its `from_pretrained` reads. Chapter 24.
Only the pairs are kept, not the base; nothing in the files tells which base it was, beyond the
names and shapes of its layers. Leaves out: pickles (`adapter_model.bin`), and all of PEFT's
features that `lora` lacks, which are refused by name.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .files import read_json, write_text
from .lora import LoraConfig, inject, lora_layers, target_layers
from .model import Qwen2ForCausalLM
from .model_folder import some

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# What `LoraConfig` reads, and what changes nothing in a finished adapter
_READ = ("r", "lora_alpha", "target_modules", "lora_dropout")
_IDLE = (
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "task_type",
)
_OFF: tuple[object, ...] = (None, False, "none", [], {})  # how PEFT says that a feature is not used
_PLAIN_INITS = (True, "gaussian")  # others, such as "pissa", shift the base weights as well


def save_adapter(model: Qwen2ForCausalLM, folder: str | Path) -> None:
    """Write the model's adapter, so that `load_adapter` and peft read it.

    All is written to a hidden folder inside, then moved into place, the configuration last: until
    then there is no adapter. ValueError, with nothing written, if there is none or a number is bad.
    """
    layers, folder = lora_layers(model), Path(folder)
    tensors = {
        _key(name, letter): matrix.detach().cpu().contiguous()
        for name, layer in layers.items()
        for letter, matrix in (("A", layer.lora_A), ("B", layer.lora_B))
    }
    if bad := _not_finite(tensors):
        raise ValueError(f"NaN or infinity in {some(bad)}: train again with a lower rate")
    config = next(iter(layers.values())).config
    folder.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder))
    try:
        write_text(stage / ADAPTER_CONFIG, json.dumps(_to_dict(config), indent=2) + "\n")
        save_file(tensors, stage / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        shutil.copymode(stage / ADAPTER_CONFIG, stage / ADAPTER_WEIGHTS)  # else the owner's only
        (folder / ADAPTER_CONFIG).unlink(missing_ok=True)
        os.replace(stage / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS)
        os.replace(stage / ADAPTER_CONFIG, folder / ADAPTER_CONFIG)
    except SafetensorError as error:
        raise OSError(f"cannot write {folder / ADAPTER_WEIGHTS}: {error}") from error
    finally:
        shutil.rmtree(stage)


def load_adapter(model: Qwen2ForCausalLM, folder: str | Path) -> Qwen2ForCausalLM:
    """`inject` the adapter of a folder into a plain model, in place. Returns the model.

    The pairs can be trained on, or merged. FileNotFoundError names what is not there, ValueError
    what is damaged, does not fit this model, or needs a feature of PEFT's that we lack; the model
    is then as before.
    """
    folder = Path(folder)
    config = _read_config(folder / ADAPTER_CONFIG)
    try:
        targets = target_layers(model, config)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    tensors = _read_weights(folder / ADAPTER_WEIGHTS)
    _check_fits(tensors, targets, config.r, folder)
    inject(model, config, torch.Generator())  # its own: the draws are overwritten below
    with torch.no_grad():
        for name, layer in lora_layers(model).items():
            layer.lora_A.copy_(tensors[_key(name, "A")])
            layer.lora_B.copy_(tensors[_key(name, "B")])
    return model


def _key(name: str, letter: str) -> str:
    """The name of a tensor in the file; `base_model.model` is what PEFT wraps around the base."""
    return f"base_model.model.{name}.lora_{letter}.weight"


def _not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    return [name for name, x in tensors.items() if not x.isfinite().all()]


def _to_dict(config: LoraConfig) -> dict[str, Any]:
    """The content of an `adapter_config.json`; what it leaves out has PEFT's default."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "target_modules": sorted(config.target_modules),
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
    }


def _read_config(file: Path) -> LoraConfig:
    raw = read_json(file)
    if raw.get("peft_type") != "LORA":
        raise ValueError(f"{file}: peft_type={raw.get('peft_type')!r}: only 'LORA' can be loaded")
    for name, value in raw.items():
        plain_init = name == "init_lora_weights" and value in _PLAIN_INITS
        if name not in _READ + _IDLE and value not in _OFF and not plain_init:
            raise ValueError(
                f"{file}: {name}={value!r:.80} is a feature of PEFT that lora.py lacks: merge the "
                "adapter with peft's merge_and_unload() and load the whole model"
            )
    values = {name: raw[name] for name in _READ if name in raw}
    if isinstance(values.get("target_modules"), list):
        values["target_modules"] = tuple(values["target_modules"])
    if missing := [name for name in ("r", "lora_alpha", "target_modules") if name not in values]:
        raise ValueError(f"{file} lacks {some(missing)}: copy or download it again")
    try:
        return LoraConfig(**values)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _read_weights(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        if file.with_suffix(".bin").is_file():
            raise ValueError(
                f"{file.parent} has only a pickle, which can run code: convert it with peft, "
                "from_pretrained and then save_pretrained"
            )
        raise FileNotFoundError(f"{file} is missing: copy or download the adapter again")
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged ({error}): copy or download it again") from error


def _check_fits(
    tensors: Mapping[str, Tensor], targets: Mapping[str, nn.Linear], r: int, folder: Path
) -> None:
    """One ValueError with all that does not fit the model."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in targets.items():
        shapes[_key(name, "A")] = (r, layer.in_features)
        shapes[_key(name, "B")] = (layer.out_features, r)
    problems = {
        "missing": [name for name in shapes if name not in tensors],
        "unexpected": [name for name in tensors if name not in shapes],
        "of another kind": [
            f"{name} is {x.dtype} {tuple(x.shape)}, must be float {shapes[name]}"
            for name, x in tensors.items()
            if name in shapes and (tuple(x.shape) != shapes[name] or not x.is_floating_point())
        ],
        "with NaN or infinity": _not_finite(tensors),
    }
    if listed := [f"{len(x)} {what}: {some(x)}" for what, x in problems.items() if x]:
        raise ValueError("\n  ".join([f"{folder}: the adapter does not fit the model", *listed]))

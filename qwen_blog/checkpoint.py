"""From a model folder to a model without a second copy of its weights, and safely back.

Loading need not read the numbers: the module is built without memory, and the file itself, mapped,
becomes its weights. A saved folder opens in transformers 4 and 5, vLLM, llama.cpp's converters ...
Sources: as in `model_folder.py`, which knows the files. Chapter 23.

Leaves out: quantised weights, checkpoints of the bare `Qwen2Model`, and a look for NaN on loading,
which would read every weight from the disk at once; saving looks, as it reads them anyway.
"""

import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .config import Qwen2Config
from .files import read_json
from .model import Qwen2ForCausalLM
from .model_folder import (
    CONFIG,
    INDEX,
    SHARD,
    SINGLE,
    StoredTensor,
    find_tensors,
    read_generation_config,
    read_tensors,
    some,
)

EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
# Older files carry RoPE's frequencies, which follow from config.json.
ROPE_BUFFER = re.compile(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq")
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def load_model(
    folder: str | Path, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> Qwen2ForCausalLM:
    """The model of a folder, in eval mode.

    dtype: None takes the one config.json names, as transformers 5 does, else the embedding's

    Where dtype and device need no copy, the weights are the file itself, mapped into memory: read
    when first used, and never written back, not even by training. Otherwise one tensor at a time
    is converted. All headers are checked before any weight is read.

    If config.json ties the output layer to the embedding but the file holds two different
    matrices, both are used and the model is untied, as in transformers 5, with a UserWarning.
    FileNotFoundError names what is not there, ValueError what is damaged or does not fit.
    """
    folder = Path(folder)
    config, named_dtype = _read_config(folder)
    model = _blank_model(config)
    stored = _fitting(find_tensors(folder), model, folder)
    dtype = dtype or named_dtype or DTYPES[stored[EMBED].dtype]
    if dtype not in DTYPES.values():
        raise ValueError(f"dtype={dtype} must be one of {some(map(str, DTYPES.values()))}")
    tensors = read_tensors(stored, dtype, device)
    head = tensors.setdefault(HEAD, tensors[EMBED])
    if config.tie_word_embeddings and HEAD in stored and not torch.equal(head, tensors[EMBED]):
        warnings.warn(
            f"{folder} ties {HEAD} to {EMBED}, but holds two different matrices: using both. "
            "Set tie_word_embeddings to false in its config.json, or remove one",
            stacklevel=3,  # the caller of from_pretrained
        )
        model.config = model.model.config = replace(config, tie_word_embeddings=False)
    model.load_state_dict(tensors, assign=True)
    if model.config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.eval()


def save_model(
    model: Qwen2ForCausalLM, folder: str | Path, max_shard_bytes: int = 5_000_000_000
) -> None:
    """Write config.json and the weights, so that `load_model` and transformers read them.

    All is first written to a hidden folder inside, then moved into place, config.json last: an
    older model in `folder` stays whole until the new one is complete. Other files are left alone.
    ValueError, with nothing written, if the model would not load as it is.
    """
    if max_shard_bytes < 1:
        raise ValueError(f"max_shard_bytes={max_shard_bytes} must be at least 1")
    tensors, folder = _savable(model), Path(folder)
    dtype = str(model.dtype).removeprefix("torch.")
    config = model.config.to_dict() | {"torch_dtype": dtype, "dtype": dtype}  # transformers 4, 5
    folder.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder))
    try:
        _write_weights(tensors, stage, max_shard_bytes)
        (stage / CONFIG).write_text(
            json.dumps(config, indent=2) + "\n", encoding="utf-8", newline="\n"
        )
    except BaseException:  # Ctrl-C leaves no rubbish either
        shutil.rmtree(stage)
        raise
    try:
        _install(stage, folder)
    except OSError as error:  # e.g. Windows, where a file that is mapped cannot be replaced
        raise OSError(f"{error}; the saved model is whole, but still in {stage}") from error


def _install(stage: Path, folder: Path) -> None:
    """Move a finished model in the place of an older one; until the last line there is none."""
    (folder / CONFIG).unlink(missing_ok=True)
    new = sorted(file.name for file in stage.iterdir() if file.name != CONFIG)
    for name in new:
        shutil.copymode(stage / CONFIG, stage / name)  # safetensors lets only the owner read
        os.replace(stage / name, folder / name)
    for old in {file.name for file in folder.iterdir()} - set(new):
        if old in (SINGLE, INDEX) or SHARD.fullmatch(old):  # would be read along with the new
            (folder / old).unlink()
    os.replace(stage / CONFIG, folder / CONFIG)
    stage.rmdir()


def _write_weights(tensors: dict[str, Tensor], folder: Path, max_shard_bytes: int) -> None:
    """One file, or shards and their index; a tensor larger than a shard gets one to itself."""
    shards: list[dict[str, Tensor]] = [{}]
    for name, tensor in tensors.items():
        if sum(x.nbytes for x in shards[-1].values()) + tensor.nbytes > max_shard_bytes:
            shards += [{}] if shards[-1] else []
        shards[-1][name] = tensor
    names = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    for name, shard in zip(names if len(shards) > 1 else [SINGLE], shards, strict=True):
        plain = {key: tensor.cpu().contiguous() for key, tensor in shard.items()}
        try:
            save_file(plain, folder / name, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(f"cannot write {folder / name}: {error}") from error
    if len(shards) > 1:
        total = sum(tensor.nbytes for tensor in tensors.values())
        file_of = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        index = {"metadata": {"total_size": total}, "weight_map": file_of}
        (folder / INDEX).write_text(
            json.dumps(index, indent=2) + "\n", encoding="utf-8", newline="\n"
        )


def _savable(model: Qwen2ForCausalLM) -> dict[str, Tensor]:
    """The tensors of a checkpoint, tied ones once. ValueError if they would not load again."""
    tensors, wanted = model.state_dict(), _shapes(_blank_model(model.config))
    shapes = {name: tuple(x.shape) for name, x in tensors.items()}
    if changed := sorted({name for name, _ in shapes.items() ^ wanted.items()}):
        raise ValueError(
            f"{some(changed)}: not as in a checkpoint; save before fuse(), after merge()"
        )
    if len(dtypes := {str(x.dtype) for x in tensors.values()}) > 1:
        raise ValueError(f"weights mix {sorted(dtypes)}: save before halve(), or cast the model")
    tied = model.lm_head.weight is model.model.embed_tokens.weight
    if tied != model.config.tie_word_embeddings:
        what = "one parameter" if tied else "two"
        raise ValueError(f"tie_word_embeddings={not tied}, but {EMBED} and {HEAD} are {what}")
    if bad := [name for name, x in tensors.items() if not all(map(torch.isfinite, x.aminmax()))]:
        raise ValueError(f"NaN or infinity in {some(bad)}: go back to an earlier checkpoint")
    return {name: x for name, x in tensors.items() if not (tied and name == HEAD)}


class _SkipInit(TorchFunctionMode):
    """Inside, torch.nn.init does nothing; on the meta device it would first import for a second."""

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _blank_model(config: Qwen2Config) -> Qwen2ForCausalLM:
    """Names and shapes without numbers, which take no memory."""
    with torch.device("meta"), _SkipInit():
        return Qwen2ForCausalLM(config)


def _shapes(model: Qwen2ForCausalLM) -> dict[str, tuple[int, ...]]:
    """Of every tensor of a checkpoint; tied weights have two names."""
    named = model.named_parameters(remove_duplicate=False)
    return {name: tuple(parameter.shape) for name, parameter in named}


def _fitting(
    stored: dict[str, StoredTensor], model: Qwen2ForCausalLM, folder: Path
) -> dict[str, StoredTensor]:
    """The tensors that the model asks for, or one ValueError with all that does not fit."""
    shapes = _shapes(model)
    fitting = {name: x for name, x in stored.items() if name in shapes}
    optional = HEAD if model.config.tie_word_embeddings else None
    problems = {
        "missing": [name for name in shapes if name not in stored and name != optional],
        "unexpected": [x for x in stored if x not in shapes and not ROPE_BUFFER.fullmatch(x)],
        "of another kind": [
            f"{name} is {x.dtype} {x.shape}, must be float {shapes[name]}"
            for name, x in fitting.items()
            if x.shape != shapes[name] or x.dtype not in DTYPES
        ],
    }
    if listed := [f"{len(x)} {what}: {some(x)}" for what, x in problems.items() if x]:
        raise ValueError("\n  ".join([f"{folder}: the weights do not fit {CONFIG}", *listed]))
    return fitting


def _read_config(folder: Path) -> tuple[Qwen2Config, torch.dtype | None]:
    """What config.json says of the model, and of the dtype of its weights.

    generation_config.json, where there is one, knows better which tokens end a reply.
    """
    raw = read_json(folder / CONFIG)
    raw["eos_token_id"] = read_generation_config(folder).get(
        "eos_token_id", raw.get("eos_token_id")
    )
    dtype = str(raw.get("dtype") or raw.get("torch_dtype"))  # transformers 5, 4
    try:
        return Qwen2Config.from_dict(raw), getattr(torch, dtype, None)
    except (TypeError, ValueError, OverflowError) as error:  # e.g. a text where a number belongs
        raise ValueError(f"{folder / CONFIG}: {error}") from error

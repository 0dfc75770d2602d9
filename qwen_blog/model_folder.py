"""What lies in a model folder: its JSON files, and which safetensors file holds which tensor.

The Hugging Face layout: `config.json` holds the shape, `model.safetensors` the weights. A large
model is cut into shards `model-00001-of-00004.safetensors` ..., and `model.safetensors.index.json`
says which holds what. A safetensors file is eight bytes that say how long its header is, a JSON
header of names, dtypes, shapes and places, then the bare numbers: unlike a pickle it runs no code
when read, and it can be mapped into memory. Chapter 23.

Sources: the safetensors format's own description; the files that transformers' `save_pretrained`
writes. Leaves out: downloading, pickles, GGUF, adapters.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .files import read_json

CONFIG, GENERATION_CONFIG = "config.json", "generation_config.json"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


class StoredTensor(NamedTuple):
    """What a safetensors header says of one tensor; `dtype` in its own words: `F32`, `I8` ..."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


def find_tensors(folder: str | Path) -> dict[str, StoredTensor]:
    """Where each tensor of a folder is. Reads the index and the headers, but no weights.

    A single file goes before shards, as in transformers.
    """
    folder, index = Path(folder), Path(folder) / INDEX
    if (folder / SINGLE).is_file():
        return _read_header(folder / SINGLE)
    if not index.is_file():
        raise _no_weights(folder)
    file_of = read_json(index).get("weight_map")
    if not isinstance(file_of, dict) or any(Path(str(f)).name != f for f in file_of.values()):
        raise ValueError(f"{index}: weight_map must give a file of this folder for each tensor")
    shards = sorted(set(file_of.values()))
    if absent := [shard for shard in shards if not (folder / shard).is_file()]:
        raise FileNotFoundError(f"{index} names {some(absent)}, not there: download again")
    stored: dict[str, StoredTensor] = {}
    for shard in shards:
        inside = _read_header(folder / shard)
        stored |= {name: x for name, x in inside.items() if file_of.get(name, shard) == shard}
    if lost := [f"{name} in {file}" for name, file in file_of.items() if name not in stored]:
        raise ValueError(f"{index} promises {some(lost)}, not there: download again")
    return stored


def read_tensors(
    stored: dict[str, StoredTensor], dtype: torch.dtype, device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """The numbers: mapped where dtype and device are the file's, else copied one by one."""
    tensors = {}
    for path in sorted({x.file for x in stored.values()}):
        file = _open(path)
        for name in [name for name, x in stored.items() if x.file == path]:
            mapped = file.get_tensor(name)
            tensors[name] = mapped.to(device, dtype)
            if tensors[name] is not mapped:
                del mapped, file  # unmaps what was read for the copy
                file = _open(path)
    return tensors


def read_generation_config(folder: str | Path) -> dict[str, Any]:
    """generation_config.json of a model folder (stop tokens, sampling), {} if it has none."""
    file = Path(folder) / GENERATION_CONFIG
    return read_json(file) if file.is_file() else {}


def some(names: Iterable[str], limit: int = 10) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _read_header(file: Path) -> dict[str, StoredTensor]:
    header, stored = _open(file), {}
    for name in header.keys():  # noqa: SIM118, it is no dict
        x = header.get_slice(name)
        stored[name] = StoredTensor(file, tuple(x.get_shape()), x.get_dtype())
    return stored


def _open(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except SafetensorError as error:
        size = f"{file.stat().st_size:,} bytes"  # a tiny text file is what git leaves without lfs
        why = f"cut off, or a git-lfs pointer, or no safetensors file: {error}"
        raise ValueError(f"{file} ({size}) is {why}. Download it again") from error


def _no_weights(folder: Path) -> Exception:
    if not (pickles := sorted(file.name for file in folder.glob("pytorch_model*"))):
        return FileNotFoundError(f"{folder} has neither {SINGLE} nor {INDEX}: download one")
    return ValueError(
        f"{folder} has only pickles ({some(pickles)}), which can run code: convert them with "
        "transformers, from_pretrained(folder) and then save_pretrained(new_folder)"
    )

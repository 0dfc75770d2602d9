"""A model folder: config.json, model.safetensors, tokenizer.json. Nothing in it is ever executed.

Sources: the safetensors format (a JSON header, then plain numbers); averaging checkpoints:
Vaswani et al. 2017 (arXiv:1706.03762), section 6.1. Chapter 13.

A parameter with several names (the embedding, shared three ways) is stored once, under its first.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from .config import TransformerConfig
from .files import read_json, write_text
from .model import Transformer
from .tokenizer import Tokenizer

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
DTYPES = {"float32": torch.float32, "float16": torch.float16}


def save_model(
    model: Transformer, tokenizer: Tokenizer, folder: str | Path, dtype: str = "float32"
) -> None:
    """Write a folder that `load_model` reads.

    dtype: "float32", or "float16" for half the size and three decimal digits

    The files get their names when all are complete, config.json last: an older model in `folder`
    stays whole until then. ValueError, with nothing written, if the model would not load again.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} must be one of {', '.join(DTYPES)}")
    _check_tokenizer(tokenizer, model.config, "the tokenizer")
    tensors = {name: x.to(DTYPES[dtype]) for name, x in parameters(model).items()}
    if bad := [name for name, x in tensors.items() if not x.isfinite().all()]:
        raise ValueError(f"NaN, or too large for {dtype}, in {_some(bad)}: not saved")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    finished = {folder / name: folder / f"{name}.new" for name in (WEIGHTS, TOKENIZER, CONFIG)}
    write_tensors(tensors, finished[folder / WEIGHTS])
    tokenizer.save(finished[folder / TOKENIZER])
    write_text(finished[folder / CONFIG], json.dumps(model.config.to_dict(), indent=2) + "\n")
    (folder / CONFIG).unlink(missing_ok=True)  # without it no one takes a half-new folder for whole
    for file, new in finished.items():
        new.replace(file)


def load_model(
    folder: str | Path, device: torch.device | str = "cpu"
) -> tuple[Transformer, Tokenizer]:
    """The model of a folder, in float32 and eval mode, and its tokenizer.

    FileNotFoundError names what is not there, ValueError what is damaged or does not fit.
    """
    folder = Path(folder)
    raw = read_json(folder / CONFIG)
    try:
        config = TransformerConfig.from_dict(raw)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG}: {error}; copy or train the model again") from error
    tensors = read_tensors(folder / WEIGHTS)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    _check_tokenizer(tokenizer, config, str(folder / TOKENIZER))
    model = Transformer(config)
    fill_parameters(model, tensors, folder / WEIGHTS)
    return model.to(device).eval(), tokenizer


def average_checkpoints(folders: Sequence[str | Path]) -> dict[str, Tensor]:
    """The mean of the parameters of several folders, in float32: less noise than any one of them.

    Section 6.1: the last 5 checkpoints of the base model, the last 20 of the big one.
    folders: as `save_model` writes them; the parameters are in their model.safetensors, in float32
    or float16, and are added up in float32 or wider
    returns each parameter by its name
    ValueError if there is no folder, or if they hold different models.
    """
    if not folders:
        raise ValueError("no checkpoints to average: give at least one folder")
    totals: dict[str, Tensor] = {}
    for file in [Path(folder) / WEIGHTS for folder in folders]:
        tensors = read_tensors(file)
        check_fit(tensors, totals or tensors, file)
        for name, x in tensors.items():
            # float64: the mean of N equal checkpoints is then that checkpoint, to the last bit
            totals[name] = x.double() + totals.get(name, 0)
    return {name: (total / len(folders)).float() for name, total in totals.items()}


def parameters(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter once, by its first name. Changing them changes the model."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def fill_parameters(model: nn.Module, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Copy `tensors` into the model. ValueError, naming `source`, unless all fit."""
    mine = parameters(model)
    check_fit(tensors, mine, source)
    for name, parameter in mine.items():
        parameter.copy_(tensors[name])


def check_fit(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str | Path
) -> None:
    """ValueError unless names and shapes are the wanted ones and all hold real numbers."""
    problems = [f"{name} is missing" for name in wanted if name not in tensors]
    problems += [f"{name} is unexpected" for name in tensors if name not in wanted]
    for name in [name for name in wanted if name in tensors]:  # in the model's order, not a set's
        x, shape = tensors[name], tuple(wanted[name].shape)
        if tuple(x.shape) != shape or not x.is_floating_point():
            problems.append(f"{name} is {x.dtype} {tuple(x.shape)}, must be float {shape}")
    if problems:
        raise ValueError(
            f"{source} does not fit the model: {_some(problems)}; take all files from one model"
        )


def write_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """A safetensors file under a temporary name, then renamed."""
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_bytes(save({name: x.cpu().contiguous() for name, x in tensors.items()}))
    temporary.replace(file)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. FileNotFoundError, or ValueError if it is damaged."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: copy the whole folder, or train the model")
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged ({error}); copy or train it again") from error


def _check_tokenizer(tokenizer: Tokenizer, config: TransformerConfig, what: str) -> None:
    """A model knows its tokens by number only: the numbers must mean the same to both."""
    for name in ("vocab_size", "pad_id", "bos_id", "eos_id"):
        mine, its = getattr(config, name), getattr(tokenizer, name)
        if mine != its:
            raise ValueError(
                f"{what} has {name}={its}, but the model's config {mine}: take both from one model"
            )


def _some(texts: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + more

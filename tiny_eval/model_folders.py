"""Folders of models in the Hugging Face layout: loaded from this machine, without code of theirs.

Leaves out: quantised weights, several devices.
"""

import gc
import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What must be there, by what errors call it: patterns of file names, one of them. Without its files
# transformers makes an empty tokenizer, and says nothing.
_PARTS: dict[str, tuple[str, ...]] = {
    "config.json": ("config.json",),
    "weights (model.safetensors)": ("*.safetensors", "pytorch_model*.bin"),
    "tokenizer (tokenizer.json)": ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken"),
}
_ADAPTER: dict[str, tuple[str, ...]] = {
    "adapter_config.json": ("adapter_config.json",),
    "adapter_model.safetensors": ("adapter_model.*",),
}
_LIBRARIES = "pip install torch transformers jinja2"
_SMALL = 50_000_000
"""Parameters of a model that one thread computes sooner than several."""
_PIECE = 1 << 16


def load_folder(
    folder: Path, device: str, dtype: str | None, adapter: Path | None
) -> tuple[Any, Any]:
    """The tokenizer and the model, ready to answer.

    FileNotFoundError if a file is missing; ValueError if one is broken, or the device not there;
    ModuleNotFoundError without the libraries for it
    """
    _check(folder, _PARTS, "a language model", "hf download ORGANISATION/NAME --local-dir FOLDER")
    if adapter is not None:
        _check(adapter, _ADAPTER, "a PEFT adapter", "model.save_pretrained(FOLDER)")
    try:
        import jinja2  # noqa: F401  # the language of chat templates
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    except ImportError as error:
        message = f"{folder} needs libraries to run in ({error}): {_LIBRARIES}"
        raise ModuleNotFoundError(message) from error
    device = _device(device)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    precision = dtype or ("float32" if device == "cpu" else "auto")
    kind: Any = getattr(torch, precision, None) if precision != "auto" else "auto"
    if kind != "auto" and not isinstance(kind, torch.dtype):
        raise ValueError(f"dtype={dtype!r} must be one of torch's, as float32 or bfloat16")
    with _no_progress_bar():
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
            model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, **options)
        except Exception as error:  # broken files raise whatever the loaders run into
            raise _broken(folder, "a language model", error) from error
        # What its makers recommend (sampling, a penalty) is not greedy; an evaluation says itself.
        model.generation_config = GenerationConfig(**_tokens(tokenizer, model), do_sample=False)
        if adapter is not None:
            model = _with_adapter(model, adapter)
    return tokenizer, model.to(device).eval()


def context_of(model: Any, tokenizer: Any) -> int:
    """The most tokens that the model knows; 2048 where nothing says it."""
    length = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    length = length or tokenizer.model_max_length
    return int(length) if length < 1 << 40 else 2048


def is_small(model: Any) -> bool:
    """Whether a second thread would wait longer than it works."""
    return sum(weights.numel() for weights in model.parameters()) < _SMALL


@contextmanager
def one_thread(if_small: bool) -> Iterator[None]:
    """Compute a small model on one thread, and leave the setting as it was.

    Two that share busy cores wait for each other in every layer: at 3 million parameters a token
    took ten to fifty times as long.
    """
    import torch

    before = torch.get_num_threads()
    if if_small:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def no_collection() -> Iterator[None]:
    """For the command line: what is loaded here is not looked through for garbage, now or later.

    The imports make half a million objects that all stay; to look at them again and again is a
    quarter of the time that a short answer takes.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def fingerprint(folder: Path) -> str:
    """Six hex digits of what is in the folder: another checkpoint of the same name has others.

    Of each file its size and 17 pieces, evenly spread: a training step changes all weights.
    """
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin", ".model", ".jinja", ".txt"):
            size = path.stat().st_size
            found.update(f"{path.name} {size}".encode())
            with path.open("rb") as file:
                for part in range(17):
                    file.seek(max(0, size - _PIECE) * part // 16)
                    found.update(file.read(_PIECE))
    return found.hexdigest()[:6]


def _device(name: str) -> str:
    """The device, also one of several ("cuda:1"); for "auto" the fastest sort that is there."""
    import torch

    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there = [sort for sort, is_there in usable.items() if is_there] + ["cpu"]
    if name != "auto" and name.partition(":")[0] not in there:
        raise ValueError(f"device={name!r} is not there; this torch sees {', '.join(there)}")
    return there[0] if name == "auto" else name


def _tokens(tokenizer: Any, model: Any) -> dict[str, Any]:
    """The tokens that end an answer, and the one that stands after it in a batch."""
    ends = model.generation_config.eos_token_id
    ends = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id} - {None}
    pad = min(ends) if ends else 0  # whatever it is, it comes after an end
    return {"eos_token_id": sorted(ends) or None, "pad_token_id": pad}


def _with_adapter(model: Any, adapter: Path) -> Any:
    try:
        from peft import PeftModel
    except ImportError as error:
        message = f"the adapter {adapter} needs a library: pip install peft"
        raise ModuleNotFoundError(message) from error
    try:
        with warnings.catch_warnings():
            # between the two libraries, and nothing that who loads an adapter could change
            warnings.simplefilter("ignore", FutureWarning)
            return PeftModel.from_pretrained(model, str(adapter))
    except Exception as error:  # as above; most often it was made for another model
        raise _broken(adapter, "an adapter of this model", error) from error


def _check(folder: Path, parts: dict[str, tuple[str, ...]], kind: str, command: str) -> None:
    if folder.is_dir():
        found = {name for names in parts.values() for name in names if any(folder.glob(name))}
        lacking = [part for part, names in parts.items() if found.isdisjoint(names)]
        problem = f"{folder} has no {' and no '.join(lacking)}" if lacking else ""
    else:
        problem = f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
    if problem:
        message = f"{problem}; give the folder of {kind}, as `{command}` makes one"
        raise FileNotFoundError(message)


def _broken(folder: Path, kind: str, error: Exception) -> ValueError:
    cause = " ".join(str(error).split())[:200]
    problem = f"{folder} cannot be loaded as {kind} ({type(error).__name__}: {cause})"
    return ValueError(f"{problem}; download it again, or give another folder")


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """transformers draws one for the weights, even where nobody looks."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()

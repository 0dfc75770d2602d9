"""Folders of chat models in the Hugging Face layout: checked, loaded, and given a thread or more.

Leaves out: quantised weights, several devices.
"""

import gc
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
_LIBRARIES = "pip install torch transformers jinja2"
_SMALL = 50_000_000
"""Parameters of a model that one thread computes sooner than several."""


def load_chat_model(folder: Path, device: str) -> tuple[Any, Any]:
    """The tokenizer and the model, ready to answer. No code of the folder is run.

    FileNotFoundError if a file is missing; ValueError if one is broken, or there is no chat
    template; ModuleNotFoundError without the libraries for it
    """
    _check(folder)
    try:
        import jinja2  # noqa: F401  # the language of chat templates
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        message = f"{folder} needs libraries to run in ({error}): {_LIBRARIES}"
        raise ModuleNotFoundError(message) from error
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    dtype = torch.float32 if device == "cpu" else "auto"
    try:
        with _no_progress_bar():
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
            model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **options)
    except Exception as error:  # broken files raise whatever the loaders run into
        cause = " ".join(str(error).split())[:200]
        problem = f"{folder} cannot be loaded ({type(error).__name__}: {cause})"
        raise ValueError(f"{problem}; download it again, or give another folder") from error
    if not tokenizer.chat_template:
        message = f"{folder} has no chat template; use the Instruct version of the model"
        raise ValueError(message)
    return tokenizer, model.to(device).eval()


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


def _check(folder: Path) -> None:
    if folder.is_dir():
        found = {name for names in _PARTS.values() for name in names if any(folder.glob(name))}
        lacking = [part for part, names in _PARTS.items() if found.isdisjoint(names)]
        problem = f"{folder} has no {' and no '.join(lacking)}" if lacking else ""
    else:
        problem = f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
    if problem:
        raise FileNotFoundError(
            f"{problem}; give the folder of a chat model, as `hf download ORGANISATION/NAME "
            "--local-dir FOLDER` makes one"
        )


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

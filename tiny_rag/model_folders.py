"""Folders of models in the Hugging Face layout: what is wrong with one, and what to do about it.

Chat models are loaded here, too; encoders in `encoders` and `rerank`. Leaves out: looking into the
files; that is for the library that loads them.
"""

import gc
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PARTS = {
    "config.json": ("config.json",),
    "weights (model.safetensors)": ("*.safetensors", "pytorch_model*.bin"),
    "tokenizer (tokenizer.json)": ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken"),
}
_LIBRARIES = "pip install torch transformers jinja2"
_SMALL = 50_000_000
"""Parameters of a model that one thread computes sooner than several."""
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")  # NAME or ORGANISATION/NAME


def check_folder(folder: Path, kind: str) -> None:
    """FileNotFoundError if there is no such folder, or it lacks a part of a model.

    kind: of model that is wanted, with its article
    """
    if folder.is_dir():
        lacking = [part for part, names in _PARTS.items() if not _has(folder, names)]
        problem = f"{folder} has no {' and no '.join(lacking)}" if lacking else ""
    else:
        problem = f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
    if problem:
        raise FileNotFoundError(
            f"{problem}; give the folder of {kind}, as `hf download ORGANISATION/NAME --local-dir "
            f"{'FOLDER' if folder.exists() else folder}` makes one"
        )


def check_place(model: str | Path, kind: str) -> None:
    """FileNotFoundError if there is no such folder, and no model of this name was downloaded."""
    path = Path(model)
    if path.is_dir():
        return
    elsewhere = path.parent != Path() and path.parent.is_dir()
    if path.exists() or elsewhere or not _HUB_NAME.fullmatch(str(model)):
        check_folder(path, kind)
    if not _downloaded(str(model)):
        raise _nowhere(model, kind)


def _downloaded(name: str) -> bool:
    """Whether the Hugging Face library has a model of this name on this machine."""
    from huggingface_hub.constants import HF_HUB_CACHE  # light, unlike what would load the model

    folders = [Path(HF_HUB_CACHE), Path(os.environ.get("SENTENCE_TRANSFORMERS_HOME", HF_HUB_CACHE))]
    names = [name, f"sentence-transformers/{name}"]
    return any((f / f"models--{n.replace('/', '--')}").is_dir() for f in folders for n in names)


def _nowhere(model: str | Path, kind: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"no model {str(model)!r} on this machine: `hf download {model}` fetches the one of that "
        f"name; to make it a folder of {kind}: `hf download ORGANISATION/NAME --local-dir {model}`"
    )


def load_chat_model(folder: Path, device: str) -> tuple[Any, Any]:
    """The tokenizer and the model, ready to answer. No code of the folder is run.

    FileNotFoundError if a file is missing; ValueError if one is broken, or there is no chat
    template; ModuleNotFoundError without the libraries for it
    """
    kind = "a chat model"
    check_folder(folder, kind)
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
        raise not_loaded(folder, kind, error) from error
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


def not_loaded(model: str | Path, kind: str, error: Exception) -> ValueError | FileNotFoundError:
    """The error to raise where a library could not load a model."""
    if Path(model).is_dir():
        cause = " ".join(str(error).split())
        cause = cause if len(cause) <= 200 else cause[:200] + "..."
        return ValueError(
            f"{model} cannot be loaded as {kind} ({type(error).__name__}: {cause}); give the "
            "folder of another, or download this one again"
        )
    return _nowhere(model, kind)


def _has(folder: Path, names: tuple[str, ...]) -> bool:
    return any(True for name in names for _ in folder.glob(name))

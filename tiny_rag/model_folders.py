"""Folders of models in the Hugging Face layout: what is wrong with one, and what to do about it.

Leaves out: looking into the files; that is for the library that loads them.
"""

import os
import re
from pathlib import Path

_PARTS = {
    "config.json": ("config.json",),
    "weights (model.safetensors)": ("*.safetensors", "pytorch_model*.bin"),
    "tokenizer (tokenizer.json)": ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken"),
}
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

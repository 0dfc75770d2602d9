"""Reading and writing the small text files of a model folder, with errors that say what to do."""

import json
from pathlib import Path
from typing import Any


def read_text(file: Path) -> str:
    """The file's text. FileNotFoundError if it is not there, ValueError if it is not UTF-8."""
    if not file.is_file():
        what = f"{file} is missing" if file.parent.is_dir() else f"there is no folder {file.parent}"
        raise FileNotFoundError(f"{what}: give a model folder written by `save_model`")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 (byte {error.start}); copy it again") from error


def read_json(file: Path) -> dict[str, Any]:
    """The file's JSON object. Errors as in `read_text`, and ValueError if it is damaged."""
    try:
        data = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is damaged ({error}); copy or train it again") from error
    if not isinstance(data, dict):
        raise ValueError(f"{file} holds a {type(data).__name__}, not a JSON object")
    return data


def write_text(file: Path, text: str) -> None:
    """Under a temporary name, then renamed: nobody ever reads half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(file)

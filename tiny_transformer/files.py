"""Reading and writing the small text files of a model folder, with errors that say what to do."""

from pathlib import Path


def read_text(file: Path) -> str:
    """The file's text. FileNotFoundError if it is not there, ValueError if it is not UTF-8."""
    if not file.is_file():
        what = f"{file} is missing" if file.parent.is_dir() else f"there is no folder {file.parent}"
        raise FileNotFoundError(f"{what}: give a model folder written by `save_model`")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 (byte {error.start}); copy it again") from error


def write_text(file: Path, text: str) -> None:
    """Under a temporary name, then renamed: nobody ever reads half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(file)

"""A folder of files that changes all at once or not at all, whenever its writer is killed.

Each write makes a new generation, a folder of its own, and the file CURRENT names the one that
counts. Replacing a small file is the one step that a file system does atomically:

    index/generation-000007/      the old files, untouched while the new ones are written
    index/generation-000008.tmp/  the new ones; when complete and on the disk, renamed: no .tmp
    index/CURRENT                 "generation-000008 <checksum of its meta.json>"; then 7 is deleted

meta.json holds size and checksum of every other file and CURRENT the checksum of meta.json, so
that a byte changed anywhere is noticed. Writers wait for each other (LOCK); readers need no lock.
Source: the CURRENT file of LevelDB's "impl" notes. Chapter 31 shows such a folder.

Leaves out: merging what two writers did (the later one wins; `one_writer` keeps the second one out
from the start), and writers that exclude each other on Windows, which has no flock.
"""

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

if sys.platform != "win32":
    import fcntl

CURRENT, META, LOCK = "CURRENT", "meta.json", "LOCK"
_UNFINISHED = ".tmp"
_NAME = re.compile(r"generation-(\d{6,})(\.tmp)?")
_POINTER = re.compile(rb"(generation-\d{6,}) ([0-9a-f]{64})\n")
_Result = TypeVar("_Result")


class IndexDamaged(ValueError):  # noqa: N818 - the state of a folder, named as one says it
    """The files of an index are not what was written; the message names one, and the remedy."""


def write_generation(folder: str | Path, fill: Callable[[Path], None]) -> Path:
    """Write a new generation and make it the current one; the older ones are deleted.

    fill: called once with an empty folder, in which it writes any files; if it writes a meta.json,
    that must be a JSON object without the key "files"
    returns the folder of the new generation

    Whatever `fill` raises passes through, and the old generation stays. A killed process leaves
    the old one or the new one; the next write removes the remains.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give a folder for the index")
    folder.mkdir(parents=True, exist_ok=True)
    with _writing(folder):
        _remove_all_but(_named_by(folder), folder)
        number = max((int(name[1]) for name in _generations(folder)), default=0) + 1
        new = folder / f"generation-{number:06}"
        unfinished = folder / (new.name + _UNFINISHED)
        unfinished.mkdir()
        try:
            fill(unfinished)
            checksum = _seal(unfinished)
            unfinished.rename(new)
        except BaseException:  # Ctrl-C as well: half a generation is of no use
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _sync(folder)  # the new name must be on the disk before CURRENT says it
        _replace(folder / CURRENT, f"{new.name} {checksum}\n")
        _remove_all_but(new.name, folder)
    return new


def read_generation(
    folder: str | Path, read: Callable[[Path], _Result], verify: bool = True
) -> _Result:
    """What `read` makes of the folder of the current generation.

    verify: compare all checksums first, about a second a gigabyte; without it only meta.json's
    FileNotFoundError if there never was an index, IndexDamaged if it is not as it was written

    A writer may replace the generation while it is read. What fails then is tried again.
    """
    folder = Path(folder)
    while True:
        pointer = _pointer(folder)
        try:
            return read(_checked(folder, pointer, verify))
        except (OSError, IndexDamaged):
            if _pointer(folder) == pointer:  # nobody wrote meanwhile: the error is real
                raise


def current_generation(folder: str | Path, verify: bool = True) -> Path:
    """The folder of the current generation, checked. Errors as in `read_generation`.

    The next writer deletes that folder; `read_generation` is safe where there may be one.
    """
    return read_generation(folder, lambda generation: generation, verify)


def read_meta(generation: Path) -> dict[str, Any]:
    """The meta.json of a generation; "files" is what `write_generation` added."""
    try:
        meta = json.loads((generation / META).read_bytes())
    except (FileNotFoundError, ValueError) as error:
        raise damaged(generation / META, str(error)) from error
    if not isinstance(meta, dict):
        raise damaged(generation / META, f"a {type(meta).__name__}, not a JSON object")
    return meta


def damaged(file: Path, reason: str) -> IndexDamaged:
    """The error to raise: which file, what is wrong, and what to do."""
    remedy = "delete the index folder and index the documents again"
    return IndexDamaged(f"{file} is damaged ({reason}); {remedy}")


# --- Reading. ---


def _pointer(folder: Path) -> tuple[str, str]:
    """The name of the current generation and the checksum of its meta.json."""
    try:
        content = (folder / CURRENT).read_bytes()
    except FileNotFoundError:
        if folder.is_dir() and any(not name[2] for name in _generations(folder)):
            raise damaged(folder / CURRENT, "it is missing") from None
        raise FileNotFoundError(
            f"there is no index in {folder}: make one first, or give the folder of another"
        ) from None
    match = _POINTER.fullmatch(content)
    if match is None:
        raise damaged(folder / CURRENT, f"{content[:80]!r} names no generation")
    return match[1].decode(), match[2].decode()


def _checked(folder: Path, pointer: tuple[str, str], verify: bool) -> Path:
    """The generation, after its files were compared with what CURRENT and meta.json say."""
    name, checksum = pointer
    generation = folder / name
    if not generation.is_dir():
        raise damaged(folder / CURRENT, f"it names {name}, which is missing")
    files = read_meta(generation).get("files")
    if _sha256(generation / META) != checksum or not isinstance(files, dict):
        raise damaged(generation / META, "its checksum is not the one in CURRENT")
    for file_name, expected in files.items():
        _check_file(generation / file_name, expected, verify)
    return generation


def _check_file(file: Path, expected: Mapping[str, Any], verify: bool) -> None:
    if not file.is_file():
        raise damaged(file, "it is missing")
    size = file.stat().st_size
    if size != expected["bytes"]:
        raise damaged(file, f"{size} bytes instead of {expected['bytes']}")
    if verify and _sha256(file) != expected["sha256"]:
        raise damaged(file, "its checksum is not the one in meta.json")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


# --- Writing. ---


def _seal(generation: Path) -> str:
    """Add sizes and checksums to meta.json and bring all to the disk. Returns meta's checksum."""
    meta = read_meta(generation) if (generation / META).exists() else {}
    if "files" in meta:
        raise ValueError(f'{META} has a key "files", which is for the checksums; rename it')
    paths = sorted(path for path in generation.rglob("*") if path != generation / META)
    meta["files"] = {
        path.relative_to(generation).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": _sha256(path),
        }
        for path in paths
        if path.is_file()
    }
    text = json.dumps(meta, ensure_ascii=False, indent=2) + "\n"
    (generation / META).write_text(text, encoding="utf-8", newline="\n")
    for path in [*paths, generation / META, generation]:
        _sync(path)
    return _sha256(generation / META)


def _replace(file: Path, text: str) -> None:
    """Write under another name, bring it to the disk, rename: nobody reads half of it."""
    temporary = file.with_name(file.name + _UNFINISHED)
    temporary.write_text(text, encoding="utf-8", newline="\n")
    _sync(temporary)
    temporary.replace(file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk (fsync)."""
    if sys.platform == "win32" and path.is_dir():
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """One writer at a time. The system opens the lock of a process that died."""
    with (folder / LOCK).open("a") as lock:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _generations(folder: Path) -> list[re.Match[str]]:
    """The names of all generations in the folder: [1] is the number, [2] ".tmp" if unfinished."""
    return [name for path in folder.iterdir() if (name := _NAME.fullmatch(path.name))]


def _named_by(folder: Path) -> str | None:
    """What CURRENT names, if it is there and whole."""
    try:
        return _pointer(folder)[0]
    except (FileNotFoundError, IndexDamaged):
        return None


def _remove_all_but(current: str | None, folder: Path) -> None:
    """Delete unfinished and old generations; if none is current, only the unfinished ones."""
    for name in _generations(folder):
        if name[2] or current not in (None, name[0]):
            shutil.rmtree(folder / name[0], ignore_errors=True)  # open on Windows: the next time

"""Reading text files, but only those below one folder, the root.

A path comes from a model, which may have it from a web page that means harm. So no path leads out
of the root: not by "..", not as an absolute path, not over a link. Names that begin with a dot are
refused as well, for .env and .git hold keys. Chapter 43 shows an attack. Leaves out: PDF and Word
files, writing, and a defence against someone who swaps files while we read.
"""

import codecs
import difflib
import os
import stat
from pathlib import Path

from .tools import Tool, ToolError, tool

MAX_BYTES = 2_000_000
"""As far into a file as is read."""

MAX_CHARS = 3500
"""Of one answer, which fits into a tool's limit of 4000 with its note."""


def read_lines(root: str | Path, path: str, first_line: int = 1, lines: int = 200) -> str:
    """Lines of a file below root, with a note of how to go on; of a folder, the names in it.

    first_line: from 1 · lines: how many at the most; fewer if they have more than MAX_CHARS.
    ToolError if the path is not allowed, or there is no text in UTF-8
    """
    if first_line < 1 or lines < 1:
        raise ToolError(f"first_line={first_line} and lines={lines} must both be 1 or above")
    place = _allowed(Path(root).resolve(), path)
    try:
        if place.is_dir():
            return _listing(place, path)
        text, whole = _text(place, path)
    except OSError as error:
        raise ToolError(f"{path!r} cannot be read: {error.strerror}") from error
    return _excerpt(path, text, first_line, lines, whole)


def read_file_tool(root: str | Path = ".") -> Tool:
    """The tool `read_file`, for files below root. NotADirectoryError if that is no folder."""
    top = Path(root).resolve()
    if not top.is_dir():
        raise NotADirectoryError(f"{str(root)!r} is no folder; name the one with the files to read")

    @tool
    def read_file(path: str, first_line: int = 1, lines: int = 200) -> str:
        """Read a text file, or list a folder. Paths are relative: "." is the top folder.

        Args:
            path: Which file or folder, for example: notes/plan.md
            first_line: Where to begin, from 1.
            lines: How many lines at the most.
        """
        return read_lines(top, path, first_line, lines)

    return read_file


def _allowed(root: Path, path: str) -> Path:
    """The path with its links resolved. ToolError if it leads out of root, or does not exist."""
    given = Path(path)
    if given.is_absolute() or given.drive:
        raise ToolError(f"{path!r} is not relative; start from the top folder: '.' lists it")
    if any(part.startswith(".") for part in given.parts):
        raise ToolError(f"{path!r} has a name that begins with a dot, which is not allowed")
    try:
        place = (root / given).resolve()
        inside = place.relative_to(root)
        place.stat()
    except FileNotFoundError as error:
        raise ToolError(f"there is no {path!r}.{_hint(root / given)}") from error
    except OSError as error:
        raise ToolError(f"{path!r} cannot be read: {error.strerror}") from error
    except ValueError as error:  # also for a NUL in the path
        raise ToolError(f"{path!r} leads out of the top folder, which is not allowed") from error
    except RuntimeError as error:
        raise ToolError(f"{path!r} is a link that leads to itself; read another file") from error
    if any(part.startswith(".") for part in inside.parts):
        raise ToolError(f"{path!r} links to a name that begins with a dot, which is not allowed")
    return place


def _hint(missing: Path) -> str:
    """What there is instead, in the nearest folder that exists."""
    if not missing.parent.is_dir():
        return " List the folder '.' to see what there is."
    names = [name for name in os.listdir(missing.parent) if not name.startswith(".")]
    near = difflib.get_close_matches(missing.name, names, n=3)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else " List its folder."


def _listing(folder: Path, path: str) -> str:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries]
    shown = names[:200]
    rest = f"\n[{len(names) - 200} more]" if len(names) > 200 else ""
    return f"The folder {path!r} holds:\n" + ("\n".join(shown) or "(nothing)") + rest


def _text(place: Path, path: str) -> tuple[str, bool]:
    """The first MAX_BYTES of a file as text, and whether that is all."""
    # Opened first and looked at then, so that it is the same file; a pipe would block without.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(place, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ToolError(f"{path!r} is a device or a pipe; only files can be read")
        data = file.read(MAX_BYTES + 1)
    if b"\0" in data:
        raise ToolError(f"{path!r} is no text, or one in UTF-16; only UTF-8 text can be read")
    whole = len(data) <= MAX_BYTES
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(data[:MAX_BYTES], whole), whole
    except UnicodeDecodeError as error:
        remedy = "the user can convert it: iconv -f GB18030 -t UTF-8"
        raise ToolError(f"{path!r} is not UTF-8 at byte {error.start}; {remedy}") from error


def _excerpt(path: str, text: str, first: int, lines: int, whole: bool) -> str:
    if not text:
        return f"The file {path!r} is empty."
    all_lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    total = f"{len(all_lines)}{'' if whole else f' that can be read of it, {MAX_BYTES} bytes'}"
    if first > len(all_lines):
        raise ToolError(f"first_line={first} is behind the last line of {path!r}: {total}")
    shown: list[str] = []
    left = MAX_CHARS
    for line in all_lines[first - 1 : first - 1 + lines]:
        if shown and len(line) >= left:
            break
        shown.append(line if len(line) <= MAX_CHARS else f"{line[:MAX_CHARS]} [... cut]")
        left -= len(line) + 1
    last = first + len(shown) - 1
    more = f"; go on with first_line={last + 1}" if last < len(all_lines) else ""
    note = f"\n[lines {first} to {last} of {total}{more}]" if more or first > 1 or not whole else ""
    return "\n".join(shown) + note

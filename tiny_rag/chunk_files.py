"""Chunks as a file of lines, each a JSON object in UTF-8: any program reads it, none executes it.

A line ends at "\\n" and nowhere else: U+2028 and the like are text, and JSON escapes line ends.
"""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from .documents import Chunk
from .generations import damaged

_FIELDS = [field.name for field in fields(Chunk)]


def check_chunk(chunk: Chunk) -> None:
    """ValueError unless the chunk is the same after it was written and read."""
    try:
        same = Chunk(**json.loads(_encode(chunk))) == chunk
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"chunk {chunk.id} cannot be written as JSON: {error}") from error
    if not same:
        raise ValueError(
            f"chunk {chunk.id} would change when written as JSON: {chunk.metadata!r}; use only "
            "dicts with str keys, lists, str, int, float (no NaN), bool and None"
        )


def write_chunks(file: Path, chunks: Iterable[Chunk]) -> None:
    """One line a chunk. The chunks are taken one at a time."""
    with file.open("wb") as out:
        for chunk in chunks:
            out.write(_encode(chunk) + b"\n")


def read_chunks(file: Path) -> list[Chunk]:
    """The chunks that `write_chunks` wrote. IndexDamaged names the line that is none."""
    chunks: list[Chunk] = []
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                chunks.append(Chunk(**json.loads(line)))
            except (TypeError, ValueError) as error:
                raise damaged(file, f"line {number}: {error}") from error
    return chunks


def _encode(chunk: Chunk) -> bytes:
    """A line without its end. Half a surrogate pair has no UTF-8 and is escaped: \\ud83d."""
    record = {name: getattr(chunk, name) for name in _FIELDS}
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(record, allow_nan=False).encode("ascii")

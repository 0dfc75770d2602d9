"""A file of records, whichever of the usual ways it is written in, told by what it holds.

    JSONL                            an object a line
    JSON objects one after another   printed over several lines each
    a JSON array                     of objects
    one JSON object                  that holds the list as "example" or "data"
    CSV                              a line of names first; a quoted cell may hold newlines

In UTF-8, in UTF-16 with its mark, or else in GB18030, as Excel saves a Chinese CSV. What cannot be
read is an error, never left out. Chapter 52 uses it. Leaves out: other encodings, Parquet, Excel,
archives.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

Record = dict[str, Any]
HOLDERS = ("example", "data")
"""Under these names a lone object holds its records: GAOKAO-Bench's, and many others'."""
_VISIBLE = re.compile(r"\S")
_KINDS = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def read_records(path: str | Path) -> list[Record]:
    """All records of a file, in order; there is at least one.

    FileNotFoundError, or ValueError that names the file, the line and the remedy
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one of the files in it")
    if not path.is_file():
        remedy = "give the path of a JSONL, JSON or CSV file"
        raise FileNotFoundError(f"there is no file {path}; {remedy}")
    text = _text_of(path)
    start = _VISIBLE.search(text)
    if not start:
        raise ValueError(f"{path} is empty")
    records = _read_json(path, text) if start[0] in "{[" else _read_csv(path, text)
    if not records:
        raise ValueError(f"{path} holds no records")
    return records


def _text_of(path: Path) -> str:
    """ValueError names the line that is not UTF-8."""
    content = path.read_bytes()
    try:
        text = content.decode(_encoding(content))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        remedy = "save it as UTF-8, or get it again if it was cut off or damaged"
        raise ValueError(f"{path}, line {line} is not UTF-8; {remedy}") from error
    if "\0" in text:
        remedy = "turn it into JSONL or CSV in UTF-8"
        raise ValueError(f"{path} is no plain text (it holds a zero byte); {remedy}")
    return text


def _encoding(content: bytes) -> str:
    """GB18030 if most of it is broken as UTF-8: a few broken places would come out as gibberish."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    text = content.decode("utf-8", "replace")
    broken = sum(not character.isascii() for character in text) < 2 * text.count("\ufffd")
    return "gb18030" if broken else "utf-8-sig"


# --- JSON ---


def _read_json(path: Path, text: str) -> list[Record]:
    values = list(_values(path, text))
    unit = "line"
    if len(values) == 1 and isinstance(items := _held(values[0][1]), list):
        unit, values = "record", list(enumerate(items, 1))
    for number, value in values:
        if not isinstance(value, dict):
            kind = _KINDS.get(type(value), "a number")
            raise ValueError(f"{path}, {unit} {number} is {kind}, but must be an object: {{...}}")
    return [value for _, value in values]


def _held(value: Any) -> Any:
    """What a lone value holds: the list in an object, if it has one of records, else itself."""
    if isinstance(value, dict):
        for name in HOLDERS:
            held = value.get(name)
            if isinstance(held, list) and (not held or any(isinstance(it, dict) for it in held)):
                return held
    return value


def _values(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """Values one after another, white space between them. ValueError names the line."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    text = text.rstrip()
    end, line = 0, 1
    while found := _VISIBLE.search(text, end):
        line += text.count("\n", end, found.start())
        try:
            value, end = decoder.raw_decode(text, found.start())
        except json.JSONDecodeError as error:
            raise _broken(path, text, error) from error
        except (ValueError, RecursionError) as error:
            problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise ValueError(
                f"{path}: the record in line {line} cannot be used: {problem}"
            ) from error
        yield line, value
        line += text.count("\n", found.start(), end)


def _broken(path: Path, text: str, error: json.JSONDecodeError) -> ValueError:
    last = text.count("\n") + 1
    unfinished = error.pos >= len(text) or error.msg.startswith("Unterminated")
    if unfinished or (error.lineno == last and not text.endswith(("}", "]"))):
        problem = f"line {last}, the last one, ends inside a record: the file was cut off"
        return ValueError(f"{path}, {problem}; get it again, or remove what is left of the record")
    return ValueError(f"{path}, line {error.lineno}, column {error.colno} is no JSON: {error.msg}")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON; write null, or a text")


# --- CSV ---


def _read_csv(path: Path, text: str) -> list[Record]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = _names(path, next(row for row in rows if row))
        return [_row(path, rows.line_num, names, row) for row in rows if row]
    except csv.Error as error:
        remedy = 'close each quoted cell, write " inside one as "", or use JSONL'
        raise ValueError(f"{path}, line {rows.line_num}: {error}; {remedy}") from error


def _names(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{path}, line 1 names a column twice: {', '.join(twice)}; rename one")
    return names


def _row(path: Path, line: int, names: list[str], row: list[str]) -> Record:
    if len(row) != len(names):
        problem = f"has {len(row)} cells, but line 1 names {len(names)} columns"
        remedy = "quote a cell that holds a comma; if it is the last line, the file may be cut off"
        raise ValueError(f"{path}, line {line} {problem}; {remedy}")
    return dict(zip(names, row, strict=True))

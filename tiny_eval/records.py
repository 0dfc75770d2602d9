"""A file of records, whichever of the usual ways it is written in, told by what it holds.

    JSONL                            an object a line
    JSON objects one after another   printed over several lines each
    a JSON array                     of objects
    one JSON object                  that holds the list as "example" or "data"
    CSV                              a line of names first; a quoted cell may hold newlines

Each in UTF-8, or UTF-16 with a byte order mark, or else in GB18030. What cannot be read is an
error, never left out. Chapter 52 uses it. Leaves out: Parquet, Excel, archives.
"""

import codecs
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

Record = dict[str, Any]
HOLDERS = ("example", "data")
"""Under these names a lone object holds its records: GAOKAO-Bench's, and many others'."""
_CHUNK = 1 << 20
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
        remedy = "give the path of a JSONL, JSON or CSV file (--data FILE)"
        raise FileNotFoundError(f"no data at {path}; {remedy}")
    encoding = _encoding_of(path)
    try:
        is_json = _start(path, encoding) in ("{", "[")
        records = _read_json(path, encoding) if is_json else _read_csv(path, encoding)
    except UnicodeDecodeError as error:
        problem = f"{path} is no whole text in UTF-8, UTF-16 or GB18030 ({error.reason})"
        raise ValueError(f"{problem}; get it again, or save it as UTF-8") from error
    if not records:
        raise ValueError(f"{path} holds no records")
    return records


def _encoding_of(path: Path) -> str:
    """By the mark at its start, or by what all its bytes can be. ValueError if it is no text."""
    line, start = 1, True
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if start and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            start = False
            if b"\0" in chunk:
                remedy = "turn it into JSONL or CSV in UTF-8"
                raise ValueError(f"{path} is no plain text (it holds a zero byte); {remedy}")
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return _not_utf8(path, line + chunk.count(b"\n", 0, error.start), chunk)
            line += chunk.count(b"\n")
    if decoder.getstate()[0]:
        raise ValueError(f"{path}, line {line} ends inside a character: the file was cut off")
    return "utf-8-sig"


def _not_utf8(path: Path, line: int, chunk: bytes) -> str:
    """GB18030, unless it is UTF-8 with a few broken places: as GB18030 that would be gibberish."""
    text = chunk.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = sum(not character.isascii() for character in text) - broken
    if whole > broken:
        raise ValueError(f"{path}, line {line} is damaged: it is not UTF-8 as the rest; repair it")
    return "gb18030"


def _start(path: Path, encoding: str) -> str:
    """The first character that is no white space. ValueError if there is none."""
    with path.open(encoding=encoding) as file:
        while chunk := file.read(_CHUNK):
            if text := chunk.lstrip():
                return text[0]
    raise ValueError(f"{path} is empty")


# --- JSON ---


def _read_json(path: Path, encoding: str) -> list[Record]:
    try:
        values = list(_values_of_lines(path, encoding))
    except json.JSONDecodeError:  # not a value a line: the slow way, which knows what is wrong
        values = list(_values_of_text(path, path.read_text(encoding=encoding)))
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


def _values_of_lines(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    """Line by line, so that a long file is never in memory as a whole. JSONDecodeError"""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    with path.open(encoding=encoding) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    value = decoder.decode(line)
                except json.JSONDecodeError:
                    raise
                except (ValueError, RecursionError) as error:
                    raise _unusable(path, number, error) from error
                yield number, value


def _values_of_text(path: Path, text: str) -> Iterator[tuple[int, Any]]:
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
            raise _unusable(path, line, error) from error
        yield line, value
        line += text.count("\n", found.start(), end)


def _broken(path: Path, text: str, error: json.JSONDecodeError) -> ValueError:
    last = text.count("\n") + 1
    unfinished = error.pos >= len(text) or error.msg.startswith("Unterminated")
    if unfinished or (error.lineno == last and not text.endswith(("}", "]"))):
        problem = f"line {last}, the last one, ends inside a record: the file was cut off"
        return ValueError(f"{path}, {problem}; get it again, or remove what is left of the record")
    return ValueError(f"{path}, line {error.lineno}, column {error.colno} is no JSON: {error.msg}")


def _unusable(path: Path, line: int, error: Exception) -> ValueError:
    problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return ValueError(f"{path}: the record in line {line} cannot be used: {problem}")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON; write null, or a text")


# --- CSV ---


def _read_csv(path: Path, encoding: str) -> list[Record]:
    with path.open(encoding=encoding, newline="") as file:
        rows = csv.reader(file, strict=True)
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

"""From a file to texts: one small function a format. Chapter 31 uses them.

What a reader gives is what the file says: nothing of a text is cleaned away, and its newlines stay.
A reader raises ValueError or OSError where a file cannot be read, and reports what it can do
without: a page, a line.

Left out: text in pictures (a scanned PDF has none), telling the headers and footers of a PDF's
pages from its text, old .doc files, spreadsheets and slides.
"""

import codecs
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from .docx_text import read_docx
from .encoding import decode_text
from .html_text import HTMLText
from .markdown_text import markdown_headings

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_BYTES = 1 << 28
"""A file that is read whole may have no more than these 256 MiB."""
_OTHER_FORMATS = {
    b"%PDF-": "a PDF; name it .pdf",
    b"PK\x03\x04": "an archive or Office file; name it .docx if it is one of Word",
    b"\xd0\xcf\x11\xe0": "an old Office file; save it as .docx or .pdf",
    b"\x89PNG\r\n": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x1f\x8b": "a compressed file; unpack it",
}
_CHARSET = re.compile(
    rb"""<(?:meta[^>]*charset|\?xml[^>]*encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.I
)


@dataclass(frozen=True)
class Content:
    """The text of one document, and what its format knows of it."""

    text: str
    metadata: dict[str, Any]


class Report(Protocol):
    """Takes the reason why something was left out, and its page, line or item, from 1."""

    def __call__(
        self,
        reason: str,
        *,
        page: int | None = None,
        line: int | None = None,
        item: int | None = None,
    ) -> None: ...


Reader = Callable[[Path, Report], Iterator[Content]]


def read_plain(path: Path, report: Report) -> Iterator[Content]:
    """A text file: metadata "encoding"."""
    text, encoding = _decoded(_bytes(path), report)
    yield Content(text, {"encoding": encoding})


def read_markdown(path: Path, report: Report) -> Iterator[Content]:
    """A text file: metadata "encoding" and "headings", a list of [offset, level, title]."""
    text, encoding = _decoded(_bytes(path), report)
    headings = [list(heading) for heading in markdown_headings(text)]
    yield Content(text, {"encoding": encoding, "headings": headings})


def read_html(path: Path, report: Report) -> Iterator[Content]:
    """A page: metadata as of Markdown, and "title" if it has one."""
    data = _bytes(path)
    charset = _CHARSET.search(data[:4096])
    text, encoding = _decoded(data, report, charset[1].decode() if charset else None)
    page = HTMLText()
    page.feed(text)
    page.close()
    headings = [list(heading) for heading in page.headings]
    yield Content(page.text, {"encoding": encoding, "headings": headings, **_titled(page.title)})


def read_word(path: Path, report: Report) -> Iterator[Content]:
    """A .docx: metadata "headings", and "title" if it has one."""
    text, title, headings = read_docx(path)
    yield Content(text, {"headings": [list(heading) for heading in headings], **_titled(title)})


def read_pdf(path: Path, report: Report) -> Iterator[Content]:
    """A PDF, each page ended by a line break: metadata "pages", the offset at which each starts.

    A page that cannot be read is reported, and empty: the others keep their numbers. What the
    parser complains of is reported only for a page that is empty then.
    """
    from pypdf import PdfReader

    pages: list[int] = []
    pieces: list[str] = []
    # The PDFs of the world break a parser in every way it has: here any exception is the file's.
    with path.open("rb") as file, _complaints("pypdf") as complaints:
        try:
            pdf = PdfReader(file)
            locked = pdf.is_encrypted and not pdf.decrypt("")
            count = 0 if locked else len(pdf.pages)
            title = "" if locked or pdf.metadata is None else pdf.metadata.title
        except Exception as error:
            raise ValueError(f"is no readable PDF ({_named(error)}); print it anew") from error
        if locked:
            raise ValueError("is encrypted; save a copy without a password")
        for index in range(count):
            pages.append(pages[-1] + len(pieces[-1]) if pages else 0)
            piece, problem = _page_text(pdf, index, complaints)
            pieces.append(piece)
            if problem:
                report(problem, page=index + 1)
    text = "".join(pieces)
    if not text.strip():
        raise ValueError(f"has no text on {count} pages; a scan needs OCR first (ocrmypdf)")
    yield Content(text, {"pages": pages, **_titled(title if isinstance(title, str) else "")})


def read_json(path: Path, report: Report) -> Iterator[Content]:
    """A document or a list of them, {"text": ..., ...}: metadata as `_content` says, and "item"."""
    text, encoding = _decoded(_bytes(path), report)
    value = _json(text)
    for item, record in enumerate(value if isinstance(value, list) else [value], start=1):
        try:
            yield _content(record, {"encoding": encoding, "item": item})
        except ValueError as error:
            report(str(error), item=item)


def read_jsonl(path: Path, report: Report) -> Iterator[Content]:
    """A document a line, read line by line: metadata as `_content` says, and "line" from 1."""
    with path.open("rb") as file:
        for line, data in enumerate(_lines(file), start=1):
            try:
                text, encoding = _decoded(data.rstrip(b"\r\n"), partial(report, line=line))
                if text.strip():
                    yield _content(_json(text), {"encoding": encoding, "line": line})
            except ValueError as error:
                report(str(error), line=line)


READERS: dict[str, Reader] = {
    **dict.fromkeys((".txt", ".text", ".log", ".rst", ".csv", ".tsv"), read_plain),
    **dict.fromkeys((".md", ".markdown"), read_markdown),
    **dict.fromkeys((".html", ".htm", ".xhtml"), read_html),
    ".docx": read_word,
    ".pdf": read_pdf,
    ".json": read_json,
    **dict.fromkeys((".jsonl", ".ndjson"), read_jsonl),
}
"""By the extension of a file, in lower case."""


def whole(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair: no UTF-8 file could hold one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _bytes(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"has {size} bytes, more than {MAX_BYTES}; split it")
    return path.read_bytes()


def _decoded(data: bytes, report: Report, declared: str | None = None) -> tuple[str, str]:
    """The text and the name of its encoding; unreadable bytes are reported."""
    _refuse_other_formats(data)
    decoded = decode_text(data, declared)
    if decoded.replaced:
        report(f"has {decoded.replaced} places that are no {decoded.encoding}, now U+FFFD")
    return decoded.text, decoded.encoding


def _refuse_other_formats(data: bytes) -> None:
    for signature, name in _OTHER_FORMATS.items():
        if data.startswith(signature):
            raise ValueError(f"is no text but {name}")


def _titled(title: str) -> dict[str, str]:
    return {"title": whole(title.strip())} if title.strip() else {}


def _page_text(pdf: "PdfReader", index: int, complaints: list[str]) -> tuple[str, str]:
    """The text of a page, and what is wrong with it, if anything."""
    complaints.clear()
    try:
        text = whole(pdf.pages[index].extract_text())
    except Exception as error:  # the file's, as above
        return "", f"is left out: {_named(error)}"
    problem = "" if text.strip() or not complaints else f"has no text ({complaints[0]})"
    return text if text.endswith("\n") else text + "\n", problem


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _complaints(logger_name: str) -> Iterator[list[str]]:
    """What a library logs meanwhile; it goes nowhere else."""
    logger, listener = logging.getLogger(logger_name), _Listener()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(listener)
    try:
        yield listener.messages
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; as UTF-8 where its first bytes say that it is in UTF-16 or UTF-32."""
    start = file.read(16)
    file.seek(0)
    _refuse_other_formats(start)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or start[:4] == codecs.BOM_UTF32_BE:
        yield from decode_text(file.read()).text.encode().split(b"\n")
    else:
        yield from file  # no character of GB18030 or Big5 has a line feed in it


def _json(text: str) -> Any:
    """Any value without NaN and infinities, and without half surrogate pairs in its strings."""
    try:
        value = json.loads(text)
        return json.loads(whole(json.dumps(value, ensure_ascii=False, allow_nan=False)))
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON (character {error.pos + 1}: {error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON ({error})") from error


def _content(record: Any, found: dict[str, Any]) -> Content:
    """A document from JSON. "metadata" and all other fields are its metadata.

    What it calls "title" is also a heading of level 0, above the others: it is searched, and shown
    to a model, as context. Of the other fields nothing is searched.
    `found` has the last word: what the record calls "source", if anything, is "origin" then.
    """
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise ValueError('is no document: it must be {"text": "...", other fields}')
    metadata = {name: value for name, value in record.items() if name not in ("text", "metadata")}
    own = record.get("metadata")
    metadata |= own if isinstance(own, dict) else {} if own is None else {"metadata": own}
    if "source" in metadata:
        metadata["origin"] = metadata.pop("source")
    _check_places(metadata, len(record["text"]))
    title, headings = metadata.get("title"), metadata.get("headings", [])
    if isinstance(title, str) and title.strip() and not any(title in above for above in headings):
        metadata["headings"] = [[0, 0, title.strip()], *headings]
    return Content(record["text"], metadata | found)


def _check_places(metadata: dict[str, Any], length: int) -> None:
    """Of what the pipeline itself reads, the form: a document may have been written by it."""
    pages = metadata.get("pages", [])
    headings = metadata.get("headings", [])
    if not (
        isinstance(pages, list)
        and all(type(page) is int and 0 <= page <= length for page in pages)
        and all(a <= b for a, b in pairwise(pages))
    ):
        raise ValueError(f"has pages {pages!r:.80}; they must be ascending offsets in the text")
    if not isinstance(headings, list) or not all(
        isinstance(heading, list)
        and [type(part) for part in heading] == [int, int, str]
        and 0 <= heading[0] <= length
        for heading in headings
    ):
        raise ValueError(f"has headings {headings!r:.80}; each must be [offset, level, title]")

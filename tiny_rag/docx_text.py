"""A Word document (.docx) as text, with the places of its headings: a zip archive of XML.

Source: ECMA-376, part 1, section 17 (WordprocessingML). Chapter 31 uses it.

Paragraphs are parted by an empty line, table rows by a line break, the cells of a row by tabs;
footnotes and endnotes follow the body. A paragraph is a heading if its style, or it, has an outline
level: styles have other names in a Chinese Word, but the same built-in ones beneath.

Left out: headers and footers, comments, deleted text of tracked changes, pictures, formulas.
"""

import re
import zipfile
import zlib
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# The same text again, for older programs; and text that tracked changes have moved elsewhere.
_SKIPPED = (_COMPATIBILITY + "Fallback", _W + "moveFrom")
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\u2011"}
_PARTS = ("document", "footnotes", "endnotes")
_MAX_BYTES = 1 << 28  # unpacked; an archive of a few kilobytes can claim to hold terabytes

Heading = tuple[int, int, str]


def read_docx(path: Path) -> tuple[str, str, list[Heading]]:
    """The text, the title (may be empty), and of each heading (offset in the text, level, title).

    ValueError: not such a file, damaged, or encrypted
    """
    try:
        with zipfile.ZipFile(path) as archive:
            levels = _outline_levels(archive)
            body = _Body(levels)
            for part in _PARTS:
                if part == "document" or f"word/{part}.xml" in archive.namelist():
                    with _open(archive, f"word/{part}.xml") as file:
                        body.read(file)
            return "".join(body.pieces), _title(archive), body.headings
    except (
        zipfile.BadZipFile,
        zlib.error,
        ElementTree.ParseError,
        KeyError,  # no such part
        NotImplementedError,  # an unknown compression
        RuntimeError,  # an encrypted part
        EOFError,
    ) as error:
        raise ValueError(f"is no readable .docx ({error}); open and save it in Word") from error


class _Body:
    """The text of the parts, read as a stream of XML elements that start and end."""

    def __init__(self, levels: dict[str, int]) -> None:
        self.levels = levels
        self.pieces: list[str] = []
        self.headings: list[Heading] = []
        self.length = 0
        self.cells: list[tuple[int, int]] = []
        """Of each open table: the cells so far of its row, and the last one's first piece."""
        self.paragraphs: list[tuple[int, int]] = []  # of each open one: offset, first piece
        self.runs = 0  # only in a run of characters does <tab/> stand for one: else it is a stop
        self.skipping = 0

    def read(self, file: IO[bytes]) -> None:
        """Add the text of one part."""
        for event, element in ElementTree.iterparse(file, events=("start", "end")):
            if element.tag in _SKIPPED:
                self.skipping += 1 if event == "start" else -1
            elif not self.skipping and element.tag.startswith(_W):
                name = element.tag.removeprefix(_W)
                if event == "start":
                    self._start(name)
                else:
                    self._end(name, element)
            if event == "end" and element.tag in (_W + "p", _W + "tbl"):
                element.clear()  # its text is taken: a long document need not stand in memory

    def _start(self, name: str) -> None:
        if name == "p":
            self.paragraphs.append((self.length, len(self.pieces)))
        elif name == "r":
            self.runs += 1
        elif name == "tbl":
            self.cells.append((0, 0))
        elif name == "tr" and self.cells:
            self.cells[-1] = (0, 0)
        elif name == "tc" and self.cells:
            cells = self.cells[-1][0] + 1
            self._append("\t" if cells > 1 else "")
            self.cells[-1] = (cells, len(self.pieces))

    def _end(self, name: str, element: ElementTree.Element) -> None:
        if name == "t":
            self._append(element.text or "")
        elif name == "r":
            self.runs -= 1
        elif name in _CHARACTERS and self.runs:
            self._append(_CHARACTERS[name])
        elif name == "p":
            self._end_paragraph(element)
        elif name == "tc" and self.cells:
            self._end_cell()
        elif name == "tr":
            self._append("\n")
        elif name == "tbl":
            self.cells.pop()
            self._append("\n")

    def _end_paragraph(self, element: ElementTree.Element) -> None:
        offset, first = self.paragraphs.pop()
        title = " ".join("".join(self.pieces[first:]).split())
        level = self._level(element)
        if level and title:
            self.headings.append((offset, level, title))
        self._append("\n\n" if title and not self.cells else "\n")

    def _end_cell(self) -> None:
        """Its last paragraph does not end the row."""
        first = self.cells[-1][1]
        while len(self.pieces) > first and self.pieces[-1] == "\n":
            self.length -= len(self.pieces.pop())

    def _level(self, paragraph: ElementTree.Element) -> int:
        own = _outline_level(paragraph)
        if own is not None:
            return own
        style = paragraph.find(f"{_W}pPr/{_W}pStyle")
        return self.levels.get(style.get(_W + "val", ""), 0) if style is not None else 0

    def _append(self, piece: str) -> None:
        if piece:
            self.pieces.append(piece)
            self.length += len(piece)


def _open(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    size = archive.getinfo(name).file_size  # no more than this is ever unpacked
    if size > _MAX_BYTES:
        raise ValueError(f"unpacks to {size} bytes, more than {_MAX_BYTES}; split it")
    return archive.open(name)


def _title(archive: zipfile.ZipFile) -> str:
    if "docProps/core.xml" not in archive.namelist():
        return ""
    with _open(archive, "docProps/core.xml") as file:
        return (ElementTree.parse(file).getroot().findtext(_TITLE) or "").strip()


def _outline_levels(archive: zipfile.ZipFile) -> dict[str, int]:
    """For each style the level of its headings, from 1; 0 where it is no heading."""
    if "word/styles.xml" not in archive.namelist():
        return {}
    with _open(archive, "word/styles.xml") as file:
        styles = ElementTree.parse(file).getroot().findall(_W + "style")
    own = {style.get(_W + "styleId", ""): _style_level(style) for style in styles}
    bases = {style.get(_W + "styleId", ""): _value(style, "basedOn") for style in styles}
    levels = {}
    for name in own:
        base, seen = name, {""}
        while own.get(base) is None and base not in seen:
            seen.add(base)
            base = bases.get(base, "")
        levels[name] = own.get(base) or 0
    return levels


def _style_level(style: ElementTree.Element) -> int | None:
    """By its outline level, or by the name of a built-in style, which no language changes."""
    named = re.fullmatch(r"heading ([1-9])", _value(style, "name").lower())
    level = _outline_level(style)
    return int(named[1]) if level is None and named else level


def _outline_level(element: ElementTree.Element) -> int | None:
    """From 1 to 9, as its own properties say; 0 for body text, None where they say nothing."""
    properties = element.find(_W + "pPr")
    value = _value(properties, "outlineLvl") if properties is not None else ""
    return (int(value) + 1) % 10 if re.fullmatch("[0-9]", value) else None


def _value(element: ElementTree.Element, name: str) -> str:
    """The w:val of a child; empty if there is none."""
    child = element.find(_W + name)
    return child.get(_W + "val", "") if child is not None else ""

"""HTML as the text that a reader sees, with its title and the places of its headings.

Sources: the HTML standard (html.spec.whatwg.org), 15.3, for which elements are blocks; CSS Text 3,
4.1, for white space. Chapter 31 uses it.

Text are all characters between tags, but for those in script, style, template and title. White
space is layout, so a run of it becomes one space, and nothing where a line of Chinese goes on in
the next line; `pre` keeps its own. Blocks are parted by an empty line, list items and table rows by
a line break, the cells of a row by tabs.

Left out: attributes (links, alternative texts), comments, and whatever a script would add.
"""

import re
import unicodedata
from html.parser import HTMLParser

_BLOCK = re.compile(
    "address|article|aside|blockquote|body|caption|center|details|dialog|div|dl|fieldset|"
    "figcaption|figure|footer|form|h[1-6]|head|header|hr|html|legend|main|menu|nav|ol|p|pre|"
    "section|summary|table|ul"
)
_LINE = re.compile("dd|dt|li|optgroup|option|tbody|tfoot|thead|tr")
_ROWS = frozenset(("table", "tbody", "tfoot", "thead", "tr"))
_SKIPPED = frozenset(("script", "style", "template", "title"))
_SPACE = re.compile(r"([ \t\n\f\r]+)")  # a no-break space is none of these


class HTMLText(HTMLParser):
    """Feed it a page, close it; then `text`, `title` and `headings` are what the page holds."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.headings: list[tuple[int, int, str]] = []
        """(offset in `text`, level from 1 to 6, title), in order."""
        self._pieces: list[str] = []
        self._length = 0
        # What has to come before the next piece: line breaks, tabs, white space.
        self._breaks, self._tabs, self._space = 0, 0, ""
        self._row_start, self._cell_start, self._cells = -1, -1, 0  # the first two as _length
        self._skipping = ""  # the element whose content is no text
        self._titled = False
        self._pre = 0
        self._heading: tuple[int, int, int] | None = None  # level, offset, index of its first piece

    @property
    def text(self) -> str:
        """The text so far; a line break ends it if a block does."""
        return "".join(self._pieces) + ("\n" if self._pieces and self._breaks else "")

    def close(self) -> None:
        super().close()
        self._end_heading()
        self.title = " ".join(self.title.split())

    # --- What the parser meets. ---

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipping and tag != "body":  # there, a title that nothing ends is over
            return
        self._skipping = tag if tag in _SKIPPED else ""
        self._part(tag)
        if tag == "br":
            self._need(self._breaks + 1)
        elif tag == "pre":
            self._pre += 1
        elif tag == "tr":
            self._row_start, self._cells = self._length, 0
        elif tag in ("td", "th"):
            self._start_cell()
        elif re.fullmatch("h[1-6]", tag):
            self._heading = (int(tag[1]), -1, -1)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            if tag == self._skipping:
                self._titled = self._titled or tag == "title"
                self._skipping = ""
            return
        self._part(tag)
        if tag == "pre":
            self._pre = max(0, self._pre - 1)
        elif re.fullmatch("h[1-6]", tag):
            self._heading = None

    def handle_data(self, data: str) -> None:
        if self._skipping:
            # An image has titles too; the page's is the first.
            self.title += data if self._skipping == "title" and not self._titled else ""
        elif self._pre:
            self._write(data)
        else:
            for piece in _SPACE.split(data):
                if _SPACE.match(piece):
                    self._space += piece
                elif piece:
                    self._write(piece)

    # --- What becomes of it. ---

    def _part(self, tag: str) -> None:
        """The line breaks that go with the start or the end of an element."""
        if tag in _ROWS:
            if self._cell_start >= 0 and self._length > self._row_start:
                self._breaks = 0  # those of a paragraph in the last cell
            self._cell_start, self._tabs = -1, 0
        breaks = 2 if _BLOCK.fullmatch(tag) else 1 if _LINE.fullmatch(tag) else 0
        if breaks:
            self._end_heading()
            self._need(breaks)

    def _need(self, breaks: int) -> None:
        if self._length != self._cell_start:  # else a paragraph in a cell would leave its row
            self._breaks = max(self._breaks, breaks)
            self._space = ""

    def _start_cell(self) -> None:
        self._cells += 1
        if self._cells > 1:
            self._tabs += 1
            if self._length > self._row_start:  # the breaks are a paragraph's in the cell before
                self._breaks = 0
        self._cell_start = self._length

    def _write(self, piece: str) -> None:
        if self._pieces:
            if self._breaks:
                self._append("\n" * (self._breaks - self._pieces[-1].endswith("\n")))
            elif self._space and not self._tabs:
                joins = "\n" in self._space and _is_wide(self._pieces[-1][-1], piece[0])
                self._append("" if joins else " ")
        self._append("\t" * self._tabs)
        if self._heading and self._heading[1] < 0:
            self._heading = (self._heading[0], self._length, len(self._pieces))
        self._append(piece)
        self._breaks, self._tabs, self._space = 0, 0, ""

    def _append(self, piece: str) -> None:
        if piece:
            self._pieces.append(piece)
            self._length += len(piece)

    def _end_heading(self) -> None:
        """Enter the heading that was open, if it has text yet: it may start with another block."""
        if self._heading and self._heading[1] >= 0:
            level, offset, first = self._heading
            self.headings.append((offset, level, " ".join("".join(self._pieces[first:]).split())))
            self._heading = None


def _is_wide(*characters: str) -> bool:
    """Whether all are of a script that has no spaces between words (CSS: wide, not Hangul)."""
    return all(
        unicodedata.east_asian_width(c) in "WF" and not "\uac00" <= c <= "\ud7a3"
        for c in characters
    )

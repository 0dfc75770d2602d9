"""Where the headings of a Markdown text are. Its text is read as it stands.

Source: CommonMark 0.31 (spec.commonmark.org), sections 4.2, 4.3 and 4.5. Chapter 31 uses it.

Left out: headings within quotations and list items, and HTML within Markdown.
"""

import re

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)")
_CONTAINER = re.compile(r" {0,3}(?:>|(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$))")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})")
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?=[\w-]+[ \t]*:)(?:.*\n)*?---[ \t]*(?:\r?\n|$)")

Heading = tuple[int, int, str]


def markdown_headings(text: str) -> list[Heading]:
    """(offset of its line, level from 1 to 6, title) of each heading, in order.

    What looks like one in a block of code, or in the front matter at the start, is none.
    """
    headings: list[Heading] = []
    fence = ""  # what the open block of code started with
    paragraph = ""  # the lines above, if they are a paragraph: an underline makes it a heading
    inside = False  # a quotation or a list item, which ends with an empty line
    offset = front_matter_end(text)
    for line in re.findall(r"[^\n]*\n|[^\n]+", text[offset:]):
        plain = line.rstrip()
        mark = _FENCE.match(plain)
        above, paragraph = paragraph, ""
        if fence:
            if mark and mark[1].startswith(fence) and plain.strip() == mark[1]:
                fence = ""
        elif mark:
            fence, inside = mark[1], False
        elif heading := _hashed(plain):
            headings.append((offset, *heading))
            inside = False
        elif above and _UNDERLINE.fullmatch(plain):
            level = 1 if "=" in plain else 2
            headings.append((offset - len(above), level, " ".join(above.split())))
        elif not plain or _RULE.fullmatch(plain):
            inside = False
        elif _CONTAINER.match(plain):
            inside = True
        elif above or not (inside or line.startswith(("    ", "\t"))):  # else code, or goes on
            paragraph = above + line
        offset += len(line)
    return headings


def front_matter_end(text: str) -> int:
    """Where the front matter at the start of a text ends; 0 if it has none."""
    front = _FRONT_MATTER.match(text)
    return front.end() if front else 0


def _hashed(line: str) -> tuple[int, str] | None:
    """The level and the title of `## Title` or `## Title ##`; None if the line is no heading."""
    marks = line.lstrip(" ")
    rest = marks.lstrip("#")
    level = len(marks) - len(rest)
    if len(line) - len(marks) > 3 or not 1 <= level <= 6 or rest[:1].strip(" \t"):
        return None
    title = rest.strip()
    opened = title.rstrip("#")
    return level, opened.rstrip() if opened[-1:].strip(" \t") == "" else title

"""An encyclopedia as files: Markdown mostly, and on purpose a PDF, a web page and a plain text.

The Chinese plain text is in GB18030, as many Chinese files still are. The PDF is made by reportlab
(extra `test`); nothing else here needs more than the standard library.
"""

import html
import io
import textwrap

from .universe_facts import LANGS, Entry, Lang, World
from .universe_text import capital, render_entry

_SHARED = {"ship": "ships.pdf", "festival": "festivals.html", "dish": "cookery.txt"}
_TITLES = {
    "festivals.html": {"zh": "节日", "en": "Festivals"},
    "cookery.txt": {"zh": "饮食", "en": "Cookery"},
    "ships.pdf": {"zh": "船舶名录", "en": "Register of Ships"},
}
_WIDTH = {"zh": 34, "en": 82}  # characters in a line of the PDF
_NOT_FIRST = "，。！？；：、”’」』）》…"  # a Chinese line may not begin with these


def source_of(entry: Entry, lang: Lang) -> str:
    """The file that an entry is in: "zh/lumo.md"."""
    return f"{lang}/{_SHARED.get(entry.type, f'{entry.id}.md')}"


def is_article(entry: Entry) -> bool:
    """Whether it has a text; one without only holds questions."""
    return bool(entry.text.zh)


def wrapped(paragraph: str, lang: Lang) -> list[str]:
    """The lines of a paragraph as the PDF sets them."""
    width = _WIDTH[lang]
    if lang == "en":
        return textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False)
    lines: list[str] = []
    while paragraph:
        cut = width
        while cut < len(paragraph) and paragraph[cut] in _NOT_FIRST:
            cut += 1
        while cut < len(paragraph) and paragraph[cut - 1 : cut + 1].isascii() and cut > width - 8:
            cut -= 1  # do not cut a number
        lines.append(paragraph[:cut])
        paragraph = paragraph[cut:]
    return lines


def as_filed(world: World, entry: Entry, sentence: str, lang: Lang) -> str:
    """A sentence of an entry as its file has it: in the PDF, with the line breaks."""
    if not source_of(entry, lang).endswith(".pdf"):
        return sentence
    for paragraph in render_entry(world, entry, lang).text.split("\n\n"):
        start = paragraph.find(sentence)
        if start >= 0:
            lines, end = wrapped(paragraph, lang), start + len(sentence)
            if lang == "en":  # a break stands where a space stood
                return "\n".join(lines)[start:end]
            breaks = {sum(map(len, lines[:i])) for i in range(1, len(lines))}
            return "".join(
                ("\n" if i in breaks and i > start else "") + paragraph[i]
                for i in range(start, end)
            )
    raise ValueError(f"{entry.id}: its {lang} text lacks the sentence {sentence!r}")


def text_files(world: World) -> dict[str, bytes]:
    """Path -> content of every file of the encyclopedia but the PDFs."""
    found: dict[str, bytes] = {}
    for lang in LANGS:
        for source, entries in _by_source(world, lang).items():
            if source.endswith(".md"):
                found[source] = _markdown(world, entries[0], lang).encode()
            elif source.endswith(".html"):
                found[source] = _web_page(world, entries, lang).encode()
            elif source.endswith(".txt"):
                plain = _plain(world, entries, lang)
                found[source] = plain.encode("gb18030" if lang == "zh" else "utf-8")
    return found


def pdf_files(world: World) -> dict[str, bytes]:
    """Path -> content of the PDFs. ImportError without reportlab."""
    return {
        source: _pdf(world, entries, lang)
        for lang in LANGS
        for source, entries in _by_source(world, lang).items()
        if source.endswith(".pdf")
    }


def _by_source(world: World, lang: Lang) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in world.values():
        if is_article(entry):
            found.setdefault(source_of(entry, lang), []).append(entry)
    return found


def title(entry: Entry, lang: Lang) -> str:
    """The name as a heading."""
    return capital(getattr(entry.name, lang))


def _paragraphs(world: World, entry: Entry, lang: Lang) -> list[str]:
    return render_entry(world, entry, lang).text.split("\n\n")


def _markdown(world: World, entry: Entry, lang: Lang) -> str:
    return "\n\n".join([f"# {title(entry, lang)}", *_paragraphs(world, entry, lang)]) + "\n"


def _plain(world: World, entries: list[Entry], lang: Lang) -> str:
    parts = [_TITLES["cookery.txt"][lang]]
    for entry in entries:
        parts += [title(entry, lang), *_paragraphs(world, entry, lang)]
    return "\n\n".join(parts) + "\n"


def _web_page(world: World, entries: list[Entry], lang: Lang) -> str:
    heading = _TITLES["festivals.html"][lang]
    lines = [
        "<!DOCTYPE html>",
        f'<html lang="{lang}">',
        f'<head><meta charset="utf-8"><title>{heading}</title>',
        "<style>body { max-width: 40em; margin: auto; line-height: 1.6 }</style></head>",
        f"<body>\n<h1>{heading}</h1>",
    ]
    for entry in entries:
        lines.append(f'<h2 id="{entry.id}">{html.escape(title(entry, lang), quote=False)}</h2>')
        for paragraph in _paragraphs(world, entry, lang):
            lines.append(f"<p>{html.escape(paragraph, quote=False)}</p>")
    return "\n".join([*lines, "</body>\n</html>\n"])


def _pdf(world: World, entries: list[Entry], lang: Lang) -> bytes:
    """A page an entry. The same bytes each time: no date, no random identifier."""
    from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
    from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # type: ignore[import-untyped]
    from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

    font = "STSong-Light" if lang == "zh" else "Times-Roman"
    if lang == "zh":
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    data = io.BytesIO()
    page = Canvas(data, pagesize=A4, invariant=1, pageCompression=0)
    page.setTitle(_TITLES["ships.pdf"][lang])
    page.setAuthor("tiny_rag.universe")
    for entry in entries:
        lines = page.beginText(72, A4[1] - 90)
        lines.setFont(font, 18, 34)
        lines.textLine(title(entry, lang))
        for paragraph in _paragraphs(world, entry, lang):
            lines.setFont(font, 12, 19)
            for line in wrapped(paragraph, lang):
                lines.textLine(line)
            lines.moveCursor(0, 10)
        page.drawText(lines)
        page.showPage()
    page.save()
    return data.getvalue()

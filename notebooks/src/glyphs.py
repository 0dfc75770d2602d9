"""Which characters the book's figures can draw, and how a token is made visible.

Two fonts: DejaVu Sans, which matplotlib ships, and a Chinese subset in fonts/. matplotlib (3.6 and
later) takes each glyph from the first font of the list that has it.
"""

import logging
from pathlib import Path

_NO_NEWS = (
    "building the font cache",  # said once a machine, after 5 s
    "temporary cache directory",  # said where the home folder is read-only
    "font weight bold for Tiny Universe CJK",  # Chinese in a bold title is drawn regular
)


def _worth_saying(record: logging.LogRecord) -> bool:
    return not any(words in record.getMessage() for words in _NO_NEWS)


# Without these filters matplotlib says it on stderr. They must be there before font_manager is.
for _name in ("matplotlib", "matplotlib.font_manager"):
    logging.getLogger(_name).addFilter(_worth_saying)

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

FONT_FILE = Path(__file__).parent / "fonts" / "TinyUniverseCJK-Regular.otf"
SANS = ["DejaVu Sans", "Tiny Universe CJK"]
MONO = ["DejaVu Sans Mono", "Tiny Universe CJK"]

_VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥"}


def add_chinese_font() -> None:
    """Makes `Tiny Universe CJK` known to matplotlib; a second call does nothing."""
    if str(FONT_FILE) not in {font.fname for font in font_manager.fontManager.ttflist}:
        font_manager.fontManager.addfont(str(FONT_FILE))


def missing_glyphs(text: str) -> list[str]:
    """The characters of `text`, blanks aside, that neither font can draw."""
    fonts = _fonts()
    known = {c for c in text if c.isspace() or any(f.get_char_index(ord(c)) for f in fonts)}
    return sorted(set(text) - known)


def _fonts() -> list[FT2Font]:
    files = [font_manager.findfont("DejaVu Sans"), str(FONT_FILE)]
    return [font_manager.get_font(file) for file in files]


def visible(token: str) -> str:
    """The token as it can be seen: a space is ␣, a line's end ↵, a glyph we lack U+1F31F."""
    return "".join(_visible_character(char) for char in token)


def _visible_character(char: str) -> str:
    char = _VISIBLE.get(char, char)
    if char.isprintable() and not missing_glyphs(char):
        return char
    return f"U+{ord(char):04X}"


def label(token: str) -> str:
    r"""`visible`, for matplotlib: there a `$` begins a formula, `\$` does not."""
    return visible(token).replace("$", r"\$")

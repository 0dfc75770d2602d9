"""Makes TinyUniverseCJK-Regular.otf, the Chinese glyphs of the book's figures.

    pip install fonttools
    python notebooks/src/fonts/make_font.py NotoSansCJK-Regular.ttc

The input is the `Noto Sans CJK` collection (Debian package `fonts-noto-cjk`, version 2.004).
What is kept: the 6763 hanzi of GB 2312, CJK punctuation, full-width forms, circled numbers.
Latin, arrows and ticks come from DejaVu Sans, which matplotlib ships. What is dropped: layout
features, vertical metrics, hinting. The font is renamed, because its licence (OFL.txt) wants
modified versions to go under a name of their own. Takes 5 s.
"""

import argparse
import os
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

FAMILY = "Tiny Universe CJK"
POSTSCRIPT_NAME = "TinyUniverseCJK-Regular"
TARGET = Path(__file__).with_name(f"{POSTSCRIPT_NAME}.otf")
DROPPED_TABLES = ["BASE", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]


def gb2312() -> set[int]:
    """The code points of GB 2312: rows 1-9 are symbols, 16-87 the hanzi."""
    rows = [*range(0xA1, 0xAA), *range(0xB0, 0xF8)]
    pairs = (bytes((row, column)) for row in rows for column in range(0xA1, 0xFF))
    return {ord(char) for pair in pairs for char in pair.decode("gb2312", "ignore")}


def wanted() -> set[int]:
    """Everything the subset should hold, where the original has it."""
    punctuation = range(0x3000, 0x3040)
    full_width = range(0xFF01, 0xFFEF)
    circled = range(0x2460, 0x2474)
    return gb2312().union(punctuation, full_width, circled)


def simplified_chinese(collection: Path) -> TTFont:
    for font in TTCollection(collection).fonts:
        if font["name"].getDebugName(4) == "Noto Sans CJK SC":
            return font
    raise ValueError(f"{collection} holds no 'Noto Sans CJK SC': use NotoSansCJK-Regular.ttc")


def rename(font: TTFont) -> None:
    """Names the subset; keeps copyright (0), trademark (7), authors (9) and licence (13, 14)."""
    table = font["name"]
    table.names = [n for n in table.names if n.langID == 0x409 and n.nameID in {0, 5, 7, 9, 13, 14}]
    own = {1: FAMILY, 2: "Regular", 3: f"2.004;{POSTSCRIPT_NAME}", 4: FAMILY, 6: POSTSCRIPT_NAME}
    for name_id, text in own.items():
        table.setName(text, name_id, 3, 1, 0x409)
    cff = font["CFF "].cff
    cff.fontNames = [POSTSCRIPT_NAME]
    cff.topDictIndex[0].FullName = cff.topDictIndex[0].FamilyName = FAMILY


def make(collection: Path, target: Path = TARGET) -> Path:
    """Writes the subset of the collection's Simplified Chinese face to `target`."""
    font = simplified_chinese(collection)
    options = subset.Options(hinting=False, layout_features=[], name_IDs=["*"], notdef_outline=True)
    options.drop_tables += DROPPED_TABLES
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=wanted())
    subsetter.subset(font)
    rename(font)
    font.recalcTimestamp = False  # the same input gives the same bytes
    draft = target.with_suffix(".tmp")
    font.save(draft)
    os.replace(draft, target)
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Cut the book's Chinese font out of Noto Sans CJK."
    )
    parser.add_argument("collection", type=Path, help="NotoSansCJK-Regular.ttc")
    written = make(parser.parse_args().collection)
    print(f"{written.name}: {written.stat().st_size:,} bytes")

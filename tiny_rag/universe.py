"""The shipped sample corpus: an encyclopedia of a star system that does not exist.

Some sixty articles in Chinese and in English, written by hand over one fact table, and questions
with their answers and gold passages. As every fact is invented, no model can know one of them: what
it answers correctly it has read. Chapters 31, 32 and 33 measure on it.

    python -m tiny_rag.universe --check               is the encyclopedia as the table says?
    python -m tiny_rag.universe --write               write it again after a change of the table
    python -m tiny_rag.universe --write --seed 7 --out DIR    the same sentences of another world

The parts: `universe_facts` (the table and the seeds), `universe_text` (sentences),
`universe_files`, `universe_questions`, `universe_check`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .universe_check import check_world
from .universe_facts import LANGS, Lang, World, draw_world, table_folder
from .universe_files import pdf_files, text_files
from .universe_questions import as_jsonl, make_questions


def universe_folder() -> Path:
    """The folder of the shipped encyclopedia: zh/, en/, questions.jsonl, README.md, source/."""
    return table_folder().parent


def corpus_folders(lang: Lang | None = None) -> list[Path]:
    """What to index: the articles in Chinese, in English, or both; never the questions."""
    return [universe_folder() / name for name in LANGS if lang in (None, name)]


def questions_path() -> Path:
    """The questions about the shipped encyclopedia, JSONL."""
    return universe_folder() / "questions.jsonl"


def rendered(world: World) -> dict[str, bytes]:
    """Path -> content of all files that a world determines byte for byte: all but the PDFs."""
    questions = as_jsonl(make_questions(world)).encode()
    return text_files(world) | {"questions.jsonl": questions}


def stale_files(world: World, folder: Path) -> list[str]:
    """The paths in `folder` that are missing, differ from the world, or do not belong to it.

    PDFs are only looked for: their bytes change with reportlab's version.
    """
    wanted = rendered(world)
    pdfs = {f"{lang}/ships.pdf" for lang in LANGS}
    there = {
        path.relative_to(folder).as_posix()
        for lang in LANGS
        for path in (folder / lang).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    stale = (there - wanted.keys() - pdfs) | (pdfs - there)
    for name, content in wanted.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            stale.add(name)
    return sorted(stale)


def write_world(world: World, folder: Path) -> list[str]:
    """Write all files and return their paths, from `folder`. ImportError without reportlab."""
    contents = rendered(world) | pdf_files(world)
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    return sorted(contents)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 1 the encyclopedia is at odds with the table, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m tiny_rag.universe", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="compare files and table")
    what.add_argument("--write", action="store_true", help="write the files from the table")
    parser.add_argument("--seed", type=int, default=0, help="0 (default) is the shipped world")
    parser.add_argument("--out", type=Path, help="the folder; needed with a seed other than 0")
    options = parser.parse_args(arguments)
    if options.seed and options.out is None:
        parser.error(f"--seed {options.seed} would overwrite the shipped world: add --out DIR")
    folder = options.out or universe_folder()
    world = draw_world(options.seed)
    problems = check_world(world, by_chance=options.seed == 0)
    if options.write and not problems:
        names = write_world(world, folder)
        sys.stdout.write(f"{len(names)} files written to {folder}\n")
        return 0
    if options.check:
        stale = stale_files(world, folder)
        problems += [f"{name} is not as the table says: run --write" for name in stale]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems) or "all agrees\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

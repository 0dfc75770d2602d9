"""Builds the book: notebooks/src/NN_name.py -> notebooks/zh/NN_name.ipynb and notebooks/en/.

    python notebooks/build.py                bring every chapter up to date
    python notebooks/build.py 21 22          only these
    python notebooks/build.py --force 21     run it again though nothing has changed
    python notebooks/build.py --check        what is stale? (under a second, runs nothing)
    python notebooks/build.py --run          run every chapter, write nothing

How to write a chapter
----------------------
A chapter is a Python file of cells, `notebooks/src/21_tokens.py`:

    # %% [markdown] lang="zh"
    # # 词元
    #
    # 一个模型怎样读一句话？
    # %% [markdown] lang="en"
    # # Tokens
    #
    # How does a model read a sentence?
    # %%
    import sys

    sys.path[:0] = ["../..", "../src"]  # the five packages; figures.py
    import figures

    figures.use_style()
    # %%
    from qwen_blog.rope import apply_rotary_pos_emb
    ...

- **Prose** comes in twins: Chinese, directly followed by English. Twins have the same headings, the
  same formulas (words in \\text{...} may be translated) and as many fenced code blocks; a dollar is
  `\\$`. The first line of the chapter is its title, the only level-1 heading. Links are relative to
  notebooks/zh/ or en/: `[22](22_gqa.ipynb)`, `[rope.py](../../qwen_blog/rope.py)`. Wrap Chinese
  where you like: a line break between two Chinese characters is taken out, so that it shows no gap.
- **Code** is shared. At most 15 lines a cell (comments count, blank lines are free), plain Python:
  no `!`, no `%`. The first code cell is the one above: with it the chapter runs in Jupyter,
  installed or not. `import figures` precedes matplotlib, which else may talk on stderr about its
  font cache.
- **Outputs** must come out the same on each run and machine. Refused: stderr (so no warnings, no
  progress bars), errors, absolute paths, memory addresses, reprs of plotting objects (write
  `ax = figures.heatmap(...)`), widgets. Not seen by the builder, so yours to avoid: timings, and
  anything random without a seed. `--run` says where a second run printed something else.
- **Files** that a chapter makes go into a `tempfile.TemporaryDirectory()`; its folder stays clean.
- The kernel has one thread, no Hugging Face network, and none of your environment variables.

A chapter is stale when its code, figures.py, the font, or any file of a package that its code names
has changed: an edit in qwen_blog makes all of its chapters stale. So do new data files of a package
that a named one mentions: qwen_blog's weights, for tiny_rag's chapters. If only prose changed, the
build writes it around the outputs that are there and runs nothing. Exit status: 0 done or fresh,
1 failed or stale, 2 wrong usage.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from book import Book, State, state, write
from chapter import Chapter, Problem
from outputs import machine_roots, refusals, tidy

ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = 2
"""Chapters that run at a time."""


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; returns its exit status."""
    parser = argument_parser()
    args = parser.parse_args(argv)
    book = Book(root)
    names, unknown = select(book, args.chapters)
    if unknown:
        known = ", ".join(book.names()) or "none"
        parser.error(f"no chapter {', '.join(unknown)}; there are: {known}")
    chapters, problems = read_all(book, names)
    if args.check:
        return check(book, chapters, problems, whole_book=not args.chapters)
    if problems:  # all of them, before any work is done
        return report(problems)
    try:
        if args.run:
            return run_all(book, chapters)
        return build_all(book, chapters, force=args.force)
    except KeyboardInterrupt:
        say("interrupted; the chapters built so far are kept")
        return 1


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python notebooks/build.py",
        description="Builds notebooks/zh and notebooks/en from notebooks/src. What is fresh is "
        "left alone; where only prose changed, nothing is run.",
        epilog="Exit status: 0 done or fresh, 1 failed or stale, 2 wrong usage. How to write a "
        "chapter: see the beginning of notebooks/build.py.",
    )
    parser.add_argument(
        "chapters", nargs="*", metavar="CHAPTER", help="21 or 21_tokens; all if left out"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="say what is stale; run nothing")
    mode.add_argument("--run", action="store_true", help="run the chapters; write nothing")
    mode.add_argument("--force", action="store_true", help="run and write fresh chapters too")
    return parser


def select(book: Book, wanted: list[str]) -> tuple[list[str], list[str]]:
    """The chapters' names, in order, and what in `wanted` is none of them."""
    names = book.names()
    stems = {entry: Path(entry).stem for entry in wanted}
    found = {e: [n for n in names if n == stem or n[:2] == stem] for e, stem in stems.items()}
    chosen = {name for matches in found.values() for name in matches}
    return sorted(chosen if wanted else names), [e for e, matches in found.items() if not matches]


def read_all(book: Book, names: list[str]) -> tuple[list[Chapter], list[Problem]]:
    chapters, problems = [], []
    for name in names:
        chapter, found = book.read(name)
        chapters.append(chapter)
        problems += found
    return chapters, problems


def check(
    book: Book, chapters: list[Chapter], problems: list[Problem], whole_book: bool = True
) -> int:
    """Says what is stale, refused or left over, and what to do."""
    refused = {problem.file for problem in problems}
    stale = []
    for chapter in chapters:
        reasons = [] if chapter.file in refused else state(book, chapter).reasons
        if reasons:
            stale.append(chapter.name[:2])
            say(f"stale: {chapter.name}: {'; '.join(reasons)}", sys.stdout)
    orphans = book.orphans() if whole_book else []
    for path in orphans:
        say(f"orphan: {book.relative(path)} has no source: delete it", sys.stdout)
    for problem in problems:
        say(f"refused: {problem}", sys.stdout)
    if stale:
        say(f"to mend it: python notebooks/build.py {' '.join(stale)}", sys.stdout)
    if stale or orphans or problems:
        return 1
    say(f"all fresh: {len(chapters)} of {len(book.names())} chapters checked", sys.stdout)
    return 0


def build_all(book: Book, chapters: list[Chapter], force: bool) -> int:
    """Builds what is stale; goes on after a failed chapter, and lists all problems at the end."""
    problems: list[Problem] = []
    now = {c: State(["forced"], None) if force else state(book, c) for c in chapters}
    stale = [chapter for chapter in chapters if now[chapter].reasons]
    for chapter in stale:
        say(f"{chapter.name}: {'; '.join(now[chapter].reasons)}")
        if (kept := now[chapter].outputs) is not None:
            write(book, chapter, kept)
            say(f"{chapter.name}: prose rewritten")
    for chapter, done in run_many(book, [c for c in stale if now[c].outputs is None]):
        if not done.problems:
            write(book, chapter, done.outputs)
        problems += done.problems
        say(f"{chapter.name}: {'refused' if done.problems else 'built'} in {done.seconds:.1f} s")
    built = len(stale) - len({problem.file for problem in problems})
    say(f"{built} built, {len(chapters) - len(stale)} already fresh", sys.stdout)
    return report(problems)


def run_all(book: Book, chapters: list[Chapter]) -> int:
    """Runs the chapters without writing; where a built notebook printed something else, says so."""
    problems: list[Problem] = []
    for chapter, done in run_many(book, chapters):
        say(f"{chapter.name}: {'failed' if done.problems else 'ran'} in {done.seconds:.1f} s")
        held = state(book, chapter).outputs
        for cell, new, old in zip(chapter.code, done.outputs, held or [], strict=False):
            if not done.problems and new != old:
                say(f"{chapter.file}:{cell.line}: cell {cell.number}: other output than when built")
        problems += done.problems
    if not problems:
        say(f"all ran: {len(chapters)} of {len(book.names())} chapters", sys.stdout)
    return report(problems)


@dataclass(frozen=True)
class Done:
    """A chapter that has run."""

    outputs: list[list[dict]]
    """Of each code cell, tidied."""
    problems: list[Problem]
    seconds: float


def run_many(book: Book, chapters: list[Chapter]) -> Iterator[tuple[Chapter, Done]]:
    """Runs the chapters, two at a time: a kernel has one thread. Each comes when it is done."""
    if len(chapters) < 2:
        yield from ((chapter, run(book, chapter)) for chapter in chapters)
        return
    waiting, running = list(chapters), dict[Future[Done], Chapter]()
    with ProcessPoolExecutor(AT_ONCE) as pool:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:  # no more: Ctrl-C could not take them back
                chapter = waiting.pop(0)
                running[pool.submit(run, book, chapter)] = chapter
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


def run(book: Book, chapter: Chapter) -> Done:
    """Executes a chapter once; its tidied outputs, and what in them is refused."""
    begin = time.monotonic()
    try:
        from kernel import execute  # seconds of imports that --check does not need
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing.name} is not installed: pip install -e '.[notebooks]'")
    done = execute([cell.text for cell in chapter.code], book.notebooks)
    outputs = [tidy(raw, count) for count, raw in enumerate(done.outputs, start=1)]
    roots = machine_roots(book.root)
    problems = []
    for index, (cell, tidied) in enumerate(zip(chapter.code, outputs, strict=True)):
        where = (chapter.file, cell.line, cell.number)
        problems += [Problem(*where, *refused) for refused in refusals(tidied, roots)]
        if index == done.failed:
            problems.append(Problem(*where, "the cell failed", f"mend the code\n{done.error}"))
    if done.left_behind:
        files = ", ".join(done.left_behind)
        remedy = "write them in a tempfile.TemporaryDirectory()"
        problems.append(Problem(chapter.file, 1, 0, f"the chapter left {files} behind", remedy))
    return Done(outputs, problems, time.monotonic() - begin)


def report(problems: list[Problem]) -> int:
    for problem in sorted(problems, key=lambda problem: (problem.file, problem.line)):
        say(f"refused: {problem}")
    return 1 if problems else 0


def say(line: str, stream: TextIO | None = None) -> None:
    print(line, file=stream or sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""A parallel corpus: from a file of sentence pairs to examples that a model can be given.

Chapter 13. What turns examples into batches is in `batching.py`. Leaves out: cleaning by language
or by length ratio, and corpora larger than memory.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Literal, NamedTuple

from .batching import Example
from .tokenizer import Tokenizer

PathLike = str | os.PathLike[str]


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


class Problem(NamedTuple):
    """A line that is no pair, and why. Lines are counted from 1."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


def read_pairs(
    corpus: PathLike | tuple[PathLike, PathLike], on_error: Literal["skip", "raise"] = "skip"
) -> tuple[list[Pair], list[Problem]]:
    """Read a TSV file (source TAB target) or two files whose lines correspond.

    Files are UTF-8, with or without a byte order mark. A line ends with \\n or \\r\\n and nothing
    else: the many other characters at which `str.splitlines` cuts are text. Spaces are kept.
    returns the pairs in order, and the malformed lines: not UTF-8, not one tab, an empty side
    on_error: "raise" makes the first malformed line a ValueError
    ValueError too if two files differ in length, if no pair is left, or if more than half of the
    lines are not UTF-8, for then the encoding is another one.
    """
    if on_error not in ("skip", "raise"):
        raise ValueError(f"on_error={on_error!r} must be 'skip' or 'raise'")
    files = [Path(file) for file in (corpus if isinstance(corpus, tuple) else (corpus,))]
    if len(files) > 2:
        raise ValueError(f"corpus has {len(files)} files; give one TSV file, or (source, target)")
    names = " and ".join(map(str, files))
    pairs: list[Pair] = []
    problems: list[Problem] = []
    undecoded = 0
    for line, parsed in enumerate(_tsv(*files) if len(files) == 1 else _aligned(*files), start=1):
        if isinstance(parsed, Pair):
            pairs.append(parsed)
            continue
        problems.append(Problem(line, parsed))
        undecoded += parsed.startswith(_NOT_UTF8)
        if on_error == "raise":
            remedy = _CONVERT if undecoded else "mend the line, or skip such lines"
            raise ValueError(f"{names}, {problems[-1]}; {remedy}")
    total = len(pairs) + len(problems)
    if 2 * undecoded > total:
        raise ValueError(f"{names}: {undecoded} of {total} lines are {_NOT_UTF8}; {_CONVERT}")
    if not pairs:
        first = problems[0] if problems else "the file is empty"
        raise ValueError(f"{names} has no pair ({first}); a line is: source, a tab, target")
    return pairs, problems


def encode_pairs(
    pairs: Sequence[Pair], tokenizer: Tokenizer, max_length: int
) -> tuple[list[Example], list[int]]:
    """Pairs to ids, without those of which a side is longer than `max_length`.

    max_length: tokens of a side, with the one that the model sees besides: the source's eos, or
        the target's bos
    returns the examples in order, and the numbers (from 0) of the pairs left out as too long
    ValueError if none is left.
    """
    sources = tokenizer.encode_batch([pair.source for pair in pairs])
    targets = tokenizer.encode_batch([pair.target for pair in pairs])
    bos, eos = [tokenizer.bos_id], [tokenizer.eos_id]
    examples: list[Example] = []
    too_long: list[int] = []
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        if max(len(source), len(target)) + 1 > max_length:
            too_long.append(number)
        else:
            examples.append(Example(source + eos, bos + target + eos))
    if pairs and not examples:
        shortest = 1 + min(map(max, map(len, sources), map(len, targets)))
        raise ValueError(
            f"max_length={max_length} leaves none of {len(pairs)} pairs; "
            f"the shortest has {shortest} tokens"
        )
    return examples, too_long


_NOT_UTF8 = "not UTF-8"
_CONVERT = "if the text is GB18030 (or GBK), convert it: iconv -f GB18030 -t UTF-8 OLD > NEW"


def _tsv(file: Path) -> Iterator[Pair | str]:
    """For each line, its pair or what is wrong with it."""
    for line in _lines(file):
        text = _decoded(line)
        if text is None:
            yield _NOT_UTF8
        elif text.count("\t") != 1:
            yield f"{text.count(chr(9)) or 'no'} tabs instead of one"
        else:
            yield _pair(*text.split("\t"))


def _aligned(source_file: Path, target_file: Path) -> Iterator[Pair | str]:
    counts = [0, 0]
    for lines in zip_longest(_lines(source_file), _lines(target_file)):
        counts = [n + (line is not None) for n, line in zip(counts, lines, strict=True)]
        if None in lines:
            continue  # to count them all
        source, target = map(_decoded, lines)
        if source is None or target is None:
            yield f"{_NOT_UTF8} ({'source' if source is None else 'target'})"
        else:
            yield _pair(source, target)
    if counts[0] != counts[1]:
        raise ValueError(
            f"{source_file} has {counts[0]} lines and {target_file} has {counts[1]}; "
            "line n of one must translate line n of the other"
        )


def _pair(source: str, target: str) -> Pair | str:
    empty = [name for name, side in (("source", source), ("target", target)) if not side.strip()]
    return f"empty {' and '.join(empty)}" if empty else Pair(source, target)


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _lines(file: Path) -> Iterator[bytes]:
    """The lines without their ends, one at a time: a corpus may be large."""
    with file.open("rb") as stream:
        for number, line in enumerate(stream):  # a binary file cuts at \n only
            if number == 0:
                _refuse_utf16(line, file)
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield line[:-2] if line.endswith(b"\r\n") else line.removesuffix(b"\n")


def _refuse_utf16(start: bytes, file: Path) -> None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or start.count(0) * 4 > len(start):
        raise ValueError(f"{file} is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW")

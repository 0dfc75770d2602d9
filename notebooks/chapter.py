"""One chapter's source: how it is read, and what the book refuses in it.

The format is jupytext's py:percent, of which a chapter uses three cell headers:

    # %%                          code, shared by both languages
    # %% [markdown] lang="zh"     Chinese prose, every line a comment
    # %% [markdown] lang="en"     its English twin, directly after it

The reader is our own, 40 lines, because errors should name lines and jupytext keeps none; the tests
compare the two. See build.py for the rules in words.
"""

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

LANGUAGES = ("zh", "en")
MAX_CODE_LINES = 15
CODE, PROSE = "code", "prose"

_HEADERS = {"": (CODE, None)} | {f'[markdown] lang="{x}"': (PROSE, x) for x in LANGUAGES}
_HEADER_REMEDY = 'use `# %%` for code, `# %% [markdown] lang="zh"` or `lang="en"` for prose'
_FENCE = re.compile(r"^ *(`{3,}|~{3,})([^\n`]*)\n.*?^ *\1[ \t]*$", re.DOTALL | re.MULTILINE)
_CODE_SPAN = re.compile(r"(`+).+?\1", re.DOTALL)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) ", re.MULTILINE)
_CJK = re.compile(r"[\u4e00-\u9fff]")
_WIDE = re.compile(r"[\u3001-\u303f\u4e00-\u9fff\uff01-\uffee“”‘’—…]")


@dataclass(frozen=True, order=True)
class Problem:
    """Something refused: where it stands, what it is, and how to mend it."""

    file: str
    line: int
    cell: int
    what: str
    remedy: str

    def __str__(self) -> str:
        cell = f" cell {self.cell}:" if self.cell else ""
        return f"{self.file}:{self.line}:{cell} {self.what}: {self.remedy}"


@dataclass(frozen=True)
class Cell:
    """One cell; `number` counts from 1 in the source, `line` is its header's."""

    kind: str
    lang: str | None
    number: int
    line: int
    text: str


@dataclass(frozen=True)
class Chapter:
    """A chapter's cells as they stand in the source; `name` is the file's stem, `21_tokens`."""

    name: str
    file: str
    cells: tuple[Cell, ...]

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == CODE]

    def in_language(self, lang: str) -> list[tuple[str, Cell]]:
        """The (id, cell) pairs of one language. Twins share an id, and moving a cell keeps it."""
        seen: Counter[str] = Counter()
        chosen = []
        for cell, content in self._with_contents():
            key = hashlib.sha256(content.encode()).hexdigest()[:12]
            seen[key] += 1
            cell_id = key if seen[key] == 1 else f"{key}-{seen[key]}"
            chosen.append((cell_id, cell if cell.kind == CODE else self._twin(cell, lang)))
        return chosen

    def _with_contents(self) -> Iterator[tuple[Cell, str]]:
        for cell in self.cells:
            if cell.kind == CODE:
                yield cell, f"code\n{cell.text}"
            elif cell.lang == LANGUAGES[0]:
                twins = [self._twin(cell, lang).text for lang in LANGUAGES]
                yield cell, "prose\n" + "\n".join(twins)

    def _twin(self, cell: Cell, lang: str) -> Cell:
        return self.cells[cell.number - 1 + LANGUAGES.index(lang)]


def read(name: str, text: str, file: str) -> tuple[Chapter, list[Problem]]:
    """Reads a source; with any problem, the chapter is not fit to be built."""
    cells: list[Cell] = []
    problems = []
    before, blocks = _split(text)
    if before:
        what = "text before the first cell"
        problems.append(Problem(file, before, 0, what, "start the file with `# %%`"))
    for number, (line, header, body) in enumerate(blocks, start=1):
        if header not in _HEADERS:
            what = f"unknown cell header `# %% {header}`"
            problems.append(Problem(file, line, number, what, _HEADER_REMEDY))
        kind, lang = _HEADERS.get(header, (PROSE if "[" in header else CODE, None))
        cell_text, bad_line = _uncomment(body) if kind == PROSE else ("\n".join(body), 0)
        if bad_line:
            what, remedy = "prose that is not a comment", "begin the line with `# `"
            problems.append(Problem(file, line + bad_line, number, what, remedy))
        cell_text = cell_text.strip("\n").rstrip()
        cells.append(
            Cell(kind, lang, number, line, unwrap(cell_text) if lang == "zh" else cell_text)
        )
    chapter = Chapter(name, file, tuple(cells))
    return chapter, sorted(problems + refusals(chapter))


def _split(text: str) -> tuple[int, list[tuple[int, str, list[str]]]]:
    """The line of any text before the first cell (0: none); (line, header, body) of each cell."""
    blocks: list[tuple[int, str, list[str]]] = []
    text = re.sub(r"\A# ---\n(#.*\n)*?# ---\n", lambda m: "\n" * m[0].count("\n"), text)
    before = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if marker := re.match(r"# ?%%(?:\s+(.*?))?\s*$", line):
            blocks.append((number, marker[1] or "", []))
        elif blocks:
            blocks[-1][2].append(line)
        elif line.strip():
            before = before or number
    return before, blocks


def _uncomment(lines: list[str]) -> tuple[str, int]:
    """The text of a prose cell, and the first line (from 1; 0: none) that is not a comment."""
    bad = [n for n, x in enumerate(lines, start=1) if x.strip() and x != "#" and x[:2] != "# "]
    return "\n".join(line[2:] for line in lines), (bad or [0])[0]


def unwrap(prose: str) -> str:
    """Takes out line breaks between two Chinese characters: Markdown would show them as spaces."""
    joined: list[str] = []
    fenced = False
    for line in prose.split("\n"):
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        before = joined[-1] if joined else ""
        plain = not fenced and not before.startswith(("#", "|"))
        if plain and _WIDE.search(before[-1:]) and _WIDE.match(line.lstrip()):
            joined[-1] += line.lstrip()
        else:
            joined.append(line)
    return "\n".join(joined)


def refusals(chapter: Chapter) -> list[Problem]:
    """Every problem in the cells, in no order."""
    found = list(_structure(chapter))
    for cell in chapter.cells:
        where = (chapter.file, cell.line, cell.number)
        if not cell.text:
            found.append(Problem(*where, "an empty cell", "fill it or delete it"))
        elif cell.kind == CODE:
            found += [Problem(chapter.file, *p) for p in _code_problems(cell)]
        else:
            found += [Problem(*where, *p) for p in _prose_problems(cell)]
    for zh, en in twins(chapter):
        where = (chapter.file, zh.line, zh.number)
        found += [Problem(*where, *p) for p in _twin_problems(zh.text, en.text)]
    return found


def twins(chapter: Chapter) -> Iterator[tuple[Cell, Cell]]:
    for first, second in zip(chapter.cells, chapter.cells[1:], strict=False):
        if (first.lang, second.lang) == LANGUAGES:
            yield first, second


def _structure(chapter: Chapter) -> Iterator[Problem]:
    paired = {cell.number for pair in twins(chapter) for cell in pair}
    first = chapter.cells[0] if chapter.cells else Cell(PROSE, None, 1, 1, "")
    if not (first.kind == PROSE and first.text.startswith("# ")):
        what, remedy = "no title", "start the chapter with prose whose first line is `# # Title`"
        yield Problem(chapter.file, first.line, first.number, what, remedy)
    for cell in chapter.cells:
        where = (chapter.file, cell.line, cell.number)
        if cell.kind == PROSE and cell.number not in paired:
            said = f'lang="{cell.lang}" without its twin' if cell.lang else "without a language"
            remedy = "write it as a zh cell directly followed by its en cell"
            yield Problem(*where, f"prose {said}", remedy)
        titles = headings(cell.text).count(1) if cell.kind == PROSE else 0
        allowed = 1 if cell.number <= len(LANGUAGES) else 0
        if titles > allowed:
            yield Problem(*where, "a second level-1 heading", "only the title is one: use `##`")


def _code_problems(cell: Cell) -> Iterator[tuple[int, int, str, str]]:
    lines = cell.text.split("\n")
    offset = cell.line + 1
    length = sum(bool(line.strip()) for line in lines)
    if length > MAX_CODE_LINES:
        what = f"{length} lines of code, more than {MAX_CODE_LINES}"
        yield cell.line, cell.number, what, "split the cell, or move code into the package"
    error = _syntax_error(cell.text)
    magics = [n for n, line in enumerate(lines) if _is_magic(line, broken=error is not None)]
    for n in magics:
        what = f"a shell or magic line `{lines[n].strip()}`"
        yield offset + n, cell.number, what, "say it in plain Python, so that it runs anywhere"
    if error and not magics:
        line = cell.line + (error.lineno or 1)
        yield line, cell.number, f"not Python ({error.msg})", "mend the syntax"


def _syntax_error(code: str) -> SyntaxError | None:
    try:  # a notebook cell may `await` at its top level
        compile(code, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        return error
    return None


def _is_magic(line: str, broken: bool) -> bool:
    """In code that parses, a line may begin with % (modulo); jupytext would run a commented one."""
    if re.match(r"\s*# ?(!|%%?[a-z])", line) or "get_ipython(" in line:
        return True
    return broken and bool(re.match(r"\s*([!%?]|[\w.]+\?\??\s*$)", line))


def _prose_problems(cell: Cell) -> Iterator[tuple[str, str]]:
    rest = _FORMULA.sub("", _without_code(cell.text))
    if "$" in rest.replace(r"\$", ""):
        yield "a `$` that closes no formula", r"close the formula, or write a dollar as `\$`"
    if re.search(r"^ *(```|~~~)", _FENCE.sub("", cell.text), re.MULTILINE):
        yield "a code fence that is not closed", "end it with the fence it began with"


def _twin_problems(zh: str, en: str) -> Iterator[tuple[str, str]]:
    remedy = "say the same in both twins"
    if headings(zh) != headings(en):
        yield f"headings differ: zh has levels {headings(zh)}, en {headings(en)}", remedy
    if len(fences(zh)) != len(fences(en)) or Counter(fences(zh)) != Counter(fences(en)):
        yield f"code blocks differ: zh has {len(fences(zh))}, en {len(fences(en))}", remedy
    only = [Counter(formulas(a)) - Counter(formulas(b)) for a, b in ((zh, en), (en, zh))]
    for lang, extra in zip(LANGUAGES, only, strict=True):
        if extra:
            listed = ", ".join(f"${formula}$" for formula in sorted(extra.elements()))
            yield f"formulas differ: only in {lang}: {listed}", remedy
    if len(_CJK.findall(zh)) < len(_CJK.findall(en)):
        yield "the twins look swapped: en holds more Chinese than zh", "exchange their texts"


def headings(prose: str) -> list[int]:
    """Levels of the headings, in order."""
    return [len(marks) for marks in _HEADING.findall(_FENCE.sub("", prose))]


def fences(prose: str) -> list[str]:
    """The language tag of each fenced code block; comments within may be translated."""
    return [tag.strip() for _, tag in _FENCE.findall(prose)]


def formulas(prose: str) -> list[str]:
    r"""Each formula without its spaces; words in \text{...} may be translated."""
    found = [a or b for a, b in _FORMULA.findall(_without_code(prose))]
    return [re.sub(r"\\text\{[^}]*\}", r"\\text{}", "".join(x.split())) for x in found]


def _without_code(prose: str) -> str:
    return _CODE_SPAN.sub("", _FENCE.sub("", prose)).replace(r"\$", "")

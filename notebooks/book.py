"""The book on disk: which chapters there are, what each depends on, whether it is up to date.

A built notebook says in its metadata what it was made from: a hash of its code, of figures.py with
the font, of each package its code names, and of its outputs. So staleness is found without running
or importing anything: the notebook is put together anew from the source and the outputs it holds,
and must come out byte for byte the same.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from chapter import CODE, LANGUAGES, Chapter, Problem, read

FORMAT = "1"  # raise it when the same source would come out as another notebook
_KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


@dataclass
class Book:
    """The folders of one repository. Hashes are kept, so make a new Book after files change."""

    root: Path
    _digests: dict[str, str] = field(default_factory=dict)
    _mentions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def source_folder(self) -> Path:
        return self.notebooks / "src"

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.source_folder.glob("[0-9][0-9]_*.py"))

    def source(self, name: str) -> Path:
        return self.source_folder / f"{name}.py"

    def target(self, name: str, lang: str) -> Path:
        return self.notebooks / lang / f"{name}.ipynb"

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def read(self, name: str) -> tuple[Chapter, list[Problem]]:
        path = self.source(name)
        return read(name, path.read_text(encoding="utf-8"), self.relative(path))

    def orphans(self) -> list[Path]:
        """Notebooks in zh/ and en/ that no source makes."""
        wanted = {self.target(name, lang) for name in self.names() for lang in LANGUAGES}
        found = {p for lang in LANGUAGES for p in (self.notebooks / lang).glob("*.ipynb")}
        return sorted(found - wanted)

    def inputs(self, chapter: Chapter) -> dict[str, str]:
        """What the outputs depend on, each with its hash.

        A package counts when the code names it, be it in an import or in a command; figures.py
        counts with the modules beside it and the font.
        Packages find the default model as a file of another package, without importing it: the data
        files of every package that a used one mentions count too; and what checks readers' code.
        """
        code = "\n# %%\n".join(cell.text for cell in chapter.code)
        hashes = {"format": FORMAT, "code": _hash([code.encode()])}
        if _named(code, "figures"):
            helpers = set(self.source_folder.glob("*.py")) - {self.source(n) for n in self.names()}
            files = sorted([*helpers, *self.source_folder.glob("fonts/*.otf")])
            hashes["figures"] = self._digest("figures", files)
        if "tests.exercise" in code:  # not the tests themselves: too much would be stale too often
            files = sorted((self.root / "tests" / "exercise").glob("*.py"))
            hashes["tests.exercise"] = self._digest("tests.exercise", files)
        for name in self.packages():
            if _named(code, name):
                hashes[name] = self._digest(name, _package_files(self.root / name))
                for other in self._mentioned_by(name):
                    data = [p for p in _package_files(self.root / other) if p.suffix != ".py"]
                    hashes[f"{other} data"] = self._digest(f"{other} data", data)
        return dict(sorted(hashes.items()))

    def packages(self) -> list[str]:
        return sorted({path.parent.name for path in self.root.glob("*/__init__.py")} - {"tests"})

    def _mentioned_by(self, package: str) -> list[str]:
        if package not in self._mentions:
            modules = [p for p in _package_files(self.root / package) if p.suffix == ".py"]
            text = "\n".join(path.read_text(encoding="utf-8") for path in modules)
            others = [name for name in self.packages() if name != package]
            self._mentions[package] = [name for name in others if _named(text, name)]
        return self._mentions[package]

    def _digest(self, label: str, files: Iterable[Path]) -> str:
        if label not in self._digests:
            self._digests[label] = _hash(
                part for path in files for part in (self.relative(path).encode(), _content(path))
            )
        return self._digests[label]


def _named(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _package_files(folder: Path) -> list[Path]:
    """Modules, weights and data; no caches, hidden files or READMEs."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        found += [Path(parent, name) for name in files if not name.startswith((".", "README"))]
    return sorted(found)


def _content(path: Path) -> bytes:
    """The file's bytes; in text, git may have changed the line endings."""
    data = path.read_bytes()
    return data if b"\0" in data[:8192] else data.replace(b"\r\n", b"\n")


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def hash_outputs(outputs: list[list[dict]]) -> str:
    return _hash([json.dumps(outputs, sort_keys=True).encode()])


def render(chapter: Chapter, lang: str, outputs: list[list[dict]], inputs: dict[str, str]) -> str:
    """The text of one .ipynb; the same arguments give the same bytes."""
    remaining = iter(outputs)
    cells: list[dict] = []
    count = 0
    for cell_id, cell in chapter.in_language(lang):
        source = cell.text.splitlines(keepends=True)
        made: dict[str, object] = {"id": cell_id, "metadata": {}, "source": source}
        if cell.kind == CODE:
            count += 1
            code = {"cell_type": "code", "execution_count": count, "outputs": next(remaining)}
            cells.append(made | code)
        else:
            cells.append(made | {"cell_type": "markdown"})
    stamp = {"chapter": chapter.name, "inputs": inputs, "outputs": hash_outputs(outputs)}
    metadata = _KERNEL | {"tiny_universe": stamp}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return dumps(notebook)


def dumps(notebook: dict) -> str:
    """nbformat's own form, so that Jupyter would save the same bytes."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class State:
    """Why a chapter is stale, in words (empty: it is fresh); its outputs while they still hold."""

    reasons: list[str]
    outputs: list[list[dict]] | None


def state(book: Book, chapter: Chapter) -> State:
    """Compares the two notebooks on disk with what the source would give now."""
    inputs = book.inputs(chapter)
    reasons: list[str] = []
    valid: list[list[list[dict]]] = []
    for lang in LANGUAGES:
        target = book.target(chapter.name, lang)
        where = book.relative(target)
        if not target.exists():
            reasons.append(f"{where} is missing")
            continue
        text = target.read_text(encoding="utf-8")
        stamp, held = _held(text)
        if stamp is None:
            reasons.append(f"{where} was not built by build.py")
        elif changed := _changed(stamp["inputs"], inputs):
            reasons.append(f"{', '.join(changed)} changed")
        elif hash_outputs(held) != stamp["outputs"]:
            reasons.append(f"{where}: its outputs were edited")
        else:
            valid.append(held)
            if render(chapter, lang, held, inputs) != text:
                reasons.append(f"{where} differs from its source: was one edited?")
    if len(valid) == 2 and valid[0] != valid[1]:
        return State([*reasons, "the two notebooks hold different outputs"], None)
    return State(list(dict.fromkeys(reasons)), valid[0] if valid else None)


def _held(text: str) -> tuple[dict | None, list[list[dict]]]:
    """The stamp (None: there is none) and the outputs in a notebook's text."""
    try:
        notebook = json.loads(text)
        stamp = notebook["metadata"]["tiny_universe"]
        held = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == CODE]
        return (stamp if {"inputs", "outputs"} <= stamp.keys() else None), held
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, []


def _changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))


def write(book: Book, chapter: Chapter, outputs: list[list[dict]]) -> None:
    """Writes both notebooks under temporary names, then renames: a stop leaves the old ones."""
    inputs = book.inputs(chapter)
    drafts = {}
    for lang in LANGUAGES:
        target = book.target(chapter.name, lang)
        target.parent.mkdir(parents=True, exist_ok=True)
        drafts[target] = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        text = render(chapter, lang, outputs, inputs)
        drafts[target].write_text(text, encoding="utf-8", newline="\n")
    for target, draft in drafts.items():
        os.replace(draft, target)

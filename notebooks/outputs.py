"""A cell's outputs: put into one canonical form, and refused if they would not be so anywhere.

Canonical means: the same code gives the same bytes on every rebuild. Streams are merged (when they
are flushed is chance), pictures lose their metadata (it names matplotlib's version) and most of
their bytes, and whatever belongs to one machine or one run is refused: stderr, errors, absolute
paths, memory addresses, widgets.
"""

import base64
import io
import os
import re
import site
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Output = dict[str, Any]  # an output as JSON

ALLOWED_TYPES = {"text/plain", "text/markdown", "text/latex", "text/html", "image/png"}
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}|\b0x[0-9a-fA-F]{9,}")
_PLOT_REPR = re.compile(r"\[?<(matplotlib|Axes|Figure size|BarContainer|ErrorbarContainer)|Text\(")
# A path begins after none of these, so that `n/a`, `./tmp/x` and `http://host/tmp/x` are none;
# a backslash and n before it are a line's end in a repr.
_START = r"(?:(?<![A-Za-z0-9_.~/-])|(?<=\\[nrt]))"
_COMMON_ROOTS = (
    r"(?:home|Users|root|tmp|opt|mnt|media|srv|work|workspace|private|nix"
    r"|var/(?:folders|tmp|lib|log)|usr/(?:lib|local|bin|share))"
)
_PATHS = [
    re.compile(_START + f"/{_COMMON_ROOTS}" + r"/[^\s\"'<>)\]]+"),
    re.compile(r"(?<![A-Za-z])[A-Za-z]:[\\/]+(?:Users|Windows|Program|Temp|Documents)\b\S*", re.I),
    re.compile(r"\bfile://\S*"),
]


def tidy(outputs: Iterable[dict], count: int) -> list[Output]:
    """One code cell's outputs in the form in which a notebook file holds them."""
    done: list[Output] = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            _add_stream(done, output["name"], output["text"])
        elif kind in ("display_data", "execute_result"):
            done.append(_rich(output, count if kind == "execute_result" else None))
        else:
            done.append(dict(output))
    return done


def _add_stream(done: list[Output], name: str, text: str) -> None:
    last = done[-1] if done else {}
    if last.get("output_type") == "stream" and last["name"] == name:
        text = "".join(last["text"]) + text
        done.pop()
    done.append({"name": name, "output_type": "stream", "text": text.splitlines(keepends=True)})


def _rich(output: dict, count: int | None) -> Output:
    data: dict[str, Any] = {}
    for kind, value in output["data"].items():
        if kind == "image/png":
            value = base64.b64encode(small_png(base64.b64decode(value))).decode()
        data[kind] = value.splitlines(keepends=True) if kind.startswith("text/") else value
    if "image/png" in data:
        data.pop("text/plain", None)  # <Figure size 640x480 ...>: the picture says more
    size = {k: v for k, v in output["metadata"].items() if k == "image/png"}
    tidied: Output = {"data": data, "metadata": size, "output_type": output["output_type"]}
    return tidied if count is None else tidied | {"execution_count": count}


def small_png(png: bytes) -> bytes:
    """The picture without metadata, in 256 colours: a third of the bytes, and nobody sees it.

    No channel of a pixel moves by more than about 5 of 255. A see-through ground becomes white.
    """
    from PIL import Image  # comes with matplotlib; --check does without

    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    flat = Image.alpha_composite(white, picture).convert("RGB")
    few = flat.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def refusals(outputs: Iterable[Output], roots: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(what, remedy) for everything in tidied outputs that a rebuild elsewhere would not repeat."""
    for output in outputs:
        text = "\n".join(_texts(output))
        if output["output_type"] == "error":
            yield f"{output['ename']}: {output['evalue']}", "mend the code; chapters show no errors"
            continue
        if output.get("name") == "stderr":
            remedy = "mend the cause; switch progress bars off"
            yield f"output on stderr, `{_first_line(text)}`", remedy
        for kind in sorted(set(output.get("data", {})) - ALLOWED_TYPES):
            yield f"an output of type {kind}", "show text or a picture, which every viewer can"
        for path in sorted(set(absolute_paths(text, roots))):
            yield f"an absolute path in the output, `{path}`", "print a relative path, or its .name"
        if address := _ADDRESS.search(text):
            what = f"a memory address in the output, `{address[0]}`"
            yield what, "it changes with each run: print something else"
        elif output["output_type"] == "execute_result" and _PLOT_REPR.match(text):
            what = f"a plotting object's repr, `{_first_line(text)}`"
            yield what, "assign the last line's value to a name"


def _texts(output: Output) -> Iterator[str]:
    if output["output_type"] == "stream":
        yield _ANSI.sub("", "".join(output["text"]))
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/"):
            yield _ANSI.sub("", "".join(value))


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0][:100]


def absolute_paths(text: str, roots: Iterable[str]) -> Iterator[str]:
    """Paths under one of this machine's own `roots`, or under a root that many machines have."""
    for root in roots:
        own = re.compile(_START + re.escape(root) + r"(?![A-Za-z0-9_.-])[^\s\"'<>)\]]*")
        doubled = text.replace("\\\\", "\\")  # a repr doubles the backslashes of Windows
        yield from (match[0] for match in own.finditer(doubled))
    for pattern in _PATHS:
        yield from (match[0] for match in pattern.finditer(text))


def machine_roots(*more: Path) -> list[str]:
    """The folders that tell this machine from others: home, Python, packages, temporary files."""
    places = [*more, Path.home(), sys.prefix, sys.base_prefix, tempfile.gettempdir()]
    places += site.getsitepackages()
    both = {str(spelt) for place in places for spelt in (place, os.path.realpath(place))}
    return sorted(place for place in both if len(Path(place).parts) > 1)

"""A cell's outputs: one canonical form, and what is refused in it."""

import io
import sys
import tempfile
from pathlib import Path

import outputs
import pytest

from tests.notebooks import NOTEBOOKS


def stream(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def result(text: str) -> dict:
    data = {"text/plain": text}
    return {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 9}


def refused(*raw: dict, roots: tuple[str, ...] = ()) -> list[str]:
    return [what for what, _ in outputs.refusals(outputs.tidy(raw, 1), roots)]


@pytest.mark.parametrize(
    "text",
    [
        "saved in /home/ann/model",
        "['/Users/ann/x.py']",
        "/tmp/abc",
        "path=/root/x",
        "位于/opt/conda/lib",
        r"'a line\n/home/ann/model'",
        "\x1b[32m/home/ann\x1b[0m/x",
        "file:///etc/hosts",
        r"C:\Users\ann\model",
        r"'C:\\Users\\ann'",
        "C:/Users/ann",
        "(/usr/lib/python3/x.py:12)",
        "/var/folders/x1/y",
    ],
)
def test_absolute_paths_are_refused(text: str) -> None:
    assert any("absolute path" in what for what in refused(stream(text)))


@pytest.mark.parametrize(
    "text",
    [
        "n/a 1/2 and/or 3 / 4",
        "POST /v1/chat/completions",
        "http://localhost:8000/v1/tmp/x",
        "./tmp/x ../home/y notebooks/home/z ~/x",
        r"$f:\mathbb{R}$ x:\alpha",
        "<think></think> </s>",
        "ratio a:b 12:30",
        "{'home': 1} /homework /temporary",
    ],
)
def test_what_only_looks_like_an_absolute_path_is_not_refused(text: str) -> None:
    assert refused(stream(text), roots=tuple(outputs.machine_roots(NOTEBOOKS.parent))) == []


def test_this_machines_own_folders_are_refused_wherever_they_are() -> None:
    roots = ("/Volumes/disk/book", r"D:\book")
    assert refused(stream("in /Volumes/disk/book/x.py"), roots=roots)
    assert refused(stream("in /Volumes/disk/book"), roots=roots)
    assert refused(result(r"'D:\\book\\x'"), roots=roots)
    assert not refused(stream("in /Volumes/disk/bookshop"), roots=roots)
    known = outputs.machine_roots(NOTEBOOKS)
    for place in (NOTEBOOKS, Path.home(), sys.prefix, tempfile.gettempdir()):
        assert str(place) in known or len(Path(place).parts) == 1


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (stream("Warning: x\n", "stderr"), "output on stderr, `Warning: x`"),
        (result("<object at 0x7f3b2c1d0a90>"), "a memory address"),
        (stream("id 0x7ffee4c0a1b0"), "a memory address"),
        (result("[<matplotlib.lines.Line2D object>]"), "a plotting object's repr"),
        (result("Text(0.5, 1.0, 'x')"), "a plotting object's repr"),
        (result("<Axes: title={'left': 'x'}>"), "a plotting object's repr"),
        (
            {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": []},
            "KeyError: 'x'",
        ),
        (
            {
                "output_type": "display_data",
                "data": {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}},
                "metadata": {},
            },
            "an output of type application/vnd.jupyter.widget-view+json",
        ),
    ],
)
def test_refused_in_an_output(output: dict, said: str) -> None:
    assert any(said in what for what in refused(output))


def test_numbers_in_hexadecimal_are_not_taken_for_addresses() -> None:
    assert refused(stream("0xFF 0x1F600 0xdeadbeef")) == []


def test_when_a_stream_is_flushed_makes_no_difference() -> None:
    whole = outputs.tidy([stream("a\nb\n"), result("1")], 3)
    pieces = outputs.tidy([stream("a"), stream("\n"), stream("b\n"), result("1")], 3)
    assert whole == pieces
    assert whole[0]["text"] == ["a\n", "b\n"]
    assert whole[1]["execution_count"] == 3
    apart = outputs.tidy([stream("a\n"), stream("b\n", "stderr"), stream("c\n")], 1)
    assert [output["text"] for output in apart] == [["a\n"], ["b\n"], ["c\n"]]


def test_pictures_lose_metadata_and_bytes_but_not_their_looks() -> None:
    np = pytest.importorskip("numpy")
    from PIL import Image, PngImagePlugin

    shade = np.linspace(0, 255, 300).astype("uint8")
    pixels = np.stack([np.tile(shade, (80, 1)), np.full((80, 300), 90), np.full((80, 300), 200)])
    picture = Image.fromarray(pixels.transpose(1, 2, 0).astype("uint8"))
    versions = []
    for software in ("Matplotlib 3.8", "Matplotlib 3.11"):
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", software)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", pnginfo=info)
        versions.append(outputs.small_png(buffer.getvalue()))
    assert versions[0] == versions[1]
    assert b"Matplotlib" not in versions[0]
    seen = np.asarray(Image.open(io.BytesIO(versions[0])).convert("RGB")).astype(int)
    assert abs(seen - np.asarray(picture)).max() <= 6
    clear = io.BytesIO()
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(clear, "PNG")
    white = Image.open(io.BytesIO(outputs.small_png(clear.getvalue()))).convert("RGB")
    assert white.getpixel((4, 4)) == (255, 255, 255)

"""The book: what a build writes, what --check notices, what the command says."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import book
import build
import kernel
import nbformat
import pytest
from chapter import read

from tests.notebooks import NOTEBOOKS
from tests.notebooks.sample import SAMPLE, TITLE, twins


@pytest.fixture
def empty_book(tmp_path: Path) -> Path:
    """A repository with the book's helpers and one small package, without chapters."""
    source = tmp_path / "notebooks" / "src"
    source.mkdir(parents=True)
    for name in ("figures.py", "glyphs.py"):
        shutil.copy(NOTEBOOKS / "src" / name, source)
    shutil.copytree(NOTEBOOKS / "src" / "fonts", source / "fonts")
    package = tmp_path / "tiny_sample"
    package.mkdir()
    (package / "__init__.py").write_text("ANSWER = 42\n")
    (package / "weights.bin").write_bytes(b"\0\1")
    return tmp_path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample chapter, built once; tests that change anything take `copy`."""
    root = empty_book.__wrapped__(tmp_path_factory.mktemp("built"))
    (root / "notebooks/src/21_sample.py").write_text(SAMPLE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_MODEL", "the author's own")
        assert build.main([], root) == 0
    return root


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "copy"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"the test's own mistake: {old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def notebook_bytes(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / "notebooks").glob("*/*.ipynb"))
    }


# --- what a build writes --------------------------------------------------------------------


def cells_of(root: Path, lang: str) -> list[dict]:
    path = root / "notebooks" / lang / "21_sample.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_both_languages_share_code_outputs_and_ids(built: Path) -> None:
    zh, en = cells_of(built, "zh"), cells_of(built, "en")
    assert [c for c in zh if c["cell_type"] == "code"] == [
        c for c in en if c["cell_type"] == "code"
    ]
    assert [c["id"] for c in zh] == [c["id"] for c in en]
    assert zh[0]["source"] == ["# 题目"]
    assert en[0]["source"] == ["# Title"]
    assert [c["execution_count"] for c in zh if c["cell_type"] == "code"] == [1, 2, 3]


def test_the_code_runs_as_for_any_reader(built: Path) -> None:
    """Without the author's variables, with one thread, in a hash order that stays."""
    shown = cells_of(built, "en")[2]["outputs"]
    assert shown[0]["text"][:2] == ["first\n", "42 None 1\n"]


def test_a_picture_is_small_and_shown_at_half_its_pixels(built: Path) -> None:
    (output,) = cells_of(built, "en")[4]["outputs"]
    png = base64.b64decode(output["data"]["image/png"])
    width_px = int.from_bytes(png[16:20], "big")
    assert abs(output["metadata"]["image/png"]["width"] * 2 - width_px) <= 1
    assert len(png) < 60_000
    assert b"tEXt" not in png


def test_a_built_notebook_is_valid_and_in_nbformats_own_form(built: Path) -> None:
    for name, data in notebook_bytes(built).items():
        notebook = nbformat.reads(data.decode(), as_version=4)
        nbformat.validate(notebook)
        assert nbformat.writes(notebook) + "\n" == data.decode(), name
        assert "version" not in notebook.metadata.language_info  # of Python: it would go stale


def test_a_rebuild_is_byte_identical(built: Path, copy: Path) -> None:
    assert build.main(["--force"], copy) == 0
    assert notebook_bytes(copy) == notebook_bytes(built)
    assert len(notebook_bytes(built)) == 2
    assert sorted(p.name for p in (copy / "notebooks").iterdir()) == ["en", "src", "zh"]


def test_ids_do_not_depend_on_the_place_and_are_unique() -> None:
    def ids(text: str) -> list[str]:
        return [cell_id for cell_id, _ in read("21_a", text, "21_a.py")[0].in_language("zh")]

    once = ids(TITLE + "# %%\nx = 1\n")
    moved = ids(TITLE + twins("新", "New") + "# %%\nx = 1\n# %%\nx = 1\n")
    assert moved[0] == once[0]
    assert moved[2] == once[1]
    assert len(set(moved)) == 4


def test_when_only_prose_changed_nothing_is_run(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(copy / "notebooks/src/21_sample.py", "A picture", "Another picture")
    monkeypatch.setattr(kernel, "execute", lambda *_: pytest.fail("code was run"))
    assert build.main([], copy) == 0
    assert "Another picture" in cells_of(copy, "en")[3]["source"][0]
    assert build.main(["--check"], copy) == 0


def test_everything_refused_in_the_outputs_is_listed_at_once_and_nothing_is_written(
    empty_book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [
        'import os\nprint(os.getcwd())\nopen("left.txt", "w").close()\n',
        "import warnings\nwarnings.warn('old')\n",
        "object()\n",
        "1 / 0\n",
        "print('never')\n",
    ]
    text = TITLE + "".join(f"# %%\n{cell}" for cell in cells)
    (empty_book / "notebooks/src/21_bad.py").write_text(text, encoding="utf-8")
    assert build.main([], empty_book) == 1
    said = capsys.readouterr().err
    for what in (
        "21_bad.py:5: cell 3: an absolute path in the output",
        "21_bad.py:9: cell 4: output on stderr",
        "21_bad.py:12: cell 5: a memory address",
        "21_bad.py:14: cell 6: ZeroDivisionError",
        "the chapter left left.txt behind",
    ):
        assert what in said
    assert "never" not in said
    assert notebook_bytes(empty_book) == {}
    assert [p.name for p in (empty_book / "notebooks").iterdir()] == ["src"]


def test_several_chapters_run_side_by_side_and_one_that_fails_stops_no_other(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, sources = notebook_bytes(copy), copy / "notebooks" / "src"
    for number in (22, 23):
        shutil.copy(sources / "21_sample.py", sources / f"{number}_sample.py")
    (sources / "24_bad.py").write_text(TITLE + "# %%\n1 / 0\n", encoding="utf-8")
    assert build.main(["--force"], copy) == 1
    out, said = capsys.readouterr()
    assert re.search(r"24_bad\.py:\d+: cell \d+: ZeroDivisionError", said)
    assert "3 built, 0 already fresh" in out
    after = notebook_bytes(copy)
    assert {name: after[name] for name in before} == before
    for language in ("zh", "en"):
        one, other = (after[f"notebooks/{language}/{n}_sample.ipynb"] for n in (21, 22))
        cells = [json.loads(notebook)["cells"] for notebook in (one, other)]
        assert cells[0] == cells[1]
    assert [name for name in after if "24_bad" in name] == []


def test_a_kernel_that_dies_is_a_problem_of_its_cell(empty_book: Path) -> None:
    done = kernel.execute(["x = 1", "import os\nos._exit(3)", "y = 2"], empty_book / "notebooks")
    assert done.failed == 1
    assert "died" in done.error


@pytest.mark.skipif(sys.platform == "win32", reason="there Ctrl-C is no signal to one process")
@pytest.mark.parametrize("chapters", [1, 4])
def test_ctrl_c_stops_the_build_and_keeps_the_old_notebooks(copy: Path, chapters: int) -> None:
    """From a terminal it reaches all processes of the build."""
    before = notebook_bytes(copy)
    wait = "import pathlib\nimport time\npathlib.Path('begun').touch()\ntime.sleep(60)\n"
    edit(copy / "notebooks/src/21_sample.py", "import os\n", wait + "import os\n")
    for number in range(22, 21 + chapters):
        source = copy / "notebooks/src/21_sample.py"
        shutil.copy(source, source.with_name(f"{number}_sample.py"))
    # without a terminal SIGINT may be ignored from birth
    code = f"""
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(NOTEBOOKS)!r})
import build
sys.exit(build.main([], Path({str(copy)!r})))
"""
    command = [sys.executable, "-c", code]
    apart = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, **apart) as run:
        deadline = time.monotonic() + 30
        while len(list((copy / "notebooks").glob(".run-*/begun"))) < min(chapters, 2):
            assert time.monotonic() < deadline, "the chapter never began"
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=20)
    assert "interrupted" in said
    assert "Traceback" not in said
    assert run.returncode == 1
    assert notebook_bytes(copy) == before
    assert sorted(p.name for p in (copy / "notebooks").iterdir()) == ["en", "src", "zh"]


def test_run_writes_nothing_and_tells_of_a_difference(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = '"text": [\n     "first\\n"'
    for lang in ("zh", "en"):  # as if built when the code still printed something else
        path = copy / f"notebooks/{lang}/21_sample.ipynb"
        notebook = json.loads(path.read_text(encoding="utf-8"))
        held = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
        held[1][0]["text"][0] = "third\n"
        notebook["metadata"]["tiny_universe"]["outputs"] = book.hash_outputs(held)
        path.write_text(book.dumps(notebook), encoding="utf-8")
    before = notebook_bytes(copy)
    assert old not in before["notebooks/en/21_sample.ipynb"].decode()
    assert build.main(["--run"], copy) == 0
    said = capsys.readouterr().err
    assert "21_sample.py:12: cell 4: other output than when built" in said
    assert said.count("other output") == 1
    assert notebook_bytes(copy) == before


def test_a_reader_can_execute_a_built_notebook_without_changing_it(built: Path) -> None:
    pytest.importorskip("nbconvert")
    before = notebook_bytes(built)
    command = "-m jupyter nbconvert --to markdown --execute --stdout notebooks/en/21_sample.ipynb"
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=built, capture_output=True, text=True, check=True
    )
    assert "# Title" in done.stdout
    assert "42" in done.stdout
    assert notebook_bytes(built) == before


def test_all_problems_of_all_chapters_are_listed_before_anything_runs(
    empty_book: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = empty_book / "notebooks" / "src"
    (source / "21_a.py").write_text(TITLE + "# %%\n!ls\n# %%\n" + "x = 1\n" * 16)
    (source / "22_b.py").write_text(TITLE + twins("甲 $a$", "A"), encoding="utf-8")
    monkeypatch.setattr(kernel, "execute", lambda *_: pytest.fail("a refused book was run"))
    assert build.main([], empty_book) == 1
    said = capsys.readouterr().err
    assert said.count("refused: ") == 3
    for place in ("21_a.py:6: cell 3", "21_a.py:7: cell 4", "22_b.py:5: cell 3"):
        assert f"notebooks/src/{place}: " in said
    assert "move code into the package" in said  # a remedy
    assert notebook_bytes(empty_book) == {}


# --- what --check notices -------------------------------------------------------------------


def check(root: Path, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    capsys.readouterr()
    status = build.main(["--check", *args], root)
    return status, capsys.readouterr().out


def test_a_fresh_book_is_found_fresh_quickly_and_without_heavy_imports(built: Path) -> None:
    heavy = "nbformat nbclient jupytext jupyter_client matplotlib numpy PIL torch"
    code = f"""
import sys
sys.path.insert(0, {str(NOTEBOOKS)!r})
import build
from pathlib import Path
status = build.main(["--check"], Path({str(built)!r}))
print(sorted(set({heavy!r}.split()) & set(sys.modules)))
sys.exit(status)
"""
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert time.monotonic() - begin < 3  # 0.1 s on an idle machine
    assert (done.returncode, done.stderr) == (0, "")
    assert "all fresh: 1 of 1" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("notebooks/src/21_sample.py", "A picture", "Pictures", "en/21_sample.ipynb differs"),
        ("notebooks/src/21_sample.py", "# ## 图", "# ## 图画", "zh/21_sample.ipynb differs"),
        ("notebooks/src/21_sample.py", "height=2", "height=3", "code changed"),
        ("notebooks/src/figures.py", "PALETTE =", "COLOURS = 0\nPALETTE =", "figures changed"),
        ("notebooks/src/glyphs.py", "MONO =", "# why\nMONO =", "figures changed"),
        ("tiny_sample/__init__.py", "42", "43", "tiny_sample changed"),
        ("notebooks/zh/21_sample.ipynb", "题目", "标题", "zh/21_sample.ipynb differs"),
        ("notebooks/en/21_sample.ipynb", "values=True", "values=False", "en/21_sample.ipynb"),
        ("notebooks/en/21_sample.ipynb", "42 None", "43 None", "its outputs were edited"),
        ("notebooks/en/21_sample.ipynb", '"inputs"', '"puts"', "was not built by build.py"),
        ("notebooks/en/21_sample.ipynb", "{", "", "was not built by build.py"),
        ("notebooks/src/21_sample.py", "import os\n", "!ls\n", "refused: "),
    ],
)
def test_check_notices_an_edit(
    copy: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, reason: str
) -> None:
    edit(copy / file, old, new)
    status, said = check(copy, capsys)
    assert status == 1
    assert reason in said
    assert "python notebooks/build.py 21" in said or "refused" in said


def test_check_notices_changed_weights_and_a_changed_font(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "tiny_sample/weights.bin").write_bytes(b"\0\2")
    assert check(copy, capsys)[1].startswith("stale: 21_sample: tiny_sample changed")
    (font,) = (copy / "notebooks/src/fonts").glob("*.otf")
    font.write_bytes(b"\0")
    assert "figures, tiny_sample changed" in check(copy, capsys)[1]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_check_notices_a_missing_notebook_and_build_restores_it_without_running(
    built: Path,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    lang: str,
) -> None:
    (copy / f"notebooks/{lang}/21_sample.ipynb").unlink()
    status, said = check(copy, capsys)
    assert status == 1
    assert f"notebooks/{lang}/21_sample.ipynb is missing" in said
    monkeypatch.setattr(kernel, "execute", lambda *_: pytest.fail("code was run"))
    assert build.main([], copy) == 0
    assert notebook_bytes(copy) == notebook_bytes(built)


def test_check_notices_an_orphan(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(copy / "notebooks/zh/21_sample.ipynb", copy / "notebooks/zh/Untitled.ipynb")
    status, said = check(copy, capsys)
    assert status == 1
    assert "orphan: notebooks/zh/Untitled.ipynb has no source" in said


def test_outputs_of_the_two_languages_must_agree(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / "notebooks/en/21_sample.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    held = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    held[1][0]["text"][0] = "second\n"
    notebook["metadata"]["tiny_universe"]["outputs"] = book.hash_outputs(held)
    path.write_text(book.dumps(notebook), encoding="utf-8")
    assert "the two notebooks hold different outputs" in check(copy, capsys)[1]


def test_a_package_file_that_no_chapter_uses_makes_nothing_stale(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "tiny_other").mkdir()
    (copy / "tiny_other/__init__.py").write_text("")
    (copy / "tiny_sample/__pycache__").mkdir(exist_ok=True)
    (copy / "tiny_sample/__pycache__/x.pyc").write_bytes(b"1")
    (copy / "tiny_sample/README.md").write_text("words")
    text = (copy / "tiny_sample/__init__.py").read_text()
    (copy / "tiny_sample/__init__.py").write_bytes(text.replace("\n", "\r\n").encode())
    assert check(copy, capsys)[0] == 0


def test_data_of_a_package_that_a_used_package_reads_counts(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """tiny_rag finds qwen_blog's weights as files: new weights make the RAG chapters stale."""
    other = copy / "tiny_other"
    (other / "weights").mkdir(parents=True)
    (other / "__init__.py").write_text("")
    (other / "weights/model.bin").write_bytes(b"\0\1")
    (copy / "tiny_sample/__init__.py").write_text('ANSWER = 42  # files("tiny_other")\n')
    assert "tiny_other data, tiny_sample changed" in check(copy, capsys)[1]
    before = book.Book(copy).inputs(book.Book(copy).read("21_sample")[0])
    (other / "__init__.py").write_text("x = 1\n")
    assert book.Book(copy).inputs(book.Book(copy).read("21_sample")[0]) == before
    (other / "weights/model.bin").write_bytes(b"\0\2")
    assert book.Book(copy).inputs(book.Book(copy).read("21_sample")[0]) != before


# --- the command ----------------------------------------------------------------------------


def test_wrong_usage_is_status_2_and_names_the_chapters(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for args in (["44"], ["--check", "--run"], ["--nonsense"]):
        with pytest.raises(SystemExit) as stopped:
            build.main(args, copy)
        assert stopped.value.code == 2
    assert "no chapter 44; there are: 21_sample" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["21", "21_sample", "notebooks/src/21_sample.py"])
def test_a_chapter_is_chosen_by_number_name_or_path(built: Path, name: str) -> None:
    assert build.select(book.Book(built), [name]) == (["21_sample"], [])


def test_the_commands_of_the_docstring_exist() -> None:
    said = subprocess.run(
        [sys.executable, str(NOTEBOOKS / "build.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "100"},
    ).stdout
    for option in ("--check", "--run", "--force"):
        assert option in said
        assert option in (build.__doc__ or "")

"""Words on the command line: which model, which task."""

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_eval.small_tasks import qa_task, write_docs
from tiny_eval import choices
from tiny_eval.choices import (
    ModelOptions,
    about_task,
    find_task,
    is_about_task,
    make_model,
    shipped_folder,
    shipped_tasks,
)
from tiny_eval.ngram import NgramModel
from tiny_eval.scripted import ScriptedModel


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TINY_MODEL", "TINY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What servers and folders would have been made with."""
    calls: list[tuple[Any, ...]] = []

    def server(url: str, name: str, key: str | None, **options: Any) -> str:
        calls.append((url, name, key, options))
        return "server"

    def folder(path: str, **options: Any) -> str:
        calls.append((path, options))
        return "folder"

    monkeypatch.setattr("tiny_eval.openai_model.OpenAIModel", server)
    monkeypatch.setattr("tiny_eval.openai_model.first_model", lambda url, key: f"first with {key}")
    monkeypatch.setattr("tiny_eval.local_model.LocalModel", folder)
    return calls


def test_words_for_models_that_need_none(tmp_path: Path) -> None:
    task = qa_task(tmp_path)
    script = write_docs(tmp_path / "s.jsonl", [{"id": "rose", "reply": "x"}])
    assert isinstance(make_model("ngram", task), NgramModel)
    names = {word: make_model(word, task).name for word in ("gold", "random", f"script:{script}")}
    assert list(names.values()) == ["gold", "random", "script-s"]
    assert isinstance(make_model("gold", task), ScriptedModel)


def test_a_url_is_a_server(made: list[Any], tmp_path: Path, monkeypatch: Any) -> None:
    task = qa_task(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    make_model("http://localhost/v1", task)
    make_model("https://api.openai.com/v1", task, ModelOptions("gpt", 2, 30.0, 9.0))
    monkeypatch.setenv("TINY_API_KEY", "mine")
    make_model("https://api.openai.com/v1", task)
    plain = {"concurrency": 4, "requests_per_minute": None, "timeout_s": 120.0}
    limits = {"concurrency": 2, "requests_per_minute": 30.0, "timeout_s": 9.0}
    assert made == [
        ("http://localhost/v1", "first with None", None, plain),
        ("https://api.openai.com/v1", "gpt", "secret", limits),
        ("https://api.openai.com/v1", "first with mine", "mine", plain),
    ]


def test_all_else_is_a_folder(made: list[Any], tmp_path: Path) -> None:
    options = ModelOptions(batch_size=2, truncation="middle", adapter=Path("a"), device="cpu")
    make_model(str(tmp_path), qa_task(tmp_path), options)
    given = {"batch_size": 2, "truncation": "middle", "adapter": Path("a"), "device": "cpu"}
    assert made == [(str(tmp_path), given)]


def test_what_a_folder_brings_is_not_looked_through_for_garbage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gc.isenabled()
    monkeypatch.setattr("tiny_eval.local_model.LocalModel", lambda *_, **__: gc.isenabled())
    before = gc.get_freeze_count()
    try:
        assert make_model(str(tmp_path), qa_task(tmp_path)) is False
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("word", ["localhost:11434/v1", "ftp://host/v1", "ngarm"])
def test_what_is_no_folder_is_told_before_anything_is_loaded(word: str) -> None:
    script = "import sys\nfrom tiny_eval.cli import main\n"
    script += f"main(['run', '--task', 'sample-qa-en', '--model', {word!r}])\n"
    script += "print('torch' in sys.modules or 'transformers' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout == "False\n"
    assert ran.stderr.startswith(f"error: there is no folder {word}; ")
    for way in ("a URL, which begins with http:// or https://", "ngram", "script:FILE"):
        assert way in ran.stderr


@pytest.mark.parametrize("name", ["nope.jsonl", "", "."])
def test_a_script_that_is_no_file_is_named_with_its_form(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        make_model(f"script:{name}", qa_task(tmp_path))
    assert f"no file {name!r}; script:FILE " in str(error.value)
    assert '{"id", "reply"}' in str(error.value)


def test_the_option_goes_before_the_variable_and_that_before_the_shipped_model(
    made: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = qa_task(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("shipped", "mine", "other"):
        Path(name).mkdir()
    monkeypatch.setattr(choices, "shipped_folder", lambda: Path("shipped"))
    make_model(None, task)
    monkeypatch.setenv("TINY_MODEL", "mine")
    make_model(None, task)
    make_model("other", task)
    assert [call[0] for call in made] == ["shipped", "mine", "other"]


def test_without_a_model_the_error_names_the_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "shipped_folder", lambda: None)
    with pytest.raises(ValueError, match="none is shipped") as error:
        make_model(None, qa_task(tmp_path))
    for way in ("--model URL", "--model FOLDER", "$TINY_MODEL", "ngram, gold and random"):
        assert way in str(error.value)


def test_the_shipped_model_is_found_without_importing_its_package(tmp_path: Path) -> None:
    folder = tmp_path / "qwen_blog" / "weights" / "tiny-qwen2"
    folder.mkdir(parents=True)
    (tmp_path / "qwen_blog" / "__init__.py").write_text("raise RuntimeError('imported')")
    script = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
    script += "from tiny_eval.choices import shipped_folder\nprint(shipped_folder())"
    for expected in ("None", str(folder)):
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert (ran.stdout.strip(), ran.stderr) == (expected, "")
        (folder / "config.json").write_text("{}")


def test_the_shipped_folder_is_a_model_or_none() -> None:
    folder = shipped_folder()
    assert folder is None or (folder / "config.json").is_file()


@pytest.mark.parametrize("word", ["gold", "random", "script:x"])
def test_some_models_are_for_one_task(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_about_task(word)
    monkeypatch.setenv("TINY_MODEL", word)
    assert is_about_task(None)
    assert not is_about_task("ngram")


def test_a_task_by_name_or_by_file(tmp_path: Path) -> None:
    assert "sample-qa-en" in shipped_tasks()
    assert find_task("sample-qa-en").name == "sample-qa-en"
    path = tmp_path / "mine.yaml"
    path.write_text("data: d.jsonl\nprompt: q\ntarget: a\nmetrics: f1\n")
    assert find_task(str(path)).name == "mine"


def test_an_unknown_task_names_the_shipped(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no task 'sampel'; .* of .*sample-qa-en"):
        find_task("sampel")
    with pytest.raises(FileNotFoundError, match=r"no task at .*mine.yaml"):
        find_task(str(tmp_path / "mine.yaml"))


def test_every_shipped_task_has_a_line_about_it() -> None:
    for name in shipped_tasks():
        assert len(about_task(name)) > 15


def test_nothing_heavy_is_imported_for_the_command_line() -> None:
    heavy = "torch transformers openai jieba nltk sympy matplotlib jinja2 tqdm"
    script = "import sys, tiny_eval.cli\n"
    script += f"print([name for name in {heavy.split()} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout == "[]\n"

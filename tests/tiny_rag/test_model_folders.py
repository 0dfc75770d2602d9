"""What is said of a folder that is missing, or holds no model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_rag.backends import TransformersLLM
from tiny_rag.encoders import SentenceTransformerEmbedder
from tiny_rag.model_folders import check_folder, check_place
from tiny_rag.rerank import CrossEncoderJudge

TOKENIZER = json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}})
CONFIG = json.dumps({"model_type": "qwen2", "hidden_size": 8})
FILES = {"config.json": CONFIG, "tokenizer.json": TOKENIZER, "model.safetensors": "cut off"}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()


def make(*names):
    Path("runs/mine").mkdir()
    for name in names:
        Path("runs/mine", name).write_text(FILES[name], encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "lacks"),
    [
        ([], "config.json and no weights (model.safetensors) and no tokenizer (tokenizer.json)"),
        (["config.json"], "weights (model.safetensors) and no tokenizer (tokenizer.json)"),
        (["config.json", "tokenizer.json"], "weights (model.safetensors)"),
        (["config.json", "model.safetensors"], "tokenizer (tokenizer.json)"),
    ],
)
def test_what_a_folder_lacks_is_named_with_the_remedy(names, lacks):
    make(*names)
    with pytest.raises(FileNotFoundError) as error:
        TransformersLLM("runs/mine")
    assert str(error.value).startswith(f"runs/mine has no {lacks}; give the folder of a chat model")
    assert "hf download ORGANISATION/NAME" in str(error.value)


@pytest.mark.parametrize("name", ["pytorch_model-00001-of-00002.bin", "model-1.safetensors"])
def test_weights_and_tokenizers_have_several_names(name):
    make("config.json")
    Path("runs/mine", name).touch()
    Path("runs/mine/spiece.model").touch()
    check_folder(Path("runs/mine"), "a model")


def test_files_that_are_no_model_are_an_error_that_names_the_folder():
    make(*FILES)
    with pytest.raises(ValueError, match=r"^runs/mine cannot be loaded as a chat model \("):
        TransformersLLM("runs/mine")
    for load in (SentenceTransformerEmbedder, CrossEncoderJudge):
        with pytest.raises(ValueError, match=r"^runs/mine cannot be loaded as a .*; give the fol"):
            load("runs/mine", "cpu")


@pytest.mark.parametrize("model", ["some/missing/folder", "./x", "../x/y", "/x", "runs/x", "a\\b"])
def test_a_path_that_is_not_there_is_no_name_to_download(model, capfd):
    for load in (SentenceTransformerEmbedder, CrossEncoderJudge, TransformersLLM):
        with pytest.raises(
            FileNotFoundError, match=r"^there is no folder .*; give the folder"
        ) as error:
            load(model)
        assert f"download {model}" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_is_no_folder():
    Path("notes.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"^notes\.txt is a file; give the folder of a m"):
        check_place("notes.txt", "a model")


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("organisation/name", "models--organisation--name"),
        ("all-MiniLM-L6-v2", "models--sentence-transformers--all-MiniLM-L6-v2"),
    ],
)
def test_a_name_may_be_one_that_was_downloaded(model, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"no model '{model}' on this machine"):
        check_place(model, "a model")
    Path(folder).mkdir()
    check_place(model, "a model")


def test_a_model_that_is_nowhere_is_said_before_anything_slow_is_loaded():
    code = (
        "import sys\nfrom tiny_rag.choices import make_embedder\n"
        "try: make_embedder('models/bge-small-zh')\n"
        "except FileNotFoundError as error: print(error)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    message, loaded = done.stdout.splitlines()
    assert "`hf download ORGANISATION/NAME --local-dir models/bge-small-zh`" in message
    assert loaded == "False"

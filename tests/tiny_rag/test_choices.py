"""Which embedder and which model a word on the command line means."""

import gc
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tiny_rag import backends, choices
from tiny_rag.backends import OpenAILLM
from tiny_rag.choices import first_model, full_choice, make_embedder, make_llm, shipped_folder
from tiny_rag.embeddings import HashEmbedder
from tiny_rag.llm import LLMError


@pytest.fixture
def server():
    """Lists the models in `models`, or says what is in `body`; keeps the keys it was shown."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.keys.append(self.headers["Authorization"])
            listed = {"object": "list", "data": [{"id": name} for name in web.models]}
            body = web.body or json.dumps(listed).encode()
            self.send_response(web.status if self.path == "/v1/models" else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.models, web.keys, web.body, web.status = ["small", "large"], [], b"", 200
    web.url = f"http://127.0.0.1:{web.server_address[1]}/v1"
    threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
    yield web
    web.shutdown()
    web.server_close()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("TINY_MODEL", "TINY_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


# --- Embedders. ---


def test_none_and_hash():
    assert make_embedder("none") is None
    assert make_embedder("hash").model_id == HashEmbedder().model_id
    assert make_embedder("hash:64").dim == 64


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("hash:", "hash:1024"),
        ("hash:many", "hash:1024"),
        ("hash:0", "dim=0"),
        ("openai:", "openai:text-embedding-3-small"),
        ("openai", "openai:text-embedding-3-small"),
        ("openai:some-model", "OPENAI_API_KEY; or for another server OPENAI_BASE_URL"),
    ],
)
def test_a_choice_that_says_too_little_is_an_error(choice, message):
    with pytest.raises(ValueError, match=message):
        make_embedder(choice)


def test_openai_takes_what_comes_after_the_first_colon(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert make_embedder("openai:nomic:latest").model_id == "openai:nomic:latest"


def test_a_folder_is_the_same_choice_wherever_one_stands(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "hash").mkdir()
    monkeypatch.chdir(tmp_path)
    assert full_choice("model") == str((tmp_path / "model").resolve())
    for choice in ("hash", "none", "hash:8", "openai:model", "org/some-model"):
        assert full_choice(choice) == choice


def test_a_folder_that_is_not_there_is_no_name_to_download():
    with pytest.raises(FileNotFoundError, match="there is no folder some/missing/folder; give"):
        make_embedder("some/missing/folder")


# --- Models. ---


@pytest.fixture
def loaded(monkeypatch):
    """The folders that were asked for, instead of models in them."""
    folders = []
    monkeypatch.setattr(backends, "TransformersLLM", lambda folder: folders.append(folder))
    return folders


@pytest.mark.parametrize("model", [None, ""])
def test_no_model_is_an_error_that_names_the_ways_to_one(model, monkeypatch):
    monkeypatch.setattr(choices, "shipped_folder", lambda: None)
    with pytest.raises(ValueError, match="no model is chosen") as caught:
        make_llm(model)
    for way in ("--model URL", "--model FOLDER", "$TINY_MODEL", "--model extractive"):
        assert way in str(caught.value)


def test_the_option_goes_before_the_variable_and_that_before_the_shipped_model(
    monkeypatch, loaded, tmp_path
):
    monkeypatch.setattr(choices, "shipped_folder", lambda: tmp_path / "shipped")
    make_llm(None)
    monkeypatch.setenv("TINY_MODEL", "")
    make_llm("")
    monkeypatch.setenv("TINY_MODEL", "mine")
    make_llm(None)
    make_llm("other")
    assert loaded == [str(tmp_path / "shipped")] * 2 + ["mine", "other"]


def test_extractive_is_no_model_wherever_it_is_said(monkeypatch, loaded):
    monkeypatch.setenv("TINY_MODEL", "some/folder")
    assert make_llm("extractive") is None
    monkeypatch.setenv("TINY_MODEL", "extractive")
    assert make_llm(None) is None
    assert loaded == []


def test_the_shipped_model_is_found_without_an_import_of_its_package(tmp_path):
    package = tmp_path / "qwen_blog"
    model = package / "weights" / "tiny-qwen2"
    model.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tiny_rag.choices import shipped_folder;"
        "print(shipped_folder())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    for expected in (None, model):  # a folder without a model in it is none
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(expected)
        (model / "config.json").write_text("{}")


@pytest.mark.parametrize("package", ["no_such_package", "string"])  # the second: a lone module
def test_without_the_package_there_is_no_shipped_model(package, monkeypatch):
    monkeypatch.setattr(choices, "_SHIPPED", (package, "weights/tiny-qwen2"))
    assert shipped_folder() is None


def test_a_url_is_a_server_whose_first_model_is_taken(server):
    llm = make_llm(server.url)
    assert isinstance(llm, OpenAILLM)
    assert (llm.base_url, llm.model) == (server.url, "small")
    assert make_llm(server.url, "large").model == "large"
    assert len(server.keys) == 1  # a name is not asked for


def test_the_environment_names_a_model_where_the_command_does_not(server, monkeypatch):
    monkeypatch.setenv("TINY_MODEL", server.url)
    assert make_llm(None).model == "small"
    assert make_llm("http://127.0.0.1:9/v1", "other").base_url == "http://127.0.0.1:9/v1"


def test_the_key_of_openai_is_shown_to_nobody_else(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    make_llm(server.url)
    monkeypatch.setenv("TINY_API_KEY", "mine")
    make_llm(server.url)
    assert server.keys == ["Bearer none", "Bearer mine"]


@pytest.mark.parametrize(
    "url", ["https://api.openai.com/v1", "https://api.openai.com.evil.test/v1"]
)
def test_the_key_of_openai_goes_to_openai(monkeypatch, url):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    seen = []
    monkeypatch.setattr(backends, "OpenAILLM", lambda *args: seen.append(args))
    make_llm(url, "m")
    assert seen == [(url, "m", "secret" if url == "https://api.openai.com/v1" else None)]


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"data": [{}]}', b'{"data": null}'])
def test_a_server_that_lists_no_models_is_an_error_that_says_what_to_do(server, body):
    server.models, server.body = [], body
    with pytest.raises(ValueError, match="--model-name"):
        first_model(server.url, None)


def test_a_server_that_cannot_be_reached_is_named_with_the_cause(server, monkeypatch):
    server.shutdown()
    server.server_close()
    with pytest.raises(LLMError, match=r"/v1 cannot be reached \(.*\); does the") as error:
        make_llm(server.url)
    assert "--model-name" not in str(error.value)
    with pytest.raises(LLMError, match=r"no-such-host\.invalid/v1 cannot be reached \("):
        make_llm("http://no-such-host.invalid/v1")


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_does_not_accept_the_key_says_which_key(server, status):
    server.status = status
    with pytest.raises(LLMError, match=rf"wants a key \({status}\); set \$TINY_API_KEY") as error:
        first_model(server.url, None)
    assert "--model-name" not in str(error.value)
    with pytest.raises(LLMError, match=r"does not accept the key \(40.\); set \$TINY_API_KEY"):
        first_model(server.url, "mine")


def test_a_url_that_ends_wrongly_is_told_so(server):
    with pytest.raises(LLMError, match=r"no list of its models \(404\); check how the URL ends"):
        make_llm(server.url.removesuffix("/v1"))


@pytest.mark.parametrize("model", ["127.0.0.1:8000", "localhost:11434/v1", "host:80/v1/"])
def test_a_server_without_http_is_told_the_whole_url(model):
    url = f"http://{model.partition('/')[0]}/v1"
    with pytest.raises(ValueError, match=rf"is no folder; a server is {url}$"):
        make_llm(model)


@pytest.mark.parametrize("url", ["http://", "http:///v1", "http://host:port/v1", "http://[::1/v1"])
def test_what_is_no_url_is_no_server(url):
    for name in (None, "a-model"):
        with pytest.raises(ValueError, match="is no URL of a server; one looks like"):
            make_llm(url, name)


def test_a_folder_that_is_no_model_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        make_llm(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="there is no folder runs/mine; give the folder"):
        make_llm("runs/mine")


def test_what_a_folder_brings_is_not_looked_through_for_garbage(monkeypatch):
    assert gc.isenabled()
    monkeypatch.setattr(backends, "TransformersLLM", lambda folder: gc.isenabled())
    before = gc.get_freeze_count()
    try:
        assert make_llm("some/folder") is False
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_nothing_heavy_is_imported_for_the_defaults():
    code = (
        "import sys, tiny_rag.cli, tiny_rag.choices as c;"
        "c.make_embedder('hash'); c.make_llm('extractive');"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers', 'openai', 'jieba',"
        " 'faiss', 'pypdf', 'bs4', 'docx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

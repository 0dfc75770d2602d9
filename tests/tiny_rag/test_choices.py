"""Which embedder and which model a word on the command line means."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tiny_rag import backends
from tiny_rag.backends import OpenAILLM
from tiny_rag.choices import first_model, full_choice, make_embedder, make_llm
from tiny_rag.embeddings import HashEmbedder


@pytest.fixture
def server():
    """Lists the models in `models`, or says what is in `body`; keeps the keys it was shown."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            web.keys.append(self.headers["Authorization"])
            listed = {"object": "list", "data": [{"id": name} for name in web.models]}
            body = web.body or json.dumps(listed).encode()
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.models, web.keys, web.body = ["small", "large"], [], b""
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
        ("openai:some-model", "OPENAI_API_KEY"),
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


# --- Models. ---


def test_no_model_is_none():
    assert make_llm(None) is None
    assert make_llm("") is None


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


def test_a_folder_is_a_model_on_this_machine(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        make_llm(str(tmp_path))
    monkeypatch.setattr(backends, "TransformersLLM", lambda folder: ("loaded", folder))
    assert make_llm("some/folder") == ("loaded", "some/folder")


def test_nothing_heavy_is_imported_for_the_defaults():
    code = (
        "import sys, tiny_rag.cli, tiny_rag.choices as c;"
        "c.make_embedder('hash'); c.make_llm(None);"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers', 'openai', 'jieba',"
        " 'faiss', 'pypdf', 'bs4', 'docx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""Which model a word on the command line means."""

import gc
import subprocess
import sys

import pytest

from tests.tiny_agent.stub_server import StubServer, body, deltas, error, say
from tiny_agent import backends, choices, local_model
from tiny_agent.backends import OpenAIModel
from tiny_agent.choices import first_model, make_model, shipped_folder
from tiny_agent.hermes import HermesToolCall
from tiny_agent.models import ModelError
from tiny_agent.react import ReActText
from tiny_agent.rules import RuleModel


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("TINY_MODEL", "TINY_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def loaded(monkeypatch):
    """The folders that were asked for, instead of models in them."""
    folders = []
    monkeypatch.setattr(
        local_model, "TransformersModel", lambda folder: folders.append(str(folder))
    )
    return folders


@pytest.fixture
def nothing_shipped(monkeypatch):
    monkeypatch.setattr(choices, "shipped_folder", lambda: None)


# --- What the words mean. ---


@pytest.mark.usefixtures("nothing_shipped")
@pytest.mark.parametrize("model", [None, ""])
def test_no_model_is_an_error_that_names_the_ways_to_one(model):
    with pytest.raises(ValueError, match="no model is chosen") as caught:
        make_model(model)
    for way in ("--model URL", "--model FOLDER", "$TINY_MODEL", "--model rules"):
        assert way in str(caught.value)


def test_rules_need_no_model_and_speak_the_dialect_they_are_given():
    model = make_model("rules", None, HermesToolCall())
    assert isinstance(model, RuleModel)
    assert isinstance(model.dialect, HermesToolCall)
    assert isinstance(make_model("rules").dialect, ReActText)


def test_a_url_is_a_server_whose_first_model_is_taken():
    with StubServer([say("Nine")], ["small", "large"]) as server:
        model = make_model(server.url)
        assert isinstance(model, OpenAIModel)
        assert (model.base_url, model.model) == (server.url, "small")
        assert model.generate([{"role": "user", "content": "hi"}]).text == "Nine"
        assert make_model(server.url, "large").model == "large"
        assert len(server.list_requests) == 1  # where there is a name, it is not asked for


def test_a_folder_is_a_model_on_this_machine(loaded):
    make_model("some/folder", "ignored")
    assert loaded == ["some/folder"]


def test_what_a_folder_brings_is_not_looked_through_for_garbage(monkeypatch):
    assert gc.isenabled()
    monkeypatch.setattr(local_model, "TransformersModel", lambda folder: gc.isenabled())
    before = gc.get_freeze_count()
    try:
        assert make_model("some/folder") is False
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_a_folder_that_is_no_model_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        make_model(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="there is no folder runs/mine; give the folder"):
        make_model("runs/mine")


def test_the_environment_names_a_model_where_the_command_does_not(monkeypatch, loaded):
    monkeypatch.setenv("TINY_MODEL", "rules")
    assert isinstance(make_model(None), RuleModel)
    make_model("some/folder")
    assert loaded == ["some/folder"]


def test_the_shipped_model_is_the_last_choice(monkeypatch, loaded, tmp_path):
    monkeypatch.setattr(choices, "shipped_folder", lambda: tmp_path)
    make_model(None)
    assert loaded == [str(tmp_path)]
    monkeypatch.setenv("TINY_MODEL", "other")
    make_model(None)
    assert loaded == [str(tmp_path), "other"]


@pytest.mark.parametrize("url", ["http://", "http:///v1", "http://host:port/v1", "http://[::1/v1"])
def test_what_is_no_url_is_no_server(url):
    for name in (None, "a-model"):
        with pytest.raises(ValueError, match="is no URL of a server; one looks like"):
            make_model(url, name)


# --- Keys. ---


def test_the_key_of_openai_is_shown_to_nobody_else(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with StubServer([say("hi"), say("hi")]) as server:
        hello = [{"role": "user", "content": "hi"}]
        make_model(server.url).generate(hello)
        monkeypatch.setenv("TINY_API_KEY", "mine")
        make_model(server.url).generate(hello)
    for requests in (server.list_requests, server.requests):
        keys = [request.headers["authorization"] for request in requests]
        assert keys == ["Bearer none", "Bearer mine"]


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://api.openai.com/v1", "secret"),
        ("https://api.openai.com.evil.test/v1", None),
        ("http://api.openai.com/v1", None),  # not encrypted
    ],
)
def test_the_key_of_openai_goes_to_openai(monkeypatch, url, key):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    seen = []
    monkeypatch.setattr(backends, "OpenAIModel", lambda *args: seen.append(args))
    make_model(url, "m")
    monkeypatch.setenv("TINY_API_KEY", "mine")
    make_model(url, "m")
    assert seen == [(url, "m", key), (url, "m", "mine")]


# --- Servers that list no models. ---


@pytest.mark.parametrize(
    "models",
    [
        [],
        body(""),
        body("no JSON"),
        body("[]"),
        body({"data": [{}]}),
        body({"data": None}),
        body({"data": [{"id": 7}]}),
        body("<html>", kind="text/html"),
        deltas(),
        error(418),
    ],
)
def test_a_server_that_lists_no_models_is_an_error_that_says_what_to_do(models):
    with StubServer(models=models) as server, pytest.raises(ValueError, match="--model-name NAME"):
        first_model(server.url, None)


def test_a_server_that_cannot_be_reached_is_named_with_the_cause():
    with StubServer() as server:
        pass
    with pytest.raises(ModelError, match=r"/v1 cannot be reached \(.*\); does the") as caught:
        make_model(server.url)
    assert "--model-name" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_does_not_accept_the_key_says_which_key(status):
    with StubServer(models=error(status)) as server:
        with pytest.raises(ModelError, match=rf"wants a key \({status}\); set \$TINY_API_KEY"):
            first_model(server.url, None)
        with pytest.raises(ModelError, match=r"does not accept the key \(40.\); set") as caught:
            first_model(server.url, "mine")
    assert "mine" not in str(caught.value)


def test_a_url_that_ends_wrongly_is_told_so():
    with StubServer() as server, pytest.raises(ValueError, match="check how the URL ends"):
        make_model(server.url.removesuffix("/v1"))


# --- The shipped model, and what is imported. ---


def run(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    return done.stdout.strip()


def test_the_shipped_model_is_found_without_an_import_of_its_package(tmp_path):
    package = tmp_path / "qwen_blog"
    model = package / "weights" / "tiny-qwen2"
    model.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    code = (
        "import sys; sys.path.insert(0, '.'); from tiny_agent.choices import shipped_folder;"
        "print(shipped_folder())"
    )
    assert run(code, tmp_path) == "None"  # a folder without a model in it
    (model / "config.json").write_text("{}")
    assert run(code, tmp_path) == str(model.resolve())


def test_without_the_package_there_is_no_shipped_model(monkeypatch):
    monkeypatch.setattr(choices, "_SHIPPED", ("no_such_package", "weights/tiny-qwen2"))
    assert shipped_folder() is None
    monkeypatch.setattr(choices, "_SHIPPED", ("string", "weights/tiny-qwen2"))  # a lone module
    assert shipped_folder() is None


def test_nothing_heavy_is_imported_for_the_rules(tmp_path):
    code = (
        "import sys, tiny_agent.choices as c; c.make_model('rules'); import tiny_agent.backends;"
        "import tiny_agent.local_model;"
        "print([m for m in ('torch', 'transformers', 'openai', 'mcp', 'qwen_blog')"
        " if m in sys.modules])"
    )
    assert run(code, tmp_path) == "[]"

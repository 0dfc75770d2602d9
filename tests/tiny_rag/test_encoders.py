"""Learned embeddings: a server with every fault a server has, and a small random model."""

import json
import shutil
import socket
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tiny_rag.embeddings import Embedder
from tiny_rag.encoders import (
    EmbeddingServerError,
    OpenAIEmbedder,
    SentenceTransformerEmbedder,
    read_answer,
)

TEXTS = [
    "火星车在哪里着陆？",
    "Triton",
    "海王星有14颗卫星。",
    "a" * 500,
    "the moon",
    "氦",
    "7",
    "x y",
]


def vector_of(text, dim):
    return np.random.default_rng(zlib.crc32(text.encode())).normal(size=dim).tolist()


def unit(vector):
    return np.array(vector) / np.linalg.norm(vector)


def embeddings(request, dim=8, change=lambda data: data):
    """A right answer to the request, after `change` of its list."""
    dim = request.get("dimensions", dim)
    data = [
        {"object": "embedding", "index": i, "embedding": vector_of(text, dim)}
        for i, text in enumerate(request["input"])
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    answer = {"object": "list", "data": change(data), "model": request["model"], "usage": usage}
    return json.dumps(answer).encode()


class Server:
    """Answers POST /v1/embeddings by the next of `replies`, and rightly when there are no more.

    A reply: request -> body, or (status, headers, body).
    """

    def __init__(self):
        self.replies, self.requests, self.times, self.keys = [], [], [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                outer.times.append(time.monotonic())
                outer.keys.append(self.headers["Authorization"])
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(request)
                reply = outer.replies.pop(0) if outer.replies else embeddings
                reply = reply(request) if callable(reply) else reply
                status, headers, body = reply if isinstance(reply, tuple) else (200, {}, reply)
                headers = {
                    "Content-Type": "application/json",
                    "Content-Length": len(body),
                } | headers
                self.send_response(status if self.path == "/v1/embeddings" else 404)
                for name, value in headers.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A client that has stopped listening (a test of a timeout) is nobody's traceback.
        self.http.handle_error = lambda request, client: None
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=[0.01], daemon=True).start()


SOON = {"Retry-After": "0.05"}
BUSY = (429, SOON, b'{"error": {"message": "too many requests"}}')
BROKEN = (500, SOON, b'{"error": {"message": "out of memory"}}')


@pytest.fixture
def server(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


# --- A server: what is asked, and what becomes of the answer. ---


def test_each_text_gets_its_vector_whatever_the_order_of_the_answer(server):
    server.replies = [lambda request: embeddings(request, change=lambda data: data[::-1])] * 3
    embedder: Embedder = OpenAIEmbedder("some-model", server.url, batch_size=3)
    vectors = embedder.encode_documents(TEXTS, progress=True)
    assert vectors.dtype == np.float32
    assert np.abs(vectors - [unit(vector_of(text, 8)) for text in TEXTS]).max() < 1e-6
    assert [request["input"] for request in server.requests] == [TEXTS[:3], TEXTS[3:6], TEXTS[6:]]
    assert {request["model"] for request in server.requests} == {"some-model"}
    assert np.abs(embedder.encode_query("海") - unit(vector_of("海", 8))).max() < 1e-6


def test_dim_is_what_the_server_gives_and_asked_for_at_most_once(server):
    embedder = OpenAIEmbedder("m", server.url)
    assert embedder.dim == embedder.dim == 8
    assert len(server.requests) == 1
    embedder = OpenAIEmbedder("m", server.url)
    embedder.encode_query("x")
    assert embedder.dim == 8
    assert len(server.requests) == 2


def test_blank_texts_are_zero_rows_and_are_not_sent(server):
    embedder = OpenAIEmbedder("m", server.url, batch_size=2)
    vectors = embedder.encode_documents(["", "火", " \n\u3000", "星", "", "x"])
    assert [request["input"] for request in server.requests] == [["火", "星"], ["x"]]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([0, 1, 0, 1, 0, 1])
    assert embedder.encode_documents([]).shape == (0, 8)
    assert not embedder.encode_query(" ").any()
    assert len(server.requests) == 2


def test_shorter_vectors_are_asked_for_only_if_wanted(server):
    embedder = OpenAIEmbedder("m", server.url, dimensions=5)
    assert embedder.dim == 5
    assert not server.requests
    assert embedder.encode_documents(["x"]).shape == (1, 5)
    assert server.requests[0]["dimensions"] == 5
    OpenAIEmbedder("m", server.url).encode_query("x")
    assert "dimensions" not in server.requests[1]


def test_prompts_go_before_questions_and_documents(server):
    embedder = OpenAIEmbedder("m", server.url, query_prompt="问：", document_prompt="文：")
    embedder.encode_query("火")
    embedder.encode_documents(["星", " "])
    assert [request["input"] for request in server.requests] == [["问：火"], ["文：星"]]


def test_the_model_id_tells_documents_apart_and_nothing_else(server):
    def model_id(**settings):
        return OpenAIEmbedder(settings.pop("model", "m"), server.url, **settings).model_id

    different = [{}, {"model": "n"}, {"dimensions": 5}, {"document_prompt": "文："}]
    assert len({model_id(**settings) for settings in different}) == len(different)
    assert model_id() == model_id(query_prompt="问：", batch_size=3, timeout_s=1, api_key="k")
    assert server.url not in model_id()


def test_half_a_surrogate_pair_is_sent_as_a_replacement_character(server):
    OpenAIEmbedder("m", server.url).encode_documents(["a\ud83d\0b", "😀"])
    assert server.requests[0]["input"] == ["a\ufffd\0b", "😀"]


def test_the_key_is_the_one_given_or_of_the_environment_or_none(server, monkeypatch):
    OpenAIEmbedder("m", server.url).encode_query("x")
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    OpenAIEmbedder("m", server.url).encode_query("x")
    OpenAIEmbedder("m", server.url, api_key="given").encode_query("x")
    assert server.keys == ["Bearer none", "Bearer from-environment", "Bearer given"]
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.delenv("OPENAI_API_KEY")
    OpenAIEmbedder("m").encode_query("x")
    assert len(server.requests) == 4


def test_openai_itself_needs_a_key_before_anything_is_sent(server):
    with pytest.raises(ValueError, match=r"set OPENAI_API_KEY; or for another server OPENAI_BASE"):
        OpenAIEmbedder("text-embedding-3-small")
    with pytest.raises(ValueError, match="batch_size=0 must be at least 1"):
        OpenAIEmbedder("m", server.url, batch_size=0)
    with pytest.raises(TypeError, match="give a list of texts"):
        OpenAIEmbedder("m", server.url).encode_documents("火星")


# --- A server that fails for a while. ---


def test_a_busy_server_is_asked_again_when_it_said(server):
    server.replies = [(429, {"Retry-After": "0.9"}, b"{}")]
    vectors = OpenAIEmbedder("m", server.url).encode_documents(["火"])
    assert np.abs(vectors[0] - unit(vector_of("火", 8))).max() < 1e-6
    assert server.times[1] - server.times[0] >= 0.9  # left to itself: 0.5 s


CUT_OFF = [
    lambda request: embeddings(request)[:-30],
    lambda request: (200, {"Content-Length": 9999, "Connection": "close"}, embeddings(request)),
    b"",
    (200, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>"),
    b'{"error": {"message": "loading the model"}}',
    b'{"data": null}',
    b"[]",
    lambda request: embeddings(request, change=lambda data: data[1:]),
    lambda request: embeddings(request, change=lambda data: [*data, data[0]]),
    lambda request: embeddings(request, change=lambda data: [data[0] | {"index": 1}, data[1]]),
    lambda request: embeddings(request, change=lambda data: [data[0], {"embedding": [1.0]}]),
    lambda request: embeddings(
        request, change=lambda data: [data[0] | {"embedding": [1]}, data[1]]
    ),
    lambda request: embeddings(request, change=lambda d: [i | {"embedding": []} for i in d]),
    lambda request: embeddings(request, change=lambda d: [i | {"embedding": 3.5} for i in d]),
    lambda request: embeddings(
        request, change=lambda d: [i | {"embedding": "AACAPw=="} for i in d]
    ),
    lambda request: embeddings(
        request, change=lambda d: [d[0] | {"embedding": [10**400] * 8}, d[1]]
    ),
]


@pytest.mark.parametrize("reply", CUT_OFF)
def test_an_answer_that_cannot_be_read_is_asked_for_again(server, reply, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    server.replies = [reply, reply]
    vectors = OpenAIEmbedder("m", server.url, retries=2).encode_documents(["火", "星"])
    assert np.abs(vectors - [unit(vector_of(text, 8)) for text in "火星"]).max() < 1e-6
    assert len(slept) == 2
    assert 0.3 < slept[0] <= 0.5 < 0.7 < slept[1] <= 1


@pytest.mark.parametrize("reply", CUT_OFF)
def test_and_refused_with_the_server_and_the_texts_when_it_stays_so(server, reply):
    server.replies = [reply]
    embedder = OpenAIEmbedder("m", server.url, retries=0)
    with pytest.raises(EmbeddingServerError, match=rf"{server.url}/ on texts 1 to 3: "):
        embedder.encode_documents(["", "火", "", "星"])
    assert len(server.requests) == 1


def test_all_kinds_of_failure_share_the_same_retries(server, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    for replies in ([BROKEN, b"", BUSY, b"", *[BROKEN] * 4], [b"", *[BROKEN] * 7]):
        server.replies, server.requests = replies, []
        with pytest.raises(EmbeddingServerError):
            OpenAIEmbedder("m", server.url, retries=3).encode_query("x")
        assert len(server.requests) == 4
    server.replies, server.requests = [BROKEN, b"", BUSY], []
    OpenAIEmbedder("m", server.url, retries=3).encode_query("x")
    assert len(server.requests) == 4


def test_silence_ends_after_the_timeout(server):
    server.replies = [lambda request: time.sleep(1.5) or b"{}"]
    began = time.monotonic()
    with pytest.raises(EmbeddingServerError, match="no answer in time; raise timeout_s"):
        OpenAIEmbedder("m", server.url, timeout_s=0.2, retries=0).encode_query("x")
    assert time.monotonic() - began < 1.4


# --- A server that will never do. ---


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "make batch_size smaller"),
        (401, "check api_key or OPENAI_API_KEY"),
        (404, "check the name of the model, and whether base_url ends in /v1"),
        (418, "see the log of the server"),
    ],
)
def test_a_refusal_is_final_and_comes_with_the_remedy(server, status, remedy):
    server.replies = [(status, {}, b'{"error": {"message": "no such thing"}}')]
    with pytest.raises(EmbeddingServerError, match=rf"no such thing.*; .*{remedy}") as caught:
        OpenAIEmbedder("m", server.url, api_key="secret-key").encode_query("x")
    assert len(server.requests) == 1
    assert "secret-key" not in str(caught.value)


def test_a_server_that_does_not_run_is_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(
        EmbeddingServerError,
        match=rf"{url}/ .*no connection .*URL right \(base_url, OPENAI_BASE_URL\)",
    ):
        OpenAIEmbedder("m", url, retries=0).encode_query("x")


@pytest.mark.parametrize("number", [float("nan"), None, float("-inf"), 1e300])
def test_a_vector_that_is_not_finite_is_refused_by_the_number_of_its_text(server, number):
    def change(data):
        return [data[0], data[1] | {"embedding": [number] * 8}]

    server.replies = [embeddings, lambda request: embeddings(request, change=change)]
    embedder = OpenAIEmbedder("m", server.url, batch_size=2, retries=0)
    with pytest.raises(EmbeddingServerError, match=r"texts 3 to 5: the vector of text 5 .* NaN"):
        embedder.encode_documents(["a", "b", "", "c", "", "d"])


def test_another_length_than_before_or_than_asked_is_refused_at_once(server):
    server.replies = [embeddings, lambda request: embeddings(request, dim=9)]
    embedder = OpenAIEmbedder("m", server.url, batch_size=1)
    with pytest.raises(EmbeddingServerError, match="of 9 numbers came back, not of 8"):
        embedder.encode_documents(["a", "b"])
    server.replies = [lambda request: embeddings({**request, "dimensions": 8})]
    with pytest.raises(EmbeddingServerError, match=r"8 numbers .* not of 5: leave out dimensions"):
        OpenAIEmbedder("m", server.url, dimensions=5).encode_query("x")
    assert len(server.requests) == 3


def test_an_answer_is_read_by_index():
    body = '{"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2.5]}]}'
    assert read_answer(body, 2).tolist() == [[1, 2.5], [3, 4]]


# --- A model on this machine. ---

CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789:.?"
SENTENCES = ["a long sentence about the moon", "moon", "the 14 moons of a planet", "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A BERT of random weights that spells English, with mean pooling and two prompts."""
    torch = pytest.importorskip("torch")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    base = tmp_path_factory.mktemp("models")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *CHARACTERS, *(f"##{character}" for character in CHARACTERS)]
    (base / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizer(str(base / "vocab.txt"), model_max_length=64).save_pretrained(base / "bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
    )
    model = BertModel(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(base / "bert")
    modules = [Transformer(str(base / "bert")), Pooling(32)]
    prompts = {"query": "query: ", "document": "passage: "}
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(base / "tiny"))
    return base / "tiny"


@pytest.fixture(scope="module")
def embedder(folder):
    return SentenceTransformerEmbedder(folder, device="cpu", batch_size=2)


@pytest.fixture(scope="module")
def oracle(folder):
    """text -> the mean of the last layer by transformers alone, one text at a time."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)

    def encode(text):
        with torch.inference_mode():
            found = model.eval()(**tokenizer(text, return_tensors="pt", truncation=True))
        return unit(found.last_hidden_state[0].mean(dim=0).double().numpy())

    return encode


def test_documents_and_questions_are_embedded_with_the_prompts_of_the_model(embedder, oracle):
    # 1e-5: padding changes the order of float32 sums, and the length is near 10
    vectors = embedder.encode_documents(SENTENCES)
    assert (embedder.dim, vectors.dtype) == (32, np.float32)
    assert np.abs(vectors - [oracle("passage: " + text) for text in SENTENCES]).max() < 1e-5
    assert np.abs(embedder.encode_query("moon") - oracle("query: moon")).max() < 1e-5
    assert np.abs(vectors[1] - embedder.encode_query("moon")).max() > 0.01


def test_other_prompts_take_their_place_and_empty_ones_remove_them(folder, oracle):
    other = SentenceTransformerEmbedder(folder, "cpu", query_prompt="q.", document_prompt="")
    assert np.abs(other.encode_query("moon") - oracle("q.moon")).max() < 1e-5
    assert np.abs(other.encode_documents(["moon"])[0] - oracle("moon")).max() < 1e-5


def test_a_blank_text_is_a_zero_row_and_hostile_ones_are_embedded(embedder):
    vectors = embedder.encode_documents(["", "moon\ud83d\0", " \u3000", "月" * 3000])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([0, 1, 0, 1])
    assert embedder.encode_documents([]).shape == (0, 32)
    assert not embedder.encode_query("\n").any()
    with pytest.raises(TypeError, match="give a list of texts"):
        embedder.encode_documents("moon")


def test_the_limit_of_the_model_is_known_before_it_cuts(embedder):
    assert embedder.max_tokens == 64
    start = "passage: " + "moon " * 10  # 9 + 40 tokens and two ends
    one, other = embedder.encode_documents([start[9:] + "a" * 40 + end for end in ("x", "y")])
    assert (one == other).all()


def test_texts_that_the_vocabulary_lacks_show(embedder):
    assert embedder.unknown_share(["the moon", "14 moons"]) == 0
    assert embedder.unknown_share(["海王星"]) == 1
    assert embedder.unknown_share(["海王星", "abc"]) == 0.5
    assert embedder.unknown_share(["", "moon " * 100]) == 0
    assert embedder.unknown_share([]) == 0


def test_the_model_id_is_of_the_content_and_the_document_prompt(folder, embedder, tmp_path):
    copy = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, copy)
    (copy / "README.md").write_text("other words", encoding="utf-8")
    assert SentenceTransformerEmbedder(copy, "cpu").model_id == embedder.model_id
    prompted = SentenceTransformerEmbedder(copy, "cpu", document_prompt="文：", query_prompt="q")
    assert prompted.model_id != embedder.model_id
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-4] ^= 1  # one number of the last tensor
    weights.write_bytes(content)
    assert SentenceTransformerEmbedder(copy, "cpu").model_id != embedder.model_id
    assert str(tmp_path) not in prompted.model_id


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no-such-folder"])
def test_a_model_that_is_not_here_is_never_fetched(name, monkeypatch):
    def connect(*args):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    with pytest.raises(FileNotFoundError, match=rf"no model '{name}' .*`hf download {name}`"):
        SentenceTransformerEmbedder(name)


def test_nothing_is_printed(folder, capfd):
    SentenceTransformerEmbedder(folder, "cpu").encode_documents(SENTENCES, progress=True)
    assert capfd.readouterr() == ("", "")

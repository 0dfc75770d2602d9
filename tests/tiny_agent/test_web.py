"""google_search against a server on loopback that answers as Serper does, and as it should not."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tiny_agent.messages import ToolCall
from tiny_agent.tools import ToolError, ToolRegistry
from tiny_agent.web import google_search_tool

FOUND = {
    "searchParameters": {"q": "skyhook", "type": "search"},
    "answerBox": {"title": "Skyhook", "answer": "38,200 km", "link": "https://a.example"},
    "knowledgeGraph": {"title": "Skyhook", "type": "Cable", "attributes": {"Built": "204"}},
    "organic": [
        {"title": "One", "link": "https://one.example", "snippet": "First 一", "position": 1},
        {"title": "Two", "link": "https://two.example", "position": 2},
        {"title": "Three", "link": "https://three.example", "snippet": "Third", "position": 3},
    ],
}


class Server:
    """Answers each request with the same status, headers and body; keeps what it was asked."""

    def __init__(self, body=b"{}", status=200, headers=(), delay_s=0.0):
        self.asked = []
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.asked.append((self.path, headers, json.loads(self.rfile.read(length))))
                time.sleep(delay_s)
                self.send_response(status)
                for name, value in headers_to_send:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):  # to where a redirect would lead
                outer.asked.append((self.path, dict(self.headers), None))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format, *args):
                pass

        headers_to_send = headers or [("Content-Length", str(len(data)))]
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *request: None  # who hangs up early is no news
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SERPER_API_KEY", "the-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def search(server, query="skyhook", timeout_s=5.0, **arguments):
    return google_search_tool(server.url, timeout_s)(query=query, **arguments)


def refusal(server, **arguments):
    with pytest.raises(ToolError) as error:
        search(server, **arguments)
    assert "the-key" not in str(error.value)
    return str(error.value)


def test_the_request_is_the_one_of_serper():
    with Server(FOUND) as server:
        search(server, query="升天索", k=2)
    ((path, headers, body),) = server.asked
    assert path == "/search"
    assert headers["x-api-key"] == "the-key"
    assert headers["content-type"] == "application/json"
    assert body == {"q": "升天索", "num": 2}


def test_the_answer_comes_first_and_then_the_results():
    with Server(FOUND) as server:
        assert search(server, k=2) == (
            "38,200 km\n\nSkyhook: Cable\n\n"
            "[1] One\nhttps://one.example\nFirst 一\n\n[2] Two\nhttps://two.example"
        )
        assert "[3] Three\nhttps://three.example\nThird" in search(server)


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ({"answerBox": {"snippet": "so it is"}}, "so it is"),
        ({"answerBox": {"answer": "a", "snippet": "b"}}, "a"),
        ({"knowledgeGraph": {"title": "T", "description": "D"}}, "T: D"),
        ({"organic": [{"title": "T"}]}, "[1] T"),
        ({"organic": [None, "text", {"title": 3, "link": "l"}]}, "[1] \n\n[2] \n\n[3] l"),
    ],
)
def test_every_part_may_be_missing_or_odd(reply, shown):
    with Server(reply) as server:
        assert search(server) == shown


@pytest.mark.parametrize(
    "reply", [{}, {"organic": []}, {"organic": None}, {"organic": {}, "answerBox": []}]
)
def test_no_results_are_said(reply):
    with Server(reply) as server:
        assert search(server) == "Google has no results for 'skyhook'. Try other words."


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "no credits left; see https://serper.dev"),
        (401, "SERPER_API_KEY is not valid; get one at https://serper.dev"),
        (403, "SERPER_API_KEY is not valid; get one at https://serper.dev"),
        (429, "too many searches at once; wait a little"),
        (404, "try again later"),
        (500, "try again later"),
        (503, "try again later"),
    ],
)
def test_a_refusal_says_what_to_do(status, remedy):
    with Server({"message": "Unauthorized.", "statusCode": status}, status) as server:
        message = refusal(server)
    assert message.startswith(f"HTTP {status} from {server.url}/search: ")
    assert remedy in message
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"", b'{"organic": [', b"\xff\xfe"])
def test_a_reply_that_is_no_json_is_said(body):
    with Server(body) as server:
        assert "is no JSON; try again later" in refusal(server)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"3"])
def test_a_reply_that_is_no_object_is_said(body):
    with Server(body) as server:
        assert "is no JSON object" in refusal(server)


def test_a_server_that_does_not_answer_is_not_waited_for():
    start = time.perf_counter()
    with Server(FOUND, delay_s=3) as server:
        assert "no reply from" in refusal(server, timeout_s=0.3)
        assert time.perf_counter() - start < 2


def test_no_server_at_all_is_said():
    with Server() as server:
        pass
    assert "is there a network?" in refusal(server)


def test_a_server_that_speaks_something_else_is_said():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=answer, daemon=True).start()
        tool = google_search_tool(f"http://127.0.0.1:{listening.getsockname()[1]}", 5.0)
        with pytest.raises(ToolError, match="no reply from"):
            tool(query="skyhook")


def test_the_key_is_not_handed_to_where_a_reply_points():
    with Server(FOUND) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            headers = [("Location", elsewhere.url), ("Content-Length", "2")]
            with Server(b"{}", status, headers) as server:
                assert f"HTTP {status}" in refusal(server)
    assert elsewhere.asked == []


def test_a_huge_reply_is_not_read_whole():
    with Server(b"[" + b"0," * 5_000_000 + b"0]") as server:
        assert "is no JSON;" in refusal(server)  # for its end was not read


def test_without_a_key_one_line_says_what_to_set_and_where_to_get_it(monkeypatch):
    for value in ("", "  "):
        monkeypatch.setenv("SERPER_API_KEY", value)
        with Server(FOUND) as server:
            message = refusal(server)
        assert message == "no key: set SERPER_API_KEY; get one, free to try, at https://serper.dev"
        assert server.asked == []
    monkeypatch.delenv("SERPER_API_KEY")
    assert refusal(server).startswith("no key")


@pytest.mark.parametrize("key", ["a\nX-Evil: 1", "kéy", "密钥"])
def test_a_key_that_cannot_be_one_is_not_sent(monkeypatch, key):
    monkeypatch.setenv("SERPER_API_KEY", key)
    with Server(FOUND) as server:
        assert "characters that no key has" in refusal(server)
    assert server.asked == []


@pytest.mark.parametrize("k", [0, -1, 11])
def test_k_is_from_1_to_10(k):
    with Server(FOUND) as server:
        assert refusal(server, k=k) == f"k={k} must be from 1 to 10"
    assert server.asked == []


def test_the_tool_outlasts_its_own_timeout():
    with Server(FOUND, status=403) as server:
        tool = google_search_tool(server.url, timeout_s=50)
        result = ToolRegistry([tool]).run(ToolCall("google_search", {"query": "x"}))
    assert tool.timeout_s > 50
    assert result.is_error
    assert result.content.startswith("Error: HTTP 403")

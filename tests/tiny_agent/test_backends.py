"""A model behind a server: what is sent, what is made of the answer, and how servers fail."""

import copy
import json
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_agent.stub_server import (
    DONE,
    StubServer,
    body,
    deltas,
    error,
    event,
    for_ever,
    hang_up,
    say,
    slow,
)
from tiny_agent.backends import OpenAIModel
from tiny_agent.messages import Reply, ToolCall, Usage
from tiny_agent.models import ModelError, estimate_usage
from tiny_agent.server_replies import CallAssembly, CallPiece

HELLO = [{"role": "user", "content": "Hello 你好"}]
ADD = {
    "type": "function",
    "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}},
}
BOTH = pytest.mark.parametrize("method", ["generate", "stream"])


def client(server, **options):
    return OpenAIModel(server.url, "stub", **{"retries": 0, "timeout_s": 5.0, **options})


def drained(stream):
    """The pieces of a stream, and what it returns."""
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


def ask(model, method, messages=HELLO, **options):
    """The reply by either way; what was streamed is what is returned."""
    if method == "generate":
        return model.generate(messages, **options)
    pieces, reply = drained(model.stream(messages, **options))
    assert "".join(pieces) == reply.text
    assert "" not in pieces
    return reply


def called(reply):
    """(name, arguments) of each call."""
    return [(call["function"]["name"], call["function"]["arguments"]) for call in reply.tool_calls]


# --- What is asked. ---


@BOTH
def test_a_request_says_what_the_protocol_wants(method):
    with StubServer([say("你好"), say("")]) as server:
        ask(client(server, api_key="secret-key"), method, tools=[ADD], stop=["\n", "end"])
        ask(client(server, max_tokens=None, temperature=None), method)
    first, second = server.requests
    assert first.path == "/v1/chat/completions"
    assert first.headers["authorization"] == "Bearer secret-key"
    streaming = {"stream": True, "stream_options": {"include_usage": True}}
    assert first.body == {
        "model": "stub",
        "messages": HELLO,
        "tools": [ADD],
        "stop": ["\n", "end"],
        "max_tokens": 1024,
        "temperature": 0,
    } | (streaming if method == "stream" else {"stream": False})
    left = {"model", "messages", "stream"} | ({"stream_options"} if method == "stream" else set())
    assert set(second.body) == left


def test_the_key_in_the_environment_is_not_sent_to_whatever_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "somebody-elses")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with StubServer([say("hi")]) as server:
        client(server).generate(HELLO)
    assert "somebody-elses" not in json.dumps(server.requests[0].headers)


def test_messages_go_out_with_the_keys_of_the_protocol_alone():
    call = ToolCall("add", {"a": 1}, "c1").to_wire()
    asked = [
        {"role": "system", "content": "s", "name": "x", "tool_calls": []},
        {"role": "user", "content": "q", "latency_s": 0.5},
        {"role": "assistant", "content": "", "tool_calls": [call], "reasoning_content": "hm"},
        {"role": "tool", "content": "2", "tool_call_id": "c1", "is_error": False},
    ]
    with StubServer([say("2")]) as server:
        client(server).generate(asked)
    assert server.requests[0].body["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "c1"},
    ]


def test_text_that_utf8_cannot_carry_is_sent_all_the_same():
    asked = [
        {"role": "user", "content": "a\ud83d"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [ToolCall("f", {"x": "\udc80"}).to_wire()],
        },
        {"role": "tool", "content": "\ud800b", "tool_call_id": "call_0"},
    ]
    tool = {"type": "function", "function": {"name": "f", "description": "\ud800"}}
    with StubServer([say("hi")]) as server:
        assert client(server).generate(asked, [tool]).text == "hi"
    sent = server.requests[0].body["messages"]
    assert [message["content"] for message in sent] == ["a?", "", "?b"]


# --- What comes back. ---


@BOTH
@pytest.mark.parametrize("bytes_each", [None, 1, 7])
def test_a_reply_is_its_text_its_calls_its_tokens_and_its_end(method, bytes_each):
    calls = [("add", {"a": 1, "b": "二"}), ("now", {})]
    script = [
        say("算一下 🚀", calls, bytes_each=bytes_each),
        say("Nine.", finish_reason="length", usage=(20, 1024), bytes_each=bytes_each),
    ]
    with StubServer(script) as server:
        model = client(server)
        first, second = ask(model, method), ask(model, method)
    assert (first.text, first.finish_reason, first.usage) == (
        "算一下 🚀",
        "tool_calls",
        Usage(11, 3, 1),
    )
    assert called(first) == [("add", '{"a": 1, "b": "二"}'), ("now", "{}")]
    assert [call["id"] for call in first.tool_calls] == ["call_add_0", "call_now_1"]
    assert {call["type"] for call in first.tool_calls} == {"function"}
    assert second == Reply("Nine.", (), Usage(20, 1024, 1), "length")


def test_a_stream_comes_in_pieces_as_they_are_made():
    with StubServer([say("one two", pieces=["one", " two"])]) as server:
        pieces, _ = drained(client(server).stream(HELLO))
    assert pieces == ["one", " two"]


@BOTH
def test_no_text_is_an_empty_text(method):
    with StubServer([say("", [("now", {})])]) as server:
        assert ask(client(server), method).text == ""


@BOTH
def test_a_call_is_a_call_whatever_the_server_gives_as_the_reason(method):
    with StubServer(
        [say("", [("now", {})], finish_reason="stop"), say("x", finish_reason="eos")]
    ) as server:
        model = client(server)
        assert ask(model, method).finish_reason == "tool_calls"
        assert ask(model, method).finish_reason == "stop"


def test_reasoning_that_the_server_tells_apart_is_not_text():
    script = [
        deltas({"reasoning_content": "hm", "content": None}, {"content": "Nine"}),
        body({"choices": [{"message": {"content": "Nine", "reasoning_content": "hm"}}]}),
    ]
    with StubServer(script) as server:
        model = client(server)
        assert ask(model, "stream").text == ask(model, "generate").text == "Nine"


@BOTH
def test_tokens_are_estimated_and_said_to_be_where_the_server_does_not_tell(method):
    script = [say("你好", usage=None), say("", [("add", {"a": 1})], usage=None)]
    with StubServer(script) as server:
        model = client(server)
        assert ask(model, method, tools=[ADD]).usage == estimate_usage(HELLO, [ADD], "你好")
        usage = ask(model, method).usage
    assert (usage.estimated, usage.model_calls) == (True, 1)
    assert usage.completion_tokens > 5


def test_tokens_that_are_told_with_each_event_are_those_of_the_last():
    events = [
        json.loads(event({"content": "a"})[6:])
        | {"usage": {"prompt_tokens": 5, "completion_tokens": n}}
        for n in (1, 2)
    ]
    with StubServer([deltas(*(f"data: {json.dumps(e)}\n\n" for e in events))]) as server:
        assert ask(client(server), "stream").usage == Usage(5, 2, 1)


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_will_not_count_in_streams_is_asked_without_and_remembered(status):
    with StubServer([error(status, "unknown stream_options"), say("Nine"), say("Ten")]) as server:
        model = client(server)
        assert [ask(model, "stream").text for _ in range(2)] == ["Nine", "Ten"]
    assert ["stream_options" in request.body for request in server.requests] == [True, False, False]


def test_a_request_that_is_refused_for_another_reason_changes_nothing():
    with StubServer([error(400, "too long"), error(400, "too long"), say("Nine")]) as server:
        model = client(server)
        with pytest.raises(ModelError, match="answered 400: 'too long'"):
            ask(model, "stream")
        assert ask(model, "stream").usage == Usage(11, 3, 1)


# --- Stop strings. ---


@BOTH
@pytest.mark.parametrize(
    "pieces",
    [["Act\nObserv", "ation:", " 7"], ["Act\nObservation: 7"], ["Act", *"\nObservation: 7"]],
)
def test_a_stop_string_ends_the_text_also_where_the_server_ignores_it(method, pieces):
    script = [say("".join(pieces), ignores_stop=True, pieces=pieces)]
    with StubServer(script) as server:
        reply = ask(client(server), method, stop=["\nObservation:"])
    assert server.requests[0].body["stop"] == ["\nObservation:"]
    assert (reply.text, reply.finish_reason) == ("Act", "stop")
    assert reply.usage.estimated == (method == "stream")  # its end was not waited for


@BOTH
def test_a_server_that_stops_by_itself_is_heard_to_the_end(method):
    with StubServer([say("Act\nObservation: 7")]) as server:
        reply = ask(client(server), method, stop=["\nObservation:"])
    assert reply == Reply("Act", (), Usage(11, 3, 1), "stop")


@BOTH
def test_of_many_stop_strings_four_are_sent_and_all_enforced(method):
    stop = ["1", "2", "3", "4", "5"]
    with StubServer([say("a5b")]) as server:
        assert ask(client(server), method, stop=stop).text == "a"
    assert server.requests[0].body["stop"] == stop[:4]


@BOTH
def test_calls_after_a_stop_string_are_cut_off_with_the_text(method):
    script = [say("a\nObservation: 7", [("add", {})], finish_reason="length", ignores_stop=True)]
    with StubServer(script) as server:
        reply = ask(client(server), method, stop=["\nObservation:"])
    assert (reply.text, reply.tool_calls, reply.finish_reason) == ("a", (), "stop")


def test_at_a_stop_string_the_connection_is_closed():
    with StubServer([for_ever("a\nObservation:")]) as server:
        assert ask(client(server), "stream", stop=["\nObservation:"]).text == "a"
        assert server.hung_up.wait(5)


def test_a_stream_that_nobody_reads_on_is_closed():
    with StubServer([for_ever("a")]) as server:
        stream = client(server).stream(HELLO)
        assert next(stream) == "a"
        stream.close()
        assert server.hung_up.wait(5)


@BOTH
def test_an_empty_stop_string_is_refused_before_anything_is_sent(method):
    with StubServer([say("a")]) as server:
        with pytest.raises(ValueError, match="empty string"):
            ask(client(server), method, stop=["a", ""])
        assert server.requests == []


# --- Calls as servers really send them. ---


def part(index=None, id=None, name=None, arguments=None):
    """A piece of a call, with no key for what is not given."""
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": id}
    call = {key: value for key, value in call.items() if value is not None}
    return call | {"function": {k: v for k, v in function.items() if v is not None}}


ONE = [("add", '{"a": 1}')]
TWO = [("add", '{"a": 1}'), ("add", '{"a": 2}')]


@pytest.mark.parametrize(
    ("parts", "calls"),
    [
        # by the protocol
        ([part(0, "x", "add", ""), part(0, arguments='{"a"'), part(0, arguments=": 1}")], ONE),
        (
            [
                part(0, "x", "add", ""),
                part(1, "y", "add", ""),
                part(1, arguments='{"a": 2}'),
                part(0, arguments='{"a": 1}'),
            ],
            TWO,
        ),
        # id and name repeated, or empty, in each piece
        ([part(0, "x", "add", '{"a"'), part(0, "x", "add", ": 1}")], ONE),
        ([part(0, "x", "add", '{"a"'), part(0, "", "", ": 1}")], ONE),
        ([part(0, "x", "add", ""), part(0, "x", "add", '{"a": 1}')], ONE),
        ([part(0, "x", "add", '{"a": 1}'), part(0, "x", "add", "")], ONE),
        ([part(0, None, "add", '{"a"'), part(0, None, "add", ": 1}")], ONE),
        ([part(0, None, "add", '{"a": 1}'), part(0, None, "add", "")], ONE),
        # a name in pieces
        ([part(0, "x", "a", ""), part(0, name="dd"), part(0, arguments='{"a": 1}')], ONE),
        # no index
        ([part(None, "x", "add", '{"a"'), part(arguments=": 1}")], ONE),
        ([part(None, "x", "add", '{"a": 1}'), part(None, "y", "add", '{"a": 2}')], TWO),
        (
            [
                part(None, "x", "add", '{"a": '),
                part(None, "y", "add", '{"a": '),
                part(None, "x", None, "1}"),
                part(None, "y", None, "2}"),
            ],
            TWO,
        ),
        # neither index nor id
        ([part(name="add", arguments='{"a": 1}'), part(name="add", arguments='{"a": 2}')], TWO),
        (
            [part(name="now", arguments=""), part(name="add", arguments='{"a": 1}')],
            [("now", ""), *ONE],
        ),
        ([part(name="add", arguments='{"a"'), part(name="add", arguments=": 1}")], ONE),
        # one index for all
        ([part(0, "x", "add", '{"a": 1}'), part(0, "y", "add", '{"a": 2}')], TWO),
        ([part(0, None, "add", '{"a": 1}'), part(0, None, "add", '{"a": 2}')], TWO),
        ([part(0, None, "now", "{}"), part(0, None, "add", '{"a": 1}')], [("now", "{}"), *ONE]),
        (
            [
                part(0, "x", "add", '{"a": 1}'),
                part(0, "y", "add", ""),
                part(0, arguments='{"a": 2}'),
            ],
            TWO,
        ),
        (
            [part(0, None, "add", '{"a": '), part(0, None, "now", "{}")],
            [("add", '{"a": '), ("now", "{}")],
        ),
        # ids that change from piece to piece
        ([part(None, "x", "add", '{"a"'), part(None, "y", None, ": 1}")], ONE),
        # the object itself
        ([part(0, "x", "add", {"a": 1})], ONE),
        ([part(0, "x", "add", {"a": "二"})], [("add", '{"a": "二"}')]),
        ([part(0, "x", "add", {"a": "\ud800"})], [("add", '{"a": "?"}')]),
        # one without arguments
        ([part(0, "x", "now")], [("now", "")]),
        # nothing that is a call
        (["junk", None, {}, part(0), {"function": "f"}, part(0, "x", "add", '{"a": 1}')], ONE),
    ],
)
def test_calls_are_put_together_from_what_pieces_there_are(parts, calls):
    stream = deltas(*({"tool_calls": [each]} for each in parts), finish_reason="tool_calls")
    with StubServer([stream]) as server:
        reply = ask(client(server), "stream")
    assert called(reply) == calls
    assert len({call["id"] for call in reply.tool_calls}) == len(calls)


def test_whole_calls_may_come_in_one_event_and_are_told_apart_in_whole_replies_too():
    calls = [part(None, None, "add", '{"a": 1}'), part(None, None, "add", {"a": 2})]
    reply = {"choices": [{"message": {"content": None, "tool_calls": calls}}]}
    with StubServer([deltas({"tool_calls": calls}), body(reply)]) as server:
        model = client(server)
        for method in ("stream", "generate"):
            assert called(ask(model, method)) == TWO


def test_two_calls_alike_in_a_whole_reply_are_two():
    reply = {"choices": [{"message": {"tool_calls": [part(name="now"), part(name="now")]}}]}
    with StubServer([body(reply)]) as server:
        assert called(ask(client(server), "generate")) == [("now", ""), ("now", "")]


@BOTH
def test_what_is_neither_text_nor_call_is_passed_over(method):
    odd = {"content": "\ud83d Nine", "tool_calls": 7}
    script = [body({"choices": [{"message": odd}]})]
    if method == "stream":
        script = [deltas(odd, {"content": 17}, {"content": ["text"]})]
    with StubServer(script) as server:
        reply = ask(client(server), method)
    assert (reply.text, reply.tool_calls) == ("? Nine", ())


def test_broken_arguments_are_passed_on_as_they_are():
    with StubServer(
        [deltas({"tool_calls": [part(0, "x", "add", '{"a": ')]}, finish_reason="length")]
    ) as server:
        reply = ask(client(server), "stream")
    assert (called(reply), reply.finish_reason) == ([("add", '{"a": ')], "length")


@BOTH
def test_ids_are_unique_in_the_conversation(method):
    asked = [
        *HELLO,
        {"role": "assistant", "content": "", "tool_calls": [ToolCall("f", {}, "0").to_wire()]},
        {"role": "tool", "content": "1", "tool_call_id": "0"},
    ]
    calls = [
        part(0, "0", "f", "{}"),
        part(1, None, "f", "{}"),
        part(2, "own", "f", "{}"),
        part(3, "own", "f", "{}"),
    ]
    whole = body({"choices": [{"message": {"tool_calls": calls}}]})
    script = [deltas({"tool_calls": calls}) if method == "stream" else whole]
    with StubServer(script) as server:
        reply = ask(client(server), method, asked)
    ids = [call["id"] for call in reply.tool_calls]
    assert len({"0", *ids}) == 5
    assert ids[2] == "own"


def test_an_id_that_comes_late_is_taken():
    parts = [part(0, name="add"), part(0, "late", arguments="{}")]
    with StubServer([deltas(*({"tool_calls": [each]} for each in parts))]) as server:
        assert ask(client(server), "stream").tool_calls[0]["id"] == "late"


@st.composite
def streamed_calls(draw):
    """Calls as the protocol streams them: deltas, of calls side by side and of texts in pieces."""
    count = draw(st.integers(1, 3))
    rest = []
    for index in range(count):
        name = draw(st.sampled_from(["add", "now"]))
        arguments = json.dumps(draw(st.dictionaries(st.sampled_from("ab"), st.integers(0, 99))))
        cut = draw(st.integers(0, len(arguments)))
        first = {"index": index, "id": f"id_{index}", "function": {"name": name, "arguments": ""}}
        rest.append(
            [first]
            + [
                {"index": index, "function": {"arguments": part}}
                for part in (arguments[:cut], arguments[cut:])
            ]
        )
    deltas_ = [parts.pop(0) for parts in rest]  # they begin in the order of their numbers
    while any(rest):
        deltas_.append(draw(st.sampled_from([parts for parts in rest if parts])).pop(0))
    return deltas_


@settings(max_examples=100, derandomize=True, deadline=None)
@given(streamed_calls())
def test_calls_by_the_protocol_are_those_that_the_official_client_puts_together(parts):
    from openai.lib.streaming._deltas import accumulate_delta

    whole, assembly = {}, CallAssembly()
    for each in parts:
        whole = accumulate_delta(whole, {"tool_calls": [copy.deepcopy(each)]})
        function = each["function"]
        piece = CallPiece(
            each["index"], function.get("name", ""), function["arguments"], each.get("id", "")
        )
        assembly.add(piece)
    assert [(call["id"], call["function"]) for call in assembly.wire(())] == [
        (call["id"], call["function"]) for call in whole["tool_calls"]
    ]


def test_a_made_up_id_is_not_one_that_the_server_gave():
    assembly = CallAssembly()
    for piece in (CallPiece(0, "f"), CallPiece(1, "g", id="call_0"), CallPiece(2, "h")):
        assembly.add(piece)
    ids = [call["id"] for call in assembly.wire({"call_1"})]
    assert len({"call_1", *ids}) == 4


# --- Servers that fail. ---


@BOTH
def test_a_busy_or_broken_server_is_asked_again(method):
    with StubServer() as server:
        model = client(server, retries=2)
        for status in (408, 409, 429, 500, 502, 503):
            failure = error(status, retry_after_s=0.01)
            server.script = [*server.script, failure, failure, say("Nine")]
            assert ask(model, method).text == "Nine"
        assert len(server.requests) == 18


def test_a_lost_connection_and_a_timeout_are_tried_again():
    with StubServer([hang_up, slow(5, say("late")), say("Nine")]) as server:
        assert client(server, retries=2, timeout_s=0.2).generate(HELLO).text == "Nine"


def test_what_retry_after_says_is_waited_for():
    with StubServer([error(429, retry_after_s=0.7), say("Nine")]) as server:
        start = time.monotonic()
        client(server, retries=1).generate(HELLO)
        assert time.monotonic() - start >= 0.69


@BOTH
@pytest.mark.parametrize(
    ("status", "attempts", "remedy"),
    [
        (400, 1, "use the dialect react"),
        (401, 1, "set the API key"),
        (403, 1, "may not use this model"),
        (404, 1, "check the model's name"),
        (413, 1, "start a new one"),
        (418, 1, "see its log"),
        (429, 3, "wait, or raise retries"),
        (500, 3, "try again later"),
    ],
)
def test_an_error_says_what_was_asked_what_came_and_what_to_do(method, status, attempts, remedy):
    if method == "stream" and status == 400:
        attempts = 2  # once more without stream_options
    with StubServer([error(status, retry_after_s=0.001)] * 3) as server:
        with pytest.raises(ModelError) as caught:
            ask(client(server, retries=2, api_key="secret-key"), method)
        assert len(server.requests) == attempts
    for expected in (server.url, "stub", f"answered {status}: 'no such luck'", remedy):
        assert expected in str(caught.value)
    assert "secret-key" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        {"message": "no\n such luck"},
        {"error": "no such luck"},
        {"detail": "no such luck"},
        "no such luck",
    ],
)
def test_an_error_in_another_form_is_shown_all_the_same(content):
    refused = pytest.raises(ModelError, match=r"answered 404: .*no such luck")
    with StubServer([body(content, 404)]) as server, refused as caught:
        client(server).generate(HELLO)
    assert "Error code" not in str(caught.value)


DEEP = '{"choices": ' + "[" * 100_000


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (body('{"choices": [{"mess'), "sent no valid JSON"),
        (body(DEEP), "sent no valid JSON"),
        (
            body("<html>login</html>", kind="text/html"),
            "sent no reply but '<html>login</html>'; is it",
        ),
        (body({}), "sent no reply but"),
        (body([]), "sent no reply but"),
        (body("null"), "sent no reply but"),
        (body({"choices": []}), "sent no reply but"),
        (body({"choices": None}), "sent no reply but"),
        (body({"choices": "text"}), "sent no reply but"),
        (body({"choices": {"a": {}}}), "sent no reply but"),
        (body({"choices": [{}]}), "sent no reply but"),
        (body({"choices": ["text"]}), "sent no reply but"),
        (body({"choices": [{"message": {"content": 17}}]}), "sent no reply but"),
        (body({"error": {"message": "no credit"}}), "sent an error: 'no credit'; see"),
        (body({"error": "no credit"}), "sent an error: 'no credit'; see"),
        (say("I must", finish_reason="content_filter"), "by its content filter"),
    ],
)
def test_nonsense_is_an_error_that_names_the_server(response, problem):
    with (
        StubServer([response]) as server,
        pytest.raises(ModelError, match=f"{server.url} .*{problem}"),
    ):
        client(server).generate(HELLO)


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (deltas({"content": "Nine"}, finish_reason=None, end=""), "broke off after 4 characters"),
        # "[DONE]", and yet the model had not finished
        (deltas({"content": "Nine"}, finish_reason=None), "broke off after 4 characters"),
        (
            deltas({"content": "Nine"}, finish_reason=None, end="", torn=True),
            "broke off .*; ask again",
        ),
        (deltas({"content": "Nine"}, 'data: {"choices": [{"del\n\n'), "sent no valid JSON"),
        (deltas({"content": "Nine"}, f"data: {DEEP}\n\n"), "sent no valid JSON"),
        (deltas({"content": "Nine"}, 'data: {"error": {"message": "no memory"}}\n\n'), "no memory"),
        (deltas({"content": "Nine"}, finish_reason="content_filter"), "by its content filter"),
    ],
)
def test_a_stream_that_breaks_off_is_an_error_after_what_had_come(response, problem):
    with StubServer([response]) as server:
        stream = client(server).stream(HELLO)
        assert next(stream) == "Nine"
        with pytest.raises(ModelError, match=f"{server.url} .*{problem}"):
            drained(stream)


def test_a_call_that_was_cut_off_is_not_half_taken():
    begun = {"tool_calls": [part(0, "x", "add", '{"a": 1}')]}
    cut_off = pytest.raises(ModelError, match="broke off after 0 characters")
    with StubServer([deltas(begun, finish_reason=None)]) as server, cut_off:
        ask(client(server), "stream")


@pytest.mark.parametrize(
    "response",
    [
        body("<html>login</html>", kind="text/html"),
        deltas(finish_reason=None),
    ],
)
def test_no_stream_and_no_reply_is_an_error(response):
    with (
        StubServer([response, response]) as server,
        pytest.raises(ModelError, match="is it an OpenAI server"),
    ):
        ask(client(server), "stream")


def test_a_server_that_does_not_stream_is_asked_again_for_the_whole():
    whole = body({"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]})
    with StubServer([whole, whole]) as server:
        assert ask(client(server), "stream").text == "whole"
        streamed = [bool(request.body.get("stream")) for request in server.requests]
    assert streamed == [True, False]


@BOTH
def test_a_server_that_says_nothing_is_given_up_after_the_timeout(method):
    with StubServer([slow(5, say("late"))]) as server:
        start = time.monotonic()
        with pytest.raises(ModelError, match=r"said nothing for 0\.2 s; raise timeout_s"):
            ask(client(server, timeout_s=0.2), method)
        assert time.monotonic() - start < 2


def test_a_stream_that_falls_silent_is_given_up():
    def silent(exchange):
        def events():
            yield event({"content": "Nine"})
            exchange.server.closing.wait(5)

        exchange.send_stream(events())

    with StubServer([silent]) as server:
        stream = client(server, timeout_s=0.2).stream(HELLO)
        assert next(stream) == "Nine"
        with pytest.raises(ModelError, match="said nothing for"):
            drained(stream)


def test_no_server_at_all_is_an_error_that_asks_whether_it_runs():
    with StubServer() as server:
        pass
    with pytest.raises(ModelError, match=r"cannot be reached .*; is it running\?"):
        client(server).generate(HELLO)


@pytest.mark.parametrize(
    "url",
    ["localhost:80", "ftp://host/", "http://", "http:///v1", "http://host:port", "http://[::1"],
)
def test_what_is_no_url_is_no_server(url):
    with pytest.raises(ValueError, match="is no URL of a server; one looks like"):
        OpenAIModel(url, "stub")


@pytest.mark.parametrize("key", ["two\n", "ключ"])
def test_a_key_that_is_none_is_refused_and_not_shown(key):
    with pytest.raises(ValueError, match="is there a line end in it") as caught:
        OpenAIModel("http://127.0.0.1/v1", "stub", key)
    assert key not in str(caught.value)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="timeout_s=0"):
        OpenAIModel("http://localhost", "stub", timeout_s=0)
    with pytest.raises(ValueError, match="retries=-1"):
        OpenAIModel("http://localhost", "stub", retries=-1)


def test_one_model_serves_several_threads_at_a_time():
    with StubServer([say("Nine")] * 8) as server:
        model, replies = client(server), []
        threads = [
            threading.Thread(target=lambda: replies.append(ask(model, "stream").text))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
    assert replies == ["Nine"] * 8


# --- The stub itself. ---


def test_the_stub_says_what_the_official_client_understands():
    from openai import BadRequestError, OpenAI

    with StubServer(
        [say("Hi 你好", [("add", {"a": 1})], bytes_each=1)] * 2, ["m1", "m2"]
    ) as server:
        api = OpenAI(base_url=server.url, api_key="k", max_retries=0)
        assert [model.id for model in api.models.list()] == ["m1", "m2"]
        whole = api.chat.completions.create(model="m1", messages=HELLO)
        with api.chat.completions.stream(
            model="m1", messages=HELLO, stream_options={"include_usage": True}
        ) as stream:
            streamed = stream.get_final_completion()
        with pytest.raises(BadRequestError, match="the script has only 2 responses"):
            api.chat.completions.create(model="m1", messages=HELLO)
    for completion in (whole, streamed):
        choice = completion.choices[0]
        assert (choice.message.content, choice.finish_reason) == ("Hi 你好", "tool_calls")
        assert choice.message.tool_calls[0].function.arguments == '{"a": 1}'
        assert completion.usage.total_tokens == 14


CALLS = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}, {"id": "b"}]}
RESULT = {"role": "tool", "content": "1", "tool_call_id": "a"}


@pytest.mark.parametrize(
    ("request_body", "problem"),
    [
        ({"stop": list("12345")}, "at most 4"),
        ({"tools": []}, "too short"),
        ({"stream_options": {}}, "only allowed when stream"),
        ({"messages": [{**HELLO[0], "thought": "x"}]}, "unknown thought"),
        ({"messages": [{**CALLS, "tool_calls": []}]}, "too short"),
        ({"messages": [RESULT]}, "must follow its call"),
        ({"messages": [CALLS, RESULT, RESULT]}, "must follow its call"),
        ({"messages": [CALLS, RESULT, *HELLO]}, "the calls b have no results"),
        ({"messages": [CALLS, RESULT]}, "the last calls have no results"),
        ({"messages": [{**CALLS, "tool_calls": [{"id": "a"}, {"id": "a"}]}]}, "one id"),
    ],
)
def test_the_stub_refuses_what_openais_server_refuses(request_body, problem):
    from openai import BadRequestError, OpenAI

    with StubServer([say("hi")]) as server:
        api = OpenAI(base_url=server.url, api_key="k", max_retries=0)
        with pytest.raises(BadRequestError, match=problem):
            api.post("/chat/completions", body=request_body, cast_to=object)


def test_the_stub_refuses_other_paths_and_stops_when_it_is_left():
    from openai import APIConnectionError, NotFoundError, OpenAI

    with StubServer([say("hi")]) as server:
        api = OpenAI(base_url=server.url.removesuffix("/v1"), api_key="k", max_retries=0)
        with pytest.raises(NotFoundError):
            api.models.list()
    with pytest.raises(APIConnectionError):
        api.models.list()
    assert DONE == "data: [DONE]\n\n"

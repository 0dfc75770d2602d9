"""A model behind a server: what is sent, what goes wrong, how many requests there are at once."""

import math
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest

import tiny_eval.server
from tests.tiny_eval.stub_server import Response, StubServer, echo, error, say
from tiny_eval.models import Failure, Generation, Loglikelihood, ModelError, Reply
from tiny_eval.openai_model import OpenAIModel, first_model

GREEDY = Generation(max_tokens=20)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """So that a test of five attempts takes no 15 seconds."""
    monkeypatch.setattr(tiny_eval.server, "_FIRST_PAUSE_S", 0.001)


def model_of(server, **options):
    return OpenAIModel(server.url, "stub", **{"retries": 2, "timeout_s": 5, **options})


def answers(server, prompts=("Hi",), generation=GREEDY, **options):
    return dict(model_of(server, **options).generate_until(list(prompts), generation))


def script(*responses):
    """These, one a request; the last one for ever."""
    return lambda request: responses[min(request.number, len(responses) - 1)]


# --- What is sent. ---


def test_raw_text_is_a_conversation_of_one_message():
    with StubServer(lambda request: say("你好 😀")) as server:
        assert answers(server, ["问：\ud83d?"], api_key="k") == {0: Reply("你好 😀")}
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer k"
    assert request.body == {
        "model": "stub",
        "messages": [{"role": "user", "content": "问：\ufffd?"}],  # half a pair is no character
        "max_tokens": 20,
        "temperature": 0.0,
    }


def test_a_conversation_is_sent_as_it_is_and_settings_where_they_differ():
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    drawn = Generation(max_tokens=9, temperature=0.5, top_p=0.9, seed=3, stop=tuple("abcdef"))
    with StubServer(lambda request: say("ok")) as server:
        answers(server, [turns], drawn)
    assert server.requests[0].body == {
        "model": "stub",
        "messages": turns,
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": list("abcd"),  # OpenAI refuses more than four
    }


def test_stop_texts_are_enforced_here_too():
    with StubServer(lambda request: say("one f two b three", "length")) as server:
        generation = Generation(stop=("1", "2", "3", "4", "f", "b"))
        assert answers(server, generation=generation) == {0: Reply("one ")}


@pytest.mark.parametrize(
    ("response", "reply"),
    [
        (say("cut o", "length"), Reply("cut o", cut=True)),
        (say(None, "length", reasoning_content="Hm ..."), Reply("", cut=True)),
        (say("4", reasoning_content="2 and 2 ..."), Reply("4")),
        (say(None), Reply("")),
        (Response({"choices": [{"message": {"role": "assistant"}}]}), Reply("")),
    ],
)
def test_what_is_said_is_the_content_alone(response, reply):
    with StubServer(lambda request: response) as server:
        assert answers(server) == {0: reply}


# --- What goes wrong. ---


def test_retry_after_is_kept_to_by_all():
    """Also by the requests that have not been refused themselves."""

    def respond(request):
        return error(429, retry_after="0.4") if request.number == 0 else say("ok")

    with StubServer(respond) as server:
        found = answers(server, ["a", "b", "c"], concurrency=1)
    assert found == dict.fromkeys(range(3), Reply("ok"))
    first, *others = [request.time_s for request in server.requests]
    assert min(others) - first >= 0.39
    assert len(others) == 3


@pytest.mark.parametrize("after", ["Wed, 21 Oct 2015 07:28:00 GMT", "nan", "-1", ""])
def test_any_other_retry_after_is_no_reason_to_wait_or_to_give_up(after):
    with StubServer(script(error(429, retry_after=after), say("ok"))) as server:
        assert answers(server) == {0: Reply("ok")}


@pytest.mark.parametrize(
    "trouble",
    [
        error(500),
        error(503),
        error(408),
        error(429),
        Response("<html>no JSON", headers={"Content-Type": "text/html"}),
        Response("{nonsense"),
        Response("[" * 100_000),
        Response({"choices": []}),
        Response({"error": {"message": "overloaded"}}),
        Response({"choices": [{"message": {"content": 7}}]}),
        Response({"choices": [{"message": "hm"}]}),
        Response({"choices": [{"text": "hm"}]}),
        None,
    ],
)
def test_passing_trouble_is_tried_again_and_lasting_trouble_is_one_failure(trouble):
    with StubServer(script(trouble, trouble, say("ok"))) as server:
        assert answers(server) == {0: Reply("ok")}
    assert len(server.requests) == 3
    with StubServer(lambda request: trouble) as server:
        (failure,) = answers(server).values()
        assert isinstance(failure, Failure)
        assert "given up after 3 attempts" in failure.reason
        assert server.url in failure.reason
    assert len(server.requests) == 3


def test_pauses_grow(monkeypatch):
    monkeypatch.setattr(tiny_eval.server, "_FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(tiny_eval.server, "_LONGEST_PAUSE_S", 0.2)
    with StubServer(lambda request: error(500)) as server:
        answers(server, retries=3)
    times = [request.time_s for request in server.requests]
    pauses = [b - a for a, b in pairwise(times)]
    assert [round(pause, 1) for pause in pauses] == pytest.approx([0.1, 0.2, 0.2], abs=0.11)
    assert sum(pauses) >= 0.5


def test_a_timeout_is_tried_again():
    def respond(request):
        if request.number == 0:
            server.closing.wait(3)
        return say("ok")

    with StubServer(respond) as server:
        assert answers(server, timeout_s=0.3) == {0: Reply("ok")}
    with StubServer(lambda request: server.closing.wait(3) and None) as server:
        (failure,) = answers(server, timeout_s=0.2, retries=1).values()
        assert "said nothing for 0.2 s" in failure.reason


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_wrong_fails_alone_and_at_once(status):
    def respond(request):
        return error(status, "too long") if request.prompt == "long" else say("ok")

    with StubServer(respond) as server:
        found = answers(server, ["a", "long", "b"])
    assert found[0] == found[2] == Reply("ok")
    assert "too long" in found[1].reason
    assert len(server.requests) == 3


def test_a_content_filter_is_a_failure():
    with StubServer(lambda request: say("I", "content_filter")) as server:
        assert "content filter" in answers(server)[0].reason


@pytest.mark.parametrize(
    ("response", "remedy"),
    [
        (error(401), r"\$TINY_API_KEY"),
        (error(402), "credit"),
        (error(403), "key"),
        (error(404), "/v1"),
        (error(429, code="insufficient_quota"), "429"),
    ],
)
def test_what_no_request_can_get_past_ends_the_run(response, remedy):
    with (
        StubServer(lambda request: response) as server,
        pytest.raises(ModelError, match=remedy) as caught,
    ):
        answers(server, [str(i) for i in range(100)])
    assert server.url in str(caught.value)
    assert len(server.requests) <= 4  # those under way when the first came back


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        (error(500, "no memory"), "500: 'no memory'"),
        (error(429), "lower concurrency"),
        (Response("{nonsense"), "no valid JSON"),
        (Response({"choices": []}), "sent no reply but"),
    ],
)
def test_a_server_that_has_answered_none_of_the_first_few_is_given_up(trouble, cause):
    """The first few are those at once and four more, which are not tried again and again."""
    with StubServer(lambda request: trouble) as server:
        stream = model_of(server, concurrency=3).generate_until(["a"] * 200, GREEDY)
        with pytest.raises(ModelError, match="none of 7 requests") as caught:
            list(stream)
        time.sleep(0.05)
    assert len(server.requests) <= 3 * 3 + 4 + 2
    assert cause in str(caught.value)
    assert "in 3 attempts" in str(caught.value)
    assert "run again: a run goes on where it was" in str(caught.value)


def test_a_server_that_has_once_answered_is_not_given_up():
    with StubServer(lambda request: say("ok") if request.prompt == "4" else error(500)) as server:
        found = answers(server, list(map(str, range(20))), concurrency=1)
    failed = [answer for answer in found.values() if isinstance(answer, Failure)]
    assert (len(found), len(failed), found[4]) == (20, 19, Reply("ok"))
    assert all("after 1 attempt;" in found[place].reason for place in (1, 2, 3))
    assert all("after 3 attempts;" in found[place].reason for place in (0, *range(5, 20)))


def test_refused_requests_are_no_sign_that_the_server_is_broken():
    with StubServer(lambda request: error(400, "too long")) as server:
        found = answers(server, ["long"] * 20)
    assert len(found) == 20
    assert "a shorter prompt" in found[0].reason
    assert "run again" not in found[0].reason


def test_a_server_that_is_not_there_is_said_at_once():
    with StubServer(lambda request: say("ok")) as server:
        pass
    start = time.monotonic()
    with pytest.raises(ModelError, match="cannot be reached") as caught:
        answers(server, ["a"] * 10, retries=50)
    assert time.monotonic() - start < 3
    assert server.url in str(caught.value)


def test_a_server_that_goes_away_ends_the_run_but_its_answers_stay():
    def respond(request):
        if request.number == 2:
            server._http.socket.close()  # nobody listens any more
            return None
        return say("ok")

    with StubServer(respond) as server:
        stream = model_of(server, concurrency=1).generate_until(["a"] * 9, GREEDY)
        assert [next(stream), next(stream)] == [(0, Reply("ok")), (1, Reply("ok"))]
        with pytest.raises(ModelError, match="stopped"):
            next(stream)


# --- Many at once. ---


def test_every_seventh_of_forty_fails_and_the_others_have_their_own_answers():
    """Whatever the order in which they finish."""

    def respond(request):
        place = int(request.prompt)
        time.sleep(0.002 * (place % 5))
        return error(500) if place % 7 == 0 else say(f"回答 {place}")

    with StubServer(respond) as server:
        pairs = list(
            model_of(server, concurrency=8).generate_until(list(map(str, range(40))), GREEDY)
        )
    assert [place for place, _ in pairs] != list(range(40))
    found = dict(pairs)
    assert sorted(found) == list(range(40))
    for place, answer in found.items():
        expected = (
            isinstance(answer, Failure) if place % 7 == 0 else answer == Reply(f"回答 {place}")
        )
        assert expected, (place, answer)
    assert len(server.requests) == 34 + 6 * 3


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_than_so_many_at_once(concurrency):
    def respond(request):
        time.sleep(0.03)
        return say("ok")

    with StubServer(respond) as server:
        answers(server, ["a"] * 12, concurrency=concurrency)
    assert server.most_at_once == concurrency


def test_requests_per_minute_hold_for_all_threads_and_for_further_attempts():
    """600 a minute are one each 0.1 s."""
    with StubServer(lambda request: error(500) if request.number < 2 else say("ok")) as server:
        answers(server, ["a"] * 4, concurrency=4, requests_per_minute=600)
    times = sorted(request.time_s for request in server.requests)
    assert len(times) == 6
    assert times[-1] - times[0] >= 0.45
    assert all(b - a > 0.05 for a, b in pairwise(times))


def test_an_answer_comes_when_it_is_there_not_when_all_are():
    def respond(request):
        if request.prompt == "slow":
            server.closing.wait(20)
        return say("ok")

    with StubServer(respond) as server:
        stream = model_of(server, timeout_s=30).generate_until(["slow", "a", "b"], GREEDY)
        start = time.monotonic()
        assert {next(stream), next(stream)} == {(1, Reply("ok")), (2, Reply("ok"))}
        stream.close()
        assert time.monotonic() - start < 5  # the slow one is not waited for


def test_nothing_more_is_asked_when_nobody_wants_it():
    """Neither new requests nor further attempts."""
    release = threading.Event()

    def respond(request):
        if request.number >= 1:
            release.wait(5)
            return error(500)
        return say("ok")

    with StubServer(respond) as server:
        stream = model_of(server, concurrency=2, retries=9).generate_until(["a"] * 50, GREEDY)
        next(stream)
        stream.close()
        release.set()
        time.sleep(0.3)
        assert len(server.requests) <= 3


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_does_not_wait_for_the_server():
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may have it ignored
        "from tiny_eval.models import Generation\n"
        "from tiny_eval.openai_model import OpenAIModel\n"
        "model = OpenAIModel(sys.argv[1], 'stub')\n"
        "list(model.generate_until(['a'] * 9, Generation()))\n"
    )
    asked = threading.Event()

    def respond(request):
        asked.set()
        server.closing.wait(30)

    with StubServer(respond) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", program, server.url], stderr=subprocess.PIPE, text=True
        )
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, said = process.communicate(timeout=30)
    assert time.monotonic() - start < 5
    assert said.rstrip().endswith("KeyboardInterrupt")


def test_an_error_of_ours_is_not_swallowed_in_a_thread():
    with StubServer(lambda request: say("ok")) as server, pytest.raises(TypeError):
        answers(server, [[{"role": "user", "content": object()}]])


# --- Log-probabilities. ---

NUMBERS = {"one": -1.0, "Q": -2.0, ":": -0.5, " yes": -0.25, " no": -3.0, "\n": -0.125, "天": -4.0}
NUMBERS |= {" two": -1.0, " three": -1.0, "<s>": -7.0}


def echoing(request):
    """A model of words: each has its own probability, and the likeliest has -0.5."""
    text, tokens = request.prompt, []
    assert request.body["echo"] is True
    assert request.path == "/v1/completions"
    while text:
        token = max((word for word in NUMBERS if text.startswith(word)), key=len)
        tokens.append(token)
        text = text[len(token) :]
    numbers = [None, *(NUMBERS[token] for token in tokens[1:])]
    return echo(tokens, numbers, [None] + [max(n, -0.5) for n in numbers[1:]])


def test_a_continuation_is_scored_by_its_own_tokens():
    with StubServer(echoing) as server:
        found = dict(model_of(server).loglikelihood([("Q:", " yes"), ("Q:", " no"), ("Q: ", "no")]))
    assert found[0] == Loglikelihood(-0.25, 1, True)
    assert found[1] == found[2] == Loglikelihood(-3.0, 1, False)
    prompts = [request.prompt for request in server.requests]
    assert prompts.count("Q:") <= 3  # by itself, once or as often as threads ask for it at once
    assert all(request.body["max_tokens"] == 1 for request in server.requests)


def test_a_prompts_own_length_is_asked_once():
    with StubServer(echoing) as server:
        dict(model_of(server, concurrency=1).loglikelihood([("Q:", " yes"), ("Q:", " no")]))
    assert [request.prompt for request in server.requests] == [
        "one two three",  # whether the server can do it at all
        "Q:",
        "Q: yes",
        "Q: no",
    ]


def test_white_space_at_the_prompts_end_is_scored():
    with StubServer(echoing) as server:
        assert list(model_of(server).loglikelihood([("Q:\n", " yes")])) == [
            (0, Loglikelihood(-0.375, 2, True))
        ]


def test_tokens_are_counted_without_usage_too():
    def respond(request):
        body = echoing(request).body
        return Response({"choices": body["choices"]})

    with StubServer(respond) as server:
        (found,) = dict(model_of(server).loglikelihood([("Q:", " yes")])).values()
    assert found == Loglikelihood(-0.25, 1, True)


def test_a_text_of_which_the_server_scores_nothing_fails_alone():
    made = {"text": "!", "logprobs": {"token_logprobs": [-9.0]}}  # the token that was made, alone

    def respond(request):
        return Response({"choices": [made]}) if "天" in request.prompt else echoing(request)

    with StubServer(respond) as server:
        found = dict(model_of(server).loglikelihood_rolling(["天", "Q:"]))
    assert "no tokens of its own" in found[0].reason
    assert found[1].tokens == 1


def test_a_text_is_scored_from_its_second_token_or_its_first_after_a_bos_token():
    with StubServer(echoing) as server:
        found = dict(model_of(server).loglikelihood_rolling(["天:", "", "<s>天:"]))
    assert found == {
        0: Loglikelihood(-0.5, 1, True),
        1: Loglikelihood(0.0, 0, True),
        2: Loglikelihood(-4.5, 2, False),
    }


@pytest.mark.parametrize(
    "response",
    [
        error(404),
        error(405),
        error(501),
        error(400, "echo is not supported"),
        Response({"choices": [{"text": "!", "logprobs": None}]}),  # Ollama
        Response({"choices": [{"text": "!", "logprobs": {"token_logprobs": [None]}}]}),
        say("hello"),
    ],
)
def test_a_server_without_log_probabilities_is_said_at_once(response):
    with StubServer(lambda request: response) as server:
        for ask in (
            lambda: model_of(server).loglikelihood([("Q:", " yes")] * 20),
            lambda: model_of(server).loglikelihood_rolling(["a"] * 20),
        ):
            with pytest.raises(ModelError, match="gives no log-probabilities of a prompt"):
                list(ask())
    assert len(server.requests) <= 2


def test_a_conversation_has_no_log_probabilities():
    turns = [{"role": "user", "content": "Q:"}]
    with StubServer(echoing) as server, pytest.raises(ModelError, match="conversation"):
        list(model_of(server).loglikelihood([("Q:", " no"), (turns, " yes")]))
    assert not server.requests


def test_a_text_that_is_too_long_fails_alone():
    def respond(request):
        return error(400, "context") if "天" in request.prompt else echoing(request)

    with StubServer(respond) as server:
        found = dict(model_of(server).loglikelihood([("Q:", " yes"), ("天", " no")]))
    assert found[0].total == -0.25
    assert "context" in found[1].reason


# --- Choices. ---


def test_what_its_answers_depend_on():
    model = OpenAIModel("https://key:secret@host:80/v1/", "m", "k")
    assert model.name == "m"
    assert model.settings == {"server": "host:80/v1"}


def test_the_first_model_of_a_server():
    with StubServer(lambda request: Response({"data": [{"id": "a"}, {"id": "b"}]})) as server:
        assert first_model(server.url, "k") == "a"
    assert server.requests[0].path == "/v1/models"
    for response, kind in [
        (error(401), ModelError),
        (error(404), ValueError),
        (Response({"data": []}), ValueError),
        (Response({"data": [{"id": None}]}), ValueError),
    ]:
        with StubServer(lambda request, response=response: response) as server:
            with pytest.raises((ModelError, ValueError)) as caught:
                first_model(server.url)
            assert isinstance(caught.value, kind), response


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "localhost:8000"},
        {"base_url": "http://host:port/v1"},
        {"concurrency": 0},
        {"retries": -1},
        {"timeout_s": 0},
        {"requests_per_minute": 0},
        {"requests_per_minute": math.nan},
        {"api_key": "k\n"},
    ],
)
def test_wrong_arguments_are_named(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=name if name != "base_url" else str(value)):
        OpenAIModel(**{"base_url": "http://127.0.0.1:1/v1", "model": "m", **wrong})

"""A model behind a server that speaks the OpenAI protocol.

    OpenAIModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")         # Ollama
    OpenAIModel("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen-plus", api_key)

It does not trust the server: stop strings are enforced here, and half a reply is an error, not a
reply. What servers get wrong and can be understood all the same is in `server_replies`. Chapters 41
and 42 use it. Leaves out: images, several replies at a time, `logprobs`.
"""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from .messages import Message, Reply
from .models import ModelError, ToolSpec, estimate_usage, until_stop
from .server_replies import Heard, clean, first_choice, get

_REMEDIES = {
    400: "the conversation may be longer than the model's context, or the server takes no tools "
    "(if so, use the dialect react)",
    401: "set the API key that this server wants (on the command line: $TINY_API_KEY)",
    403: "the API key may not use this model",
    404: "check the model's name, and that the URL ends as the server wants it (most: /v1)",
    413: "the conversation is too long for this server; start a new one",
    429: "too many requests or no credit left; wait, or raise retries",
}
_STOPS_SENT = 4  # OpenAI refuses more; the others are enforced here alone


class OpenAIModel:
    """A model behind `POST {base_url}/chat/completions`: vLLM, Ollama, DashScope, OpenAI ...

    timeout_s: the longest wait for the next byte, of each attempt · retries: further attempts after
    no connection, a timeout, 408, 409, 429 or 5xx, with pauses of about 0.5 s, 1 s, 2 s ... 8 s, or
    as Retry-After says up to two minutes · max_tokens: of a reply · temperature: None leaves it to
    the server, as some models accept no other; so does max_tokens=None
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 2,
        max_tokens: int | None = 1024,
        temperature: float | None = 0.0,
    ) -> None:
        check_url(base_url)
        # Not the key in the environment: it may belong to another server than this one.
        key = api_key or "none"
        if not (key.isascii() and key.isprintable()):
            raise ValueError("api_key has a character that no key has; is there a line end in it?")
        if timeout_s <= 0 or retries < 0:
            message = f"timeout_s={timeout_s} must be above 0 and retries={retries} at least 0"
            raise ValueError(message)
        from openai import OpenAI  # a second, and only here

        self.base_url, self.model, self.timeout_s = base_url, model, timeout_s
        self.max_tokens, self.temperature = max_tokens, temperature
        self._client = OpenAI(
            base_url=base_url, api_key=key, timeout=timeout_s, max_retries=retries
        )
        self._asks_usage = True

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Reply:
        """The reply. ModelError if there is none: no server, an error, nothing that is a reply."""
        _check_stop(stop)
        with self._errors_told():
            answer = self._create(messages, tools, stop, False)
        said = get(first_choice(answer), "message")
        if said is None or not isinstance(get(said, "content"), str | None):
            if error := get(answer, "error"):
                raise self._error(f"sent an error: {_excerpt(_told(error))}", "see its log")
            raise self._error(f"sent no reply but {_excerpt(answer)}", "is it an OpenAI server?")
        heard = Heard()
        text = "".join(until_stop(heard.texts([answer], "message"), stop))
        return self._reply(heard, text, messages, tools)

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Generator[str, None, Reply]:
        """The reply as it is made. ModelError also where it breaks off before its end."""
        _check_stop(stop)
        heard, text = Heard(), ""
        with self._errors_told():
            opened = self._create(messages, tools, stop, True)
        # Left before its end the connection is closed, so that the server need not go on.
        with opened as events, self._errors_told("broke off", "ask again"):
            for piece in until_stop(heard.texts(events, "delta"), stop):
                text += piece
                yield piece
        if not heard.events:  # a server that does not stream, or none at all
            reply = self.generate(messages, tools, stop)
            if reply.text:
                yield reply.text
            return reply
        if heard.ended and not heard.finish_reason:
            raise self._error(f"broke off after {len(text)} characters", "ask again")
        return self._reply(heard, text, messages, tools)

    def _reply(
        self, heard: Heard, text: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> Reply:
        """What was heard, as a reply. A stop string in the text cuts off the calls after it too."""
        if heard.ended and heard.finish_reason == "content_filter":
            raise self._error("cut its reply off by its content filter", "ask in other words")
        taken = {call["id"] for message in messages for call in message.get("tool_calls", ())}
        calls = heard.calls.wire(taken) if heard.ended else ()
        reason = "tool_calls" if calls else "stop"
        if heard.ended and heard.finish_reason == "length":
            reason = "length"
        written = text + "".join(str(call["function"]) for call in calls)
        usage = heard.usage or estimate_usage(messages, tools, written)
        return Reply(text, calls, usage, reason)

    def _create(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        stop: Sequence[str],
        stream: bool,
    ) -> Any:
        """What the library makes of the server's answer: not always what its types promise."""
        from openai import BadRequestError, UnprocessableEntityError, omit

        request = {
            "model": self.model,
            "messages": _sendable([_known_keys(message) for message in messages]),
            "tools": _sendable(list(tools)) or omit,
            "stop": list(stop[:_STOPS_SENT]) or omit,
            # the older name, which every compatible server knows
            "max_tokens": omit if self.max_tokens is None else self.max_tokens,
            "temperature": omit if self.temperature is None else self.temperature,
            "stream": stream,
        }
        create: Any = self._client.chat.completions.create
        if not (stream and self._asks_usage):
            return create(**request)
        try:
            return create(**request, stream_options={"include_usage": True})
        except (BadRequestError, UnprocessableEntityError):
            events = create(**request)
            self._asks_usage = False  # it was this that the server minded
            return events

    @contextmanager
    def _errors_told(
        self, lost: str = "cannot be reached", remedy: str = "is it running?"
    ) -> Iterator[None]:
        """The library's errors as a ModelError that says what to do. lost: without a connection"""
        import openai

        try:
            yield
        except openai.APITimeoutError as error:
            problem = f"said nothing for {self.timeout_s:g} s"
            raise self._error(problem, "raise timeout_s, or ask a smaller model") from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise self._error(f"{lost} ({cause})", remedy) from error
        except openai.APIStatusError as error:
            status = error.status_code
            remedy = _REMEDIES.get(status, "try again later" if status >= 500 else "see its log")
            raise self._error(
                f"answered {status}: {_excerpt(_told(error.body))}", remedy
            ) from error
        except openai.OpenAIError as error:
            raise self._error(f"failed: {_excerpt(error)}", "see its log") from error
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._error(f"sent no valid JSON ({error})", "ask again") from error

    def _error(self, problem: str, remedy: str) -> ModelError:
        return ModelError(f"{self.base_url} (model {self.model}) {problem}; {remedy}")


def check_url(url: str) -> None:
    """ValueError if this is no URL of a server."""
    try:
        parts = urlsplit(url)
        # a port that is no number is a ValueError
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return
    except ValueError:
        pass
    raise ValueError(f"{url!r} is no URL of a server; one looks like http://127.0.0.1:8000/v1")


def _known_keys(message: Message) -> dict[str, object]:
    """The message with the keys that the protocol knows, and no other."""
    sent: dict[str, object] = {"role": message["role"], "content": message["content"]}
    if calls := message.get("tool_calls"):  # an empty list is refused by OpenAI
        sent["tool_calls"] = calls
    if "tool_call_id" in message:
        sent["tool_call_id"] = message["tool_call_id"]
    return sent


def _sendable(value: object) -> Any:
    """The same without lone surrogates in any of its texts: a tool's output may hold some."""
    return json.loads(clean(json.dumps(value, ensure_ascii=False)))


def _check_stop(stop: Sequence[str]) -> None:
    """ValueError if a stop string is empty: before anything is asked."""
    list(until_stop((), stop))


def _told(body: object) -> object:
    """The message in an error, where it has OpenAI's form; else all that came."""
    return body["message"] if isinstance(body, dict) and body.get("message") else body


def _excerpt(value: object) -> str:
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 200 else text[:200] + "...")

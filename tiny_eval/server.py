"""A server that speaks the OpenAI protocol, asked until it answers or it is clear that it will not.

What may go right the next time is tried again: timeouts, broken connections, nonsense, 408, 409,
429, 5xx. What no request can get past is a ModelError, also a server that answers none of the first
few; what is wrong with one request alone is its Failure.
"""

import json
import math
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .models import Failure, ModelError
from .threads import Pace

Json = dict[str, Any]

_REMEDIES = {
    400: "if it is too long for the model: a shorter prompt (fewer examples: --few-shot), fewer "
    "--max-tokens, or another model",
    401: "set the API key that this server wants (on the command line: $TINY_API_KEY)",
    402: "there is no credit left",
    403: "the API key may not use this model",
    404: "check the model's name, and that the URL ends as the server wants it (most: /v1)",
    413: "the prompt is too long for this server: a shorter one, or another server",
    429: "too many requests; lower concurrency, or give requests_per_minute (--rpm)",
}
_FATAL = (401, 402, 403)
_MISSING = (404, 405, 501)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LONGEST_WAIT_S = 0.5, 30.0, 120.0


class NotThereError(ModelError):
    """The server answers, but has no such model, or no such thing."""


class _Again(NamedTuple):
    """What went wrong, and may go right the next time."""

    reason: str
    after_s: float | None = None
    """What the server wants us to wait."""
    unreachable: bool = False


class Server:
    """`{base_url}/...`, and the model that is meant. All may be called from several threads.

    patience: if so many requests have failed, and none was ever answered, the server is given up;
    what the other arguments mean is said in OpenAIModel
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None,
        retries: int,
        timeout_s: float,
        requests_per_minute: float | None = None,
        patience: int = 5,
    ) -> None:
        _check_url(base_url)
        if retries < 0 or timeout_s <= 0:
            message = f"timeout_s={timeout_s} must be above 0 and retries={retries} at least 0"
            raise ValueError(message)
        if requests_per_minute is not None and not requests_per_minute > 0:
            raise ValueError(f"requests_per_minute={requests_per_minute} must be above 0, or None")
        # Not the key in the environment: it may belong to another server than this one.
        key = api_key or "none"
        if not (key.isascii() and key.isprintable()):
            raise ValueError("api_key has a character that no key has; is there a line end in it?")
        from openai import OpenAI  # a second, and only here

        self.base_url, self.model = base_url, model
        self.retries, self.timeout_s = retries, timeout_s
        # Retries are ours, for they must keep to the pace, and end when nobody waits for them.
        self._client = OpenAI(base_url=base_url, api_key=key, timeout=timeout_s, max_retries=0)
        self._pace = Pace(requests_per_minute)
        self._reached = self._answered = False
        self._patience = patience
        self._in_vain: list[str] = []  # why, as long as nothing was answered

    def ask(self, path: str, body: Json | None, stopped: Event) -> Json | Failure:
        """The server's answer, in the protocol's form; after several attempts, if need be."""
        found = _Again("was not asked")
        # where one was tried often in vain, and none was answered, once shows whether that goes on
        attempts = 1 if self._in_vain and not self._answered else self.retries + 1
        for attempt in range(attempts):
            if attempt and found.after_s is None:
                stopped.wait(min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S))
            if not self._pace.wait(stopped):
                return Failure("stopped")
            answer = self._once(path, body)
            if not isinstance(answer, _Again):
                return answer
            found = answer
            if found.after_s is not None:
                self._pace.hold(min(found.after_s, _LONGEST_WAIT_S))
        if found.unreachable:
            raise ModelError(self._told(found.reason, "has it been stopped?"))
        return self._given_up(found.reason, attempts)

    def _given_up(self, reason: str, attempts: int) -> Failure:
        """A Failure; ModelError if the server has not answered any of the first few."""
        if not self._answered:
            self._in_vain.append(reason)
            if len(self._in_vain) >= self._patience:
                first = f"the first, in {_times(self.retries + 1)}: it {self._in_vain[0]}"
                problem = f"answered none of {len(self._in_vain)} requests; {first}"
                raise ModelError(self._told(problem, "then run again: a run goes on where it was"))
        return self.failure(reason, f"given up after {_times(attempts)}; run again to ask again")

    def _once(self, path: str, body: Json | None) -> Json | Failure | _Again:
        import openai

        try:
            if body is None:
                answer = self._client.get(path, cast_to=object)
            else:
                sent = _sendable({"model": self.model, **body})
                answer = self._client.post(path, cast_to=object, body=sent)
        except openai.APITimeoutError:
            return _Again(f"said nothing for {self.timeout_s:g} s")
        except openai.APIConnectionError as error:
            return self._lost(error.__cause__ or error)
        except openai.APIStatusError as error:
            self._reached = True
            return self._refused(error)
        except (ValueError, RecursionError) as error:
            return _Again(f"sent no valid JSON ({error})")
        self._reached = True
        if isinstance(answer, dict) and _well_formed(path, answer):
            self._answered = True
            return answer
        return _Again(f"sent no reply but {excerpt(answer)}")

    def _lost(self, cause: BaseException) -> _Again:
        """There is no connection, or it broke. Where there never was one, waiting is of no use."""
        unreachable = type(cause).__name__ == "ConnectError"
        if unreachable and not self._reached:
            problem = f"cannot be reached ({cause})"
            raise ModelError(self._told(problem, "does the server run, and is the URL right?"))
        return _Again(f"lost the connection ({cause})", unreachable=unreachable)

    def _refused(self, error: Any) -> Failure | _Again:
        """error: an APIStatusError of openai"""
        status, body = error.status_code, error.body
        said = body["message"] if isinstance(body, dict) and body.get("message") else body
        problem = f"answered {status}: {excerpt(said)}"
        remedy = _REMEDIES.get(status, "see its log")
        if status in _FATAL or error.code == "insufficient_quota":
            raise ModelError(self._told(problem, remedy))
        if status in _MISSING:
            raise NotThereError(self._told(problem, _REMEDIES[404]))
        if status in (408, 409, 429) or status >= 500:
            after_s = _retry_after(error.response.headers.get("retry-after"))
            return _Again(f"{problem}; {remedy}", after_s)
        return self.failure(problem, remedy)

    def failure(self, problem: str, remedy: str) -> Failure:
        return Failure(self._told(problem, remedy))

    def _told(self, problem: str, remedy: str) -> str:
        return f"{self.base_url} (model {self.model}) {problem}" + (f"; {remedy}" if remedy else "")


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


def _well_formed(path: str, answer: Json) -> bool:
    """Whether the first of what was asked for is what the protocol says."""
    found = answer.get("data" if path == "/models" else "choices")
    first = found[0] if isinstance(found, list) and found else None
    if not isinstance(first, dict) or path == "/completions":
        return isinstance(first, dict)
    if path == "/models":
        return isinstance(first.get("id"), str)
    message = first.get("message")
    return isinstance(message, dict) and isinstance(message.get("content"), str | None)


def _retry_after(value: str | None) -> float | None:
    """Seconds; None without the header, or where it holds a date."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        # a port that is no number is a ValueError
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return
    except ValueError:
        pass
    raise ValueError(f"{url!r} is no URL of a server; one looks like http://127.0.0.1:8000/v1")


def _sendable(body: Json) -> Json:
    """The same without halves of surrogate pairs, which UTF-8 does not have."""
    text = json.dumps(body, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def excerpt(value: object) -> str:
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 200 else text[:200] + "...")

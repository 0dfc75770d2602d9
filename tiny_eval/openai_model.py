"""A model behind a server that speaks the OpenAI protocol.

    OpenAIModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")         # Ollama
    OpenAIModel("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen-plus", api_key)

Answers come from /chat/completions, where raw text is a conversation of one message.
Log-probabilities come from /completions, which must give those of the prompt too (`echo`): vLLM
does, most services do not. What a reasoning model thinks is not in its answer and is left out.
Chapter 52 uses it. Leaves out: free answers of base models; max_completion_tokens, which some
models of OpenAI want; texts longer than the model's context.
"""

import math
import re
from collections.abc import Iterator, Sequence
from threading import Event
from typing import NamedTuple

from .models import Failure, Generation, Loglikelihood, ModelError, Prompt, Reply
from .server import Json, NotThereError, Server, excerpt
from .threads import in_threads

_NO_LOGPROBS = (
    "this server gives no log-probabilities of a prompt (/completions with echo); use a task of "
    "kind generate, or a local folder"
)
_STOPS_SENT = 4  # OpenAI refuses more; all are enforced here, too


class _Echo(NamedTuple):
    """A prompt as a server sees it: by token."""

    logprobs: list[float | None]
    """None for the first, which nothing stands before."""
    best: list[float | None]
    """That of the likeliest token; None where the server does not say."""


class OpenAIModel:
    """A model behind a server: vLLM, Ollama, DashScope, Zhipu, OpenAI ...

    concurrency: requests at once · retries: further attempts after a timeout, a broken connection,
    nonsense, 408, 409, 429 or 5xx, with pauses of 0.5 s, 1 s ... 30 s, or as Retry-After says up to
    two minutes · timeout_s: the longest wait for the next byte
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        concurrency: int = 4,
        retries: int = 5,
        timeout_s: float = 120.0,
        requests_per_minute: float | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency={concurrency} must be at least 1")
        # beyond those at once, a few more: the first documents may be worse than the others
        patience = concurrency + 4
        self._server = Server(
            base_url, model, api_key, retries, timeout_s, requests_per_minute, patience
        )
        self.name, self.concurrency = model, concurrency
        self._echoes = False

    @property
    def settings(self) -> Json:
        """Which server."""
        return {"server": re.sub(r"^\w+://(.*@)?|/+$", "", self._server.base_url)}

    def generate_until(
        self, prompts: Sequence[Prompt], generation: Generation
    ) -> Iterator[tuple[int, Reply | Failure]]:
        """Several at once.

        ModelError if the server cannot be reached, refuses the key, or answers none of the first
        few
        """

        def ask(place: int, stopped: Event) -> Reply | Failure:
            return self._reply(prompts[place], generation, stopped)

        yield from in_threads(len(prompts), ask, self.concurrency)

    def loglikelihood(
        self, requests: Sequence[tuple[Prompt, str]]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """Each prompt is sent once more by itself, to know how many of the tokens are its own.

        ModelError as above, for a server that cannot do it, and for conversations
        """
        if any(not isinstance(prompt, str) for prompt, _ in requests):
            problem = "no server says how likely an answer is in a conversation"
            raise ModelError(f"{problem}; use chat: false, kind generate, or a local folder")
        self._check_echo()
        lengths: dict[str, int] = {}

        def ask(place: int, stopped: Event) -> Loglikelihood | Failure:
            prompt, continuation = requests[place]
            # as in lm-eval: white space at its end is the continuation's
            before = str(prompt).rstrip()
            after = str(prompt)[len(before) :] + continuation
            return self._scored(before, after, lengths, stopped)

        yield from in_threads(len(requests), ask, self.concurrency)

    def loglikelihood_rolling(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """As far as a text fits into the model's context; a longer one is a Failure.

        Where the server puts no BOS token before a text, its first token is not counted.
        """
        self._check_echo()

        def ask(place: int, stopped: Event) -> Loglikelihood | Failure:
            if not texts[place]:
                return Loglikelihood(0.0, 0, True)
            return self._scored("", texts[place], {}, stopped)

        yield from in_threads(len(texts), ask, self.concurrency)

    def _reply(self, prompt: Prompt, generation: Generation, stopped: Event) -> Reply | Failure:
        body: Json = {"max_tokens": generation.max_tokens, "temperature": generation.temperature}
        body |= {"top_p": generation.top_p} if generation.top_p < 1 else {}
        body |= {"seed": generation.seed} if generation.temperature else {}
        body |= {"stop": list(generation.stop[:_STOPS_SENT])} if generation.stop else {}
        turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        answer = self._server.ask("/chat/completions", body | {"messages": turns}, stopped)
        if isinstance(answer, Failure):
            return answer
        choice = answer["choices"][0]
        if choice.get("finish_reason") == "content_filter":
            return self._server.failure("cut its reply off by its content filter", "")
        # null or missing: it said nothing, or got no further than its thoughts
        whole = choice["message"].get("content") or ""
        text = min((whole.split(stop, 1)[0] for stop in generation.stop), key=len, default=whole)
        return Reply(text, cut=text == whole and choice.get("finish_reason") == "length")

    # --- Log-probabilities. ---

    def _check_echo(self) -> None:
        """ModelError if the server does not give the log-probabilities of a short text."""
        if self._echoes:
            return
        try:
            found = self._echo("one two three", Event())
        except NotThereError as error:
            raise ModelError(f"{error}; if that is not it: {_NO_LOGPROBS}") from error
        if isinstance(found, Failure):
            raise ModelError(f"{found.reason}; {_NO_LOGPROBS}")
        self._echoes = True

    def _scored(
        self, before: str, after: str, lengths: dict[str, int], stopped: Event
    ) -> Loglikelihood | Failure:
        """lengths: of what stands before, in tokens, as far as they are known"""
        if before and before not in lengths:
            alone = self._echo(before, stopped)
            if isinstance(alone, Failure):
                return alone
            lengths[before] = len(alone.logprobs)
        found = self._echo(before + after, stopped)
        if isinstance(found, Failure):
            return found
        first = lengths[before] if before else int(found.logprobs[:1] == [None])
        best = found.best[first:]
        known = [number for number in found.logprobs[first:] if number is not None]
        if not known or len(known) < len(best):
            return Failure(f"{after[:40]!r} has no tokens of its own with log-probabilities")
        greedy = all(top is not None and n >= top for n, top in zip(known, best, strict=True))
        return Loglikelihood(math.fsum(known), len(known), greedy)

    def _echo(self, text: str, stopped: Event) -> _Echo | Failure:
        """The log-probabilities of a text's tokens."""
        # one token is made, and ignored, because some servers refuse to make none
        body = {"prompt": text, "max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True}
        answer = self._server.ask("/completions", body, stopped)
        if isinstance(answer, Failure):
            return answer
        logprobs = answer["choices"][0].get("logprobs") or {}
        numbers, tops = logprobs.get("token_logprobs"), logprobs.get("top_logprobs")
        usage = answer.get("usage") or {}
        if not numbers or not any(isinstance(number, float | int) for number in numbers):
            return self._server.failure(f"sent no log-probabilities but {excerpt(answer)}", "")
        count = usage.get("prompt_tokens", len(numbers) - 1)
        best = [max(top.values()) if top else None for top in tops or [None] * len(numbers)]
        return _Echo(numbers[:count], best[:count])


def first_model(base_url: str, api_key: str | None = None) -> str:
    """The name of the first model that a server lists.

    ModelError if it cannot be reached or refuses the key; ValueError if it lists none
    """
    server = Server(base_url, "?", api_key, retries=1, timeout_s=10)
    remedy = "name one: --model-name NAME"
    try:
        answer = server.ask("/models", None, Event())
    except NotThereError as error:
        raise ValueError(f"{error}; or it does not list its models, so {remedy}") from error
    if isinstance(answer, Failure):
        raise ValueError(f"{answer.reason}; {remedy}")
    return str(answer["data"][0]["id"])

"""Models that answer: a server that speaks the OpenAI protocol, a folder on this machine.

    OpenAILLM("http://127.0.0.1:11434/v1", "qwen2.5:7b")         # Ollama
    OpenAILLM("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen-plus", api_key)
    TransformersLLM("models/Qwen2.5-0.5B-Instruct")

Both choose the likeliest token each time, so that a chapter can be built twice with one result.
Chapter 33 uses them. Leaves out: tools, images, sampling, several questions at a time.
"""

import inspect
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .llm import Completion, LLMError, Message, Usage, until_stop
from .model_folders import is_small, load_chat_model, one_thread

if TYPE_CHECKING:
    from torch import Tensor

_REMEDIES = {
    400: "the prompt may be longer than the model's context; lower the budget",
    401: "set the API key that this server wants",
    403: "the API key may not use this model",
    404: "check the model's name, and that the URL ends as the server wants it (most: /v1)",
    429: "too many requests or no credit left; wait, or raise retries",
}


class OpenAILLM:
    """A model behind `POST {base_url}/chat/completions`: vLLM, Ollama, DashScope, OpenAI ...

    timeout_s: the longest wait for the next byte, of each attempt · retries: further attempts after
    no connection, a timeout, 408, 409, 429 or 5xx, with pauses of 0.5 s, 1 s, 2 s ... 8 s, or as
    Retry-After says · temperature: None leaves it to the server, as some models accept no other
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 2,
        temperature: float | None = 0.0,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url={base_url!r} must start with http:// or https://")
        if timeout_s <= 0 or retries < 0:
            message = f"timeout_s={timeout_s} must be above 0 and retries={retries} at least 0"
            raise ValueError(message)
        from openai import OpenAI  # a second, and only here

        self.base_url, self.model, self.timeout_s = base_url, model, timeout_s
        self.temperature = temperature
        # Not the key in the environment: it may belong to another server than this one.
        key = api_key or "none"
        self._client = OpenAI(
            base_url=base_url, api_key=key, timeout=timeout_s, max_retries=retries
        )

    def complete(
        self, messages: list[Message], max_tokens: int = 256, stop: Sequence[str] = ()
    ) -> Completion:
        """The reply. LLMError if there is none: no server, an error, nothing that is a reply."""
        with self._errors_told():
            reply = self._create(messages, max_tokens, stop, False)
        choices = getattr(reply, "choices", None)
        text = getattr(getattr(choices[0], "message", None), "content", None) if choices else None
        if not isinstance(text, str):
            raise self._error(f"sent no reply but {_excerpt(reply)}", "is it an OpenAI server?")
        return Completion(text, _usage(reply) or Usage.estimate(messages, text))

    def stream(
        self, messages: list[Message], max_tokens: int = 256, stop: Sequence[str] = ()
    ) -> Generator[str, None, Completion]:
        """The reply as it is made. LLMError also where it breaks off before its end."""
        pieces: list[str] = []
        usage, finished = None, False
        with self._errors_told():
            for event in self._create(messages, max_tokens, stop, True):
                usage = _usage(event) or usage
                for choice in getattr(event, "choices", None) or ():
                    piece = getattr(getattr(choice, "delta", None), "content", None)
                    finished = finished or bool(getattr(choice, "finish_reason", None))
                    if isinstance(piece, str) and piece:
                        pieces.append(piece)
                        yield piece
        text = "".join(pieces)
        if not finished:
            raise self._error(f"broke off after {len(text)} characters", "ask again")
        return Completion(text, usage or Usage.estimate(messages, text))

    def _create(
        self, messages: list[Message], max_tokens: int, stop: Sequence[str], stream: bool
    ) -> Any:
        """What the library makes of the server's answer: not always what its types promise."""
        from openai import omit

        create: Any = self._client.chat.completions.create
        return create(
            model=self.model,
            messages=messages,
            max_tokens=max_tokens,  # the older name, which every compatible server knows
            stop=list(stop) or omit,
            temperature=omit if self.temperature is None else self.temperature,
            stream=stream,
            stream_options={"include_usage": True} if stream else omit,
        )

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """The library's errors as an LLMError that says what to do."""
        import openai

        try:
            yield
        except openai.APITimeoutError as error:
            problem = f"said nothing for {self.timeout_s:g} s"
            raise self._error(problem, "raise timeout_s, or ask a smaller model") from error
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise self._error(f"cannot be reached ({cause})", "is it running?") from error
        except openai.APIStatusError as error:
            status = error.status_code
            remedy = _REMEDIES.get(status, "try again later" if status >= 500 else "see its log")
            raise self._error(f"answered {status}: {_excerpt(error.message)}", remedy) from error
        except openai.OpenAIError as error:
            raise self._error(f"failed: {_excerpt(error)}", "see its log") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._error(f"sent no valid JSON ({error})", "ask again") from error

    def _error(self, problem: str, remedy: str) -> LLMError:
        return LLMError(f"{self.base_url} (model {self.model}) {problem}; {remedy}")


def _usage(reply: object) -> Usage | None:
    usage = getattr(reply, "usage", None)
    tokens = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    prompt, completion = tokens
    return Usage(prompt, completion) if type(prompt) is type(completion) is int else None


def _excerpt(value: object) -> str:
    text = " ".join(str(value).split())
    return repr(text if len(text) <= 200 else text[:200] + "...")


class TransformersLLM:
    """A chat model in a folder in the Hugging Face layout, run by transformers on this machine.

    folder: with config.json, model.safetensors, tokenizer.json and a chat template · device: "cpu",
    "cuda", "mps". Nothing is downloaded and no code of the folder is run.
    FileNotFoundError if a file of the model is missing; ValueError if it cannot be loaded;
    ModuleNotFoundError without the libraries for it
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        self.folder = Path(folder)
        self._tokenizer, self._model = load_chat_model(self.folder, device)
        self._small = is_small(self._model)
        config = self._model.config.get_text_config()
        self._context = getattr(config, "max_position_embeddings", None)
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self._ends = {*ends, self._tokenizer.eos_token_id}

    def count(self, text: str) -> int:
        """The tokens of a text: the exact counter for a prompt's budget."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def complete(
        self, messages: list[Message], max_tokens: int = 256, stop: Sequence[str] = ()
    ) -> Completion:
        """The reply. ValueError if the prompt leaves no room for it in the model's context.

        LLMError if the chat template refuses the messages
        """
        stream = self.stream(messages, max_tokens, stop)
        while True:
            try:
                next(stream)
            except StopIteration as end:
                return end.value

    def stream(
        self, messages: list[Message], max_tokens: int = 256, stop: Sequence[str] = ()
    ) -> Generator[str, None, Completion]:
        """The reply as it is made; a character of several tokens comes when it is whole."""
        ids = self._prompt_ids(messages)
        room = max_tokens if self._context is None else self._context - len(ids)
        if room < 1:
            problem = f"the prompt has {len(ids)} tokens and the model a context of {self._context}"
            raise ValueError(f"{problem}; lower the budget")
        made: list[int] = []
        pieces = []
        for piece in until_stop(self._texts(ids, min(max_tokens, room), made), stop):
            pieces.append(piece)
            yield piece
        return Completion("".join(pieces), Usage(len(ids), len(made)))

    def _prompt_ids(self, messages: list[Message]) -> list[int]:
        """The prompt by the folder's chat template; its control tokens come from there alone."""
        from jinja2 import TemplateError

        added = self._tokenizer.added_tokens_decoder.values()
        names = [token.content for token in added if token.special or token.content[0] == "<"]
        names.sort(key=len, reverse=True)
        safe = []
        for message in messages:
            content = message["content"]
            for name in names:  # "<|im_end|>" in a text is text: "< |im_end|>"
                content = content.replace(name, f"{name[0]} {name[1:]}")
            safe.append({"role": message["role"], "content": content})
        try:
            text = self._tokenizer.apply_chat_template(
                safe, tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, ValueError, TypeError, LookupError) as error:
            problem = f"the chat template of {self.folder} refuses the conversation"
            raise LLMError(f"{problem} ({error}); use another model") from error
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _texts(self, ids: list[int], max_tokens: int, made: list[int]) -> Iterator[str]:
        """What each token adds to the text; the tokens go into `made`."""
        shown = ""
        for token in self._tokens(ids, max_tokens):
            made.append(token)
            text = self._decode(made)
            if not text.endswith("\ufffd") and text.startswith(shown):
                if text[len(shown) :]:
                    yield text[len(shown) :]
                shown = text
        if rest := self._decode(made)[len(shown) :]:
            yield rest

    def _tokens(self, ids: list[int], max_tokens: int) -> Iterator[int]:
        """Greedy decoding with the model's cache, up to an end token, which is left out."""
        import torch

        options: dict[str, Any] = {"use_cache": True}
        if "logits_to_keep" in inspect.signature(self._model.forward).parameters:
            options["logits_to_keep"] = 1  # of the prompt's (1, T, V) floats we need the last row
        new: Tensor = torch.tensor([ids], device=self._model.device)  # (1, T), then (1, 1)
        for _ in range(max_tokens):
            with torch.inference_mode(), one_thread(self._small):
                out = self._model(new, **options)
            # transformers renamed it within version 5
            name = "cache" if "cache" in out else "past_key_values"
            options[name], token = out[name], int(out.logits[0, -1].argmax())
            if token in self._ends:
                return
            yield token
            new = torch.tensor([[token]], device=self._model.device)

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

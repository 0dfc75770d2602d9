"""A chat model in a folder on this machine, run by transformers.

    TransformersModel("models/Qwen2.5-0.5B-Instruct")

It takes the likeliest token each time, so that a chapter can be built twice with one result. A call
in its reply is text, which the dialect reads. Chapters 41 and 42 use it. Leaves out: sampling,
several replies at a time, keeping the KV cache from one call to the next.
"""

import inspect
import json
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .messages import Message, Reply, Usage
from .model_folders import is_small, load_chat_model, one_thread
from .models import ModelError, ToolSpec, until_stop

if TYPE_CHECKING:
    from torch import Tensor


class TransformersModel:
    """A chat model in a folder in the Hugging Face layout, run by transformers on this machine.

    folder: with config.json, model.safetensors, tokenizer.json and a chat template · device: "cpu",
    "cuda", "mps" · max_new_tokens: of a reply. Nothing is downloaded, no code of the folder is run.
    FileNotFoundError if a file of the model is missing; ValueError if it cannot be loaded;
    ModuleNotFoundError without the libraries for it
    """

    def __init__(self, folder: str | Path, device: str = "cpu", max_new_tokens: int = 512) -> None:
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={max_new_tokens} must be at least 1")
        self.folder, self.max_new_tokens = Path(folder), max_new_tokens
        self._tokenizer, self._model = load_chat_model(self.folder, device)
        self._small = is_small(self._model)
        config = self._model.config.get_text_config()
        self._context = getattr(config, "max_position_embeddings", None)
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self._ends = {*ends, self._tokenizer.eos_token_id}

    @property
    def context_tokens(self) -> int | None:
        """How long an agent should let its conversation grow, by its own estimate of tokens.

        Two thirds of the context: with a small vocabulary the estimate may be a quarter too low,
        and a reply needs room. None for a model that names no limit.
        """
        return None if self._context is None else self._context * 2 // 3

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Reply:
        """The reply. ModelError if the prompt leaves no room for it in the model's context."""
        stream = self.stream(messages, tools, stop)
        while True:
            try:
                next(stream)
            except StopIteration as end:
                return end.value

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Generator[str, None, Reply]:
        """The reply as it is made; a character of several tokens comes when it is whole."""
        ids = self._prompt_ids(messages, tools)
        room = self.max_new_tokens if self._context is None else self._context - len(ids)
        if room < 1:
            problem = f"the prompt has {len(ids)} tokens and {self.folder} a context of"
            raise ModelError(f"{problem} {self._context}; start a new conversation")
        made: list[int] = []
        limit, text = min(self.max_new_tokens, room), ""
        for piece in until_stop(self._texts(ids, limit, made), stop):
            text += piece
            yield piece
        cut_off = len(made) == limit and text == self._decode(made)
        usage = Usage(len(ids), len(made), 1)
        return Reply(text, (), usage, "length" if cut_off else "stop")

    def _prompt_ids(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[int]:
        """The prompt by the folder's chat template; its control tokens come from there alone."""
        from jinja2 import TemplateError

        added = self._tokenizer.added_tokens_decoder.values()
        # Some folders do not mark theirs as special. "<tool_call>" is none: dialects write it.
        control = [t.content for t in added if t.special or "|" in t.content or "｜" in t.content]
        control.sort(key=len, reverse=True)
        given = _spaced([_templated(message) for message in messages], control)
        try:
            text = self._tokenizer.apply_chat_template(
                given,
                _spaced(list(tools), control) or None,
                tokenize=False,
                add_generation_prompt=True,
            )
        except (TemplateError, ValueError, TypeError, LookupError) as error:
            problem = f"the chat template of {self.folder} refuses the conversation"
            raise ModelError(f"{problem} ({error}); use another model, or dialect") from error
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _texts(self, ids: list[int], limit: int, made: list[int]) -> Iterator[str]:
        """What each token adds to the text; the tokens go into `made`."""
        shown = ""
        for token in self._tokens(ids, limit):
            made.append(token)
            text = self._decode(made)
            if not text.endswith("\ufffd") and text.startswith(shown):
                yield text[len(shown) :]
                shown = text
        yield self._decode(made)[len(shown) :]

    def _tokens(self, ids: list[int], limit: int) -> Iterator[int]:
        """Greedy decoding with the model's cache, up to an end token, which is left out."""
        import torch

        options: dict[str, Any] = {"use_cache": True}
        if "logits_to_keep" in inspect.signature(self._model.forward).parameters:
            options["logits_to_keep"] = 1  # of the prompt's (1, T, V) floats we need the last row
        new: Tensor = torch.tensor([ids], device=self._model.device)  # (1, T), then (1, 1)
        for _ in range(limit):
            with torch.inference_mode(), one_thread(self._small):
                out = self._model(new, **options)
            # Older versions of transformers have the longer name.
            name = "cache" if "cache" in out else "past_key_values"
            options[name] = out[name]
            token = int(out.logits[0, -1].argmax())
            if token in self._ends:
                return
            yield token
            new = torch.tensor([[token]], device=self._model.device)

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )


def _templated(message: Message) -> dict[str, object]:
    """The message as chat templates want it: the arguments of calls are objects there."""
    calls = [
        {
            **call,
            "function": {**call["function"], "arguments": _read(call["function"]["arguments"])},
        }
        for call in message.get("tool_calls", ())
    ]
    return {**message, "tool_calls": calls} if calls else {**message}


def _read(arguments: str) -> object:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments  # broken by the model; it reads what it wrote


def _spaced(value: Any, names: Sequence[str]) -> Any:
    """The same with a space in each of the names: "<|im_end|>" in a text is text, "< |im_end|>"."""
    if isinstance(value, str):
        for name in names:
            value = value.replace(name, f"{name[0]} {name[1:]}")
        return value
    if isinstance(value, dict):
        return {_spaced(key, names): _spaced(item, names) for key, item in value.items()}
    return [_spaced(item, names) for item in value] if isinstance(value, list) else value

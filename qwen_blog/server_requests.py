"""What a client asks, in OpenAI's words, checked and turned into a `Request` for the engine.

Source: the API reference of POST /v1/chat/completions and /v1/completions. A field that we lack is
ignored where that changes nothing that can be noticed (`user`, `metadata`, `store` ...), and
refused by name where the reply would be another one than was asked for. Chapter 24.
Leaves out: several replies (n), penalties, forced tools, JSON by schema, images.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .batching import Request
from .generation import GenerationConfig, stop_token_ids
from .model import Qwen2ForCausalLM
from .tokenizer import Tokenizer

# Only these values of what we lack mean the same as leaving it out.
NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "tool_choice": ("auto", "none"),
    "parallel_tool_calls": (True,),
    "functions": ([],),
    "function_call": ("none",),
    "modalities": (["text"],),
    "audio": (),
    "suffix": ("",),
    "top_k": (0, -1),
    "min_p": (0,),
    "repetition_penalty": (1,),
}
COLDEST = (
    1e-3  # below it, logits / temperature may overflow, and the likeliest token is sure anyway
)
Stop = Annotated[str, Field(min_length=1, max_length=256)]


def _listed(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class ApiError(Exception):
    """An error as OpenAI's clients know it. status: of HTTP · param: the field that is wrong."""

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict[str, Any]:
        """The JSON that says it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


class StreamOptions(BaseModel):
    """How to stream."""

    include_usage: bool = False


class Body(BaseModel):
    """What both kinds of completion may be asked for."""

    model_config = ConfigDict(strict=True)

    model: str
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    stop: Annotated[list[Stop], BeforeValidator(_listed)] = Field([], max_length=4)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)

    def generation_config(self, max_new_tokens: int) -> GenerationConfig:
        """The settings in this package's words."""
        return GenerationConfig(
            max_new_tokens=max_new_tokens,
            temperature=self.temperature if self.temperature >= COLDEST else 0.0,
            top_p=self.top_p,
            stop_strings=tuple(self.stop),
        )


class ChatBody(Body):
    """POST /v1/chat/completions."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] = []
    tool_choice: Literal["auto", "none"] = "auto"
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)


class CompletionBody(Body):
    """POST /v1/completions."""

    prompt: object
    """A text or token ids; or a list that holds one of them."""
    max_tokens: int = Field(16, ge=0)
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=20)


@dataclass(frozen=True)
class Call:
    """A request for the engine, and what shapes its reply."""

    request: Request
    param: str
    """The field that the prompt came from, for errors."""
    stream: bool
    include_usage: bool
    use_tools: bool = False
    """Chat: look for calls in the reply."""
    echo: bool = False
    """Completions: the prompt stands before the reply."""


def parse_chat(raw: object, model: Qwen2ForCausalLM, tokenizer: Tokenizer, name: str) -> Call:
    """The conversation, rendered by the model's chat template. ApiError says what is wrong."""
    body = _body(ChatBody, raw, name)
    if body.top_logprobs and not body.logprobs:
        raise ApiError(400, "top_logprobs needs logprobs: true", "top_logprobs")
    use_tools = bool(body.tools) and body.tool_choice == "auto"
    prompt = _render(body.messages, body.tools if use_tools else None, tokenizer)
    room = max(model.config.max_position_embeddings - len(prompt), 1)  # 0 is refused later
    config = body.generation_config(body.max_completion_tokens or body.max_tokens or room)
    ends = {*stop_token_ids(model, config)}
    if tokenizer.eos_token_id is not None:  # of a base model, eos ends a document, and not a turn
        ends.add(tokenizer.eos_token_id)
    config = replace(config, stop_token_ids=tuple(ends))
    top_logprobs = body.top_logprobs if body.logprobs else None
    request = Request(tuple(prompt), config, body.seed, top_logprobs)
    usage = body.stream_options.include_usage
    return Call(request, "messages", body.stream, usage, use_tools=use_tools)


def parse_completion(raw: object, model: Qwen2ForCausalLM, tokenizer: Tokenizer, name: str) -> Call:
    """A text or its tokens, as they are. ApiError says what is wrong."""
    body = _body(CompletionBody, raw, name)
    prompt = _one_prompt(body.prompt)
    try:
        ids = tokenizer.encode(prompt) if isinstance(prompt, str) else prompt
    except ValueError as error:
        raise ApiError(400, str(error), "prompt") from error
    request = Request(
        tuple(ids),
        body.generation_config(body.max_tokens) if body.max_tokens else None,
        body.seed,
        body.logprobs,
        score_prompt=body.echo and body.logprobs is not None,
    )
    return Call(request, "prompt", body.stream, body.stream_options.include_usage, echo=body.echo)


B = TypeVar("B", bound=Body)


def _body(kind: type[B], raw: object, name: str) -> B:
    """The fields of a JSON object; null is as good as not there."""
    if not isinstance(raw, dict):
        raise ApiError(400, f"the body must be a JSON object, not {type(raw).__name__}")
    fields = {key: value for key, value in raw.items() if value is not None}
    for key, neutral in NEUTRAL.items():
        if key in fields and fields[key] not in neutral:
            allowed = " or ".join([*map(repr, neutral), "leave it out"])
            value = f"{fields[key]!r:.80}"
            raise ApiError(400, f"{key}={value} is not supported: {allowed}", key, "unsupported")
    try:
        body = kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        param = str(first["loc"][0])
        where = f"{param}={first['input']!r:.80}" if first["type"] != "missing" else param
        raise ApiError(400, f"{where}: {first['msg']}", param) from error
    if body.model != name:
        message = f"there is no model {body.model!r:.80} here, only {name!r}"
        raise ApiError(404, message, "model", "model_not_found")
    return body


def _one_prompt(prompt: object) -> str | list[int]:
    """A text, or token ids; out of a list of prompts if it is the only one there."""
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        if len(prompt) > 1:
            raise ApiError(400, f"prompt is a list of {len(prompt)}: send one a request", "prompt")
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    if not isinstance(prompt, list) or not all(type(token) is int for token in prompt):
        raise ApiError(400, f"prompt={prompt!r:.80} must be a text or token ids", "prompt")
    return prompt


def _render(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, tokenizer: Tokenizer
) -> list[int]:
    """The conversation as tokens, up to where the reply begins."""
    messages = [_with_text(place, message) for place, message in enumerate(messages)]
    sanitize = tokenizer.chat_template is None  # where it can be done, nobody forges a turn
    try:
        return tokenizer.apply_chat_template(
            messages, tools, add_generation_prompt=True, sanitize=sanitize
        )
    except (ValueError, KeyError, TypeError) as error:  # a template meets what it cannot render
        raise ApiError(400, f"these messages cannot be rendered: {error}", "messages") from error


def _with_text(place: int, message: dict[str, Any]) -> dict[str, Any]:
    """The message with its text parts joined: content may be a list of them."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    texts: list[str] = [part["text"] for part in content if _is_text(part)]
    if len(texts) < len(content):
        raise ApiError(400, f"messages[{place}]: content may have parts of text only", "messages")
    return {**message, "content": "".join(texts)}


def _is_text(part: object) -> bool:
    return (
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    )

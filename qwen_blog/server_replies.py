"""What the engine says of a request, in OpenAI's words: chunks of a stream, or one whole reply.

A whole reply is one `Update` with everything in it, so both go the same way. Source: the API
reference of POST /v1/chat/completions and /v1/completions. Chapter 24.
"""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from .batching import Update
from .logprobs import TokenScore
from .server_requests import Call
from .tokenizer import StreamDecoder, Tokenizer
from .tool_calls import ToolCall, ToolCallParser

Json = dict[str, Any]
_ROLE = {"role": "assistant", "content": ""}


def joined(updates: Sequence[Update]) -> Update:
    """All updates of a request in one."""
    text = "".join(update.text for update in updates)
    scores = tuple(score for update in updates for score in update.scores)
    return Update(text, scores, updates[-1].made, updates[-1].finish_reason)


class Shaper:
    """Shapes the replies to one call."""

    prefix, whole, chunk = "", "", ""
    """How ids begin, and the `object` of a whole reply and of a chunk."""

    def __init__(self, call: Call, tokenizer: Tokenizer, name: str) -> None:
        self.call, self.tokenizer = call, tokenizer
        identity = f"{self.prefix}-{uuid.uuid4().hex}"
        self._head = {"id": identity, "created": int(time.time()), "model": name}
        self._made = 0

    def reply(self, update: Update) -> Json:
        """A whole reply."""
        choice = self.choice(update)
        self._made = update.made
        return {"object": self.whole, **self._head, "choices": [choice], "usage": self._usage()}

    def chunks(self, update: Update) -> list[Json]:
        """What a stream sends now: nothing while there is no news."""
        self._made = update.made
        sent = [self._chunk([choice]) for choice in self.choices(update)]
        if update.finish_reason and self.call.include_usage:
            sent.append(self._chunk([]) | {"usage": self._usage()})
        return sent

    def choice(self, update: Update) -> Json:
        """The one choice of a whole reply."""
        raise NotImplementedError

    def choices(self, update: Update) -> list[Json]:
        """What an update adds to the one choice of a stream."""
        raise NotImplementedError

    def _chunk(self, choices: list[Json]) -> Json:
        usage = {"usage": None} if self.call.include_usage else {}
        return {"object": self.chunk, **self._head, "choices": choices, **usage}

    def _usage(self) -> Json:
        prompt = len(self.call.request.prompt)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": self._made,
            "total_tokens": prompt + self._made,
        }


class ChatShaper(Shaper):
    """POST /v1/chat/completions."""

    prefix, whole, chunk = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def __init__(self, call: Call, tokenizer: Tokenizer, name: str) -> None:
        super().__init__(call, tokenizer, name)
        self._parser = ToolCallParser() if call.use_tools else None
        self._calls = 0
        self._started = False
        self._scores: list[TokenScore] = []

    def choice(self, update: Update) -> Json:
        """`message` has the text, null if there are only calls."""
        parts = self._parts(update)
        text = "".join(part for part in parts if isinstance(part, str))
        calls = [self._call(part) for part in parts if isinstance(part, ToolCall)]
        message: Json = {"role": "assistant", "content": text if text or not calls else None}
        message |= {"tool_calls": calls} if calls else {}
        self._scores += update.scores
        return self._choice({"message": message}, update.finish_reason)

    def choices(self, update: Update) -> list[Json]:
        """`delta` has the role first, then text or a call; the last one is empty."""
        choices = [] if self._started else [self._choice({"delta": _ROLE}, None)]
        self._started = True
        self._scores += update.scores
        for part in self._parts(update):
            if isinstance(part, str):
                choices.append(self._choice({"delta": {"content": part}}, None))
            else:
                call = {"index": self._calls, **self._call(part)}
                choices.append(self._choice({"delta": {"tool_calls": [call]}}, None))
        if update.finish_reason:
            choices.append(self._choice({"delta": {}}, update.finish_reason))
        return choices

    def _choice(self, said: Json, reason: str | None) -> Json:
        """A choice, with the scores that none has carried yet."""
        if reason == "stop" and self._calls:
            reason = "tool_calls"
        content, self._scores = [self._entry(score) for score in self._scores], []
        logprobs = {"content": content, "refusal": None} if content else None
        return {"index": 0, **said, "logprobs": logprobs, "finish_reason": reason}

    def _parts(self, update: Update) -> list[str | ToolCall]:
        if self._parser is None:
            return [update.text] if update.text else []
        return self._parser.push(update.text) + (
            self._parser.flush() if update.finish_reason else []
        )

    def _call(self, call: ToolCall) -> Json:
        self._calls += 1
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}

    def _entry(self, score: TokenScore) -> Json:
        top = [self._token(token, logprob) for token, logprob in score.top]
        return self._token(score.token, score.logprob) | {"top_logprobs": top}

    def _token(self, token: int, logprob: float | None) -> Json:
        raw = self.tokenizer.token_bytes(token)
        return {
            "token": raw.decode("utf-8", "replace"),
            "logprob": logprob,
            "bytes": list(raw),
        }


class CompletionShaper(Shaper):
    """POST /v1/completions."""

    prefix, whole, chunk = "cmpl", "text_completion", "text_completion"

    def __init__(self, call: Call, tokenizer: Tokenizer, name: str) -> None:
        super().__init__(call, tokenizer, name)
        self._echo = tokenizer.decode(call.request.prompt) if call.echo else ""
        self._decoder = StreamDecoder(tokenizer)
        self._offset = 0
        self._scores: list[TokenScore] = []

    def choice(self, update: Update) -> Json:
        """Where scores are asked for, `text_offset` says where in the text each token begins."""
        text, self._echo = self._echo + update.text, ""
        self._scores += update.scores
        logprobs = self._logprobs() if self._scores else None
        return {
            "index": 0,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": update.finish_reason,
        }

    def choices(self, update: Update) -> list[Json]:
        """Nothing for a token that completes no character."""
        if update.text or update.finish_reason or self._echo:
            return [self.choice(update)]
        self._scores += update.scores
        return []

    def _logprobs(self) -> Json:
        columns: Json = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for score in self._scores:
            # the token itself is always among them
            top = dict((*score.top, (score.token, score.logprob)))
            named = {self._name(token): logprob for token, logprob in top.items()}
            columns["tokens"].append(self._name(score.token))
            columns["token_logprobs"].append(score.logprob)
            columns["top_logprobs"].append(None if score.logprob is None else named)
            columns["text_offset"].append(self._offset)
            self._offset += len(self._decoder.push(score.token))
        self._scores = []
        return columns

    def _name(self, token: int) -> str:
        """Its text, or `bytes:\\xe4\\xbd`, as OpenAI writes a token that is no whole character."""
        raw = self.tokenizer.token_bytes(token)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)

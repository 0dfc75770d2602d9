"""Tasks of a few documents, and models that remember what they were asked."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tiny_eval.models import Failure, Generation, Loglikelihood, ModelError, Prompt, Reply
from tiny_eval.tasks import Task

DOCS: list[dict[str, Any]] = [
    {"id": "rose", "q": "What is red?", "a": "a rose", "topic": "plants"},
    {"id": "sky", "q": "What is blue?", "a": ["the sky", "heaven"], "topic": "air"},
    {"id": "grass", "q": "What is green?", "a": "grass", "topic": "plants"},
    {"id": "snow", "q": "什么是白的？", "a": "雪", "topic": "air"},
]
CHOICES: list[dict[str, Any]] = [
    {"q": "1 + 1", "options": ["2", "3"], "a": 0},
    {"q": "1 + 2", "options": ["2", "3"], "a": 1},
]


def write_docs(path: Path, docs: Sequence[dict[str, Any]]) -> Path:
    """JSONL."""
    lines = [json.dumps(doc, ensure_ascii=False) + "\n" for doc in docs]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def qa_task(folder: Path, docs: Sequence[dict[str, Any]] = DOCS, **fields: Any) -> Task:
    """Questions with free answers, unless `fields` say otherwise; the documents lie in a file."""
    data = write_docs(folder / "docs.jsonl", docs)
    defaults = {"prompt": "Q: {{q}}\nA:", "target": "a", "metrics": ("exact_match",)}
    return Task(**{"name": "qa", "data": data, **defaults, **fields})


def choice_task(folder: Path, **fields: Any) -> Task:
    """Sums with two results to choose from."""
    data = write_docs(folder / "sums.jsonl", CHOICES)
    defaults = {"prompt": "{{q}} =", "target": "a", "choices": "options", "metrics": ("acc",)}
    return Task(**{"name": "sums", "data": data, "kind": "choice", **defaults, **fields})


def text_task(folder: Path, texts: Sequence[str], **fields: Any) -> Task:
    """Texts to measure perplexity on."""
    data = write_docs(folder / "texts.jsonl", [{"text": text} for text in texts])
    defaults = {"prompt": "text", "metrics": ("byte_perplexity",)}
    return Task(**{"name": "texts", "data": data, "kind": "perplexity", **defaults, **fields})


class Echo:
    """Answers in capitals, the last question first, and remembers what it was asked.

    fail: prompts that hold this get a Failure · stop_after: answers, then `error` is raised
    """

    def __init__(
        self,
        fail: str | None = None,
        stop_after: int | None = None,
        error: BaseException | None = None,
        name: str = "echo",
        **settings: Any,
    ) -> None:
        self.name, self.settings = name, settings
        self.asked: list[Any] = []
        self._fail, self._stop_after = fail, stop_after
        self._error = error or ModelError("the server is gone")

    def generate_until(
        self, prompts: Sequence[Prompt], generation: Generation
    ) -> Iterator[tuple[int, Reply | Failure]]:
        for index in self._in_turn(prompts):
            text = str(prompts[index])
            cut = generation.max_tokens < len(text)
            failed = self._fail is not None and self._fail in text
            yield index, Failure("too busy") if failed else Reply(text.upper(), cut)

    def loglikelihood(
        self, requests: Sequence[tuple[Prompt, str]]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        for index in self._in_turn(requests):
            failed = self._fail is not None and self._fail in str(requests[index])
            yield index, Failure("too busy") if failed else Loglikelihood(-1.0 - index, 2, False)

    def loglikelihood_rolling(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        for index in self._in_turn(texts):
            yield index, Loglikelihood(-float(len(texts[index])), len(texts[index]), False)

    def _in_turn(self, requests: Sequence[Any]) -> Iterator[int]:
        for index in reversed(range(len(requests))):
            if self._stop_after is not None and len(self.asked) >= self._stop_after:
                raise self._error
            self.asked.append(requests[index])
            yield index

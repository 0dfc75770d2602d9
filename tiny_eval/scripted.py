"""Models without a model: they show what a score would be if ...

    script   the replies in a file: those of another program, or written by hand
    gold     always right, in the very words of the target: a task on which this scores below 100%
             has a wrong filter, metric or answer
    random   the answer of some other document: what form alone is worth, without any knowledge

A score means something between the last two. Chapter 52 runs them.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .models import (
    Failure,
    Generation,
    Loglikelihood,
    ModelError,
    Prompt,
    Reply,
    before_stop,
)
from .records import read_records
from .run_files import Row
from .runner import rows_to_ask
from .tasks import Task, digest


class ScriptedModel:
    """Says what the script says.

    replies: by prompt_key(prompt) · chosen: the continuation that is likeliest, by prompt_key
    """

    def __init__(
        self,
        name: str,
        replies: Mapping[str, str] | None = None,
        chosen: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._replies, self._chosen = replies or {}, chosen or {}
        self.settings = {"script": digest([self._replies, self._chosen])}

    def generate_until(
        self, prompts: Sequence[Prompt], generation: Generation
    ) -> Iterator[tuple[int, Reply | Failure]]:
        """What the script holds for each prompt, up to a stop; a Failure where it holds nothing."""
        for index, prompt in enumerate(prompts):
            if (reply := self._replies.get(prompt_key(prompt))) is None:
                yield index, Failure("the script has no reply to it")
            else:
                yield index, Reply(before_stop(reply, generation.stop))

    def loglikelihood(
        self, requests: Sequence[tuple[Prompt, str]]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """ln 0.9 for the choice of the script, ln 0.1 for others."""
        for index, (prompt, continuation) in enumerate(requests):
            chosen = self._chosen.get(prompt_key(prompt))
            if chosen is None:
                yield index, Failure("the script chooses nothing here")
                continue
            right = continuation.strip() == chosen.strip()
            yield index, Loglikelihood(-0.105 if right else -2.303, 1, right)

    def loglikelihood_rolling(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[int, Loglikelihood | Failure]]:
        """ModelError: a script knows no probability of a text."""
        raise ModelError(f"{self.name} knows no probability of a text; choose a --model that does")


def prompt_key(prompt: Prompt) -> str:
    """What a script knows a prompt by."""
    return digest(prompt)


def script_of(task: Task, path: str | Path) -> ScriptedModel:
    """Replies to a task's documents from a file, as `script_for`."""
    return script_for(path, {row["id"]: row["prompt"] for row in rows_to_ask(task)})


def script_for(path: str | Path, prompts: Mapping[str, Prompt]) -> ScriptedModel:
    """Replies from a file with rows {"id", "reply"}, to prompts by id.

    FileNotFoundError; ValueError for a row that lacks one of both, a file that has none of the ids,
    or two replies to the same prompt: it is all that a model is told
    """
    if not Path(path).is_file():
        form = 'script:FILE names a file with rows {"id", "reply"}'
        raise FileNotFoundError(f"there is no file {str(path)!r}; {form}")
    replies: dict[str, str] = {}
    for number, record in enumerate(read_records(path), 1):
        if "id" not in record or not isinstance(record.get("reply"), str):
            raise ValueError(f"{path}, record {number}: expected id and reply, got {list(record)}")
        replies[str(record["id"])] = record["reply"]
    by_prompt: dict[str, str] = {}
    for name in filter(replies.__contains__, prompts):
        if by_prompt.setdefault(prompt_key(prompts[name]), replies[name]) != replies[name]:
            problem = f"{name!r} and another id have the same prompt and different replies"
            raise ValueError(f"{path}: {problem}; leave one out, or tell the prompts apart")
    if not by_prompt:
        raise ValueError(
            f"{path} has none of the ids that are asked, such as {next(iter(prompts))!r}"
        )
    return ScriptedModel(f"script-{Path(path).stem}", by_prompt)


def gold_of(task: Task) -> ScriptedModel:
    """Always the right answer."""
    rows = rows_to_ask(task)
    return _answering("gold", rows, [_right(row) for row in rows])


def random_of(task: Task, seed: int = 0) -> ScriptedModel:
    """Some other document's answer, or one of the choices, drawn for each document."""
    draw = random.Random(seed)
    rows = rows_to_ask(task)
    if task.kind == "choice":
        return _answering("random", rows, [draw.choice(row["choices"]) for row in rows])
    right = [_right(row) for row in rows]
    steps = [draw.randrange(1, max(len(right), 2)) for _ in right]
    others = [right[(place + step) % len(right)] for place, step in enumerate(steps)]
    return _answering("random", rows, others)


def _right(row: Row) -> str:
    """Of a perplexity, where nothing is asked, nothing."""
    target = (row["target"] or [""])[0]
    return row["choices"][int(target)] if "choices" in row else target


def _answering(name: str, rows: Sequence[Row], answers: Sequence[str]) -> ScriptedModel:
    keys = [prompt_key(row["prompt"]) for row in rows]
    by_prompt = dict(zip(keys, answers, strict=True))
    return ScriptedModel(name, by_prompt, by_prompt)

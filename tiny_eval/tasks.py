"""A task: documents, how each becomes a prompt, and how the answer to it is judged.

    name: sample-qa-en
    data: sample_qa_en.jsonl            # beside this file
    prompt: "{{passage}}\\n\\nQuestion: {{question}}\\nAnswer:"
    target: answers                     # the name of a field, or a template as above
    kind: generate                      # or choice, or perplexity
    few_shot: 2
    filters: [strip_think, first_line]
    metrics: [exact_match, f1]

Nothing of a task is code: whoever reads the file knows what was measured, and a changed line is
another task, whose predictions are never mixed with these. Chapter 52 writes one. Leaves out:
groups of tasks, templates that run code.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from .filters import FilterSpec, make_filter
from .layouts import LAYOUTS, to_documents
from .metrics import METRICS, metric_names
from .models import Generation
from .records import Record, read_records

Kind = Literal["generate", "choice", "perplexity"]
KINDS = ("generate", "choice", "perplexity")


class Doc(NamedTuple):
    """A document: what one question is about."""

    id: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What is asked and how it is judged. load_task() makes one of a file."""

    name: str
    data: Path
    """The documents, in any layout that records.py reads."""
    prompt: str = ""
    """A field's name, or a template: {{field}} stands for it. For perplexity, the text itself."""
    target: str = ""
    """The right answer, or several: a field's name, or a template. Of a choice, index or letter."""
    kind: Kind = "generate"
    choices: str | tuple[str, ...] = ()
    """For "choice": a field that holds a list, or a template for each."""
    layout: str = "plain"
    """How a record is laid out: layouts.py knows those of some well-known benchmarks."""
    description: str = ""
    """Stands before all else as it is, so end it with line breaks; in chat, the system message."""
    few_shot: int = 0
    """Solved examples before the question."""
    few_shot_data: Path | None = None
    """Where they come from; by default other documents of the task."""
    separator: str = "\n\n"
    """Between examples, in raw text."""
    target_delimiter: str = " "
    """Between a prompt and its answer, in raw text; a conversation has none."""
    chat: bool = False
    """A conversation for the model's chat template, not raw text."""
    generation: Generation = field(default_factory=Generation)
    filters: tuple[FilterSpec, ...] = ()
    metrics: tuple[str, ...] = ()
    group_by: str | None = None
    """A field: scores are also given for each of its values."""
    cluster_by: str | None = None
    """A field: documents that share its value (a passage, say) are not independent."""

    def __post_init__(self) -> None:
        self._check_types()
        if not self.name.strip(". ") or set(self.name) & set('/\\:*?"<>|'):
            raise ValueError(f"name={self.name!r} must be usable as the name of a folder")
        if self.kind not in KINDS:
            raise ValueError(f"{self.name}: kind={self.kind!r} must be one of {', '.join(KINDS)}")
        if (self.kind == "choice") != bool(self.choices):
            wanted = "needs choices" if self.kind == "choice" else "knows no choices"
            raise ValueError(f"{self.name}: kind={self.kind!r} {wanted}")
        if not self.prompt or (self.kind != "perplexity" and not self.target):
            raise ValueError(f"{self.name}: give a prompt and, unless kind is perplexity, a target")
        if self.few_shot < 0:
            raise ValueError(f"{self.name}: few_shot={self.few_shot} must be at least 0")
        if self.kind == "perplexity" and (self.few_shot or self.chat):
            raise ValueError(f"{self.name}: a perplexity has neither few_shot nor chat")
        self._check_scoring()

    def _check_types(self) -> None:
        """YAML makes `no` a bool, and 1 a number."""
        names = ["name", "prompt", "target", "layout", "description", "separator"]
        texts = [(name, getattr(self, name)) for name in (*names, "target_delimiter")]
        texts += [("choices", choice) for choice in self.choices]
        texts += [("group_by", self.group_by or ""), ("cluster_by", self.cluster_by or "")]
        for name, text in texts:
            if not isinstance(text, str):
                raise ValueError(f"{name}={text!r} must be text; put it in quotes")
        if type(self.few_shot) is not int or type(self.chat) is not bool:
            wanted = "few_shot must be a whole number and chat true or false"
            raise ValueError(f"few_shot={self.few_shot!r}, chat={self.chat!r}: {wanted}")

    def _check_scoring(self) -> None:
        if self.layout not in LAYOUTS:
            known = ", ".join(LAYOUTS)
            raise ValueError(f"{self.name}: layout={self.layout!r} must be one of {known}")
        for spec in self.filters:
            make_filter(spec)
        known = ", ".join(metric_names(self.kind))
        if not self.metrics:
            raise ValueError(f"{self.name}: give metrics, of {known}")
        for name in self.metrics:
            if name not in metric_names(self.kind):
                problem = "is unknown" if name not in METRICS else f"is not for kind={self.kind!r}"
                raise ValueError(f"{self.name}: metric {name!r} {problem}; choose of {known}")

    @cached_property
    def docs(self) -> list[Doc]:
        """All documents, each with an id of its own. ValueError if there are none."""
        return self._read(self.data)

    @cached_property
    def few_shot_pool(self) -> list[Doc]:
        """Where the solved examples come from."""
        return self._read(self.few_shot_data) if self.few_shot_data else self.docs

    def _read(self, path: Path) -> list[Doc]:
        if not path.exists():
            raise FileNotFoundError(f"{self.name}: there is no {path}; give its data (--data FILE)")
        records = to_documents(read_records(path), self.layout)
        if not records:
            raise ValueError(f"{self.name}: {path} holds no documents")
        return _with_ids(records)

    def as_json(self) -> dict[str, Any]:
        """The task as its file says it; of the data, where they lie."""
        return json.loads(json.dumps(asdict(self), default=str, ensure_ascii=False))

    def asking(self) -> dict[str, Any]:
        """What predictions depend on: not how they are scored, nor in which folder files lie."""
        whole = self.as_json()
        for name in ("target", "filters", "metrics", "group_by", "cluster_by"):
            del whole[name]
        if self.kind != "generate":
            del whole["generation"]
        whole["data"] = self.data.name
        whole["few_shot_data"] = self.few_shot_data.name if self.few_shot_data else None
        return whole


def load_task(path: str | Path) -> Task:
    """The task in a YAML or JSON file; paths in it are relative to it.

    FileNotFoundError, or ValueError that names the file, the key and the remedy
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no task at {path}; `python -m tiny_eval list` shows the shipped")
    import yaml  # JSON is YAML, too

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is neither YAML nor JSON in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no task: expected keys such as data, prompt, target")
    return task_of({"name": path.stem, **content}, path.parent, str(path))


def task_of(content: Mapping[str, Any], folder: Path, source: str) -> Task:
    """A task of what its file says. source: what errors call it."""
    _check_keys(content, Task, source)
    if not content.get("data"):
        raise ValueError(f"{source}: data is missing: the path of a file with documents")
    values = dict(content)
    for name in ("data", "few_shot_data"):
        if values.get(name) is not None:
            values[name] = folder / str(values[name])
    for name in ("filters", "metrics"):
        values[name] = _listed(values.get(name))
    if not isinstance(values.get("choices"), str):
        values["choices"] = _listed(values.get("choices"))
    try:
        values["generation"] = _generation(values.get("generation") or {})
        return Task(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{source}: {error}") from error


def check_grouping(task: Task, docs: Sequence[Record]) -> None:
    """ValueError if group_by or cluster_by is the name of a field that no document has."""
    for name in ("group_by", "cluster_by"):
        wanted = getattr(task, name)
        if wanted and not any(wanted in doc for doc in docs):
            known = ", ".join(map(str, docs[0]))
            raise ValueError(f"{task.name}: {name}={wanted!r} is no field; there are {known}")


def digest(value: object) -> str:
    """Twelve hex digits that stand for a value that JSON can hold."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _generation(values: Mapping[str, Any]) -> Generation:
    if not isinstance(values, Mapping):
        raise ValueError(f"generation={values!r} must be like {{max_tokens: 64}}")
    _check_keys(values, Generation, "generation")
    return Generation(**{**values, "stop": _listed(values.get("stop"))})


def _listed(value: Any) -> tuple[Any, ...]:
    """A lone value needs no list."""
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,) if value else ()


def _check_keys(content: Mapping[str, Any], kind: type[Task | Generation], source: str) -> None:
    known = [item.name for item in fields(kind)]
    if unknown := [str(name) for name in content if name not in known]:
        raise ValueError(f"{source}: unknown {', '.join(unknown)}; known are {', '.join(known)}")


def _with_ids(records: list[dict[str, Any]]) -> list[Doc]:
    """Each record's own "id"; if none has one, its place, from 0."""
    own = [None if record.get("id") in (None, "") else str(record["id"]) for record in records]
    if not any(own):
        return [Doc(str(place), record) for place, record in enumerate(records)]
    seen: dict[str | None, int] = {None: -1}
    for number, name in enumerate(own, 1):
        if name in seen:
            other = f"as has record {seen[name]}" if name else "and others have one"
            problem = f"record {number} has {f'the id {name!r}' if name else 'no id'}, {other}"
            raise ValueError(f"{problem}; give each an id of its own, or none to any")
        seen[name] = number
    return [Doc(str(name), record) for name, record in zip(own, records, strict=True)]

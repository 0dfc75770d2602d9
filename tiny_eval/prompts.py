"""A document made into what a model is asked: template, solved examples, chat or raw text.

    raw text       description + example + separator + example + separator + question
    conversation   system: description, user: question, assistant: answer, ..., user: question

The same question asked in two ways gets two scores, so a report says which. Chapter 52 measures
it. Sources: lm-evaluation-harness, whose prompts these are, byte for byte, with the same fields.
"""

from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from .models import Message, Prompt
from .tasks import Doc, Task

if TYPE_CHECKING:
    from jinja2 import Template


def prompt_of(task: Task, doc: Doc, examples: Sequence[Doc] = ()) -> Prompt:
    """What the model is asked about a document. ValueError names a field that it lacks."""
    *shown, asked = [str(value_of(task.prompt, each)) for each in (*examples, doc)]
    solved = list(zip(shown, [answer_of(task, each) for each in examples], strict=True))
    description = render(task.description, doc)
    if task.chat:
        return _conversation(description, solved, asked)
    parts = [question + task.target_delimiter + answer for question, answer in solved]
    return description + "".join(part + task.separator for part in parts) + asked


def targets_of(task: Task, doc: Doc) -> list[str]:
    """The right answers; of a choice, the index of the right one as text."""
    if task.kind == "perplexity":
        return []
    value = value_of(task.target, doc)
    if task.kind == "choice":
        return [str(_index(value, choices_of(task, doc), doc))]
    values = value if isinstance(value, list) else [value]
    if not values or any(item is None for item in values):
        raise ValueError(f"document {doc.id} has no answer in target={task.target!r}")
    return [str(item) for item in values]


def choices_of(task: Task, doc: Doc) -> list[str]:
    """The continuations to choose from. ValueError if there are fewer than two."""
    if isinstance(task.choices, str):
        value = value_of(task.choices, doc)
        choices = [str(item) for item in value] if isinstance(value, list) else []
    else:
        choices = [render(choice, doc) for choice in task.choices]
    if len(choices) < 2:
        raise ValueError(f"document {doc.id}: choices={task.choices!r} gives fewer than two")
    return choices


def answer_of(task: Task, doc: Doc) -> str:
    """The answer as an example shows it: the first right one."""
    answer = targets_of(task, doc)[0]
    return choices_of(task, doc)[int(answer)] if task.kind == "choice" else answer


def examples_for(task: Task, doc: Doc, pool: Sequence[Doc]) -> list[Doc]:
    """The first few of the pool, never the document itself. ValueError if there are too few."""
    others = (other for other in pool if other.fields != doc.fields)
    examples = list(islice(others, task.few_shot))
    if len(examples) < task.few_shot:
        problem = f"few_shot={task.few_shot}, but only {len(examples)} examples are to be had"
        raise ValueError(f"{task.name}: {problem}; lower it (--few-shot), or give few_shot_data")
    return examples


def render(template: str, doc: Doc) -> str:
    """A template filled in. ValueError that names the document and the field that is missing."""
    from jinja2 import TemplateError

    try:
        return _compiled(template).render(doc.fields)
    except (TemplateError, TypeError, ArithmeticError) as error:
        known = ", ".join(map(str, doc.fields))
        message = f"document {doc.id}: the template {template!r} fails: {error}; it has {known}"
        raise ValueError(message) from error


def value_of(source: str, doc: Doc) -> Any:
    """What a field holds, if `source` is the name of one, else what the template gives.

    ValueError for a name that no field has: as a template it would be the same for all documents
    """
    if source in doc.fields:
        return doc.fields[source]
    if "{{" not in source and "{%" not in source:
        known = ", ".join(map(str, doc.fields))
        problem = f"{source!r} is neither a field nor a template with {{{{...}}}}"
        raise ValueError(f"document {doc.id}: {problem}; there are {known}")
    return render(source, doc)


def _conversation(description: str, solved: Sequence[tuple[str, str]], asked: str) -> list[Message]:
    turns = [("system", description)] if description else []
    for question, answer in solved:
        turns += [("user", question), ("assistant", answer)]
    return [{"role": role, "content": content} for role, content in (*turns, ("user", asked))]


def _index(value: Any, choices: list[str], doc: Doc) -> int:
    """0 for 0, for the text of the first choice, or for "0", "A" or "a"."""
    text = str(value).strip()
    if isinstance(value, int):
        index = int(value)
    elif text in choices:
        index = choices.index(text)
    elif len(text) == 1 and text.isascii() and text.isalpha():
        index = ord(text.upper()) - ord("A")
    else:
        index = int(text) if text.isdecimal() else -1
    if not 0 <= index < len(choices):
        message = f"document {doc.id}: target {value!r} is none of its {len(choices)} choices"
        raise ValueError(f"{message}; give an index from 0, a letter, or the choice itself")
    return index


@cache
def _compiled(template: str) -> "Template":
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Tasks come from anywhere: a sandbox keeps a template from reaching into the program.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.from_string(template)

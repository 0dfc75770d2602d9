"""From a function to the JSON Schema of its arguments, and from a model's arguments to the call.

pydantic does both: the parameters become the keys of a TypedDict, whose schema is what the model
reads and whose validation is what its arguments go through. Docstrings are read in Google's style.
Chapter 42 uses this. Leaves out: positional-only parameters, *args and **kwargs.
"""

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, NotRequired, get_type_hints

Schema = dict[str, Any]
"""A JSON Schema: whatever JSON can hold, so there is no narrower type."""

_ARGS = re.compile(r"^(args|arguments|parameters):$", re.IGNORECASE)
_SECTION = re.compile(r"^(returns|raises|yields|examples?|notes?):$", re.IGNORECASE)
_ENTRY = re.compile(r"^(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


class ArgumentsModel:
    """The arguments of a function: their schema, and the check of what a model wrote.

    schema: a JSON Schema of type "object" with a property for each parameter, in their order: its
    type; its description, where the docstring has one (`parameter_texts`); its default, where it
    has one that JSON can hold. `required` are the parameters without a default, and no others are
    allowed: "additionalProperties" is false. It has no titles. pydantic can make it, whatever the
    types: lists, literals, enums, optional ones, models of its own, annotated with Field.
    ValueError if a parameter has no type, or is one that a model cannot give by name (positional
    only, *args, **kwargs), or the function is async
    """

    def __init__(self, function: Callable[..., object]) -> None:
        from pydantic import TypeAdapter

        if inspect.iscoroutinefunction(function):
            name = function.__name__
            raise ValueError(f"{name} is async; wrap it: def {name}(...): return asyncio.run(...)")
        self._adapter: TypeAdapter[dict[str, object]] = TypeAdapter(_arguments_type(function))
        self.schema: Schema = _without_titles(self._adapter.json_schema())

    def validate(self, arguments: dict[str, object]) -> dict[str, object]:
        """The arguments, typed: models, enums and dates as the function wants them.

        "3" for a number and 3 for a text are let pass; an argument that nobody knows is not, nor is
        NaN. ValueError names each that does not fit, and the known ones
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_python(arguments)
        except ValidationError as error:
            raise ValueError(_explanation(error, self.schema)) from error


def description_of(function: Callable[..., object]) -> str:
    """What a function does: its docstring up to the arguments. ValueError if there is none."""
    lines = (inspect.getdoc(function) or "").splitlines()
    ends = [i for i, line in enumerate(lines) if _ARGS.match(line) or _SECTION.match(line)]
    text = "\n".join(lines[: ends[0] if ends else None]).strip()
    if not text:
        name = function.__name__
        raise ValueError(f"{name} has no docstring; the model has to read what the tool does")
    return text


def parameter_texts(function: Callable[..., object]) -> dict[str, str]:
    """What the section `Args:` of a docstring says of each parameter, on one line.

    The form is Google's. An entry is `name: text` or `name (type): text`, indented as the first
    one; what is indented further goes on with it, whatever it looks like. The section begins at
    `Args:`, `Arguments:` or `Parameters:` at the margin, and ends at the next line there.
    Source: Google Python Style Guide, section 3.8.3
    """
    texts: dict[str, str] = {}
    inside, current, depth = False, "", 0
    for line in (inspect.getdoc(function) or "").splitlines():
        indent = len(line) - len(line.lstrip())
        if indent == 0 and line:
            inside, depth = bool(_ARGS.match(line)), 0
        elif inside and line.strip():
            depth = depth or indent
            entry = _ENTRY.match(line.strip()) if indent == depth else None
            if entry:
                current, text = entry.groups()
                texts[current] = text
            elif current:
                texts[current] = f"{texts[current]} {line.strip()}".strip()
    return texts


def _arguments_type(function: Callable[..., object]) -> Any:
    from pydantic import ConfigDict, Field
    from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

    hints, texts = get_type_hints(function, include_extras=True), parameter_texts(function)
    # The types are known only now, so a type checker must not look at what is made of them.
    annotate, not_required, typed_dict = map(_untyped, (Annotated, NotRequired, TypedDict))
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(f"{function.__name__}: {parameter} cannot be given by name; name it")
        if name not in hints:
            raise ValueError(f"{function.__name__}: {name} has no type; write {name}: str, say")
        optional = parameter.default is not parameter.empty
        extra: Any = {"default": parameter.default} if _is_json(parameter.default) else None
        field = Field(description=texts.get(name), json_schema_extra=extra)
        annotated = annotate[hints[name], field]
        fields[name] = not_required[annotated] if optional else annotated
    arguments = typed_dict("arguments", fields)
    # "3" for a number and 3 for a text are common slips of models; a name nobody knows is not.
    config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)
    arguments.__pydantic_config__ = config
    return arguments


def _untyped(value: Any) -> Any:
    return value


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _without_titles(schema: Any) -> Any:
    """pydantic titles everything; a model has to read it all, so the titles go."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: v for k, v in schema.items() if k != "title" or not isinstance(v, str)}
    return {key: _without_titles(value) for key, value in kept.items()}


def _explanation(error: Any, schema: Schema) -> str:
    problems, known = [], ", ".join(schema["properties"]) or "none"
    for problem in error.errors(include_url=False):
        where = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            problems.append(f"there is no argument {where!r}")
        elif problem["type"] == "missing":
            problems.append(f"the argument {where!r} is missing")
        else:
            given = repr(problem["input"])
            shown = given if len(given) <= 60 else given[:60] + "..."
            problems.append(f"{where}={shown}: {problem['msg']}")
    return f"{'; '.join(problems)}. The arguments are: {known}."

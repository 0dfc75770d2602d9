import dataclasses
import inspect
import typing

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tiny_agent.tool_schema import parameter_texts


def untitled(schema, names=False):
    """The schema without titles; names: the keys are those of properties."""
    if isinstance(schema, list):
        return [untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: each for key, each in schema.items() if names or key != "title"}
    return {k: untitled(v, k in ("properties", "$defs") and not names) for k, v in kept.items()}


class Base:
    config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)

    def __init__(self, function):
        if inspect.iscoroutinefunction(function):
            raise ValueError("async functions are no tools")
        adapter = TypeAdapter(self.class_of(function))
        self.adapter, self.schema = adapter, untitled(adapter.json_schema())

    def hints(self, function):
        return typing.get_type_hints(function, include_extras=True)

    def texts(self, function):
        return parameter_texts(function)

    def default(self, parameter):
        if parameter.default is parameter.empty:
            return {}
        return {"default_factory": lambda: parameter.default}

    def extra(self, parameter):
        plain = (bool, int, float, str, type(None))
        return {"default": parameter.default} if isinstance(parameter.default, plain) else None

    def class_of(self, function):
        hints, texts, fields = self.hints(function), self.texts(function), []
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise ValueError(f"{name} has no name for a model")
            if name not in hints:
                raise ValueError(f"{name} needs a type")
            about = Field(description=texts.get(name), json_schema_extra=self.extra(parameter))
            hint = typing.Annotated[hints[name], about]
            fields.append((name, hint, dataclasses.field(**self.default(parameter))))
        made = dataclasses.make_dataclass("Arguments", fields, kw_only=True)
        made.__pydantic_config__ = self.config
        return made

    def validate(self, arguments):
        try:
            read = self.adapter.validate_python(arguments)
        except ValidationError as error:
            raise ValueError(f"{error}; known: {', '.join(self.schema['properties'])}") from None
        return {field.name: getattr(read, field.name) for field in dataclasses.fields(read)}


# %% right
class ArgumentsModel(Base):
    def __init__(self, function):
        super().__init__(function)

    def validate(self, arguments):
        return super().validate(arguments)


# %% wrong: an argument that nobody knows is let pass
class ArgumentsModel(Base):
    config = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)


# %% wrong: a parameter with a default is required all the same
class ArgumentsModel(Base):
    def default(self, parameter):
        return {}


# %% wrong: what the docstring says of the parameters is left out
class ArgumentsModel(Base):
    def texts(self, function):
        return {}


# %% wrong: the arguments are checked, and passed on as they came
class ArgumentsModel(Base):
    def validate(self, arguments):
        super().validate(arguments)
        return dict(arguments)


# %% wrong: a parameter without a type is taken for a text
class ArgumentsModel(Base):
    def hints(self, function):
        named = dict.fromkeys(inspect.signature(function).parameters, str)
        return {**named, **super().hints(function)}


# %% wrong: the bounds and choices within Annotated are lost
class ArgumentsModel(Base):
    def hints(self, function):
        return typing.get_type_hints(function)

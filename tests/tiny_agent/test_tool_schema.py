"""A function's signature and docstring say all that a model has to know."""

import datetime
import enum
import inspect
import itertools
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from tiny_agent.tool_schema import ArgumentsModel, description_of, parameter_texts


class Unit(enum.Enum):
    METRE = "m"
    FOOT = "ft"


class Place(BaseModel):
    title: str
    height: float = 0.0


def measure(
    place: Place,
    tags: list[str],
    unit: Unit = Unit.METRE,
    mode: Literal["fast", "exact"] = "fast",
    limit: int | None = None,
    *,
    schema: str = "",
    json: bool = False,
    when: datetime.date | None = None,
    share: Annotated[float, Field(ge=0, le=1)] = 0.5,
) -> str:
    """Measure a place.

    In one unit or another: as you like.

    Args:
        place: Where to measure,
            and
            high: or low.
        tags (list[str]): Words: any.
        unit: Of the result.

    Returns:
        A text.

    Raises:
        ValueError: never
    """
    assert isinstance(place, Place)
    assert isinstance(unit, Unit)
    return f"{place.title} {tags} {unit.value} {mode} {limit} {schema} {json} {when} {share}"


def schema_of(function: Any) -> dict[str, Any]:
    schema = ArgumentsModel(function).schema
    Draft202012Validator.check_schema(schema)
    return schema


def test_the_schema_holds_types_defaults_choices_and_texts() -> None:
    schema = schema_of(measure)
    properties = schema["properties"]
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert list(properties) == list(inspect.signature(measure).parameters)
    assert schema["required"] == ["place", "tags"]
    assert properties["tags"] == {
        "type": "array",
        "items": {"type": "string"},
        "description": "Words: any.",
    }
    assert properties["mode"] == {"type": "string", "enum": ["fast", "exact"], "default": "fast"}
    assert properties["limit"] == {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "default": None,
    }
    assert properties["share"] == {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}
    assert schema["$defs"]["Unit"]["enum"] == ["m", "ft"]
    assert schema["$defs"]["Place"]["properties"] == {
        "title": {"type": "string"},
        "height": {"type": "number", "default": 0.0},
    }


def test_the_texts_are_read_over_line_ends_and_up_to_the_next_section() -> None:
    assert parameter_texts(measure) == {
        "place": "Where to measure, and high: or low.",
        "tags": "Words: any.",
        "unit": "Of the result.",
    }
    assert description_of(measure) == "Measure a place.\n\nIn one unit or another: as you like."


def test_texts_are_read_as_they_were_written_down() -> None:
    entries = {
        "rows": "How many: 1, 2 or more.",
        "names": "Which ones; without any, all of them",
        "mode": "",
        "deep_1": "Note: this stands within an entry.",
    }
    for heading in ("Args", "Arguments", "Parameters"):
        for margin in ("  ", "    "):
            lines = ["Do.", "", "Args: are below.", "", f"{heading}:"]
            for number, (name, text) in enumerate(entries.items()):
                words = text.split()
                kind = " (list[str], optional)" if number % 2 else ""
                lines.append(f"{margin}{name}{kind}: {' '.join(words[:2])}".rstrip())
                lines += [f"{margin}{' ' * (2 + place)}{w}" for place, w in enumerate(words[2:])]
            lines += ["", "Returns:", f"{margin}text: what was found", "Raises:"]
            lines.append(f"{margin}ValueError: never")

            def function() -> None: ...

            function.__doc__ = "\n".join(lines)
            assert parameter_texts(function) == entries


def test_without_a_section_there_are_no_texts() -> None:
    def plain() -> None:
        """Do. Args: none.

        x: this is no entry
        """

    assert parameter_texts(plain) == {}
    plain.__doc__ = None
    assert parameter_texts(plain) == {}


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    def now() -> str:
        """The time."""
        return ""

    schema = schema_of(now)
    assert (schema["type"], schema["properties"]) == ("object", {})
    assert ArgumentsModel(now).validate({}) == {}
    with pytest.raises(ValueError, match=r"no argument 'x'. The arguments are: none"):
        ArgumentsModel(now).validate({"x": 1})


def test_validated_arguments_are_those_of_the_function() -> None:
    given = {
        "place": {"title": "Hesk", "height": "2.5"},
        "tags": ["a", 5],
        "unit": "ft",
        "when": "2026-11-29",
    }
    arguments = ArgumentsModel(measure).validate(given)
    assert arguments["place"] == Place(title="Hesk", height=2.5)
    assert measure(**arguments) == "Hesk ['a', '5'] ft fast None  False 2026-11-29 0.5"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"place": {"height": 1}}, "the argument 'place.title' is missing"),
        ({"place": {"title": "x", "height": "high"}}, "place.height='high': "),
        ({"tags": "one"}, "tags='one': Input should be a valid list"),
        ({"unit": "yd"}, "unit='yd': Input should be 'm' or 'ft'"),
        ({"mode": "slow"}, "mode='slow': Input should be 'fast' or 'exact'"),
        ({"share": 2}, "share=2: Input should be less than or equal to 1"),
        ({"limit": 1.5}, "limit=1.5: "),
        ({"Mode": "fast"}, "there is no argument 'Mode'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_value(
    changes: dict[str, object], message: str
) -> None:
    good = {"place": {"title": "Hesk"}, "tags": []}
    with pytest.raises(ValueError, match="The arguments are: place, tags, unit") as error:
        ArgumentsModel(measure).validate({**good, **changes})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"place": {"height": 1}}, "title"),
        ({"tags": "one"}, "tags"),
        ({"unit": "yd"}, "unit"),
        ({"mode": "slow"}, "mode"),
        ({"share": 2}, "share"),
        ({"share": float("nan")}, "share"),
        ({"limit": 1.5}, "limit"),
        ({"json": "perhaps"}, "json"),
        ({"Mode": "fast"}, "Mode"),
        ({"mode": "slow", "unit": "yd"}, "mode.*unit|unit.*mode"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes: dict[str, object], named: str) -> None:
    model, good = ArgumentsModel(measure), {"place": {"title": "Hesk"}, "tags": []}
    assert measure(**model.validate(good)).startswith("Hesk [] m fast None")
    with pytest.raises(ValueError, match=f"(?s){named}"):
        model.validate({**good, **changes})


def test_what_is_missing_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="tags"):
        ArgumentsModel(measure).validate({"place": {"title": "Hesk"}})


def test_what_the_schema_of_plain_types_allows_is_let_pass_and_nothing_else() -> None:
    def book(seats: int, name: str, window: bool = False, note: str | None = None) -> None:
        """Book."""

    model, schema = ArgumentsModel(book), Draft202012Validator(schema_of(book))
    for seats, name, more in itertools.product(
        [1, 1.5, None, [1]],
        ["a", None, ["a"]],
        [{}, {"window": True}, {"note": None}, {"note": {}}, {"x": 1}],
    ):
        given = {"seats": seats, "name": name, **more}
        if schema.is_valid(given):
            assert model.validate(given).items() >= given.items()
        else:
            with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
                model.validate(given)
    assert not schema.is_valid({"seats": 1})
    assert schema.is_valid({"seats": 1, "name": "a"})
    assert model.validate({"seats": "3", "name": 4}).items() >= {"seats": 3, "name": "4"}.items()


def untyped(x) -> str:  # type: ignore[no-untyped-def]
    """Do."""
    return str(x)


def starred(*xs: int) -> str:
    """Do."""
    return str(xs)


def positional(x: int, /) -> str:
    """Do."""
    return str(x)


async def later(x: int) -> str:
    """Do."""
    return str(x)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (untyped, "untyped: x has no type; write x: str, say"),
        (starred, "starred: .*cannot be given by name"),
        (positional, "positional: .*cannot be given by name"),
        (later, r"later is async; wrap it: def later"),
    ],
)
def test_a_function_that_cannot_be_a_tool_says_why(function: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArgumentsModel(function)


@pytest.mark.parametrize("function", [untyped, starred, positional, later])
def test_a_function_that_cannot_be_a_tool_is_refused(function: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
        ArgumentsModel(function)


def test_a_function_must_say_what_it_does() -> None:
    def silent() -> str:
        """
        Args:
            x: only this
        """
        return ""

    with pytest.raises(ValueError, match="silent has no docstring; the model has to read"):
        description_of(silent)

"""An Action and its Input are one call, or an error that says what is open."""

import pytest

from tests.tiny_agent.replies import TOOLS
from tiny_agent.messages import ToolCall
from tiny_agent.react_action import read_answer, read_call, split_action
from tiny_agent.tools import Tool, ToolRegistry, tool


@tool
def mark(text: str, exact: bool = False, tags: list[str] | None = None) -> str:
    """Mark a text."""
    return text


@tool
def listed(items: list[str]) -> str:
    """Take a list."""
    return str(items)


@tool
def greet(name: str = "you") -> str:
    """Greet somebody."""
    return name


MORE = ToolRegistry([*TOOLS, mark, listed, greet])


def read(name: str, text: str, cut_off: bool = False) -> dict[str, object]:
    call = read_call(name, text, MORE, cut_off)
    assert call == ToolCall(name, call.arguments)
    return call.arguments


# --- the name ---


@pytest.mark.parametrize(
    "action",
    [
        *[
            "search",
            "`search`",
            "**search**",
            "[search]",
            "<search>",
            '"search"',
            "'search'",
            "search.",
        ],
        *[
            "search。",
            " search ",
            "*search*",
            "_search_",
            "```\nsearch\n```",
            "search:",
            "(search)",
        ],
    ],
)
def test_the_name_is_found_whatever_is_around_it(action: str) -> None:
    assert split_action(action, " x ", TOOLS) == ("search", "x")
    assert split_action(action, None, TOOLS) == ("search", "")


def test_the_exact_name_of_a_tool_is_taken_as_it_is() -> None:
    def named(name: str) -> Tool:
        return Tool(name, "", {}, lambda: "", lambda given: given)

    for name in ("_private_", "Wiki Search", "a.b.", "f(x)", "[x]", "查询"):
        assert split_action(name, "x", ToolRegistry([named(name)])) == (name, "x")


def test_a_name_that_no_tool_has_goes_through() -> None:
    assert split_action("look it up", "x", TOOLS) == ("look it up", "x")
    assert split_action("search/web-2.0", "x", TOOLS) == ("search/web-2.0", "x")
    assert split_action("first line\nsecond", "x", TOOLS) == ("first line", "x")


@pytest.mark.parametrize("action", ["", "``", "**", "...", "()", "x" * 101, "x" * 101 + "[a]"])
def test_no_name_is_an_error(action: str) -> None:
    with pytest.raises(ValueError, match=r"names no tool|is no tool's name"):
        split_action(action, "x", TOOLS)


# --- name and input together ---


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("search[moon]", "moon"),
        ("search [moon]", "moon"),
        ("`search[moon]`", "moon"),
        ("search[moon].", "moon"),
        ("search(moon)", "moon"),
        ('search("moon")', '"moon"'),
        ("search（moon）", "moon"),
        ("search【moon】", "moon"),
        ("search[the [old] moon]", "the [old] moon"),
        ("search((a) or (b))", "(a) or (b)"),
        ("search[a) b]", "a) b"),
        ("search[a\nb]", "a\nb"),
        ("search[moon]\nThen I wait.", "moon"),
        ("search[moon]\nThen I read [2].", "moon"),
        ('search({"query": "a)"})', '{"query": "a)"})'),
        ("search()", ""),
        ("search[]", ""),
        ('search {"query": "moon"}', '{"query": "moon"}'),
        ('search: {"query": "moon"}', '{"query": "moon"}'),
        ('search, {"query": "moon"}', '{"query": "moon"}'),
        ('**search** {"query": "moon"}', '{"query": "moon"}'),
        ('search\n{"query": "moon"}', '{"query": "moon"}'),
        ('search\n```json\n{"query": "moon"}\n```', '```json\n{"query": "moon"}\n'),
        ("search\nmoon", ""),
        ("search moon", None),
    ],
)
def test_name_and_input_may_stand_together(action: str, text: str | None) -> None:
    name, given = split_action(action, None, TOOLS)
    if text is None:
        assert (name, given) == (action, "")
    else:
        assert name == action.strip("`*").split("[")[0].split("(")[0][:6].strip("（【")
        assert given == text


def test_the_name_may_be_one_that_no_tool_has() -> None:
    for action in ('other {"a": 1}', 'other\n```json\n{"a": 1}\n```', 'other({"a": 1})'):
        name, text = split_action(action, None, TOOLS)
        assert read_call(name, text, TOOLS) == ToolCall("other", {"a": 1})


def test_an_input_of_its_own_counts_more_than_brackets() -> None:
    for action in ("search[sun]", "search (for it)", 'search {"query": "sun"}', "search(sun"):
        name, given = split_action(action, '{"query": "moon"}', TOOLS)
        assert given == '{"query": "moon"}'
        assert name.startswith("search")
    assert split_action("search (for it)", "moon", TOOLS) == ("search", "moon")


@pytest.mark.parametrize(
    "action",
    [
        *[
            "search[moon",
            'search("moon',
            "search[moon] and now[]",
            "search[[moon]",
            'search("a) b")',
        ],
        *["search[moon)", "search[moon] then wait"],
    ],
)
def test_brackets_that_do_not_match_are_an_error(action: str) -> None:
    with pytest.raises(ValueError, match="the brackets after search do not match"):
        split_action(action, None, TOOLS)


def test_a_structured_action_has_its_own_input() -> None:
    assert split_action('{"action": "f", "action_input": "x"}', None, TOOLS) == ("f", "x")
    assert split_action('{"action": "f", "action_input": {"a": "月"}}', "y", TOOLS) == (
        "f",
        '{"a": "月"}',
    )
    assert split_action('{"action": "f", "action_input": 4}', None, TOOLS) == ("f", "4")
    assert split_action('```json\n{"action": "f"}\n```', "y", TOOLS) == ("f", "y")
    assert split_action('{"name": "f"}', None, TOOLS) == ("f", "")
    with pytest.raises(ValueError, match='has no "name"'):
        split_action('{"query": "x"}', None, TOOLS)


# --- the input ---


@pytest.mark.parametrize(
    "text",
    [
        *["moon", '"moon"', "'moon'", "“moon”", "‘moon’", "「moon」", "`moon`", "```\nmoon\n```"],
        *['{"query": "moon"}', 'query="moon"', "query='moon'", 'query: "moon"', 'query："moon"'],
        *['"{\\"query\\": \\"moon\\"}"', "query = 'moon',", '```json\n{"query": "moon"}\n```'],
    ],
)
def test_a_text_is_for_the_only_required_parameter(text: str) -> None:
    assert read("search", text) == {"query": "moon"}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ('"moon" and "sun"', '"moon" and "sun"'),
        ("'moon' and 'sun'", "'moon' and 'sun'"),
        ("'moon", "'moon"),
        ('say "moon"', 'say "moon"'),
        ("42", "42"),
        ("true", "true"),
        ("[1] is a note", "[1] is a note"),
        ("[1", "[1"),
        ('"moon', '"moon'),
        ("q=moon", "q=moon"),
        ("query == moon", "query == moon"),
        ("what is a query: a question", "what is a query: a question"),
        ("a\n\nb", "a\n\nb"),
        ('"{\\"a\\": 1}"', '{"a": 1}'),
        ("None of them", "None of them"),
    ],
)
def test_a_text_is_taken_as_it_is(text: str, query: str) -> None:
    assert read("search", text) == {"query": query}


def test_a_list_is_for_the_only_parameter_too() -> None:
    assert read("listed", '["a", "b"]') == {"items": ["a", "b"]}
    assert read("listed", "['a']") == {"items": ["a"]}


def test_named_values_are_arguments() -> None:
    expected = {"text": "a, b", "exact": True, "tags": ["x", "y"]}
    assert read("mark", 'text="a, b", exact=True, tags=["x", "y"]') == expected
    assert read("mark", "text='a, b', exact = true, tags = ['x', 'y'],") == expected
    assert read("mark", 'text: "a, b"\nexact: True\ntags: ["x", "y"]\n') == expected
    assert read("convert", 'value=3, from_unit="km", to_unit="m"') == {
        "value": 3,
        "from_unit": "km",
        "to_unit": "m",
    }


@pytest.mark.parametrize(
    "text",
    [
        'query="moon" k=2',
        'query="moon", 2',
        'query="moon", query="sun"',
        'query="moon", top=2',
        "query=moon",
        'query="moon',
        "query={1}",
        "query=b'x'",
        "query=",
        "query: moon",
        'query="moon", k=NaN',
    ],
)
def test_named_values_that_cannot_be_read_are_an_error_and_no_text(text: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        read("search", text)


def test_several_values_without_names_are_an_error() -> None:
    with pytest.raises(ValueError, match="arguments without names"):
        read("search", '"moon", 2')


def test_a_text_for_several_required_parameters_is_an_error_that_names_them() -> None:
    problem = "of convert is no JSON object; its arguments are: value, from_unit, to_unit"
    with pytest.raises(ValueError, match=problem):
        read("convert", "3 km")


@pytest.mark.parametrize(
    "text", ["", " \n", "None", "null", "N/A", "无", "()", "(none)", '""', "`none`", "无。"]
)
def test_nothing_is_no_text(text: str) -> None:
    assert read("now", text) == {}
    assert read("greet", text) == {}
    with pytest.raises(
        ValueError, match=r"search is missing; its arguments are: query, k \(optional\)"
    ):
        read("search", text)


def test_a_tool_that_takes_nothing_gets_nothing() -> None:
    assert read("now", "please") == {}
    assert read("now", '{"zone": "UTC"}') == {"zone": "UTC"}  # the registry will say no


def test_a_tool_that_is_not_there_gets_what_is_an_object() -> None:
    assert read("no_such_tool", "moon") == {}
    assert read("no_such_tool", '{"a": 1}') == {"a": 1}


def test_the_case_of_a_name_does_not_matter() -> None:
    assert read("Search", "moon") == {"query": "moon"}


@pytest.mark.parametrize("text", ["moon", "", "None", 'query="moon"'])
def test_a_reply_that_is_cut_off_has_to_hold_a_whole_object(text: str) -> None:
    assert read("search", '{"query": "moon"}', cut_off=True) == {"query": "moon"}
    with pytest.raises(ValueError, match="was cut off"):
        read("search", text, cut_off=True)


# --- answers ---


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("105", "105"),
        ('"105"', "105"),
        (' {"answer": " 105 "} ', "105"),
        ('{"a": "1", "b": "2"}', '{"a": "1", "b": "2"}'),
        ('{"a": 1}', '{"a": 1}'),
        ('["a", "b"]', '["a", "b"]'),
        ("```\n105\n```", "105"),
        ("It is 105.\n\nAnd so on.", "It is 105.\n\nAnd so on."),
        ("", ""),
    ],
)
def test_an_answer_may_be_an_input(text: str, answer: str) -> None:
    assert read_answer(text) == answer

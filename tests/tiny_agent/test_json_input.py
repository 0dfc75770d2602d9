"""The JSON that models write: slips are read, what is open or unfinished is an error."""

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_agent.json_input import (
    MAX_DEPTH,
    MAX_JSON5_CHARS,
    begins_object,
    body_start,
    encodable,
    excerpt,
    named_call,
    read_object,
    read_value,
    tool_name,
)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, "x"]}',
        ' \n\t{"a": [1, "x"]}',
        '\ufeff\u200b\u00a0{"a": [1, "x"]}',
        '{"a": [1, "x"]} and so on }',
        '{"a": [1, "x"]}{"a": 2}',
        '```json\n{"a": [1, "x"]}\n```',
        '```\n{"a": [1, "x"]}',
        '```JSON {"a": [1, "x"]}```',
        '```python\n{"a": [1, "x"]}\n```',
        'json\n{"a": [1, "x"]}',
        "{'a': [1, 'x']}",
        '{a: [1, "x"],}',
        '{"a": [1, "x",]}',
        '{"a": [1, "x"] /* both */}',
        '{"a": [+1, "x"]} # and so on',
        '"{\\"a\\": [1, \\"x\\"]}"',
    ],
)
def test_an_object_is_read_whatever_is_around_it(text: str) -> None:
    assert read_object(text) == {"a": [1, "x"]}


def test_an_object_is_read_from_a_place_on() -> None:
    assert read_object('{"a": 1} {"b": 2}', 8) == {"b": 2}


def test_python_words_are_read_but_not_within_strings() -> None:
    text = "{'True': True, \"b\": [False, None], 'c': 'it is None', 'd': \"don't be True\"}"
    expected = {"True": True, "b": [False, None], "c": "it is None", "d": "don't be True"}
    assert read_object(text) == expected
    with pytest.raises(ValueError, match="broken"):
        read_object("{'a': Truely}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "1\n2\t3"}', "1\n2\t3"),
        ("{'a': '1\n2'}", "1\n2"),
        (r'{"a": "it\'s"}', "it's"),
        (r"{'a': 'it\'s'}", "it's"),
        (r'{"a": "\\d+"}', r"\d+"),
        (r"{'a': '\\d+'}", r"\d+"),
        (r'{"a": "\ud83d\ude42"}', "🙂"),
        (r"{'a': '\ud83d\ude42'}", "🙂"),
        (r'{"a": "x\ud83d"}', "x\ufffd"),
        ('{"a": "x\ud83d"}', "x\ufffd"),
        ('{"a": "</think> `}"}', "</think> `}"),
        ('{"a": "\x00\x1f\u2028"}', "\x00\x1f\u2028"),
        ("{a: 0xff}", 255),
        ('{"a": 123456789012345678901234567890}', 123456789012345678901234567890),
        ('{"a": 1e3}', 1000.0),
    ],
)
def test_a_value_is_what_was_meant(text: str, value: object) -> None:
    assert read_object(text) == {"a": value}


UNFINISHED = ['{"a": {"b": [1, "x"]}, "c": 2}', "{'a': {b: [1, 'x',]}, c: 2}", '{"a": "{}"}']


@pytest.mark.parametrize("text", UNFINISHED)
def test_what_is_not_finished_is_an_error_wherever_it_stops(text: str) -> None:
    read_object(text)
    for end in range(len(text)):
        with pytest.raises(ValueError, match="broken or not finished"):
            read_object(text[:end])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "broken or not finished (Expecting value; it ends too early)"),
        ("moonglass", "(Expecting value; here: moonglass)"),
        ('{"a" 1}', "(Expecting ':' delimiter; here: 1})"),
        ('{"a": "x', '(Unterminated string; here: "x)'),
        ('{"a": 1', "(Expecting ',' delimiter; it ends too early)"),
        ('{"a": 1  ', "(Expecting ',' delimiter; it ends too early)"),
        ('{"a"：1}', "here: ：1}; use straight quotes and half-width punctuation)"),
        ("{“a”: 1}", "use straight quotes"),
        ('{{"a": 1}}', "broken or not finished"),
        ('{"a": tru}', "broken or not finished"),
        ('{"a": {1}}', "broken or not finished"),
        (r'{"a": "\d+"}', "a backslash in a JSON string has to be written twice: \\\\"),
        (r"{'a': 'C:\Users'}", "a backslash in a JSON string has to be written twice"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ('{"b": {"a": 1, "c": 0, "a": 1}}', "the key 'a' is there twice"),
        ("{b: {a: 1, a: 1}}", "the key 'a' is there twice"),
        ('{"a": NaN}', "too long, infinite or no number"),
        ('{"a": [-Infinity]}', "too long, infinite or no number"),
        ('{"a": 1e999}', "too long, infinite or no number"),
        ("{a: 0x" + "f" * 5000 + "}", "too long, infinite or no number"),
        ('{"a": ' + "9" * 5000 + "}", "5000 digits"),
        ("[1, 2]", "a JSON object in braces is needed, not [1, 2]"),
        ('"moonglass"', 'a JSON object in braces is needed, not "moonglass"'),
        ("12", "a JSON object in braces is needed, not 12"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as error:
        read_object(text)
    assert len(str(error.value)) < 200


def nested(depth: int) -> str:
    return '{"a": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


def test_nesting_has_a_limit() -> None:
    read_object(nested(MAX_DEPTH))
    for text in (nested(MAX_DEPTH + 1), '{"a": ' + "[" * 100_000, "{a:" * 3_000):
        with pytest.raises(ValueError, match="nested more than 50 deep"):
            read_object(text)


def test_json5_is_tried_on_so_many_characters_only() -> None:
    text = "{'a': '" + "x" * MAX_JSON5_CHARS + "'}"
    with pytest.raises(ValueError, match="broken or not finished"):
        read_object(text)
    assert read_object("{'a': 1}" + "x" * 1_000_000) == {"a": 1}
    start = time.process_time()
    for text in ("{a:1,", "{a:[", "{'", "{'a':'\\", "{/*", "{a:[[],", "{'a': True, "):
        with pytest.raises(ValueError, match="JSON"):
            read_object(text * (MAX_JSON5_CHARS // len(text)))
    assert time.process_time() - start < 5


def test_a_key_among_many_is_found_twice_in_no_time() -> None:
    many = ", ".join(f'"{"x" * 50}{number % 20_000}": 1' for number in range(20_001))
    start = time.process_time()
    with pytest.raises(ValueError, match="is there twice") as error:
        read_object(f"{{{many}}}")
    assert time.process_time() - start < 1
    assert len(str(error.value)) < 100


def test_line_breaks_in_a_string_are_let_pass_in_json_itself() -> None:
    program = "x = 1\n" * MAX_JSON5_CHARS  # too long for JSON5
    assert read_object(f'{{"code": "{program}"}}') == {"code": program}


def test_a_backslash_behind_the_object_is_none_of_ours() -> None:
    assert read_object(r"{'a': 1} and \d") == {"a": 1}


def test_where_a_value_ends_is_told() -> None:
    assert read_value('  [1, 2], "b"') == ([1, 2], 8)
    assert read_value("x = ['a', None] ", 3) == (["a", None], 15)
    assert read_value("{'a': 1}} ") == ({"a": 1}, 8)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(value=st.dictionaries(st.text(), values, max_size=3), behind=st.text(max_size=5))
def test_all_that_json_can_say_is_read(value: dict[str, object], behind: str) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert read_object(text + behind) == value


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("{", True),
        (" \n\u200b{", True),
        ("```json\n{", True),
        ("```{", True),
        ("json {", True),
        ("", False),
        ("[{}]", False),
        ("a {", False),
        ("json", False),
        ("jsonl {", False),
        ("``{", False),
    ],
)
def test_where_an_object_begins(text: str, begins: bool) -> None:
    assert begins_object(text) == begins
    assert body_start("{}  x", 2) == 4


@pytest.mark.parametrize(
    ("value", "name", "given"),
    [
        ({"name": "f", "arguments": {"a": 1}}, "f", {"a": 1}),
        ({"action": "f", "action_input": "x"}, "f", "x"),
        ({"tool": " f ", "tool_input": [1]}, "f", [1]),
        ({"tool_name": "f", "args": {}}, "f", {}),
        ({"function": "f", "parameters": {"a": 1}}, "f", {"a": 1}),
        ({"type": "function", "function": {"name": "f", "arguments": "{}"}}, "f", "{}"),
        ({"tool_call": {"name": "f", "input": 1}}, "f", 1),
        ({"name": "f"}, "f", None),
    ],
)
def test_a_call_goes_by_many_keys(value: dict[str, object], name: str, given: object) -> None:
    assert named_call(value) == (name, given)


@pytest.mark.parametrize("value", [{}, {"name": None}, {"name": 1}, {"arguments": {}}])
def test_a_call_needs_a_name(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match='has no "name"'):
        named_call(value)


@pytest.mark.parametrize("text", ["", " \n", "x" * 101])
def test_a_name_has_a_length(text: str) -> None:
    assert tool_name(f" {'x' * 100}\n") == "x" * 100
    with pytest.raises(ValueError, match="no tool's name"):
        tool_name(text)
    with pytest.raises(ValueError, match="no tool's name"):
        named_call({"name": text})


def test_an_excerpt_is_one_short_line() -> None:
    assert excerpt(" a\n\n b ") == "a b"
    assert excerpt("x" * 40) == "x" * 40
    assert excerpt("x" * 1_000_000) == "x" * 40 + "..."


def test_halves_of_an_emoji_are_joined_or_replaced() -> None:
    assert encodable("a\ud83d\ude42b") == "a🙂b"
    assert encodable("\ud83da\ude42") == "\ufffda\ufffd"
    assert encodable("\ufeffa") == "\ufeffa"

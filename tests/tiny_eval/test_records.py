"""Files of records: every usual way to write them, and an error for each way to break them."""

import csv
import io
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_eval.records import read_records

RECORDS = [
    {"question": "渡船𠮷号是什么颜色？", "answers": ["黄色"], "n": 1},
    {"question": "x", "n": 2.5},
]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
LINES = [json.dumps(record, ensure_ascii=False) for record in RECORDS]


def write(tmp_path, content, encoding="utf-8", name="data.any"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


# --- What can be read. ---

LAYOUTS = {
    "JSONL": "\n".join(LINES) + "\n",
    "JSONL without a last newline": "\n".join(LINES),
    "JSONL with Windows newlines": "\r\n".join(LINES),
    "JSONL with empty lines": f"\n\n{LINES[0]}\n  \n\n{LINES[1]}\n\n",
    "two objects in a line": "".join(LINES),
    "array in a line": json.dumps(RECORDS),
    "array over lines": json.dumps(RECORDS, indent=2, ensure_ascii=False),
    "objects over lines": "\n".join(json.dumps(record, indent=4) for record in RECORDS),
    "an object a line, then one over lines": f"{LINES[0]}\n{json.dumps(RECORDS[1], indent=1)}",
    "example": json.dumps({"keywords": "k", "example": RECORDS}, indent=1),
    "data": json.dumps({"version": "1.1", "data": RECORDS}),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_records_in_every_layout(tmp_path, layout, encoding):
    path = write(tmp_path, LAYOUTS[layout], encoding, "data.csv")  # the suffix says nothing
    assert read_records(path) == RECORDS
    assert read_records(str(path)) == RECORDS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_with_quoted_commas_newlines_and_quotes(tmp_path, encoding):
    text = ',Question,A\r\n0,"一个，两个,\r\n三个","他说""好"""\r\n\r\n1,二,乙\r\n'
    assert read_records(write(tmp_path, text, encoding, "data.jsonl")) == [
        {"": "0", "Question": "一个，两个,\r\n三个", "A": '他说"好"'},
        {"": "1", "Question": "二", "A": "乙"},
    ]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_what_json_and_csv_write_is_read_as_it_was(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("files")
    records = [{"a": a, "b": b} for a, b in pairs]
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    assert read_records(write(folder, lines)) == records
    indented = "\n".join(json.dumps(record, indent=1) for record in records)
    assert read_records(write(folder, indented)) == records
    if "\0" not in lines.replace("\\u0000", "\0"):
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, ["a", "b"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(records)
        assert read_records(write(folder, buffer.getvalue())) == records


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path):
    records = [{"text": "a\u2028b\u0085c\x0bd"}, {"text": "e"}]
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    assert read_records(write(tmp_path, lines)) == records


def test_a_lone_object_is_a_record_unless_it_holds_a_list_of_them(tmp_path):
    for record in [{"a": 1}, {"data": "text"}, {"data": [1, 2]}, {"example": {"a": 1}}]:
        assert read_records(write(tmp_path, json.dumps(record))) == [record]
    two = [{"data": [{"a": 1}]}, {"data": [{"a": 2}]}]
    lines = "\n".join(json.dumps(record) for record in two)
    assert read_records(write(tmp_path, lines)) == two


# --- What cannot, and what it says. ---

BROKEN = {
    "nothing": ("", "is empty"),
    "white space": (" \n\t\n", "is empty"),
    "a mark only": ("\ufeff", "is empty"),
    "an empty array": ("[]", "holds no records"),
    "an empty list of examples": ('{"example": []}', "holds no records"),
    "a header only": ("id,question\n", "holds no records"),
    "a line cut in a text": ('{"a": 1}\n{"a": "two', "line 2, the last one, ends inside a record"),
    "a line cut in a word": ('{"a": 1}\n{"a": tr', "line 2, the last one, ends inside a record"),
    "a line cut after a brace": ('{"a": 1}\n{', "line 2, the last one, ends inside a record"),
    "a text with a brace cut": ('{"a": 1}\n{"a": "{}', "line 2, the last one, ends inside"),
    "an array cut after an item": ('[{"a": 1},\n{"a": 2}', "line 2, the last one, ends inside"),
    "an object cut over lines": ('{\n "a": 1,\n', "line 2, the last one, ends inside a record"),
    "a mistake in the middle": ('{"a": 1}\n{a: 2}\n{"a": 3}\n', "line 2, column 2 is no JSON"),
    "a mistake in the last line": ('{"a": 1}\n{a: 2}', "line 2, column 2 is no JSON"),
    "a mistake before a cut": ('{"a": 1}\n{a: 2}\n{"a": "th', "line 2, column 2 is no JSON"),
    "a comma between lines": ('{"a": 1},\n{"a": 2}\n', "line 1, column 9 is no JSON"),
    "a number among objects": ('{"a": 1}\n\n7\n', "line 3 is a number, but must be an object"),
    "an array among objects": ('{"a": 1}\n[{"a": 2}]\n', "line 2 is a list, but must be"),
    "a null in an array": ('[{"a": 1}, null]', "record 2 is null, but must be an object"),
    "a text among examples": ('{"example": ["x", {"a": 1}]}', "record 1 is a text, but must be"),
    "texts": ('["x", "y"]', "record 1 is a text"),
    "not a number": ('{"a": 1}\n{"a": NaN}\n', "line 2 cannot be used: NaN is no JSON; write null"),
    "infinity over lines": (
        '\n{"a":\n1}\n{"a":\n-Infinity}',
        "line 4 cannot be used: -Infinity is",
    ),
    "too deep": ('{"a": 1}\n' + '{"a":' * 100_000, "line 2 cannot be used: nested too deeply"),
    "an endless number": ('{"a": ' + "1" * 5000 + "}", "line 1 cannot be used: .*4300"),
    "too few cells": ("a,b\n1,2\n3", "line 3 has 1 cells, but line 1 names 2 .* cut off"),
    "too many cells": ("a,b\n1,2,3\n", "line 2 has 3 cells, .*quote a cell that holds a comma"),
    "an open quote": ('a,b\n1,"2\n3,4\n', "line 3: unexpected end of data; close each quoted"),
    "a stray quote": ('a,b\n1,"2"3\n', "line 2: .* expected after"),
    "two columns of a name": ("a,b,a\n1,2,3\n", "line 1 names a column twice: a; rename one"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_error_names_the_file_the_line_and_the_remedy(tmp_path, case):
    content, problem = BROKEN[case]
    with pytest.raises(ValueError, match=problem) as caught:
        read_records(write(tmp_path, content))
    assert "data.any" in str(caught.value)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"there is no file .*absent\.jsonl; give the path of a"
    ):
        read_records(tmp_path / "absent.jsonl")
    with pytest.raises(ValueError, match="is a folder; give one of the files in it"):
        read_records(tmp_path)


def test_broken_utf_8_is_never_read_as_gibberish_in_gb18030(tmp_path):
    broken = '{"a": "渡船漆成黄色，"}\n'.encode().replace("色".encode(), b"\xe8\x89")
    assert "渡船" not in broken.decode("gb18030")  # it can be, and says nonsense
    with pytest.raises(ValueError, match="line 1 is not UTF-8"):
        read_records(write(tmp_path, broken))


def test_utf_16_with_its_mark_is_read(tmp_path):
    text = LAYOUTS["JSONL"]
    expected = read_records(write(tmp_path, text.encode()))
    for content in (text.encode("utf-16"), b"\xfe\xff" + text.encode("utf-16-be")):
        assert read_records(write(tmp_path, content)) == expected


def test_what_is_no_text_is_an_error_that_names_the_line(tmp_path):
    whole = LAYOUTS["JSONL"].encode()
    cut = whole[: whole.index("色".encode()) + 2]
    for content, line in [
        (b"\x89PNG\r\n\xff\xff", 2),
        (whole.replace(b'"x"', b'"x\xff"'), 2),
        (cut, 1),
    ]:
        with pytest.raises(ValueError, match=rf"data\.any, line {line} is not UTF-8; save it as"):
            read_records(write(tmp_path, content))
    for content in (b"PK\x03\x04\x00\x00rest", "{}".encode("utf-16-le")):
        with pytest.raises(ValueError, match=r"no plain text .*turn it into JSONL or CSV"):
            read_records(write(tmp_path, content))


def test_many_objects_over_lines_take_time_in_proportion(tmp_path):
    path = write(tmp_path, (json.dumps({"a": "x" * 150}, indent=1) + "\n") * 20_000)
    start = time.perf_counter()
    assert len(read_records(path)) == 20_000
    assert time.perf_counter() - start < 2  # 0.1 s; copying the rest for each object takes 10 s

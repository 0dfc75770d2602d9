"""Records of well-known benchmarks, in their own layouts (with contents of our own)."""

import json

import pytest

from tiny_eval.layouts import to_documents
from tiny_eval.records import read_records

LONGBENCH = {
    "input": "渡船是什么颜色？",
    "context": "老渡口的渡船漆成黄色。",
    "answers": ["黄色"],
    "length": 11,
    "dataset": "multifieldqa_zh",
    "language": "zh",
    "all_classes": None,
    "_id": "f00d",
}
EXAM = {"A": "甲", "B": "乙", "C": "丙", "D": "丁"}
CEVAL = {"id": "0", "question": "选哪个？ ", **EXAM, "answer": "b", "explanation": "1. 略"}
CMMLU = {"": "0", "Question": "选哪个？ ", **EXAM, "Answer": "B"}
GSM8K = {
    "question": "A crate holds 12 jars. How many do 100 crates hold?",
    "answer": "They hold 12*100=<<12*100=1200>>1200 jars.\n#### 1,200",
}


def test_plain_is_as_it_is():
    records = [{"a": 1}, {"b": None}]
    assert to_documents(records, "plain") == records


def test_sft_joins_instruction_and_input():
    records = [
        {"instruction": "翻译：", "input": "渡船", "output": "ferry", "history": []},
        {"instruction": "Say hello.", "input": "", "output": "Hello."},
        {"instruction": "Say bye.", "output": "Bye."},
    ]
    documents = to_documents(records, "sft")
    assert [document["question"] for document in documents] == [
        "翻译：\n渡船",
        "Say hello.",
        "Say bye.",
    ]
    assert [document["answer"] for document in documents] == ["ferry", "Hello.", "Bye."]
    assert documents[0]["history"] == []
    with pytest.raises(ValueError, match=r"record 1.*output is empty"):
        to_documents([{"instruction": "Say bye.", "output": " "}], "sft")


def test_longbench_gives_question_and_id_and_keeps_the_rest():
    [document] = to_documents([LONGBENCH], "longbench")
    assert document == {**LONGBENCH, "id": "f00d", "question": "渡船是什么颜色？"}


def test_ceval_and_cmmlu_become_the_same_fields():
    [ceval] = to_documents([CEVAL], "ceval")
    [cmmlu] = to_documents([CMMLU], "cmmlu")
    expected = {
        "id": "0",
        "question": "选哪个？",
        **EXAM,
        "choices": ["甲", "乙", "丙", "丁"],
        "answer": "B",
    }
    assert cmmlu == expected
    assert ceval == {**expected, "explanation": "1. 略"}


def test_cmmlu_from_its_csv(tmp_path):
    path = tmp_path / "agronomy.csv"
    path.write_text(',Question,A,B,C,D,Answer\n0,"哪个，大",1,2,3,4,D\n', encoding="utf-8")
    [document] = to_documents(read_records(path), "cmmlu")
    assert (document["question"], document["D"], document["answer"]) == ("哪个，大", "4", "D")


def test_gsm8k_parts_the_number_from_the_way_to_it():
    [document] = to_documents([GSM8K], "gsm8k")
    assert document["answer"] == "1,200"
    assert document["rationale"] == "They hold 12*100=<<12*100=1200>>1200 jars."
    twice = {"question": "?", "answer": "#### is a sign.\n#### 5"}
    assert to_documents([twice], "gsm8k")[0]["answer"] == "5"
    # together they are the solution again, so that a solved example shows it as the data set does
    assert "{rationale}\n#### {answer}".format(**document) == GSM8K["answer"]


def test_no_layout_changes_the_records_it_is_given():
    given = [LONGBENCH, CEVAL, CMMLU, GSM8K]
    before = json.dumps(given)
    for record, layout in zip(given, ["longbench", "ceval", "cmmlu", "gsm8k"], strict=True):
        to_documents([record], layout)
    assert json.dumps(given) == before


def without(record, name):
    return {key: value for key, value in record.items() if key != name}


@pytest.mark.parametrize(
    ("layout", "good", "bad", "problem"),
    [
        ("sft", {"instruction": "a", "output": "b"}, {"instruction": "a"}, "output missing"),
        ("longbench", LONGBENCH, without(LONGBENCH, "context"), "context missing; needed are "),
        ("longbench", LONGBENCH, {**LONGBENCH, "answers": "黄色"}, "answers='黄色' must be a list"),
        ("longbench", LONGBENCH, {**LONGBENCH, "answers": []}, r"answers=\[\] must be a list"),
        ("ceval", CEVAL, CMMLU, r"question, answer missing; .* there are '', 'Question', 'A'"),
        ("ceval", CEVAL, without(CEVAL, "answer"), "answer missing"),
        ("ceval", CEVAL, {**CEVAL, "answer": ""}, "answer='' must be one of A, B, C, D; .* val"),
        ("cmmlu", CMMLU, {**CMMLU, "Answer": "E"}, "answer='E' must be one of A, B, C, D"),
        ("cmmlu", CMMLU, {**CMMLU, "C": None}, "C missing"),
        ("gsm8k", GSM8K, {**GSM8K, "answer": "72"}, "answer='72' must end in ####"),
        ("gsm8k", GSM8K, {**GSM8K, "answer": "72 ####\n"}, "must end in ####"),
    ],
)
def test_an_error_names_the_record_the_field_and_the_layout(layout, good, bad, problem):
    with pytest.raises(ValueError, match=f"^record 3: .*{problem}.*layout '{layout}'"):
        to_documents([good, good, bad], layout)

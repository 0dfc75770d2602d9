"""Search: scores against bm25s and by hand, passages, folders that are not as they should be."""

import json
import math
import os
import random
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_agent.messages import ToolCall
from tiny_agent.search import (
    BM25,
    MAX_CHARS,
    SAMPLE,
    Passage,
    read_folder,
    search_tool,
    split_text,
    tokenize,
)
from tiny_agent.tools import ToolError, ToolRegistry

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)
WORDS = ["moon", "tide", "ring", "lamp", "salt"]  # each is its own stem
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), max_size=8)
QUERIES = st.lists(st.sampled_from([*WORDS, "comet"]), max_size=4).map(" ".join)


def folder_of(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


# --- The scores. ---


def library_scores(texts, query, k1, b):
    """bm25s in double precision; zeros where it has nothing to count."""
    if not any(text.split() for text in texts):
        return np.zeros(len(texts))
    library = bm25s.BM25(k1=k1, b=b, method="lucene", dtype="float64")
    library.index([text.split() for text in texts], show_progress=False)
    known = [word for word in query.split() if word in library.vocab_dict]
    return library.get_scores(known) if known else np.zeros(len(texts))


@PROPERTY
@given(TEXTS, QUERIES, st.sampled_from([0.9, 1.5, 3.0]), st.sampled_from([0.0, 0.4, 1.0]))
def test_scores_are_those_of_bm25s(texts, query, k1, b):
    scores = BM25(texts, k1, b).scores(query)
    ours = [scores.get(row, 0.0) for row in range(len(texts))]
    np.testing.assert_allclose(ours, library_scores(texts, query, k1, b), rtol=1e-9, atol=1e-12)


def test_the_defaults_are_those_of_bm25s():
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 30))) for _ in range(50)]
    library = bm25s.BM25()  # in its own float32
    library.index([text.split() for text in texts], show_progress=False)
    scores = BM25(texts).scores("moon tide")
    ours = [scores.get(row, 0.0) for row in range(len(texts))]
    np.testing.assert_allclose(ours, library.get_scores(["moon", "tide"]), rtol=2e-6)


def test_a_score_by_hand():
    index = BM25(["moon moon sea", "sea", "star star star star"])
    # "moon" is in 1 of 3 texts, there twice; that text has 3 terms, the mean is 8 / 3
    expected = math.log(1 + 2.5 / 1.5) * 2 / (2 + 1.5 * (0.25 + 0.75 * 3 / (8 / 3)))
    assert index.scores("moons") == {0: pytest.approx(expected)}
    assert index.scores("moon moon")[0] == pytest.approx(2 * expected)


@PROPERTY
@given(TEXTS, QUERIES, st.integers(1, 9))
def test_the_best_come_first_and_the_first_of_equals(texts, query, k):
    index = BM25(texts)
    scores = index.scores(query)
    expected = sorted(((-score, row) for row, score in scores.items()), key=lambda pair: pair)
    assert index.best(query, k) == [row for _, row in expected][:k]


def test_of_equals_the_first_text_comes_first_whatever_term_found_it():
    assert BM25(["moon", "tide"]).best("tide moon", 2) == [0, 1]


# --- Terms. ---


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Moons moved, moving", ["moon", "move", "move"]),
        ("38,200 km", ["38200", "km"]),
        ("1,2345", ["1", "2345"]),
        ("3.82万千米", ["3.82", "万", "千", "米", "万千", "千米"]),
        ("52km", ["52", "km"]),
        ("升天索", ["升", "天", "索", "升天", "天索"]),
        ("升天，索", ["升", "天", "升天", "索"]),
        ("Ｌｕｍｏ　１２", ["lumo", "12"]),
        ("用Python写", ["用", "python", "写"]),
        ("Straße", ["strass"]),
        ("こんにちは", [*"こんにちは", "こん", "んに", "にち", "ちは"]),
        ("한국", ["한", "국", "한국"]),
        ("𠮷野", ["𠮷", "野", "𠮷野"]),
        ("", []),
        ("!? — 😀 ___", []),
    ],
)
def test_terms(text, terms):
    assert tokenize(text) == terms


# --- Passages. ---


def test_paragraphs_of_a_section_are_kept_together_with_their_headings():
    text = (
        "before\n\n# Lumo\n\none\n\ntwo\n## Climate ##\nthree\n\n\n\nfour\n# Yan\n### Spots\nfive\n"
    )
    assert list(split_text(text)) == [
        ("", "before"),
        ("Lumo", "one\n\ntwo"),
        ("Lumo > Climate", "three\n\nfour"),
        ("Yan > Spots", "five"),
    ]


def test_a_passage_ends_before_the_paragraph_that_does_not_fit():
    text = f"{'a' * 10}\n\n{'b' * 10}\n\n{'c' * 10}"
    assert [passage for _, passage in split_text(text, 22)] == [
        "a" * 10 + "\n\n" + "b" * 10,
        "c" * 10,
    ]
    assert len(list(split_text(text, 21))) == 3


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One is here. Two is it! Three?", ["One is here.", "Two is it!", "Three?"]),
        ("一是这里的。二在那里！三呢？四", ["一是这里的。二在那里！", "三呢？四"]),
        ("“他说：走。”然后他就真的走了呀", ["“他说：走。”", "然后他就真的走了呀"]),
        ("3.14 is a number. Yes", ["3.14 is a nu", "mber. Yes"]),  # the limit comes first
        ("x" * 30, ["x" * 12, "x" * 12, "x" * 6]),
        ("#hashtag", ["#hashtag"]),
        (" \n\n \n", []),
        ("# Only a heading", []),
    ],
)
def test_a_long_paragraph_is_cut_after_a_sentence(text, pieces):
    assert [passage for _, passage in split_text(text, 12)] == pieces


@PROPERTY
@given(st.text("ab.。 \n#", max_size=60), st.integers(1, 20))
def test_no_text_is_lost_and_no_passage_too_long(text, max_chars):
    passages = list(split_text(text, max_chars))
    assert all(0 < len(passage) <= max_chars for _, passage in passages)
    body = re.sub(r"(?m)^#{1,6} .*", "", text)
    kept = "".join(passage for _, passage in passages)
    assert "".join(kept.split()) == "".join(body.split())


# --- Folders. ---


def test_a_folder_is_read_by_name_with_its_folders(tmp_path):
    folder = folder_of(
        tmp_path, b_md="# B\nbee", a_txt="\ufeffay", sub__c_MD="sea", d_html="no", _hidden_md="no"
    )
    folder_of(tmp_path / ".git", e_md="no")
    assert read_folder(folder) == [
        Passage("a.txt", "", "ay"),
        Passage("b.md", "B", "bee"),
        Passage("sub/c.MD", "", "sea"),
    ]


@pytest.mark.parametrize("text", ["星环".encode("gb18030"), "星环".encode("utf-16"), b"caf\xe9"])
def test_a_file_that_is_not_utf8_is_named_with_the_remedy(tmp_path, text):
    folder_of(tmp_path, good_md="good", bad_txt=text)
    with pytest.raises(
        ValueError, match=r"bad\.txt' is not UTF-8 at byte \d+; convert it, .*iconv"
    ):
        search_tool(tmp_path)


def test_folders_without_text_are_refused_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*missing' to search in"):
        search_tool(tmp_path / "missing")
    with pytest.raises(ValueError, match=r"no text in .*; put \.md or \.txt files there"):
        search_tool(tmp_path)
    folder_of(tmp_path, a_md="# Heading alone\n")
    with pytest.raises(ValueError, match="there is no text"):
        search_tool(tmp_path)
    with pytest.raises(NotADirectoryError, match="is no folder"):
        search_tool(tmp_path / "a.md")


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_pipes_and_links_in_a_circle_do_not_hang(tmp_path):
    folder_of(tmp_path, a_md="text")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken.md").symlink_to(tmp_path / "nothing")
    assert [passage.source for passage in read_folder(tmp_path)] == ["a.md"]


# --- The tool. ---


@pytest.fixture(scope="module")
def sample():
    return search_tool()


def test_results_are_numbered_and_name_their_source(tmp_path):
    folder_of(tmp_path, moon_md="# The Moon\nA moon.", sea_txt="The sea and a moon, far away.")
    assert search_tool(tmp_path)(query="moon") == (
        "[1] moon.md (The Moon)\nA moon.\n\n[2] sea.txt\nThe sea and a moon, far away."
    )
    assert search_tool(tmp_path)(query="moon", k=1) == "[1] moon.md (The Moon)\nA moon."


def test_a_heading_is_found_as_well(tmp_path):
    folder_of(tmp_path, a_md="# Skyhook\nIt is long.", b_md="# Tower\nIt is tall.")
    assert search_tool(tmp_path)(query="skyhook").startswith("[1] a.md")


def test_nothing_found_is_said(sample):
    passages = len(read_folder(SAMPLE))
    for query in ("zzzz", "???", ""):
        expected = f"Nothing found for {query!r} in {passages} passages. Try other words."
        assert sample(query=query) == expected


@pytest.mark.parametrize("k", [0, -1, 11])
def test_k_is_from_1_to_10(sample, k):
    with pytest.raises(ToolError, match=f"k={k} must be from 1 to 10"):
        sample(query="moon", k=k)
    assert sample(query="Lumo moon 露摩", k=10).count("\n\n[") == 9


def test_the_answer_fits_into_what_a_model_is_shown(sample):
    result = ToolRegistry([sample]).run(ToolCall("search", {"query": "the sea of Lumo"}))
    assert "left out" not in result.content
    assert result.content.count("\n\n[") == 2


# --- The sample. ---


def test_the_sample_is_the_encyclopedia_of_tiny_rag_byte_for_byte():
    encyclopedia = Path(__file__).parents[2] / "tiny_rag" / "data" / "universe"
    if not encyclopedia.is_dir():
        pytest.skip("tiny_rag is not here")
    files = sorted(SAMPLE.rglob("*.*"))
    assert len(files) == 32
    for file in files:
        assert file.read_bytes() == (encyclopedia / file.relative_to(SAMPLE)).read_bytes()


def test_the_sample_has_each_article_in_both_languages():
    zh, en = ({file.name for file in (SAMPLE / lang).iterdir()} for lang in ("zh", "en"))
    assert zh == en
    assert all(len(passage.text) <= MAX_CHARS for passage in read_folder(SAMPLE))


@pytest.mark.parametrize(
    ("query", "source", "fact"),
    [
        ("How long is the cable of the Skyhook?", "en/skyhook.md", "38,200 km"),
        ("升天索全长多少千米", "zh/skyhook.md", "3.82万千米"),
        ("When was Nadu Kesh born?", "en/kesh.md", "born in 158 LE"),
        ("失物货运署是谁创办的", "zh/lost_cargo.md", "多万·普莱"),
        ("radius of Lumo", "en/lumo.md", "6,120 km"),
    ],
)
def test_the_sample_answers_simple_questions(sample, query, source, fact):
    results = sample(query=query).split("\n\n[")
    assert any(f"] {source}" in f"[{result}" and fact in result for result in results)


def test_four_of_five_questions_of_the_encyclopedia_are_answered_within_three_passages():
    file = Path(__file__).parents[2] / "tiny_rag" / "data" / "universe" / "questions.jsonl"
    if not file.exists():
        pytest.skip("tiny_rag is not here")
    passages = read_folder(SAMPLE)
    index = BM25([f"{passage.heading}\n{passage.text}" for passage in passages])
    sources = {passage.source for passage in passages}
    asked = found = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        gold = question["gold"]
        if len(gold) == 1 and gold[0]["source"] in sources:
            asked += 1
            best = [passages[row] for row in index.best(question["question"], 3)]
            found += any(gold[0]["quote"] in passage.text for passage in best)
    assert asked > 100
    assert found / asked > 0.8


def test_threads_do_not_mix_up_each_other_s_words() -> None:
    """An agent runs the calls of one step side by side."""
    roots = ("relat", "hope", "condit", "mirror", "digit", "valenc", "electr", "adjust")
    words = [root + end for root in roots for end in ("ational", "fulness", "iveness", "ously")]
    expected = [tokenize(word) for word in words]

    def all_right(_: int) -> bool:
        return [tokenize(word) for word in words] == expected

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(all_right, range(40)))
    finally:
        sys.setswitchinterval(interval)

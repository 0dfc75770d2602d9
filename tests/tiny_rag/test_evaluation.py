"""Questions, the chunks that hold their evidence, and what retrieval and answers score."""

import json
import math
from dataclasses import replace

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_rag.fakes import FixedRetriever
from tiny_rag.bm25 import BM25Index
from tiny_rag.citations import Citation
from tiny_rag.documents import Chunk, Document, Hit
from tiny_rag.evaluation import Report, evaluate_answers, evaluate_retrieval
from tiny_rag.evidence import Fact, Place, find_evidence
from tiny_rag.generation import NO_USAGE, Answer
from tiny_rag.questions import Gold, Question, read_questions
from tiny_rag.retrieval import BM25Retriever
from tiny_rag.stats import compare

PROPERTY = settings(max_examples=80, derandomize=True, deadline=None)


def cut(text, size, overlap=0, source="a.md"):
    """The chunks of a document, of `size` characters."""
    document = Document.of(text, {"source": source})
    starts = range(0, max(1, len(text) - overlap), size - overlap)
    return [Chunk.of(document, s, min(s + size, len(text)), {"source": source}) for s in starts]


def ask(quote, source="a.md", name="q", **fields):
    return Question(name, "?", gold=(Gold(source, quote),), **fields)


def holders(quote, chunks, source="a.md"):
    """The texts of the chunks that hold the quote."""
    (fact,) = find_evidence([ask(quote, source)], chunks)["q"]
    return sorted(c.text for c in chunks if c.id in fact.holders)


# --- Evidence. ---


def test_a_chunk_that_has_the_quote_whole_holds_it():
    chunks = cut("aaaabbbbccccdddd", 4)
    assert holders("bb", chunks) == ["bbbb"]
    assert holders("bbbb", chunks) == ["bbbb"]


def test_where_chunks_overlap_two_may_hold_a_quote_but_not_a_part_of_it():
    chunks = cut("abcdefghij", 6, overlap=3)  # abcdef defghi ghij
    assert holders("de", chunks) == ["abcdef", "defghi"]
    assert holders("cdef", chunks) == ["abcdef"]  # defghi has 3 of its 4 characters


def test_a_quote_that_was_cut_is_held_by_its_large_parts():
    chunks = cut("abcdefghijklmnop", 4)
    assert holders("cdefgh", chunks) == ["abcd", "efgh"]  # 2 and 4 characters of it
    assert holders("defgh", chunks) == ["efgh"]  # 1 is less than half of 4
    assert holders("bcdefghijklmno", chunks) == ["abcd", "efgh", "ijkl", "mnop"]


def test_a_quote_that_stands_twice_may_be_found_at_either_place():
    chunks = cut("xx42xx__yy42yy__", 8)
    assert holders("42", chunks) == ["xx42xx__", "yy42yy__"]
    (fact,) = find_evidence([ask("42")], chunks)["q"]
    assert fact.share_in([chunks[1].id]) == 1
    assert holders("aa", cut("aaa", 2, overlap=1)) == ["aa", "aa"]  # overlapping places


def test_the_share_of_a_quote_is_what_chunks_hold_together():
    chunks = cut("abcdefghij", 4, overlap=2)  # abcd cdef efgh ghij
    ids = [chunk.id for chunk in chunks]
    (fact,) = find_evidence([ask("cdefgh")], chunks)["q"]
    assert fact.share_in([]) == 0
    assert fact.share_in(["of another document"]) == 0
    assert fact.share_in(ids[:1]) == 2 / 6
    assert fact.share_in(ids[:2]) == 4 / 6  # cd is in both, and counts once
    assert fact.share_in([ids[0], ids[3]]) == 4 / 6  # cd and gh, with a gap
    assert fact.share_in(ids) == 1


def test_a_small_chunk_inside_a_large_one_adds_nothing():
    parts = {"whole": (0, 6), "inner": (1, 3), "later": (4, 6), "last": (7, 8)}
    fact = Fact((Place(8, parts),))
    assert fact.share_in(["whole", "inner", "later"]) == 6 / 8
    assert fact.share_in(["whole", "inner", "later", "last"]) == 7 / 8


def test_a_passage_that_says_the_same_elsewhere_will_do_as_well():
    chunks = cut("Four moons.", 11) + cut("Its moons are 4.", 16, source="b.md")
    both = replace(ask("Four moons"), also=(Gold("b.md", "moons are 4"),))
    (fact,) = find_evidence([both], chunks)["q"]
    assert fact.holders == {chunk.id for chunk in chunks}
    assert fact.share_in([chunks[0].id]) == fact.share_in([chunks[1].id]) == 1


def test_it_stands_for_the_last_of_several_facts_only():
    chunks = cut("Four moons. An ocean.", 11) + cut("A sea.", 6, source="b.md")
    asked = Question("q", "?", gold=(Gold("a.md", "Four"), Gold("a.md", "ocean")))
    first, last = find_evidence([replace(asked, also=(Gold("b.md", "A sea"),))], chunks)["q"]
    assert (len(first.holders), len(last.holders)) == (1, 2)
    with pytest.raises(ValueError, match=r"question 'q': 'A bay' is in no chunk of 'b.md'"):
        find_evidence([replace(asked, also=(Gold("b.md", "A bay"),))], chunks)


def test_a_source_is_a_path_or_its_end():
    text = "there are four moons"
    chunks = cut(text, 20, source="/home/x/data/en/moons.md")
    other = cut("four" + text, 24, source="/home/x/data/en/bluemoons.md")
    for source in ("/home/x/data/en/moons.md", "en/moons.md", "moons.md"):
        assert holders("four", chunks + other, source) == [text]


def test_a_source_is_also_known_by_its_path_from_the_root_and_by_detours(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    chunks = cut("four moons", 10, source="docs/moons.md")
    for source in (f"{tmp_path}/here/docs/moons.md", "./docs/moons.md", "../here/docs/moons.md"):
        assert holders("four", chunks, source) == ["four moons"]
    assert holders("four", cut("four", 4, source="../docs/moons.md"), "docs/moons.md") == ["four"]


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("There are four moons.", "There are\nfour  moons."),
        ("露摩有四颗卫星。", "露摩有四\n颗卫星。"),
        ("露摩有 四颗", "露摩有四颗"),
        (" a.b (c)\n", "a.b\u3000(c)"),
    ],
)
def test_a_quote_may_have_its_white_space_elsewhere(quote, text):
    (fact,) = find_evidence([ask(quote)], cut(f"x {text} x", 99))["q"]
    assert fact.places[0].length == len(text)


def test_a_quote_is_not_found_where_white_space_parts_or_joins_words():
    for quote, text in [("fourmoons", "four moons"), ("four moons", "fourmoons"), ("a.b", "axb")]:
        with pytest.raises(ValueError, match="is in no chunk"):
            find_evidence([ask(quote)], cut(text, 99))


def test_a_quote_that_is_nowhere_is_named_before_anything_is_measured():
    chunks = cut("four moons", 4) + cut("salt", 4, source="b.md")
    for quote, source in [("five", "a.md"), ("salt", "a.md"), ("four", "c.md"), ("Four", "a.md")]:
        with pytest.raises(ValueError, match=rf"question 'q': '{quote}' is in no chunk of"):
            find_evidence([ask(quote, source)], chunks)


def test_a_gap_between_chunks_joins_nothing():
    chunks = cut("abcdefghijkl", 4)
    with pytest.raises(ValueError, match="'di' is in no chunk"):
        find_evidence([ask("di")], [chunks[0], chunks[2]])
    assert holders("ij", [chunks[0], chunks[2]]) == ["ijkl"]


@PROPERTY
@given(st.text("ab月。", min_size=1, max_size=40), st.data())
def test_every_quote_is_found_in_any_cutting(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    size = data.draw(st.integers(2, 20))
    chunks = cut(text, size, data.draw(st.integers(0, size - 1)))
    mixed = data.draw(st.permutations(chunks))
    (fact,) = find_evidence([ask(text[start:end])], mixed)["q"]
    assert fact.holders
    assert fact.share_in([chunk.id for chunk in chunks]) == 1
    whole = {c.id for c in chunks if text[start:end] in c.text}
    assert whole <= fact.holders
    for place in fact.places:
        for name, (first, last) in place.parts.items():
            (piece,) = {c.text for c in chunks if c.id == name}
            assert text[start:end][first:last] in piece


# --- Retrieval. ---

WORLD = [
    "Lumo has four moons and an ocean.",
    "Issin is the nearest moon of Lumo.",
    "The ferry to Issin leaves twice a day.",
    "Salt plums are sold at the ferry.",
    "盐梅是渡口卖的小吃。",
    "伊辛是露摩最近的卫星。",
]
CHUNKS = [
    Chunk.of(Document.of(text, {}), 0, len(text), {"source": f"{row}.md"})
    for row, text in enumerate(WORLD)
]
QUESTIONS = [
    Question("moons", "How many moons has Lumo?", ("four",), (Gold("0.md", "four moons"),)),
    Question(
        "hop",
        "How often does the ferry to the nearest moon of Lumo leave?",
        ("twice a day",),
        (Gold("1.md", "nearest moon"), Gold("2.md", "twice a day")),
        kind="two-hop",
    ),
    Question("plum", "盐梅在哪里卖？", ("渡口",), (Gold("4.md", "渡口"),)),
    Question("king", "Who is the king of Lumo?", kind="unanswerable"),
]
EVIDENCE = find_evidence(QUESTIONS, CHUNKS)


def words():
    index = BM25Index()
    index.add(WORLD)
    return BM25Retriever(index, CHUNKS)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_report_is_that_of_trec_eval(k):
    report = evaluate_retrieval(words(), QUESTIONS, EVIDENCE, k)
    asked = [question for question in QUESTIONS if question.gold]
    qrels = {q.id: {gold.source: 1 for gold in q.gold} for q in asked}
    run = {
        q.id: {h.chunk.metadata["source"]: h.score for h in words().retrieve(q.question, k)}
        for q in asked
    }
    names = {"nDCG": "ndcg_cut", "Recall": "recall", "MAP": "map_cut"}
    measures = {f"{name}.{k}" for name in names.values()} | {"recip_rank"}
    expected = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    for ours, theirs in {**names, "MRR": "recip_rank"}.items():
        key = theirs if ours == "MRR" else f"{theirs}_{k}"
        wanted = {name: row[key] for name, row in expected.items()}
        assert report.scores[f"{ours}@{k}"] == pytest.approx(wanted)
        assert report.mean(f"{ours}@{k}") == pytest.approx(sum(wanted.values()) / 3)


def test_each_question_is_asked_once_for_exactly_k():
    # More would be another result: what MMR and rerankers find depends on k.
    fake = FixedRetriever(CHUNKS)
    evaluate_retrieval(fake, QUESTIONS, EVIDENCE, k=3)
    assert fake.asked == [(q.question, 3) for q in QUESTIONS if q.gold]


def test_evidence_counts_quotes_and_not_chunks():
    report = evaluate_retrieval(FixedRetriever(CHUNKS[:2]), QUESTIONS, EVIDENCE, k=2)
    assert report.scores["Evidence@2"] == {"moons": 1, "hop": 0.5, "plum": 0}
    pieces = cut("there are four moons there", 13, overlap=6)
    question = [ask("four moons")]
    evidence = find_evidence(question, pieces)
    half = evaluate_retrieval(FixedRetriever(pieces[:1]), question, evidence, k=1)
    assert half.scores["Evidence@1"] == {"q": 3 / 10}  # "fou"
    assert half.scores["Recall@1"] == {"q": 0}


def test_without_gold_quotes_there_is_nothing_to_measure():
    with pytest.raises(ValueError, match="no question has a gold quote"):
        evaluate_retrieval(words(), QUESTIONS[-1:], EVIDENCE)
    with pytest.raises(ValueError, match="no evidence for question 'new'"):
        evaluate_retrieval(words(), [ask("x", name="new")], EVIDENCE)
    with pytest.raises(ValueError, match="k=0"):
        evaluate_retrieval(words(), QUESTIONS, EVIDENCE, k=0)


# --- Reports. ---


def test_two_reports_are_compared_question_by_question():
    a = evaluate_retrieval(words(), QUESTIONS, EVIDENCE, k=2)
    b = evaluate_retrieval(FixedRetriever(CHUNKS[::-1]), QUESTIONS[::-1], EVIDENCE, k=2)
    ids = ["moons", "hop", "plum"]
    ours, theirs = ([r.scores["nDCG@2"][name] for name in ids] for r in (a, b))
    assert ours != theirs
    found = a.compare(b, "nDCG@2")
    assert found.difference == pytest.approx(compare(ours, theirs).difference)
    assert found.p_value == compare(ours, theirs).p_value
    with pytest.raises(
        ValueError, match=r"nDCG@2: only one report has question 'hop' and 1 others"
    ):
        a.compare(b.only(["moons"]), "nDCG@2")
    with pytest.raises(ValueError, match=r"metric='nDCG@10' must be one of nDCG@2, Recall@2"):
        a.mean("nDCG@10")


def test_reports_pair_questions_by_their_ids_and_not_by_their_order():
    a = Report({"F1": {"x": 1.0, "y": 0.0, "z": 0.5}})
    found = a.compare(Report({"F1": {"z": 0.5, "x": 1.0, "y": 0.0}}), "F1")
    assert (found.wins, found.losses, found.p_value) == (0, 0, 1)


def test_a_part_of_a_report_has_its_own_mean():
    report = Report({"F1": {"a": 1.0, "b": 0.5, "c": 0.0}})
    assert report.mean("F1") == 0.5
    assert report.only(["a", "b", "not there"]).mean("F1") == 0.75
    low, high = report.interval("F1")
    assert 0 <= low < 0.5 < high <= 1
    nothing = report.only([])
    assert math.isnan(nothing.mean("F1"))
    assert all(map(math.isnan, nothing.interval("F1")))


# --- Answers. ---


def reply(text, *cited, refused=False):
    """An answer that had all chunks as hits and cites some of them."""
    hits = [Hit(chunk, 1.0) for chunk in CHUNKS]
    citations = [Citation.of(number, hits[number - 1]) for number in cited]
    return Answer(text, citations, hits, NO_USAGE, refused)


def judged(replies):
    return evaluate_answers(dict(zip([q.question for q in QUESTIONS], replies, strict=True)).get,
                            QUESTIONS, EVIDENCE).scores  # fmt: skip


def test_right_answers_with_their_citations_score_1():
    scores = judged([reply("four [1]", 1), reply("twice a day [2][3]", 2, 3),
                     reply("渡口【5】", 5), reply("Not known.", refused=True)])  # fmt: skip
    every = {"moons": 1, "hop": 1, "plum": 1}
    assert scores == {
        "F1": every,
        "holds": every,
        "citation precision": every,
        "citation recall": every,
        "refusal precision": {"king": 1},
        "refusal recall": {"king": 1},
    }


def test_wrong_and_refused_answers_are_told_apart():
    scores = judged([reply("It is four.", 1, 4), reply("four", refused=True), reply("不知道"),
                     reply("King Arthur [1]", 1)])  # fmt: skip
    assert scores["F1"] == {"moons": pytest.approx(2 * 1 / 4), "hop": 0, "plum": 0}
    assert scores["holds"] == {"moons": 1, "hop": 0, "plum": 0}
    assert scores["citation precision"] == {"moons": 0.5, "plum": 0}
    assert scores["citation recall"] == {"moons": 1, "hop": 0, "plum": 0}
    assert scores["refusal precision"] == {"hop": 0}
    assert scores["refusal recall"] == {"king": 0}


def test_a_refusal_that_happens_to_hold_the_answer_scores_0():
    scores = judged([reply("There is nothing about four moons [1].", 1, refused=True)] * 4)
    assert scores["holds"]["moons"] == scores["citation recall"]["moons"] == 0


def test_if_nothing_is_refused_its_precision_is_nan():
    report = evaluate_answers(lambda _: reply("four"), QUESTIONS, EVIDENCE)
    assert math.isnan(report.mean("refusal precision"))
    assert report.mean("refusal recall") == 0


# --- Questions. ---


def test_questions_are_read_line_by_line(tmp_path):
    file = tmp_path / "questions.jsonl"
    first = {
        "id": "q1",
        "lang": "zh",
        "question": "露摩有几颗卫星？",
        "answers": ["四颗", "4颗"],
        "gold": [{"source": "zh/lumo.md", "quote": "有四颗卫星"}],
        "kind": "number",
    }
    lines = [
        first,
        {"question": "Why?", "answers": ["so"]},
        {"question": "?", "kind": "unanswerable"},
    ]
    text = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_questions(file) == [
        Question(
            "q1",
            "露摩有几颗卫星？",
            ("四颗", "4颗"),
            (Gold("zh/lumo.md", "有四颗卫星"),),
            "zh",
            "number",
        ),
        Question("3", "Why?", ("so",)),
        Question("5", "?", kind="unanswerable"),
    ]
    assert [question.answerable for question in read_questions(str(file))] == [True, True, False]


GOOD = '{"id": "a", "question": "?", "answers": ["x"]}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting"),
        ("[]", r"\[\] is not a question; a line is"),
        ('{"answers": ["x"]}', '"question" is None where a text should be'),
        ('{"question": "", "answers": ["x"]}', "\"question\" is '' where a text should be"),
        ('{"question": "?", "answers": [4]}', '"answers" is 4 where a text should be'),
        ('{"question": "?", "answers": [" "]}', "\"answers\" is ' ' where a text should be"),
        ('{"question": "?", "gold": ["a.md"]}', "\"gold\" holds 'a.md'"),
        ('{"question": "?", "gold": [{"source": "a.md"}]}', '"quote" is None where a text'),
        ('{"question": "?", "answers": ["a"], "also": [{"source": "a", "quote": "b"}]}', '"also"'),
        ('{"question": "?"}', 'neither "answers" nor "gold"; or say "kind": "unanswerable"'),
        (GOOD, "the id 'a' was used before"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path, line, reason):
    file = tmp_path / "questions.jsonl"
    file.write_text(f"{GOOD}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"questions\.jsonl, line 3: .*{reason}"):
        read_questions(file)


def test_answers_are_a_list_and_not_a_text(tmp_path):
    # a text is a list of characters to Python: every one of them would pass for the answer
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "?", "answers": "four"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 1: .*'four' where a list should be"):
        read_questions(file)


def test_a_file_without_questions_is_refused(tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text("\n \n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no questions; a line is"):
        read_questions(file)
    file.write_bytes("四颗卫星".encode("gb18030"))
    with pytest.raises(ValueError, match=r"questions\.jsonl is not UTF-8: .* convert it"):
        read_questions(file)

"""When nothing relevant was found, and the threshold that says so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_rag.bm25 import BM25Index
from tiny_rag.documents import Chunk, Document, Hit
from tiny_rag.relevance import IndexCoverage, Threshold, calibrate, term_coverage

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)
TEXTS = ["Yan has a mass of nine.", "Lumo has two moons.", "砚星的质量是九。"]


def chunks(texts=TEXTS, **metadata):
    documents = [Document.of(text, {"source": "a"}) for text in texts]
    return [Chunk.of(d, 0, len(d.text), {"source": "a", **metadata}) for d in documents]


HITS = [Hit(chunk, 1.0) for chunk in chunks()]


def test_the_best_single_hit_counts():
    assert term_coverage("Yan mass", HITS) == 1
    assert term_coverage("Yan moons", HITS) == 0.5  # two hits have one each
    assert term_coverage("Orbit time", HITS) == 0
    assert term_coverage("Yan", []) == 0
    assert term_coverage("砚星的质量？", HITS) == 1
    assert term_coverage("", HITS) == 0


def test_words_that_ask_and_repeated_words_do_not_count():
    assert term_coverage("What mass?", HITS) == 1
    assert term_coverage("Yan Yan Yan orbit", HITS) == 0.5
    assert term_coverage("砚星的质量是多少？", HITS) == 1


def test_headings_count_for_the_text_below_them():
    found = [Hit(chunk, 1.0) for chunk in chunks(["It has a mass."], headings=["Yan"])]
    assert term_coverage("Yan mass", found) == 1


def indexed():
    index = BM25Index()
    index.add(TEXTS)
    return index


def test_with_an_index_it_is_the_coverage_of_the_best_hit():
    relevance, index = IndexCoverage(indexed(), chunks()), indexed()
    question = "How many moons has Yan?"
    rows = [index.coverage(question, row) for row in range(3)]
    assert relevance(question, HITS) == max(rows) > min(rows)
    assert relevance(question, HITS[:1]) == rows[0]
    assert relevance(question, []) == 0


def test_a_hit_from_elsewhere_counts_nothing():
    stranger = Hit(chunks(["Yan has moons."])[0], 1.0)
    assert IndexCoverage(indexed(), chunks())("Yan", [stranger]) == 0


# --- The threshold. ---


def test_a_threshold_between_two_kinds_that_do_not_overlap():
    assert calibrate([0.6, 0.9], [0.1, 0.4]) == Threshold(0.5, 1.0, 1.0)


def test_both_kinds_weigh_the_same_however_many_there_are():
    # By plain accuracy the 100 would win, and nothing would ever be refused.
    found = calibrate([0.5] * 60 + [0.3] * 40, [0.4])
    assert (found.answered, found.refused) == (0.6, 1.0)


def test_among_equals_the_lowest_threshold_wins():
    assert calibrate([0.2, 0.8], [0.1, 0.3]).value == pytest.approx(0.15)


def test_where_nothing_helps_everything_is_answered():
    assert calibrate([0.5], [0.5]) == Threshold(0.0, 1.0, 0.0)
    assert calibrate([0.1], [0.9]) == Threshold(0.0, 1.0, 0.0)


SCORES = st.lists(st.integers(0, 8).map(lambda i: i / 8), min_size=1, max_size=12)


@PROPERTY
@given(SCORES, SCORES)
def test_no_threshold_does_better(answerable, unanswerable):
    found = calibrate(answerable, unanswerable)

    def shares(value):
        kept = sum(score >= value for score in answerable) / len(answerable)
        return kept, sum(score < value for score in unanswerable) / len(unanswerable)

    assert (found.answered, found.refused) == shares(found.value)
    best = max(sum(shares(i / 16)) for i in range(18))
    assert found.answered + found.refused == pytest.approx(max(best, 1.0))


@pytest.mark.parametrize(("answerable", "unanswerable"), [([], [0.1]), ([0.1], [])])
def test_a_missing_kind_is_refused(answerable, unanswerable):
    with pytest.raises(ValueError, match="a threshold needs some of each"):
        calibrate(answerable, unanswerable)
